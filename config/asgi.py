"""The ASGI application: Django for http, the apps' consumers for websockets."""

import os
from importlib import import_module
from importlib.util import find_spec

from channels.routing import ProtocolTypeRouter, URLRouter
from django.core.asgi import get_asgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
# Before the imports below: it loads the apps, which the consumers need.
django_application = get_asgi_application()

from config.observing import CountSockets  # noqa: E402
from config.requests import KnownSockets  # noqa: E402
from config.sockets import PacedSend, SocketUser, unknown_socket  # noqa: E402
from jobs.bodies import BodyFromFile  # noqa: E402

websocket_urlpatterns = [
    pattern
    for module in ("jobs.routing", "recorder.routing")
    if find_spec(module)
    for pattern in import_module(module).websocket_urlpatterns
]

application = ProtocolTypeRouter(
    {
        "http": PacedSend(BodyFromFile(django_application)),
        "websocket": CountSockets(
            PacedSend(KnownSockets(SocketUser(URLRouter([*websocket_urlpatterns, unknown_socket]))))
        ),
    }
)
