"""Hints that something was committed. Missing one costs latency, never work: readers also poll.

Senders coalesce: a process sends at most one hint a channel per `WINDOW_S`, because each NOTIFY
of PostgreSQL takes a lock over the whole server at commit. A listener therefore reports every
hint a second time just after that window: what was committed silently within it is seen then.
"""

import asyncio
import logging
import sqlite3
import time
from typing import Any, Protocol

import psycopg
from django.conf import settings
from django.db import DatabaseError, connection, transaction

from jobs import statements

log = logging.getLogger(__name__)

QUEUE = "tapedeck_queue"
EVENTS = "tapedeck_events"
WINDOW_S = 0.02
TIMER_SLACK_S = 0.005
SQLITE_POLL_S = 0.004
# After losing the server: wait this long before the next try.
RETRY_S = 0.5

_sent_at: dict[str, float] = {}


class HintNotSent(Exception):
    """Redis did not take it."""


def notify(channel: str) -> None:
    """Hint, once the surrounding transaction has committed, that `channel` has something new."""
    if statements.vendor() == "sqlite" and not settings.REDIS_URL:
        return  # SQLite's own data_version tells
    transaction.on_commit(lambda: _send(channel))


def _send(channel: str) -> None:
    now = time.monotonic()
    if now - _sent_at.get(channel, 0) < WINDOW_S:
        return
    _sent_at[channel] = now
    try:
        if settings.REDIS_URL:
            # Where Redis is used, and nowhere else: its client takes a while to import.
            from jobs.queue import wake_redis

            wake_redis.publish(channel)
        else:
            with connection.cursor() as cursor:
                cursor.execute("SELECT pg_notify(%s, '')", [channel])
    except (DatabaseError, HintNotSent):
        _sent_at.pop(channel, None)  # nobody heard of it, so the next one has to be sent
        log.warning("The wake-up hint on %s was not sent; readers poll.", channel, exc_info=True)


class Listener(Protocol):
    """Waits for hints, one thread or process at a time."""

    def wait(self, timeout_s: float) -> bool:
        """True as soon as something may be new, False after `timeout_s` without a hint."""

    def close(self) -> None: ...


class AsyncListener(Protocol):
    """The same for an event loop."""

    async def wait(self, timeout_s: float) -> bool: ...

    async def close(self) -> None: ...


def listen(channel: str) -> Listener:
    """A listener of this installation's kind: Redis where configured, else the database."""
    if settings.REDIS_URL:
        from jobs.queue import wake_redis

        return wake_redis.Listener(channel)
    return _DataVersion() if statements.vendor() == "sqlite" else _Postgres(channel)


def listen_async(channel: str) -> AsyncListener:
    """`listen` for an event loop; its first `wait` connects."""
    if settings.REDIS_URL:
        from jobs.queue import wake_redis

        return wake_redis.AsyncListener(channel)
    return _AsyncDataVersion() if statements.vendor() == "sqlite" else _AsyncPostgres(channel)


class Echo:
    """Remembers to report each hint once more after the senders' window."""

    def __init__(self) -> None:
        self._due_at: float | None = None

    def until(self, deadline: float) -> float:
        """Seconds to listen for, up to `deadline` or the echo."""
        due_at = deadline if self._due_at is None else min(deadline, self._due_at)
        return max(0.0, due_at - time.monotonic())

    def joined(self) -> bool:
        """Always true: whatever came before is not announced.

        Nor is what is committed just after, by one that sent its hint just before; and Redis may
        still have to read that somebody listens. The echo sees that.
        """
        return self.heard(True)

    def heard(self, hint: bool) -> bool:
        if hint:
            self._due_at = time.monotonic() + WINDOW_S * 1.25
            return True
        # A timer may fire a little early; that is no reason to say that nothing came.
        if self._due_at is not None and time.monotonic() >= self._due_at - TIMER_SLACK_S:
            self._due_at = None
            return True
        return False


class _DataVersion:
    """`PRAGMA data_version` changes with every commit of another connection; reading it costs 2.5 µs."""

    def __init__(self) -> None:
        name = str(connection.settings_dict["NAME"])
        self._connection = sqlite3.connect(
            name, uri=name.startswith("file:"), isolation_level=None, check_same_thread=False
        )
        self._seen = self._version()

    def _version(self) -> int:
        return int(self._connection.execute("PRAGMA data_version").fetchone()[0])

    def changed(self) -> bool:
        version = self._version()
        if version == self._seen:
            return False
        self._seen = version
        return True

    def wait(self, timeout_s: float) -> bool:
        deadline = time.monotonic() + timeout_s
        while not self.changed():
            left = deadline - time.monotonic()
            if left <= 0:
                return False
            time.sleep(min(SQLITE_POLL_S, left))
        return True

    def close(self) -> None:
        self._connection.close()


class _AsyncDataVersion:
    def __init__(self) -> None:
        self._versions = _DataVersion()

    async def wait(self, timeout_s: float) -> bool:
        deadline = time.monotonic() + timeout_s
        while not self._versions.changed():
            left = deadline - time.monotonic()
            if left <= 0:
                return False
            await asyncio.sleep(min(SQLITE_POLL_S, left))
        return True

    async def close(self) -> None:
        self._versions.close()


def _postgres_params() -> dict[str, Any]:
    wanted = {"host", "port", "user", "password", "dbname", "options", "sslmode", "sslrootcert"}
    params = connection.get_connection_params()
    return {name: value for name, value in params.items() if name in wanted}


class _Postgres:
    """LISTEN on a connection of its own, which must not go through a transaction pooler."""

    def __init__(self, channel: str) -> None:
        self._channel = channel
        self._echo = Echo()
        self._connection: psycopg.Connection[Any] | None = None

    def wait(self, timeout_s: float) -> bool:
        deadline = time.monotonic() + timeout_s
        try:
            if self._connection is None:
                self._connection = psycopg.connect(**_postgres_params(), autocommit=True)
                self._connection.execute(f"LISTEN {self._channel}")
                return self._echo.joined()
            while True:
                left_s = self._echo.until(deadline)
                notifies = self._connection.notifies(timeout=left_s, stop_after=1)
                if self._echo.heard(any(True for _ in notifies)):
                    return True
                if time.monotonic() >= deadline:
                    return False
        except psycopg.OperationalError:
            log.warning("Lost the connection that listens on %s; polling.", self._channel)
            self.close()
            time.sleep(min(timeout_s, RETRY_S))
            return True

    def close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None


class _AsyncPostgres:
    def __init__(self, channel: str) -> None:
        self._channel = channel
        self._echo = Echo()
        self._connection: psycopg.AsyncConnection[Any] | None = None

    async def wait(self, timeout_s: float) -> bool:
        deadline = time.monotonic() + timeout_s
        try:
            if self._connection is None:
                params = _postgres_params()
                self._connection = await psycopg.AsyncConnection.connect(**params, autocommit=True)
                await self._connection.execute(f"LISTEN {self._channel}")
                return self._echo.joined()
            while True:
                hint = False
                left_s = self._echo.until(deadline)
                async for _ in self._connection.notifies(timeout=left_s, stop_after=1):
                    hint = True
                if self._echo.heard(hint):
                    return True
                if time.monotonic() >= deadline:
                    return False
        except psycopg.OperationalError:
            log.warning("Lost the connection that listens on %s; polling.", self._channel)
            await self.close()
            await asyncio.sleep(min(timeout_s, RETRY_S))
            return True

    async def close(self) -> None:
        if self._connection is not None:
            await self._connection.close()
            self._connection = None
