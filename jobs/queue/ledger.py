"""What one transaction adds to the records of attempts and events, written in two statements."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from django.db import transaction

from jobs import events, statements
from jobs.models import Attempt, Job
from jobs.queue.clock import now_sql


@contextmanager
def ledger() -> Iterator["Ledger"]:
    """A transaction with a ledger, written before it commits."""
    with transaction.atomic():
        opened = Ledger(statements.cursor())
        yield opened
        opened.write()


@dataclass
class Ledger:
    """Collects; `write` stores. For use within one transaction, with the cursor that it runs on.

    A worker ends one job and claims the next in the same transaction: that is two statements here
    instead of four.
    """

    cursor: statements.Statements
    _attempts: list[str] = field(default_factory=list)
    _attempt_params: list[Any] = field(default_factory=list)
    _events: list[events.Entry] = field(default_factory=list)

    def attempt_started(self, job: Job) -> None:
        self._attempts.append(f"(%s, %s, %s, {now_sql()}, NULL, 'running', '', '')")
        self._attempt_params += [events.pk(job.id), job.attempt, job.worker]

    def attempt_ended(
        self, job: Job, *, number: int, outcome: str, reason: str, error: str
    ) -> None:
        now = now_sql()
        self._attempts.append(f"(%s, %s, '', {now}, {now}, %s, %s, %s)")
        self._attempt_params += [events.pk(job.id), number, outcome, reason, error]

    def facts(
        self, job: Job, facts: Sequence[tuple[str, Mapping[str, Any]]], *, attempt: int
    ) -> None:
        """The job's newest events; the last has the number `job.last_seq`, already reserved."""
        first = job.last_seq - len(facts) + 1
        self._events += [
            events.Entry(job.id, first + n, type, events.to_json(data), attempt)
            for n, (type, data) in enumerate(facts)
        ]

    def write(self) -> None:
        """Store all of it."""
        attempts = ""
        if self._attempts:
            # An attempt that ends is there already: of its row only these columns change.
            attempts = (
                f"INSERT INTO {Attempt._meta.db_table} "
                "(job_id, number, worker, started_at, ended_at, outcome, reason, error) "
                f"VALUES {', '.join(self._attempts)} ON CONFLICT (job_id, number) DO UPDATE SET "
                "ended_at = excluded.ended_at, outcome = excluded.outcome, "
                "reason = excluded.reason, error = excluded.error"
            )
        if attempts and self._events and statements.vendor() == "postgresql":
            # In one statement: each is a way to the server and back.
            attempts = f"WITH attempts AS ({attempts}) "
            events.store(self.cursor, self._events, after=attempts, params=self._attempt_params)
            return
        if attempts:
            self.cursor.execute(attempts, self._attempt_params)
        if self._events:
            events.store(self.cursor, self._events)
