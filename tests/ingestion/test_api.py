"""The API of sources: making, testing, syncing, looking, deleting; and whose is whose."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User
from rest_framework.test import APIClient

from ingestion import sources
from ingestion.api import shapes
from ingestion.dto import chunk_dto, document_dto, source_dto, tally
from ingestion.models import Source, SourceDocument
from jobs.models import AuditEntry, Job
from jobs.secrets import is_sealed, unseal
from tests import factories
from tests.ingestion import scripted
from tests.jobs.test_api import client_of

pytestmark = pytest.mark.django_db


@pytest.fixture
def alice(db: None) -> User:
    return User.objects.create_user("alice", is_staff=True)


@pytest.fixture
def bob(db: None) -> User:
    return User.objects.create_user("bob", is_staff=True)


@pytest.fixture
def client(alice: User) -> APIClient:
    return client_of(alice)


def make(client: APIClient, script: Path, **more: Any) -> dict[str, Any]:
    body = {"kind": "website", "settings": {"script": str(script), "token": "s3cret"}, **more}
    answer = client.post("/api/sources", body, format="json")
    assert answer.status_code == 201, answer.json()
    found: dict[str, Any] = answer.json()
    return found


def test_a_source_is_made_changed_and_shown_without_its_secrets(
    client: APIClient, script: Path
) -> None:
    made = make(client, script)
    assert (made["name"], made["state"]) == ("Script script.json", "never")
    assert made["settings"] == {"script": str(script), "token": "••••••"}
    row = Source.objects.get()
    assert is_sealed(row.settings["token"])
    url = f"/api/sources/{row.pk}"
    Source.objects.update(cursor={"after": 3})
    same = {"name": "Help", "settings": {"token": "••••••"}}
    assert client.patch(url, same, format="json").json()["name"] == "Help"
    row.refresh_from_db()
    assert (unseal(row.settings)["token"], row.cursor) == ("s3cret", {"after": 3})
    moved = {"settings": {"script": "/elsewhere"}}
    assert client.patch(url, moved, format="json").status_code == 200
    row.refresh_from_db()
    assert unseal(row.settings) == {"script": "/elsewhere", "token": "s3cret"}
    # What it knew of the other place says nothing about this one.
    assert row.cursor == {}
    trail = AuditEntry.objects.filter(action__startswith="source.").order_by("id")
    assert [each.action for each in trail] == ["source.create", "source.change", "source.change"]
    assert "s3cret" not in str([each.data for each in trail])


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"kind": "website", "settings": {}}, "script"),
        ({"kind": "website", "settings": {"script": "x", "depth": 3}}, "depth"),
        ({"kind": "carrier pigeon", "settings": {}}, "kind"),
        ({"kind": "recordings", "settings": {}}, "kind"),
        ({"kind": "website", "settings": {"script": "x"}, "name": "a\nb"}, "name"),
        ({"kind": "website", "settings": {"script": "x"}, "nmae": "a"}, "nmae"),
        ({"kind": "documents", "settings": {"scope": "tagged"}}, "tags"),
    ],
)
def test_what_does_not_fit_is_named(
    client: APIClient, script: Path, body: dict[str, Any], field: str
) -> None:
    answer = client.post("/api/sources", body, format="json")
    assert answer.status_code == 400
    assert answer["Content-Type"] == "application/problem+json"
    assert list(answer.json()["errors"]) == [field]
    assert not Source.objects.exists()


def test_a_connection_is_tested_without_keeping_anything(client: APIClient, script: Path) -> None:
    body = {"kind": "website", "settings": {"script": str(script), "token": "t"}}
    report = client.post("/api/sources/test", body, format="json").json()
    assert report["ok"] is False
    assert report["problems"][0] == {
        "code": "no_file",
        "message": "There is no such file.",
        "field": "script",
    }
    scripted.write(script, {})
    made = make(client, script)
    # Its own secret is used, though nobody sent it.
    report = client.post(f"/api/sources/{made['id']}/test", {}, format="json").json()
    assert (report["ok"], report["facts"]) == (True, {"Token": "s3cret"})


def test_a_sync_is_queued_once(client: APIClient, script: Path) -> None:
    made = make(client, script)
    url = f"/api/sources/{made['id']}"
    answer = client.post(f"{url}/sync", {"mode": "full"}, format="json")
    assert answer.status_code == 202
    job = Job.objects.get(pk=answer.json()["jobId"])
    assert (job.kind, job.options["mode"]) == ("ingestion.sync", "full")
    assert answer["Location"] == f"/api/jobs/{job.pk}"
    again = client.post(f"{url}/sync", {}, format="json")
    assert (again.status_code, again.json()["code"]) == (409, "sync_running")
    assert str(job.pk) in again.json()["detail"]
    assert client.get(url).json()["state"] == "queued"
    Job.objects.filter(pk=job.pk).delete()
    assert client.post(f"{url}/pause").json()["state"] == "paused"
    refused = client.post(f"{url}/sync", {}, format="json")
    assert refused.json()["code"] == "source_paused"
    assert client.post(f"{url}/resume").json()["paused"] is False
    assert client.post(f"{url}/resume").json()["code"] == "source_not_paused"
    none = client.post(f"{url}/sync", {"mode": "failures"}, format="json")
    assert none.json()["code"] == "nothing_failed"


def test_a_schedule_syncs_the_source_by_itself(client: APIClient, script: Path) -> None:
    url = f"/api/sources/{make(client, script)['id']}"
    bad = client.put(f"{url}/schedule", {"cron": "every day"}, format="json")
    assert (bad.status_code, list(bad.json()["errors"])) == (400, ["cron"])
    body = {"cron": "30 6 * * MON-FRI", "timeZone": "Europe/Berlin"}
    shown = client.put(f"{url}/schedule", body, format="json").json()
    assert (shown["cron"], shown["timeZone"]) == ("30 6 * * MON-FRI", "Europe/Berlin")
    assert shown["nextSyncAt"]
    schedule = Source.objects.get().schedule
    assert schedule is not None
    assert schedule.kind == "ingestion.sync"
    assert client.delete(f"{url}/schedule").json()["cron"] == ""
    assert Source.objects.get().schedule is None


def test_the_ingest_routes_find_or_make_their_source(client: APIClient, script: Path) -> None:
    body = {"script": str(script), "mode": "full", "name": "Help"}
    first = client.post("/api/ingest/website", body, format="json")
    assert first.status_code == 202, first.json()
    busy = client.post("/api/ingest/website", body, format="json")
    assert busy.json()["code"] == "sync_running"
    Job.objects.all().delete()
    second = client.post(
        "/api/ingest/website", {"script": str(script), "token": "new"}, format="json"
    )
    assert second.json()["sourceId"] == first.json()["sourceId"]
    source = Source.objects.get()
    assert (source.name, unseal(source.settings)["token"]) == ("Help", "new")
    wrong = client.post("/api/ingest/website", {"maxDepht": 3}, format="json")
    assert list(wrong.json()["errors"]) == ["maxDepht", "script"]


def test_others_see_shared_sources_and_change_none(
    client: APIClient, bob: User, script: Path
) -> None:
    hidden, shared = make(client, script), make(client, script, shared=True, name="Ours")
    document = factories.SourceDocumentFactory(source_id=shared["id"])
    other = client_of(bob)
    assert [each["name"] for each in other.get("/api/sources").json()["results"]] == ["Ours"]
    seen = other.get(f"/api/sources/{shared['id']}").json()
    assert (seen["canChange"], seen["settings"]) == (False, {})
    assert other.get(f"/api/sources/{hidden['id']}").status_code == 404
    assert other.get(f"/api/vector/docs/{document.pk}").status_code == 200
    for method, path in (
        ("post", "/sync"),
        ("post", "/pause"),
        ("post", "/test"),
        ("patch", ""),
        ("delete", ""),
    ):
        url = f"/api/sources/{shared['id']}{path}"
        assert getattr(other, method)(url, {}, format="json").status_code == 403, url
        url = f"/api/sources/{hidden['id']}{path}"
        assert getattr(other, method)(url, {}, format="json").status_code == 404, url
    assert other.delete(f"/api/vector/docs/{document.pk}").status_code == 403
    assert other.delete(f"/api/vector/docs?source={shared['id']}").status_code == 403
    assert SourceDocument.objects.filter(pk=document.pk).exists()


def test_documents_are_listed_filtered_and_removed(
    client: APIClient, alice: User, script: Path
) -> None:
    source = Source.objects.get(pk=make(client, script)["id"])
    issue = factories.SourceDocumentFactory(source=source, kind="issue", title="Broken login")
    factories.SourceDocumentFactory(source=source, kind="attachment", parent=issue)
    failed = factories.SourceDocumentFactory(source=source, state="failed", problem_code="http_500")
    chunk = factories.ChunkFactory(document=issue)
    url = f"/api/sources/{source.pk}/documents"

    def listed(**query: str) -> list[str]:
        return [each["id"] for each in client.get(url, query).json()["results"]]

    assert len(listed()) == 3
    assert listed(state="failed") == [str(failed.pk)]
    assert listed(kind="issue", q="LOGIN") == [str(issue.pk)]
    assert client.get(url, {"status": "x"}).status_code == 400
    chunks = client.get(f"/api/vector/docs/{issue.pk}/chunks").json()["results"]
    assert [each["id"] for each in chunks] == [chunk.pk]
    assert client.delete(f"/api/vector/docs/{issue.pk}").json() == {"removed": 2}
    assert client.delete(f"/api/vector/docs?source={source.pk}").json() == {"removed": 1}
    assert client.delete("/api/vector/docs").status_code == 400
    assert client.delete(f"/api/sources/{source.pk}").status_code == 204
    assert client.get(f"/api/sources/{source.pk}").status_code == 404
    done = AuditEntry.objects.filter(action__startswith="source.", outcome="done")
    assert {each.action for each in done} >= {
        "source.delete",
        "source.delete_document",
        "source.empty",
    }


def test_lists_cost_the_same_however_long(
    client: APIClient, alice: User, django_assert_num_queries: Any
) -> None:
    factories.SourceFactory(owner=alice)
    client.get("/api/sources")
    from django.db import connection
    from django.test.utils import CaptureQueriesContext

    with CaptureQueriesContext(connection) as one:
        client.get("/api/sources")
    for _ in range(5):
        factories.SourceFactory(owner=alice, sync_job=factories.JobFactory(owner=alice))
    with django_assert_num_queries(len(one)):
        client.get("/api/sources")


def test_shapes_are_what_is_answered(alice: User) -> None:
    source = factories.SourceFactory(owner=alice)
    document = factories.SourceDocumentFactory(source=source)
    for shape, answer in (
        (shapes.SourceShape, source_dto(source, user=alice)),
        (shapes.TallyShape, tally(source)),
        (shapes.SourceDocumentShape, document_dto(document)),
        (shapes.ChunkShape, chunk_dto(factories.ChunkFactory())),
    ):
        assert list(shape().fields) == list(answer)


def test_kinds_describe_their_settings(client: APIClient, script: Path) -> None:
    kinds = client.get("/api/config/source-kinds").json()["kinds"]
    website = next(each for each in kinds if each["kind"] == "website")
    assert website["settingsSchema"]["properties"]["token"]["writeOnly"] is True
    assert {"documents"} <= {each["kind"] for each in kinds}


def test_a_source_that_cannot_be_deleted_says_so(alice: User) -> None:
    job = factories.JobFactory(owner=alice, kind="ingestion.delete")
    source = factories.SourceFactory(owner=alice, deleting=True, sync_job=job)
    client = client_of(alice)
    assert client.get(f"/api/sources/{source.pk}").json()["state"] == "deleting"
    Job.objects.filter(pk=job.pk).update(
        status="failed", finished_at=job.created_at, error="Out of space."
    )
    shown = client.get(f"/api/sources/{source.pk}").json()
    assert (shown["state"], shown["error"]) == ("not_deleted", "Out of space.")
    assert client.delete(f"/api/sources/{source.pk}").status_code == 204
    with pytest.raises(sources.SourceDeleting):
        sources.pause(source=source, by=alice)


def test_a_secret_is_sent_to_no_other_host_than_it_was_given_for(client: APIClient) -> None:
    settings = {"baseUrl": "https://jira.example", "jql": "project = A", "pat": "s3cret"}
    body = {"kind": "jira", "settings": settings}
    made = client.post("/api/sources", body, format="json")
    assert made.status_code == 201, made.json()
    url = f"/api/sources/{made.json()['id']}"
    for patched in ({"baseUrl": "https://evil.example"}, {"baseUrl": "http://jira.example"}):
        for given in (patched, {**patched, "pat": "••••••"}):
            for verb, path in (("patch", url), ("post", f"{url}/test")):
                answer = getattr(client, verb)(path, {"settings": given}, format="json")
                assert answer.status_code == 400, answer.json()
                assert "Enter it again" in str(answer.json()["errors"]["pat"])
    same_host = {"settings": {"baseUrl": "https://jira.example/jira"}}
    assert client.patch(url, same_host, format="json").status_code == 200
    anew = {"settings": {"baseUrl": "https://new.example", "pat": "other"}}
    assert client.patch(url, anew, format="json").status_code == 200
