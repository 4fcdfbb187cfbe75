"""django-q2's broker over the job table. It hands out tickets ("claim the best job now"), never ids.

So nothing is prefetched and priority holds; a ticket that dies with a process loses no job; and
enqueuing is the caller's own INSERT (`jobs.services.submit`).
"""

import logging
import time
from typing import Any, NoReturn

from django.db import DatabaseError, connection, connections
from django_q.brokers import Broker
from django_q.signing import SignedPackage

from jobs.models import Job, Status
from jobs.queue import vitals, wake
from jobs.queue.claim import claimable

log = logging.getLogger(__name__)

# Without a hint the table is looked at this often; also what a delayed job may be late.
POLL_S = 0.25
# A ticket needs this long to its worker's claim; until then the job would be seen as claimable.
TICKET_TRAVEL_S = 0.01
# The pusher must not raise: django-q2 would stand still for 10 s and lose the process.
RETRY_S = 0.5


class NotATaskQueue(NotImplementedError):
    """Jobs are submitted with `jobs.services.submit` and end by themselves."""


class TableBroker(Broker):
    """Contract-tested against django-q2 1.11: tests/jobs/test_broker.py."""

    def __init__(self, list_key: str | None = None) -> None:
        super().__init__(list_key=list_key)  # type: ignore[arg-type]
        self._listener: wake.Listener | None = None
        self._ticket: str | None = None
        self._handed_out_at = 0.0

    def __setstate__(self, state: Any) -> None:
        super().__setstate__(state)  # type: ignore[no-untyped-call]
        self._listener, self._ticket, self._handed_out_at = None, None, 0.0

    def dequeue(self) -> list[tuple[str, str]] | None:
        """One ticket when there is claimable work; None after a quarter of a second without."""
        try:
            return self._dequeue()
        except (DatabaseError, OSError):
            log.exception("The job table could not be read; trying again")
            connections.close_all()
            self._listener = None
            time.sleep(RETRY_S)
            return None

    def _dequeue(self) -> list[tuple[str, str]] | None:
        if self._listener is None:
            self._listener = wake.listen(wake.QUEUE)
        travel_s = self._handed_out_at + TICKET_TRAVEL_S - time.monotonic()
        if travel_s > 0:
            time.sleep(travel_s)
        if vitals.all_drained():
            # Nobody would take the ticket; waiting for room for another would hold up the stop.
            time.sleep(POLL_S)
            return None
        if not claimable(queue=self.list_key):
            self._listener.wait(POLL_S)
            if not claimable(queue=self.list_key):
                return None
        self._handed_out_at = time.monotonic()
        # No acknowledgement id: there is nothing that could be redelivered.
        return [("", self._signed_ticket())]

    def _signed_ticket(self) -> str:
        if self._ticket is None:
            self._ticket = SignedPackage.dumps(
                {
                    "id": "ticket",
                    "name": "ticket",
                    "func": "jobs.queue.work.run_ticket",
                    "args": (),
                    "kwargs": {},
                    # The engine has timeouts of its own, per kind.
                    "timeout": -1,
                    "ack_failure": True,
                }
            )
        return self._ticket

    def queue_size(self) -> int:
        return Job.objects.filter(queue=self.list_key, status=Status.QUEUED).count()

    def lock_size(self) -> int:
        return Job.objects.filter(queue=self.list_key, status=Status.RUNNING).count()

    def ping(self) -> bool:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
        return True

    def info(self) -> str:
        return "Tapedeck's job table"

    def acknowledge(self, task_id: str) -> None:
        """A ticket is used up by being handed out."""

    def fail(self, task_id: str) -> None:
        """A ticket is used up by being handed out."""

    def delete(self, task_id: str) -> None:
        """A ticket is used up by being handed out."""

    def enqueue(self, task: Any) -> NoReturn:
        raise NotATaskQueue(NotATaskQueue.__doc__)

    def purge_queue(self) -> NoReturn:
        raise NotATaskQueue(NotATaskQueue.__doc__)

    def delete_queue(self) -> NoReturn:
        raise NotATaskQueue(NotATaskQueue.__doc__)

    def set_stat(self, key: str, value: str, timeout: int) -> None:
        """Not kept: the table of workers says more, and to every process."""

    def get_stat(self, key: str) -> None:
        return None

    def get_stats(self, pattern: str) -> list[Any]:
        return []

    @staticmethod
    def get_cache() -> None:
        return None
