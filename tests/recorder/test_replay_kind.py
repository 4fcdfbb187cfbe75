"""The kind recorder.replay: a job around a replay, and the session's verdict."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.utils import timezone

from ingestion.models import Chunk
from jobs import registry, services
from jobs.models import Job
from jobs.registry import InvalidOptions
from recorder import codegen
from recorder.models import RecordingSession
from recorder.models import Step as StepRow
from recorder.steps import Step
from recorder.vault import Vault
from tests.fixtures.jobs import RunJob
from tests.recorder.steps_for import button, click, fill, goto, label, reads
from tests.sites import Sites


def recorded(
    owner: User, steps: list[Step], secrets: dict[str, str], **options: Any
) -> RecordingSession:
    """A session as a recording leaves it."""
    job = services.submit(
        kind="recorder.record",
        options=options,
        by=owner,
        run_after=timezone.now() + timedelta(days=1),
        by_kind=True,
    )
    services.cancel(job=job, by=owner)
    session = RecordingSession.objects.create(
        job=job,
        owner=owner,
        flow_name="Sign in",
        url="http://127.0.0.1/",
        created_at=timezone.now(),
        code=codegen.generate(
            steps=steps, flow_name="Sign in", url="http://127.0.0.1/", options=options
        ),
        secrets=Vault(secrets).sealed(),
    )
    StepRow.objects.bulk_create(
        StepRow(session=session, key=made.key, position=n, action=made.action, data=made.as_json())
        for n, made in enumerate(steps, 1)
    )
    return session


def sign_in(sites: Sites, said: str = "Sign in") -> list[Step]:
    return [
        goto(sites.page("secrets")),
        fill(label("Password"), {"secret": "PASSWORD_1"}),
        click(button("Check")),
        reads("h1", said),
    ]


@pytest.mark.browser
def test_a_replay_verifies_its_session(run_job: RunJob, owner: User, sites: Sites) -> None:
    session = recorded(
        owner, sign_in(sites, "Careless with secrets"), {"PASSWORD_1": "hunter-two-3"}
    )
    job = run_job("recorder.replay", session_id=str(session.pk), timeout_s=120)
    assert (job.status, job.error) == ("succeeded", "")
    assert job.result is not None
    assert job.result["verdict"] == "passed"
    assert [entry["status"] for entry in job.result["steps"]] == ["passed"] * 4
    session.refresh_from_db()
    assert session.verdict == "verified"
    assert session.verified_at is not None
    # Verified, so searches find it: a chunk for each step, without its secrets.
    chunks = Chunk.objects.filter(document__key=str(session.pk))
    assert [chunk.anchor for chunk in chunks] == [f"step-{s.key}" for s in session.steps.all()]
    assert "hunter-two-3" not in str([chunk.text for chunk in chunks])
    assert set(job.artifacts.filter(visible=True).values_list("path", flat=True)) == {
        "replay/trace.zip",
        "replay/result.json",
    }
    types = list(job.events.order_by("seq").values_list("type", flat=True))
    assert types.count("replay.step_started") == types.count("replay.step_passed") == 4
    assert (job.progress_done, job.progress_total) == (4, 4)
    stored = json.dumps(list(job.events.values_list("data", flat=True)))
    assert "hunter-two-3" not in stored


@pytest.mark.browser
def test_a_failing_replay_unverifies_its_session(
    run_job: RunJob, owner: User, sites: Sites
) -> None:
    steps = sign_in(sites, "Another title")
    session = recorded(owner, steps, {"PASSWORD_1": "hunter-two-3"})
    RecordingSession.objects.filter(pk=session.pk).update(verdict="verified")
    job = run_job("recorder.replay", session_id=str(session.pk), timeout_s=120)
    assert (job.status, job.reason, job.attempt) == ("failed", "step_failed", 1)
    assert "Another title" in job.error
    session.refresh_from_db()
    assert (session.verdict, session.failing_step) == ("failed", 4)
    assert session.verdict_reason == job.error
    assert job.artifacts.filter(visible=True, path="replay/failure.png").exists()


@pytest.mark.browser
@pytest.mark.parametrize("case", ["foreign", "missing", "empty"])
def test_nothing_to_replay(case: str, run_job: RunJob, owner: User, sites: Sites) -> None:
    session = recorded(owner, [goto(sites.page("form"))], {})
    wanted, reason = str(session.pk), "session_not_found"
    if case == "foreign":
        User.objects.filter(pk=owner.pk).update(is_superuser=False)
        other = User.objects.create_user("other")
        RecordingSession.objects.filter(pk=session.pk).update(owner=other)
    elif case == "missing":
        wanted = "01900000-0000-7000-8000-000000000000"
    else:
        reason = "nothing_to_replay"
        RecordingSession.objects.filter(pk=session.pk).update(code="")
    job: Job = run_job("recorder.replay", session_id=wanted)
    assert (job.status, job.reason) == ("failed", reason)


@pytest.mark.parametrize(
    ("options", "field"),
    [
        ({}, "sessionId"),
        ({"sessionId": "x"}, "sessionId"),
        ({"sessionId": "01900000-0000-7000-8000-000000000000", "timeoutS": 1}, "timeoutS"),
        ({"sessionId": "01900000-0000-7000-8000-000000000000", "slowMo": -1}, "slowMo"),
        ({"sessionId": "01900000-0000-7000-8000-000000000000", "turbo": 1}, "turbo"),
    ],
)
def test_unfit_options_are_named(options: dict[str, Any], field: str) -> None:
    with pytest.raises(InvalidOptions) as refused:
        registry.get("recorder.replay").clean(options)
    assert set(refused.value.errors) == {field}
