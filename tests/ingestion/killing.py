"""Killing a worker in the middle of a sync: for every connector the same promise."""

from __future__ import annotations

import os
import signal
from collections.abc import Collection
from dataclasses import replace

import pytest
from django.contrib.auth.models import User

from ingestion import sources
from ingestion.models import Chunk, DocumentState, Source, SourceDocument
from jobs import registry
from jobs.models import Job, JobEvent
from jobs.queue import reaper
from tests.fixtures.jobs import end_worker, fork_worker, wait_for, wait_until_ended


def sync_and_kill(
    *,
    source: Source,
    by: User,
    monkeypatch: pytest.MonkeyPatch,
    after: int,
    mode: str = "incremental",
) -> Job:
    """Sync `source`, kill the worker with -9 once `after` documents are kept; the job's end.

    Another worker goes on with it, as soon as the lease of the first has run out.
    """
    kind = registry.get(sources.SYNC)
    monkeypatch.setitem(registry._kinds, kind.name, replace(kind, backoff_s=0))
    job = sources.sync(source=source, by=by, mode=mode)
    worker = fork_worker()
    kept = SourceDocument.objects.filter(source=source, seen_by=job.pk)
    wait_for(lambda: kept.count() >= after, timeout_s=60)
    os.kill(worker, signal.SIGKILL)
    os.waitpid(worker, 0)
    cut = Job.objects.get(pk=job.pk)
    assert not cut.is_terminal, "it had ended before it was killed: make it slower"
    worker = fork_worker()
    try:
        # What a cluster's main process does by itself: give back what a lost worker held.
        wait_for(lambda: reaper.reap() or Job.objects.get(pk=job.pk).is_terminal, timeout_s=90)
        ended = wait_until_ended(job)
    finally:
        end_worker(worker)
    assert ended.attempt > 1
    return ended


def assert_whole(*, source: Source, job: Job, keys: Collection[str]) -> None:
    """Nothing twice, nothing missing: documents, chunks, counts and events."""
    source.refresh_from_db()
    documents = SourceDocument.objects.filter(source=source)
    found = list(documents.exclude(state=DocumentState.FAILED).values_list("key", flat=True))
    assert sorted(found) == sorted(keys)
    for document in documents.filter(state=DocumentState.INDEXED).select_related("whole"):
        text = document.whole.text
        chunks = list(Chunk.objects.filter(document=document))
        assert len(chunks) == document.n_chunks > 0
        for position, chunk in enumerate(chunks):
            assert (chunk.position, text[chunk.start : chunk.end]) == (position, chunk.text)
    told = [
        each["key"]
        for data in JobEvent.objects.filter(job=job, type="sync.document_added").values_list(
            "data", flat=True
        )
        for each in data["documents"]
    ]
    assert len(told) == len(set(told))
    seen = source.last_added + source.last_changed + source.last_unchanged
    assert (source.last_added, seen) == (len(told), len(keys))
    seqs = list(JobEvent.objects.filter(job=job).order_by("seq").values_list("seq", flat=True))
    assert seqs == list(range(1, len(seqs) + 1))
