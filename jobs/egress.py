"""Where browsers, crawlers and clients of ours may go.

`Policy.check_url` judges an address before anyone goes there; `Policy.resolve_checked` resolves
a name and judges every address behind it, and its caller connects to one of these and to
nothing else: a name that changes its mind between check and connection gains nothing.
Redirects need no rule of their own: each is a new request, and is judged as one.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, field, replace
from ipaddress import ip_address, ip_network
from typing import NoReturn
from urllib.parse import urlsplit

from django.conf import settings

from jobs.addresses import (
    METADATA_NAMES,
    Address,
    BadHost,
    Network,
    Place,
    is_here,
    parse_host,
    place_of,
)

Resolver = Callable[[str, int], Awaitable[list[Address]]]

DEFAULT_PORTS = {"http": 80, "https": 443, "ws": 80, "wss": 443}
SERVICE_PORTS = {"postgres": 5432, "postgresql": 5432, "redis": 6379, "rediss": 6379}
LOOPBACK = [ip_address("127.0.0.1"), ip_address("::1")]
RESOLVE_TIMEOUT_S = 10
# https://fetch.spec.whatwg.org/#port-blocking: other protocols that can be talked to by HTTP.
# fmt: off
BAD_PORTS = frozenset((
    0, 1, 7, 9, 11, 13, 15, 17, 19, 20, 21, 22, 23, 25, 37, 42, 43, 53, 69, 77, 79, 87, 95, 101,
    102, 103, 104, 109, 110, 111, 113, 115, 117, 119, 123, 135, 137, 139, 143, 161, 179, 389,
    427, 465, 512, 513, 514, 515, 526, 530, 531, 532, 540, 548, 554, 556, 563, 587, 601, 636,
    989, 990, 993, 995, 1719, 1720, 1723, 2049, 3659, 4045, 4190, 5060, 5061, 6000, 6566, 6665,
    6666, 6667, 6668, 6669, 6679, 6697, 10080,
))
# fmt: on


class EgressRefused(Exception):
    """The policy forbids this; `message` says why and what can be done, `code` is stable."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


class NameNotFound(Exception):
    """This name has no address."""


@dataclass(frozen=True, kw_only=True)
class Allowed:
    """One entry of EGRESS_ALLOW: a name, an address or a network, on one port or on all."""

    host: str | Network
    port: int | None = None

    @classmethod
    def parse(cls, entry: str) -> Allowed:
        """:raises ValueError: not `host`, `host:port`, `*.host`, an address or a network."""
        text = entry.strip()
        if "/" in text:
            try:
                return cls(host=ip_network(text, strict=False))
            except ValueError as error:
                raise ValueError(f"EGRESS_ALLOW: {entry!r} is not a network: {error}.") from error
        if text.count(":") > 1 and not text.startswith("["):
            text = f"[{text}]"
        host, bracket, rest = text.rpartition("]") if text.startswith("[") else ("", "", text)
        name, colon, port = rest.partition(":")
        if colon and not (port.isascii() and port.isdigit() and 0 < int(port) < 65536):
            raise ValueError(f"EGRESS_ALLOW: {entry!r} has no valid port.")
        wild = "*." if name.startswith("*.") else ""
        try:
            parsed = parse_host(host + bracket + name.removeprefix("*."))
        except BadHost as error:
            raise ValueError(f"EGRESS_ALLOW: {entry!r} is not a host: {error}.") from error
        if isinstance(parsed, str) and "*" in parsed:
            raise ValueError(
                f"EGRESS_ALLOW: {entry!r} has a * elsewhere than in front of a domain."
            )
        return cls(
            host=wild + parsed if isinstance(parsed, str) else ip_network(parsed),
            port=int(port) if colon else None,
        )

    def names(self, name: str, port: int) -> bool:
        if not isinstance(self.host, str) or self.port not in (None, port):
            return False
        return name == self.host or (self.host.startswith("*.") and name.endswith(self.host[1:]))

    def holds(self, address: Address, port: int) -> bool:
        return not isinstance(self.host, str) and self.port in (None, port) and address in self.host


async def system_resolve(host: str, port: int) -> list[Address]:
    """Every address of `host`, in the order in which the system would try them.

    :raises NameNotFound: the name has none, or nobody answers in time.
    """
    loop = asyncio.get_running_loop()
    try:
        async with asyncio.timeout(RESOLVE_TIMEOUT_S):
            found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except TimeoutError as error:
        raise NameNotFound(
            f"The name {host} could not be looked up in {RESOLVE_TIMEOUT_S} s."
        ) from error
    except (OSError, UnicodeError) as error:
        raise NameNotFound(f"There is no host called {host}.") from error
    return list(dict.fromkeys(_with_zone(info[4]) for info in found))


def _with_zone(sockaddr: tuple[object, ...]) -> Address:
    zoned = len(sockaddr) == 4 and sockaddr[3] and "%" not in str(sockaddr[0])
    return ip_address(f"{sockaddr[0]}%{sockaddr[3]}" if zoned else str(sockaddr[0]))


@dataclass(frozen=True, kw_only=True)
class Policy:
    """What may be reached.

    `private` opens loopback and private networks as a whole, `allow` single places in them.
    `own_ports` are Tapedeck's, on every address of this machine; `own_hosts` the names and ports
    under which it is reached from outside. Nothing opens these, nor metadata addresses.
    """

    private: bool
    allow: tuple[Allowed, ...] = ()
    own_ports: frozenset[int] = frozenset()
    own_hosts: frozenset[tuple[str, int]] = frozenset()
    resolver: Resolver = field(default=system_resolve, repr=False)

    @classmethod
    def from_settings(cls, *, own_ports: Iterable[int] = ()) -> Policy:
        """The operator's policy; `own_ports`: what this process listens on beside PORT.

        :raises ValueError: EGRESS_ALLOW has an entry that can not be read.
        """
        services = {_host_and_port(url) for url in (settings.DATABASE_URL, settings.REDIS_URL)}
        hosts = {_host_and_port(settings.PUBLIC_URL), *services}
        return cls(
            private=settings.EGRESS_PRIVATE,
            allow=tuple(Allowed.parse(entry) for entry in settings.EGRESS_ALLOW),
            # A database on this machine is reached under more names than the one in its URL.
            own_ports=frozenset({settings.PORT, *own_ports} | {port for _, port in services} - {0}),
            own_hosts=frozenset(hosts - {("", 0)}),
        )

    def with_own_ports(self, *ports: int) -> Policy:
        return replace(self, own_ports=self.own_ports | set(ports))

    def check_url(self, url: str) -> None:
        """Judge `url` as far as that is possible without looking up its name.

        :raises EgressRefused: it may not be gone to.
        """
        scheme, host, port = split_url(url)
        if scheme not in ("http", "https"):
            raise EgressRefused(
                "scheme_refused",
                f"Only http:// and https:// addresses can be opened, not {scheme}:. Serve the page "
                "by a web server, for instance `python -m http.server`.",
            )
        self.check_host(host, port)

    def check_host(self, host: str, port: int) -> Address | str:
        """`host` as browsers read it, judged without looking it up.

        :raises EgressRefused: it may not be connected to.
        """
        try:
            parsed = parse_host(host)
        except BadHost as error:
            raise EgressRefused("host_invalid", f"{host!r} is not a host: {error}.") from error
        if not 0 <= port <= 65535:
            raise EgressRefused("host_invalid", f"{port} is not a port.")
        if port in BAD_PORTS:
            raise EgressRefused(
                "port_refused",
                f"Port {port} belongs to another protocol than HTTP; browsers refuse it too.",
            )
        if (str(parsed), port) in self.own_hosts:
            _refuse_own(f"{parsed}, port {port},")
        elif not isinstance(parsed, str):
            self.check_address(parsed, port, name="")
        elif parsed in METADATA_NAMES:
            _refuse_metadata(parsed)
        elif _is_loopback_name(parsed):
            self.check_address(LOOPBACK[0], port, name=parsed)
        elif parsed.endswith(".local") and not self._opens(parsed, port):
            _refuse_private(parsed, port, "names in .local are devices on the local network")
        return parsed

    async def resolve_checked(self, host: str, port: int) -> list[Address]:
        """The addresses of `host`, each of them allowed; connect to these and to nothing else.

        :raises EgressRefused: the host, or any one of its addresses, may not be connected to.
        :raises NameNotFound: it has no address.
        """
        parsed = self.check_host(host, port)
        if not isinstance(parsed, str):
            return [parsed]
        if _is_loopback_name(parsed):
            # RFC 6761: never asked of a name server. check_host has allowed the first.
            return [address for address in LOOPBACK if self._allows(address, port, parsed)]
        addresses = await self.resolver(parsed, port)
        if not addresses:
            raise NameNotFound(f"There is no host called {parsed}.")
        # One forbidden address forbids the name: which of them is connected to is chance.
        for address in addresses:
            self.check_address(address, port, name=parsed)
        return addresses

    def check_address(self, address: Address, port: int, *, name: str) -> None:
        """Judge one address, found under `name` (empty: it was given as an address).

        :raises EgressRefused: it may not be connected to.
        """
        shown = f"{name} ({address})" if name else str(address)
        place = place_of(address)
        if place is Place.METADATA:
            _refuse_metadata(shown)
        if place is Place.UNUSABLE:
            raise EgressRefused("address_unusable", f"{shown} is not an address of one machine.")
        if port in self.own_ports and is_here(address):
            _refuse_own(f"{shown}, port {port},")
        if place is Place.PUBLIC or self._allows(address, port, name):
            return
        where = "this machine itself" if place is Place.LOOPBACK else "a private network"
        _refuse_private(name or str(address), port, f"{shown} is {where}")

    def _allows(self, address: Address, port: int, name: str) -> bool:
        return self._opens(name, port) or any(entry.holds(address, port) for entry in self.allow)

    def _opens(self, name: str, port: int) -> bool:
        return self.private or any(entry.names(name, port) for entry in self.allow)


def split_url(url: str) -> tuple[str, str, int]:
    """Scheme, host (as written, IPv6 in brackets) and port of an absolute URL.

    :raises EgressRefused: browsers and libraries would read this URL differently, it has
        credentials in it, or it is not absolute.
    """
    # What libraries and browsers disagree on is refused, not guessed: \ is / to a browser.
    if any(char <= " " or char == "\x7f" for char in url):
        raise EgressRefused("url_invalid", "The address has a space or a control character in it.")
    scheme, colon, rest = url.partition(":")
    scheme = scheme.lower()
    if not colon or not scheme.isascii() or not scheme.replace("+", "").replace("-", "").isalnum():
        raise EgressRefused("url_invalid", "The address must start with http:// or https://.")
    if scheme not in DEFAULT_PORTS:
        return scheme, "", 0
    if not rest.startswith("//") or rest.startswith("///"):
        raise EgressRefused("url_invalid", f"The address must start with {scheme}://.")
    authority = rest[2:]
    for end in "/?#":
        authority = authority.partition(end)[0]
    if "\\" in authority:
        raise EgressRefused("url_invalid", "The address has a backslash in its host.")
    if "@" in authority:
        raise EgressRefused(
            "credentials_in_url",
            "The address has a user name or password in it, which would be stored in plain text. "
            "Leave them out and use the option for HTTP credentials.",
        )
    host, port = split_authority(authority, default_port=DEFAULT_PORTS[scheme])
    return scheme, host, port


def split_authority(authority: str, *, default_port: int | None) -> tuple[str, int]:
    """Host (IPv6 in brackets) and port of `host[:port]`.

    :raises EgressRefused: it can not be read, or has no port and there is no default.
    """
    head, bracket, tail = authority.rpartition("]")
    name, colon, port = tail.partition(":")
    host = head + bracket + name if not bracket or not name else ""
    if not host:
        raise EgressRefused("url_invalid", "The address has no host.")
    if not port and default_port is not None:
        return host, default_port
    if not (colon and port.isascii() and port.isdigit() and len(port) <= 5 and int(port) < 65536):
        raise EgressRefused("url_invalid", f"{port!r} is not a port.")
    return host, int(port)


def _host_and_port(url: str) -> tuple[str, int]:
    parts = urlsplit(url)
    if not parts.hostname:  # not set, or SQLite
        return "", 0
    return parts.hostname, parts.port or (DEFAULT_PORTS | SERVICE_PORTS).get(parts.scheme, 0)


def _is_loopback_name(name: str) -> bool:
    return name == "localhost" or name.endswith(".localhost")


def _refuse_metadata(shown: str) -> NoReturn:
    raise EgressRefused(
        "metadata_refused",
        f"{shown} is where clouds hand out credentials. It is refused always; no setting opens it.",
    )


def _refuse_own(shown: str) -> NoReturn:
    raise EgressRefused(
        "own_port_refused",
        f"{shown} is Tapedeck itself. It is refused always: a page that is recorded must not "
        "reach the console.",
    )


def _refuse_private(host: str, port: int, why: str) -> NoReturn:
    shown = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    raise EgressRefused(
        "private_refused",
        f"{why}. Such addresses are closed unless the console listens on this machine only. To open "
        f"this one, add {shown} to EGRESS_ALLOW; EGRESS_PRIVATE=1 opens all of them.",
    )
