"""Finding attempts whose worker is gone, and giving their jobs an end or another attempt.

Every cluster runs one, and `manage.py up` once when it stops: it may run anywhere, any number of
times. A worker of this host is known to be dead at once; one of another host when its lease is over.
"""

import logging
import os
from uuid import UUID

from django.conf import settings
from django.db import connection, transaction
from django.db.models.expressions import RawSQL

from jobs import artifacts, events, policies, registry
from jobs.models import Attempt, Job, Status, Worker
from jobs.queue import folders, processes
from jobs.queue.claim import waited_over_sql
from jobs.queue.clock import now_sql
from jobs.queue.outcome import Ended, Outcome, end_attempt
from jobs.queue.rows import changed_job
from jobs.queue.watch import timed_out
from jobs.queue.work import salvage
from jobs.reasons import Reason
from jobs.registry import Kind, UnknownKind

log = logging.getLogger(__name__)

MOST_AT_ONCE = 500


def reap() -> int:
    """End every attempt whose worker is gone; how many there were."""
    running = Job.objects.filter(status=Status.RUNNING).annotate(
        expired=RawSQL(f"lease_until < {now_sql()}", [])
    )
    reaped = 0
    for job in running.order_by("lease_until", "id")[:MOST_AT_ONCE]:
        gone = processes.is_gone(job.worker)
        expired = bool(getattr(job, "expired", False))  # annotated above
        if (gone or expired) and _take_over(job, only_expired=not gone):
            _end(job, local=processes.is_local(job.worker))
            reaped += 1
    return reaped


def _take_over(job: Job, *, only_expired: bool) -> bool:
    """Become the one who ends this attempt; should this process die over it, that is noticed too."""
    expired = f" AND lease_until < {now_sql()}" if only_expired else ""
    with connection.cursor() as cursor:
        cursor.execute(
            f"UPDATE jobs_job SET worker = %s, lease_until = {now_sql(plus_s=settings.LEASE_S)} "
            f"WHERE id = %s AND attempt = %s AND status = 'running' AND worker = %s{expired}",
            [processes.process_name(os.getpid()), events.pk(job.id), job.attempt, job.worker],
        )
        return bool(cursor.rowcount)


def _end(job: Job, *, local: bool) -> None:
    log.warning("Job %s attempt %s: its worker %s is gone.", job.id, job.attempt, job.worker)
    kind: Kind | None = None
    try:
        kind = registry.get(job.kind)
    except UnknownKind:
        log.warning("Job %s: its kind %s is not known here.", job.id, job.kind)
    if local:
        if not processes.kill_attempt(job_id=job.id, attempt=job.attempt):
            log.error("Job %s left processes that can not be killed.", job.id)
        if kind is not None:
            salvage(kind=kind, job=job)
    end_attempt(job_id=job.id, attempt=job.attempt, outcome=_outcome(job), kind=kind)
    artifacts.discard_strays(job_id=job.id, attempt=job.attempt)
    if local:
        folders.remove(job_id=job.id, attempt=job.attempt)


def _outcome(job: Job) -> Outcome:
    overdue = RawSQL(f"started_at < {now_sql(plus_s=-job.timeout_s)}", [])
    if (
        Attempt.objects.filter(job=job, number=job.attempt)
        .annotate(o=overdue)
        .filter(o=True)
        .exists()
    ):
        # The worker ends itself over a body that can not be stopped otherwise.
        return timed_out(job.timeout_s)
    return Outcome(
        ended=Ended.CRASHED,
        reason=Reason.WORKER_LOST,
        error=f"The worker {job.worker} died or lost touch with the database.",
        again=True,
    )


def end_overdue() -> int:
    """Fail every queued job that could have started longer ago than its kind may wait; how many."""
    ended = 0
    for kind in registry.all_kinds():
        most_s = policies.of(kind).queue_timeout_s
        if most_s is None:
            continue
        late = Job.objects.filter(status=Status.QUEUED, kind=kind.name).annotate(
            late=RawSQL(waited_over_sql(most_s), [])
        )
        rows = late.filter(late=True).order_by("id").values_list("pk", flat=True)
        ended += sum(_end_waiting(job_id, most_s) for job_id in rows[:MOST_AT_ONCE])
    return ended


def _end_waiting(job_id: UUID, most_s: int) -> bool:
    """False: a worker or another reaper was first."""
    error = f"It waited in the queue longer than the {most_s} seconds that its kind may."
    with transaction.atomic(), connection.cursor() as cursor:
        job = changed_job(
            cursor=cursor,
            sql=f"UPDATE jobs_job SET status = 'failed', reason = '{Reason.QUEUE_TIMED_OUT}', "
            f"error = %s, finished_at = {now_sql()}, last_seq = last_seq + 1 "
            f"WHERE id = %s AND status = 'queued' AND {waited_over_sql(most_s)}",
            params=[error, events.pk(job_id)],
        )
        if job is None:
            return False
        # What an earlier attempt left is all there is going to be.
        artifacts.show(job_id=job.id, attempt=job.attempt)
        facts = [(events.JOB_STATE_CHANGED, events.job_dto(job))]
        events.append(job_id=job.id, last_seq=job.last_seq, facts=facts)
    return True


def remove_dead_workers() -> None:
    """Remove the rows of workers that are dead, or silent for two leases."""
    silent = RawSQL(f"seen_at < {now_sql(plus_s=-2 * settings.LEASE_S)}", [])
    for worker in Worker.objects.annotate(silent=silent):
        if worker.silent or processes.is_gone(worker.name):
            worker.delete()
