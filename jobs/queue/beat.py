"""The thread of a worker process that says "alive" and watches the job in the main thread."""

import logging
import os
import signal
import threading
import time
from types import FrameType
from typing import Any

from django.db import DatabaseError, connection, connections

from jobs import events
from jobs.queue import vitals
from jobs.queue.body import Interrupted
from jobs.queue.clock import now_sql
from jobs.queue.watch import LOOK_EVERY_S, Verdict, Watch

log = logging.getLogger(__name__)

ROW_EVERY_S = 5.0
# A body that ignores its interruption this long (in C code, or catching everything) takes the
# worker with it; the reaper then finds the dead worker and writes the outcome.
STUBBORN_S = 5.0
# … or this long, where somebody forced the job's end: the interruption needs a moment to arrive.
FORCED_S = 0.4
# Between two jobs the connection stays for this long: opening one costs as much as a few jobs.
KEEP_S = 2.0


class WorkerRow:
    """This process's row in the table of workers."""

    def __init__(self, *, name: str, queue: str, host: str) -> None:
        self._values: list[Any] = [name, queue, host, os.getpid()]
        self._written_at = float("-inf")
        self._said: tuple[Any, bool] = (None, False)

    def write(self, *, job: Any = None, drained: bool = False) -> None:
        """Say "alive, and at this job" (or drained), if that is news or five seconds old."""
        now = time.monotonic()
        if (job, drained) == self._said and now - self._written_at < ROW_EVERY_S:
            return
        key = None if job is None else events.pk(job)
        since = f"COALESCE(jobs_worker.drained_at, {now_sql()})" if drained else "NULL"
        with connection.cursor() as cursor:
            cursor.execute(
                "INSERT INTO jobs_worker (name, queue, host, pid, started_at, seen_at, job_id) "
                f"VALUES (%s, %s, %s, %s, {now_sql()}, {now_sql()}, %s) ON CONFLICT (name) "
                "DO UPDATE SET seen_at = excluded.seen_at, job_id = excluded.job_id, "
                f"drained_at = {since}",
                [*self._values, key],
            )
        self._said, self._written_at = (job, drained), now

    def remove(self) -> None:
        with connection.cursor() as cursor:
            cursor.execute("DELETE FROM jobs_worker WHERE name = %s", [self._values[0]])


class Beat(threading.Thread):
    """Holds one database connection of its own, and only while jobs run."""

    def __init__(self, *, row: WorkerRow) -> None:
        super().__init__(name="beat", daemon=True)
        self._row = row
        self._lock = threading.Lock()
        self._watch: Watch | None = None
        self._verdict: Verdict | None = None
        self._verdict_at = 0.0
        self._watched_at = 0.0
        self._may_interrupt = False
        self._paused = False
        # Set by the main thread from before it looks whether it is drained until its job has ended.
        self.busy = False
        signal.signal(signal.SIGUSR1, self._interrupt)

    def begin(self, watch: Watch) -> None:
        """Watch the body that the main thread is about to run, and allow its interruption."""
        with self._lock:
            self._watch, self._verdict = watch, None
        self._may_interrupt = True

    def end(self) -> Verdict | None:
        """The body has ended; the verdict on it, if there was one."""
        self._may_interrupt = False
        with self._lock:
            self._watch = None
            return self._verdict

    def pause(self) -> None:
        """Stand still, in the middle of no statement: the main thread is about to fork."""
        with self._lock:
            self._paused = True

    def resume(self) -> None:
        with self._lock:
            self._paused = False

    def run(self) -> None:
        while True:
            with self._lock:
                if self._paused:
                    connections.close_all()
                else:
                    self._tick()
            time.sleep(LOOK_EVERY_S)

    def _tick(self) -> None:
        watch = self._watch
        try:
            rests = watch is None and not self.busy and vitals.is_drained(os.getpid())
            self._row.write(job=watch.job.id if watch else None, drained=rests)
            if watch is not None and (self._verdict is None or not self._verdict.at_once):
                # Also after a first verdict: meanwhile somebody may lose patience.
                newer = watch.look()
                if newer is not None and (self._verdict is None or newer.at_once):
                    self._verdict, self._verdict_at = newer, time.monotonic()
        except DatabaseError:
            log.warning("The worker could not say that it is alive; trying again.", exc_info=True)
            connections.close_all()
        if watch is None:
            if time.monotonic() - self._watched_at >= KEEP_S:
                connections.close_all()
            return
        self._watched_at = time.monotonic()
        if self._verdict is not None:
            patience_s = FORCED_S if self._verdict.at_once else STUBBORN_S
            if time.monotonic() - self._verdict_at >= patience_s:
                log.error(
                    "Job %s ignores its interruption; this worker ends with it.", watch.job.id
                )
                os._exit(70)
            signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGUSR1)

    def _interrupt(self, signum: int, frame: FrameType | None) -> None:
        verdict = self._verdict
        if self._may_interrupt and verdict is not None:
            self._may_interrupt = False
            raise Interrupted(verdict.outcome)
