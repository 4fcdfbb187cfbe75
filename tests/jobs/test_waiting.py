"""Why a queued job waits, in words that are true."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.utils import timezone

from jobs.models import Job, Status, Worker
from jobs.waiting import why_waiting
from tests.jobs.conftest import stored_job

pytestmark = pytest.mark.django_db


def why(job: Job) -> list[str]:
    return why_waiting(job=job, now=timezone.now())


def serve(*, busy_with: Job | None = None) -> None:
    now = timezone.now()
    Worker.objects.create(
        name=f"host/{Worker.objects.count()}",
        queue="default",
        host="host",
        pid=1,
        started_at=now,
        seen_at=now,
        job=busy_with,
    )


def test_nobody_serves_its_queue(people: dict[str, User]) -> None:
    job = stored_job(owner=people["owner"])
    assert why(job) == ["No worker serves the queue default. Start Tapedeck's workers with ./run."]
    client = Client()
    client.force_login(people["owner"])
    assert client.get(f"/admin/jobs/job/{job.pk}/waiting/").json() == {"why": why(job)}
    assert "No worker serves" in client.get(f"/admin/jobs/job/{job.pk}/change/").content.decode()
    assert why(stored_job(owner=people["owner"], status=Status.FAILED)) == []


def test_its_time_has_not_come(people: dict[str, User]) -> None:
    serve()
    later = timezone.now() + timedelta(hours=2, seconds=30)
    (said,) = why(stored_job(owner=people["owner"], run_after=later))
    assert said.startswith("It is not to start before ")
    assert "(in 2 h)" in said
    again = stored_job(owner=people["owner"], run_after=later, reason="retrying", attempt=1)
    assert why(again)[0].startswith("Attempt 1 ended badly; the next one starts after ")


def test_others_come_first(people: dict[str, User]) -> None:
    serve()
    first = stored_job(owner=people["owner"])
    job = stored_job(owner=people["owner"])
    stored_job(owner=people["owner"], priority=5)
    stored_job(owner=people["owner"], run_after=timezone.now() + timedelta(hours=1))
    assert why(job) == ["Jobs before it in the queue default: 2."]
    Job.objects.exclude(pk=first.pk).delete()
    assert why(first) == ["A worker takes it in a moment."]
    running = stored_job(owner=people["owner"], status=Status.RUNNING)
    Worker.objects.update(job=running)
    assert why(first) == ["All workers of the queue default are busy (1)."]
