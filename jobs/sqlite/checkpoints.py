"""Writing SQLite's log back into the database file beside the writers, who else do it in their commits.

A commit that finds the log long writes it back before it returns: that was a fifth of a job's time,
while all other writers wait. So the log may grow long, and a process that has nothing to wait for
keeps it short. That also bounds what a power cut costs: what was written back is on the disk.
"""

import contextlib
import logging
import sqlite3
import time

from jobs.queue import turn

log = logging.getLogger(__name__)

EVERY_S = 0.5
# After it failed: a full or broken disk is no better a moment later.
AGAIN_S = 30.0
# With as many pages or more the log is made to start over; until then it only grows. Far fewer than
# those with which commits write it back: see DATABASES in the settings.
RESTART_PAGES = 2_000
# Writers hold each other up for less; without the turn the log is longer for a while, no more.
TURN_WITHIN_S = 0.2


class Checkpoints:
    """`look` is to be called a few times a second, in the thread that made this.

    In a process that forks no more: a fork must not carry an open connection along.
    """

    def __init__(self, path: str) -> None:
        self._turn_path = turn.path_beside(path)
        self._connection = sqlite3.connect(path, isolation_level=None, timeout=0)
        self._version: int | None = None
        self._next_at = 0.0

    def look(self) -> None:
        """Write the log back, if anybody wrote and it is time to."""
        if time.monotonic() < self._next_at:
            return
        try:
            # 2.5 µs where nobody did.
            version = int(self._connection.execute("PRAGMA data_version").fetchone()[0])
            if version == self._version:
                return
            if self._write_back() >= RESTART_PAGES:
                self._start_over()
            self._version = version
        except sqlite3.Error as error:
            log.warning(
                "SQLite's log could not be written back: %s. Commits do it when it is long.", error
            )
            self._next_at = time.monotonic() + AGAIN_S
            return
        self._next_at = time.monotonic() + EVERY_S

    def close(self) -> None:
        self._connection.close()

    def _write_back(self) -> int:
        """Without waiting for anybody; how many pages the log has."""
        _, pages, _ = self._connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()
        return int(pages)

    def _start_over(self) -> None:
        """Write back what came meanwhile, and the last of it while nobody writes: then the next
        writer begins the log anew, unless somebody still reads in it."""
        self._write_back()
        with contextlib.suppress(turn.TurnNotGiven):
            turn.begin(self._turn_path, limit_s=TURN_WITHIN_S)
            try:
                self._write_back()
            finally:
                turn.end()
