"""Taking turns at SQLite's one write lock."""

import fcntl
import logging
import os
import threading
import time
from pathlib import Path
from typing import Any

import psutil
from django.db import OperationalError

log = logging.getLogger(__name__)

# As long as SQLite itself would wait for its lock: see DATABASES in the settings.
LIMIT_S = 30.0
# A transaction takes about a millisecond. So long asking is sooner than a thread is woken and wakes its
# process, and takes less of the processor than to start one.
ASK_FOR_S = 0.005
ASK_EVERY_S = 0.00003
# Threads of one process that may go on waiting after whoever sent them gave up.
LEFT_WAITING = 32


class TurnNotGiven(OperationalError):
    """Another process keeps its turn to write to the database."""


class _File:
    """An opening of the lock file: openings exclude each other, whoever made them."""

    def __init__(self, path: str) -> None:
        self.number = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)

    def take(self) -> bool:
        """Whether it is free, and taken now."""
        try:
            fcntl.flock(self.number, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True

    def take_soon(self) -> bool:
        """Whether it was given back within `ASK_FOR_S`, and is taken now."""
        deadline = time.monotonic() + ASK_FOR_S
        while time.monotonic() < deadline:
            time.sleep(ASK_EVERY_S)
            if self.take():
                return True
        return False

    def wait(self) -> None:
        fcntl.flock(self.number, fcntl.LOCK_EX)

    def free(self) -> None:
        fcntl.flock(self.number, fcntl.LOCK_UN)

    def __del__(self) -> None:
        os.close(self.number)


class _Hold(threading.local):
    """What this thread holds; its file is closed when it ends."""

    file: _File | None = None
    path = ""
    # A fork must not share its parent's turn.
    pid = 0


_hold = _Hold()


class _Waiter:
    """A thread that waits in the kernel's queue, which knows no time limit, for one that has a limit."""

    left = 0
    _counting = threading.Lock()

    def __init__(self, path: str) -> None:
        self._file = _File(path)
        self._taken = threading.Event()
        self._choice = threading.Lock()
        self._given_up = False
        threading.Thread(target=self._wait, name="turn", daemon=True).start()

    def get(self, limit_s: float) -> _File | None:
        """The file, taken; None: it was not within the limit, and is given back when it comes."""
        self._taken.wait(limit_s)
        with self._choice:
            if self._taken.is_set():
                return self._file
            self._given_up = True
        with self._counting:
            _Waiter.left += 1
        return None

    def _wait(self) -> None:
        self._file.wait()
        with self._choice:
            if not self._given_up:
                self._taken.set()
                return
        self._file.free()
        with self._counting:
            _Waiter.left -= 1


def path_of(database: Any) -> str | None:
    """The lock file beside a database's own; None: it is no file of SQLite's."""
    name = str(database.settings_dict["NAME"])
    if database.vendor != "sqlite" or database.is_in_memory_db() or name.startswith("file:"):
        return None
    return path_beside(name)


def path_beside(file: str) -> str:
    return f"{file}-turn"


def begin(path: str, *, limit_s: float | None = None) -> None:
    """Wait for the other writers' transactions in the kernel, which hands on in order.

    SQLite itself waits by sleeping up to 100 ms at a time. The lock goes with its process, however
    that dies. `end` must follow in the same thread, before another `begin`.

    :raises TurnNotGiven: it did not come within `limit_s` (default: `LIMIT_S`).
    """
    if _hold.pid != os.getpid() or _hold.path != path:
        _hold.file = _File(path)
        _hold.path, _hold.pid = path, os.getpid()
    file = _hold.file
    if file is not None and not (file.take() or file.take_soon()):
        wait_s = LIMIT_S if limit_s is None else limit_s
        taken = _Waiter(path).get(wait_s) if _Waiter.left < LEFT_WAITING else None
        if taken is None:
            raise TurnNotGiven(
                f"database is locked: for {wait_s:g} s nothing could be written. {holder(path)}"
            )
        _hold.file = taken


def end() -> None:
    if _hold.pid == os.getpid() and _hold.file is not None:
        _hold.file.free()


def holder(path: str) -> str:
    """Which process has the turn, and what to do when it does not go on, as a sentence."""
    try:
        inode = Path(path).stat().st_ino
        for line in Path("/proc/locks").read_text().splitlines():
            fields = line.split()
            if "->" in fields or "FLOCK" not in fields:
                continue
            pid, place = int(fields[4]), fields[5]
            if place.rpartition(":")[2] == str(inode):
                process = psutil.Process(pid)
                name, state = process.name(), process.status()
                if state == psutil.STATUS_STOPPED:
                    return f"Process {pid} ({name}) writes and was stopped: kill -CONT {pid}, or end it."
                return f"Process {pid} ({name}, {state}) writes."
    except (OSError, ValueError, IndexError, psutil.Error):
        log.debug("Who has the turn is not known.", exc_info=True)
    return "Which process writes is not known."
