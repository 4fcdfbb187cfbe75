"""The recorder's websocket: the live view."""

from django.urls import re_path

from recorder.consumers import LiveConsumer

live = LiveConsumer.as_asgi()

websocket_urlpatterns = [
    re_path(r"^ws/recorder/sessions/(?P<session_id>[0-9a-fA-F-]{32,36})/live/?$", live),
]
