"""Each event of the engine in the shape that docs/event-types.md promises."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User

from jobs import events, services
from jobs.models import Job
from jobs.queue.claim import claim

NUMBER, TEXT, ANY = "number", "text", "any"

JOB: dict[str, Any] = {
    **dict.fromkeys(
        [
            *("id", "kind", "name", "status", "reason", "error", "queue", "ownerName", "worker"),
            "preset",
        ],
        TEXT,
    ),
    **dict.fromkeys(["createdAt", "cancelReason"], TEXT),
    **dict.fromkeys(
        ["priority", "ownerId", "attempt", "maxAttempts", "timeoutS", "lastSeq"], NUMBER
    ),
    **dict.fromkeys(
        [
            "options",
            "tags",
            "parentId",
            "scheduleId",
            "metrics",
            "result",
            "startedAt",
            "finishedAt",
        ],
        ANY,
    ),
    **dict.fromkeys(["runAfter", "cancelRequestedAt", "cancelForcedAt", "shared"], ANY),
    "progress": {"done": NUMBER, "total": ANY, "unit": TEXT},
}
SHAPES: dict[str, dict[str, Any]] = {
    events.JOB_CREATED: JOB,
    events.JOB_STATE_CHANGED: JOB,
    events.JOB_CANCEL_REQUESTED: {"by": TEXT, "reason": TEXT},
    events.JOB_CANCEL_FORCED: {"by": TEXT, "reason": TEXT},
    events.JOB_METADATA_EDITED: {"by": TEXT, "changes": ANY, "job": JOB},
    events.JOB_RERUN_SUBMITTED: {"jobId": TEXT, "by": TEXT},
    events.JOB_PROGRESSED: {"done": NUMBER, "total": ANY, "unit": TEXT},
    events.ATTEMPT_STARTED: {"number": NUMBER, "worker": TEXT},
    events.ATTEMPT_ENDED: {"number": NUMBER, "outcome": TEXT, "reason": TEXT, "error": TEXT},
    events.ARTIFACT_ADDED: {
        "path": TEXT,
        "kind": TEXT,
        "contentType": TEXT,
        "sizeBytes": NUMBER,
        "sha256": TEXT,
    },
    events.LOG: {"stream": TEXT, "lines": ANY},
}


def shape_of(value: Any, like: Any) -> Any:
    if like == ANY:
        return ANY
    if isinstance(value, dict) and isinstance(like, dict):
        return {name: shape_of(inner, like.get(name)) for name, inner in value.items()}
    return NUMBER if isinstance(value, int) else TEXT if isinstance(value, str) else type(value)


@pytest.fixture
def told(run_job: Any, owner: User) -> list[Any]:
    """The events of a job that used every way to report, and of one that was cancelled."""
    done = run_job("test.reports", text="hello", secret="hunter2")
    waiting = services.submit(kind="test.noop", options={}, by=owner)
    services.edit_metadata(job=waiting, by=owner, tags=["smoke"], shared=True)
    services.cancel(job=waiting, by=owner, reason="changed my mind")
    services.rerun(job=waiting, by=owner)
    assert claim(queue="default", worker="w") is not None
    forced = Job.objects.get(parent=waiting)
    services.cancel(job=forced, by=owner, reason="hangs", force=True)
    return [event for job in (done, waiting, forced) for event in job.events.order_by("seq")]


def test_every_engine_event_has_its_documented_shape(told: list[Any]) -> None:
    seen = {event.type for event in told}
    assert set(SHAPES) <= seen
    for event in told:
        if event.type in SHAPES:
            assert shape_of(event.data, SHAPES[event.type]) == SHAPES[event.type], event.type
        assert "hunter2" not in str(event.data)


def test_every_engine_type_is_in_the_docs() -> None:
    text = (Path(__file__).parents[2] / "docs/event-types.md").read_text()
    named = [
        value for name, value in vars(events).items() if name.isupper() and isinstance(value, str)
    ]
    assert named
    for name in named:
        assert f"| `{name}` |" in text, name
