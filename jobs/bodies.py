"""Large request bodies under Daphne: refused before they arrive, and never held in memory.

Daphne keeps a body in a temporary file while it comes, and then puts all of it into a queue in
memory, whatever its size; a body that is declared too large it takes to the end. Here one that is
too large is answered at its head, and the application reads a large one from its file.
"""

from __future__ import annotations

import asyncio
import json
from io import BytesIO
from typing import IO, Any

import daphne.server
from daphne.http_protocol import HTTPFactory, WebRequest
from daphne.server import Server
from django.conf import settings
from twisted.internet import reactor

from jobs.api.problem import CONTENT_TYPE, problem

# Smaller ones take Daphne's own way.
FROM_FILE_BYTES = 256 * 1024
CHUNK_BYTES = 256 * 1024
# Boundaries and fields of a form, around the largest file.
FORM_BYTES = 1024 * 1024
# How long a client that still sends may take to notice the answer.
LINGER_S = 5
BODY = "tapedeck.body"


def most_bytes() -> int:
    """The largest body that any route takes."""
    return int(settings.MAX_UPLOAD_MB) * 1024 * 1024 + FORM_BYTES


class BoundedRequest(WebRequest):
    """A request that is refused while it arrives, once it is (or says it will be) too large."""

    refused = False
    spooled: IO[bytes] | None = None
    _received = 0

    def gotLength(self, length: int | None) -> None:
        super().gotLength(length)
        if length is not None and length > most_bytes():
            self._refuse(length)

    def handleContentChunk(self, data: bytes) -> None:
        if self.refused:
            return
        self._received += len(data)
        if self._received > most_bytes():
            # Of unknown length, in chunks.
            self._refuse(self._received)
            return
        super().handleContentChunk(data)

    def requestReceived(self, command: bytes, path: bytes, version: bytes) -> None:
        # Twisted's own would parse forms here, a file in them at twelve times its size in memory,
        # for arguments that Daphne never looks at.
        body: Any = self.content
        body.seek(0)
        self.args = {}
        self.method, self.uri, self.clientproto = command, path, version
        self.path = path.partition(b"?")[0]
        self.process()

    def process(self) -> Any:
        if self.refused:
            channel: Any = self.channel
            channel.loseConnection()
            return None
        # Of a body in chunks Django reads nothing: it is given the length that it came to.
        chunked = self.requestHeaders.hasHeader(b"transfer-encoding")
        if self._received > FROM_FILE_BYTES or (chunked and self._received):
            # The queue gets an empty body; the application reads this file in its stead.
            spooled: Any = self.content
            spooled.seek(0)
            self.spooled, self.content = spooled, BytesIO()
        return super().process()

    def _refuse(self, size: int) -> None:
        self.refused = True
        body = json.dumps(
            problem(
                status=413,
                code="too_large",
                detail=f"The request has {size / 1e6:,.0f} MB; this installation takes up to "
                f"{settings.MAX_UPLOAD_MB:,} MiB (MAX_UPLOAD_MB).",
            )
        ).encode()
        head = (
            "HTTP/1.1 413 Content Too Large\r\n"
            f"Content-Type: {CONTENT_TYPE}\r\nContent-Length: {len(body)}\r\n"
            "Cache-Control: no-store\r\nConnection: close\r\n\r\n"
        ).encode()
        channel: Any = self.channel
        channel.transport.write(head + body)
        # Closing at once would reset the connection under a client that still sends, and take the
        # answer away from it.
        loop: Any = reactor
        loop.callLater(LINGER_S, channel.transport.abortConnection)


class BoundedFactory(HTTPFactory):
    def buildProtocol(self, addr: Any) -> Any:
        protocol = super().buildProtocol(addr)
        protocol.requestFactory = BoundedRequest
        return protocol


class BoundedServer(Server):
    """Daphne's server with requests of this sort."""

    def run(self) -> None:
        # `run` makes its factory by this name and leaves no other way to choose one.
        daphne.server.HTTPFactory = BoundedFactory  # type: ignore[attr-defined]
        super().run()

    def create_application(self, protocol: Any, scope: Any) -> Any:
        spooled = getattr(protocol, "spooled", None)
        if spooled is not None:
            headers = [each for each in scope["headers"] if each[0] != b"content-length"]
            length = str(spooled.seek(0, 2)).encode()
            spooled.seek(0)
            scope = {**scope, "headers": [*headers, (b"content-length", length)]}
            scope = {**scope, "extensions": {**scope.get("extensions", {}), BODY: spooled}}
        return super().create_application(protocol, scope)


class BodyFromFile:
    """ASGI: hands a body that lies in a file to the application piece by piece."""

    def __init__(self, application: Any) -> None:
        self._application = application

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        spooled = (scope.get("extensions") or {}).get(BODY)
        if spooled is None:
            await self._application(scope, receive, send)
            return
        done = False

        async def read() -> dict[str, Any]:
            nonlocal done
            if done:
                message: dict[str, Any] = await receive()
                return message
            data = await asyncio.to_thread(spooled.read, CHUNK_BYTES)
            if len(data) < CHUNK_BYTES:
                done = True
                # The empty body that Daphne queued in its stead, or that the client has gone.
                queued = await receive()
                if queued["type"] == "http.disconnect":
                    return dict(queued)
            return {"type": "http.request", "body": data, "more_body": not done}

        try:
            await self._application(scope, read, send)
        finally:
            spooled.close()
