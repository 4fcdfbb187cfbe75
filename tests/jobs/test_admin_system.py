"""The System page: what it shows, to whom, and draining from it."""

from __future__ import annotations

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from jobs import dashboard, schedules, system
from jobs.models import Drain, Status, Worker
from tests.jobs.conftest import stored_job

pytestmark = pytest.mark.django_db

SYSTEM = "/admin/system/"


def client_of(user: User) -> Client:
    client = Client()
    client.force_login(user)
    return client


def worker_of(queue: str = "default", number: int = 1) -> Worker:
    now = system.database_now()
    return Worker.objects.create(
        name=f"host/{queue}/{number}",
        queue=queue,
        host="host",
        pid=100 + number,
        started_at=now,
        seen_at=now,
    )


def test_without_workers_it_says_what_to_do(people: dict[str, User]) -> None:
    page = client_of(people["owner"]).get(SYSTEM).content.decode()
    assert "failing" in page
    assert "Nobody serves: default, browser." in page
    assert "manage.py up" in page
    assert "No workers" in page
    assert f'href="{SYSTEM}"' in page  # in the sidebar
    assert Client().get(SYSTEM).status_code == 302
    assert client_of(people["nobody"]).get(SYSTEM).status_code == 302


def test_it_shows_workers_queues_storage_and_versions(people: dict[str, User]) -> None:
    worker = worker_of()
    worker.job = stored_job(owner=people["other"], name="Secret <b>plan", status=Status.RUNNING)
    worker.save()
    stored_job(owner=people["owner"])
    page = client_of(people["superuser"]).get(SYSTEM).content.decode()
    assert "Secret &lt;b&gt;plan" in page
    for word in ("Storage", "Browser of this machine", "django-q2", "1 alive, 1 busy", "Drain all"):
        assert word in page
    mine = client_of(people["owner"]).get(SYSTEM).content.decode()
    assert "Secret" not in mine
    assert "a job of somebody else" in mine
    assert "Drain all" not in mine
    assert "Secret" not in client_of(people["owner"]).get("/admin/jobs/worker/").content.decode()
    live = client_of(people["owner"]).get(f"{SYSTEM}?live").content.decode()
    assert "1 alive, 1 busy" in live
    assert "Versions" not in live


def test_draining_and_resuming(people: dict[str, User]) -> None:
    worker = worker_of()
    client = client_of(people["superuser"])
    drained = client.post("/admin/system/drain/", {"worker": worker.pk}, follow=True)
    page = drained.content.decode()
    assert "takes no more" in page
    assert "Draining" in page
    drain = Drain.objects.get()
    again = client.post("/admin/system/drain/", {"worker": worker.pk}, follow=True)
    assert "draining already" in again.content.decode()
    client.post("/admin/system/resume/", {"drain": drain.pk})
    assert not Drain.objects.exists()
    client.post("/admin/system/drain/", {"queue": "default", "host": "host"})
    whole = Drain.objects.get()
    assert (whole.queue, whole.host, whole.worker) == ("default", "host", "")
    bad = client.post("/admin/system/drain/", {"queue": "none"}, follow=True)
    assert "queue" in bad.content.decode()
    operator = client_of(people["owner"])
    refused = operator.post("/admin/system/resume/", {"drain": whole.pk})
    assert refused.status_code == 403
    assert operator.post("/admin/system/drain/", {"worker": worker.pk}).status_code == 403
    assert "drain_workers" not in operator.get("/admin/jobs/worker/").content.decode()
    assert Drain.objects.count() == 1


@pytest.mark.parametrize("path", [SYSTEM, "/admin/jobs/worker/"])
def test_it_costs_the_same_however_many_workers(people: dict[str, User], path: str) -> None:
    client = client_of(people["superuser"])

    def cost() -> int:
        with CaptureQueriesContext(connection) as queries:
            assert client.get(path).status_code == 200
        return len(queries)

    def add(count: int) -> None:
        for _ in range(count):
            worker = worker_of(number=Worker.objects.count())
            worker.job = stored_job(owner=people["owner"], status=Status.RUNNING)
            worker.save()

    add(1)
    cost()  # versions are read once for each process
    one = cost()
    add(20)
    assert cost() == one


def test_a_paused_schedule_is_named_on_the_dashboard(people: dict[str, User]) -> None:
    schedule = schedules.save(
        name="Nightly",
        kind="test.noop",
        options={},
        cron_expression="0 3 * * *",
        by=people["owner"],
    )
    schedules.pause(schedule=schedule, by=people["owner"])

    def said(who: str) -> list[str]:
        notes = dashboard.overview(people[who], now=timezone.now())["attention"]
        return [note["text"] for note in notes if note["level"] == "info"]

    assert said("owner") == said("superuser") == ["Paused schedule: Nightly."]
    assert said("other") == []
