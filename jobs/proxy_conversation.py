"""One connection of a browser to the filtering proxy: requests one after another, or one tunnel."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Coroutine
from contextlib import suppress
from typing import TYPE_CHECKING, Any, TypeVar

from jobs.egress import EgressRefused, split_authority, split_url
from jobs.http1 import (
    BadMessage,
    Framing,
    Request,
    Response,
    end_to_end,
    head_of,
    parse_request,
    parse_response,
    values,
)
from jobs.relay import answer_head, page, send_body
from jobs.wire import HeadTooLarge, Wire, WireClosed

if TYPE_CHECKING:
    from jobs.proxy import FilteringProxy

logger = logging.getLogger(__name__)

T = TypeVar("T")

HEAD_BYTES = 128 * 1024
HEAD_TIMEOUT_S = 30
IDLE_TIMEOUT_S = 300
HALF_CLOSED_S = 60
IDEMPOTENT = frozenset({"GET", "HEAD", "OPTIONS"})


class CannotConnect(Exception):
    """Nobody accepts connections there; `code` is stable."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


class NoAnswer(Exception):
    """The server ended the connection before it said anything."""


class Conversation:
    """What `client` asks for, judged and fetched."""

    def __init__(self, proxy: FilteringProxy, client: Wire) -> None:
        self.proxy = proxy
        self.client = client
        # The server connection of the last request, kept for the next one to the same place.
        self.server: Wire | None = None
        self.place: tuple[str, int] | None = None

    async def hold(self) -> None:
        """Serve `client` until it or we have enough; never raises."""
        try:
            while await self._next():
                pass
            await self.client.linger()
            self.client.close()
        except (WireClosed, OSError, TimeoutError, asyncio.CancelledError):
            # Someone left, or the proxy stops: nobody awaits a result of this.
            self.client.abort()
        except Exception:
            logger.exception("a proxied connection failed")
            self.client.abort()
        finally:
            if self.server is not None:
                self.server.abort()

    async def _next(self) -> bool:
        """Serve one request; whether another may follow."""
        try:
            async with asyncio.timeout(IDLE_TIMEOUT_S):
                if not await self.client.readable():
                    return False
            async with asyncio.timeout(HEAD_TIMEOUT_S):
                head = await self.client.read_head(limit_bytes=HEAD_BYTES)
            if head is None:
                return False
            request = parse_request(head)
            body = request.body()
            if request.method == "CONNECT":
                return await self._tunnel(request.target)
            return await self._forward(request, body)
        except HeadTooLarge:
            return self._say(431, "head_too_large", "The request is larger than a request may be.")
        except BadMessage as error:
            return self._say(error.status, "bad_message", error.message)

    def _say(self, status: int, code: str, message: str, *, method: str = "GET") -> bool:
        self.client.write(page(status, code, message, with_body=method != "HEAD"))
        return False

    # Tunnels.

    async def _tunnel(self, target: str) -> bool:
        try:
            host, port = split_authority(target, default_port=None)
            server = self.server = await self.proxy.open(host, port)
            if self.proxy.via(host) is not None:
                await self._tunnel_upstream(server, host, target)
        except EgressRefused as error:
            self.proxy.refused(f"https://{target}", error.code, error.message)
            return self._say(403, error.code, error.message)
        except CannotConnect as error:
            self.proxy.refused(f"https://{target}", error.code, error.message)
            return self._say(502, error.code, error.message)
        self.client.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
        await self._join(server)
        return False

    async def _tunnel_upstream(self, server: Wire, host: str, target: str) -> None:
        upstream = self.proxy.via(host)
        credentials = upstream.authorization() if upstream else []
        server.write(head_of(f"CONNECT {target} HTTP/1.1", [("Host", target), *credentials]))
        try:
            async with asyncio.timeout(HEAD_TIMEOUT_S):
                head = await server.read_head(limit_bytes=HEAD_BYTES)
            answer = parse_response(head or b"")
        except (WireClosed, TimeoutError, HeadTooLarge, BadMessage) as error:
            raise CannotConnect(
                "proxy_failed", "The upstream proxy gives no sensible answer."
            ) from error
        if not 200 <= answer.status < 300:
            raise CannotConnect(
                "proxy_refused",
                f"The upstream proxy refused: {answer.status} {answer.phrase}. "
                "Check the proxy option, its user name and its password.",
            )

    async def _join(self, server: Wire) -> None:
        """Pass everything both ways until both sides have ended."""

        async def one_way(source: Wire, target: Wire) -> None:
            await source.pipe(target)
            target.write_eof()

        ways = {
            asyncio.create_task(one_way(self.client, server)),
            asyncio.create_task(one_way(server, self.client)),
        }
        try:
            done, rest = await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
            if rest and not any(way.exception() for way in done):
                # Who has closed for good looks like who only stopped talking: wait, but not for ever.
                await asyncio.wait(rest, timeout=HALF_CLOSED_S)
        finally:
            for way in ways:
                way.cancel()
            await asyncio.gather(*ways, return_exceptions=True)
            # An end that one side did not mean must not look like one to the other.
            if any(way.cancelled() or way.exception() for way in ways):
                self.client.reset()

    # Plain HTTP.

    async def _forward(self, request: Request, body: int | Framing) -> bool:
        try:
            host, port = self._destination(request)
            kept = self.server is not None and self.place == (host, port) and self.server.is_idle
            if not kept:
                await self._connect(host, port)
            try:
                return await self._exchange(request, body, host, port)
            except NoAnswer as error:
                # A kept connection may have been closed just then. What is safe to repeat is
                # repeated; of anything else only the browser knows whether it may be.
                if not kept:
                    raise CannotConnect(
                        "no_answer", "The server closed without an answer."
                    ) from error
                if body != 0 or request.method not in IDEMPOTENT:
                    raise WireClosed("The kept connection had ended.") from error
            await self._connect(host, port)
            try:
                return await self._exchange(request, body, host, port)
            except NoAnswer as error:
                raise CannotConnect("no_answer", "The server closed without an answer.") from error
        except EgressRefused as error:
            self.proxy.refused(request.target, error.code, error.message)
            return self._say(403, error.code, error.message, method=request.method)
        except CannotConnect as error:
            self.proxy.refused(request.target, error.code, error.message)
            return self._say(502, error.code, error.message, method=request.method)

    def _destination(self, request: Request) -> tuple[str, int]:
        if request.target.startswith("/") or request.target == "*":
            raise BadMessage("This is a proxy: requests name the whole address.")
        if "#" in request.target:
            raise BadMessage("An address in a request has no fragment.")
        scheme, host, port = split_url(request.target)
        if scheme == "https":
            raise BadMessage("https goes through CONNECT.")
        if scheme != "http":
            raise EgressRefused(
                "scheme_refused", f"Only http and https can be reached, not {scheme}:."
            )
        return host, port

    async def _connect(self, host: str, port: int) -> None:
        if self.server is not None:
            self.server.abort()
        self.server, self.place = None, None
        self.server = await self.proxy.open(host, port)
        self.place = (host, port)

    async def _exchange(self, request: Request, body: int | Framing, host: str, port: int) -> bool:
        """Pass on one request and its answer; whether the browser may ask again.

        :raises NoAnswer: the server ended the connection before it said anything.
        """
        server, client = self.server, self.client
        assert server is not None
        try:
            server.write(self._request_head(request, body, host, port))
        except WireClosed as error:
            raise NoAnswer from error
        sending = None
        if body != 0:
            sending = asyncio.create_task(send_body(client, server, body, strict=True))
        try:
            answer = await self._answer_to(request, server, sending)
            if answer.status == 101:
                await self._join(server)
                return False
            framing = answer.body(method=request.method)
            keeps = request.keeps_alive() and framing is not Framing.UNTIL_CLOSE
            keeps = keeps and not (framing is Framing.CHUNKED and request.minor == 0)
            client.write(answer_head(answer, framing, minor=request.minor, keeps=keeps))
            await self._watched(
                send_body(server, client, framing, strict=False, chunked=request.minor == 1),
                sending,
            )
            await client.drain()
            if sending is not None and not sending.done():
                return False  # what is left of the body can not be told from a next request
            if not answer.keeps_alive() or framing is Framing.UNTIL_CLOSE:
                server.abort()
            return keeps
        finally:
            if sending is not None:
                sending.cancel()
                await asyncio.gather(sending, return_exceptions=True)

    async def _answer_to(
        self, request: Request, server: Wire, sending: asyncio.Task[None] | None
    ) -> Response:
        """The final answer's head (or 101, already passed on); interim ones are passed on."""
        while True:
            try:
                head = await self._watched(server.read_head(limit_bytes=HEAD_BYTES), sending)
            except HeadTooLarge as error:
                raise BadMessage("The head of the server's answer is too large.", 502) from error
            except ConnectionError as error:
                if self.client.gone.done():
                    raise
                raise NoAnswer from error
            if head is None:
                raise NoAnswer
            answer = parse_response(head)
            if answer.status == 407:
                if self.proxy.via(self.place[0] if self.place else "") is None:
                    raise BadMessage(
                        "The server pretends to be a proxy that wants credentials.", 502
                    )
                raise CannotConnect("proxy_refused", "The upstream proxy wants other credentials.")
            if answer.status >= 200:
                return answer
            if answer.status == 101:
                if not request.upgrades():
                    raise BadMessage("The server switches protocols unasked.", 502)
                upgrade = [("Upgrade", value) for value in values(answer.headers, "upgrade")]
                headers = [*end_to_end(answer.headers), ("Connection", "Upgrade"), *upgrade]
                self.client.write(head_of("HTTP/1.1 101 Switching Protocols", headers))
                return answer
            if request.minor == 1:
                line = f"HTTP/1.1 {answer.status} {answer.phrase}"
                self.client.write(head_of(line, end_to_end(answer.headers)))

    async def _watched(self, work: Coroutine[Any, Any, T], sending: asyncio.Task[None] | None) -> T:
        """The result of `work`, given up when the browser leaves or what it sends is malformed."""
        working = asyncio.create_task(work)
        watched: set[asyncio.Future[Any]] = {working, self.client.gone}
        if sending is not None and not sending.done():
            watched.add(sending)
        try:
            while not working.done():
                done, _ = await asyncio.wait(watched, return_when=asyncio.FIRST_COMPLETED)
                if sending is not None and sending in done:
                    watched.discard(sending)
                    failure = sending.exception()
                    if isinstance(failure, HeadTooLarge):
                        raise BadMessage("The body has a malformed chunk.") from failure
                    if isinstance(failure, BadMessage):
                        raise failure
                if self.client.gone.done() and not working.done():
                    raise WireClosed("The browser left.")
            return working.result()
        finally:
            if not working.done():
                working.cancel()
                with suppress(asyncio.CancelledError, Exception):
                    await working

    def _request_head(self, request: Request, body: int | Framing, host: str, port: int) -> bytes:
        shown = host if port == 80 else f"{host}:{port}"
        rest = request.target.partition("://")[2]
        start = min((at for at in (rest.find("/"), rest.find("?")) if at >= 0), default=len(rest))
        path = rest[start:]
        if not path.startswith("/"):
            path = "*" if request.method == "OPTIONS" and not path else "/" + path
        # RFC 9112, 3.2.2: Host is made from the target, whatever the client says in its own.
        # No Via: a page must see what it would see from the browser alone.
        headers = [("Host", shown)]
        headers += [each for each in end_to_end(request.headers) if each[0].lower() != "host"]
        if body is Framing.CHUNKED:
            headers.append(("Transfer-Encoding", "chunked"))
        if request.upgrades():
            headers.append(("Connection", "Upgrade"))
            headers += [("Upgrade", value) for value in values(request.headers, "upgrade")]
        upstream = self.proxy.via(host)
        if upstream is not None:
            headers += upstream.authorization()
            path = f"http://{shown}{path.removeprefix('*')}"
        return head_of(f"{request.method} {path} HTTP/1.1", headers)
