"""How an attempt ended, and writing that down: the only code that ends a running job."""

import random
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from functools import cache
from typing import Any
from uuid import UUID

from django.conf import settings
from django.db import connection

from jobs import artifacts, events, policies, statements
from jobs.models import Attempt, Job, Status
from jobs.queue import wake
from jobs.queue.clock import now_sql
from jobs.queue.ledger import Ledger, ledger
from jobs.queue.rows import changed_job
from jobs.reasons import Reason
from jobs.registry import Kind

MAX_ERROR_CHARS = 20_000
Ended = Attempt.Outcome
# No further attempt could end otherwise, whatever a policy says.
_FINAL_REASONS = frozenset({Reason.UNKNOWN_KIND, Reason.INVALID_OPTIONS})
_COUNTERS = {Ended.ERRORED: "errors", Ended.FAILED: "errors", Ended.CRASHED: "crashes"}


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """How one attempt ended. `again`: another attempt would be worth it, if the kind has one left."""

    ended: Attempt.Outcome
    reason: str = Reason.NONE
    error: str = ""
    result: Mapping[str, Any] | None = None
    metrics: Mapping[str, Any] = field(default_factory=dict)
    again: bool = False
    # Whether the attempt may have stored artifacts; unknown counts as yes.
    artifacts: bool = True


def end_attempt(
    *, job_id: UUID, attempt: int, outcome: Outcome, kind: Kind | None, lease_lost: bool = False
) -> Job | None:
    """Write the attempt's end and the job's next state in one transaction.

    The job ends, or waits for another attempt; in the transaction that ends it the artifacts of
    this attempt become visible. With `lease_lost` only while the lease is over.
    None: the attempt did not own the job any more, and nothing was written.
    """
    with ledger() as opened:
        return end(
            job_id=job_id,
            attempt=attempt,
            outcome=outcome,
            kind=kind,
            lease_lost=lease_lost,
            into=opened,
        )


def end(
    *,
    job_id: UUID,
    attempt: int,
    outcome: Outcome,
    kind: Kind | None,
    into: Ledger,
    lease_lost: bool = False,
) -> Job | None:
    """`end_attempt` within the caller's transaction; complete once the ledger is written."""
    fenced = [events.pk(job_id), attempt]
    error = events.storable_text(outcome.error)[:MAX_ERROR_CHARS] if outcome.error else ""
    job = None
    if kind is not None and _again(outcome, kind):
        delay = now_sql(plus_s=backoff_s(policy=policies.of(kind), attempt=attempt))
        job = changed_job(
            cursor=into.cursor,
            sql=_retry_sql(outcome.ended, delay, _fence(lease_lost)),
            params=[error, *fenced],
        )
    if job is None:
        status, reason = _final(outcome)
        result = None if outcome.result is None else events.to_json(outcome.result)
        metrics = events.to_json(dict(outcome.metrics)) if outcome.metrics else "{}"
        job = changed_job(
            cursor=into.cursor,
            sql=_final_sql(statements.vendor(), outcome.ended, lease_lost),
            params=[status, reason, error, result, metrics, *fenced],
        )
        if job is None:
            return None
        if outcome.artifacts:
            artifacts.show(job_id=job_id, attempt=attempt)
    ended = {
        "number": attempt,
        "outcome": outcome.ended.value,
        "reason": str(outcome.reason),
        "error": error,
    }
    into.attempt_ended(job, **ended)  # type: ignore[arg-type]
    facts = [(events.ATTEMPT_ENDED, ended), (events.JOB_STATE_CHANGED, events.job_dto(job))]
    into.facts(job, facts, attempt=attempt)
    if job.status == Status.QUEUED:
        wake.notify(wake.QUEUE)
    return job


def _fence(lease_lost: bool) -> str:
    lost = f" AND lease_until < {now_sql()}" if lease_lost else ""
    return f"id = %s AND attempt = %s AND status = 'running'{lost}"


def _retry_sql(ended: Attempt.Outcome, delay: str, fence: str) -> str:
    # Deaths and errors are capped apart; a cancelled job gets no further attempt.
    counter = _COUNTERS.get(ended)
    tries = f"{counter} + 1" if counter else "attempt"
    return (
        f"UPDATE jobs_job SET status = 'queued', reason = '{Reason.RETRYING}', error = %s, "
        f"worker = '', lease_until = NULL, run_after = {delay}, last_seq = last_seq + 2"
        f"{_count(ended)} WHERE {fence} AND {tries} < max_attempts AND cancel_requested_at IS NULL"
    )


@cache
def _final_sql(vendor: str, ended: Attempt.Outcome, lease_lost: bool) -> str:
    json_value = "%s::jsonb" if vendor == "postgresql" else "%s"
    return (
        "UPDATE jobs_job SET "
        # A death or error of a job that was to end anyway is its cancellation.
        f"status = {_unless_cancelled(ended, 'cancelled')}, "
        f"reason = {_unless_cancelled(ended, Reason.CANCELLED_BY_USER)}, "
        f"error = %s, result = {json_value}, metrics = {json_value}, "
        f"finished_at = {now_sql()}, lease_until = NULL, last_seq = last_seq + 2{_count(ended)} "
        f"WHERE {_fence(lease_lost)}"
    )


def _count(ended: Attempt.Outcome) -> str:
    counter = _COUNTERS.get(ended)
    return f", {counter} = {counter} + 1" if counter else ""


def _again(outcome: Outcome, kind: Kind) -> bool:
    """Whether another attempt is worth it: the policy says which reasons are, or else the attempt."""
    if outcome.ended in {Ended.SUCCEEDED, Ended.CANCELLED} or outcome.reason in _FINAL_REASONS:
        return False
    worth_it = policies.of(kind).retry_on
    return outcome.again if worth_it is None else outcome.reason in worth_it


def backoff_s(*, policy: policies.Policy, attempt: int) -> float:
    """The wait before the next attempt: doubled each time, spread by the jitter, then capped."""
    wait = policy.backoff_s * 2.0 ** min(attempt - 1, 30)
    wait *= random.uniform(1 - policy.backoff_jitter, 1 + policy.backoff_jitter)
    return min(policy.backoff_cap_s, wait)


def _final(outcome: Outcome) -> tuple[str, str]:
    if outcome.ended == Ended.SUCCEEDED:
        return Status.SUCCEEDED, Reason.NONE
    if outcome.ended == Ended.CANCELLED:
        return Status.CANCELLED, Reason.CANCELLED_BY_USER
    return Status.FAILED, str(outcome.reason)


def _unless_cancelled(ended: Attempt.Outcome, otherwise: str) -> str:
    if ended not in {Ended.CRASHED, Ended.ERRORED, Ended.TIMED_OUT}:
        return "%s"
    return f"CASE WHEN cancel_requested_at IS NULL THEN %s ELSE '{otherwise}' END"


class Asked(Enum):
    """What people asked of a running job."""

    NOTHING = "nothing"
    END = "end"
    DIE = "die"


def lease(*, job_id: UUID, attempt: int) -> Asked | None:
    """Extend the lease; what people asked of the job. None: the job is not ours any more."""
    with connection.cursor() as cursor:
        cursor.execute(
            f"UPDATE jobs_job SET lease_until = {now_sql(plus_s=settings.LEASE_S)} "
            "WHERE id = %s AND attempt = %s AND status = 'running' "
            "RETURNING cancel_requested_at, cancel_forced_at",
            [events.pk(job_id), attempt],
        )
        row = cursor.fetchone()
    return _asked(row)


def asked_of(*, job_id: UUID, attempt: int) -> Asked | None:
    """What people asked of the job; None: the job is not ours any more."""
    row = (
        Job.objects.filter(pk=job_id, attempt=attempt, status=Status.RUNNING)
        .values_list("cancel_requested_at", "cancel_forced_at")
        .first()
    )
    return _asked(row)


def _asked(row: tuple[Any, Any] | None) -> Asked | None:
    if row is None:
        return None
    requested, forced = row
    if forced is not None:
        return Asked.DIE
    return Asked.NOTHING if requested is None else Asked.END
