"""`manage.py runweb`: the ASGI server, in the foreground."""

import gc
import logging
import os
import socket
from argparse import ArgumentParser
from typing import Any

from channels.routing import get_default_application
from django.conf import settings
from django.core.management.base import BaseCommand
from django.urls import reverse

from jobs.bodies import BoundedServer
from jobs.listening import listen

# Each connection and event makes a few hundred objects, hardly any of them in a circle.
GC_THRESHOLDS = (20_000, 20, 50)


class Command(BaseCommand):
    # They look at the code, as `make check` does, and load all of the console for it.
    requires_system_checks: list[str] | tuple[str, ...] = ()
    help = "Run the web server (Daphne) in the foreground. `up` starts this."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--host", default=settings.HOST)
        parser.add_argument("--port", type=int, default=settings.PORT)
        parser.add_argument(
            "--ready-fd", type=int, help="file descriptor: write a line to it once ready"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        # All pages and routes now, not with the first request.
        reverse("admin:index")
        listening = listen(options["host"], options["port"])
        for noisy in ("daphne", "twisted"):
            logging.getLogger(noisy).setLevel(logging.WARNING)
        fd = options["ready_fd"]

        def ready() -> None:
            # What is there now stays: looking through it again and again took a tenth of the time
            # that many sockets take.
            gc.collect()
            gc.freeze()
            gc.set_threshold(*GC_THRESHOLDS)
            if fd is not None:
                os.write(fd, b"ready\n")
                os.close(fd)

        BoundedServer(
            application=get_default_application(),
            endpoints=[_endpoint(listening, options["port"])],
            ready_callable=ready,
            server_name="Tapedeck",
            # Forwarded headers are read by config.requests: Daphne takes the client's own word.
        ).run()


def _endpoint(listening: socket.socket, port: int) -> str:
    if listening.family == socket.AF_INET:
        return f"fd:fileno={listening.fileno()}"
    # Daphne's `fd` endpoints know IPv4 only: for IPv6 this was a look whether the port is free.
    address = listening.getsockname()[0].replace(":", r"\:")
    listening.close()
    return f"tcp6:{port}:interface={address}"
