"""Questions in Jira's query language, made from the one that a person wrote."""

from __future__ import annotations

import re

# All that the account may see. Jira Cloud refuses a query that limits nothing, this it takes.
EVERYTHING = "project is not EMPTY"

_TOKEN = re.compile(r""""(?:\\.|[^"\\])*"|'(?:\\.|[^'\\])*'|\border\s+by\b""", re.IGNORECASE | re.DOTALL)  # fmt: skip


def split(jql: str) -> tuple[str, str]:
    """The condition and the order of `jql`; quoted words are no order."""
    for found in _TOKEN.finditer(jql):
        if found[0][0] not in "\"'":
            return jql[: found.start()].strip(), jql[found.end() :].strip()
    return jql.strip(), ""


def everything(jql: str, *, order: str = "key ASC") -> str:
    """What `jql` finds, in its own order, or else in `order`."""
    condition, own = split(jql)
    return f"{condition or EVERYTHING} ORDER BY {own or order}"


def counted(jql: str) -> str:
    """What `jql` finds, in no order."""
    return split(jql)[0] or EVERYTHING


def changed_since(jql: str, since_ms: int) -> str:
    """What `jql` finds and changed at or after `since_ms` (milliseconds since 1970).

    The number is not quoted: a quoted time is read in the time zone of the account.
    """
    condition, own = split(jql)
    within = f"({condition}) AND " if condition else ""
    return f"{within}updated >= {since_ms} ORDER BY {own or 'key ASC'}"
