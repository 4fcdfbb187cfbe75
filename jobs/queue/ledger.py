"""What one transaction adds to the records of attempts and events, written in two statements."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from jobs import events
from jobs.models import Attempt, Job
from jobs.queue.clock import now_sql


@dataclass
class Ledger:
    """Collects; `write` stores. For use within one transaction, with the cursor that it runs on.

    A worker ends one job and claims the next in the same transaction: that is two statements here
    instead of four.
    """

    cursor: Any
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
        if self._attempts:
            # An attempt that ends is there already: of its row only these columns change.
            self.cursor.execute(
                f"INSERT INTO {Attempt._meta.db_table} "
                "(job_id, number, worker, started_at, ended_at, outcome, reason, error) "
                f"VALUES {', '.join(self._attempts)} ON CONFLICT (job_id, number) DO UPDATE SET "
                "ended_at = excluded.ended_at, outcome = excluded.outcome, "
                "reason = excluded.reason, error = excluded.error",
                self._attempt_params,
            )
        if self._events:
            events.store(self.cursor, self._events)
