"""HTTP for crawlers and clients: guarded, bounded, and with reasons that one can act on.

Every address is judged by the egress policy, each redirect anew (`ingestion.http_transport`).
Bodies are bounded in bytes, unpacked, and in time. Whatever goes wrong is a `FetchFailed`.

`Client` is for asyncio; `BlockingClient` has the same calls for code that runs no event loop.
"""

from __future__ import annotations

import asyncio
import ssl
import time
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from io import BytesIO
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, BinaryIO, Self, TypeVar
from urllib.parse import quote, urljoin

from ingestion.http_errors import RETRYABLE, FetchFailed, explained, host_of, status_problem
from jobs.egress import Policy

if TYPE_CHECKING:
    import httpx

__all__ = ["Answer", "BlockingClient", "Client", "FetchFailed", "Limits", "Patience"]

T = TypeVar("T")

USER_AGENT = "Tapedeck/1.0"
REDIRECTS = frozenset({301, 302, 303, 307, 308})
# What URLs hold as it is (RFC 3986); anything else in a link is percent-encoded, as browsers do.
_URL_CHARS = "%:/?#[]@!$&'()*+,;=-._~|"


@dataclass(frozen=True, kw_only=True)
class Limits:
    """`max_bytes` of one body, unpacked; seconds to connect, between two pieces, and in all."""

    max_bytes: int = 10_000_000
    connect_s: float = 10
    silence_s: float = 30
    total_s: float = 60
    max_redirects: int = 10


@dataclass(frozen=True, kw_only=True)
class Patience:
    """How often and how long to wait for what may work later.

    A server that asks for more than `longest_wait_s` is not waited for.
    """

    attempts: int = 4
    first_wait_s: float = 1
    longest_wait_s: float = 120


ONCE = Patience(attempts=1)


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What a server said. `url` is where it said so; `hops` the addresses that led there."""

    url: str
    status: int
    headers: httpx.Headers
    body: bytes = field(default=b"", repr=False)
    hops: tuple[str, ...] = ()

    @property
    def content_type(self) -> str:
        """The media type alone, in lower case: `text/html`."""
        said: str = self.headers.get("content-type", "")
        return said.partition(";")[0].strip().lower()

    @property
    def retry_after_s(self) -> float | None:
        return retry_after(self.headers.get("retry-after", ""), now=datetime.now(UTC))

    def check(self) -> None:
        """:raises FetchFailed: the status is 400 or more."""
        if self.status >= 400:
            raise status_problem(self.url, self.status, retry_after_s=self.retry_after_s)


def retry_after(value: str, *, now: datetime) -> float | None:
    """Seconds of a Retry-After header: a number, or a date in the future. None: it says nothing."""
    text = value.strip()
    if text.isascii() and text.isdigit() and len(text) < 10:
        return float(text)
    try:
        at = parsedate_to_datetime(text)
    except (ValueError, TypeError):
        return None
    at = at if at.tzinfo else at.replace(tzinfo=UTC)
    return max(0.0, (at - now).total_seconds())


def join(base: str, reference: str) -> str:
    """`reference` as an absolute URL, encoded as browsers do it.

    :raises FetchFailed: `url_invalid`.
    """
    # WHATWG: tabs and line ends are dropped wherever they are, spaces around too.
    text = reference.strip("\t\n\r\f ").translate({9: None, 10: None, 13: None})
    try:
        return quote(urljoin(base, text), safe=_URL_CHARS)
    except ValueError as error:
        raise FetchFailed(
            "url_invalid", f"{reference[:200]!r} is not an address: {error}."
        ) from error


# Sees the head of an answer: it may raise, or return how many bytes of the body are read at most.
Accept = Callable[[Answer], int | None]


@dataclass(frozen=True, kw_only=True)
class _Asked:
    method: str
    url: str
    headers: Mapping[str, str]
    params: Mapping[str, Any] | None
    json: Any
    bounds: Limits
    into: Path | None
    accept: Accept | None


class Client:
    """An async client; `async with Client(policy=…) as client`.

    `headers` go everywhere; `credentials` are headers for the origin of `home` alone, and not for
    places that it redirects to. Cookies are kept and sent as browsers do.
    """

    def __init__(
        self,
        *,
        policy: Policy,
        limits: Limits = Limits(),
        headers: Mapping[str, str] | None = None,
        home: str = "",
        credentials: Mapping[str, str] | None = None,
        cookies: httpx.Cookies | None = None,
        connections: int = 20,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        # Here and not above: these take a quarter of a second each to import, at every start of a process.
        import httpx

        from ingestion.http_transport import GuardedTransport

        self.policy = policy
        self.limits = limits
        self._home = origin_of(home) if home else ""
        self._credentials = dict(credentials or {})
        self._http = httpx.AsyncClient(
            transport=GuardedTransport(policy=policy, connections=connections, tls=tls),
            headers={
                "User-Agent": USER_AGENT,
                "Accept-Encoding": "gzip, deflate",  # what is unpacked here, in bounded steps
                **(headers or {}),
            },
            cookies=cookies,
            timeout=httpx.Timeout(
                connect=limits.connect_s, read=limits.silence_s, write=limits.silence_s, pool=None
            ),
            follow_redirects=False,
            trust_env=False,
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self._http.aclose()

    async def get(self, url: str, **options: Any) -> Answer:
        """`request("GET", url, …)`."""
        return await self.request("GET", url, **options)

    async def request(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        params: Mapping[str, Any] | None = None,
        json: Any = None,
        limits: Limits | None = None,
        follow: bool = True,
        into: Path | None = None,
        accept: Accept | None = None,
        patience: Patience = ONCE,
        on_wait: Callable[[float, str], None] | None = None,
    ) -> Answer:
        """What the server answers, whatever its status (`Answer.check` raises for 400 and more).

        With `into` the body is written there and not kept in memory. `accept` sees the head before
        the body is read: it may raise, or return another limit than `Limits.max_bytes`. While `patience` lasts, 429, 5xx and broken connections are
        asked again, after Retry-After where the server says so; `on_wait(seconds_left, why)` is
        called about once a second meanwhile, and may raise to end it.

        :raises FetchFailed: refused by the policy, too large, too slow, not trusted, …
        """
        asked = _Asked(
            method=method,
            url=url,
            headers=headers or {},
            params=params,
            json=json,
            bounds=limits or self.limits,
            into=into,
            accept=accept,
        )
        for attempt in range(1, patience.attempts + 1):
            wait = patience.first_wait_s * 2 ** (attempt - 1)
            try:
                answer = await (self._follow(asked) if follow else self._once(asked))
            except FetchFailed as error:
                if not error.retryable or attempt == patience.attempts:
                    raise
                why = error.message
            else:
                if answer.status not in RETRYABLE or attempt == patience.attempts:
                    return answer
                wanted = answer.retry_after_s
                if wanted is not None and wanted > patience.longest_wait_s:
                    return answer
                wait = wait if wanted is None else wanted
                why = status_problem(answer.url, answer.status, retry_after_s=wanted).message
            await _pause(min(wait, patience.longest_wait_s), why, on_wait)
        raise AssertionError("the last attempt returns or raises")

    async def _follow(self, asked: _Asked) -> Answer:
        hops: list[str] = []
        while True:
            answer = await self._once(asked, hops=tuple(hops))
            location = answer.headers.get("location")
            if answer.status not in REDIRECTS or location is None:
                return answer
            hops.append(answer.url)
            asked = replace(asked, url=join(answer.url, location), params=None)
            if asked.url in hops:
                raise FetchFailed("redirect_loop", f"{hops[0]} is redirected in a circle.")
            if len(hops) > asked.bounds.max_redirects:
                raise FetchFailed(
                    "too_many_redirects",
                    f"{hops[0]} is redirected more than {asked.bounds.max_redirects} times.",
                )
            if answer.status == 303 or (answer.status in (301, 302) and asked.method == "POST"):
                asked = replace(asked, method="GET", json=None)

    async def _once(self, asked: _Asked, *, hops: tuple[str, ...] = ()) -> Answer:
        with explained(asked.url):
            self.policy.check_url(asked.url)
            request = self._http.build_request(
                asked.method,
                asked.url,
                headers=self._headers(asked),
                params=asked.params,
                json=asked.json,
            )
        try:
            async with asyncio.timeout(asked.bounds.total_s):
                try:
                    response = await self._http.send(request, stream=True)
                except FetchFailed as error:
                    if error.code != "connection_broken" or asked.json is not None:
                        raise
                    # The server may have closed a kept connection just then: a fresh one decides.
                    response = await self._http.send(request, stream=True)
                try:
                    return await _read(response, asked, hops)
                finally:
                    await response.aclose()
        except TimeoutError as error:
            raise FetchFailed(
                "timed_out",
                f"{host_of(asked.url)} did not finish its answer in {asked.bounds.total_s:g} s.",
                retryable=True,
            ) from error

    def _headers(self, asked: _Asked) -> dict[str, str]:
        own = self._credentials if self._home and origin_of(asked.url) == self._home else {}
        return {**own, **asked.headers}


class BlockingClient:
    """`Client` for code without an event loop: `with BlockingClient(policy=…) as client`."""

    def __init__(self, **options: Any) -> None:
        self._runner = asyncio.Runner()
        self._client = Client(**options)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._runner.run(self._client.__aexit__(None, None, None))
        self._runner.close()

    def get(self, url: str, **options: Any) -> Answer:
        """`Client.get`."""
        return self.request("GET", url, **options)

    def request(self, method: str, url: str, **options: Any) -> Answer:
        """`Client.request`."""
        return self._runner.run(self._client.request(method, url, **options))

    def run(self, work: Callable[[Client], Coroutine[Any, Any, T]]) -> T:
        """What `work` does with the async client."""
        return self._runner.run(work(self._client))


def origin_of(url: str) -> str:
    """Scheme, host and port of `url`, as one comparable text."""
    import httpx

    parts = httpx.URL(url)
    port = parts.port or {"http": 80, "https": 443}.get(parts.scheme, 0)
    return f"{parts.scheme}://{parts.host}:{port}"


async def _read(response: httpx.Response, asked: _Asked, hops: tuple[str, ...]) -> Answer:
    from ingestion.http_transport import unpacker

    url, most = str(response.url), asked.bounds.max_bytes
    head = Answer(url=url, status=response.status_code, headers=response.headers, hops=hops)
    if asked.accept is not None:
        most = asked.accept(head) or most
    encoding = response.headers.get("content-encoding", "")
    said = response.headers.get("content-length", "")
    if said.isascii() and said.isdigit() and int(said) > most:
        raise _too_large(url, f"{int(said):,} bytes", most)
    unpack = unpacker(encoding)
    sink: BinaryIO
    with asked.into.open("wb") if asked.into is not None else BytesIO() as sink:
        packed = size = 0
        async for part in response.aiter_raw():
            packed += len(part)
            for piece in unpack.feed(part):
                size += len(piece)
                if size > most:
                    more = f"more than {most:,} bytes"
                    raise _too_large(url, more, most, packed if encoding else None)
                sink.write(piece)
        unpack.end()
        return replace(head, body=sink.getvalue() if isinstance(sink, BytesIO) else b"")


def _too_large(url: str, size: str, most: int, packed: int | None = None) -> FetchFailed:
    unpacked = f", unpacked from {packed:,}" if packed is not None else ""
    return FetchFailed(
        "unpacks_too_large" if packed is not None else "too_large",
        f"{host_of(url)} sends {size}{unpacked}; at most {most:,} are read.",
    )


async def _pause(seconds: float, why: str, on_wait: Callable[[float, str], None] | None) -> None:
    ends_at = time.monotonic() + seconds
    while (left := ends_at - time.monotonic()) > 0:
        if on_wait is not None:
            on_wait(left, why)
        await asyncio.sleep(min(left, 1))
