"""Taking turns at SQLite's one write lock."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager

from django.conf import settings
from django.db import connection

# This process's hold on the lock file, by process id: a fork must not share its parent's turn.
_files: dict[int, int] = {}


@contextmanager
def turn() -> Iterator[None]:
    """Wait for the other workers' write transactions in the kernel.

    SQLite itself waits by sleeping up to 100 ms at a time. The lock goes with its process, however
    that dies. Other databases need none.
    """
    if connection.vendor != "sqlite":
        yield
        return
    file = _file()
    fcntl.flock(file, fcntl.LOCK_EX)
    try:
        yield
    finally:
        fcntl.flock(file, fcntl.LOCK_UN)


def _file() -> int:
    pid = os.getpid()
    if pid not in _files:
        _files.clear()
        _files[pid] = os.open(
            settings.DATA_DIR / "turn.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600
        )
    return _files[pid]
