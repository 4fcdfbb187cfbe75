"""Why a queued job does not run yet, in words."""

from __future__ import annotations

from datetime import datetime, timedelta

from django.db.models import Q
from django.utils import timezone

from jobs import console, registry
from jobs.models import Job, JobQuerySet, Status, Worker
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
    said += _limits(job)
    if said:
        return said
    ahead = console.capped_count(_ahead(job, now))
    if ahead != "0":
        said.append(f"Jobs before it in the queue {job.queue}: {ahead}.")
    if busy == workers:
        said.append(f"All workers of the queue {job.queue} are busy ({busy}).")
    return said or ["A worker takes it in a moment."]


def _ahead(job: Job, now: datetime) -> JobQuerySet:
    before = Q(priority__gt=job.priority) | Q(priority=job.priority, id__lt=job.pk)
    due = Q(run_after__isnull=True) | Q(run_after__lte=now)
    return Job.objects.filter(before, due, status=Status.QUEUED, queue=job.queue)


def _limits(job: Job) -> list[str]:
    try:
        limit = registry.get(job.kind).concurrency
    except registry.UnknownKind:
        return ["This installation does not know this kind of job any more."]
    if limit is None:
        return []
    running = Job.objects.filter(status=Status.RUNNING, kind=job.kind)[: limit + 1].count()
    if running < limit:
        return []
    return [f"As many jobs of the kind {job.kind} are running as may at once ({limit})."]


def _clock(at: datetime) -> str:
    return timezone.localtime(at).strftime("%Y-%m-%d %H:%M:%S %Z")
