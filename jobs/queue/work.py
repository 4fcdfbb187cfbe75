"""A worker process: for each ticket claim the best job, run it, write how it ended."""

import dataclasses
import logging
import multiprocessing.util
import os
import time
from collections.abc import Callable
from typing import Any, TypeVar

from django.conf import settings
from django.db import DatabaseError, connections

from jobs import artifacts, events, logs, registry, telemetry
from jobs.events import Superseded
from jobs.models import Job
from jobs.queue import folders, processes, vitals
from jobs.queue.beat import Beat, WorkerRow
from jobs.queue.body import Interrupted, opened_options, run_body
from jobs.queue.capture import Capture
from jobs.queue.claim import claim, take
from jobs.queue.isolation import run_isolated
from jobs.queue.ledger import ledger
from jobs.queue.outcome import Ended, Outcome, end
from jobs.queue.watch import Watch
from jobs.reasons import Reason
from jobs.registry import Kind, UnknownKind
from jobs.running import RunningJob

log = logging.getLogger(__name__)
T = TypeVar("T")

# One ticket serves jobs for this long; then the queue library gets its turn (recycling, stopping).
TICKET_S = 0.5
# While the database is away: as long as the lease would survive anyway.
PERSIST_EVERY_S = 0.5
# A drained worker looks this often whether it is to go on.
REST_S = 0.1

# How attempts end whose body may have been cut off anywhere.
KILLED = frozenset({Ended.CRASHED, Ended.TIMED_OUT, Ended.CANCELLED})

_worker: "Worker | None" = None


def start_worker(*, queue: str) -> None:
    """Turn this fresh process into a worker of `queue`."""
    global _worker
    processes.adopt_orphans()
    # The queue library would else close the connection before every ticket.
    for settings_of in connections.settings.values():
        settings_of["CONN_MAX_AGE"] = None
    _worker = Worker(name=processes.process_name(os.getpid()), queue=queue)
    _worker.start()


def run_ticket() -> None:
    """What the queue library calls: claim and run jobs, as long as there are and the ticket lasts."""
    if _worker is None:
        raise RuntimeError("This process was not started as a worker.")
    _worker.serve(for_s=TICKET_S)


class Worker:
    """Claims and runs the jobs of one queue, one at a time, in the main thread of its process."""

    def __init__(self, *, name: str, queue: str) -> None:
        self.name = name
        self.queue = queue
        self._row = WorkerRow(name=name, queue=queue, host=processes.host_name())
        self._beat = Beat(row=self._row)

    def start(self) -> None:
        """Appear in the table of workers and stay there until the process ends."""
        self._beat.start()
        multiprocessing.util.Finalize(None, self._leave, exitpriority=100)

    def _leave(self) -> None:
        self._beat.pause()
        try:
            self._row.remove()
        except DatabaseError:
            log.warning(
                "The worker's row was not removed; it is when it has been silent for a while."
            )
        connections.close_all()
        telemetry.flush()

    def serve(self, *, for_s: float) -> int:
        """Run jobs until none is left or the time is over; how many ran."""
        deadline = time.monotonic() + for_s
        ran = 0

        def go_on() -> bool:
            return time.monotonic() < deadline and not vitals.is_drained(os.getpid())

        try:
            job = self._next()
            while job is not None:
                ran += 1
                job = self._run(job, go_on=go_on)
        finally:
            self._beat.busy = False
        # Held here, so that tickets go to others and the queue library does not recycle the process.
        while vitals.is_drained(os.getpid()) and not vitals.is_stopping():
            time.sleep(REST_S)
        return ran

    def _next(self) -> Job | None:
        # In this order: the beat says "drained" only of a worker that is not busy.
        self._beat.busy = True
        if vitals.is_drained(os.getpid()):
            return None
        try:
            job = claim(queue=self.queue, worker=self.name)
        except DatabaseError:
            log.exception("No job could be claimed")
            connections.close_all()
            time.sleep(PERSIST_EVERY_S)
            return None
        vitals.claimed(job is not None)
        return job

    def _run(self, job: Job, *, go_on: Callable[[], bool]) -> Job | None:
        """Run one attempt to its end; the next job, claimed in the same transaction that ends this one."""
        with (
            logs.working_on(job_id=job.id, attempt=job.attempt),
            telemetry.attempt(job) as span,
        ):
            return self._run_attempt(job, span, go_on=go_on)

    def _run_attempt(
        self, job: Job, span: telemetry.Span, *, go_on: Callable[[], bool]
    ) -> Job | None:
        outcome, kind, capture = self.perform(job)
        if outcome is not None:
            span.note(tapedeck_job_outcome=outcome.ended.value)
            if outcome.ended not in {Ended.SUCCEEDED, Ended.CANCELLED}:
                span.fail(str(outcome.reason))
        following = None
        if outcome is None:
            log.warning("Job %s attempt %s was superseded.", job.id, job.attempt)
        else:
            self._flush(capture)
            following = self._write_end(job, kind, outcome, go_on=go_on())
        if outcome is not None and outcome.ended in KILLED:
            artifacts.discard_strays(job_id=job.id, attempt=job.attempt)
        if capture.folder or (kind is not None and kind.isolated):
            folders.remove(job_id=job.id, attempt=job.attempt)
        if following is None and outcome is not None and go_on():
            return self._next()
        return following

    def _flush(self, capture: Capture) -> None:
        try:
            capture.flush()
        except (Superseded, DatabaseError):
            # What follows is fenced too, and says so.
            log.warning("The last lines of a log were not written.", exc_info=True)
            connections.close_all()

    def _write_end(
        self, job: Job, kind: Kind | None, outcome: Outcome, *, go_on: bool
    ) -> Job | None:
        def write(claim_next: bool) -> tuple[Job | None, Job | None]:
            # One commit for two steps; the commit is what costs.
            with ledger() as opened:
                ended = end(
                    job_id=job.id, attempt=job.attempt, outcome=outcome, kind=kind, into=opened
                )
                following = None
                if claim_next:
                    following = take(queue=self.queue, worker=self.name, into=opened)
                return ended, following

        try:
            ended, following = write(go_on)
        except DatabaseError:
            log.exception("Job %s: its end could not be written; trying again", job.id)
            ended, following = self._persist(lambda: write(False)[0]), None
        if following is not None:
            vitals.claimed(True)
        if ended is None:
            log.warning(
                "Job %s attempt %s was superseded; its outcome was dropped.", job.id, job.attempt
            )
        return following

    def _persist(self, write: Callable[[], T]) -> T | None:
        """Try until it works or the lease is over; after that the reaper decides."""
        deadline = time.monotonic() + settings.LEASE_S
        while True:
            connections.close_all()
            try:
                return write()
            except DatabaseError:
                if time.monotonic() >= deadline:
                    log.exception("Giving up; the job's lease has run out.")
                    return None
                time.sleep(PERSIST_EVERY_S)

    def perform(self, job: Job) -> tuple[Outcome | None, Kind | None, Capture]:
        """Run the body of a claimed job; how it ended (None: superseded), nothing written yet."""
        capture = Capture(job_id=job.id, attempt=job.attempt)
        try:
            kind = registry.get(job.kind)
        except UnknownKind as error:
            refused = Outcome(ended=Ended.FAILED, reason=Reason.UNKNOWN_KIND, error=str(error))
            return refused, None, capture
        options = opened_options(job)
        if isinstance(options, Outcome):
            return options, kind, capture
        if job.attempt > 1:
            artifacts.discard_superseded(job_id=job.id, before=job.attempt)
        outcome = (self._isolated if kind.isolated else self._inside)(job, kind, options, capture)
        if outcome is not None:
            kept = capture.artifacts or (outcome.artifacts and outcome.ended != Ended.SUCCEEDED)
            outcome = dataclasses.replace(outcome, metrics=capture.metrics, artifacts=kept)
        return outcome, kind, capture

    def _inside(self, job: Job, kind: Kind, options: Any, capture: Capture) -> Outcome | None:
        running = RunningJob(job=job, options=options, report=capture.report)
        try:
            self._beat.begin(Watch(job=job, kind=kind, capture=capture))
            try:
                outcome = run_body(kind=kind, running=running)
            finally:
                verdict = self._beat.end()
        except Interrupted as interrupted:
            connections.close_all()  # it may have been cut off inside a transaction
            return interrupted.outcome
        if verdict is not None and verdict.outcome is None:
            return None
        return self._json_only(outcome)

    def _json_only(self, outcome: Outcome | None) -> Outcome | None:
        if outcome is None or outcome.result is None:
            return outcome
        try:
            events.to_json(outcome.result)
        except (TypeError, ValueError) as error:
            text = f"The kind returned what is not JSON: {error}"
            return Outcome(ended=Ended.ERRORED, reason=Reason.ERROR, error=text)
        return outcome

    def _isolated(self, job: Job, kind: Kind, options: Any, capture: Capture) -> Outcome | None:
        kind.load()
        self._beat.pause()
        try:
            outcome = run_isolated(
                job=job, kind=kind, options=options, capture=capture, row=self._row
            )
        finally:
            self._beat.resume()
        if outcome is not None and outcome.ended in KILLED:
            salvage(kind=kind, job=job)
        return outcome


def salvage(*, kind: Kind, job: Job) -> None:
    """Let the kind keep what a dead attempt left behind; its own failure must not hide the death."""
    if kind.salvage is None:
        return
    try:
        kind.salvage(job, job.attempt)
    except Exception as error:
        # A kind's code on a wreck: whatever it raises, the job's end still has to be written.
        log.exception("Job %s: salvaging attempt %s failed", job.id, job.attempt)
        line = f"Salvaging what the attempt left failed: {type(error).__name__}: {error}"
        data = {"stream": "engine", "lines": [line]}
        try:
            events.emit(job_id=job.id, type=events.LOG, data=data, attempt=job.attempt, fence=True)
        except (Superseded, DatabaseError):
            log.warning("Job %s: even that could not be written down", job.id, exc_info=True)
