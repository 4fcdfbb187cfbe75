"""Statements that run for every job or event: on the driver's own cursor, planned once a connection.

For SQL that is written out in this app with `%s` for values, within the caller's transaction.
"""

import sqlite3
from collections.abc import Sequence
from functools import cache, lru_cache
from typing import Any, Protocol

import psycopg
from django.db import DEFAULT_DB_ALIAS, connections
from django.db.backends.base.base import BaseDatabaseWrapper


class Statements(Protocol):
    """A cursor; errors are Django's."""

    def execute(self, sql: str, params: Sequence[Any]) -> None: ...

    def fetchone(self) -> tuple[Any, ...] | None: ...

    def fetchall(self) -> list[tuple[Any, ...]]: ...


class _OfPostgres:
    """Django's own cursor binds on the client, and the server plans anew each time: half of a claim's cost."""

    def __init__(self, wrapper: BaseDatabaseWrapper) -> None:
        self._wrapper = wrapper
        # From a statement's second use on. Django sets None, by which psycopg prepares nothing, not
        # even what it is told to; Django's own cursors prepare nothing whatever is set.
        wrapper.connection.prepare_threshold = 1
        self._cursor: psycopg.Cursor[Any] = psycopg.Cursor(wrapper.connection)

    def execute(self, sql: str, params: Sequence[Any]) -> None:
        with self._wrapper.wrap_database_errors:
            # All of these are composed in this app, of constants.
            self._cursor.execute(sql, params)

    def fetchone(self) -> tuple[Any, ...] | None:
        return self._cursor.fetchone()

    def fetchall(self) -> list[tuple[Any, ...]]:
        return self._cursor.fetchall()


class _OfSQLite:
    """Django's own cursor rewrites each statement's placeholders at each use."""

    def __init__(self, wrapper: BaseDatabaseWrapper) -> None:
        self._wrapper = wrapper
        self._cursor: sqlite3.Cursor = wrapper.connection.cursor(sqlite3.Cursor)

    def execute(self, sql: str, params: Sequence[Any]) -> None:
        with self._wrapper.wrap_database_errors:
            self._cursor.execute(_with_question_marks(sql), params)

    def fetchone(self) -> tuple[Any, ...] | None:
        row: tuple[Any, ...] | None = self._cursor.fetchone()
        return row

    def fetchall(self) -> list[tuple[Any, ...]]:
        return self._cursor.fetchall()


def cursor() -> Statements:
    """A cursor on this thread's connection, which must be open: within a transaction it is."""
    wrapper = connections[DEFAULT_DB_ALIAS]
    return _OfPostgres(wrapper) if wrapper.vendor == "postgresql" else _OfSQLite(wrapper)


def vendor() -> str:
    """`sqlite` or `postgresql`: `connection.vendor`, which a claim would look up two dozen times,
    through the thread's connection each time, at a twentieth of the price."""
    return _vendor(connections.settings[DEFAULT_DB_ALIAS]["ENGINE"])


@cache
def _vendor(engine: str) -> str:
    return "postgresql" if engine.endswith("postgresql") else "sqlite"


@lru_cache(maxsize=512)
def _with_question_marks(sql: str) -> str:
    return sql.replace("%s", "?").replace("%%", "%")
