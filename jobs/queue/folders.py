"""The local folders of attempts: made for one attempt, removed after it, swept at start."""

import hashlib
import logging
import os
import shutil
import tempfile
from pathlib import Path
from uuid import UUID

from django.conf import settings

from jobs.models import Job, Status
from jobs.running import workdir_of

log = logging.getLogger(__name__)


def _prefix() -> str:
    # Several installations may share one temporary folder.
    return "td-" + hashlib.sha256(str(settings.DATA_DIR).encode()).hexdigest()[:8] + "-"


def tmpdir_of(*, job_id: UUID, attempt: int) -> Path:
    """`TMPDIR` of an isolated body: browser profiles go there. A short path, for Unix sockets."""
    # The last 12 hex digits of a version 7 UUID are random.
    return Path(tempfile.gettempdir()) / f"{_prefix()}{job_id.hex[-12:]}-{attempt}"


def remove(*, job_id: UUID, attempt: int) -> None:
    """Remove both folders of an attempt that has ended."""
    workdir = workdir_of(job_id=job_id, attempt=attempt)
    for folder in (workdir, tmpdir_of(job_id=job_id, attempt=attempt)):
        if folder.exists():
            shutil.rmtree(folder, onerror=_left)
    if workdir.parent.exists() and not any(workdir.parent.iterdir()):
        workdir.parent.rmdir()


def _left(function: object, path: str, error: object) -> None:
    log.warning("%s could not be removed; the next start tries again.", path)


def sweep() -> None:
    """Remove the folders and half-made copies of attempts that are not running any more."""
    running = dict(Job.objects.filter(status=Status.RUNNING).values_list("id", "attempt"))
    kept = {(str(job_id), str(attempt)) for job_id, attempt in running.items()}
    for folder in (settings.DATA_DIR / "work").glob("*/*"):
        if (folder.parent.name, folder.name) not in kept:
            shutil.rmtree(folder, onerror=_left)
    for folder in (settings.DATA_DIR / "work").glob("*"):
        if folder.is_dir() and not any(folder.iterdir()):
            folder.rmdir()
    alive = {tmpdir_of(job_id=job_id, attempt=attempt) for job_id, attempt in running.items()}
    for folder in Path(tempfile.gettempdir()).glob(_prefix() + "*"):
        if folder not in alive and folder.stat().st_uid == os.getuid():
            shutil.rmtree(folder, onerror=_left)
    for draft in (settings.DATA_DIR / "incoming").glob("*-*"):
        pid = draft.name.partition("-")[0]
        if pid.isdigit() and not Path(f"/proc/{pid}").exists():
            draft.unlink(missing_ok=True)
