"""Each event of a sync in the shape that docs/event-types.md promises."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ingestion.models import Source
from jobs.models import Job
from tests.ingestion import scripted

HERE = Path(__file__).parent
GOLDEN: dict[str, Any] = json.loads((HERE / "golden/sync_events.json").read_text())


def shape(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: shape(inner) for name, inner in value.items()}
    if isinstance(value, list):
        return [shape(value[0])] if value else []
    return type(value).__name__


def test_syncs_tell_what_they_do_as_the_golden_file_has_it(
    source: Source, script: Path, sync: Callable[..., Job]
) -> None:
    scripted.write(script, {"a": "One", "b": "Two", "c": {"fail": "http_500"}})
    first = sync(source)
    scripted.write(script, {"a": "Changed"}, left_out=["https://docs.example.com/private/a"])
    second = sync(source)
    told = {
        event.type: event.data
        for job in (first, second)
        for event in job.events.filter(type__startswith="sync.")
    }
    assert {type: shape(data) for type, data in told.items()} == {
        type: shape(data) for type, data in GOLDEN.items()
    }
    source.refresh_from_db()
    assert source.last_left_out == GOLDEN["sync.left_out"]["reasons"]
    docs = (HERE.parents[1] / "docs/event-types.md").read_text()
    assert all(f"`{type}`" in docs for type in GOLDEN)
