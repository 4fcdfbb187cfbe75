"""The socket that the web server listens on."""

import socket

from django.core.management.base import CommandError


def listen(host: str, port: int) -> socket.socket:
    """A listening socket on `host`:`port`.

    :raises CommandError: says why not: Daphne itself would go on without one.
    """
    try:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        listening = socket.create_server((host, port), family=family, backlog=256)
    except OSError as error:
        raise CommandError(f"Can not listen on {host}:{port}: {error.strerror}.") from error
    listening.setblocking(False)
    return listening
