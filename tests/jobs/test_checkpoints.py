"""SQLite's log is written back beside the writers, and does not grow for ever."""

import logging
import sqlite3
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from jobs.queue import turn
from jobs.sqlite.checkpoints import RESTART_PAGES, Checkpoints
from tests.fixtures.database import asked_without_log
from tests.fixtures.jobs import wait_for


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "notes.sqlite3"


@pytest.fixture
def write(file: Path) -> Iterator[Callable[[int], None]]:
    """`write(n)` commits n rows of a page each; nothing but `Checkpoints` writes the log back."""
    connection = sqlite3.connect(file, isolation_level=None)
    connection.executescript(
        "PRAGMA journal_mode=WAL; PRAGMA wal_autocheckpoint=0; CREATE TABLE note (text);"
    )

    def write(rows: int) -> None:
        connection.execute("BEGIN IMMEDIATE")
        connection.executemany("INSERT INTO note VALUES (?)", [("x" * 4000,)] * rows)
        connection.execute("COMMIT")

    yield write
    connection.close()


@pytest.fixture
def checkpoints(file: Path, write: object) -> Iterator[Checkpoints]:
    made = Checkpoints(str(file))
    yield made
    made.close()


def rows_without_log(file: Path) -> int:
    return int(asked_without_log(file, "SELECT COUNT(*) FROM note"))


def pages_in_log(file: Path) -> int:
    with sqlite3.connect(file) as connection:
        return int(connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()[1])


def look(checkpoints: Checkpoints) -> None:
    checkpoints._next_at = 0
    checkpoints.look()


def test_what_was_committed_is_written_back(
    file: Path, write: Callable[[int], None], checkpoints: Checkpoints
) -> None:
    write(10)
    look(checkpoints)
    assert rows_without_log(file) == 10


def test_not_again_at_once_and_not_when_nothing_changed(
    file: Path, write: Callable[[int], None], checkpoints: Checkpoints
) -> None:
    write(10)
    look(checkpoints)
    write(10)
    checkpoints.look()
    assert rows_without_log(file) == 10
    look(checkpoints)
    assert rows_without_log(file) == 20
    seen: list[str] = []
    checkpoints._connection.set_trace_callback(seen.append)
    look(checkpoints)
    assert seen == ["PRAGMA data_version"]


def test_a_long_log_starts_over(
    file: Path, write: Callable[[int], None], checkpoints: Checkpoints
) -> None:
    write(RESTART_PAGES)
    look(checkpoints)
    write(1)
    assert pages_in_log(file) < 10
    assert rows_without_log(file) == RESTART_PAGES + 1


def test_it_starts_over_though_somebody_writes_all_the_time(
    file: Path, write: Callable[[int], None], checkpoints: Checkpoints
) -> None:
    ended = threading.Event()

    def write_on() -> None:
        connection = sqlite3.connect(file, isolation_level=None)
        connection.execute("PRAGMA wal_autocheckpoint=0")
        while not ended.is_set():
            turn.begin(turn.path_beside(str(file)))
            connection.execute("INSERT INTO note VALUES (?)", ("x" * 4000,))
            turn.end()
        connection.close()

    write(RESTART_PAGES)
    thread = threading.Thread(target=write_on)
    thread.start()
    try:
        wait_for(lambda: [look(checkpoints), pages_in_log(file) < RESTART_PAGES][1])
    finally:
        ended.set()
        thread.join()


def test_who_reads_holds_nobody_up(
    file: Path, write: Callable[[int], None], checkpoints: Checkpoints
) -> None:
    write(5)
    reader = sqlite3.connect(file, isolation_level=None)
    reader.execute("BEGIN")
    assert reader.execute("SELECT COUNT(*) FROM note").fetchone() == (5,)
    write(RESTART_PAGES)
    look(checkpoints)
    assert reader.execute("SELECT COUNT(*) FROM note").fetchone() == (5,)
    reader.close()
    write(1)
    look(checkpoints)
    assert rows_without_log(file) == RESTART_PAGES + 6


def test_who_keeps_the_turn_is_not_waited_for(
    file: Path, write: Callable[[int], None], checkpoints: Checkpoints
) -> None:
    kept, ended = threading.Event(), threading.Event()

    def keep() -> None:
        turn.begin(turn.path_beside(str(file)))
        kept.set()
        ended.wait(20)
        turn.end()

    thread = threading.Thread(target=keep)
    thread.start()
    assert kept.wait(5)
    write(RESTART_PAGES)
    look(checkpoints)
    ended.set()
    thread.join()
    assert rows_without_log(file) == RESTART_PAGES


def test_a_database_that_can_not_be_written_is_told_of(
    file: Path,
    write: Callable[[int], None],
    checkpoints: Checkpoints,
    caplog: pytest.LogCaptureFixture,
) -> None:
    write(1)
    checkpoints._connection.close()
    with caplog.at_level(logging.WARNING):
        look(checkpoints)
    assert "could not be written back" in caplog.text
