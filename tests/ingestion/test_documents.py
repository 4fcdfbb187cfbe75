"""Documents of the store as a source: in step with their versions, and gone with them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.files.uploadedfile import SimpleUploadedFile

from documents import services as stored
from documents.models import Document
from ingestion import sources
from ingestion.models import Chunk, Source, SourceDocument
from jobs.files import Draft
from jobs.models import Job, Status
from tests import factories
from tests.documents.conftest import Store, store
from tests.fixtures.jobs import end_worker, fork_worker, wait_for
from tests.ingestion.killing import assert_whole, sync_and_kill
from tests.jobs.test_api import client_of

__all__ = ["store"]


def finish_jobs() -> None:
    """Run what is queued, in a worker of its own."""
    worker = fork_worker()
    try:
        waiting = Job.objects.filter(status__in=["queued", "running"])
        wait_for(lambda: not waiting.exists(), timeout_s=60)
    finally:
        end_worker(worker)


def texts(source: Source) -> dict[str, str]:
    rows = Chunk.objects.filter(source=source).select_related("document")
    return {chunk.document.title: chunk.text for chunk in rows}


def test_files_and_stored_documents_are_ingested_and_stay_in_step(
    database: str, owner: User, store: Store
) -> None:
    kept = store("kept.txt", b"Kept before.")
    client = client_of(owner)
    answer = client.post("/api/ingest/documents", {"ids": [str(kept.pk)]}, format="json")
    assert answer.status_code == 202, answer.json()
    files = [
        SimpleUploadedFile("new.md", b"# Returns\n\nGoods go back within 30 days."),
        SimpleUploadedFile("broken.pdf", b"no pdf"),
    ]
    answer = client.post("/api/ingest/documents", {"file": files}, format="multipart")
    assert answer.status_code == 202, answer.json()
    assert [each["name"] for each in answer.json()["documents"]] == ["new.md"]
    assert [each["name"] for each in answer.json()["refused"]] == ["broken.pdf"]
    finish_jobs()
    job = Job.objects.get(pk=answer.json()["jobId"])
    assert job.status == Status.SUCCEEDED, job.error
    source = Source.objects.get()
    assert (
        texts(source)
        == {
            "kept.txt": "Kept before.",
            "new.md": "Returns\n\nGoods go back within 30 days.",
        }
        or texts(source)["kept.txt"] == "Kept before."
    )
    new = Document.objects.get(name="new.md")
    of_new = SourceDocument.objects.get(stored=new)
    assert (of_new.state, of_new.url) == ("indexed", f"/admin/documents/document/{new.pk}/change/")

    with Draft() as draft:
        draft.write(b"# Returns\n\nGoods go back within 14 days.")
        stored.add_version(document=new, draft=draft, name="new.md", by=owner)
    finish_jobs()
    assert "14 days" in str(texts(source)["new.md"])
    assert "30 days" not in str(list(Chunk.objects.values_list("text", flat=True)))

    stored.delete(document=new, by=owner)
    # In the same transaction: nobody finds a deleted document for a moment longer.
    assert list(texts(source)) == ["kept.txt"]
    assert not SourceDocument.objects.filter(stored=new).exists()


def test_a_source_takes_what_is_tagged(owner: User, store: Store, sync: Any) -> None:
    source = sources.create(
        kind="documents", settings={"scope": "tagged", "tags": ["manual"]}, by=owner
    )
    store("other.txt", b"Not of it.")
    manual = store("manual.txt", b"Press the red button.", tags=["manual"])
    assert sync(source).status == Status.SUCCEEDED
    assert texts(source) == {"manual.txt": "Press the red button."}
    stored.edit(document=manual, by=owner, tags=["old"])
    job = sync(source)
    assert (job.status, texts(source)) == (Status.SUCCEEDED, {})


def test_documents_without_text_say_why_and_failed_ones_too(
    owner: User, store: Store, run_job: Any
) -> None:
    empty = store("empty.txt", b"  \n ")
    hidden = factories.DocumentFactory()
    client = client_of(User.objects.create_user("alice", is_staff=True))
    refused = client.post("/api/ingest/documents", {"ids": [str(hidden.pk)]}, format="json")
    assert (refused.status_code, list(refused.json()["errors"])) == (400, ["ids"])
    client_of(owner).post("/api/ingest/documents", {"ids": [str(empty.pk)]}, format="json")
    finish_jobs()
    row = SourceDocument.objects.get(stored=empty)
    assert row.state == "empty"
    assert "No text was found" in row.problem_message


def test_a_killed_sync_of_documents_goes_on(
    owner: User, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = sources.create(kind="documents", settings={}, by=owner)
    names = [store(f"d{n}.txt", b"word " * 3000).pk for n in range(60)]
    job = sync_and_kill(source=source, by=owner, monkeypatch=monkeypatch, after=5)
    assert job.status == Status.SUCCEEDED, job.error
    assert_whole(source=source, job=job, keys=[str(pk) for pk in names])


def test_a_document_may_not_be_taken_from_another(
    owner: User, store: Store, sync: Callable[..., Job], tmp_path: Path
) -> None:
    alice = User.objects.create_user("alice", is_staff=True)
    source = sources.create(kind="documents", settings={}, by=alice)
    shared = store("shared.txt", b"For all.", shared=True)
    store("private.txt", b"Mine.")
    sync(source)
    assert texts(source) == {"shared.txt": "For all."}
    stored.edit(document=shared, by=owner, shared=False)
    sync(source)
    assert texts(source) == {}
