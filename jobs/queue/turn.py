"""Taking turns at SQLite's one write lock."""

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager

from django.conf import settings
from django.db import connection


@contextmanager
def turn() -> Iterator[None]:
    """Wait for the other workers' write transactions in the kernel.

    SQLite itself waits by sleeping up to 100 ms at a time. The lock goes with its process, however
    that dies. Other databases need none.
    """
    if connection.vendor != "sqlite":
        yield
        return
    with (settings.DATA_DIR / "turn.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
