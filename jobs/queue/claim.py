"""Taking the best waiting job, at the moment a worker is free for it."""

from functools import lru_cache
from typing import Any

from django.conf import settings
from django.db import connection

from jobs import events, statements
from jobs.models import Job
from jobs.queue import limits
from jobs.queue.clock import now_sql
from jobs.queue.ledger import Ledger, ledger
from jobs.queue.rows import changed_job

# Any number that no other advisory lock of this database uses.
_LIMITS_LOCK = 0x7A9EDEC0


def claim(*, queue: str, worker: str) -> Job | None:
    """Make `worker` the owner of the best claimable job of `queue` for `LEASE_S`; None: there is none.

    Best: the highest priority, then the oldest. The attempt, its row and its first events commit
    together. Kinds and users whose limits are used up are passed over, and so are jobs that have
    waited longer than they may: the reaper ends those.
    """
    with ledger() as opened:
        return take(queue=queue, worker=worker, into=opened)


def take(*, queue: str, worker: str, into: Ledger) -> Job | None:
    """`claim` within the caller's transaction; complete once the ledger is written."""
    rules = limits.rules_of(queue)
    job = None if rules.all_kinds else _take_unlimited(queue, worker, rules, into)
    if job is None and rules.limited:
        job = _take_counted(queue, worker, rules, into)
    if job is not None:
        into.attempt_started(job)
        started = {"number": job.attempt, "worker": worker}
        facts = [(events.ATTEMPT_STARTED, started), (events.JOB_STATE_CHANGED, events.job_dto(job))]
        into.facts(job, facts, attempt=job.attempt)
    return job


def _take_unlimited(queue: str, worker: str, rules: limits.Rules, into: Ledger) -> Job | None:
    """The best job, if its kind has no limits; nothing has to be counted for it, nor locked."""
    passed_over, params = limits.Held(kinds=list(rules.kinds)).condition(statements.vendor())
    overdue, overdue_params = _overdue(rules)
    return changed_job(
        cursor=into.cursor,
        sql=_claim_sql(statements.vendor(), overdue, passed_over, settings.LEASE_S),
        params=[worker, queue, *overdue_params, *params],
    )


def _take_counted(queue: str, worker: str, rules: limits.Rules, into: Ledger) -> Job | None:
    """The best job of those whose limits have room."""
    if statements.vendor() == "postgresql":
        # Two claims that count at once would both find room for one more. On SQLite the
        # transaction itself is the lock: it began IMMEDIATE.
        into.cursor.execute("SELECT pg_advisory_xact_lock(%s)", [_LIMITS_LOCK])
        # All of it, or the connection has an answer that nobody took.
        into.cursor.fetchall()
    held = limits.held(cursor=into.cursor, rules=rules)
    if held.everything:
        return None
    passed_over, params = held.condition(statements.vendor())
    overdue, overdue_params = _overdue(rules)
    job = changed_job(
        cursor=into.cursor,
        sql=_claim_sql(statements.vendor(), passed_over + overdue, "", settings.LEASE_S),
        params=[worker, queue, *params, *overdue_params],
    )
    if job is not None and rules.counts_starts_of(job.kind):
        limits.note_start(cursor=into.cursor, job=job)
    return job


@lru_cache(maxsize=256)
def _claim_sql(vendor: str, conditions: str, only_if: str, lease_s: int) -> str:
    """`conditions` say which jobs are looked at; `only_if`, whether the best of them is taken."""
    lock = " FOR UPDATE SKIP LOCKED" if vendor == "postgresql" else ""
    return (
        "UPDATE jobs_job SET status = 'running', reason = '', error = '', attempt = attempt + 1, "
        f"worker = %s, started_at = COALESCE(started_at, {now_sql()}), run_after = NULL, "
        f"lease_until = {now_sql(plus_s=lease_s)}, progress_done = 0, progress_total = NULL, "
        "progress_unit = '', last_seq = last_seq + 2 WHERE id = "
        f"(SELECT id FROM (SELECT id, kind FROM jobs_job WHERE {_due()}{conditions} "
        f"ORDER BY priority DESC, id LIMIT 1{lock}) AS best WHERE TRUE{only_if})"
    )


def claimable(*, queue: str) -> bool:
    """Whether `claim` would find a job now."""
    rules = limits.rules_of(queue)
    passed_over = ""
    params: list[Any] = []
    overdue, overdue_params = _overdue(rules)
    with connection.cursor() as cursor:
        if rules.limited:
            held = limits.held(cursor=cursor, rules=rules)
            if held.everything:
                return False
            passed_over, params = held.condition(statements.vendor())
        cursor.execute(
            f"SELECT 1 FROM jobs_job WHERE {_due()}{passed_over}{overdue} LIMIT 1",
            [queue, *params, *overdue_params],
        )
        return cursor.fetchone() is not None


def _due() -> str:
    # The status is a literal, not a parameter, or the partial index could not be used.
    return f"status = 'queued' AND queue = %s AND (run_after IS NULL OR run_after <= {now_sql()})"


def _overdue(rules: limits.Rules) -> tuple[str, list[Any]]:
    """SQL that is true of jobs that have not waited longer than their kind may."""
    sql, params = "", []
    for kind, most_s in rules.longest_waits.items():
        sql += f" AND NOT (kind = %s AND {waited_over_sql(most_s)})"
        params.append(kind)
    return sql, params


def waited_over_sql(most_s: float) -> str:
    """SQL that is true of a queued job that could have started more than `most_s` ago."""
    return f"COALESCE(run_after, created_at) < {now_sql(plus_s=-most_s)}"
