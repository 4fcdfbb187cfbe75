"""Taking the best waiting job, at the moment a worker is free for it."""

from functools import cache

from django.conf import settings
from django.db import connection

from jobs import events, registry
from jobs.models import Job
from jobs.queue.clock import now_sql
from jobs.queue.ledger import Ledger, ledger
from jobs.queue.rows import changed_job

# Any number that no other advisory lock of this database uses.
_LIMITS_LOCK = 0x7A9EDEC0


def claim(*, queue: str, worker: str) -> Job | None:
    """Make `worker` the owner of the best claimable job of `queue` for `LEASE_S`; None: there is none.

    Best: the highest priority, then the oldest. The attempt, its row and its first events commit
    together.
    """
    with ledger() as opened:
        return take(queue=queue, worker=worker, into=opened)


def take(*, queue: str, worker: str, into: Ledger) -> Job | None:
    """`claim` within the caller's transaction; complete once the ledger is written."""
    limits = _limits(queue)
    vendor = connection.vendor
    if limits and vendor == "postgresql":
        # Two claims that count at once would both find room for one more.
        into.cursor.execute("SELECT pg_advisory_xact_lock(%s)", [_LIMITS_LOCK])
    job = changed_job(
        cursor=into.cursor,
        sql=_claim_sql(vendor, len(limits), settings.LEASE_S),
        params=[worker, queue, *_limit_params(limits)],
    )
    if job is not None:
        into.attempt_started(job)
        started = {"number": job.attempt, "worker": worker}
        facts = [(events.ATTEMPT_STARTED, started), (events.JOB_STATE_CHANGED, events.job_dto(job))]
        into.facts(job, facts, attempt=job.attempt)
    return job


@cache
def _claim_sql(vendor: str, limits: int, lease_s: int) -> str:
    lock = " FOR UPDATE SKIP LOCKED" if vendor == "postgresql" else ""
    return (
        "UPDATE jobs_job SET status = 'running', reason = '', error = '', attempt = attempt + 1, "
        f"worker = %s, started_at = COALESCE(started_at, {now_sql()}), run_after = NULL, "
        f"lease_until = {now_sql(plus_s=lease_s)}, progress_done = 0, progress_total = NULL, "
        "progress_unit = '', last_seq = last_seq + 2 WHERE id = "
        f"(SELECT id FROM jobs_job WHERE {_claimable(limits)} ORDER BY priority DESC, id LIMIT 1{lock})"
    )


def claimable(*, queue: str) -> bool:
    """Whether `claim` would find a job now."""
    limits = _limits(queue)
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT 1 FROM jobs_job WHERE {_claimable(len(limits))} LIMIT 1",
            [queue, *_limit_params(limits)],
        )
        return cursor.fetchone() is not None


def _limits(queue: str) -> list[tuple[str, int]]:
    return [
        (kind.name, kind.concurrency)
        for kind in registry.all_kinds()
        if kind.queue == queue and kind.concurrency is not None
    ]


def _claimable(limits: int) -> str:
    # The status is a literal, not a parameter, or the partial index could not be used.
    room = (
        " AND NOT (kind = %s AND (SELECT COUNT(*) FROM jobs_job AS busy"
        " WHERE busy.status = 'running' AND busy.kind = %s) >= %s)"
    )
    return (
        f"status = 'queued' AND queue = %s AND (run_after IS NULL OR run_after <= {now_sql()})"
        + room * limits
    )


def _limit_params(limits: list[tuple[str, int]]) -> list[str | int]:
    return [value for name, most in limits for value in (name, name, most)]
