"""What an audit entry says, in words for people: no raw JSON where a sentence will do."""

from __future__ import annotations

import json
from typing import Any


def changes_of(data: dict[str, Any]) -> list[tuple[str, str, str]]:
    """Field, before and after, in words."""
    changed = data.get("changed")
    if not isinstance(changed, dict):
        return []
    return [
        (name.replace("_", " "), _words(pair[0]), _words(pair[1]))
        for name, pair in changed.items()
        if isinstance(pair, list) and len(pair) == 2 and _words(pair[0]) != _words(pair[1])
    ]


def lines_of(data: dict[str, Any]) -> list[tuple[str, str]]:
    """An entry's data as (name, text): changes as "before → after", the rest as they are."""
    lines = [(name, f"{before} → {after}") for name, before, after in changes_of(data)]
    rest = ((name, value) for name, value in data.items() if name != "changed")
    return lines + [(name.replace("_", " "), _words(value)) for name, value in rest]


def _words(value: Any) -> str:
    if value is None or value in ("", [], {}):
        return "–"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list) and all(isinstance(each, str | int | float) for each in value):
        return ", ".join(str(each) for each in value)
    if isinstance(value, dict | list):
        return json.dumps(value, ensure_ascii=False)
    return str(value)
