"""Recordings as every reader gets them: REST and the console's pages. camelCase, secrets masked."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta
from typing import Any
from urllib.parse import quote

from django.conf import settings
from django.db.models import Q
from django.urls import reverse
from django.utils import timezone

from jobs.events import job_dto, time_dto
from jobs.models import Artifact, Job, Status, Worker
from recorder.models import RecordingSession, Step
from recorder.selectors import SelectorRefused, python_for
from recorder.steps import Step as TypedStep
from recorder.wording import wording

# Flags of steps that are shown and never become code.
NOT_GENERATED = frozenset({"forged", "unrecorded"})


def artifact_url(session: RecordingSession, path: str) -> str:
    return reverse("api-recorder-artifact", args=[session.pk, path])


def viewer_url(trace: str) -> str:
    """The trace viewer, opened on the trace at this URL of ours."""
    return f"{reverse('trace-viewer')}?trace={quote(trace, safe='')}"


def session_dto(session: RecordingSession) -> dict[str, Any]:
    """One line of a list; needs `job__owner` and `owner` selected, and `with_steps_count`."""
    return {
        "id": str(session.pk),
        "flowName": session.flow_name,
        "url": session.url,
        "state": session.state,
        "phase": str(session.phase),
        "verdict": str(session.verdict),
        "verdictReason": session.verdict_reason,
        "failingStep": session.failing_step,
        "verifiedAt": time_dto(session.verified_at),
        "createdAt": time_dto(session.created_at),
        "stopRequestedAt": time_dto(session.stop_requested_at),
        "ownerId": session.owner_id,
        "ownerName": session.owner.get_username(),
        "stepsCount": getattr(session, "steps_count", None),
        "jobId": str(session.job_id),
        "job": job_dto(session.job),
    }


def session_detail_dto(session: RecordingSession) -> dict[str, Any]:
    artifacts = list(session.job.artifacts.filter(visible=True))
    steps = steps_dto(session, {artifact.path for artifact in artifacts})
    return {
        **session_dto(session),
        "stepsCount": sum(step["number"] is not None for step in steps),
        "steps": steps,
        "code": session.code,
        "artifacts": [artifact_dto(session, artifact) for artifact in artifacts],
        "replays": [job_dto(job) for job in replays_of(session)],
        "queue": queue_dto(session.job),
    }


def replays_of(session: RecordingSession) -> Iterable[Job]:
    return Job.objects.filter(parent_id=session.job_id, kind="recorder.replay").select_related(
        "owner"
    )


def steps_dto(session: RecordingSession, stored: set[str]) -> list[dict[str, Any]]:
    """All steps in order; `number` counts those that the generated test has."""
    found = []
    number = 0
    for row in session.steps.all():
        generated = row.deleted_at is None and not NOT_GENERATED & set(row.data.get("flags", ()))
        number += generated
        found.append(step_dto(session, row, number=number if generated else None, stored=stored))
    return found


def step_dto(
    session: RecordingSession, row: Step, *, number: int | None, stored: set[str]
) -> dict[str, Any]:
    step = TypedStep.from_json(row.data)
    return {
        "key": row.key,
        "position": row.position,
        "number": number,
        "action": step.action.value,
        "wording": row.wording or wording(step),
        "reworded": bool(row.wording),
        "deletedAt": time_dto(row.deleted_at),
        "page": step.page,
        "url": step.url,
        "at": step.at,
        "params": dict(step.params),
        "signals": [
            {"name": signal.name, "params": dict(signal.params)} for signal in step.signals
        ],
        "element": dict(step.element),
        "selector": step.selector,
        "locator": _python(step.selector),
        "alternatives": [
            {"selector": selector, "locator": _python(selector)} for selector in step.alternatives
        ],
        "screenshotUrl": artifact_url(session, step.screenshot)
        if step.screenshot in stored
        else None,
        "source": step.source,
        "flags": list(step.flags),
    }


def _python(selector: str) -> str:
    if not selector:
        return ""
    try:
        return python_for(selector)
    except SelectorRefused:
        return ""  # a forged step's selector may be anything; it is never code


def artifact_dto(session: RecordingSession, artifact: Artifact) -> dict[str, Any]:
    return {
        "path": artifact.path,
        "kind": artifact.kind,
        "contentType": artifact.content_type,
        "sizeBytes": artifact.size_bytes,
        "sha256": artifact.sha256,
        "url": artifact_url(session, artifact.path),
    }


def queue_dto(job: Job) -> dict[str, Any] | None:
    """Where a queued job stands: how many are before it, and how many workers serve its queue."""
    if job.status != Status.QUEUED:
        return None
    before = Job.objects.filter(queue=job.queue, status=Status.QUEUED).filter(
        Q(priority__gt=job.priority) | Q(priority=job.priority, id__lt=job.id)
    )
    alive = timezone.now() - timedelta(seconds=settings.LEASE_S)
    workers = Worker.objects.filter(queue=job.queue, seen_at__gte=alive)
    return {
        "name": job.queue,
        "before": before.count(),
        "workers": workers.count(),
        "busy": workers.filter(job__isnull=False).count(),
    }
