"""Stored files that no row names: of jobs that are gone, or of a process that died in between."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import islice
from pathlib import Path
from typing import Any
from uuid import UUID

from django.core.files.storage import FileSystemStorage, default_storage

from jobs.models import Artifact, Job

# A file is stored before its row is written: what is younger may be waiting for that.
MIN_AGE = timedelta(hours=24)
BATCH = 500
# What `jobs.health` writes and reads; a probe that died in between leaves one.
FOLDERS = ("jobs", "health")


@dataclass(frozen=True)
class Stored:
    """A file in the artifact storage."""

    name: str
    size_bytes: int
    modified_at: datetime


@dataclass
class Removed:
    files: int = 0
    size_bytes: int = 0


def remove(
    *, now: datetime, dry_run: bool = False, between: Callable[[], None] = lambda: None
) -> Removed:
    """Remove files that no artifact names and that are older than `MIN_AGE`.

    Those of jobs that are gone go whatever their age: a job's row is there before its files.
    Only files below `jobs/` and `health/` are looked at. One that can not be removed raises.
    """
    removed = Removed()
    files = stored_files()
    while batch := list(islice(files, BATCH)):
        for file in _orphans(batch, now):
            if not dry_run:
                default_storage.delete(file.name)
            removed.files += 1
            removed.size_bytes += file.size_bytes
        between()
    if not dry_run and isinstance(default_storage, FileSystemStorage):
        _remove_empty_folders(Path(default_storage.location) / "jobs")
    return removed


def _orphans(batch: list[Stored], now: datetime) -> Iterator[Stored]:
    owners = {file.name: _job_of(file.name) for file in batch}
    ids = {job_id for job_id in owners.values() if job_id is not None}
    alive = set(Job.objects.filter(pk__in=ids).values_list("pk", flat=True))
    named = set(Artifact.objects.filter(job_id__in=alive).values_list("storage_name", flat=True))
    for file in batch:
        if file.name in named:
            continue
        of_gone_job = owners[file.name] is not None and owners[file.name] not in alive
        if of_gone_job or now - file.modified_at >= MIN_AGE:
            yield file


def _job_of(name: str) -> UUID | None:
    parts = name.split("/")
    try:
        return UUID(parts[1]) if parts[0] == "jobs" and len(parts) > 2 else None
    except ValueError:
        return None


def stored_files() -> Iterator[Stored]:
    """Every file below `FOLDERS`, however many there are."""
    storage: Any = default_storage
    if isinstance(storage, FileSystemStorage):
        for folder in FOLDERS:
            yield from _local(Path(storage.location), folder)
        return
    root = str(getattr(storage, "location", "") or "").strip("/")
    root = f"{root}/" if root else ""
    for folder in FOLDERS:
        # A page of a thousand a request, with size and time; the storage API asks for each alone.
        for found in storage.bucket.objects.filter(Prefix=f"{root}{folder}/"):
            yield Stored(found.key[len(root) :], found.size, found.last_modified)


def _local(root: Path, folder: str) -> Iterator[Stored]:
    for where, _, names in os.walk(root / folder):
        for name in names:
            path = Path(where, name)
            try:
                stat = path.stat(follow_symlinks=False)
            except FileNotFoundError:
                continue  # deleted since it was listed
            modified_at = datetime.fromtimestamp(stat.st_mtime, UTC)
            yield Stored(path.relative_to(root).as_posix(), stat.st_size, modified_at)


def _remove_empty_folders(root: Path) -> None:
    for where, _, _ in os.walk(root, topdown=False):
        if Path(where) != root and not any(Path(where).iterdir()):
            try:
                Path(where).rmdir()
            except OSError:
                continue  # something was stored there at this very moment
