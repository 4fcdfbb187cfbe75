"""Facts in a job's life, numbered without a gap, and the one serialisation of a job."""

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from functools import cache
from typing import Any, NamedTuple
from uuid import UUID

from django.db import transaction

from jobs import statements
from jobs.casing import camel
from jobs.models import Job, JobEvent
from jobs.queue import wake
from jobs.queue.clock import now_sql
from jobs.secrets import masked

JOB_CREATED = "job.created"
JOB_STATE_CHANGED = "job.state_changed"
JOB_PROGRESSED = "job.progressed"
JOB_CANCEL_REQUESTED = "job.cancel_requested"
JOB_CANCEL_FORCED = "job.cancel_forced"
JOB_METADATA_EDITED = "job.metadata_edited"
JOB_RERUN_SUBMITTED = "job.rerun_submitted"
JOB_IMPORTED = "job.imported"
ATTEMPT_STARTED = "attempt.started"
ATTEMPT_ENDED = "attempt.ended"
ARTIFACT_ADDED = "artifact.added"
LOG = "log"


_encoder = json.JSONEncoder(allow_nan=False)


class Entry(NamedTuple):
    """An event that is about to be stored; `text` is its data as JSON."""

    job_id: UUID
    seq: int
    type: str
    text: str
    attempt: int


class Superseded(Exception):
    """This attempt does not own its job any more; nothing of it was written."""


def emit(
    *, job_id: UUID, type: str, data: Mapping[str, Any], attempt: int = 0, fence: bool = False
) -> JobEvent:
    """Append one event to the job; its number comes from the job's row in the same transaction.

    :raises Superseded: `fence` is set and `attempt` does not own the running job.
    :raises Job.DoesNotExist: there is no such job.
    """
    return advance(job_id=job_id, type=type, data=data, attempt=attempt, fence=fence)[0]


def advance(
    *,
    job_id: UUID,
    type: str,
    data: Mapping[str, Any],
    attempt: int = 0,
    fence: bool = False,
    changes: Mapping[str, Any] | None = None,
) -> tuple[JobEvent, bool]:
    """`emit`, writing `changes` (column → value) to the job's row in the same statement.

    The second value tells whether somebody asked for the job to be cancelled: the row was read
    anyway, so an attempt that reports often learns of it for free.
    """
    text = to_json(data)
    sets = "".join(f", {column} = %s" for column in changes or {})
    where = " AND attempt = %s AND status = 'running'" if fence else ""
    update = (
        f"UPDATE jobs_job SET last_seq = last_seq + 1{sets} WHERE id = %s{where} "
        # The column, not `… IS NOT NULL`: SQLite 3.40 answers that with 1 for a null, in RETURNING.
        "RETURNING last_seq, cancel_requested_at"
    )
    params = [*(changes or {}).values(), pk(job_id), *([attempt] if fence else [])]
    with transaction.atomic(savepoint=False):
        cursor = statements.cursor()
        cursor.execute(update, params)
        row = cursor.fetchone()
        if row is None:
            if fence:
                raise Superseded(f"Attempt {attempt} does not own job {job_id} any more.")
            raise Job.DoesNotExist(f"There is no job {job_id}.")
        event_id, at = store(cursor, [Entry(job_id, row[0], type, text, attempt)])
    event = JobEvent(
        id=event_id,
        job_id=job_id,
        seq=row[0],
        type=type,
        data=json.loads(text),
        at=at,
        attempt=attempt,
    )
    return event, row[1] is not None


def append(
    *, job_id: UUID, last_seq: int, facts: Sequence[tuple[str, Mapping[str, Any]]], attempt: int = 0
) -> None:
    """Write the events that end at number `last_seq`, which the caller has just reserved.

    Only for writers that changed the job's row in this transaction and raised `last_seq` there.
    """
    first = last_seq - len(facts) + 1
    entries = [
        Entry(job_id, first + n, type, to_json(data), attempt)
        for n, (type, data) in enumerate(facts)
    ]
    store(statements.cursor(), entries)


def store(
    cursor: statements.Statements,
    entries: Sequence[Entry],
    *,
    after: str = "",
    params: Sequence[Any] = (),
) -> tuple[int, datetime]:
    """Insert events whose numbers are reserved in this transaction: the last one's id and time.

    `after` is SQL that stands before the statement (`WITH …`), `params` are its own.
    """
    cursor.execute(
        after + _insert_sql(statements.vendor(), len(entries)),
        [
            *params,
            *(
                value
                for job_id, seq, type, text, attempt in entries
                for value in (pk(job_id), seq, type, text, attempt)
            ),
        ],
    )
    event_id, at = cursor.fetchall()[-1]
    if isinstance(at, str):
        at = datetime.fromisoformat(at).replace(tzinfo=UTC)
    wake.notify(wake.EVENTS)
    return event_id, at


@cache
def _insert_sql(vendor: str, count: int) -> str:
    json_value = "%s::jsonb" if vendor == "postgresql" else "%s"
    values = ", ".join([f"(%s, %s, %s, {json_value}, {now_sql()}, %s)"] * count)
    return (
        "INSERT INTO jobs_jobevent (job_id, seq, type, data, at, attempt) "
        f"VALUES {values} RETURNING id, at"
    )


def pk(job_id: UUID) -> Any:
    """A job's id as this database stores it."""
    return job_id.hex if statements.vendor() == "sqlite" else job_id


def to_json(data: Any) -> str:
    """`data` as JSON that both databases take.

    PostgreSQL refuses NUL and lone surrogates, which pages and programs do write: they become
    U+FFFD. NaN and infinities are refused: they are not JSON.

    :raises TypeError, ValueError: `data` is not JSON.
    """
    text = _encoder.encode(data)
    if "\\u0000" in text or "\\ud" in text:
        text = _encoder.encode(_storable(data))
    return text


def storable_text(text: str) -> str:
    """`text` without what PostgreSQL refuses (NUL and lone surrogates become U+FFFD)."""
    whole = text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return whole.replace("\0", "\ufffd")


def _storable(data: Any) -> Any:
    if isinstance(data, str):
        return storable_text(data)
    if isinstance(data, Mapping):
        return {storable_text(str(key)): _storable(value) for key, value in data.items()}
    if isinstance(data, list | tuple):
        return [_storable(value) for value in data]
    return data


def event_dto(event: JobEvent) -> dict[str, Any]:
    """An event as every reader gets it: REST, websocket, server-sent events."""
    return {
        "jobId": str(event.job_id),
        "seq": event.seq,
        "type": event.type,
        "data": event.data,
        "at": time_dto(event.at),
        "attempt": event.attempt,
    }


def job_dto(job: Job) -> dict[str, Any]:
    """A job as every reader gets it: events, REST, admin, websocket. Secrets are masked."""
    # A row that came from a statement of the engine brings the name along: no second query.
    owner_name = getattr(job, "owner_name", None) or job.owner.get_username()
    return {
        "id": str(job.id),
        "kind": job.kind,
        "name": job.name,
        "status": str(job.status),
        "reason": job.reason,
        "error": job.error,
        "options": {camel(name): value for name, value in masked(job.options).items()},
        "tags": job.tags,
        "shared": job.shared,
        "preset": job.preset,
        "priority": job.priority,
        "queue": job.queue,
        "ownerId": job.owner_id,
        "ownerName": owner_name,
        "parentId": str(job.parent_id) if job.parent_id else None,
        "scheduleId": str(job.schedule_id) if job.schedule_id else None,
        "attempt": job.attempt,
        "maxAttempts": job.max_attempts,
        "worker": job.worker,
        "timeoutS": job.timeout_s,
        "progress": {
            "done": job.progress_done,
            "total": job.progress_total,
            "unit": job.progress_unit,
        },
        "metrics": job.metrics,
        "result": job.result,
        "createdAt": time_dto(job.created_at),
        "startedAt": time_dto(job.started_at),
        "finishedAt": time_dto(job.finished_at),
        "runAfter": time_dto(job.run_after),
        "cancelRequestedAt": time_dto(job.cancel_requested_at),
        "cancelReason": job.cancel_reason,
        "cancelForcedAt": time_dto(job.cancel_forced_at),
        "lastSeq": job.last_seq,
    }


def time_dto(value: datetime | None) -> str | None:
    if value is None:
        return None
    if value.tzinfo is not UTC:
        value = value.astimezone(UTC)
    # Without its "+00:00".
    return value.isoformat(timespec="milliseconds")[:-6] + "Z"
