"""One reader of the event table in each web process, for all who watch.

The hub keeps what was read last (a bounded window a job, one for the whole table) and, of each
subscriber, only a cursor: a slow one falls out of the window and reads on from the table.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from itertools import islice
from typing import TypeVar
from uuid import UUID
from weakref import WeakKeyDictionary

from django.db import DatabaseError, connection

from jobs import feed, metrics
from jobs.feed import Head, Line, Position
from jobs.queue import wake

log = logging.getLogger(__name__)

# Without a hint the table is read this often.
POLL_S = 0.5
# Between two reads: commits that come within it are read together.
BREATH_S = 0.005
# How often it is looked for who heard nothing for too long.
TICK_S = 0.25
WINDOW_LINES = 1_000
WINDOW_CHARS = 1_000_000

T = TypeVar("T")


class Window:
    """The newest lines, numbered from `start`; older ones make room."""

    def __init__(self, start: int) -> None:
        self.start = start
        self.lines: deque[Line] = deque()
        self._chars = 0

    @property
    def end(self) -> int:
        return self.start + len(self.lines)

    def push(self, line: Line) -> None:
        self.lines.append(line)
        self._chars += len(line.text)
        while len(self.lines) > WINDOW_LINES or (
            self._chars > WINDOW_CHARS and len(self.lines) > 1
        ):
            self._chars -= len(self.lines.popleft().text)
            self.start += 1

    def page(self, index: int) -> list[Line]:
        """Up to a page of lines from number `index` on, which must not be before `start`."""
        first = index - self.start
        return list(islice(self.lines, first, first + feed.PAGE))


class Bell:
    """Says to one reader that there is news.

    An `asyncio.Event` under `wait_for` makes a task for each wait: with 500 readers that was a fifth
    of what an event cost, and a timer for each wait another fifth. So the hub looks at all clocks.
    """

    def __init__(self) -> None:
        self._rung = False
        self._waiting: asyncio.Future[bool] | None = None
        self._until = 0.0

    def ring(self) -> None:
        self._rung = True
        if self._waiting is not None and not self._waiting.done():
            self._waiting.set_result(True)

    def clear(self) -> None:
        self._rung = False

    async def heard(self, timeout_s: float) -> bool:
        """Wait until it rings; False after `timeout_s` of silence, and up to `TICK_S` more."""
        if self._rung:
            return True
        loop = asyncio.get_running_loop()
        self._until = loop.time() + timeout_s
        self._waiting = loop.create_future()
        try:
            return await self._waiting
        finally:
            self._waiting = None

    def look_at_clock(self, now: float) -> None:
        """End a wait whose time is over at `now`, by the event loop's clock."""
        if self._waiting is not None and now >= self._until and not self._waiting.done():
            self._waiting.set_result(False)


class WatchedJob:
    """A job that somebody watches: where it stands and its newest lines (number = seq)."""

    def __init__(self, head: Head) -> None:
        self.head = head
        self.gone = False
        self.window = Window(head.last_seq + 1)
        self.watchers: set[Bell] = set()


class Table:
    """The whole event table as read so far, for those who watch all jobs."""

    def __init__(self, position: Position) -> None:
        self.position = position
        self.window = Window(0)
        self.watchers: set[Bell] = set()


class Hub:
    def __init__(self) -> None:
        self.jobs: dict[UUID, WatchedJob] = {}
        self.table: Table | None = None
        self._threads = ThreadPoolExecutor(2, thread_name_prefix="tail")
        self._running: asyncio.Task[None] | None = None
        self._ticking = False

    async def read(self, function: Callable[..., T], *args: object) -> T:
        """Run a database read on a thread that keeps its connection."""

        def run() -> T:
            try:
                return function(*args)
            except DatabaseError:
                connection.close()
                raise

        return await asyncio.get_running_loop().run_in_executor(self._threads, run)

    @asynccontextmanager
    async def watch_jobs(self, job_ids: Iterable[UUID]) -> AsyncIterator[Bell]:
        """While entered, these jobs are read; the bell rings when one of them has news."""
        wanted = list(job_ids)
        news = Bell()
        heads = await self.read(feed.read_heads, wanted)
        for job_id in wanted:
            job = self.jobs.setdefault(job_id, WatchedJob(heads.get(job_id, Head(0, True))))
            job.watchers.add(news)
        self._start()
        try:
            yield news
        finally:
            for job_id in wanted:
                self.jobs[job_id].watchers.discard(news)
                if not self.jobs[job_id].watchers:
                    del self.jobs[job_id]

    @asynccontextmanager
    async def watch_table(self) -> AsyncIterator[tuple[Table, Bell]]:
        """While entered, the whole table is read."""
        news = Bell()
        if self.table is None:
            now = await self.read(feed.read_now)
            self.table = self.table or Table(now)
        table = self.table
        table.watchers.add(news)
        self._start()
        try:
            yield table, news
        finally:
            table.watchers.discard(news)
            if not table.watchers and self.table is table:
                self.table = None

    def _start(self) -> None:
        if self._running is None or self._running.done():
            self._running = asyncio.create_task(self._run(), name="tail")
        if not self._ticking:
            self._tick()

    def _tick(self) -> None:
        """Look at every reader's clock, as long as there is one."""
        bells = [bell for job in self.jobs.values() for bell in job.watchers]
        bells += self.table.watchers if self.table is not None else ()
        loop = asyncio.get_running_loop()
        now = loop.time()
        for bell in bells:
            bell.look_at_clock(now)
        self._ticking = bool(bells)
        if bells:
            loop.call_later(TICK_S, self._tick)

    async def _run(self) -> None:
        listener = wake.listen_async(wake.EVENTS)
        try:
            while self.jobs or self.table:
                try:
                    await self._read_jobs()
                    more = await self._read_table()
                    await asyncio.sleep(BREATH_S)
                    if not more:
                        await listener.wait(POLL_S)
                except Exception:
                    # Whatever it is, everybody who watches depends on this loop going on.
                    log.exception("The event table could not be read; trying again.")
                    await asyncio.sleep(POLL_S)
        finally:
            # Before the await: who subscribes meanwhile must start a new reader.
            self._running = None
            await listener.close()

    async def _read_jobs(self) -> None:
        """One pass over the watched jobs."""
        known = {job_id: job.head for job_id, job in self.jobs.items()}
        if not known:
            return
        heads, lines, gone = await self.read(feed.read_news, known, WINDOW_LINES)
        if lines:
            metrics.observe_lag(max(line.at for line in lines))
        for line in lines:
            job = self.jobs.get(line.job_id)
            # Dropped and watched anew while this was read: its window starts at another place.
            if job is not None and job.head == known[line.job_id]:
                if line.seq > job.window.end:
                    job.window = Window(line.seq)
                if line.seq == job.window.end:
                    job.window.push(line)
        for job_id in heads.keys() | gone:
            job = self.jobs.get(job_id)
            if job is None or job.head != known[job_id]:
                continue
            job.head = heads.get(job_id, job.head)
            job.gone = job_id in gone
            for news in job.watchers:
                news.ring()

    async def _read_table(self) -> bool:
        """One page of the whole table; whether there may be more to read at once."""
        table = self.table
        if table is None:
            return False
        (lines, full), snapshot = await self.read(_table_news, table.position.copy())
        position = table.position
        if snapshot is not None:
            position.bound_gaps(snapshot[1])
        for line in lines:
            position.add(line.id)
            table.window.push(line)
        if snapshot is None:
            position.gaps = []
        elif not full:
            position.drop_dead_gaps(snapshot[0])
        if lines:
            metrics.observe_lag(lines[-1].at)
            for news in table.watchers:
                news.ring()
        return full


def _table_news(position: Position) -> tuple[feed.Page, tuple[int, int] | None]:
    # In this order: what the snapshot calls finished is visible to the read after it.
    snapshot = feed.read_snapshot()
    return feed.read_after(position), snapshot


_hubs: WeakKeyDictionary[asyncio.AbstractEventLoop, Hub] = WeakKeyDictionary()


def hub() -> Hub:
    """This event loop's hub."""
    return _hubs.setdefault(asyncio.get_running_loop(), Hub())
