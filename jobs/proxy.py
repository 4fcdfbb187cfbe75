"""The filtering proxy: every connection of a browser leaves through here, judged by the egress policy.

A name is resolved here, every address behind it is judged, and the connection goes to the
judged address. Plain HTTP is read and written anew, message by message (`jobs.http1`);
CONNECT tunnels (https, websockets) are passed on unread once their destination is allowed.

It listens on loopback only and knows no users: whoever can connect to it can also connect
without it, and gets less here than there.
"""

from __future__ import annotations

import asyncio
import logging
import time
from base64 import b64encode
from collections.abc import Callable
from dataclasses import dataclass

from jobs.addresses import Address
from jobs.egress import EgressRefused, NameNotFound, Policy, split_authority
from jobs.http1 import Headers
from jobs.proxy_conversation import CannotConnect, Conversation
from jobs.relay import page
from jobs.wire import Wire

logger = logging.getLogger(__name__)

OnRefused = Callable[[str, str, str], None]

CONNECT_TIMEOUT_S = 15
RESOLVED_FOR_S = 30
MOST_CONNECTIONS = 1000
# What Chromium asks for by itself, where no switch of its silences it: updates, dictionaries for
# the spelling of what is typed, hints. No page uses these hosts. They are answered at once, and
# nobody is told. accounts.google.com is not among them: pages let people sign in there.
BROWSERS_OWN = frozenset(
    {
        "content-autofill.googleapis.com",
        "optimizationguide-pa.googleapis.com",
        "redirector.gvt1.com",
        "update.googleapis.com",
    }
)


@dataclass(frozen=True, kw_only=True)
class Upstream:
    """A proxy to go through. Hosts in `bypass` (`name`, `.domain` or `*.domain`) are reached directly."""

    host: str
    port: int
    username: str = ""
    password: str = ""
    bypass: tuple[str, ...] = ()

    @classmethod
    def parse(
        cls, *, server: str, username: str = "", password: str = "", bypass: str = ""
    ) -> Upstream:
        """From Playwright's proxy settings.

        :raises ValueError: not an http:// proxy.
        """
        scheme, _, rest = server.partition("://") if "://" in server else ("http", "", server)
        if scheme.lower() != "http":
            raise ValueError(f"Only http:// proxies are supported, not {scheme}://.")
        try:
            host, port = split_authority(rest.removesuffix("/"), default_port=80)
        except EgressRefused as error:
            raise ValueError(f"{server!r} is not a proxy's address: {error}") from error
        hosts = tuple(part.strip().lower() for part in bypass.split(",") if part.strip())
        return cls(host=host, port=port, username=username, password=password, bypass=hosts)

    def passes_by(self, host: str) -> bool:
        name = host.lower().rstrip(".")
        return any(
            name == each or (each[:1] in ".*" and name.endswith("." + each.lstrip("*.")))
            for each in self.bypass
        )

    def authorization(self) -> Headers:
        if not self.username:
            return []
        credentials = b64encode(f"{self.username}:{self.password}".encode()).decode()
        return [("Proxy-Authorization", f"Basic {credentials}")]


class FilteringProxy:
    """A forward proxy on a free loopback port. `on_refused(url, code, message)` hears of every refusal."""

    def __init__(
        self,
        policy: Policy,
        *,
        upstream: Upstream | None = None,
        on_refused: OnRefused | None = None,
    ) -> None:
        self.policy = policy
        self._upstream = upstream
        self._on_refused = on_refused
        self._server: asyncio.Server | None = None
        self._serving: set[asyncio.Task[None]] = set()
        self._resolved: dict[tuple[str, int], tuple[float, list[Address]]] = {}

    async def start(self) -> str:
        """Listen; the address to give to a browser."""
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(
            lambda: Wire(on_connected=self._accept), "127.0.0.1", 0, backlog=512
        )
        port = self._server.sockets[0].getsockname()[1]
        self.policy = self.policy.with_own_ports(port)
        return f"http://127.0.0.1:{port}"

    async def stop(self) -> None:
        """Close every connection; nothing is left when this returns."""
        if self._server is not None:
            self._server.close()
        for serving in list(self._serving):
            serving.cancel()
        await asyncio.gather(*self._serving, return_exceptions=True)
        if self._server is not None:
            await self._server.wait_closed()

    async def open(self, host: str, port: int) -> Wire:
        """A connection to a judged address of `host`, or through the upstream proxy to `host`.

        :raises EgressRefused: the policy forbids it.
        :raises CannotConnect: nobody is there.
        """
        if host.lower().rstrip(".") in BROWSERS_OWN:
            raise CannotConnect("browsers_own", f"{host} is asked by the browser, not by a page.")
        addresses = await self._resolve(host, port)
        upstream = self.via(host)
        if upstream is None:
            return await self._connect(addresses, port, shown=f"{host}:{port}")
        try:
            doors = await self.policy.resolve_checked(upstream.host, upstream.port)
        except NameNotFound as error:
            raise CannotConnect("proxy_unreachable", f"The upstream proxy: {error}") from error
        return await self._connect(
            doors, upstream.port, shown=f"the upstream proxy {upstream.host}:{upstream.port}"
        )

    def _accept(self, client: Wire) -> None:
        if len(self._serving) >= MOST_CONNECTIONS:
            client.write(page(503, "too_many_connections", "The proxy has no connection left."))
            client.close()
            return
        serving = asyncio.get_running_loop().create_task(Conversation(self, client).hold())
        self._serving.add(serving)
        serving.add_done_callback(self._serving.discard)

    def via(self, host: str) -> Upstream | None:
        """The proxy to go through to `host`; None: directly."""
        return None if self._upstream is None or self._upstream.passes_by(host) else self._upstream

    async def _resolve(self, host: str, port: int) -> list[Address]:
        known = self._resolved.get((host, port))
        if known and known[0] > time.monotonic():
            return known[1]
        try:
            addresses = await self.policy.resolve_checked(host, port)
        except NameNotFound as error:
            if self.via(host) is not None:
                return []  # a name that only the upstream proxy's network knows
            raise CannotConnect("name_not_found", str(error)) from error
        if len(self._resolved) >= MOST_CONNECTIONS:
            self._resolved.clear()
        self._resolved[host, port] = (time.monotonic() + RESOLVED_FOR_S, addresses)
        return addresses

    async def _connect(self, addresses: list[Address], port: int, *, shown: str) -> Wire:
        loop = asyncio.get_running_loop()
        failure = "no address"
        ends_at = loop.time() + CONNECT_TIMEOUT_S
        for index, address in enumerate(addresses):
            # Time left is shared out, so that one silent address does not use it up for the others.
            share = (ends_at - loop.time()) / (len(addresses) - index)
            try:
                async with asyncio.timeout(max(share, 1)):
                    _, wire = await loop.create_connection(Wire, str(address), port)
            except TimeoutError:
                failure = f"no answer in {CONNECT_TIMEOUT_S} s"
            except OSError as error:
                failure = error.strerror or str(error)
            else:
                return wire
        raise CannotConnect("cannot_connect", f"{shown} can not be reached: {failure}.")

    def refused(self, url: str, code: str, message: str) -> None:
        """Tell whoever wants to know that `url` was not gone to."""
        if code == "browsers_own":
            logger.debug("refused %s: %s", url, code)
            return
        logger.info("refused %s: %s", url, code)
        if self._on_refused is not None:
            self._on_refused(url, code, message)
