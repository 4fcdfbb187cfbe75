"""What the page of one job shows."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest
from django.urls import reverse
from django.utils import timezone

from jobs import access, console, registry
from jobs.admin.job_actions import possible
from jobs.api.downloads import artifact_dto
from jobs.audit_words import lines_of
from jobs.events import job_dto, time_dto
from jobs.models import Attempt, AuditEntry, Job, Schedule
from jobs.waiting import why_waiting

# Ancestors that are shown by name; what lies before is reached by walking up.
ANCESTORS = 4
CHILDREN = 20
AUDIT = 200


def context(*, job: Job, request: HttpRequest) -> dict[str, Any]:
    """The page's context; its cost does not grow with the job's history."""
    children = list(Job.objects.visible_to(request.user).filter(parent=job)[: CHILDREN + 1])
    return {
        "job": job,
        "dto": job_dto(job),
        "chip": console.chip(job),
        "queued": console.when(job.created_at),
        "took": console.duration(job),
        "reason": console.reason_words(job.reason),
        "reason_words": console.known_reasons(),
        "waiting": why_waiting(job=job, now=timezone.now()),
        "chain": _chain(job, request),
        "children": [{"job": child, "chip": console.chip(child)} for child in children[:CHILDREN]],
        "more_children": len(children) > CHILDREN,
        "no_result": "Nothing." if job.is_terminal else "Nothing yet.",
        "attempts": [_attempt(row) for row in job.attempts.order_by("number")],
        "artifacts": [artifact_dto(row) for row in job.artifacts.filter(visible=True)[:1000]],
        "zip_url": reverse("api-job-archive", args=[job.pk]),
        "log_url": reverse("api-job-log", args=[job.pk]),
        "may": possible(job, request.user),
        "audit": _audit(job, request),
        "audit_addresses": access.is_admin(request.user),
        "schedule": _schedule(job, request),
        **_page_of_kind(job),
    }


def _schedule(job: Job, request: HttpRequest) -> Schedule | None:
    """The schedule that submitted it, where this person may open that."""
    schedule = job.schedule
    if schedule is None or access.is_admin(request.user):
        return schedule
    return schedule if schedule.owner_id == request.user.pk else None


def _chain(job: Job, request: HttpRequest) -> list[dict[str, Any]]:
    """From the oldest ancestor that is shown down to `job`; those one may not see end the walk."""
    links: list[dict[str, Any]] = [{"current": True}]
    parent_id = job.parent_id
    for _ in range(ANCESTORS):
        parent = (
            Job.objects.visible_to(request.user).filter(pk=parent_id).first() if parent_id else None
        )
        if parent is None:
            return links
        links.insert(0, {"job": parent, "chip": console.chip(parent)})
        parent_id = parent.parent_id
    return [{}, *links] if parent_id else links


def _audit(job: Job, request: HttpRequest) -> list[dict[str, Any]] | None:
    """What people did with it, newest first; for its owner and admins (None: not for this user)."""
    if not (access.is_admin(request.user) or job.owner_id == request.user.pk):
        return None
    entries = AuditEntry.objects.about(job)[:AUDIT]
    return [{"entry": entry, "lines": lines_of(entry.data)} for entry in entries]


def _attempt(attempt: Attempt) -> dict[str, Any]:
    return {
        "number": attempt.number,
        "worker": attempt.worker,
        "startedAt": time_dto(attempt.started_at),
        "endedAt": time_dto(attempt.ended_at),
        "outcome": attempt.outcome,
        "reason": attempt.reason,
    }


def _page_of_kind(job: Job) -> dict[str, str]:
    """Where the job's kind shows it in its own way, and what to call that."""
    try:
        kind = registry.get(job.kind)
    except registry.UnknownKind:
        return {}  # of an earlier version; the job's own page is all there is
    url = kind.page(job) if kind.page else ""
    return {"kind_page": url, "kind_page_label": kind.page_label} if url else {}
