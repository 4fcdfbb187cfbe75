"""Files that jobs produce: hashed while they are stored, invisible until their attempt ends."""

import io
import mimetypes
from collections.abc import Sequence
from pathlib import Path, PurePosixPath
from typing import IO, Any
from uuid import UUID, uuid4

from django.core.files.storage import default_storage
from django.db import IntegrityError, connection, transaction
from django.db.models import QuerySet
from django.utils import timezone

from jobs import events, quotas
from jobs.events import Superseded
from jobs.files import Draft, StorageFull, delete_file
from jobs.models import Artifact, Job, Status

MAX_PATH = 400
# What a recording leaves and Python's own table does not know. The system's table is not asked:
# the same file has the same type on every machine.
_TYPES = mimetypes.MimeTypes(filenames=())
for _ending, _type in {
    ".har": "application/json",
    ".jsonl": "application/x-ndjson",
    ".log": "text/plain",
    ".webm": "video/webm",
    ".zip": "application/zip",
}.items():
    _TYPES.add_type(_type, _ending)


class BadPath(ValueError):
    """This is not a relative path inside the job's own folder."""


class ArtifactExists(Exception):
    """This attempt has already stored an artifact at this path."""


def check_path(path: str) -> str:
    """`path` as it is stored; a relative POSIX path that stays inside the job's folder.

    :raises BadPath: empty, absolute, too long, or with NUL, control characters, a backslash,
        an empty part, `.` or `..`.
    """
    parts = path.split("/")
    if (
        not path
        or len(path) > MAX_PATH
        or "\\" in path
        or any(part in {"", ".", ".."} for part in parts)
        or any(ord(char) < 32 or ord(char) == 127 or 0xD800 <= ord(char) <= 0xDFFF for char in path)
        or any(len(part.encode()) > 200 for part in parts)
    ):
        raise BadPath(f"{path[:MAX_PATH]!r} is not a relative path inside the job's folder.")
    return str(PurePosixPath(path))


def add(
    *,
    job_id: UUID,
    attempt: int,
    path: str,
    source: Path | bytes,
    kind: str,
    content_type: str | None = None,
    inside: Path | None = None,
) -> Artifact:
    """Store `source` as the job's artifact at `path`; nobody sees it before the attempt ends.

    A source file must be a regular file; with `inside`, one that lies in that folder when every
    link is followed. A transfer that fails leaves no row and no file.

    :raises BadPath: `path`, or where `source` leads.
    :raises ArtifactExists: this attempt stored that path before.
    :raises StorageFull: the storage (or the disk) has no room, or a quota is full.
    :raises Superseded: the attempt does not own the job any more.
    """
    path = check_path(path)
    kept_as = f"jobs/{job_id}/{attempt}/{uuid4().hex}{suffix_of(path)}"
    with _opened(source, inside) as raw:
        stored, size_bytes, sha256 = _store(kept_as, raw, job_id=job_id)
    artifact = Artifact(
        job_id=job_id,
        attempt=attempt,
        path=path,
        kind=kind,
        content_type=content_type or _content_type(path),
        size_bytes=size_bytes,
        sha256=sha256,
        storage_name=stored,
        created_at=timezone.now(),
    )
    fact = {
        "path": path,
        "kind": kind,
        "contentType": artifact.content_type,
        "sizeBytes": artifact.size_bytes,
        "sha256": artifact.sha256,
    }
    try:
        with transaction.atomic():
            # First the fence, which locks the job's row: a superseded attempt inserts nothing.
            events.emit(
                job_id=job_id, type=events.ARTIFACT_ADDED, data=fact, attempt=attempt, fence=True
            )
            artifact.save(force_insert=True)
    except IntegrityError as error:
        delete_file(stored)
        raise ArtifactExists(f"Attempt {attempt} has already stored {path!r}.") from error
    except BaseException:
        delete_file(stored)
        raise
    return artifact


def _opened(source: Path | bytes, inside: Path | None) -> IO[bytes]:
    if isinstance(source, bytes):
        return io.BytesIO(source)
    real = source.resolve(strict=True)
    if inside is not None and not real.is_relative_to(inside.resolve(strict=True)):
        raise BadPath(f"{source} leads out of the job's work folder.")
    if not real.is_file():
        raise BadPath(f"{source} is not a regular file.")
    return real.open("rb")


def _store(name: str, raw: IO[bytes], *, job_id: UUID) -> tuple[str, int, str]:
    """Copy and hash in one pass, then hand the copy over whole: (stored name, size, SHA-256)."""
    with Draft() as draft:
        draft.read_whole(raw)
        quotas.check(job_id=job_id, size_bytes=draft.size_bytes)
        return draft.keep(name), draft.size_bytes, draft.sha256


def _content_type(path: str) -> str:
    return _TYPES.guess_type(path)[0] or "application/octet-stream"


def suffix_of(path: str) -> str:
    """The ending that a stored file keeps of its artifact's path; empty where it is not plain."""
    suffix = PurePosixPath(path).suffix
    return suffix if suffix[1:].isalnum() and suffix.isascii() and len(suffix) <= 10 else ""


def show(*, job_id: UUID, attempt: int) -> int:
    """Make the artifacts of `attempt` visible; called in the transaction that ends the job."""
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE jobs_artifact SET visible = TRUE WHERE job_id = %s AND attempt = %s AND NOT visible",
            [events.pk(job_id), attempt],
        )
        return int(cursor.rowcount)


def discard_superseded(*, job_id: UUID, before: int) -> None:
    """Delete what attempts earlier than `before` left: only the last one's is kept."""
    _discard(Artifact.objects.filter(job_id=job_id, attempt__lt=before, visible=False))
    for attempt in range(1, before):
        discard_strays(job_id=job_id, attempt=attempt)


def discard_strays(*, job_id: UUID, attempt: int) -> None:
    """Delete files of a dead attempt that no row names: it died between storing and saying so."""
    folder = f"jobs/{job_id}/{attempt}"
    try:
        _, names = default_storage.listdir(folder)
    except FileNotFoundError:
        return
    named = set(
        Artifact.objects.filter(job_id=job_id, attempt=attempt).values_list(
            "storage_name", flat=True
        )
    )
    for name in names:
        if f"{folder}/{name}" not in named:
            delete_file(f"{folder}/{name}")


def remove_files(*, job_ids: Sequence[UUID], names: Sequence[str]) -> None:
    """Delete what deleted jobs left in storage: these files, and what no row ever named.

    A file that can not be deleted now is logged; `discard_orphans` finds it again.
    """
    for name in names:
        delete_file(name)
    for job_id in job_ids:
        _remove_folder(f"jobs/{job_id}")


def discard_orphans() -> int:
    """Delete the stored files of jobs that are gone: a process died between rows and files.

    How many jobs' folders there were. Walks the whole storage: for a sweep.
    """
    try:
        folders, _ = default_storage.listdir("jobs")
    except FileNotFoundError:
        return 0
    ids = {}
    for name in folders:
        try:
            ids[UUID(name)] = name
        except ValueError:
            continue  # not ours
    alive: set[UUID] = set()
    all_ids = list(ids)
    for first in range(0, len(all_ids), 500):
        some = all_ids[first : first + 500]
        alive.update(Job.objects.filter(pk__in=some).values_list("pk", flat=True))
    gone = [name for job_id, name in ids.items() if job_id not in alive]
    for name in gone:
        _remove_folder(f"jobs/{name}")
    return len(gone)


def _remove_folder(folder: str) -> None:
    try:
        folders, names = default_storage.listdir(folder)
    except (FileNotFoundError, NotADirectoryError):
        return
    for name in names:
        delete_file(f"{folder}/{name}")
    for name in folders:
        _remove_folder(f"{folder}/{name}")
    # A folder of the file system is a thing of its own; in S3 there is nothing left by now.
    delete_file(folder)


def discard_hidden() -> None:
    """Delete what ended jobs left hidden, because a worker died before it could clean up."""
    ended = [Status.SUCCEEDED, Status.FAILED, Status.CANCELLED]
    _discard(Artifact.objects.filter(visible=False, job__status__in=ended))


def _discard(hidden: QuerySet[Artifact]) -> None:
    for artifact in hidden:
        delete_file(artifact.storage_name)
        artifact.delete()


def open_artifact(artifact: Artifact) -> Any:
    """The stored bytes, as a binary file."""
    return default_storage.open(artifact.storage_name, "rb")


__all__ = [
    "ArtifactExists",
    "BadPath",
    "StorageFull",
    "Superseded",
    "add",
    "check_path",
    "discard_hidden",
    "discard_orphans",
    "discard_strays",
    "discard_superseded",
    "open_artifact",
    "remove_files",
    "show",
    "suffix_of",
]
