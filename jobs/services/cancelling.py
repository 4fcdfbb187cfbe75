"""Stopping a job: politely, or at once."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from django.db import connection

from jobs import access, artifacts, audit, events
from jobs.models import Job, Status
from jobs.queue.clock import now_sql
from jobs.queue.rows import changed_job
from jobs.reasons import Reason
from jobs.services.bounds import reason as bounded
from jobs.services.refusals import JobNotCancellable

if TYPE_CHECKING:
    from django.contrib.auth.models import User


@audit.command("job.cancel", target="job", says=("reason", "force"))
def cancel(*, job: Job, by: "User", reason: str = "", force: bool = False) -> Job:
    """Stop a job: one that waits is cancelled at once, a running one is asked to end.

    It has its kind's time to end by itself. With `force` it has none: its whole process group is
    killed as soon as its worker hears of it (a quarter of a second), and what it left behind is
    kept where the kind can. The job is cancelled when nothing of it runs any more, not before.
    Asking twice is one request, and so is forcing twice. Returns the job as it is now.

    :raises NotAllowed: the job is not for `by` to change.
    :raises JobNotCancellable: it has already ended.
    """
    access.check_may_change(job=job, by=by)
    # The row is locked first: between two statements it could else go from queued to running.
    now = Job.objects.select_for_update(of=("self",)).get(pk=job.pk)
    asked = {"by": by.get_username(), "reason": bounded(reason)}
    if now.status == Status.QUEUED:
        return _cancel_waiting(now, by, asked)
    if now.status != Status.RUNNING:
        raise JobNotCancellable(f"Job {now.id} has already ended ({now.status}).")
    facts = []
    sets, params = [], []
    if now.cancel_requested_at is None:
        facts.append((events.JOB_CANCEL_REQUESTED, asked))
        sets.append(
            f"cancel_requested_at = {now_sql()}, cancel_requested_by_id = %s, cancel_reason = %s"
        )
        params += [by.pk, asked["reason"]]
    if force and now.cancel_forced_at is None:
        facts.append((events.JOB_CANCEL_FORCED, asked))
        sets.append(f"cancel_forced_at = {now_sql()}")
    if not facts:
        return now
    changed = _changed(
        sql=f"UPDATE jobs_job SET {', '.join(sets)}, last_seq = last_seq + {len(facts)} WHERE id = %s",
        params=[*params, events.pk(now.id)],
    )
    assert changed is not None  # locked above
    events.append(
        job_id=changed.id, last_seq=changed.last_seq, facts=facts, attempt=changed.attempt
    )
    return changed


def _cancel_waiting(now: Job, by: "User", asked: dict[str, str]) -> Job:
    ended = _changed(
        sql=f"UPDATE jobs_job SET status = 'cancelled', reason = '{Reason.CANCELLED_BY_USER}', "
        f"error = '', finished_at = {now_sql()}, run_after = NULL, "
        f"cancel_requested_at = {now_sql()}, cancel_requested_by_id = %s, cancel_reason = %s, "
        "last_seq = last_seq + 2 WHERE id = %s",
        params=[by.pk, asked["reason"], events.pk(now.id)],
    )
    assert ended is not None  # locked by the caller
    artifacts.show(job_id=ended.id, attempt=ended.attempt)
    facts = [
        (events.JOB_CANCEL_REQUESTED, asked),
        (events.JOB_STATE_CHANGED, events.job_dto(ended)),
    ]
    events.append(job_id=ended.id, last_seq=ended.last_seq, facts=facts)
    return ended


def _changed(*, sql: str, params: Sequence[Any]) -> Job | None:
    with connection.cursor() as cursor:
        return changed_job(cursor=cursor, sql=sql, params=params)
