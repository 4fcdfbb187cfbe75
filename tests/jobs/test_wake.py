"""Hints: they arrive soon, by whatever carries them, and missing one costs latency only."""

import asyncio
import contextvars
import time
from collections.abc import Callable, Coroutine
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import connections, transaction

from jobs import services
from jobs.queue import wake
from tests.fixtures.jobs import Cluster, wait_until_ended

# Without a hint a wait ends after this; a stalled machine needs some of it.
PATIENCE_S = 30


def submit(owner: User) -> None:
    services.submit(kind="test.noop", options={}, by=owner)


def elsewhere(work: Callable[[], None], *, after_s: float) -> Future[None]:
    """Do `work` in another thread, with a connection of its own."""

    def run() -> None:
        time.sleep(after_s)
        try:
            work()
        finally:
            connections.close_all()

    pool = ThreadPoolExecutor(max_workers=1)
    done = pool.submit(run)
    pool.shutdown(wait=False)
    return done


@pytest.fixture(params=["database", "redis"])
def carrier(request: pytest.FixtureRequest, database: str, settings: object) -> str:
    if request.param == "redis":
        settings.REDIS_URL = request.getfixturevalue("redis_url")  # type: ignore[attr-defined]
    wake._sent_at.clear()
    return request.param


def drained(listener: wake.Listener) -> wake.Listener:
    while listener.wait(0.1):
        pass
    return listener


def test_a_listener_hears_a_commit(carrier: str, owner: User) -> None:
    listener = drained(wake.listen(wake.QUEUE))
    assert listener.wait(0.05) is False
    sent = elsewhere(lambda: submit(owner), after_s=0.1)
    heard = listener.wait(PATIENCE_S)
    sent.result()
    assert heard is True
    listener.close()


def run(work: Coroutine[Any, Any, Any]) -> Any:
    """Run `work` in an event loop and a context of its own.

    A context keeps database connections for loops: a browser test before this one, whose loop runs on
    the tests' own thread, leaves one to its own database in it.
    """
    return contextvars.Context().run(asyncio.run, work)


async def _hears(owner: User) -> bool:
    listener = wake.listen_async(wake.EVENTS)
    while await listener.wait(0.1):
        pass
    sent = elsewhere(lambda: submit(owner), after_s=0.1)
    heard = await listener.wait(PATIENCE_S)
    sent.result()
    await listener.close()
    return heard


def test_an_event_loop_hears_a_commit(carrier: str, owner: User) -> None:
    assert run(_hears(owner)) is True


def silent(owner: User) -> None:
    """Submit a job whose sender just gave a hint, and therefore gives none now."""
    for channel in (wake.QUEUE, wake.EVENTS):
        wake._sent_at[channel] = time.monotonic() + 60
    elsewhere(lambda: submit(owner), after_s=0).result()
    wake._sent_at.clear()


def test_a_listener_that_joins_just_after_a_hint_misses_nothing(carrier: str, owner: User) -> None:
    listener = wake.listen(wake.QUEUE)
    if carrier == "redis" or isinstance(listener, wake._Postgres):
        assert listener.wait(PATIENCE_S) is True
    silent(owner)
    assert listener.wait(PATIENCE_S) is True
    listener.close()


def test_an_event_loop_that_joins_just_after_a_hint_misses_nothing(
    carrier: str, owner: User
) -> None:
    async def joins() -> None:
        listener = wake.listen_async(wake.EVENTS)
        if not isinstance(listener, wake._AsyncDataVersion):
            assert await listener.wait(PATIENCE_S) is True
        await asyncio.to_thread(silent, owner)
        assert await listener.wait(PATIENCE_S) is True
        await listener.close()

    run(joins())


def test_nothing_is_heard_of_what_was_rolled_back(carrier: str, owner: User) -> None:
    listener = drained(wake.listen(wake.QUEUE))

    def undone() -> None:
        with transaction.atomic():
            submit(owner)
            transaction.set_rollback(True)

    elsewhere(undone, after_s=0).result()
    assert listener.wait(0.2) is False
    listener.close()


@pytest.mark.parametrize("database", ["postgres"], indirect=True)
def test_a_burst_is_one_hint_and_an_echo(database: str, owner: User) -> None:
    listener = drained(wake.listen(wake.QUEUE))
    wake._sent_at.clear()

    def burst() -> None:
        for _ in range(5):
            wake.notify(wake.QUEUE)

    elsewhere(burst, after_s=0).result()
    heard = sum(listener.wait(0.1) for _ in range(6))
    assert heard == 2
    listener.close()


@pytest.mark.parametrize("database", ["postgres"], indirect=True)
def test_a_lost_connection_is_made_again(database: str, owner: User) -> None:
    listener = wake.listen(wake.QUEUE)
    assert isinstance(listener, wake._Postgres)
    drained(listener)
    assert listener._connection is not None
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_terminate_backend(%s)", [listener._connection.info.backend_pid])
    assert listener.wait(0.2) is True  # lost: whatever came meanwhile has to be looked for
    drained(listener)
    sent = elsewhere(lambda: submit(owner), after_s=0.05)
    heard = listener.wait(PATIENCE_S)
    sent.result()
    assert heard is True
    listener.close()


@pytest.mark.parametrize("database", ["postgres"], indirect=True)
def test_a_cluster_is_woken_by_redis(
    cluster: Callable[..., Cluster], redis_url: str, owner: User, settings: object
) -> None:
    settings.REDIS_URL = redis_url  # type: ignore[attr-defined]
    cluster(workers=1, REDIS_URL=redis_url)
    job = services.submit(kind="test.noop", options={}, by=owner)
    assert wait_until_ended(job).status == "succeeded"
