"""What every websocket passes first: who is it, may it come from there, can it keep up."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, MutableMapping
from functools import partial
from typing import Any
from urllib.parse import parse_qs, urlsplit

from asgiref.sync import sync_to_async
from channels.auth import AuthMiddlewareStack
from channels.generic.websocket import AsyncWebsocketConsumer
from django.conf import settings
from django.contrib.auth.models import AnonymousUser
from django.http.request import split_domain_port, validate_host
from django.urls import re_path
from rest_framework.exceptions import AuthenticationFailed

from config.accounts import user_of_bearer, user_of_ticket
from jobs.frames import EXTENSION

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
Application = Callable[..., Awaitable[None]]


class SocketUser:
    """Sets `scope["user"]`: of the bearer token or ticket where one is given, else of the session.

    Neither is an ambient credential, so they may come from anywhere. The session cookie
    is accepted only from a page of this very origin: a page on another port of the same host
    also sends it, and Channels' own validator compares host names only.
    """

    def __init__(self, inner: Application) -> None:
        self.inner = inner
        self.with_session: Application = AuthMiddlewareStack(inner)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = {name: value.decode("latin1") for name, value in scope["headers"]}
        bearer = headers.get(b"authorization", "")
        ticket = parse_qs(scope.get("query_string", b"").decode("latin1")).get("ticket", [""])[-1]
        if bearer or ticket:
            scope = dict(scope)
            try:
                if bearer:
                    found = await sync_to_async(user_of_bearer)(bearer)
                else:
                    found = await sync_to_async(user_of_ticket)(ticket)
                scope["user"], scope["standing"] = found
            except AuthenticationFailed:
                scope["user"] = AnonymousUser()
            return await self.inner(scope, receive, send)
        if not same_origin(headers.get(b"origin", ""), headers.get(b"host", "")):
            await Refusal.as_asgi()(scope, receive, send)
            return None
        return await self.with_session(scope, receive, send)


def same_origin(origin: str, host: str) -> bool:
    """Whether a page of `origin` is ours, as Django's CSRF check sees it."""
    if origin in settings.CSRF_TRUSTED_ORIGINS:
        return True
    domain, _port = split_domain_port(host)
    if not domain or not validate_host(domain, settings.ALLOWED_HOSTS):
        return False
    try:
        return bool(origin) and urlsplit(origin).netloc.lower() == host.lower()
    except ValueError:
        return False


class Refusal(AsyncWebsocketConsumer):
    """Closes before it accepts: the client sees 403 instead of a handshake."""

    async def connect(self) -> None:
        await self.close()


class UnknownSocket(AsyncWebsocketConsumer):
    async def connect(self) -> None:
        await self.accept()  # refused before accept, a browser sees only code 1006
        await self.close(4404)


unknown_socket = re_path(r"", UnknownSocket.as_asgi())


class PacedSend:
    """Makes `await send(…)` wait while the client's unsent bytes exceed `LIMIT`.

    Daphne writes into an unbounded buffer, so a client that stops reading would grow the web
    process without limit. Other servers wait in `send` by themselves; there this does nothing.
    """

    LIMIT = 256 * 1024

    def __init__(self, inner: Application) -> None:
        self.inner = inner

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        protocol = send.args[0] if isinstance(send, partial) and send.args else None
        transport = getattr(protocol, "transport", None)
        if not hasattr(transport, "dataBuffer"):
            return await self.inner(scope, receive, send)

        framed = scope["type"] == "websocket" and hasattr(protocol, "sendPreparedMessage")
        if framed:
            scope = {**scope, "extensions": {**(scope.get("extensions") or {}), EXTENSION: {}}}

        async def paced(message: MutableMapping[str, Any]) -> None:
            if framed and message["type"] == EXTENSION:
                if _write_frames(protocol, message["bytes"]):
                    return
            else:
                await send(message)
            # A quick client takes it by the next turn of the loop; a slow one is left more and more time.
            wait_s = 0.0
            while _unsent_bytes(transport) > self.LIMIT:
                await asyncio.sleep(wait_s)
                wait_s = min(max(2 * wait_s, 0.0005), 0.02)

        return await self.inner(scope, receive, paced)


def _write_frames(protocol: Any, frames: bytes) -> bool:
    """What autobahn's `sendPreparedMessage` does, for several at once; nothing once it is closing.

    True: everything has left.

    Into an idle connection the bytes go at once: Twisted's own `write` asks the event loop twice
    (writable? no more), which cost as much as all the rest. (Daphne offers no compression, so
    a frame is the same for every client.)
    """
    if protocol.state != protocol.STATE_OPEN:
        return False
    transport = protocol.transport
    if protocol.send_queue:
        protocol.sendData(frames)
        return False
    if _unsent_bytes(transport) == 0 and not transport._tempDataBuffer and not transport.TLS:
        written = transport.writeSomeData(frames)
        # Anything but a count is a connection that broke; `write` notices and says so to Daphne.
        if isinstance(written, int) and written >= 0:
            if written == len(frames):
                return True
            frames = frames[written:]
    transport.write(frames)
    return False


def _unsent_bytes(transport: Any) -> int:
    """Bytes that wait in a Twisted descriptor; 0 once it is closed."""
    if not transport.connected:
        return 0
    return int(len(transport.dataBuffer) - transport.offset + transport._tempDataLen)
