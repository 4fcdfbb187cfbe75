"""Tickets: how the console vouches for a viewer towards a session process."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import time
from dataclasses import dataclass
from secrets import token_urlsafe

SCHEME = "Ticket"


class BadTicket(Exception):
    """This ticket is malformed, forged, too old or already used."""


@dataclass(frozen=True, kw_only=True)
class Claims:
    viewer: str
    user: str
    control: bool
    exp: float
    nonce: str


def issue(*, key: str, viewer: str, user: str, control: bool, ttl_s: float = 30) -> str:
    """The value of the `Authorization` header that admits one viewer once."""
    claims = {
        "viewer": viewer,
        "user": user,
        "control": control,
        "exp": time.time() + ttl_s,
        "nonce": token_urlsafe(16),
    }
    body = base64.urlsafe_b64encode(json.dumps(claims).encode()).decode().rstrip("=")
    return f"{SCHEME} {body}.{_sign(key, body)}"


class TicketGate:
    """Accepts each ticket signed with `key` once."""

    def __init__(self, *, key: str) -> None:
        self._key = key
        self._used: dict[str, float] = {}

    def admit(self, *, header: str, now: float) -> Claims:
        """:raises BadTicket: see its docstring."""
        scheme, _, token = header.partition(" ")
        body, _, signature = token.partition(".")
        if scheme != SCHEME or not hmac.compare_digest(
            signature.encode(), _sign(self._key, body).encode()
        ):
            raise BadTicket(BadTicket.__doc__)
        try:
            raw = json.loads(base64.urlsafe_b64decode(body + "=" * (-len(body) % 4)))
            claims = Claims(
                viewer=str(raw["viewer"])[:80],
                user=str(raw["user"])[:200],
                control=raw["control"] is True,
                exp=float(raw["exp"]),
                nonce=str(raw["nonce"]),
            )
        except (ValueError, KeyError, TypeError) as error:
            raise BadTicket(BadTicket.__doc__) from error
        self._used = {nonce: exp for nonce, exp in self._used.items() if exp > now}
        # An expiry far away would have to be remembered for as long.
        if not now < claims.exp < now + 600 or claims.nonce in self._used:
            raise BadTicket(BadTicket.__doc__)
        self._used[claims.nonce] = claims.exp
        return claims


def _sign(key: str, body: str) -> str:
    return hmac.new(key.encode(), body.encode(), hashlib.sha256).hexdigest()
