"""Syncs: what they keep, change, remove and say, and what becomes of those that are cut short."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import connection

from ingestion import removal, sources
from ingestion.models import Chunk, Source, SourceDocument, SourceText
from ingestion.refusals import NothingFailed, SourcePaused, SyncRunning
from jobs.models import Job, Status
from tests.ingestion import scripted
from tests.ingestion.killing import assert_whole, sync_and_kill

Sync = Callable[..., Job]
LONG = " ".join(f"word{n}" for n in range(400))


def counts(source: Source) -> dict[str, int]:
    source.refresh_from_db()
    names = ("added", "changed", "unchanged", "removed", "failed", "empty")
    return {name: n for name in names if (n := getattr(source, f"last_{name}"))}


def keys(source: Source) -> list[str]:
    return sorted(source.documents.values_list("key", flat=True))


def events_of(job: Job, type: str) -> list[dict[str, Any]]:
    rows = job.events.filter(type=type).order_by("seq")
    return [each for row in rows for each in row.data["documents"]]


def test_a_sync_keeps_what_it_finds_and_the_next_only_what_changed(
    database: str, source: Source, script: Path, sync: Sync
) -> None:
    scripted.write(script, {"a": "# One\nHello there.", "b": f"# Two\n{LONG}", "c": "  "})
    job = sync(source)
    assert job.status == Status.SUCCEEDED, job.error
    assert counts(source) == {"added": 3, "empty": 1}
    assert source.cursor == {"after": 3}
    empty = source.documents.get(key="c")
    assert (empty.state, empty.problem_code, empty.n_chunks) == ("empty", "no_text", 0)
    first = source.documents.get(key="a")
    [chunk] = first.chunks.all()
    assert (chunk.heading_path, chunk.anchor) == (["One"], "one")
    assert SourceText.objects.get(document=first).text[chunk.start : chunk.end] == chunk.text
    assert source.documents.get(key="b").n_chunks > 1
    assert {each["key"] for each in events_of(job, "sync.document_added")} == {"a", "b", "c"}

    rows = set(source.documents.get(key="b").chunks.values_list("pk", flat=True))
    changed = LONG.replace("word399", "another")
    scripted.write(script, {"a": "# One\nHello there.", "b": f"# Two\n{changed}", "d": "New."})
    scripted.forget(script)
    job = sync(source)
    assert counts(source) == {"added": 1, "changed": 1, "unchanged": 1, "removed": 1}
    assert scripted.fetched(script) == ["b", "d"]
    assert [each["key"] for each in events_of(job, "sync.document_removed")] == ["c"]
    now = set(source.documents.get(key="b").chunks.values_list("pk", flat=True))
    # The chunk with the changed word is another; the rest keep their rows, and so their vectors.
    assert len(rows - now) == len(now - rows) == 1
    assert len(rows & now) >= 1

    scripted.forget(script)
    assert sync(source, "full").status == Status.SUCCEEDED
    assert scripted.fetched(script) == ["a", "b", "d"]
    assert counts(source) == {"unchanged": 3}
    assert set(source.documents.get(key="b").chunks.values_list("pk", flat=True)) == now


def test_failures_are_kept_with_their_reason_and_tried_again_alone(
    source: Source, script: Path, sync: Sync, owner: User
) -> None:
    with pytest.raises(NothingFailed):
        sources.sync(source=source, by=owner, mode="failures")
    scripted.write(script, {"a": "One", "b": {"fail": "http_500"}, "c": {"fail": "http_500"}})
    job = sync(source)
    assert job.status == Status.SUCCEEDED
    assert counts(source) == {"added": 1, "failed": 2}
    [b] = [each for each in events_of(job, "sync.document_failed") if each["key"] == "b"]
    assert (b["code"], b["message"], b["retryable"]) == ("http_500", "b can not be had.", True)
    scripted.write(script, {"a": "One, changed", "b": "Two", "c": {"fail": "http_500"}})
    scripted.forget(script)
    sync(source, "failures")
    assert scripted.fetched(script) == ["b", "c"]
    assert counts(source) == {"added": 1, "failed": 1}
    assert source.documents.get(key="a").chunks.get().text == "One"


def test_what_failed_keeps_its_text_and_is_not_pruned(
    source: Source, script: Path, sync: Sync
) -> None:
    scripted.write(script, {"a": "One", "b": "Two"})
    sync(source)
    scripted.write(script, {"a": "One", "b": {"fail": "http_500"}})
    sync(source)
    b = source.documents.get(key="b")
    assert (b.state, b.problem_code, b.chunks.get().text) == ("failed", "http_500", "Two")
    scripted.write(script, {"a": "One", "b": "Two"})
    sync(source)
    b.refresh_from_db()
    assert (b.state, b.problem_code) == ("indexed", "")


def test_nothing_is_pruned_unless_everything_was_seen(
    source: Source, script: Path, sync: Sync
) -> None:
    scripted.write(script, {"a": "One", "b": "Two", "c": "Three"})
    sync(source)
    scripted.write(script, {"a": "One"}, partial=True, gone=["c"])
    sync(source)
    assert keys(source) == ["a", "b"]
    cursor = source.cursor
    scripted.write(script, {"a": "One", "d": "Four"}, broken=True)
    job = sync(source)
    assert (job.status, job.reason, job.error) == ("failed", "unreachable", "The source went away.")
    assert keys(source) == ["a", "b", "d"]
    assert source.cursor == cursor
    assert job.result["added"] == 1


def test_a_sync_of_which_nothing_could_be_had_has_failed(
    source: Source, script: Path, sync: Sync
) -> None:
    scripted.write(script, {"a": {"fail": "http_403"}})
    job = sync(source)
    assert (job.status, job.reason) == (Status.FAILED, "all_failed")
    assert "a can not be had." in job.error


def test_a_killed_worker_loses_and_doubles_nothing(
    database: str,
    source: Source,
    script: Path,
    owner: User,
    sync: Sync,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    documents = {f"page{n:02}": f"# Page {n}\nText of page {n}." for n in range(60)}
    scripted.write(script, {**documents, "gone": "Soon gone."})
    sync(source)
    changed = {key: f"{text} Changed." for key, text in documents.items()}
    more = {f"new{n}": f"New {n}." for n in range(10)}
    scripted.write(script, {**more, **changed}, pause_s=0.02)
    scripted.forget(script)
    job = sync_and_kill(source=source, by=owner, monkeypatch=monkeypatch, after=20)
    assert job.status == Status.SUCCEEDED, job.error
    assert_whole(source=source, job=job, keys={**more, **changed})
    assert counts(source) == {"added": 10, "changed": 60, "removed": 1}
    # Going on does not mean beginning again: what was kept was not fetched twice.
    assert len(scripted.fetched(script)) < 70 + 40
    assert "Changed." in source.documents.get(key="page59").chunks.get().text


def test_two_syncs_at_once_are_refused(
    source: Source, script: Path, sync: Sync, owner: User, run_job: Any
) -> None:
    first = sources.sync(source=source, by=owner)
    with pytest.raises(SyncRunning, match=str(first.pk)):
        sources.sync(source=source, by=owner)
    # A job that was queued past the verb, by a schedule for instance, finds out when it begins.
    second = run_job("ingestion.documents", documents=[str(source.pk)])
    assert second.status == Status.SUCCEEDED
    source.refresh_from_db()
    assert Job.objects.get(pk=first.pk).status == Status.SUCCEEDED


def test_a_sync_that_another_overtook_says_so(source: Source, owner: User, run_job: Any) -> None:
    waiting = sources.sync(source=source, by=owner)
    Job.objects.filter(pk=waiting.pk).update(queue="elsewhere")
    job = run_job("ingestion.sync", source_id=str(source.pk))
    assert (job.status, job.reason) == (Status.FAILED, "sync_running")
    assert str(waiting.pk) in job.error


def test_a_paused_source_is_not_synced(source: Source, owner: User, run_job: Any) -> None:
    sources.set_schedule(source=source, by=owner, cron="0 3 * * *")
    sources.pause(source=source, by=owner)
    source.refresh_from_db()
    assert source.schedule is not None
    assert source.schedule.paused
    with pytest.raises(SourcePaused):
        sources.sync(source=source, by=owner)
    assert run_job("ingestion.sync", source_id=str(source.pk)).reason == "source_paused"
    sources.resume(source=source, by=owner)
    source.refresh_from_db()
    source.schedule.refresh_from_db()
    assert not source.schedule.paused
    assert sources.sync(source=source, by=owner).status == Status.QUEUED


def test_a_source_that_is_deleted_while_it_is_synced_is_gone(
    database: str, source: Source, script: Path, owner: User
) -> None:
    from tests.fixtures.jobs import end_worker, fork_worker, wait_for, wait_until_ended

    scripted.write(script, {f"p{n}": f"Page {n}" for n in range(200)}, pause_s=0.05)
    job = sources.sync(source=source, by=owner)
    worker = fork_worker()
    try:
        wait_for(lambda: source.documents.count() > 2)
        assert removal.delete(source=source, by=owner) is None
        ended = wait_until_ended(job)
    finally:
        end_worker(worker)
    assert ended.status in {Status.CANCELLED, Status.FAILED}
    assert not Source.objects.exists()
    assert not SourceDocument.objects.exists()
    assert not Chunk.objects.exists()


def test_a_large_source_is_deleted_by_a_job(
    database: str, source: Source, script: Path, sync: Sync, owner: User, run_job: Any
) -> None:
    scripted.write(script, {f"p{n}": f"Page {n}" for n in range(removal.AT_ONCE + 1)})
    sync(source)
    job = removal.empty(source=source, by=owner)
    assert isinstance(job, Job)
    run_job("test.noop")
    job.refresh_from_db()
    assert (job.status, job.result) == ("succeeded", {"documents": 201, "sourceDeleted": False})
    source.refresh_from_db()
    assert (source.documents.count(), source.cursor) == (0, {})
    sync(source)
    assert counts(source) == {"added": 201}
    job = removal.delete(source=source, by=owner)
    assert isinstance(job, Job)
    assert Source.objects.get().deleting
    assert removal.delete(source=source, by=owner) == job
    run_job("test.noop")
    assert not Source.objects.exists()
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM ingestion_chunk")
        assert cursor.fetchone() == (0,)


def test_a_key_that_can_not_be_kept_fails_alone(
    database: str, source: Source, script: Path, sync: Sync
) -> None:
    scripted.write(script, {"k" * 5000: "Too long to be kept.", "b": "Fine"})
    job = sync(source)
    assert (job.status, counts(source)) == (Status.SUCCEEDED, {"added": 1, "failed": 1})
    assert sync(source).status == Status.SUCCEEDED
    assert source.documents.get(state="failed").problem_code == "key_too_long"


def test_text_that_a_database_refuses_is_kept_at_its_place(
    database: str, source: Source, script: Path, sync: Sync
) -> None:
    scripted.write(script, {"a": "# Odd\nNul \0 and 😀 and \u05e9\u05dc\u05d5\u05dd", "b": "Fine"})
    job = sync(source)
    assert job.status == Status.SUCCEEDED, job.error
    document = source.documents.get(key="a")
    text = SourceText.objects.get(document=document).text
    assert "Nul \ufffd and 😀" in text
    assert all(text[c.start : c.end] == c.text for c in document.chunks.all())
