"""Ids that sort by time."""

import os
import time
from threading import Lock
from uuid import UUID

_lock = Lock()
_last = 0


def uuid7() -> UUID:
    """A version 7 UUID (RFC 9562, 5.7): 48 bits of Unix milliseconds, then random.

    Within one process ids are strictly increasing: the 12 bits after the version count
    fractions of the millisecond (RFC 9562, 6.2, method 3).
    """
    global _last
    with _lock:
        now_ns = time.time_ns()
        ms, rest = divmod(now_ns, 1_000_000)
        stamp = (ms << 12) | (rest * 4096 // 1_000_000)
        _last = stamp = max(stamp, _last + 1)
    ms, fraction = stamp >> 12, stamp & 0xFFF
    random = int.from_bytes(os.urandom(8)) & ((1 << 62) - 1)
    return UUID(int=(ms << 80) | (7 << 76) | (fraction << 64) | (2 << 62) | random)
