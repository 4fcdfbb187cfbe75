"""Noticing a cluster that stands still although there is work and a worker is free.

A process that is killed while it holds a lock of `multiprocessing` takes the lock with it, and the
others wait for ever (django-q2 #339). Nothing inside can repair that; a restart of the cluster can.
"""

import time

from jobs.models import Job, Status, Worker
from jobs.queue import processes, vitals
from jobs.queue.claim import claimable

STILL_S = 4.0


class Watchdog:
    """`hangs` is to be called about once a second."""

    def __init__(self, *, queue: str) -> None:
        self._queue = queue
        self._waiting_since: float | None = None

    def hangs(self) -> bool:
        """Whether work has waited for `STILL_S` beside a free worker, and no claim was even tried."""
        now = time.monotonic()
        if not self._free_worker() or not claimable(queue=self._queue):
            self._waiting_since = None
            return False
        if self._waiting_since is None:
            self._waiting_since = now
        still_since = max(self._waiting_since, vitals.last_claim_at())
        return now - still_since >= STILL_S

    def _free_worker(self) -> bool:
        if vitals.all_drained():
            return False
        drained = vitals.drained_pids()
        here = [
            name
            for name in Worker.objects.filter(
                queue=self._queue, host=processes.host_name()
            ).values_list("name", flat=True)
            if processes.is_below_me(name) and int(name.rsplit(":", 2)[1]) not in drained
        ]
        busy = Job.objects.filter(status=Status.RUNNING, worker__in=here).count()
        return busy < len(here)
