"""A few bytes that the processes of one cluster share, without a lock that could die with one."""

import mmap
import struct
import time

# Made before the cluster forks: every process below sees the same page.
_page = mmap.mmap(-1, mmap.PAGESIZE)


def claimed(found: bool) -> None:
    """A worker has just tried to claim: so tickets reach workers."""
    struct.pack_into("d", _page, 0, time.monotonic())


def last_claim_at() -> float:
    """`time.monotonic()` of the newest try of this cluster; 0: none yet."""
    return float(struct.unpack_from("d", _page, 0)[0])
