"""SQLite's writers take turns: none is turned away because others were luckier."""

import threading
from collections.abc import Iterator

import pytest
from django.contrib.auth.models import User
from django.db import connection, connections, transaction
from django.db.utils import OperationalError

from jobs.queue import turn

pytestmark = pytest.mark.parametrize("database", ["sqlite"], indirect=True)


def impatient() -> None:
    """From now on this thread's connection does not wait for SQLite's lock at all."""
    with connection.cursor() as cursor:
        cursor.execute("PRAGMA busy_timeout = 0")


@pytest.fixture
def writer(database: str) -> Iterator[tuple[threading.Event, threading.Event]]:
    """Another thread is in the middle of a transaction: (it is, let it end)."""
    writes, ends = threading.Event(), threading.Event()

    def write() -> None:
        with transaction.atomic():
            User.objects.create(username="other")
            writes.set()
            ends.wait(20)
        connections.close_all()

    thread = threading.Thread(target=write)
    thread.start()
    assert writes.wait(20)
    yield writes, ends
    ends.set()
    thread.join()


def test_a_transaction_waits_for_its_turn(
    writer: tuple[threading.Event, threading.Event],
) -> None:
    impatient()
    threading.Timer(0.3, writer[1].set).start()
    with transaction.atomic():
        assert User.objects.filter(username="other").exists()
        with transaction.atomic(), turn.turn():
            User.objects.create(username="mine")
    assert User.objects.filter(username="mine").exists()


def test_without_a_turn_it_would_have_failed(
    writer: tuple[threading.Event, threading.Event],
) -> None:
    impatient()
    with pytest.raises(OperationalError, match="locked"):
        User.objects.create(username="mine")  # no transaction of Django's
    writer[1].set()


@pytest.mark.parametrize("how", ["commit", "rollback", "closed"])
def test_the_turn_ends_however_the_transaction_does(database: str, how: str) -> None:
    try:
        with transaction.atomic():
            User.objects.create(username="mine")
            if how == "rollback":
                raise KeyError
            if how == "closed":
                connection.close()
                raise KeyError
    except KeyError:
        pass
    path = turn.path_of(connection)
    assert path is not None
    taken = threading.Event()

    def take() -> None:
        turn.begin(path)
        taken.set()
        turn.end()

    thread = threading.Thread(target=take)
    thread.start()
    assert taken.wait(20)
    thread.join()
