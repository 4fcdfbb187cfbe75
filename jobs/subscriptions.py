"""What one client watches, and its events from where it left off: the same for both transports."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any, NamedTuple
from uuid import UUID

from django.contrib.auth import get_user_model

from jobs import access, feed
from jobs.api.problem import Problem
from jobs.feed import BadCursor, Line, Position
from jobs.frames import text_frame
from jobs.logins import Standing
from jobs.models import Job
from jobs.tail import Hub, hub

HEARTBEAT_S = 15.0
# A subscriber who lost the right to see is cut off within this time.
RECHECK_S = 30.0
MAX_JOBS = 20
_REMEMBERED = 10_000


class AccessEnded(Exception):
    """The subscriber may not see these jobs any more."""


class CursorAhead(Problem):
    """A cursor that no event has reached: of another installation, or of one since restored."""

    def __init__(self) -> None:
        message = (
            "This cursor is ahead of every event there is: it is of another installation, or the "
            "database was restored since. Start without one."
        )
        super().__init__(
            status=400, code="cursor_ahead", detail=message, errors={"after": [message]}
        )


class Delivery(NamedTuple):
    """One event for one subscriber; `cursor` is where to resume after it."""

    line: Line
    cursor: str

    @property
    def text(self) -> str:
        return self.line.with_cursor(self.cursor)

    @property
    def frame(self) -> bytes:
        if self.cursor == str(self.line.seq):
            return self.line.frame
        return text_frame(self.text)


@dataclass(frozen=True)
class Selection:
    """Some jobs, each from after a number; or (`cursors` is None) all that the user may see."""

    user_id: int
    cursors: dict[UUID, int] | None
    position: Position | None = None
    types: frozenset[str] = frozenset()
    standing: Standing | None = None

    def wants(self, line: Line) -> bool:
        return not self.types or line.type in self.types

    def is_over(self) -> bool:
        """Whether every job has ended and was read to its end: nothing will ever follow."""
        if self.cursors is None:
            return False
        heads = feed.read_heads(self.cursors)
        return all(
            job_id not in heads or (heads[job_id].terminal and after >= heads[job_id].last_seq)
            for job_id, after in self.cursors.items()
        )


def select(
    *, user: Any, job: str, after: str = "", types: str = "", standing: Standing | None = None
) -> Selection:
    """What `?job=…&after=…&type=…` asks for.

    `job` is one id, several with commas, or `*`; `after` the cursor of the last event that
    the client has, in the shape that came with it. What the subscription rests on is `standing`;
    without one, on the account.

    :raises Problem: 400 malformed, 404 a job that is not there or not the user's.
    """
    wanted = frozenset(part for part in types.split(",") if part)
    try:
        if job == "*":
            position = Position.parse(after) if after else None
            if position is not None and position.top > feed.read_last_id():
                raise CursorAhead
            return Selection(user.pk, None, position, wanted, standing)
        job_ids = _job_ids(job)
        cursors = dict.fromkeys(job_ids, 0) | _cursors(job_ids, after)
    except BadCursor as error:
        raise Problem(
            status=400, code="invalid", detail=str(error), errors={"after": [str(error)]}
        ) from error
    if Job.objects.visible_to(user).filter(id__in=job_ids).count() < len(job_ids):
        raise Problem(
            status=404, code="not_found", detail="There is no such job, or it is not yours."
        )
    heads = feed.read_heads(job_ids)
    if any(job_id in heads and seq > heads[job_id].last_seq for job_id, seq in cursors.items()):
        raise CursorAhead
    return Selection(user.pk, cursors, None, wanted, standing)


def _job_ids(text: str) -> list[UUID]:
    try:
        job_ids = list(dict.fromkeys(UUID(part.strip()) for part in text.split(",")))
    except ValueError as error:
        message = "Give a job's id, several with commas, or *."
        raise Problem(
            status=400, code="invalid", detail=message, errors={"job": [message]}
        ) from error
    if len(job_ids) > MAX_JOBS:
        message = f"At most {MAX_JOBS} jobs at once; use * for all."
        raise Problem(status=400, code="invalid", detail=message, errors={"job": [message]})
    return job_ids


def _cursors(job_ids: list[UUID], after: str) -> dict[UUID, int]:
    """`12` for one job; `<id>:12,<id>:7` for several."""
    if not after:
        return {}
    try:
        if len(job_ids) == 1 and ":" not in after:
            cursors = {job_ids[0]: int(after)}
        else:
            pairs = [part.split(":") for part in after.split(",")]
            cursors = {UUID(job_id): int(seq) for job_id, seq in pairs}
    except ValueError as error:
        raise BadCursor(f"{after[:80]!r} is no cursor of these jobs.") from error
    if not cursors.keys() <= set(job_ids) or any(not 0 <= seq < 2**63 for seq in cursors.values()):
        raise BadCursor(f"{after[:80]!r} is no cursor of these jobs.")
    return cursors


async def deliveries(selection: Selection) -> AsyncIterator[list[Delivery]]:
    """Events in order, each job's exactly once; an empty list after `HEARTBEAT_S` of silence.

    Ends when every selected job has ended and was read to its end; `*` never ends.

    :raises AccessEnded: the user was deactivated, logged out, or lost sight of a selected job.
    """
    reader = hub()
    if selection.cursors is not None:
        batches = _of_jobs(reader, selection, dict(selection.cursors))
    else:
        batches = _of_table(reader, selection)
    checked_at = time.monotonic()
    async for batch in batches:
        if (now := time.monotonic()) - checked_at > RECHECK_S:
            checked_at = now
            if not await reader.read(_still_allowed, selection):
                raise AccessEnded(AccessEnded.__doc__)
        yield batch


def _still_allowed(selection: Selection) -> bool:
    user = (selection.standing or Standing(user_id=selection.user_id)).user()
    if not access.may_see(user):
        return False
    # A job that was deleted is no loss of rights: it just ends.
    mine = Job.objects.visible_to(user).filter(id__in=selection.cursors or ())
    return mine.count() == Job.objects.filter(id__in=selection.cursors or ()).count()


async def _of_jobs(
    reader: Hub, selection: Selection, cursors: dict[UUID, int]
) -> AsyncIterator[list[Delivery]]:
    said_at = time.monotonic()
    async with reader.watch_jobs(cursors) as news:
        while True:
            news.clear()
            batch: list[Delivery] = []
            moved = False
            for job_id, after in cursors.items():
                job = reader.jobs[job_id]
                if after >= job.head.last_seq or job.gone:
                    continue
                if after + 1 >= job.window.start:
                    lines = job.window.page(after + 1)
                else:
                    lines = await reader.read(feed.read_job, job_id, after)
                for line in lines:
                    moved = True
                    cursors[job_id] = line.seq
                    if not selection.types or line.type in selection.types:
                        cursor = str(line.seq) if len(cursors) == 1 else _cursor(cursors)
                        batch.append(Delivery(line, cursor))
            # Also where all that came was not wanted: the right to see is looked at between two.
            if batch or time.monotonic() - said_at > HEARTBEAT_S:
                said_at = time.monotonic()
                yield batch
            elif not moved:
                watched = [(reader.jobs[job_id], after) for job_id, after in cursors.items()]
                if all(
                    job.gone or (job.head.terminal and after >= job.head.last_seq)
                    for job, after in watched
                ):
                    return
                if not await news.heard(HEARTBEAT_S):
                    said_at = time.monotonic()
                    yield []


def _cursor(cursors: dict[UUID, int]) -> str:
    return ",".join(f"{job_id}:{seq}" for job_id, seq in cursors.items())


async def _of_table(reader: Hub, selection: Selection) -> AsyncIterator[list[Delivery]]:
    sight = Sight(reader, selection.user_id)
    said_at = time.monotonic()
    async with reader.watch_table() as (table, news):
        mine = (selection.position or table.position).copy()
        # Number of the next line of the table's window; None while reading up to it.
        at = None if selection.position else table.window.end
        while True:
            news.clear()
            behind = at is None or at < table.window.start
            if at is None or behind:
                # What the hub has read by now, the read below sees too.
                end, known = table.window.end, table.position.copy()
                lines, full = await reader.read(feed.read_after, mine.copy())
                at = end if not full and table.window.start <= end else None
            else:
                lines = table.window.page(at)
                at += len(lines)
            fresh = [line for line in lines if not mine.seen(line.id)]
            visible = await sight.of({line.job_id for line in fresh if selection.wants(line)})
            batch: list[Delivery] = []
            for line in fresh:
                mine.add(line.id)
                if line.job_id in visible and selection.wants(line):
                    batch.append(Delivery(line, str(mine)))
            if behind and at is not None:
                mine.keep_gaps_of(known)
            elif at == table.window.end:
                mine.keep_gaps_of(table.position)
            if batch or time.monotonic() - said_at > HEARTBEAT_S:
                said_at = time.monotonic()
                yield batch
            elif not lines and at is not None and not await news.heard(HEARTBEAT_S):
                said_at = time.monotonic()
                yield []


class Sight:
    """Which jobs one user may see, remembered for a while."""

    def __init__(self, reader: Hub, user_id: int) -> None:
        self._reader = reader
        self._user_id = user_id
        self._known: dict[UUID, bool] = {}
        self._since = time.monotonic()

    async def of(self, job_ids: set[UUID]) -> set[UUID]:
        if len(self._known) > _REMEMBERED or time.monotonic() - self._since > RECHECK_S:
            self._known, self._since = {}, time.monotonic()
        unknown = job_ids - self._known.keys()
        if unknown:
            visible = await self._reader.read(self._read, unknown)
            self._known |= {job_id: job_id in visible for job_id in unknown}
        return {job_id for job_id in job_ids if self._known[job_id]}

    def _read(self, job_ids: set[UUID]) -> set[UUID]:
        user = get_user_model().objects.filter(pk=self._user_id).first()
        return set(Job.objects.visible_to(user).filter(id__in=job_ids).values_list("id", flat=True))
