"""/metrics: figures that any process gives alike, and each process's own; who may read them."""

from __future__ import annotations

import asyncio
import os
import re
import signal
from datetime import timedelta
from threading import Barrier, Thread
from typing import Any

import httpx
import pytest
import websockets
from django.contrib.auth.models import User
from django.db import connections, transaction
from django.db.models.expressions import RawSQL
from django.test import Client
from django.utils import timezone

from jobs import metrics, services, tallies
from jobs.models import Job, Schedule, Tally, TallyMark
from jobs.queue.clock import now_sql
from tests.factories import ArtifactFactory, ScheduleFactory, WorkerFactory
from tests.fixtures.jobs import RunJob, wait_for
from tests.fixtures.web import Web
from tests.jobs.conftest import bearer, stored_job


@pytest.fixture(autouse=True)
def _sum_anew() -> None:
    metrics._storage_kept.clear()


def _read(text: str) -> dict[str, float]:
    """Series → value."""
    lines = [line for line in text.splitlines() if line and not line.startswith("#")]
    return {line.rpartition(" ")[0]: float(line.rpartition(" ")[2]) for line in lines}


def _scrape() -> dict[str, float]:
    answer = Client().get("/metrics")
    assert answer.status_code == 200
    return _read(answer.content.decode())


def test_what_ended_is_counted_once_by_whoever_counts(
    database: str, owner: User, run_job: RunJob
) -> None:
    run_job("test.noop")
    run_job("test.recovers")
    run_job("test.refuses")
    services.cancel(job=services.submit(kind="test.noop", options={}, by=owner), by=owner)
    together = Barrier(3)

    def count() -> None:
        try:
            together.wait()
            tallies.count()
        finally:
            connections.close_all()

    threads = [Thread(target=count) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    wait_for(lambda: Tally.objects.filter(what="job").count() == 4 or tallies.count())
    found = _scrape()
    assert found['tapedeck_jobs_ended_total{kind="test.noop",status="succeeded"}'] == 1
    assert found['tapedeck_jobs_ended_total{kind="test.noop",status="cancelled"}'] == 1
    assert found['tapedeck_jobs_ended_total{kind="test.refuses",status="failed"}'] == 1
    assert found['tapedeck_attempts_ended_total{kind="test.recovers",outcome="failed"}'] == 1
    assert found['tapedeck_attempts_ended_total{kind="test.recovers",outcome="succeeded"}'] == 1
    assert found['tapedeck_retries_total{kind="test.recovers"}'] == 1
    assert found['tapedeck_attempt_duration_seconds_count{kind="test.recovers"}'] == 2
    assert found['tapedeck_attempt_duration_seconds_bucket{kind="test.noop",le="+Inf"}'] == 1
    assert found["tapedeck_database_up"] == 1
    Job.objects.all().delete()
    again = _scrape()
    assert again['tapedeck_jobs_ended_total{kind="test.noop",status="succeeded"}'] == 1


def test_an_end_that_commits_late_is_counted_all_the_same(
    database: str, owner: User, request: pytest.FixtureRequest
) -> None:
    """Written before the count, committed after it: the mark must not have passed it by."""
    if database.startswith("sqlite"):
        return  # there is one writer at a time: no count can run meanwhile
    job = stored_job(owner=owner, status="running")
    written, counted = Barrier(2), Barrier(2)

    def end() -> None:
        try:
            with transaction.atomic():
                Job.objects.filter(pk=job.pk).update(
                    status="succeeded", finished_at=RawSQL(now_sql(), []), lease_until=None
                )
                written.wait()
                counted.wait()
        finally:
            connections.close_all()

    thread = Thread(target=end)
    thread.start()
    written.wait()
    tallies.count()
    tallies.count()
    assert not Tally.objects.filter(count__gt=0).exists()
    counted.wait()
    thread.join()
    wait_for(lambda: Tally.objects.filter(count=1).exists() or tallies.count())
    assert TallyMark.objects.get(what="job").up_to is not None


def test_a_count_that_is_killed_has_counted_nothing(database: str, owner: User) -> None:
    stored_job(owner=owner, status="succeeded")
    Job.objects.update(finished_at=timezone.now() - timedelta(seconds=5))
    connections.close_all()
    pid = os.fork()
    if pid == 0:
        try:
            with transaction.atomic():
                tallies.count()
                os.kill(os.getpid(), signal.SIGKILL)
        finally:
            os._exit(1)
    os.waitpid(pid, 0)
    assert Tally.objects.count() == 0
    tallies.count()
    assert Tally.objects.get().count == 1


def test_queues_workers_storage_and_schedules(database: str, owner: User) -> None:
    long_ago = timezone.now() - timedelta(minutes=10)
    stored_job(owner=owner, created_at=long_ago)
    stored_job(owner=owner, run_after=timezone.now() + timedelta(hours=1))
    stored_job(owner=owner, status="running", kind="test.sleeps")
    WorkerFactory(job=Job.objects.get(status="running"))
    WorkerFactory(queue="browser", seen_at=long_ago)
    ArtifactFactory(job=Job.objects.get(status="running"), size_bytes=123)
    late = ScheduleFactory()
    Schedule.objects.filter(pk=late.pk).update(next_at=long_ago)
    found = _scrape()
    series = {re.sub(r"[{}]", " ", name): value for name, value in found.items()}
    assert series['tapedeck_queue_depth kind="test.noop",queue="default",state="ready" '] == 1
    assert series['tapedeck_queue_depth kind="test.noop",queue="default",state="delayed" '] == 1
    assert series['tapedeck_queue_depth kind="",queue="browser",state="ready" '] == 0
    assert series[
        'tapedeck_queue_oldest_age_seconds kind="test.noop",queue="default" '
    ] == pytest.approx(600, abs=60)
    assert series['tapedeck_jobs_running kind="test.sleeps",queue="default" '] == 1
    assert series['tapedeck_workers queue="default",state="busy" '] == 1
    assert series['tapedeck_workers queue="browser",state="silent" '] == 1
    assert (found["tapedeck_artifacts"], found["tapedeck_artifact_bytes"]) == (1, 123)
    assert found['tapedeck_schedules{state="active"}'] == 1
    assert found["tapedeck_schedule_overdue_seconds"] == pytest.approx(600, abs=60)


@pytest.mark.django_db
def test_requests_are_measured_by_route_and_not_by_path(client: Client, owner: User) -> None:
    client.force_login(owner)
    name = 'tapedeck_request_duration_seconds_count{method="GET",route="api-job",status="404"}'
    before = _scrape().get(name, 0)
    client.get("/api/jobs/one")
    client.get("/api/jobs/two")
    found = _scrape()
    assert found[name] == before + 2
    assert not any("/api/jobs/one" in series for series in found)


@pytest.mark.django_db
def test_who_may_scrape(client: Client, owner: User, settings: Any) -> None:
    far = {"REMOTE_ADDR": "192.0.2.7"}
    refused = client.get("/metrics", **far)
    assert refused.status_code == 403
    assert "METRICS_TOKEN" in refused.content.decode()
    client.force_login(owner)
    assert client.get("/metrics", **far).status_code == 403
    assert client.get("/metrics", HTTP_X_FORWARDED_FOR="192.0.2.7").status_code == 403
    assert client.get("/metrics/").status_code == 200
    settings.METRICS_TOKEN = "long and secret"
    assert (
        client.get("/metrics", HTTP_AUTHORIZATION="Bearer long and secret", **far).status_code
        == 200
    )
    assert client.get("/metrics", HTTP_AUTHORIZATION="Bearer wrong", **far).status_code == 403
    assert client.post("/metrics").status_code == 405


async def _watch(web: Web, owner: User, job_id: str) -> dict[str, float]:
    url = f"{web.url.replace('http', 'ws')}/ws/jobs/?job={job_id}"
    headers = {"Authorization": bearer(owner)}
    async with websockets.connect(url, additional_headers=headers) as socket:
        await socket.recv()
        async with httpx.AsyncClient() as http:
            found = _read((await http.get(f"{web.url}/metrics")).text)
            cancel = f"{web.url}/api/jobs/{job_id}/cancel"
            await http.post(cancel, headers=headers, json={})
            await socket.recv()
        return found


def test_a_process_tells_its_websockets_and_the_lag_of_events(
    database: str, owner: User, web: Web
) -> None:
    job = services.submit(kind="test.noop", options={}, by=owner)
    open_now = asyncio.run(_watch(web, owner, str(job.pk)))
    assert open_now['tapedeck_websocket_clients{socket="jobs"}'] == 1
    url = f"{web.url}/metrics"
    wait_for(lambda: _read(httpx.get(url).text)['tapedeck_websocket_clients{socket="jobs"}'] == 0)
    assert _read(httpx.get(url).text)["tapedeck_event_lag_seconds_count"] >= 1
