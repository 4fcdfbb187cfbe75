"""What is different between two configurations, in words."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, kw_only=True)
class Difference:
    """One thing that differs; `path` as a person writes it: `fields › due_date › synonyms`."""

    path: str
    change: str  # added, removed, changed, moved
    before: str = ""
    after: str = ""


def differences(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[Difference]:
    """From one checked body to another. Fields are told apart by their names, lists by their entries."""
    return list(_mapping("", before, after))


def _mapping(
    path: str, before: Mapping[str, Any], after: Mapping[str, Any]
) -> Iterator[Difference]:
    for name in dict.fromkeys((*before, *after)):
        where = f"{path} › {name}" if path else str(name)
        if name not in after:
            yield Difference(path=where, change="removed", before=_shown(before[name]))
        elif name not in before:
            yield Difference(path=where, change="added", after=_shown(after[name]))
        else:
            yield from _value(where, before[name], after[name])


def _value(path: str, before: Any, after: Any) -> Iterator[Difference]:
    if before == after and type(before) is type(after):
        return
    if isinstance(before, Mapping) and isinstance(after, Mapping):
        yield from _mapping(path, before, after)
    elif isinstance(before, list) and isinstance(after, list):
        yield from _list(path, before, after)
    else:
        yield Difference(path=path, change="changed", before=_shown(before), after=_shown(after))


def _list(path: str, before: list[Any], after: list[Any]) -> Iterator[Difference]:
    if all(isinstance(entry, Mapping) and "name" in entry for entry in (*before, *after)):
        one = {str(entry["name"]): entry for entry in before}
        two = {str(entry["name"]): entry for entry in after}
        yield from _mapping(path, one, two)
        stayed = [name for name in one if name in two]
        if stayed != [name for name in two if name in one]:
            yield Difference(path=path, change="moved", before=", ".join(one), after=", ".join(two))
        return
    gone = [_shown(entry) for entry in before if entry not in after]
    new = [_shown(entry) for entry in after if entry not in before]
    if gone:
        yield Difference(path=path, change="removed", before=", ".join(gone))
    if new:
        yield Difference(path=path, change="added", after=", ".join(new))
    if not gone and not new:
        yield Difference(
            path=path,
            change="moved",
            before=", ".join(map(_shown, before)),
            after=", ".join(map(_shown, after)),
        )


def _shown(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
