"""Why a queued job does not run yet, in words."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db import connection
from django.db.models import Q
from django.utils import timezone

from jobs import console, registry
from jobs.models import Job, JobQuerySet, Status, Worker
from jobs.queue import limits
from jobs.reasons import Reason


def why_waiting(*, job: Job, now: datetime) -> list[str]:
    """Each thing that keeps `job` from starting at `now`, the most lasting first; empty if not queued.

    A handful of bounded statements, whatever the length of the queue.
    """
    if job.status != Status.QUEUED:
        return []
    said = []
    if job.run_after is not None and job.run_after > now:
        until = f"{_clock(job.run_after)} ({console.ago(job.run_after)})"
        if job.reason == Reason.RETRYING:
            said.append(f"Attempt {job.attempt} ended badly; the next one starts after {until}.")
        else:
            said.append(f"It is not to start before {until}.")
    alive = Worker.objects.filter(
        queue=job.queue, seen_at__gte=now - timedelta(seconds=console.ALIVE_S)
    )
    workers, busy = alive.count(), alive.filter(job__isnull=False).count()
    if not workers:
        said.append(f"No worker serves the queue {job.queue}. Start Tapedeck's workers with ./run.")
    said += [hold.message for hold in held_back(job=job)]
    if said:
        return said
    [ahead] = console.capped_counts([_ahead(job, now)])
    if ahead != "0":
        said.append(f"Jobs before it in the queue {job.queue}: {ahead}.")
    if busy == workers:
        said.append(f"All workers of the queue {job.queue} are busy ({busy}).")
    return said or ["A worker takes it in a moment."]


def _ahead(job: Job, now: datetime) -> JobQuerySet:
    before = Q(priority__gt=job.priority) | Q(priority=job.priority, id__lt=job.pk)
    due = Q(run_after__isnull=True) | Q(run_after__lte=now)
    return Job.objects.filter(before, due, status=Status.QUEUED, queue=job.queue)


@dataclass(frozen=True, kw_only=True)
class Waiting:
    """One thing that keeps a queued job from starting: a stable code, and words."""

    code: str
    message: str
    until: datetime | None = None


def waiting_for(*, job: Job, now: datetime) -> list[Waiting]:
    """What keeps `job` from starting at `now`, for programs; empty if it is not queued.

    Codes: run_after, retrying, no_worker, unknown_kind, and those of `held_back`; of a job that
    nothing holds back, waiting_for_worker.
    """
    if job.status != Status.QUEUED:
        return []
    found = []
    if job.run_after is not None and job.run_after > now:
        code = "retrying" if job.reason == Reason.RETRYING else "run_after"
        text = f"Not before {_clock(job.run_after)}."
        found.append(Waiting(code=code, message=text, until=job.run_after))
    seen = now - timedelta(seconds=console.ALIVE_S)
    if not Worker.objects.filter(queue=job.queue, seen_at__gte=seen).exists():
        text = f"No worker serves the queue {job.queue}."
        found.append(Waiting(code="no_worker", message=text))
    found += held_back(job=job)
    return found or [
        Waiting(code="waiting_for_worker", message="It is next when a worker is free.")
    ]


def held_back(*, job: Job) -> list[Waiting]:
    """The limits that this job waits for, by the same count as the claim's.

    Codes: waiting_for_slot (its kind's concurrency), waiting_for_user_slot, rate, user_rate, each
    also with `all_` before it where it is the limit of all kinds together; unknown_kind.
    """
    try:
        registry.get(job.kind)
    except registry.UnknownKind:
        text = "This installation does not know this kind of job any more."
        return [Waiting(code="unknown_kind", message=text)]
    with connection.cursor() as cursor:
        return [
            Waiting(code=code, message=text)
            for code, text in limits.reasons(cursor=cursor, job=job)
        ]


def _clock(at: datetime) -> str:
    return timezone.localtime(at).strftime("%Y-%m-%d %H:%M:%S %Z")
