"""Verified flows in the index: a document each, a chunk a step, and gone with their recording."""

from __future__ import annotations

import pytest
from django.contrib.auth.models import User

from ingestion import recordings
from ingestion.models import Chunk, Source, SourceDocument
from jobs import services
from jobs.models import Job, Status
from tests.jobs.conftest import stored_job

pytestmark = pytest.mark.django_db


@pytest.fixture
def job() -> Job:
    owner = User.objects.create_user("ann", is_staff=True)
    return stored_job(owner=owner, kind="recorder.record", status=Status.SUCCEEDED, tags=["shop"])


def keep(job: Job, *steps: str) -> None:
    recordings.keep(
        job=job,
        key=str(job.pk),
        title="Checkout",
        url="/admin/recorder/recordingsession/1/change/",
        address="http://127.0.0.1/",
        steps=[
            recordings.RecordedStep(key=f"s{n}", text=text, element="button, Pay")
            for n, text in enumerate(steps)
        ],
    )


def test_each_step_is_a_chunk_that_opens_at_it(job: Job) -> None:
    keep(job, "Open the shop", 'Click button "Pay"')
    document = SourceDocument.objects.get()
    assert (document.kind, document.state, document.labels) == ("recording", "indexed", ["shop"])
    first, second = document.chunks.all()
    assert second.text == '2. Click button "Pay"\nElement: button, Pay'
    assert (second.anchor, second.heading_path) == ("step-s1", ["Checkout"])
    assert document.whole.text[second.start : second.end] == second.text
    # Verified anew after a change: what stayed keeps its row, and so its vector.
    keep(job, "Open the shop", 'Click button "Buy"')
    assert document.chunks.first() == first
    assert "Pay" not in document.chunks.last().text.splitlines()[0]
    assert Source.objects.get().owner == job.owner


def test_a_recording_that_is_deleted_or_fails_is_found_no_more(job: Job) -> None:
    keep(job, "Open the shop")
    assert recordings.forget(job=job) == 1
    keep(job, "Open the shop")
    services.delete(job=job, by=job.owner)
    assert not SourceDocument.objects.exists()
    assert not Chunk.objects.exists()
