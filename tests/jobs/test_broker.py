"""What this project relies on in django-q2 1.11; an upgrade that changes it fails here."""

import inspect
import time
from collections.abc import Iterator
from datetime import timedelta

import django_q
import pytest
from django.conf import settings
from django.contrib.auth.models import User
from django.db import OperationalError
from django.utils import timezone
from django_q import cluster, pusher, worker
from django_q.brokers import Broker, get_broker
from django_q.conf import Conf
from django_q.signals import post_spawn
from django_q.signing import SignedPackage

from jobs import services
from jobs.queue import work
from jobs.queue.broker import NotATaskQueue, TableBroker


@pytest.fixture
def broker(database: str) -> Iterator[TableBroker]:
    made = get_broker()
    assert isinstance(made, TableBroker)
    yield made
    if made._listener is not None:
        made._listener.close()


def test_the_pinned_line_of_the_library() -> None:
    assert ".".join(map(str, django_q.VERSION[:2])) == "1.11"


def test_every_setting_is_one_that_the_library_reads() -> None:
    source = inspect.getsource(Conf)
    for name in settings.Q_CLUSTER:
        assert f'"{name}"' in source, name
    assert (Conf.QUEUE_LIMIT, Conf.BULK, Conf.SAVE_LIMIT, Conf.MAX_ATTEMPTS) == (1, 1, -1, 1)
    assert (Conf.SCHEDULER, Conf.CATCH_UP, Conf.ACK_FAILURES) == (False, False, True)


def test_the_broker_overrides_everything_that_a_broker_does() -> None:
    asked = {
        name
        for name, value in vars(Broker).items()
        if callable(value) and not name.startswith("__")
    }
    inherited = asked - set(vars(TableBroker))
    assert inherited == {"get_connection"} | ({"get_cache"} & inherited)


def test_a_ticket_appears_with_work_and_names_no_job(broker: TableBroker, owner: User) -> None:
    assert broker.dequeue() is None
    job = services.submit(kind="test.noop", options={}, by=owner)
    tickets = broker.dequeue()
    assert tickets is not None
    ((ack_id, payload),) = tickets
    assert not ack_id  # the library acknowledges and redelivers nothing
    ticket = SignedPackage.loads(payload)
    assert str(job.id) not in str(ticket)
    assert ticket["func"] == f"{work.__name__}.{work.run_ticket.__name__}"
    assert ticket["timeout"] == -1
    assert (broker.queue_size(), broker.lock_size()) == (1, 0)


def test_work_for_another_queue_or_for_later_makes_no_ticket(
    broker: TableBroker, owner: User
) -> None:
    services.submit(
        kind="test.noop", options={}, by=owner, run_after=timezone.now() + timedelta(seconds=0.8)
    )
    job = services.submit(kind="test.noop", options={}, by=owner)
    type(job).objects.filter(pk=job.pk).update(queue="browser")
    assert broker.dequeue() is None
    time.sleep(0.8)
    assert broker.dequeue() is not None


def test_a_ticket_is_nothing_to_acknowledge_and_nothing_is_enqueued(broker: TableBroker) -> None:
    for verb in (broker.acknowledge, broker.fail, broker.delete):
        assert verb("1") is None
    with pytest.raises(NotATaskQueue):
        broker.enqueue("x")
    assert broker.ping() is True
    assert broker.get_stats("x") == []


def test_an_unreachable_database_never_raises_into_the_pusher(
    broker: TableBroker, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(**_: object) -> bool:
        raise OperationalError("gone")

    monkeypatch.setattr("jobs.queue.broker.claimable", away)
    assert broker.dequeue() is None
    assert "sleep(10)" in inspect.getsource(pusher.pusher)  # why it must not


def test_the_hooks_that_the_cluster_offers() -> None:
    assert "post_spawn.send" in inspect.getsource(worker.worker)
    assert post_spawn is not None
    assert "get_broker()" in inspect.getsource(cluster.Sentinel.__init__)
    assert "Conf.CLUSTER_NAME" in inspect.getsource(get_broker)
    assert "Conf.WORKERS" in inspect.getsource(cluster.Sentinel.__init__)
    assert 'task.pop("timeout", timeout)' in inspect.getsource(worker.worker)
    assert {"start", "stop", "has_stopped"} <= set(dir(cluster.Cluster))
    assert "self.sentinel.join()" in inspect.getsource(cluster.Cluster.stop)
