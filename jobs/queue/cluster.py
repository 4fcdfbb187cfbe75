"""One cluster of django-q2: its main process, which also reaps and watches."""

import logging
import os
import signal
import threading
import time
from types import FrameType
from typing import Any

from django.db import DatabaseError, connection, connections
from django_q.cluster import Cluster
from django_q.conf import Conf
from django_q.signals import post_spawn

from jobs import artifacts, drains, scheduler, tallies
from jobs.models import Drain
from jobs.queue import folders, limits, processes, reaper, turn, vitals
from jobs.queue.watchdog import Watchdog
from jobs.queue.work import start_worker
from jobs.sqlite.checkpoints import Checkpoints

log = logging.getLogger(__name__)

LOOK_EVERY_S = 1.0
ROWS_EVERY_S = 2.0
COUNT_EVERY_S = 10.0


def run_cluster(*, queue: str, workers: int, ready_fd: int | None = None) -> int:
    """Run `workers` worker processes for `queue` until SIGTERM (drains) or a death; the exit code.

    SIGTERM belongs to this process alone: sent to the whole group it leaves django-q2 hanging.
    """
    if os.getpgrp() != os.getpid():
        # Its own group, so that the watchdog can end all of it.
        os.setpgid(0, 0)
    processes.tie_forks_to_parents()
    processes.adopt_orphans()
    logging.getLogger("django-q").setLevel(logging.WARNING)
    folders.sweep()
    artifacts.discard_hidden()
    reaper.remove_dead_workers()
    # Before the first worker starts: a drained queue must not take a job in its first second.
    _publish_drains(queue)
    # No connection may be shared with the processes that are forked next.
    connections.close_all()
    Conf.CLUSTER_NAME = queue
    Conf.WORKERS = workers
    post_spawn.connect(_on_spawn, dispatch_uid="tapedeck")
    cluster = Cluster()
    cluster.start()

    def stop(signum: int, frame: FrameType | None) -> None:
        vitals.stop()
        cluster.sig_handler(signum, frame)

    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)
    threading.Thread(target=_look_after, args=(queue,), name="reaper", daemon=True).start()
    if ready_fd is not None:
        os.write(ready_fd, b"ready\n")
        os.close(ready_fd)
    # Not join(): the queue library's own signal handling joins, and may do so at any moment.
    sentinel: Any = cluster.sentinel
    checkpoints = _checkpoints()
    while sentinel.is_alive():
        if checkpoints is not None:
            checkpoints.look()
        time.sleep(0.1)
    return 0 if cluster.has_stopped else 1


def _checkpoints() -> Checkpoints | None:
    """Of the database, where it is SQLite's."""
    name = str(connection.settings_dict["NAME"])
    return Checkpoints(name) if turn.path_of(connection) is not None else None


def _on_spawn(**kwargs: Any) -> None:
    start_worker(queue=str(Conf.CLUSTER_NAME))


def _look_after(queue: str) -> None:
    watchdog = Watchdog(queue=queue)
    rows_at = 0.0
    count_at = 0.0
    while True:
        try:
            reaper.reap()
            _publish_drains(queue)
            scheduler.tick()
            reaper.end_overdue()
            if time.monotonic() >= rows_at:
                reaper.remove_dead_workers()
                limits.forget_starts()
                drains.forget_gone()
                rows_at = time.monotonic() + ROWS_EVERY_S
            if time.monotonic() >= count_at:
                # Also where nobody scrapes: what is deleted before it was counted is lost to it.
                tallies.count()
                count_at = time.monotonic() + COUNT_EVERY_S
            if watchdog.hangs():
                log.critical(
                    "Queue %s stands still beside a free worker: restarting its cluster.", queue
                )
                os.killpg(os.getpgrp(), signal.SIGKILL)
        except DatabaseError:
            log.exception("The reaper could not reach the database; trying again")
            connections.close_all()
        time.sleep(LOOK_EVERY_S)


def _publish_drains(queue: str) -> None:
    """Tell this cluster's workers which of them take no more jobs."""
    host = processes.host_name()
    wanted = list(Drain.objects.filter(queue=queue, host__in=["", host]))
    names = [row.worker for row in wanted if row.worker]
    pids = [int(name.rsplit(":", 2)[1]) for name in names if not processes.is_gone(name)]
    vitals.drain(whole=any(not row.worker for row in wanted), pids=pids)
