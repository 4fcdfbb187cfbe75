"""Reading events: of one job by its own numbers, of all jobs by position in the whole table."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import NamedTuple
from uuid import UUID

from django.db import connection
from django.db.models import Max, Q, QuerySet

from jobs.events import event_dto
from jobs.frames import text_frame
from jobs.models import TERMINAL, Job, JobEvent

# Events read in one statement, and the most that one subscriber is given at once.
PAGE = 200
PAGE_CHARS = 500_000
# As many are read at once; a page of more is streamed, which PostgreSQL does in three steps.
FEW = 20
# How far back a first read looks for ids whose transactions have not committed yet.
LOOK_BACK = 10_000


class BadCursor(ValueError):
    """This is no cursor that a reader was given."""


@dataclass(frozen=True)
class Line:
    """One event, serialised once for all its readers."""

    id: int
    job_id: UUID
    seq: int
    type: str
    text: str
    # When it was written, as Unix time by the database's clock.
    at: float = 0.0

    @cached_property
    def frame(self) -> bytes:
        """The websocket frame for all who watch this job alone: their cursor is the event's number."""
        return text_frame(self.with_cursor(str(self.seq)))

    @classmethod
    def of(cls, event: JobEvent) -> Line:
        # ASCII: many clients of event streams also break lines at U+2028 and its like.
        text = json.dumps(event_dto(event), separators=(",", ":"))
        return cls(event.pk, event.job_id, event.seq, event.type, text, event.at.timestamp())

    def with_cursor(self, cursor: str) -> str:
        """The event's JSON with the reader's position after it: what both transports send."""
        return f'{self.text[:-1]},"cursor":{json.dumps(cursor)}}}'


class Head(NamedTuple):
    """Where a job stood when it was read."""

    last_seq: int
    terminal: bool


class Gap(NamedTuple):
    """Ids not seen though higher ones were; no transaction from `bound` on holds one (0: unknown)."""

    low: int
    high: int
    bound: int = 0


@dataclass
class Position:
    """Which rows of the whole event table were read: all ids up to `top` but those in `gaps`.

    On PostgreSQL a row's id is given inside its transaction and seen at commit, so a plain
    "everything after id N" would skip a row that commits late. A missing id therefore stays
    wanted until no transaction that could hold it is left.
    """

    top: int
    gaps: list[Gap] = field(default_factory=list)

    def __str__(self) -> str:
        return ".".join([str(self.top), *(f"{gap.low}-{gap.high}" for gap in self.gaps)])

    @classmethod
    def parse(cls, text: str) -> Position:
        """:raises BadCursor: `text` is not what `str` of a position looks like."""
        first, *rest = text.split(".")
        try:
            gaps = [Gap(int(low), int(high)) for low, high in (gap.split("-") for gap in rest)]
            position = cls(int(first), gaps)
        except ValueError as error:
            raise BadCursor(f"{text[:80]!r} is no cursor.") from error
        if not 0 <= position.top < 2**63 or any(
            not 0 < low <= high <= position.top for low, high, _ in gaps
        ):
            raise BadCursor(f"{text[:80]!r} is no cursor.")
        return position

    def copy(self) -> Position:
        return Position(self.top, list(self.gaps))

    def seen(self, row_id: int) -> bool:
        return row_id <= self.top and not any(gap.low <= row_id <= gap.high for gap in self.gaps)

    def add(self, row_id: int) -> None:
        if row_id > self.top:
            if row_id > self.top + 1:
                self.gaps.append(Gap(self.top + 1, row_id - 1))
            self.top = row_id
            return
        kept: list[Gap] = []
        for gap in self.gaps:
            if gap.low <= row_id <= gap.high:
                parts = (gap._replace(high=row_id - 1), gap._replace(low=row_id + 1))
                kept += [part for part in parts if part.low <= part.high]
            else:
                kept.append(gap)
        self.gaps = kept

    def bound_gaps(self, next_xid: int) -> None:
        """Note that what can still fill a gap found before is older than `next_xid`."""
        self.gaps = [gap if gap.bound else gap._replace(bound=next_xid) for gap in self.gaps]

    def drop_dead_gaps(self, oldest_running: int) -> None:
        """Forget gaps whose every possible transaction ended before the rows were last read."""
        self.gaps = [gap for gap in self.gaps if not 0 < gap.bound <= oldest_running]

    def keep_gaps_of(self, other: Position) -> None:
        """Forget every gap up to `other.top` in which `other` waits for nothing any more."""
        wanted = [(gap.low, gap.high) for gap in other.gaps] + [(other.top + 1, 2**63)]
        self.gaps = [
            Gap(max(gap.low, low), min(gap.high, high))
            for gap in self.gaps
            for low, high in wanted
            if max(gap.low, low) <= min(gap.high, high)
        ]


def read_snapshot() -> tuple[int, int] | None:
    """PostgreSQL's oldest running and next transaction id; None where ids become visible in order.

    (SQLite has one writer at a time, so an id is seen before the next one is given.)
    """
    if connection.vendor != "postgresql":
        return None
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT pg_snapshot_xmin(s)::text, pg_snapshot_xmax(s)::text FROM pg_current_snapshot() s"
        )
        oldest_running, next_xid = cursor.fetchone()
    return int(oldest_running), int(next_xid)


def read_now() -> Position:
    """The position of a reader who wants only what is committed from now on."""
    top = JobEvent.objects.aggregate(top=Max("id"))["top"] or 0
    if connection.vendor != "postgresql":
        return Position(top)
    ids = list(
        JobEvent.objects.filter(id__gt=top - LOOK_BACK).order_by("id").values_list("id", flat=True)
    )
    position = Position(ids[0] - 1 if ids else top)
    for row_id in ids:
        position.add(row_id)
    return position


def read_last_id() -> int:
    """The highest id that an event ever had; also of one that is deleted or not committed yet."""
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.execute(
                "SELECT last_value FROM pg_sequences WHERE schemaname = ANY(current_schemas(false)) "
                "AND format('%I.%I', schemaname, sequencename)::regclass "
                "= pg_get_serial_sequence('jobs_jobevent', 'id')::regclass"
            )
        else:
            cursor.execute("SELECT seq FROM sqlite_sequence WHERE name = 'jobs_jobevent'")
        row = cursor.fetchone()
    return int(row[0]) if row and row[0] is not None else 0


class Page(NamedTuple):
    """Lines in order; `full` says that there may be more."""

    lines: list[Line]
    full: bool


def read_after(position: Position) -> Page:
    """The next page of events of all jobs, in order of id, that `position` has not seen.

    One statement, so one snapshot: whoever sees a job's later event has seen its earlier ones.
    """
    missing = Q(id__gt=position.top)
    for gap in position.gaps:
        missing |= Q(id__range=(gap.low, gap.high))
    return _page(JobEvent.objects.filter(missing).order_by("id"), PAGE)


def read_job(job_id: UUID, after: int, limit: int = PAGE) -> list[Line]:
    """The next events of one job that follow its number `after`: one page, never none of several.

    A job's numbers are given under a lock on its row, so they become visible in order.
    """
    return _page(JobEvent.objects.filter(job_id=job_id, seq__gt=after).order_by("seq"), limit).lines


def read_heads(job_ids: Iterable[UUID]) -> dict[UUID, Head]:
    """Where these jobs stand; one that is gone is left out."""
    rows = Job.objects.filter(id__in=list(job_ids)).values_list("id", "last_seq", "status")
    return {job_id: Head(last_seq, status in TERMINAL) for job_id, last_seq, status in rows}


def read_news(
    known: Mapping[UUID, Head], keep: int
) -> tuple[dict[UUID, Head], list[Line], set[UUID]]:
    """Heads that changed, of each changed job its new events (the last `keep`), and jobs now gone."""
    heads = read_heads(known)
    changed = {job_id: head for job_id, head in heads.items() if head != known[job_id]}
    lines: list[Line] = []
    for job_id, head in changed.items():
        lines += read_job(job_id, max(known[job_id].last_seq, head.last_seq - keep), keep)
    # A page can end before the head, or go beyond it: the lines say where a job stands, and it
    # has not ended for its readers before they have its last line.
    for line in lines:
        at_end = heads[line.job_id].terminal and line.seq >= heads[line.job_id].last_seq
        changed[line.job_id] = Head(line.seq, at_end)
    return changed, lines, set(known) - set(heads)


def _page(events: QuerySet[JobEvent], limit: int) -> Page:
    """Up to `limit` lines, and not much more than `PAGE_CHARS` of text."""
    rows = events.only("id", "job_id", "seq", "type", "data", "at", "attempt")
    few = min(FEW, limit)
    page = _cut(rows[:few], few)
    if few == limit or len(page.lines) < few:
        return page
    # All of them anew: a page is one statement's snapshot.
    return _cut(rows[:limit].iterator(chunk_size=FEW), limit)


def _cut(rows: Iterable[JobEvent], limit: int) -> Page:
    lines: list[Line] = []
    chars = 0
    for event in rows:
        lines.append(Line.of(event))
        chars += len(lines[-1].text)
        if chars > PAGE_CHARS:
            return Page(lines, True)
    return Page(lines, len(lines) == limit)
