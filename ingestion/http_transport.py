"""The way out for crawlers and clients: each connection goes to an address that was judged.

A name is resolved here, by the egress policy, once for each connection; every address behind it
is judged, and the connection goes to one of these as a number. Nothing resolves it again. TLS is
verified against the name all the same, because only the socket knows the number.
"""

from __future__ import annotations

import ssl
import zlib
from collections.abc import AsyncIterator, Iterable, Iterator
from functools import lru_cache
from typing import Any

import certifi
import httpcore
import httpx

from ingestion.http_errors import FetchFailed, explained
from jobs.egress import Policy

# How much is unpacked at a time: a bomb is noticed before it is a megabyte over the limit.
STEP_BYTES = 1 << 20
KEEPALIVE_S = 15


@lru_cache(maxsize=1)
def trusted() -> ssl.SSLContext:
    """What this machine trusts (SSL_CERT_FILE heeded), and the authorities that browsers do."""
    context = ssl.create_default_context()
    context.load_verify_locations(certifi.where())
    return context


class GuardedTransport(httpx.AsyncBaseTransport):
    """Connects where `policy` allows, to the address that it judged.

    :raises FetchFailed: from every request and body, for every reason.
    """

    def __init__(
        self, *, policy: Policy, connections: int = 20, tls: ssl.SSLContext | None = None
    ) -> None:
        self._pool = httpcore.AsyncConnectionPool(
            ssl_context=tls or trusted(),
            max_connections=connections,
            max_keepalive_connections=connections,
            keepalive_expiry=KEEPALIVE_S,
            network_backend=_JudgedAddresses(policy),
        )

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        url = request.url
        sent = httpcore.Request(
            method=request.method,
            url=httpcore.URL(
                scheme=url.raw_scheme, host=url.raw_host, port=url.port, target=url.raw_path
            ),
            headers=request.headers.raw,
            content=request.stream,
            extensions=request.extensions,
        )
        with explained(str(url)):
            response = await self._pool.handle_async_request(sent)
        return httpx.Response(
            status_code=response.status,
            headers=response.headers,
            stream=_Body(response, str(url)),
            extensions=response.extensions,
        )

    async def aclose(self) -> None:
        await self._pool.aclose()


class _JudgedAddresses(httpcore.AsyncNetworkBackend):
    def __init__(self, policy: Policy) -> None:
        self._policy = policy
        self._inner = httpcore.AnyIOBackend()

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        """:raises EgressRefused: the name, or one of its addresses, may not be connected to."""
        shown = f"[{host}]" if ":" in host else host
        addresses = await self._policy.resolve_checked(shown, port)
        failure: Exception = httpcore.ConnectError(f"{shown} has no address")
        for index, address in enumerate(addresses):
            # Time left is shared out, so that one silent address does not use it up for the others.
            share = timeout / (len(addresses) - index) if timeout else None
            try:
                return await self._inner.connect_tcp(
                    str(address), port, share, local_address, socket_options
                )
            except (httpcore.ConnectError, httpcore.ConnectTimeout) as error:
                failure = error
        raise failure

    async def sleep(self, seconds: float) -> None:
        await self._inner.sleep(seconds)


class _Body(httpx.AsyncByteStream):
    def __init__(self, response: httpcore.Response, url: str) -> None:
        self._response = response
        self._url = url

    async def __aiter__(self) -> AsyncIterator[bytes]:
        with explained(self._url):
            async for part in self._response.aiter_stream():
                yield part

    async def aclose(self) -> None:
        await self._response.aclose()


def unpacker(encoding: str) -> Unpacker:
    """For the body of an answer with this Content-Encoding.

    :raises FetchFailed: `encoding_unknown`.
    """
    name = encoding.strip().lower()
    if name in ("", "identity"):
        return Unpacker()
    if name in ("gzip", "x-gzip"):
        return _Inflater(zlib.MAX_WBITS | 16)
    if name == "deflate":
        return _Inflater(zlib.MAX_WBITS)
    raise FetchFailed(
        "encoding_unknown", f"The answer is packed as {encoding!r}, which was not asked for."
    )


class Unpacker:
    """Takes a body in pieces, gives it in pieces of bounded size."""

    def feed(self, data: bytes) -> Iterator[bytes]:
        """:raises FetchFailed: `body_damaged`."""
        yield data

    def end(self) -> None:
        """:raises FetchFailed: `body_damaged`: it ended too early."""


class _Inflater(Unpacker):
    def __init__(self, bits: int) -> None:
        self._bits = bits
        self._inflate = zlib.decompressobj(bits)
        self._begun = False

    def feed(self, data: bytes) -> Iterator[bytes]:
        while data:
            if self._inflate.eof:  # a second member: gzip files may be joined
                self._inflate = zlib.decompressobj(self._bits)
            try:
                piece = self._inflate.decompress(data, STEP_BYTES)
            except zlib.error as error:
                if self._begun or self._bits != zlib.MAX_WBITS:
                    raise _damaged(str(error)) from error
                # Some servers mean the bare format by "deflate"; every browser takes both.
                self._bits = -zlib.MAX_WBITS
                self._inflate = zlib.decompressobj(self._bits)
                continue
            self._begun = True
            data = self._inflate.unconsumed_tail or self._inflate.unused_data
            if piece:
                yield piece
            elif self._inflate.eof and not data.strip(b"\0"):
                return  # padding after the end

    def end(self) -> None:
        if self._begun and not self._inflate.eof:
            raise _damaged("it ends in the middle")


def _damaged(why: str) -> FetchFailed:
    return FetchFailed(
        "body_damaged", f"The packed answer can not be unpacked: {why}.", retryable=True
    )
