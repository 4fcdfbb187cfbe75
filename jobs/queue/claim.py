"""Taking the best waiting job, at the moment a worker is free for it."""

from django.conf import settings
from django.db import connection, transaction

from jobs import events, registry
from jobs.models import Job
from jobs.queue.clock import now_sql
from jobs.queue.rows import changed_job

# Any number that no other advisory lock of this database uses.
_LIMITS_LOCK = 0x7A9EDEC0


def claim(*, queue: str, worker: str) -> Job | None:
    """Make `worker` the owner of the best claimable job of `queue` for `LEASE_S`; None: there is none.

    Best: the highest priority, then the oldest. The attempt, its row and its first events commit
    together, with the caller's transaction if there is one.
    """
    # Inside a caller's transaction a savepoint would be two statements more, for nothing.
    with transaction.atomic(savepoint=False):
        limits = _limits(queue)
        if limits and connection.vendor == "postgresql":
            # Two claims that count at once would both find room for one more.
            with connection.cursor() as cursor:
                cursor.execute("SELECT pg_advisory_xact_lock(%s)", [_LIMITS_LOCK])
        lock = " FOR UPDATE SKIP LOCKED" if connection.vendor == "postgresql" else ""
        now = now_sql()
        job = changed_job(
            sql="UPDATE jobs_job SET status = 'running', reason = '', error = '', attempt = attempt + 1, "
            f"worker = %s, started_at = COALESCE(started_at, {now}), run_after = NULL, "
            f"lease_until = {now_sql(plus_s=settings.LEASE_S)}, progress_done = 0, progress_total = NULL, "
            "progress_unit = '', last_seq = last_seq + 2 WHERE id = "
            f"(SELECT id FROM jobs_job WHERE {_claimable(limits)} ORDER BY priority DESC, id LIMIT 1{lock})",
            params=[worker, queue, *_limit_params(limits)],
        )
        if job is None:
            return None
        with connection.cursor() as cursor:
            cursor.execute(
                "INSERT INTO jobs_attempt (job_id, number, worker, started_at, outcome, reason, error) "
                f"VALUES (%s, %s, %s, {now}, 'running', '', '')",
                [events.pk(job.id), job.attempt, worker],
            )
        started = {"number": job.attempt, "worker": worker}
        facts = [(events.ATTEMPT_STARTED, started), (events.JOB_STATE_CHANGED, events.job_dto(job))]
        events.append(job_id=job.id, last_seq=job.last_seq, facts=facts, attempt=job.attempt)
        return job


def claimable(*, queue: str) -> bool:
    """Whether `claim` would find a job now."""
    limits = _limits(queue)
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT 1 FROM jobs_job WHERE {_claimable(limits)} LIMIT 1",
            [queue, *_limit_params(limits)],
        )
        return cursor.fetchone() is not None


def _limits(queue: str) -> list[tuple[str, int]]:
    return [
        (kind.name, kind.concurrency)
        for kind in registry.all_kinds()
        if kind.queue == queue and kind.concurrency is not None
    ]


def _claimable(limits: list[tuple[str, int]]) -> str:
    # The status is a literal, not a parameter, or the partial index could not be used.
    room = (
        " AND NOT (kind = %s AND (SELECT COUNT(*) FROM jobs_job AS busy"
        " WHERE busy.status = 'running' AND busy.kind = %s) >= %s)"
    )
    return (
        f"status = 'queued' AND queue = %s AND (run_after IS NULL OR run_after <= {now_sql()})"
        + room * len(limits)
    )


def _limit_params(limits: list[tuple[str, int]]) -> list[str | int]:
    return [value for name, most in limits for value in (name, name, most)]
