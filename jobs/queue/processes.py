"""Processes on Linux: who dies with whom, who is still alive, and ending all of a tree."""

import contextlib
import ctypes
import hashlib
import os
import signal
import socket
import time
from functools import cache
from pathlib import Path
from uuid import UUID

import psutil

_PR_SET_PDEATHSIG = 1
_PR_SET_NAME = 15
_PR_SET_CHILD_SUBREAPER = 36
_libc = ctypes.CDLL(None, use_errno=True)

# Carried by every program that a body starts, so that leftovers of a dead attempt can be found.
MARKER = "TAPEDECK_ATTEMPT"


def _prctl(option: int, value: int | bytes) -> None:
    if _libc.prctl(option, value, 0, 0, 0) != 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))


def die_with_parent(*, parent_pid: int, signum: int = signal.SIGKILL) -> None:
    """Have the kernel send `signum` to this process when its parent dies.

    A parent that died before this call is noticed too: then this process ends at once.
    """
    _prctl(_PR_SET_PDEATHSIG, signum)
    if os.getppid() != parent_pid:
        os._exit(1)


_forking_pid = 0


def _before_fork() -> None:
    global _forking_pid
    _forking_pid = os.getpid()


def _in_child() -> None:
    die_with_parent(parent_pid=_forking_pid)


@cache
def tie_forks_to_parents() -> None:
    """From here on, every forked child dies with the process that forked it.

    django-q2 knows no such thing: its workers would go on executing after `kill -9` of the
    sentinel. (A program that is started, not forked, has to ask for itself: the kernel forgets
    the wish at fork, and `subprocess` runs no hooks.)
    """
    os.register_at_fork(before=_before_fork, after_in_child=_in_child)


def adopt_orphans() -> None:
    """Become the parent of every descendant whose parent dies, so that none escapes."""
    _prctl(_PR_SET_CHILD_SUBREAPER, 1)


def mark_process(*, job_id: UUID, attempt: int) -> None:
    """Name this forked process after its attempt: its environment, as /proc shows it, is its parent's."""
    _prctl(_PR_SET_NAME, _comm(job_id, attempt).encode())


def _comm(job_id: UUID, attempt: int) -> str:
    # The kernel keeps 15 characters.
    return "td" + hashlib.sha256(marker(job_id=job_id, attempt=attempt).encode()).hexdigest()[:13]


def marker(*, job_id: UUID, attempt: int) -> str:
    return f"{job_id}/{attempt}"


@cache
def host_name() -> str:
    """This host, or rather this process namespace: process ids mean something within it only."""
    boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    space = Path("/proc/self/ns/pid").readlink()
    where = hashlib.sha256(f"{boot} {space}".encode()).hexdigest()[:8]
    return f"{socket.gethostname()[:60]}/{where}"


def process_name(pid: int) -> str:
    """A name that no other process ever has: host, process id and the clock tick of its start."""
    return f"{host_name()}:{pid}:{_started(pid)}"


def _started(pid: int) -> int:
    # Field 22 of /proc/<pid>/stat, counted after the command's closing bracket (it may hold spaces).
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return 0 if fields[0] in "ZX" else int(fields[19])


def is_gone(name: str) -> bool:
    """Whether `name` is a process of this host that is certainly dead; of other hosts nothing is known."""
    host, pid, started = name.rsplit(":", 2) if name.count(":") >= 2 else (name, "", "")
    if host != host_name():
        return False
    try:
        return str(_started(int(pid))) != started
    except (FileNotFoundError, ProcessLookupError):
        return True


def is_local(name: str) -> bool:
    """Whether `name` is or was a process of this host."""
    return name.rsplit(":", 2)[0] == host_name()


def is_below_me(name: str) -> bool:
    """Whether `name` is a living process that descends from this one."""
    pid = int(name.rsplit(":", 2)[1])
    return not is_gone(name) and any(process.pid == pid for process in descendants(os.getpid()))


def descendants(pid: int) -> list[psutil.Process]:
    try:
        return psutil.Process(pid).children(recursive=True)
    except psutil.NoSuchProcess:
        return []


def kill_descendants(*, within_s: float = 10) -> bool:
    """SIGKILL every descendant of this process until none is left; False: some survive (kernel sleep)."""
    deadline = time.monotonic() + within_s
    while True:
        reap_children()
        left = descendants(os.getpid())
        if not left:
            return True
        if time.monotonic() > deadline:
            return False
        for process in left:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()
        time.sleep(0.005)


def reap_children() -> dict[int, int]:
    """Collect every child that has ended: process id → wait status."""
    ended = {}
    with contextlib.suppress(ChildProcessError):
        while (found := os.waitpid(-1, os.WNOHANG))[0]:
            ended[found[0]] = found[1]
    return ended


def kill_attempt(*, job_id: UUID, attempt: int, within_s: float = 10) -> bool:
    """SIGKILL whatever still runs of a dead worker's attempt on this host; False: some survive."""
    deadline = time.monotonic() + within_s
    while found := _of_attempt(job_id, attempt):
        if time.monotonic() > deadline:
            return False
        for pid in found:
            for child in descendants(pid):
                with contextlib.suppress(psutil.NoSuchProcess):
                    child.kill()
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        time.sleep(0.02)
    return True


def _of_attempt(job_id: UUID, attempt: int) -> list[int]:
    comm = _comm(job_id, attempt)
    entry = f"{MARKER}={marker(job_id=job_id, attempt=attempt)}".encode()
    found = []
    for folder in Path("/proc").iterdir():
        if not folder.name.isdigit() or int(folder.name) == os.getpid():
            continue
        with contextlib.suppress(FileNotFoundError, ProcessLookupError, PermissionError):
            state = (folder / "stat").read_text().rpartition(")")[2].split()[0]
            if state in "ZX":
                continue
            named = (folder / "comm").read_text().strip() == comm
            if named or entry in (folder / "environ").read_bytes().split(b"\0"):
                found.append(int(folder.name))
    return found
