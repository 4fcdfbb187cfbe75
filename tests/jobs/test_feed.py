"""Reading the whole table: what is committed late is not skipped."""

from __future__ import annotations

import threading

import pytest
from django.contrib.auth.models import User
from django.db import connection, connections, transaction

from jobs import events, feed
from jobs.feed import BadCursor, Gap, Position
from jobs.models import Status
from jobs.tail import Hub, Table
from tests.jobs.conftest import stored_job


def test_a_position_remembers_what_it_has_not_seen() -> None:
    position = Position(10)
    for row_id in (11, 15, 13):
        position.add(row_id)
    assert str(position) == "15.12-12.14-14"
    assert [row_id for row_id in range(9, 18) if not position.seen(row_id)] == [12, 14, 16, 17]
    assert Position.parse(str(position)) == position
    position.add(12)
    position.keep_gaps_of(Position(14, []))
    assert str(position) == "15"


def test_a_gap_dies_only_when_no_transaction_can_fill_it() -> None:
    position = Position(15, [Gap(12, 12)])
    position.drop_dead_gaps(100)  # not bounded yet: found in the read just done
    assert position.gaps
    position.bound_gaps(90)
    position.drop_dead_gaps(89)
    assert position.gaps
    position.drop_dead_gaps(90)
    assert not position.gaps


@pytest.mark.parametrize("text", ["x", "-1", "1.2", "5.4-9", "5.3-2", "9" * 30, "1.", "1..2-2"])
def test_what_is_no_cursor_is_refused(text: str) -> None:
    with pytest.raises(BadCursor):
        Position.parse(text)


async def _pass(hub: Hub) -> None:
    await hub._read_table()


def test_an_event_that_commits_late_is_told(database: str, owner: User) -> None:
    """One transaction takes an id and waits; others take later ones and commit first."""
    import asyncio

    slow = stored_job(owner=owner, status=Status.RUNNING)
    quick = stored_job(owner=owner, status=Status.RUNNING)
    wrote, commit = threading.Event(), threading.Event()

    def write_slowly() -> None:
        with transaction.atomic():
            events.emit(job_id=slow.pk, type="page.read", data={})
            wrote.set()
            commit.wait(10)
        connections.close_all()

    hub = Hub()
    hub.table = Table(feed.read_now())
    writer = threading.Thread(target=write_slowly)

    def told() -> list[tuple[str, int]]:
        return [(str(line.job_id), line.seq) for line in hub.table.window.lines]  # type: ignore[union-attr]

    writer.start()
    assert wrote.wait(10)
    if connection.vendor == "postgresql":  # SQLite has one writer at a time
        events.emit(job_id=quick.pk, type="page.read", data={})
        for _ in range(3):
            asyncio.run(_pass(hub))
        assert told() == [(str(quick.pk), 2)]
        assert len(hub.table.position.gaps) == 1
    commit.set()
    writer.join()
    for _ in range(3):
        asyncio.run(_pass(hub))
    expected = {(str(slow.pk), 2)} | (
        {(str(quick.pk), 2)} if connection.vendor == "postgresql" else set()
    )
    assert set(told()) == expected
    assert len(told()) == len(expected)
    assert hub.table.position.gaps == []
    hub._threads.submit(connections.close_all).result()
    hub._threads.shutdown()
