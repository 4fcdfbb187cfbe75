"""A page of memory that the processes of one cluster share, without a lock that could die with one.

The cluster's main process writes what it was told about draining, workers read it for nothing
before each claim. The list of drained workers is kept twice: the writer fills the half that nobody
reads and then turns one byte, so that no reader ever sees half a list.
"""

import mmap
import struct
import time
from collections.abc import Iterable

# Made before the cluster forks: every process below sees the same page.
_page = mmap.mmap(-1, mmap.PAGESIZE)

_CLAIMED_AT, _STOPPING, _WHOLE, _HALF = 0, 8, 9, 10
_HALVES = (64, 2080)
# As many as fit into half the page; a cluster has a handful.
MOST_WORKERS = 500


def claimed(found: bool) -> None:
    """A worker has just tried to claim: so tickets reach workers."""
    struct.pack_into("d", _page, _CLAIMED_AT, time.monotonic())


def last_claim_at() -> float:
    """`time.monotonic()` of the newest try of this cluster; 0: none yet."""
    return float(struct.unpack_from("d", _page, _CLAIMED_AT)[0])


def stop() -> None:
    """The cluster is to end: workers that rest because they are drained must come back."""
    _page[_STOPPING] = 1


def is_stopping() -> bool:
    return bool(_page[_STOPPING])


def drain(*, whole: bool, pids: Iterable[int]) -> None:
    """Which of this cluster's workers take no more jobs: all of them, or these processes."""
    drained = sorted(pids)[:MOST_WORKERS]
    half = 1 - _page[_HALF]
    struct.pack_into(f"I{len(drained)}I", _page, _HALVES[half], len(drained), *drained)
    _page[_HALF] = half
    _page[_WHOLE] = int(whole)


def drained_pids() -> frozenset[int]:
    start = _HALVES[_page[_HALF]]
    (count,) = struct.unpack_from("I", _page, start)
    return frozenset(struct.unpack_from(f"{count}I", _page, start + 4))


def all_drained() -> bool:
    """Whether the whole cluster takes no more jobs."""
    return bool(_page[_WHOLE])


def is_drained(pid: int) -> bool:
    """Whether the worker with this process id takes no more jobs."""
    return all_drained() or pid in drained_pids()
