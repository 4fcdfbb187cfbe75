"""The console's pages of sources: what they show, to whom, and what their buttons do."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from ingestion.admin.verbs import VERBS
from ingestion.models import Source, SourceDocument
from jobs.models import Job
from jobs.secrets import unseal
from tests import factories
from tests.ingestion import scripted

pytestmark = pytest.mark.django_db
LIST = "/admin/ingestion/source/"
DOCUMENTS = "/admin/ingestion/sourcedocument/"


@pytest.fixture
def ann(db: None) -> User:
    return User.objects.create_user("ann", is_staff=True)


def client_of(user: User) -> Client:
    client = Client()
    client.force_login(user)
    return client


def text_of(client: Client, url: str) -> str:
    answer = client.get(url)
    assert answer.status_code == 200, url
    return answer.content.decode()


def test_empty_pages_say_what_is_next(ann: User) -> None:
    client = client_of(ann)
    assert "No sources yet" in text_of(client, LIST)
    assert "Nothing is indexed yet" in text_of(client, DOCUMENTS)
    picked = text_of(client, f"{LIST}add/")
    assert all(f'href="?kind={kind}"' in picked for kind in ("website", "documents"))
    assert client.get(f"{LIST}add/?kind=pigeon").status_code == 404


def test_a_source_is_tried_added_and_changed_by_its_form(ann: User, script: Path) -> None:
    client = client_of(ann)
    form = {"kind": "website", "option.script": str(script), "option.token": "s3cret"}
    tried = client.post(f"{LIST}add/", {**form, "test": "yes"}).content.decode()
    assert "The connection does not work" in tried
    assert tried.count("There is no such file.") == 2
    assert not Source.objects.exists()
    wrong = client.post(f"{LIST}add/", {**form, "option.script": "", "save": "yes"})
    assert (wrong.status_code, Source.objects.count()) == (400, 0)
    scripted.write(script, {})
    assert "The connection works" in client.post(f"{LIST}add/", {**form, "test": "yes"}).content.decode()  # fmt: skip
    made = client.post(f"{LIST}add/", {**form, "cron": "0 3 * * *", "sync": "yes"})
    source = Source.objects.get()
    assert made["Location"] == f"{LIST}{source.pk}/change/"
    assert source.schedule is not None
    assert source.sync_job is not None
    page = text_of(client, f"{LIST}{source.pk}/change/")
    assert "s3cret" not in page
    assert f'<source-sync job="{source.sync_job.pk}"' in page
    edit = f"{LIST}{source.pk}/edit/"
    assert "s3cret" not in text_of(client, edit)
    changed = {**form, "option.token": "", "name": "Help", "cron": "", "save": "yes"}
    assert client.post(edit, changed).status_code == 302
    source.refresh_from_db()
    assert (source.name, source.schedule) == ("Help", None)
    assert unseal(source.settings)["token"] == "s3cret"


def test_each_button_does_what_it_says(ann: User, script: Path) -> None:
    client = client_of(ann)
    scripted.write(script, {})
    source = factories.SourceFactory(owner=ann, settings={"script": str(script)})
    factories.SourceDocumentFactory(source=source, state="failed", problem_message="No way in.")

    def press(verb: str) -> str:
        answer = client.post(f"{LIST}{source.pk}/do/{verb}/", follow=True)
        assert answer.status_code == 200
        return answer.content.decode()

    shown = text_of(client, f"{LIST}{source.pk}/change/")
    assert "No way in." in shown
    assert all(VERBS[verb].word in shown for verb in VERBS if verb != "resume")
    for verb, mode in (("sync", "incremental"), ("failures", "failures"), ("full", "full")):
        press(verb)
        job = Job.objects.get()
        assert job.options["mode"] == mode
        assert "already" in press("sync")
        job.delete()
    assert "Resume" in press("pause")
    assert "Pause" in press("resume")
    assert "Removed 1 document." in press("empty")
    press("delete")
    assert not Source.objects.exists()
    assert client.post(f"{LIST}{source.pk}/do/sync/").status_code == 404


def test_a_document_shows_its_chunks_and_is_removed(ann: User) -> None:
    client = client_of(ann)
    document = factories.SourceDocumentFactory(
        source__owner=ann, url="http://127.0.0.1/help", state="indexed", n_chunks=1
    )
    factories.ChunkFactory(document=document, anchor="pay", text="<b>Pay</b> here.")
    factories.SourceTextFactory(document=document)
    page = text_of(client, f"{DOCUMENTS}{document.pk}/change/")
    assert 'href="http://127.0.0.1/help#pay"' in page
    assert "&lt;b&gt;Pay&lt;/b&gt; here." in page
    assert client.post(f"{DOCUMENTS}{document.pk}/remove/").status_code == 302
    assert not SourceDocument.objects.exists()


def test_nobody_sees_or_does_what_is_not_theirs(ann: User, script: Path) -> None:
    other = client_of(User.objects.create_user("bob", is_staff=True))
    document = factories.SourceDocumentFactory(source__owner=ann, source__settings={"token": "x"})
    source = document.source
    assert other.get(f"{LIST}{source.pk}/change/").status_code == 404
    assert other.get(f"{DOCUMENTS}{document.pk}/change/").status_code == 404
    assert other.post(f"{LIST}{source.pk}/do/delete/").status_code == 404
    Source.objects.update(shared=True)
    page = text_of(other, f"{LIST}{source.pk}/change/")
    assert "Sync now" not in page
    assert other.post(f"{LIST}{source.pk}/do/delete/").status_code == 403
    assert other.get(f"{LIST}{source.pk}/edit/").status_code == 403
    assert other.post(f"{DOCUMENTS}{document.pk}/remove/").status_code == 403
    assert Source.objects.filter(pk=source.pk).exists()


@pytest.mark.parametrize("url", [LIST, DOCUMENTS])
def test_lists_cost_the_same_however_long(ann: User, url: str) -> None:
    client = client_of(ann)
    factories.SourceDocumentFactory(source__owner=ann)

    def queries() -> int:
        with CaptureQueriesContext(connection) as found:
            text_of(client, url)
        return len(found)

    queries()
    one = queries()
    for _ in range(4):
        job: Any = factories.JobFactory(owner=ann)
        factories.SourceDocumentFactory(source__owner=ann, source__sync_job=job)
    assert queries() == one
