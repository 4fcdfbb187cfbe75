"""Counting what callers do, in one place for all web processes: the database, or Redis.

A window starts with a caller's first request; within it at most the rate's number are let
through. Where the number is large a process takes some of it in advance, so that most requests
cost no round trip; it never lets through what it did not take.
"""

from __future__ import annotations

import logging
import random
import threading
import time
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, NamedTuple

from django.conf import settings
from django.db import connection, models

if TYPE_CHECKING:
    from redis import Redis

log = logging.getLogger(__name__)

# Taken in advance: this share of a rate, so that a refusal comes at most that much too early.
SHARE = 20
# Keys that a process remembers; the oldest windows are forgotten first.
REMEMBERED = 20_000
# One in so many round trips removes windows that ended long ago.
SWEEP_EVERY = 500


class ThrottleWindow(models.Model):
    """How often one caller did one thing since `since` (seconds of the epoch)."""

    key = models.CharField(max_length=200, unique=True)
    since = models.FloatField()
    used = models.PositiveIntegerField()

    class Meta:
        ordering = ["key"]
        indexes = [models.Index("since", name="throttle_since")]

    def __str__(self) -> str:
        return self.key


class Rate(NamedTuple):
    """At most `limit` within `period_s` seconds."""

    limit: int
    period_s: int


@dataclass
class _Taken:
    """What this process may let through without asking: `left`, until `until` (monotonic)."""

    left: int
    until: float
    # Nothing was left to take: once `left` is used up, the answer is no until the window ends.
    exhausted: bool


_lock = threading.Lock()
_taken: dict[str, _Taken] = {}


def wait_s(*, scope: str, caller: str) -> float:
    """Count one request of `caller`; 0 where it may pass, else the seconds until the next may.

    The rates are `settings.RATES`; a scope without one is not limited.
    """
    found = settings.RATES.get(scope)
    if found is None:
        return 0
    rate = Rate(*found)
    key = f"{scope}:{caller}"[:200]
    now = time.monotonic()
    with _lock:
        kept = _taken.get(key)
        if kept is not None and kept.until > now:
            if kept.left:
                kept.left -= 1
                return 0
            if kept.exhausted:
                return kept.until - now
    ask = max(1, rate.limit // SHARE)
    granted, window_left_s = _take(key=key, ask=ask, rate=rate)
    until = time.monotonic() + window_left_s
    with _lock:
        if len(_taken) >= REMEMBERED:
            _forget(time.monotonic())
        _taken[key] = _Taken(max(granted - 1, 0), until, granted < ask)
    return 0 if granted else max(window_left_s, 0.001)


def forget() -> None:
    """Drop what this process has taken in advance; it is lost to its callers for the window."""
    with _lock:
        _taken.clear()


def _forget(now: float) -> None:
    for key in [key for key, kept in _taken.items() if kept.until <= now]:
        del _taken[key]
    while len(_taken) >= REMEMBERED:
        del _taken[next(iter(_taken))]


def _take(*, key: str, ask: int, rate: Rate) -> tuple[int, float]:
    """How many of `ask` there were to take, and how long the window still lasts, in seconds."""
    if settings.REDIS_URL:
        # Where Redis is used, and nowhere else: its client takes a while to import.
        from redis.exceptions import RedisError

        try:
            return _take_from_redis(key=key, ask=ask, rate=rate)
        except RedisError as error:
            log.warning("Redis does not count requests, the database does meanwhile: %s", error)
    return _take_from_database(key=key, ask=ask, rate=rate)


@cache
def _redis(url: str) -> Redis:
    from redis import Redis

    return Redis.from_url(url, socket_timeout=1, socket_connect_timeout=1)


def _take_from_redis(*, key: str, ask: int, rate: Rate) -> tuple[int, float]:
    name = f"tapedeck:throttle:{key}"
    with _redis(settings.REDIS_URL).pipeline(transaction=True) as together:
        together.set(name, 0, ex=rate.period_s, nx=True)
        together.incrby(name, ask)
        together.pttl(name)
        _, used, left_ms = together.execute()
    return _granted(int(used), ask, rate), max(int(left_ms), 0) / 1000


def _take_from_database(*, key: str, ask: int, rate: Rate) -> tuple[int, float]:
    now = time.time()
    # One statement: processes that count at once wait for each other on the row.
    sql = """
        INSERT INTO jobs_throttlewindow AS own (key, since, used) VALUES (%s, %s, %s)
        ON CONFLICT (key) DO UPDATE SET
            used = CASE
                WHEN own.since <= excluded.since - %s THEN excluded.used
                WHEN own.used > %s THEN own.used
                ELSE own.used + excluded.used END,
            since = CASE
                WHEN own.since <= excluded.since - %s THEN excluded.since ELSE own.since END
        RETURNING used, since
    """
    params: list[str | float] = [key, now, ask, rate.period_s, rate.limit, rate.period_s]
    with connection.cursor() as cursor:
        cursor.execute(sql, params)
        used, since = cursor.fetchall()[0]
    if random.randrange(SWEEP_EVERY) == 0:
        longest = max(each[1] for each in settings.RATES.values() if each)
        ThrottleWindow.objects.filter(since__lt=now - longest).delete()
    # Clocks of several machines differ a little: never longer than a whole window.
    left_s = min(max(since + rate.period_s - now, 0.0), float(rate.period_s))
    return _granted(used, ask, rate), left_s


def _granted(used: int, ask: int, rate: Rate) -> int:
    return min(max(ask - max(used - rate.limit, 0), 0), ask)
