"""Our steps as the trace viewer's top level: what Playwright was told to do lies below the step it served.

The steps of a live session are known only after their gestures (a click half a second later), so
the groups that `tracing.group` would open in time are written into the finished trace instead, in
that call's own format.
"""

from __future__ import annotations

import json
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_TRACE = "trace.trace"


class TraceUnknown(Exception):
    """The trace is not in the format of the pinned Playwright."""


@dataclass(frozen=True, kw_only=True)
class Mark:
    """Where a step begins. `began_at`: seconds since 1970; `pointer`: with the press before it."""

    title: str
    began_at: float
    pointer: bool = False


def name_steps(path: Path, marks: Sequence[Mark]) -> None:
    """Put every call of the trace in this file below the step during which it was made.

    :raises TraceUnknown: and the file is as it was.
    """
    try:
        with zipfile.ZipFile(path) as given:
            events = [json.loads(line) for line in given.read(_TRACE).splitlines() if line]
            grouped = _grouped(events, marks)
            unfinished = path.with_name(f".{path.name}.part")
            with zipfile.ZipFile(unfinished, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as made:
                for name in given.namelist():
                    if name == _TRACE:
                        made.writestr(name, "\n".join(map(json.dumps, grouped)) + "\n")
                    else:
                        made.writestr(given.getinfo(name), given.read(name))
    except (KeyError, TypeError, ValueError, zipfile.BadZipFile) as error:
        raise TraceUnknown(f"{TraceUnknown.__doc__} {error!r}") from error
    unfinished.replace(path)


def _grouped(events: list[dict[str, Any]], marks: Sequence[Mark]) -> list[dict[str, Any]]:
    if not marks:
        return events
    clock = next(event for event in events if event["type"] == "context-options")
    calls = [event for event in events if event["type"] == "before"]
    ends = {event["callId"]: event["endTime"] for event in events if event["type"] == "after"}
    begins = _begins(marks, calls, clock)
    order = sorted(range(len(marks)), key=lambda at: (begins[at], at))
    groups = [_group(number, marks[at].title, begins[at]) for number, at in enumerate(order, 1)]
    until = [group["startTime"] for group in groups]
    own = {call["callId"] for call in calls}
    for call in calls:
        # What was done before the first step (the browser's preparation) belongs to it too.
        index = max((at for at, begin in enumerate(until) if begin <= call["startTime"]), default=0)
        group = groups[index]
        group["startTime"] = min(group["startTime"], call["startTime"])
        end = ends.get(call["callId"], call["startTime"])
        group["endTime"] = max(group["endTime"], end)
        if call.get("parentId") not in own:
            call["parentId"] = group["callId"]
    closing = [
        {"type": "after", "callId": group["callId"], "endTime": group.pop("endTime")}
        for group in groups
    ]
    head = events.index(clock) + 1
    return [*events[:head], *groups, *events[head:], *closing]


def _begins(
    marks: Sequence[Mark], calls: list[dict[str, Any]], clock: dict[str, Any]
) -> list[float]:
    """When each step begins, in the trace's own milliseconds."""
    presses = [call["startTime"] for call in calls if call.get("method") == "mouseDown"]
    found: list[float] = []
    for mark in marks:
        began = mark.began_at * 1000 - clock["wallTime"] + clock["monotonicTime"]
        if mark.pointer:
            after = found[-1] if found else float("-inf")
            began = max((one for one in presses if after < one <= began), default=began)
        found.append(began)
    return found


def _group(number: int, title: str, begin: float) -> dict[str, Any]:
    return {
        "type": "before",
        "callId": f"step@{number}",
        "startTime": begin,
        "endTime": begin,
        "title": title,
        "class": "Tracing",
        "method": "tracingGroup",
        "params": {},
        "stack": [],
    }
