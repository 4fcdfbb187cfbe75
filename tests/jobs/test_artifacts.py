"""Artifacts: hashed, complete or not there, and never outside their folder; local and S3."""

import errno
import hashlib
import os
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.contrib.auth.models import User

from jobs import artifacts, services
from jobs.files import open_range
from jobs.models import Artifact, Job
from jobs.queue.claim import claim
from jobs.running import RunningJob
from tests.fixtures.database import stored_files
from tests.fixtures.jobs import RunJob


@pytest.fixture
def running(owner: User) -> RunningJob:
    services.submit(kind="test.noop", options={}, by=owner)
    job = claim(queue="default", worker="w")
    assert job is not None
    return RunningJob(job=job, options={}, report=lambda message: None)


def files_of(running: RunningJob) -> list[str]:
    return [name for name in stored_files() if str(running.id) in name]


@pytest.mark.parametrize(
    "path",
    [
        "",
        ".",
        "..",
        "/etc/passwd",
        "../x",
        "a/../../x",
        "a//b",
        "a/./b",
        "a/",
        "a\\b",
        "a\0b",
        "a\nb",
        "a\x7f",
        "a\ud800",
        "x" * 401,
        "é" * 101,
    ],
)
def test_a_path_that_could_lead_out_is_refused(path: str) -> None:
    with pytest.raises(artifacts.BadPath):
        artifacts.check_path(path)


@pytest.mark.parametrize(
    "path", ["a", "a/b.txt", "video/…/x y.webm", "a..b", ".hidden", "dom/0001.html"]
)
def test_an_ordinary_path_is_kept_as_it_is(path: str) -> None:
    assert artifacts.check_path(path) == path


def test_an_artifact_is_hashed_sized_typed_and_hidden(running: RunningJob) -> None:
    source = running.workdir / "page.html"
    source.write_bytes(b"<p>hello" * 1000)
    kept = running.artifact("dom/0001.html", source, kind="dom")
    assert kept.sha256 == hashlib.sha256(b"<p>hello" * 1000).hexdigest()
    assert (kept.size_bytes, kept.content_type, kept.visible) == (8000, "text/html", False)
    with artifacts.open_artifact(kept) as stored:
        assert stored.read() == b"<p>hello" * 1000
    fact = Job.objects.get(pk=running.id).events.get(type="artifact.added").data
    assert fact == {
        "path": "dom/0001.html",
        "kind": "dom",
        "contentType": "text/html",
        "sizeBytes": 8000,
        "sha256": kept.sha256,
    }
    assert source.exists()


def test_a_hostile_name_never_names_a_file(running: RunningJob) -> None:
    kept = running.artifact("x.<script>", b"x", kind="text")
    assert kept.storage_name.startswith(f"jobs/{running.id}/1/")
    assert "<" not in kept.storage_name


def test_a_source_outside_the_work_folder_is_refused(running: RunningJob, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("secret")
    link = running.workdir / "innocent.txt"
    link.symlink_to(secret)
    folder_link = running.workdir / "folder"
    folder_link.symlink_to(tmp_path)
    os.mkfifo(running.workdir / "pipe")
    for source in (secret, link, folder_link / "secret", running.workdir / "pipe", running.workdir):
        with pytest.raises(artifacts.BadPath):
            running.artifact("a.txt", source, kind="text")
    with pytest.raises(FileNotFoundError):
        running.artifact("a.txt", running.workdir / "missing", kind="text")
    assert files_of(running) == []
    assert not Artifact.objects.exists()


def test_a_path_is_taken_once_an_attempt(running: RunningJob) -> None:
    running.artifact("a.txt", b"one", kind="text")
    with pytest.raises(artifacts.ArtifactExists):
        running.artifact("a.txt", b"two", kind="text")
    assert len(files_of(running)) == 1
    with artifacts.open_artifact(Artifact.objects.get()) as stored:
        assert stored.read() == b"one"


def test_a_disk_without_room_keeps_nothing(
    running: RunningJob, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The kernel's own disk that is always full.
    (settings.DATA_DIR / "incoming").mkdir(exist_ok=True)
    monkeypatch.setattr("jobs.files.uuid4", lambda: type("Id", (), {"hex": "full"}))
    (settings.DATA_DIR / "incoming" / f"{os.getpid()}-full").symlink_to("/dev/full")
    monkeypatch.setattr(Path, "open", _open_existing)
    with pytest.raises(artifacts.StorageFull) as raised:
        running.artifact("a.bin", b"x" * 1_000_000, kind="data")
    assert isinstance(raised.value.__cause__, OSError)
    assert raised.value.__cause__.errno == errno.ENOSPC
    assert not Artifact.objects.exists()
    assert files_of(running) == []
    assert list((settings.DATA_DIR / "incoming").iterdir()) == []


def _open_existing(self: Path, mode: str = "r", *arguments: Any, **more: Any) -> Any:
    return open(self, mode.replace("x", "w"), *arguments, **more)


def test_artifacts_work_on_s3(run_job: RunJob, s3_bucket: Any) -> None:
    job = run_job("test.reports", text="hi", secret="x")
    assert job.status == "succeeded"
    kept = job.artifacts.get(path="notes/a.txt", visible=True)
    assert [item.key for item in s3_bucket.objects.all() if item.key == kept.storage_name]
    with artifacts.open_artifact(kept) as stored:
        assert stored.read() == b"hello"
    assert kept.sha256 == hashlib.sha256(b"hello").hexdigest()


def test_an_isolated_body_reaches_s3_with_a_scrubbed_environment(
    run_job: RunJob, s3_bucket: Any
) -> None:
    job = run_job("test.isolated_dies")
    assert job.status == "failed"
    kept = job.artifacts.get()
    assert (kept.path, kept.visible, kept.attempt) == ("before.txt", True, 2)
    # The first attempt's file is gone from the bucket, too.
    stored = [item.key for item in s3_bucket.objects.filter(Prefix=f"jobs/{job.id}/")]
    assert stored == [kept.storage_name]


@pytest.mark.parametrize(("first", "last"), [(0, 4), (1, 2), (4, 4)])
def test_a_range_is_all_that_is_fetched_from_s3(
    running: RunningJob, s3_bucket: Any, first: int, last: int
) -> None:
    kept = running.artifact("a.txt", b"hello", kind="text")
    with open_range(kept.storage_name, first=first, last=last) as body:
        # More than the range is not even offered.
        assert body.read() == b"hello"[first : last + 1]


def test_an_empty_file_and_one_that_is_gone_on_s3(running: RunningJob, s3_bucket: Any) -> None:
    empty = running.artifact("empty.txt", b"", kind="text")
    with open_range(empty.storage_name, first=0, last=-1) as body:
        assert body.read() == b""
    empty.storage_name = "jobs/gone"
    with pytest.raises(FileNotFoundError):
        open_range(empty.storage_name, first=0, last=-1)


def test_a_range_of_a_file_in_a_folder_begins_there(running: RunningJob) -> None:
    kept = running.artifact("a.txt", b"hello", kind="text")
    with open_range(kept.storage_name, first=3, last=4) as body:
        assert body.read(2) == b"lo"
