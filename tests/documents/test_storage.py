"""Documents on S3, and the sweep: with a real S3 protocol server and a real worker."""

from __future__ import annotations

import urllib.request
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.utils import timezone

from documents import services
from documents.models import Document, DocumentVersion
from jobs.models import Status
from tests.documents import samples
from tests.documents.conftest import Store
from tests.fixtures.jobs import RunJob

pytestmark = pytest.mark.usefixtures("empty_storage")


def test_on_s3_a_document_is_kept_and_served_by_a_signed_address(
    s3_bucket: Any, store: Store, owner: User
) -> None:
    data = samples.pdf()
    document = store("advice.pdf", data)
    assert [each.size for each in s3_bucket.objects.filter(Prefix="documents/")] == [len(data)]
    client = Client()
    client.force_login(owner)
    answer = client.get(f"/api/documents/{document.pk}/download")
    assert answer.status_code == 302
    with urllib.request.urlopen(answer["Location"]) as fetched:
        assert fetched.read() == data
    # What a page of ours embeds is passed through.
    part = client.get(
        f"/api/documents/{document.pk}/download",
        headers={"Sec-Fetch-Mode": "cors", "Range": "bytes=0-4"},
    )
    assert b"".join(part.streaming_content) == b"%PDF-"  # type: ignore[attr-defined]
    services.delete(document=document, by=owner)
    services.purge(document=document, before=timezone.now())
    assert list(s3_bucket.objects.filter(Prefix="documents/")) == []


def test_the_sweep_removes_what_its_time_has_come_for(
    database: str, store: Store, owner: User, run_job: RunJob
) -> None:
    expired, old, kept = (store(f"{name}.txt", name.encode()) for name in ("one", "two", "three"))
    long_ago = timezone.now() - timedelta(days=400)
    Document.objects.filter(pk=expired.pk).update(expires_at=long_ago)
    services.delete(document=old, by=owner)
    Document.objects.filter(pk=old.pk).update(deleted_at=long_ago)
    dry = run_job("documents.sweep", dry_run=True)
    assert dry.result == {"expired": 1, "purged": 1, "freedBytes": 0, "uploads": 0, "strays": 0, "dryRun": True}  # fmt: skip
    assert Document.objects.present().count() == 2
    job = run_job("documents.sweep")
    assert (job.status, job.error) == (Status.SUCCEEDED, "")
    assert job.result == {"expired": 1, "purged": 1, "freedBytes": 3, "uploads": 0, "strays": 0, "dryRun": False}  # fmt: skip
    assert list(Document.objects.present()) == [kept]
    assert DocumentVersion.objects.get(document=old).storage_name == ""
    assert DocumentVersion.objects.get(document=expired).storage_name != ""
