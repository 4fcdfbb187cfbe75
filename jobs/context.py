"""Where a command comes from: one request, socket or program, and the number it is known by."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Literal

from jobs.ids import uuid7

Via = Literal["admin", "api", "websocket", "program"]

HEADER = "X-Request-ID"
USER_AGENT_MAX = 200
# What a proxy or client may call a request: it goes into logs, headers and the audit as it is.
_GIVEN_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:-]{7,63}")


@dataclass(frozen=True)
class Context:
    """The request (or socket, or program) that is being served.

    `address` is the client's, as far as the proxies before it are trusted; empty for a program.
    """

    request_id: str = ""
    address: str = ""
    user_agent: str = ""
    via: Via = "program"
    # What was already written about this request; shared with the threads that serve it.
    notes: set[str] = field(default_factory=set, compare=False, repr=False)


_current: ContextVar[Context] = ContextVar("tapedeck_context")


def current() -> Context:
    """The context of what is being served; outside of any request an empty one."""
    return _current.get(None) or Context()


@contextmanager
def serving(context: Context) -> Iterator[Context]:
    """While entered, `current()` is `context`."""
    before = _current.set(context)
    try:
        yield context
    finally:
        _current.reset(before)


def request_id(given: str = "") -> str:
    """`given` where it is safe to repeat, else a new one, sortable by time."""
    return given if _GIVEN_ID.fullmatch(given) else uuid7().hex
