"""SQLite's writers take turns: none is turned away because others were luckier."""

import signal
import subprocess
import sys
import threading
from collections.abc import Iterator

import psutil
import pytest
from django.contrib.auth.models import User
from django.db import connection, connections, transaction
from django.db.utils import OperationalError

from jobs import health
from jobs.queue import turn
from tests.fixtures.database import environment
from tests.fixtures.jobs import wait_for

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
        with transaction.atomic():
            User.objects.create(username="mine")
    assert User.objects.filter(username="mine").exists()


def test_without_a_turn_it_would_have_failed(
    writer: tuple[threading.Event, threading.Event],
) -> None:
    impatient()
    with pytest.raises(OperationalError, match="locked"):
        User.objects.create(username="mine")  # no transaction of Django's
    writer[1].set()


STOPS_INSIDE = """
import os, signal, django
django.setup()
from django.contrib.auth.models import User
from django.db import transaction
with transaction.atomic():
    User.objects.create(username="halfway")
    print("inside", flush=True)
    os.kill(os.getpid(), signal.SIGSTOP)
"""


@pytest.fixture
def stopped(database: str) -> Iterator[subprocess.Popen[str]]:
    """A process of the installation that was really stopped in the middle of a transaction."""
    env = {**environment(database), "DJANGO_SETTINGS_MODULE": "config.settings"}
    process = subprocess.Popen(
        [sys.executable, "-c", STOPS_INSIDE], env=env, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "inside\n"
    wait_for(lambda: psutil.Process(process.pid).status() == psutil.STATUS_STOPPED)
    yield process
    process.kill()
    process.wait()
    process.stdout.close()


def test_a_stopped_writer_is_named_and_stops_nobody_for_ever(
    stopped: subprocess.Popen[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(turn, "LIMIT_S", 0.2)
    monkeypatch.setattr(health, "WRITE_WAIT_S", 0.2)
    said = rf"for 0\.2 s nothing could be written\. Process {stopped.pid} .* was stopped"
    for _ in range(2):
        with pytest.raises(turn.TurnNotGiven, match=said), transaction.atomic():
            pytest.fail("it is not our turn")
    assert not User.objects.exists()  # reading goes on
    found = health.checks(["database"])[0]
    assert (found.status, health.is_ready([found])) == ("fail", False)
    assert f"kill -CONT {stopped.pid}" in found.detail
    stopped.send_signal(signal.SIGCONT)
    stopped.wait(20)
    # Those who waited in vain have given the turn back.
    wait_for(lambda: turn._Waiter.left == 0)
    with transaction.atomic():
        User.objects.create(username="mine")
    assert set(User.objects.values_list("username", flat=True)) == {"halfway", "mine"}
    assert health.checks(["database"])[0].status == "ok"


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
