"""The start page's figures: what they count, on either database, and what they cost."""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from jobs import console, dashboard
from jobs.models import Job, Status, Worker
from tests.jobs.conftest import stored_job


def job_of(owner: User, at: datetime, number: int = 1, **fields: Any) -> Job:
    """A job that was queued at `at`."""
    key = UUID(int=console.id_at(at).int | number)
    return stored_job(owner=owner, id=key, created_at=at, **fields)


def alive(queue: str) -> Worker:
    now = timezone.now()
    return Worker.objects.create(
        name=f"host/{queue}", queue=queue, host="host", pid=1, started_at=now, seen_at=now
    )


def test_the_chart_counts_each_hour_by_state(database: str, owner: User) -> None:
    now = datetime.fromisoformat("2026-11-25T10:20:00Z")
    job_of(owner, now - timedelta(minutes=5), status=Status.RUNNING)
    job_of(owner, now - timedelta(hours=2), 1, status=Status.FAILED)
    job_of(owner, now - timedelta(hours=2), 2, status=Status.SUCCEEDED)
    job_of(owner, now - timedelta(hours=2), 3, status=Status.SUCCEEDED)
    job_of(owner, now - timedelta(hours=23, minutes=20), status=Status.CANCELLED)
    job_of(owner, now - timedelta(hours=23, minutes=21), status=Status.CANCELLED)
    hours = dashboard.chart(owner, now=now)["hours"]
    assert [hour["at"] for hour in (hours[0], hours[-1])] == [
        "2026-11-24T11:00:00.000Z",
        "2026-11-25T10:00:00.000Z",
    ]
    none = dict.fromkeys((str(status) for status in Status), 0)
    found = [{name: hour[name] for name in none} for hour in hours]
    assert found[-1] == {**none, "running": 1}
    assert found[-3] == {**none, "failed": 1, "succeeded": 2}
    assert found[0] == {**none, "cancelled": 1}
    assert all(hour == none for hour in found[1:-3])


def test_the_chart_counts_what_one_may_see_and_up_to_the_cap(
    people: dict[str, User], monkeypatch: pytest.MonkeyPatch
) -> None:
    now = timezone.now()
    for number in range(4):
        job_of(people["owner"], now, number)
    job_of(people["other"], now, 9)
    assert dashboard.chart(people["owner"], now=now)["hours"][-1]["queued"] == 4
    assert dashboard.chart(people["superuser"], now=now)["hours"][-1]["queued"] == 5
    monkeypatch.setattr(dashboard, "BUCKET_CAP", 3)
    assert dashboard.chart(people["superuser"], now=now)["hours"][-1]["queued"] == 3


@pytest.mark.django_db
def test_what_needs_attention_is_named_with_the_way_to_it(people: dict[str, User]) -> None:
    now = timezone.now()
    for number in range(3):
        job_of(people["owner"], now, number, status=Status.FAILED, reason="timed_out")
    job_of(people["owner"], now, 9, status=Status.FAILED, reason="too_<b>blue")
    job_of(people["owner"], now - timedelta(hours=1), queue="default")
    alive("default")
    notes = dashboard.overview(people["owner"], now=timezone.now())["attention"]
    said = [note["text"] for note in notes]
    assert said == [
        "No worker serves the queue browser, so its jobs do not start.",
        "The queue default is behind: a job has been waiting for 1 h.",
        "test.noop failed 3 times in 24 hours: The job ran longer than it may.",
        "test.noop failed 1 time in 24 hours: Too <b>blue.",
    ]
    client = Client()
    client.force_login(people["owner"])
    for note in notes:
        assert client.get(note["url"]).status_code == 200
    page = client.get("/admin/").content.decode()
    assert "<b>blue" not in page
    live = client.get("/admin/jobs/job/overview/")
    assert [note["text"] for note in live.json()["attention"]] == said


@pytest.mark.django_db
def test_a_worker_shows_its_job_to_whom_may_see_it(people: dict[str, User]) -> None:
    job = stored_job(owner=people["other"], name="Secret plan", status=Status.RUNNING)
    worker = alive("default")
    worker.job = job
    worker.save()
    mine = dashboard.overview(people["owner"], now=timezone.now())
    assert [row["busy"] for row in mine["workers"]] == [True]
    assert "Secret plan" not in json.dumps(mine)
    assert "Secret plan" in json.dumps(dashboard.overview(people["other"], now=timezone.now()))


@pytest.mark.django_db
def test_the_dashboard_costs_the_same_however_much_there_is(people: dict[str, User]) -> None:
    client = Client()
    client.force_login(people["superuser"])

    def cost() -> int:
        with CaptureQueriesContext(connection) as queries:
            assert client.get("/admin/").status_code == 200
        return len(queries)

    for status in Status:
        stored_job(owner=people["owner"], status=status)
    alive("default")
    one = cost()
    for _ in range(10):
        for status in Status:
            stored_job(owner=people["owner"], status=status)
    alive("browser")
    assert cost() == one
