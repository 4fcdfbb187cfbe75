"""Whose request it is when proxies stand before us."""

from __future__ import annotations

from collections.abc import Sequence
from ipaddress import IPv4Network, IPv6Network, ip_address

Network = IPv4Network | IPv6Network


def client_address(*, peer: str, forwarded: str, trusted: Sequence[Network]) -> str:
    """The address of the client, from the peer's and `X-Forwarded-For`.

    Read from the right, for each proxy appends whom it heard: the first that is no trusted proxy
    is the client. What stands further left is the client's own word and means nothing.
    """
    address = peer
    for named in reversed([part.strip() for part in forwarded.split(",") if part.strip()]):
        if not _is_trusted(address, trusted):
            break
        try:
            address = str(ip_address(named))
        except ValueError:
            break
    return address


def _is_trusted(address: str, trusted: Sequence[Network]) -> bool:
    try:
        parsed = ip_address(address)
    except ValueError:
        return False
    mapped = getattr(parsed, "ipv4_mapped", None)
    return any((mapped or parsed) in network for network in trusted)
