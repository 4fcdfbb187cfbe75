"""The verdict of a session: replay its test, and write down what that showed.

The newest verification counts, whoever asked for it: a recording verifies itself when it is
saved, and every replay afterwards says anew whether the flow still works.
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from django.utils import timezone

from jobs.artifacts import open_artifact
from jobs.models import Artifact
from jobs.running import RunningJob
from jobs.secrets import unseal
from recorder import knowledge
from recorder.codegen import AUTH_STATE
from recorder.models import RecordingSession
from recorder.outcome import ReplayOutcome
from recorder.replay import replay
from recorder.steps import Step


def verify(
    *,
    job: RunningJob,
    session: RecordingSession,
    code: str,
    steps: Sequence[Step],
    secrets: Mapping[str, str],
    **limits: Any,
) -> ReplayOutcome:
    """Replay `code` as part of `job`, and set the session's verdict by it.

    Uploaded files and the storage state it starts from are taken from the job's work folder,
    else from the recording's artifacts. `limits` are passed to `recorder.replay.replay`. The
    verdict is written only while `code` is still the session's code.

    :raises jobs.running.Cancelled: no verdict was reached; the old one stands.
    """
    files = job.workdir / "inputs"
    uploads, auth_state = job.workdir / "uploads", job.workdir / AUTH_STATE
    if job.id != session.job_id:
        _fetch(session, into=files)
        uploads, auth_state = files / "uploads", files / AUTH_STATE
    outcome = replay(
        job=job,
        code=code,
        steps=steps,
        options=unseal(session.job.options),
        secrets=secrets,
        uploads=uploads,
        into=job.workdir / "verification",
        wordings=dict(session.steps.exclude(wording="").values_list("key", "wording")),
        auth_state=auth_state if auth_state.is_file() else None,
        **limits,
    )
    verdict = RecordingSession.Verdict
    with job.fenced():
        current = RecordingSession.objects.filter(pk=session.pk, code=code).update(
            verdict=verdict.VERIFIED if outcome.passed else verdict.FAILED,
            verdict_reason=outcome.reason,
            failing_step=outcome.failing_step,
            verified_at=timezone.now(),
        )
        if current and outcome.passed:
            knowledge.keep(session=session, steps=steps)
        elif current:
            knowledge.forget(session=session)
    return outcome


def _fetch(session: RecordingSession, *, into: Path) -> None:
    """Copy what the test needs beside it from the recording's artifacts."""
    kept = Artifact.objects.filter(job_id=session.job_id, visible=True)
    for artifact in kept:
        if artifact.path != AUTH_STATE and not artifact.path.startswith("uploads/"):
            continue
        target = into / artifact.path  # a checked relative path: jobs.artifacts.check_path
        target.parent.mkdir(parents=True, exist_ok=True)
        with open_artifact(artifact) as source, target.open("wb") as copy:
            shutil.copyfileobj(source, copy)
