"""The console of jobs: who sees what, what pages cost, and what they carry."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from jobs import console, registry
from jobs.models import Attempt, Job, Status
from jobs.secrets import seal
from tests.jobs.conftest import stored_artifact, stored_job

pytestmark = pytest.mark.django_db

LIST = "/admin/jobs/job/"


def client_of(user: User) -> Client:
    client = Client()
    client.force_login(user)
    return client


def test_an_empty_dashboard_says_what_to_do_next(people: dict[str, User]) -> None:
    page = client_of(people["owner"]).get("/admin/").content.decode()
    assert "Record your first flow" in page
    assert console.recording_url() is not None
    assert f'href="{console.recording_url()}"' in page
    assert "No worker serves the queue default" in page


def test_the_dashboard_counts_what_one_may_see(people: dict[str, User]) -> None:
    for status in (Status.QUEUED, Status.QUEUED, Status.RUNNING, Status.FAILED):
        stored_job(owner=people["owner"], status=status)
    stored_job(owner=people["other"], status=Status.QUEUED)

    def figures(who: str) -> dict[str, object]:
        return console.summary(people[who], now=timezone.now())

    assert (figures("owner")["queued"], figures("superuser")["queued"]) == ("2", "3")
    assert figures("owner")["failedToday"] == "1"
    page = client_of(people["owner"]).get("/admin/").content.decode()
    assert '<strong data-figure="queued">2</strong>' in page
    answer = client_of(people["owner"]).get("/api/jobs/summary").json()
    assert answer == {
        "queued": "2",
        "running": "1",
        "failedToday": "1",
        "workers": 0,
        "workersBusy": 0,
    }


def test_counts_stop_at_the_cap(people: dict[str, User], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(console, "CAP", 2)
    monkeypatch.setattr(console.CappedPaginator, "cap", 2)
    for _ in range(4):
        stored_job(owner=people["owner"])
    assert console.summary(people["owner"], now=timezone.now())["queued"] == "2+"
    assert "2+ jobs" in client_of(people["owner"]).get(LIST).content.decode()


@pytest.mark.parametrize("path", ["/admin/", LIST, f"{LIST}{{id}}/change/", "/admin/jobs/worker/"])
def test_pages_refuse_whom_they_must(people: dict[str, User], path: str) -> None:
    job = stored_job(owner=people["owner"])
    url = path.format(id=job.pk)
    assert Client().get(url).status_code == 302
    assert client_of(people["nobody"]).get(url).status_code == 302
    assert client_of(people["owner"]).get(url).status_code == 200
    assert client_of(people["superuser"]).get(url).status_code == 200
    if "{id}" in path:
        assert client_of(people["other"]).get(url).status_code == 404


def test_the_list_is_scoped_filtered_and_searched(people: dict[str, User]) -> None:
    job = stored_job(owner=people["owner"], name="Checkout", status=Status.FAILED)
    stored_job(owner=people["owner"], name="Login")
    stored_job(owner=people["other"], name="Theirs")
    client = client_of(people["owner"])

    def names(query: str) -> list[str]:
        page = client.get(f"{LIST}{query}").content.decode()
        return re.findall(r'<span class="td-strong">(\w+)</span>', page)

    assert names("") == ["Login", "Checkout"]
    assert names("?status__exact=failed") == ["Checkout"]
    assert names("?q=log") == ["Login"]
    assert names(f"?q={job.pk}") == ["Checkout"]
    assert "No job matches" in client.get(f"{LIST}?q=zzz").content.decode()


def test_an_empty_list_explains_itself(people: dict[str, User]) -> None:
    assert "No jobs yet" in client_of(people["owner"]).get(LIST).content.decode()


def test_the_list_costs_the_same_however_long(people: dict[str, User]) -> None:
    client = client_of(people["superuser"])

    def cost() -> int:
        with CaptureQueriesContext(connection) as queries:
            assert client.get(LIST).status_code == 200
        return len(queries)

    stored_job(owner=people["owner"])
    one = cost()
    for _ in range(49):
        stored_job(owner=people["owner"])
    assert cost() == one


def test_a_job_page_tells_all_and_masks_secrets(people: dict[str, User]) -> None:
    parent = stored_job(owner=people["owner"], name="The parent")
    job = stored_job(
        owner=people["owner"],
        status=Status.FAILED,
        reason="timed_out",
        error="<script>alert(1)</script>",
        options={"url": "http://x/", "http": {"password": seal("hunter2")}},
        result={"steps": 3},
        parent=parent,
    )
    Attempt.objects.create(
        job=job, number=1, worker="host/1", started_at=timezone.now(), outcome="timed_out"
    )
    stored_artifact(job, path="trace.zip", body=b"zip", content_type="application/zip")
    page = client_of(people["owner"]).get(f"{LIST}{job.pk}/change/").content.decode()
    assert "The job ran longer than it may." in page
    assert "The parent" in page
    assert '"password": "\\u2022' in page  # the dots, as JSON spells them
    assert "hunter2" not in page
    assert "$sealed" not in page
    assert "<script>alert" not in page
    assert '"outcome": "timed_out"' in page
    assert f"/api/jobs/{job.pk}/artifacts/trace.zip" in page


def test_rows_are_read_only(people: dict[str, User]) -> None:
    job = stored_job(owner=people["superuser"])
    client = client_of(people["superuser"])
    assert client.post(f"{LIST}{job.pk}/change/", {"name": "Other"}).status_code == 405
    assert client.get(f"{LIST}add/").status_code == 403
    assert client.post(f"{LIST}{job.pk}/delete/", {"post": "yes"}).status_code == 403
    assert Job.objects.get(pk=job.pk).name == "A job"


def test_a_job_links_to_the_page_of_its_kind(
    people: dict[str, User], monkeypatch: pytest.MonkeyPatch
) -> None:
    client = client_of(people["owner"])
    job, plain = stored_job(owner=people["owner"]), stored_job(owner=people["owner"], name="plain")
    unknown = stored_job(owner=people["owner"], kind="test.of_an_earlier_version")
    kind = replace(
        registry.get("test.noop"),
        page=lambda one: "" if one.name == "plain" else f"/shelf/{one.pk}?a&b",
        page_label="Its shelf",
    )
    monkeypatch.setitem(registry._kinds, kind.name, kind)

    def page_of(one: Job) -> str:
        return client.get(f"{LIST}{one.pk}/change/").content.decode()

    assert f'href="/shelf/{job.pk}?a&amp;b"' in page_of(job)
    assert "Its shelf" in page_of(job)
    assert "Its shelf" not in page_of(plain)
    assert "Its shelf" not in page_of(unknown)


def test_cancelling_in_bulk_asks_then_says_what_happened(people: dict[str, User]) -> None:
    waiting = stored_job(owner=people["owner"])
    running = stored_job(owner=people["owner"], status=Status.RUNNING)
    ended = stored_job(owner=people["owner"], status=Status.FAILED)
    theirs = stored_job(owner=people["other"])
    client = client_of(people["owner"])
    chosen = {
        "action": "cancel_selected",
        "_selected_action": [str(job.pk) for job in (waiting, running, ended, theirs)],
    }
    asked = client.post(LIST, chosen).content.decode()
    assert "Cancel 2 jobs?" in asked
    assert Job.objects.get(pk=waiting.pk).status == Status.QUEUED
    done = client.post(LIST, {**chosen, "confirmed": "yes", "reason": "wrong site"}, follow=True)
    assert "1 cancelled, 1 asked to stop, 1 already ended" in done.content.decode()
    assert f'href="{LIST}?status__exact=cancelled">Show cancelled jobs</a>' in done.content.decode()
    assert Job.objects.get(pk=waiting.pk).cancel_reason == "wrong site"
    assert Job.objects.get(pk=running.pk).cancel_requested_at is not None
    assert Job.objects.get(pk=theirs.pk).status == Status.QUEUED


def test_only_the_admin_may_evaluate_and_nothing_comes_from_elsewhere(
    people: dict[str, User],
) -> None:
    job = stored_job(owner=people["owner"])
    client = client_of(people["owner"])
    for url in ("/admin/", LIST, f"{LIST}{job.pk}/change/", "/admin/login/"):
        response = client.get(url)
        policy = response.headers.get("Content-Security-Policy", "")
        assert "'unsafe-eval'" in policy
        script = next(part for part in policy.split(";") if part.strip().startswith("script-src"))
        assert "'unsafe-inline'" not in script
        page = response.content.decode()
        assert not re.findall(r'(?:src|href)="(?:https?:)?//', page)
        assert not re.findall(r"<script(?![^>]*(?:src=|application/json))", page)
    api = client.get("/api/jobs").headers["Content-Security-Policy"]
    assert "unsafe" not in api
    assert "default-src 'none'" in api
