"""Django's SQLite backend, whose transactions take turns.

SQLite waits for its one write lock by sleeping and asking again, and whoever asks at the right
moment wins: with many writers one of them may not get it within the timeout, and its request fails
with "database is locked". Here the kernel hands the lock from one to the next.
"""

import os
from typing import Any

from django.db.backends.sqlite3 import base

from jobs.queue import turn


class DatabaseWrapper(base.DatabaseWrapper):
    """From BEGIN to COMMIT, ROLLBACK or the end of the connection it is this thread's turn."""

    # django-stubs know nothing of what starts with one underscore, nor of transaction modes.
    # The process whose turn it is: a fork inherits the connection, not the turn.
    _turn_of: int | None = None

    def _start_transaction_under_autocommit(self) -> None:
        path = turn.path_of(self)
        if path is not None and self._turn_of != os.getpid():
            turn.begin(path)
            self._turn_of = os.getpid()
        try:
            # Django's own way takes a cursor for it, which is most of what a BEGIN costs.
            with self.wrap_database_errors:
                mode = self.transaction_mode or ""  # type: ignore[attr-defined]
                self.connection.execute(f"BEGIN {mode}")
        except BaseException:
            self._end_turn()
            raise

    def _commit(self) -> Any:
        try:
            return super()._commit()  # type: ignore[misc]
        finally:
            self._end_turn()

    def _rollback(self) -> Any:
        try:
            return super()._rollback()  # type: ignore[misc]
        finally:
            self._end_turn()

    def _close(self) -> Any:
        try:
            return super()._close()  # type: ignore[misc]
        finally:
            self._end_turn()

    def _end_turn(self) -> None:
        if self._turn_of == os.getpid():
            turn.end()
        self._turn_of = None
