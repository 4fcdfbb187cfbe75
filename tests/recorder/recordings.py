"""Recordings in the database as a worker would have left them."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django.contrib.auth.models import User
from django.utils import timezone

from jobs import artifacts
from jobs.models import Artifact, Job, Status
from recorder import services
from recorder.models import RecordingSession, Step
from recorder.steps import Action
from recorder.steps import Step as TypedStep

STEPS = (
    TypedStep(
        key="s1",
        action=Action.NAVIGATE,
        page="page",
        params={"url": "https://shop.example/login"},
    ),
    TypedStep(
        key="s2",
        action=Action.FILL,
        page="page",
        selector='internal:label="Name"i',
        params={"text": "ada"},
    ),
    TypedStep(
        key="s3",
        action=Action.CLICK,
        page="page",
        selector='internal:role=button[name="Sign in"i]',
        params={"button": "left", "click_count": 1, "modifiers": []},
        alternatives=('internal:text="Sign in"i',),
        screenshot="steps/0003.png",
    ),
    TypedStep(
        key="s4",
        action=Action.CLICK,
        page="page",
        selector="#bait",
        flags=("forged",),
    ),
)


def queued(by: User, **given: Any) -> RecordingSession:
    fields = {"url": "https://shop.example/login", "flow_name": "Log in", "options": {}, **given}
    return services.start_session(**fields, by=by)


def running(by: User, **fields: Any) -> RecordingSession:
    session = queued(by)
    now = timezone.now()
    Job.objects.filter(pk=session.job_id).update(
        status=Status.RUNNING,
        attempt=1,
        started_at=now,
        lease_until=now + timedelta(hours=1),
    )
    wanted = {"phase": RecordingSession.Phase.RECORDING, **fields}
    RecordingSession.objects.filter(pk=session.pk).update(**wanted)
    return RecordingSession.objects.get(pk=session.pk)


def ended(
    by: User, *, verdict: str = "verified", status: str = Status.SUCCEEDED, **fields: Any
) -> RecordingSession:
    session = running(by)
    for position, step in enumerate(STEPS, 1):
        Step.objects.create(
            session=session,
            key=step.key,
            position=position,
            action=step.action,
            data=step.as_json(),
        )
    stored = {"steps/0003.png": b"\x89PNG", "test_log_in.py": b"def test(): ...\n"}
    for path, content in stored.items():
        kept = artifacts.add(
            job_id=session.job_id, attempt=1, path=path, source=content, kind="test"
        )
        Artifact.objects.filter(pk=kept.pk).update(visible=True)
    Job.objects.filter(pk=session.job_id).update(
        status=status, finished_at=timezone.now(), lease_until=None
    )
    wanted = {
        "phase": RecordingSession.Phase.ENDED,
        "verdict": verdict,
        "verified_at": timezone.now() if verdict == "verified" else None,
        "code": "def test(): ...\n",
        **fields,
    }
    RecordingSession.objects.filter(pk=session.pk).update(**wanted)
    return RecordingSession.objects.get(pk=session.pk)
