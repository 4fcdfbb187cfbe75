"""Verbs on jobs that people and other apps use."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

from django.db import connection, transaction
from django.utils import timezone

from jobs import artifacts, events, registry
from jobs.models import Job, Status
from jobs.queue import wake
from jobs.queue.clock import now_sql
from jobs.queue.rows import changed_job
from jobs.reasons import Reason
from jobs.registry import InvalidOptions, UnknownKind

if TYPE_CHECKING:
    from django.contrib.auth.models import User

__all__ = ["InvalidOptions", "JobNotCancellable", "UnknownKind", "cancel", "submit"]


class JobNotCancellable(Exception):
    """The job has already ended."""


@transaction.atomic
def submit(
    *,
    kind: str,
    options: Mapping[str, Any],
    by: "User",
    name: str = "",
    tags: Sequence[str] = (),
    priority: int = 0,
    parent: Job | None = None,
    run_after: datetime | None = None,
) -> Job:
    """Queue one job: its row is its place in the queue, and commits with its first event.

    A higher `priority` runs earlier; equal ones in the order of submission.

    :raises UnknownKind: no file registers `kind`.
    :raises InvalidOptions: `.errors` maps each field to its messages.
    """
    spec = registry.get(kind)
    job = Job(
        kind=kind,
        name=name or spec.label,
        options=spec.clean(options),
        tags=list(tags),
        owner=by,
        parent=parent,
        priority=priority,
        queue=spec.queue,
        run_after=run_after,
        created_at=timezone.now(),
        max_attempts=spec.max_attempts,
        timeout_s=spec.timeout_s,
        last_seq=1,
    )
    job.save(force_insert=True)
    events.append(job_id=job.id, last_seq=1, facts=[(events.JOB_CREATED, events.job_dto(job))])
    wake.notify(wake.QUEUE)
    return job


@transaction.atomic
def cancel(*, job: Job, by: "User", reason: str = "") -> Job:
    """Stop a job: one that waits is cancelled at once, a running one is asked to end.

    Asking twice is one request. Returns the job as it is now.

    :raises JobNotCancellable: it has already ended.
    """
    # The row is locked first: between two statements it could else go from queued to running.
    now = Job.objects.select_for_update(of=("self",)).get(pk=job.pk)
    asked = {"by": by.get_username(), "reason": reason[:200]}
    request = [by.pk, reason[:200], events.pk(now.id)]
    if now.status == Status.QUEUED:
        ended = _changed(
            sql=f"UPDATE jobs_job SET status = 'cancelled', reason = '{Reason.CANCELLED_BY_USER}', "
            f"error = '', finished_at = {now_sql()}, run_after = NULL, "
            f"cancel_requested_at = {now_sql()}, cancel_requested_by_id = %s, cancel_reason = %s, "
            "last_seq = last_seq + 2 WHERE id = %s",
            params=request,
        )
        assert ended is not None  # locked above
        artifacts.show(job_id=ended.id, attempt=ended.attempt)
        facts = [
            (events.JOB_CANCEL_REQUESTED, asked),
            (events.JOB_STATE_CHANGED, events.job_dto(ended)),
        ]
        events.append(job_id=ended.id, last_seq=ended.last_seq, facts=facts)
        return ended
    if now.status != Status.RUNNING:
        raise JobNotCancellable(f"Job {now.id} has already ended ({now.status}).")
    if now.cancel_requested_at is not None:
        return now
    asked_job = _changed(
        sql=f"UPDATE jobs_job SET cancel_requested_at = {now_sql()}, cancel_requested_by_id = %s, "
        "cancel_reason = %s, last_seq = last_seq + 1 WHERE id = %s",
        params=request,
    )
    assert asked_job is not None  # locked above
    events.append(
        job_id=asked_job.id,
        last_seq=asked_job.last_seq,
        facts=[(events.JOB_CANCEL_REQUESTED, asked)],
        attempt=asked_job.attempt,
    )
    return asked_job


def _changed(*, sql: str, params: Sequence[Any]) -> Job | None:
    with connection.cursor() as cursor:
        return changed_job(cursor=cursor, sql=sql, params=params)
