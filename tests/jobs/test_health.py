"""Live and ready: what each check says of a real installation, and who learns how much."""

from __future__ import annotations

import os
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.db.migrations.recorder import MigrationRecorder
from django.test import Client
from django.utils import timezone

from jobs import health, system
from jobs.api import health as views
from jobs.browser import find_chromium, sandbox_for
from tests.factories import ArtifactFactory, WorkerFactory
from tests.fixtures.jobs import Cluster, wait_for
from tests.jobs.conftest import stored_job


@pytest.fixture(autouse=True)
def _asked_anew() -> None:
    views._kept.clear()


def _check(name: str) -> health.Check:
    [found] = health.checks([name])
    return found


def test_a_whole_installation_is_ready(
    database: str, cluster: Callable[..., Cluster], settings: Any
) -> None:
    settings.QUEUES = {"default": 1}
    running = cluster(workers=1)
    wait_for(lambda: any(worker.alive for worker in system.workers()))
    found = health.checks()
    assert [check.name for check in found] == list(health.CHECKS)
    assert {check.name: check.status for check in found if check.name != "browser"} == {
        name: "ok" for name in health.CHECKS if name != "browser"
    }, found
    assert not any(check.todo for check in found if check.status == "ok")
    facts = system.facts()
    assert [(each.queue, each.alive, each.here) for each in facts.clusters] == [
        ("default", 1, True)
    ]
    assert facts.queues[0].workers_alive == 1
    assert facts.database == connection.vendor
    running.stop()
    assert _check("workers").status == "fail"


def test_queues_and_their_age_are_told(database: str, owner: User, settings: Any) -> None:
    long_ago = timezone.now() - timedelta(hours=1)
    stored_job(owner=owner, created_at=long_ago)
    stored_job(owner=owner, run_after=timezone.now() + timedelta(hours=1))
    stored_job(owner=owner, run_after=timezone.now() - timedelta(minutes=1), kind="other")
    stored_job(owner=owner, status="running")
    [default, browser] = system.queues()
    assert (default.ready, default.delayed, default.running) == (2, 1, 1)
    assert default.oldest_age_s == pytest.approx(3600, abs=60)
    assert (browser.ready, browser.oldest_age_s) == (0, None)
    by_kind = {row["kind"]: row for row in system.waiting_by_kind()}
    assert by_kind["other"]["oldest_age_s"] == pytest.approx(60, abs=30)
    check = _check("queues")
    assert check.status == "warn"
    assert "the oldest for 36" in check.detail
    settings.QUEUE_WARN_S = 7200
    assert _check("queues").status == "ok"


@pytest.mark.django_db
def test_a_missing_migration_is_named() -> None:
    assert _check("migrations").status == "ok"
    MigrationRecorder(connection).record_unapplied("jobs", "0001_initial")
    check = _check("migrations")
    assert check.status == "fail"
    assert "jobs.0001_initial" in check.detail
    assert "migrate" in check.todo


@pytest.mark.django_db
def test_storage_that_can_not_be_written_is_told(settings: Any, tmp_path: Path) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("no folder")
    settings.STORAGES = {
        **settings.STORAGES,
        "default": {
            "BACKEND": "django.core.files.storage.FileSystemStorage",
            "OPTIONS": {"location": str(blocked)},
        },
    }
    check = _check("storage")
    assert check.status == "fail"
    assert check.todo


@pytest.mark.django_db
def test_storage_warns_before_the_quota_is_full(settings: Any) -> None:
    ArtifactFactory(size_bytes=950 * 1024)
    settings.ARTIFACT_QUOTA_MB = 1
    check = _check("storage")
    assert check.status == "warn"
    assert "93 %" in check.detail
    settings.ARTIFACT_QUOTA_MB = 2
    assert _check("storage").status == "ok"
    settings.DISK_WARN_MB = 10**9
    assert "MB are free" in _check("storage").detail


@pytest.mark.django_db
def test_s3_is_written_and_read(s3_bucket: Any) -> None:
    check = _check("storage")
    assert check.status == "ok"
    assert "S3 bucket artifacts" in check.detail
    assert list(s3_bucket.objects.all()) == []


@pytest.mark.django_db
def test_redis_is_asked_where_it_is_used(redis_url: str, settings: Any) -> None:
    assert "Not used" in _check("redis").detail
    settings.REDIS_URL = redis_url
    assert _check("redis").status == "ok"
    settings.REDIS_URL = "redis://127.0.0.1:1/0"
    check = _check("redis")
    assert check.status == "fail"
    assert "REDIS_URL" in check.todo


@pytest.mark.django_db
def test_a_browser_that_is_missing_fails_where_browser_jobs_run(
    settings: Any, tmp_path: Path
) -> None:
    settings.CHROMIUM_PATH = str(tmp_path / "none")
    assert _check("browser").status == "fail"
    WorkerFactory(queue="browser", host="elsewhere")
    check = _check("browser")
    assert check.status == "warn"
    assert "other machine" in check.detail


@pytest.mark.django_db
def test_a_browser_without_its_sandbox_is_to_be_looked_at() -> None:
    """Whether it has one depends on who runs the tests; the check says what is so."""
    check = _check("browser")
    on = sandbox_for(browser=find_chromium()).on
    assert check.status == ("ok" if on else "warn")
    assert ("sandbox on" if on else "sandbox off") in check.detail
    assert bool(check.todo) is not on


@pytest.mark.django_db
def test_silent_workers_do_not_count() -> None:
    WorkerFactory(queue="default")
    WorkerFactory(queue="browser", seen_at=timezone.now() - timedelta(minutes=5))
    check = _check("workers")
    assert check.status == "fail"
    assert "Nobody serves: browser" in check.detail


@pytest.mark.django_db
def test_everybody_learns_the_state_and_operators_the_details(client: Client) -> None:
    operator = User.objects.create_user("alice", is_staff=True)
    far = {"REMOTE_ADDR": "192.0.2.7"}
    answer = client.get("/api/health/ready", **far)
    assert answer.status_code == 503  # nobody serves the queues here
    assert answer["Cache-Control"] == "no-store"
    body = answer.json()
    assert (body["ready"], body["status"], body["code"]) == (False, 503, "not_ready")
    assert answer["Content-Type"] == "application/problem+json"
    assert all(set(check) == {"name", "status"} for check in body["checks"])
    client.force_login(operator)
    checks = client.get("/api/health/ready/", **far).json()["checks"]
    assert {"name", "status", "detail", "whatToDo", "tookMs"} == set(checks[0])


@pytest.mark.django_db
def test_details_by_token_or_from_this_machine_but_not_through_a_proxy(
    client: Client, settings: Any
) -> None:
    def whole(**extra: str) -> bool:
        answer = client.get("/api/health/ready?checks=database", **extra)
        assert answer.status_code == 200
        return "detail" in answer.json()["checks"][0]

    far = "192.0.2.7"
    assert whole(REMOTE_ADDR="127.0.0.1")
    assert not whole(REMOTE_ADDR="127.0.0.1", HTTP_X_FORWARDED_FOR="127.0.0.1")
    assert not whole(REMOTE_ADDR=far, HTTP_AUTHORIZATION="Bearer ")
    settings.METRICS_TOKEN = "long and secret"
    assert whole(REMOTE_ADDR=far, HTTP_AUTHORIZATION="Bearer long and secret")
    assert not whole(REMOTE_ADDR=far, HTTP_AUTHORIZATION="Bearer other")


@pytest.mark.django_db
def test_one_check_alone_and_an_unknown_one(client: Client) -> None:
    answer = client.get("/api/health/ready?checks=database,migrations")
    assert answer.status_code == 200
    assert [check["name"] for check in answer.json()["checks"]] == ["database", "migrations"]
    wrong = client.get("/api/health/ready?checks=databse")
    assert wrong.status_code == 400
    assert "Known: database" in wrong.json()["errors"]["checks"][0]
    assert client.post("/api/health/live").status_code == 405


def test_a_process_without_its_database_is_live_and_not_ready(
    tmp_path: Path, settings: Any, db: None
) -> None:
    """A PostgreSQL address where nobody listens."""
    import subprocess
    import sys

    code = (
        "import django; django.setup()\n"
        "from django.test import Client\n"
        "client = Client()\n"
        "print(client.get('/api/health/live').status_code)\n"
        "answer = client.get('/api/health/ready')\n"
        "print(answer.status_code, answer.json()['checks'][0]['detail'][:30])\n"
        "print({check['status'] for check in answer.json()['checks'] if check['name'] == 'workers'})\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=True,
        env={
            **os.environ,
            "DJANGO_SETTINGS_MODULE": "config.settings",
            "DATA_DIR": str(tmp_path),
            "DATABASE_URL": "postgresql://nobody@127.0.0.1:1/none",
            "ALLOWED_HOSTS": "testserver",
        },
    )
    assert done.stdout.splitlines() == ["200", "503 The database does not answer: ", "{'fail'}"]
