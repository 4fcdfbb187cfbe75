"""What the value of a field says, whatever sort of field it is."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

from ingestion.jira import adf, wiki
from ingestion.jira.pieces import Piece

# A sprint as Server prints it: `com.atlassian.…Sprint@1f[id=1,…,name=Sprint 3,startDate=…]`.
_SPRINT = re.compile(r"\.Sprint@[0-9a-f]+\[.*?\bname=([^,\]]*)")
_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d")
# What in a value of an unknown sort is for machines.
_UNSEEN = frozenset({"self", "id", "accountId", "accountType", "avatarUrls", "iconUrl", "key", "hexColor", "active", "timeZone", "avatarId", "entityId"})  # fmt: skip
MAX_DEPTH = 6


def is_document(value: Any) -> bool:
    """Whether it is a rich text of Cloud."""
    return isinstance(value, Mapping) and value.get("type") == "doc" and "content" in value


def rich(value: Any) -> tuple[list[Piece], frozenset[str]]:
    """A rich text of either Jira, and what nodes in it are not known."""
    if isinstance(value, str):
        return wiki.read(value), frozenset()
    return adf.read(value)


def shown(value: Any, depth: int = 0) -> str:
    """`value` as one line of words; empty where it says nothing."""
    if value is None or depth > MAX_DEPTH:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    if isinstance(value, int | float):
        return str(value)
    if isinstance(value, str):
        return _text(value)
    if isinstance(value, list):
        return ", ".join(filter(None, (shown(each, depth + 1) for each in value)))
    if isinstance(value, Mapping):
        return _object(value, depth)
    return ""


def moment(value: Any) -> datetime | None:
    """One of Jira's times (`2026-01-31T10:00:00.000+0000`)."""
    try:
        at = datetime.fromisoformat(str(value))
    except ValueError:
        return None
    return at.astimezone(UTC) if at.tzinfo else None


def _text(value: str) -> str:
    if found := _SPRINT.search(value):
        return found[1]
    if _TIME.match(value) and (at := moment(value)) is not None:
        return f"{at:%Y-%m-%d %H:%M} UTC"
    return " ".join(value.split())


def _object(value: Mapping[str, Any], depth: int) -> str:
    if is_document(value):
        return " ".join(adf.text_of(value).split())
    if "inwardIssue" in value or "outwardIssue" in value:
        return _link(value, depth)
    inner = value.get("fields")
    if value.get("key") and isinstance(inner, Mapping):
        return f"{value['key']} {shown(inner.get('summary'))}".strip()
    for name in ("displayName", "value", "name"):
        if value.get(name) not in (None, ""):
            said = shown(value[name], depth + 1)
            # A cascading choice holds the next one.
            below = shown(value.get("child"), depth + 1)
            return f"{said} › {below}" if below else said
    return ", ".join(filter(None, _rest(value, depth)))


def _rest(value: Mapping[str, Any], depth: int) -> Iterator[str]:
    for name, each in value.items():
        if name not in _UNSEEN:
            said = shown(each, depth + 1)
            if said:
                yield f"{name} {said}" if isinstance(each, int | float) else said


def _link(value: Mapping[str, Any], depth: int) -> str:
    kind = value.get("type")
    kind = kind if isinstance(kind, Mapping) else {}
    for side, name in (("outwardIssue", "outward"), ("inwardIssue", "inward")):
        if isinstance(value.get(side), Mapping):
            return f"{shown(kind.get(name))} {shown(value[side], depth + 1)}".strip()
    return ""
