"""documents.read in a real worker: what it leaves on the version, in search and as events."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.files.storage import default_storage

from documents import search, services
from documents.models import DerivedFile, Document, ReadState
from documents.services.reading import read_again
from jobs.models import Job, Status
from tests.documents import samples
from tests.documents.conftest import Store
from tests.fixtures.jobs import RunJob, end_worker, fork_worker, wait_until_ended

GOLDEN = Path(__file__).parent / "golden" / "read_events.json"


def read(document: Document, by: User, **options: Any) -> Job:
    job = read_again(document=document, by=by, options=options)
    worker = fork_worker()
    try:
        return wait_until_ended(job, timeout_s=60)
    finally:
        end_worker(worker)


def shape(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: shape(inner) for name, inner in value.items()}
    if isinstance(value, list):
        return [shape(inner) for inner in value[:1]]
    return type(value).__name__


def test_a_pdf_is_read_found_and_pictured(
    database: str, store: Store, owner: User, run_job: RunJob
) -> None:
    document = store("advice.pdf", samples.pdf())
    job = read(document, owner)
    assert (job.status, job.reason, job.error) == (Status.SUCCEEDED, "", "")
    version = Document.objects.get(pk=document.pk).current
    assert version is not None
    assert (version.read_state, version.pages, version.n_tables) == (ReadState.READ, 2, 1)
    assert job.result is not None
    assert job.result["chars"] == version.chars > 100
    structure = services.structure_of(version)
    assert structure is not None
    assert [block.text for block in structure.headings()][:2] == [
        "Remittance advice",
        "What was paid",
    ]
    everything = Document.objects.visible_to(owner).present()
    assert list(search.matching(everything, "quick BROWN")) == [document]
    assert list(search.matching(everything, "settl invoices advice")) == [document]
    assert list(search.matching(everything, "quick violet")) == []
    thumbs = version.derived.filter(role=DerivedFile.Role.THUMB)
    assert [thumb.number for thumb in thumbs] == [1, 2]
    assert all(default_storage.exists(thumb.storage_name) for thumb in thumbs)
    golden = json.loads(GOLDEN.read_text())
    for event in job.events.filter(type__startswith="document."):
        assert shape(event.data) == shape(golden[event.type]), event.type


def test_a_file_without_text_is_a_warning_and_no_success(store: Store, owner: User) -> None:
    document = store("blank.pdf", samples.scanned_pdf())
    job = read(document, owner, ocr="never")
    assert (job.status, job.reason) == (Status.FAILED, "no_text")
    version = Document.objects.get(pk=document.pk).current
    assert version is not None
    assert version.read_state == ReadState.EMPTY
    assert "No text was found" in version.read_message
    assert job.result is not None
    assert job.result["pages"] == 1


def test_an_encrypted_pdf_asks_for_its_password_and_is_read_with_it(
    store: Store, owner: User
) -> None:
    document = store("secret.pdf", samples.pdf(password="open sesame"))
    job = read(document, owner)
    assert (job.status, job.reason) == (Status.FAILED, "needs_password")
    version = Document.objects.get(pk=document.pk).current
    assert version is not None
    assert version.read_state == ReadState.NEEDS_PASSWORD
    assert "Enter its password" in version.read_message
    services.set_password(document=document, password="wrong", by=owner)
    assert read(document, owner).reason == "needs_password"
    services.set_password(document=document, password="open sesame", by=owner)
    stored = Document.objects.get(pk=document.pk)
    assert "sesame" not in json.dumps(stored.password)
    assert read(document, owner).status == Status.SUCCEEDED


@pytest.mark.parametrize(
    ("name", "data", "code"),
    [
        ("cut.pdf", samples.pdf()[:600], "damaged"),
        ("bomb.docx", samples.docx(**{"word/x.xml": b"0" * 60_000_000}), "archive_bomb"),
        (
            "entity.docx",
            samples.docx(**{"word/styles.xml": '<!DOCTYPE a [<!ENTITY x "y">]><a>&x;</a>'}),
            "xml_entities",
        ),
    ],
)
def test_a_hostile_file_is_refused_with_a_reason(
    store: Store, owner: User, name: str, data: bytes, code: str
) -> None:
    document = store(name, data)
    job = read(document, owner)
    assert (job.status, job.reason) == (Status.FAILED, code)
    version = Document.objects.get(pk=document.pk).current
    assert version is not None
    assert (version.read_state, version.read_code) == (ReadState.FAILED, code)
    assert version.read_message == job.error
    assert not version.derived.exists()


def test_a_document_that_is_deleted_is_not_read(store: Store, owner: User) -> None:
    document = store("notes.txt", b"words")
    job = read_again(document=document, by=owner)
    Document.objects.filter(pk=document.pk).update(deleted_at=document.created_at)
    worker = fork_worker()
    try:
        assert wait_until_ended(job).reason == "document_deleted"
    finally:
        end_worker(worker)
    version = Document.objects.get(pk=document.pk).current
    assert version is not None
    assert version.read_state == ReadState.UNREAD
    assert not version.derived.exists()
