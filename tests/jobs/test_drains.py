"""Draining workers: what they run ends, nothing new starts, and what is shown is what holds."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from jobs import access, drains, services, system
from jobs.models import AuditEntry, Drain, Job, Worker
from jobs.queue import processes, vitals
from jobs.roles import put_in
from jobs.services.refusals import AlreadyDraining, InvalidFields
from tests.factories import WorkerFactory
from tests.fixtures.jobs import Cluster, wait_for, wait_until_ended


def _states() -> list[str]:
    return sorted(worker.state for worker in system.workers())


def test_a_cluster_drains_and_goes_on(
    database: str, owner: User, cluster: Callable[..., Cluster]
) -> None:
    running = cluster(workers=2)
    wait_for(lambda: _states() == ["idle", "idle"])
    busy = services.submit(kind="test.sleeps", options={"seconds": 3}, by=owner)
    wait_for(lambda: _states() == ["busy", "idle"])
    row = drains.drain(by=owner, queue="default", host=processes.host_name(), reason="upgrade")
    wait_for(lambda: "drained" in _states())
    assert Job.objects.get(pk=busy.pk).status == "running"
    assert _states() == ["drained", "draining"]
    waiting = [services.submit(kind="test.noop", options={}, by=owner) for _ in range(3)]
    assert wait_until_ended(busy).status == "succeeded"
    wait_for(lambda: _states() == ["drained", "drained"])
    [fact] = system.clusters()
    assert (fact.drained, fact.drain_id) == (2, row.pk)
    # Longer than the watchdog's patience with a cluster that hangs.
    pids = set(Worker.objects.values_list("pid", flat=True))
    until = timezone.now().timestamp() + 6
    wait_for(lambda: timezone.now().timestamp() > until)
    assert Job.objects.filter(status="queued").count() == 3
    assert set(Worker.objects.values_list("pid", flat=True)) == pids
    drains.resume(by=owner, drain=row)
    for job in waiting:
        assert wait_until_ended(job).status == "succeeded"
    wait_for(lambda: _states() == ["idle", "idle"])
    actions = list(AuditEntry.objects.order_by("id").values_list("action", flat=True))
    assert [name for name in actions if name.startswith("workers.")] == [
        *("workers.drain", "workers.resume")
    ]
    assert running.stop() == 0


def test_one_worker_drains_beside_another_and_stops_at_once(
    database: str, owner: User, cluster: Callable[..., Cluster]
) -> None:
    running = cluster(workers=2)
    wait_for(lambda: _states() == ["idle", "idle"])
    first = Worker.objects.order_by("pk")[0]
    drains.drain(by=owner, worker=first)
    wait_for(lambda: _states() == ["drained", "idle"])
    jobs = [services.submit(kind="test.noop", options={}, by=owner) for _ in range(20)]
    for job in jobs:
        assert wait_until_ended(job).worker != first.name
    for worker in Worker.objects.exclude(pk=first.pk):
        drains.drain(by=owner, worker=worker)
    wait_for(lambda: _states() == ["drained", "drained"])
    left = [services.submit(kind="test.noop", options={}, by=owner) for _ in range(5)]
    assert running.stop() == 0
    assert {Job.objects.get(pk=job.pk).status for job in left} == {"queued"}
    # The names never come again, so nothing is left to drain.
    assert drains.forget_gone() == 2


def test_a_new_cluster_of_a_drained_queue_takes_nothing(
    database: str, owner: User, cluster: Callable[..., Cluster]
) -> None:
    row = drains.drain(by=owner, queue="default")
    job = services.submit(kind="test.noop", options={}, by=owner)
    cluster(workers=1)
    wait_for(lambda: _states() == ["drained"])
    assert Job.objects.get(pk=job.pk).status == "queued"
    drains.resume(by=owner, drain=row)
    assert wait_until_ended(job).status == "succeeded"


def test_the_shared_page_tells_whole_lists() -> None:
    try:
        vitals.drain(whole=False, pids=range(1, 400))
        assert vitals.drained_pids() == frozenset(range(1, 400))
        assert vitals.is_drained(399)
        assert not vitals.is_drained(400)
        vitals.drain(whole=True, pids=[])
        assert vitals.drained_pids() == frozenset()
        assert vitals.is_drained(400)
    finally:
        vitals.drain(whole=False, pids=[])


@pytest.mark.django_db
def test_the_api_drains_and_resumes_for_admins_alone(client: Client, owner: User) -> None:
    worker = WorkerFactory()
    operator = User.objects.create_user("operator")
    put_in(user=operator, role=access.Role.OPERATOR)

    def drain(**given: object) -> tuple[int, dict[str, object]]:
        answer = client.post("/api/workers/drains", given, content_type="application/json")
        return answer.status_code, answer.json()

    assert drain(queue="default")[0] == 401
    client.force_login(operator)
    assert drain(queue="default")[0] == 403
    client.force_login(owner)
    assert drain()[1]["errors"] == {"worker": ["Give either a worker's id, or a queue."]}
    assert drain(queue="default", worker=1)[0] == 400
    assert "queue" in str(drain(queue="nights")[1]["errors"])
    assert "host" in str(drain(queue="default", host="nowhere")[1]["errors"])
    assert drain(worker=0)[0] == 400
    status, made = drain(worker=worker.pk, reason="memory")
    assert (status, made["worker"], made["by"]) == (201, worker.name, "owner")
    assert drain(worker=worker.pk)[1]["code"] == "already_draining"
    body = client.get("/api/workers").json()
    [fact] = body["clusters"]
    assert fact["workers"][0]["state"] == "draining"
    assert body["drains"] == [made]
    client.force_login(operator)
    url = f"/api/workers/drains/{made['id']}"
    assert client.delete(url).status_code == 403
    client.force_login(owner)
    assert client.delete(url).status_code == 204
    assert client.delete(url).status_code == 404
    assert not Drain.objects.exists()


@pytest.mark.django_db
def test_the_admin_drains_and_resumes(client: Client, owner: User) -> None:
    worker = WorkerFactory()
    client.force_login(owner)
    listing = reverse("admin:jobs_worker_changelist")
    chosen = {"_selected_action": [str(worker.pk)]}
    client.post(listing, {**chosen, "action": "drain_workers"})
    row = Drain.objects.get()
    assert (row.worker, row.by) == (worker.name, owner)
    assert b"Draining" in client.get(listing).content
    client.post(listing, {**chosen, "action": "resume_workers"})
    assert not Drain.objects.exists()
    client.post(listing, {**chosen, "action": "drain_clusters"})
    row = Drain.objects.get()
    assert (row.queue, row.host, row.worker) == (worker.queue, worker.host, "")
    said = client.post(listing, {**chosen, "action": "drain_clusters"}, follow=True)
    assert b"draining already" in said.content
    drained = reverse("admin:jobs_drain_changelist")
    assert b"everywhere" not in client.get(drained).content
    client.post(drained, {"_selected_action": [str(row.pk)], "action": "resume"})
    assert not Drain.objects.exists()


@pytest.mark.django_db
def test_refusals(owner: User) -> None:
    with pytest.raises(InvalidFields):
        drains.drain(by=owner, queue="nights")
    drains.drain(by=owner, queue="default")
    with pytest.raises(AlreadyDraining):
        drains.drain(by=owner, queue="default")
