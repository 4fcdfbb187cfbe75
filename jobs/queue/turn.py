"""Taking turns at SQLite's one write lock."""

import fcntl
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from django.db import connection


class _File:
    """An opening of the lock file: openings exclude each other, whoever made them."""

    def __init__(self, path: str) -> None:
        self.number = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)

    def __del__(self) -> None:
        os.close(self.number)


class _Hold(threading.local):
    """What this thread holds; its file is closed when it ends."""

    file: _File | None = None
    path = ""
    # A fork must not share its parent's turn.
    pid = 0
    depth = 0


_hold = _Hold()


@contextmanager
def turn() -> Iterator[None]:
    """Wait for the other writers' transactions in the kernel, which hands on in order.

    SQLite itself waits by sleeping up to 100 ms at a time. The lock goes with its process, however
    that dies. May be nested. Other databases need none.
    """
    path = path_of(connection)
    if path is None:
        yield
        return
    begin(path)
    try:
        yield
    finally:
        end()


def path_of(database: Any) -> str | None:
    """The lock file beside a database's own; None: it is no file of SQLite's."""
    name = str(database.settings_dict["NAME"])
    if database.vendor != "sqlite" or database.is_in_memory_db() or name.startswith("file:"):
        return None
    return f"{name}-turn"


def begin(path: str) -> None:
    """Wait for the turn; `end` must follow in the same thread, once for each."""
    if _hold.pid != os.getpid() or _hold.path != path:
        _hold.file = _File(path)
        _hold.path, _hold.pid, _hold.depth = path, os.getpid(), 0
    if _hold.depth == 0 and _hold.file is not None:
        fcntl.flock(_hold.file.number, fcntl.LOCK_EX)
    _hold.depth += 1


def end() -> None:
    if _hold.pid != os.getpid() or _hold.depth == 0:
        return
    _hold.depth -= 1
    if _hold.depth == 0 and _hold.file is not None:
        fcntl.flock(_hold.file.number, fcntl.LOCK_UN)
