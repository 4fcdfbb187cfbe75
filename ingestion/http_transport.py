"""The way out for crawlers and clients: each connection goes to an address that was judged.

A name is resolved here, by the egress policy, once for each connection; every address behind it
is judged, and the connection goes to one of these as a number. Nothing resolves it again. TLS is
verified against the name all the same, because only the socket knows the number.
"""

from __future__ import annotations

import socket
import ssl
import zlib
from collections.abc import AsyncIterator, Iterator
from functools import lru_cache

import aiohttp
import certifi
import httpx
from aiohttp.abc import AbstractResolver, ResolveResult
from yarl import URL

from ingestion.http_errors import FetchFailed, explained
from jobs.egress import Policy

# How much is unpacked at a time: a bomb is noticed before it is a megabyte over the limit.
STEP_BYTES = 1 << 20
KEEPALIVE_S = 15
MOST_HEADER_BYTES = 64 * 1024


@lru_cache(maxsize=1)
def trusted() -> ssl.SSLContext:
    """What this machine trusts (SSL_CERT_FILE heeded), and the authorities that browsers do."""
    context = ssl.create_default_context()
    context.load_verify_locations(certifi.where())
    return context


class GuardedTransport(httpx.AsyncBaseTransport):
    """Connects where `policy` allows, to the address that it judged.

    aiohttp moves the bytes: asking for a small page costs it a tenth of what httpcore takes.

    :raises FetchFailed: from every request and body, for every reason.
    """

    def __init__(
        self, *, policy: Policy, connections: int = 20, tls: ssl.SSLContext | None = None
    ) -> None:
        self._policy = policy
        self._connections = connections
        self._tls = tls or trusted()
        self._session: aiohttp.ClientSession | None = None

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        url = str(request.url)
        allowed = request.extensions.get("timeout", {})
        with explained(url):
            # Of addresses that are numbers no resolver is asked.
            self._policy.check_url(url)
            response = await self._opened().request(
                request.method,
                URL(url, encoded=True),
                headers=[
                    (name, value)
                    for name, value in request.headers.multi_items()
                    if name != "content-length"
                ],
                data=await request.aread() or None,
                allow_redirects=False,
                timeout=aiohttp.ClientTimeout(
                    total=None,
                    sock_connect=allowed.get("connect"),
                    sock_read=allowed.get("read"),
                ),
            )
        return httpx.Response(
            status_code=response.status,
            headers=list(response.raw_headers),
            stream=_Body(response, url),
            extensions={"reason_phrase": (response.reason or "").encode("ascii", "replace")},
        )

    def _opened(self) -> aiohttp.ClientSession:
        # Made where it is used: it belongs to the event loop that runs then.
        if self._session is None:
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(
                    limit=self._connections,
                    ssl=self._tls,
                    resolver=_JudgedAddresses(self._policy),
                    # Each connection is judged by what its name stands for then.
                    use_dns_cache=False,
                    keepalive_timeout=KEEPALIVE_S,
                ),
                cookie_jar=aiohttp.DummyCookieJar(),
                auto_decompress=False,
                skip_auto_headers=("User-Agent", "Accept", "Accept-Encoding", "Content-Type"),
                max_line_size=MOST_HEADER_BYTES,
                max_field_size=MOST_HEADER_BYTES,
            )
        return self._session

    async def aclose(self) -> None:
        if self._session is not None:
            await self._session.close()


class _JudgedAddresses(AbstractResolver):
    def __init__(self, policy: Policy) -> None:
        self._policy = policy

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        """:raises EgressRefused: the name, or one of its addresses, may not be connected to."""
        return [
            ResolveResult(
                hostname=host,
                host=str(address),
                port=port,
                family=socket.AF_INET6 if address.version == 6 else socket.AF_INET,
                proto=0,
                flags=socket.AI_NUMERICHOST,
            )
            for address in await self._policy.resolve_checked(host, port)
        ]

    async def close(self) -> None:
        """Nothing is kept."""


class _Body(httpx.AsyncByteStream):
    def __init__(self, response: aiohttp.ClientResponse, url: str) -> None:
        self._response = response
        self._url = url

    async def __aiter__(self) -> AsyncIterator[bytes]:
        with explained(self._url):
            async for part in self._response.content.iter_any():
                yield part

    async def aclose(self) -> None:
        # Closes the connection of a body that was not read to its end, and keeps any other.
        if self._response.content.at_eof():
            self._response.release()
        else:
            self._response.close()


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
