"""The trace as the viewer lists it: one row a step, with what it took below."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path
from typing import Any

import pytest

from recorder.session.trace_steps import Mark, TraceUnknown, name_steps

CLOCK = {"type": "context-options", "wallTime": 1_000_000, "monotonicTime": 500.0}


def call(number: int, start: float, method: str = "evaluate", **more: Any) -> list[dict[str, Any]]:
    name = f"call@{number}"
    return [
        {"type": "before", "callId": name, "startTime": start, "method": method, **more},
        {"type": "after", "callId": name, "endTime": start + 10},
    ]


def written(path: Path, events: list[dict[str, Any]]) -> Path:
    with zipfile.ZipFile(path, "w") as made:
        made.writestr("trace.trace", "\n".join(map(json.dumps, events)))
        made.writestr("resources/a.jpeg", b"picture")
    return path


def read(path: Path) -> list[dict[str, Any]]:
    with zipfile.ZipFile(path) as made:
        assert made.read("resources/a.jpeg") == b"picture"
        return [json.loads(line) for line in made.read("trace.trace").splitlines()]


def test_calls_lie_below_the_step_they_served(tmp_path: Path) -> None:
    nested = call(4, 1_560, parentId="call@3")
    events = [CLOCK, *call(1, 500), *call(2, 1_400, "mouseDown"), *call(3, 1_550), *nested]
    trace = written(tmp_path / "trace.zip", events)
    # 1 s after the clock's wall time is 1,500 in the trace; the press came 0.1 s before.
    marks = [
        Mark(title="1. Open", began_at=1_000.1),
        Mark(title="2. Click", began_at=1_001.0, pointer=True),
    ]
    name_steps(trace, marks)
    rows = {row["callId"]: row for row in read(trace) if row["type"] == "before"}
    titles = {name: row["title"] for name, row in rows.items() if "title" in row}
    assert titles == {"step@1": "1. Open", "step@2": "2. Click"}
    parents = {name: row.get("parentId") for name, row in rows.items() if name not in titles}
    assert parents == {
        "call@1": "step@1",
        "call@2": "step@2",
        "call@3": "step@2",
        "call@4": "call@3",
    }
    ends = {row["callId"]: row["endTime"] for row in read(trace) if row["type"] == "after"}
    assert (rows["step@2"]["startTime"], ends["step@2"]) == (1_400, 1_570)


def test_a_trace_of_another_format_is_left_alone(tmp_path: Path) -> None:
    trace = written(tmp_path / "trace.zip", [CLOCK, {"type": "before", "callId": "call@1"}])
    before = trace.read_bytes()
    with pytest.raises(TraceUnknown):
        name_steps(trace, [Mark(title="1. Open", began_at=1_000.0)])
    assert trace.read_bytes() == before
