"""Pages beyond the counted ones, and the search box of the console's list."""

from __future__ import annotations

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test import Client

from jobs import deep_pages, search
from jobs.models import Job, Status
from tests.jobs.conftest import stored_job

pytestmark = pytest.mark.usefixtures("database")


@pytest.fixture
def console(owner: User) -> Client:
    client = Client()
    client.force_login(owner, backend="config.accounts.LockingBackend")
    return client


def test_every_job_is_on_some_page(
    owner: User, console: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(deep_pages.CappedPaginator, "cap", 100)
    for number in range(230):
        Job(
            kind="test.noop", name=f"job {number}.", owner=owner, created_at=owner.date_joined
        ).save()
    Job.objects.filter(name="job 7.").update(status=Status.FAILED, finished_at=owner.date_joined)
    counted = console.get("/admin/jobs/job/?p=2").content.decode()
    assert "100+" in counted
    assert "?p=3" in counted  # the way on
    deep = console.get("/admin/jobs/job/?p=5").content.decode()
    assert "job 29." in deep
    assert "job 0." in deep
    assert "job 30." not in deep
    beyond = console.get("/admin/jobs/job/?p=6")
    assert beyond.status_code == 302
    assert "job 7." in console.get("/admin/jobs/job/?status__exact=failed").content.decode()


def test_rows_are_selected_by_a_box_of_their_own(owner: User, console: Client) -> None:
    job = stored_job(owner=owner, name="<b>bold</b>")
    page = console.get("/admin/jobs/job/").content.decode()
    assert '<input type="checkbox" name="_selected_action"' in page
    assert f'value="{job.pk}"' in page
    assert "&lt;input" not in page
    assert "&lt;b&gt;bold" in page
    assert f'<a href="/admin/jobs/job/{job.pk}/change/' in page


def test_the_search_box_finds_words_of_names_and_errors(
    owner: User, console: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    stored_job(owner=owner, name="Оплата <b>заказа</b>", error="Broken pipe")
    stored_job(owner=owner, name="Another")

    def page(words: str) -> str:
        return console.get("/admin/jobs/job/", {"q": words}).content.decode()

    for words in ("оплата", "broken", "b заказа"):
        assert "Оплата &lt;b&gt;заказа" in page(words), words
    assert "Оплата" not in page('another" OR "оплата')
    assert "at most 200 characters" in page("x" * 201)
    monkeypatch.setattr(search, "CAP", 1)
    stored_job(owner=owner, name="Another")
    limited = page("another")
    assert ("More jobs match" in limited) == (connection.vendor == "sqlite")


def test_only_a_filtered_list_offers_to_show_all(owner: User, console: Client) -> None:
    stored_job(owner=owner, name="First")
    for page in ("/admin/jobs/job/", "/admin/jobs/kindpolicy/", "/admin/jobs/auditentry/"):
        assert "Show all" not in console.get(page).content.decode(), page
    assert "Show all" in console.get("/admin/jobs/job/?q=first").content.decode()
