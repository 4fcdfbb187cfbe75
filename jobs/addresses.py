"""Hosts and addresses as browsers read them, and what kind of place an address is.

Hosts follow the WHATWG URL standard (https://url.spec.whatwg.org/#host-parsing), because
what a browser would connect to is what has to be judged: `0x7f.1`, `2130706433` and `127。0。0。1`
are all 127.0.0.1 there.
"""

from __future__ import annotations

import socket
from collections.abc import Iterator
from enum import StrEnum
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_network

import idna

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

LONGEST_NAME = 253
# The code points that the standard forbids in a domain, space and controls apart.
FORBIDDEN = frozenset('"#%/:<>?@[\\]^`{|}')


class BadHost(ValueError):
    """This is not a host that a browser would accept."""


class Place(StrEnum):
    """What kind of place an address is."""

    PUBLIC = "public"
    PRIVATE = "private"
    LOOPBACK = "loopback"
    METADATA = "metadata"
    UNUSABLE = "unusable"


def _networks(*texts: str) -> tuple[Network, ...]:
    return tuple(ip_network(text) for text in texts)


# Where clouds hand credentials to whoever asks from inside a machine.
METADATA = _networks(
    "169.254.169.0/24",  # AWS, Google, Azure, OpenStack, DigitalOcean, Oracle, …
    "169.254.170.0/24",  # AWS containers (ECS .2, EKS .23)
    "169.254.0.23/32",  # Tencent
    "100.100.100.200/32",  # Alibaba
    "192.0.0.192/32",  # Oracle, older
    "168.63.129.16/32",  # Azure's host agent, on a public address
    "fd00:ec2::/32",  # AWS over IPv6 (::254, ::23)
    "fd20:ce::254/128",  # Google over IPv6
    "fe80::a9fe:a9fe/128",  # OpenStack over IPv6
)
METADATA_NAMES = frozenset(
    {
        "metadata",
        "metadata.google.internal",
        "metadata.goog",
        "metadata.azure.internal",
        "metadata.tencentyun.com",
        "instance-data",
        "instance-data.ec2.internal",
    }
)
# IANA's special-purpose registries: whatever is not globally reachable, and not listed below it.
PRIVATE = _networks(
    *("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16"),  # RFC 1918
    *("100.64.0.0/10", "169.254.0.0/16"),  # carrier NAT, link-local
    *("192.0.0.0/24", "198.18.0.0/15"),  # protocol assignments, benchmarking
    *("fc00::/7", "fe80::/10", "fec0::/10"),  # unique local, link-local, site-local
    "64:ff9b:1::/48",  # NAT64 of one's own network (RFC 8215)
)
UNUSABLE = _networks(
    *("0.0.0.0/8", "224.0.0.0/4", "240.0.0.0/4"),  # this network, multicast, reserved, broadcast
    *(
        "192.0.2.0/24",
        "198.51.100.0/24",
        "203.0.113.0/24",
        "192.88.99.0/24",
    ),  # documentation, old 6to4 relays
    *("ff00::/8", "100::/64", "2001:db8::/32", "3fff::/20"),  # multicast, discard, documentation
    *("2001:2::/48", "2001:10::/28", "2001:20::/28", "5f00::/16"),  # benchmarking, ORCHID, SRv6
)
_LOOPBACK = _networks("127.0.0.0/8", "::1/128")
# On Linux a connection to "any address" arrives at this machine.
_ANY = frozenset({IPv4Address("0.0.0.0"), IPv6Address("::")})

_MAPPED = IPv6Network("::ffff:0:0/96")
_TRANSLATED = IPv6Network("::ffff:0:0:0/96")  # RFC 2765
_COMPATIBLE = IPv6Network("::/96")
_NAT64 = IPv6Network("64:ff9b::/96")
_NAT64_LOCAL = IPv6Network("64:ff9b:1::/48")
_6TO4 = IPv6Network("2002::/16")
_TEREDO = IPv6Network("2001::/32")


def parse_host(host: str) -> Address | str:
    """The address that `host` denotes, or its name in lower-case ASCII without a final dot.

    :raises BadHost: a browser would refuse it too; the message says what is wrong with it.
    """
    if host.startswith("["):
        if not host.endswith("]"):
            raise BadHost("the bracket is not closed")
        try:
            address = IPv6Address(host[1:-1])
        except ValueError as error:
            raise BadHost("this is not an IPv6 address") from error
        if address.scope_id:
            raise BadHost("an address in a URL has no zone")
        return address
    name = _ascii(host)
    labels = name.removesuffix(".").split(".")
    if "" in labels:
        raise BadHost("a part of the name is empty")
    if _ends_in_a_number(labels[-1]):
        return _ipv4(labels)
    if len(name) > LONGEST_NAME:
        raise BadHost("the name is too long")
    return ".".join(labels)


def place_of(address: Address) -> Place:
    """The most restricted place that `address`, or an IPv4 address inside it, belongs to."""
    places = {_own_place(each) for each in _with_embedded(address)}
    for place in (Place.METADATA, Place.UNUSABLE, Place.LOOPBACK, Place.PRIVATE):
        if place in places:
            return place
    return Place.PUBLIC


def is_here(address: Address) -> bool:
    """Whether a connection to `address` ends on this machine: on any interface's address."""
    return any(_is_here(each) for each in _with_embedded(address))


def _is_here(address: Address) -> bool:
    if address in _ANY or any(address in network for network in _LOOPBACK):
        return True
    # Only an address of this machine can be bound to; cheaper than listing the interfaces, never stale.
    family = socket.AF_INET if address.version == 4 else socket.AF_INET6
    try:
        with socket.socket(family, socket.SOCK_STREAM) as probe:
            if isinstance(address, IPv6Address) and address.is_link_local:
                return any(_binds(probe, address, index) for index, _ in socket.if_nameindex())
            return _binds(probe, address, 0)
    except OSError:
        return False


def _binds(probe: socket.socket, address: Address, scope: int) -> bool:
    plain = str(address).partition("%")[0]
    try:
        probe.bind((plain, 0) if address.version == 4 else (plain, 0, 0, scope))
    except OSError:
        return False
    return True


def _own_place(address: Address) -> Place:
    if any(address in network for network in METADATA):
        return Place.METADATA
    if address in _ANY or any(address in network for network in _LOOPBACK):
        return Place.LOOPBACK
    if any(address in network for network in UNUSABLE):
        return Place.UNUSABLE
    if any(address in network for network in PRIVATE):
        return Place.PRIVATE
    return Place.PUBLIC


def _with_embedded(address: Address) -> Iterator[Address]:
    """`address` and every IPv4 address that a gateway or the kernel would unwrap from it."""
    if isinstance(address, IPv4Address):
        yield address
        return
    address = IPv6Address(int(address))  # without a zone
    number = int(address)
    low = IPv4Address(number & 0xFFFFFFFF)
    if address in _MAPPED or address in _TRANSLATED:
        yield low  # nothing but a way to write the IPv4 address
        return
    yield address
    compatible = address in _COMPATIBLE and number > 0xFFFF
    if compatible or address in _NAT64 or address in _NAT64_LOCAL:
        yield low
    elif address in _6TO4:
        yield IPv4Address(number >> 80 & 0xFFFFFFFF)
    elif address in _TEREDO:
        yield IPv4Address(number >> 64 & 0xFFFFFFFF)  # the server
        yield IPv4Address(~number & 0xFFFFFFFF)  # the client, written inverted
    if number >> 32 & 0xFDFFFFFF == 0x5EFE:
        yield low  # ISATAP


def _ascii(host: str) -> str:
    if not host:
        raise BadHost("there is no host")
    if host.isascii():
        name = host.lower()
    else:
        try:
            name = idna.encode(host, uts46=True, transitional=False, std3_rules=False).decode()
        except idna.IDNAError as error:
            raise BadHost(f"this is not a name ({error})") from error
    if any(char in FORBIDDEN or char <= " " or char == "\x7f" for char in name):
        raise BadHost("the name has a character that a name can not have")
    return name


def _ends_in_a_number(last: str) -> bool:
    return (last.isascii() and last.isdigit()) or _number(last) is not None


def _number(text: str) -> int | None:
    """`text` as decimal, 0x… or 0… (octal), as the standard's IPv4 number parser reads it."""
    base, digits = 10, text
    if text[:2] in ("0x", "0X"):
        base, digits = 16, text[2:]
    elif len(text) > 1 and text[0] == "0":
        base, digits = 8, text[1:]
    if digits == "":
        return 0 if base == 16 else None
    if not (digits.isascii() and digits.isalnum()):
        return None
    try:
        return int(digits, base)
    except ValueError:
        return None


def _ipv4(labels: list[str]) -> IPv4Address:
    numbers = [_number(label) for label in labels]
    known = [number for number in numbers if number is not None]
    if len(known) != len(numbers) or len(known) > 4:
        raise BadHost("this is not an IPv4 address")
    *front, last = known
    if any(number > 255 for number in front) or last >= 256 ** (5 - len(known)):
        raise BadHost("this is not an IPv4 address")
    value = last
    for index, number in enumerate(front):
        value += number * 256 ** (3 - index)
    return IPv4Address(value)
