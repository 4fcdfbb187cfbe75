"""exportjob and importjob: the same job again, and nothing but that."""

from __future__ import annotations

import hashlib
import io
import json
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from django.contrib.auth.models import User
from django.core.files.storage import default_storage
from django.core.management import CommandError, call_command

from jobs import artifacts, events, portable, services
from jobs.files import StorageFull
from jobs.models import Artifact, AuditEntry, Job
from tests.fixtures.database import stored_files
from tests.fixtures.jobs import RunJob
from tests.jobs.conftest import stored_job

pytestmark = pytest.mark.usefixtures("empty_storage")


def _run(*arguments: object) -> str:
    said = io.StringIO()
    call_command(*map(str, arguments), stdout=said)
    return said.getvalue()


def _rows(job: Job) -> dict[str, Any]:
    """All that an import has to bring back."""
    return {
        "job": {name: getattr(job, name) for name in portable.JOB_FIELDS if name != "last_seq"},
        "times": {name: getattr(job, name) for name in portable.JOB_TIMES},
        "attempts": list(
            job.attempts.order_by("number").values_list("number", "outcome", "worker")
        ),
        "events": [events.event_dto(each) for each in job.events.order_by("seq")],
        "artifacts": {
            row.path: (artifacts.open_artifact(row).read(), row.sha256, row.content_type)
            for row in job.artifacts.filter(visible=True)
        },
    }


def test_a_job_comes_back_as_it_was(
    database: str, owner: User, run_job: RunJob, tmp_path: Path
) -> None:
    job = run_job("test.reports", text="ümlaut", secret="hush")
    before = _rows(job)
    assert set(before["artifacts"]) == {"notes/a.txt", "b.json"}
    file = tmp_path / "job.zip"
    assert "2 artifacts" in _run("exportjob", job.pk, file)
    assert b"hush" not in zipfile.ZipFile(file).read("manifest.json")
    with pytest.raises(CommandError, match="exists already"):
        _run("exportjob", job.pk, file)
    with pytest.raises(CommandError, match="There is a job"):
        _run("importjob", file)
    services.delete(job=job, by=owner)
    said = _run("importjob", file)
    assert f"Imported job {job.pk}" in said
    assert "Note" not in said
    again = Job.objects.get(pk=job.pk)
    after = _rows(again)
    imported = after["events"].pop()
    assert (imported["type"], imported["seq"]) == ("job.imported", len(before["events"]) + 1)
    assert imported["data"] == {"from": "owner", "notes": []}
    assert after == before
    assert again.last_seq == imported["seq"]
    assert AuditEntry.objects.filter(action="job.import", target_id=str(job.pk)).count() == 1
    child = services.rerun(job=again, by=owner)
    assert child.parent == again


def test_through_s3(owner: User, s3_bucket: Any, run_job: RunJob, tmp_path: Path) -> None:
    job = run_job("test.reports")
    before = _rows(job)["artifacts"]
    _run("exportjob", job.pk, tmp_path / "job.zip")
    services.delete(job=job, by=owner)
    assert list(s3_bucket.objects.filter(Prefix="jobs/")) == []
    _run("importjob", tmp_path / "job.zip")
    assert _rows(Job.objects.get(pk=job.pk))["artifacts"] == before


@pytest.fixture
def exported(owner: User, run_job: RunJob, tmp_path: Path) -> Callable[..., Path]:
    """An exported and deleted job; `exported(change)` with its manifest and members changed."""
    job = run_job("test.reports", secret="hush")
    _run("exportjob", job.pk, tmp_path / "whole.zip")
    services.delete(job=job, by=owner)
    with zipfile.ZipFile(tmp_path / "whole.zip") as whole:
        members = {name: whole.read(name) for name in whole.namelist()}

    def changed(
        change: Callable[[dict[str, Any], dict[str, bytes]], None] | None = None,
        *,
        sealed: bool = True,
    ) -> Path:
        inside = dict(members)
        manifest = json.loads(inside["manifest.json"])
        if change is not None:
            change(manifest, inside)
        inside["manifest.json"] = json.dumps(manifest, sort_keys=True).encode()
        if sealed:
            inside["manifest.sha256"] = hashlib.sha256(inside["manifest.json"]).hexdigest().encode()
        file = tmp_path / f"{uuid4().hex}.zip"
        with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as out:
            for name, body in inside.items():
                out.writestr(name, body)
        return file

    return changed


def _set(*path: Any, to: Any) -> Callable[[dict[str, Any], dict[str, bytes]], None]:
    def change(manifest: dict[str, Any], inside: dict[str, bytes]) -> None:
        place: Any = manifest
        for part in path[:-1]:
            place = place[part]
        place[path[-1]] = to

    return change


def _member(name: str, body: bytes) -> Callable[[dict[str, Any], dict[str, bytes]], None]:
    return lambda manifest, inside: inside.__setitem__(name, body)


def _bomb(manifest: dict[str, Any], inside: dict[str, bytes]) -> None:
    """Ten megabytes of nothing where five bytes were promised."""
    inside["artifacts/2"] = b"\0" * 10_000_000


def _huge(manifest: dict[str, Any], inside: dict[str, bytes]) -> None:
    manifest["artifacts"][0]["sizeBytes"] = 2**50


def test_whatever_was_changed_is_refused_and_leaves_nothing(
    owner: User, exported: Callable[..., Path]
) -> None:
    cases: dict[str, tuple[Any, bool, str]] = {
        "name": (_set("job", "name", to="other"), False, "damaged or changed"),
        "bytes": (_member("artifacts/1", b"{}{}"), True, "larger|damaged"),
        "fewer bytes": (_member("artifacts/1", b"{"), True, "damaged"),
        "hash": (_set("artifacts", 0, "sha256", to="0" * 64), True, "damaged"),
        "bomb": (_bomb, True, "larger"),
        "huge": (_huge, True, "at most|damaged|larger"),
        "slip by path": (
            _set("artifacts", 0, "path", to="../../etc/passwd"),
            True,
            "relative path",
        ),
        "absolute": (_set("artifacts", 0, "path", to="/etc/passwd"), True, "relative path"),
        "slip by member": (_member("../evil", b"x"), True, "other files"),
        "member": (_set("artifacts", 0, "file", to="../evil"), True, "no export gives"),
        "twice": (_set("artifacts", 1, "file", to="artifacts/1"), True, "other files"),
        "same path": (_set("artifacts", 1, "path", to="b.json"), True, "database refuses"),
        "status": (_set("job", "status", to="running"), True, "has not ended"),
        "outcome": (_set("attempts", 0, "outcome", to="perhaps"), True, "manifest"),
        "gap": (_set("events", 0, "seq", to=7), True, "without a gap"),
        "id": (_set("id", to="none"), True, "manifest"),
        "time": (_set("times", "created_at", to="noon"), True, "no time"),
        "long": (_set("job", "kind", to="x" * 300), True, "manifest"),
        "format": (_set("format", to="tapedeck.job/9"), True, "format"),
    }
    before = stored_files()
    for name, (change, sealed, said) in cases.items():
        with pytest.raises(CommandError, match=said):
            _run("importjob", exported(change, sealed=sealed))
        assert not Job.objects.exists(), name
        assert stored_files() == before, name
    assert "Imported" in _run("importjob", exported())


def test_what_is_no_export_at_all(owner: User, tmp_path: Path) -> None:
    file = tmp_path / "job.zip"
    file.write_bytes(b"no zip")
    with pytest.raises(CommandError, match="no zip file"):
        _run("importjob", file)
    with zipfile.ZipFile(file, "w") as out:
        out.writestr("other", "x")
    with pytest.raises(CommandError, match="no exported job"):
        _run("importjob", file)
    with pytest.raises(CommandError, match="can not be read"):
        _run("importjob", tmp_path / "none.zip")


def test_owner_parent_and_secrets_of_elsewhere_are_told(
    owner: User, exported: Callable[..., Path], settings: Any
) -> None:
    file = exported(_set("owner", to="somebody"))
    with pytest.raises(CommandError, match="--owner"):
        _run("importjob", file)
    orphan = str(uuid4())
    settings.ENCRYPTION_KEY = "another"
    said = _run("importjob", exported(_set("parentId", to=orphan)), "--owner", "owner")
    assert f"parent {orphan} is not here" in said
    assert "another ENCRYPTION_KEY" in said
    job = Job.objects.get()
    with pytest.raises(services.InvalidOptions):
        services.rerun(job=job, by=owner)


def test_a_quota_holds_for_imports_too(
    owner: User, exported: Callable[..., Path], settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("jobs.quotas.MB", 1)
    settings.ARTIFACT_QUOTA_MB = 3
    with pytest.raises(CommandError, match="ARTIFACT_QUOTA_MB"):
        _run("importjob", exported())
    assert not Artifact.objects.exists()
    assert issubclass(StorageFull, Exception)


def test_what_can_not_be_exported(owner: User, run_job: RunJob, tmp_path: Path) -> None:
    file = tmp_path / "job.zip"
    with pytest.raises(CommandError, match="has not ended"):
        _run("exportjob", stored_job(owner=owner).pk, file)
    with pytest.raises(CommandError, match="no job"):
        _run("exportjob", "none", file)
    job = run_job("test.reports")
    row = job.artifacts.get(path="notes/a.txt")
    Path(default_storage.path(row.storage_name)).write_bytes(b"jello")
    with pytest.raises(CommandError, match="damaged"):
        _run("exportjob", job.pk, file)
    default_storage.delete(row.storage_name)
    with pytest.raises(CommandError, match="gone from storage"):
        _run("exportjob", job.pk, file)
    assert list(tmp_path.iterdir()) == []
