"""Files that jobs produce: hashed while they are stored, invisible until their attempt ends."""

import errno
import hashlib
import io
import logging
import mimetypes
import os
from pathlib import Path, PurePosixPath
from typing import IO, Any
from uuid import UUID, uuid4

from django.conf import settings
from django.core.files.base import File
from django.core.files.storage import FileSystemStorage, default_storage
from django.db import IntegrityError, connection, transaction
from django.db.models import QuerySet
from django.utils import timezone

from jobs import events
from jobs.events import Superseded
from jobs.models import Artifact, Status

log = logging.getLogger(__name__)

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
_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}


class BadPath(ValueError):
    """This is not a relative path inside the job's own folder."""


class StorageFull(Exception):
    """No space is left where artifacts are kept."""


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


class _Copied(File):  # type: ignore[type-arg]
    """A finished copy on disk. A local storage renames it into place, another one uploads it."""

    def temporary_file_path(self) -> str:
        return str(self.name)


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
    :raises StorageFull: the storage (or the disk) has no room.
    :raises Superseded: the attempt does not own the job any more.
    """
    path = check_path(path)
    kept_as = f"jobs/{job_id}/{attempt}/{uuid4().hex}{_suffix(path)}"
    with _opened(source, inside) as raw:
        stored, size_bytes, sha256 = _store(kept_as, raw)
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
        _delete_file(stored)
        raise ArtifactExists(f"Attempt {attempt} has already stored {path!r}.") from error
    except BaseException:
        _delete_file(stored)
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


def _store(name: str, raw: IO[bytes]) -> tuple[str, int, str]:
    """Copy and hash in one pass, then hand the copy over whole: (stored name, size, SHA-256).

    The copy can not change any more while a slow storage reads it, perhaps more than once.
    """
    incoming = settings.DATA_DIR / "incoming"
    incoming.mkdir(parents=True, exist_ok=True)
    # The process id tells the sweep at start whose copies are stale.
    draft = incoming / f"{os.getpid()}-{uuid4().hex}"
    sha256 = hashlib.sha256()
    size_bytes = 0
    try:
        with draft.open("xb") as copy:
            while data := raw.read(1024 * 1024):
                copy.write(data)
                sha256.update(data)
                size_bytes += len(data)
        with draft.open("rb") as copy:
            stored = default_storage.save(name, _Copied(copy, name=str(draft)))
    except OSError as error:
        _delete_file(name)
        if error.errno in _FULL:
            raise StorageFull("No space is left where artifacts are kept.") from error
        raise
    finally:
        draft.unlink(missing_ok=True)
    return stored, size_bytes, sha256.hexdigest()


def _content_type(path: str) -> str:
    return _TYPES.guess_type(path)[0] or "application/octet-stream"


def _suffix(path: str) -> str:
    suffix = PurePosixPath(path).suffix
    return suffix if suffix[1:].isalnum() and suffix.isascii() and len(suffix) <= 10 else ""


def _delete_file(name: str) -> None:
    try:
        default_storage.delete(name)
    except OSError:
        log.warning(
            "The file %s of an artifact that was not kept could not be deleted.",
            name,
            exc_info=True,
        )


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
            _delete_file(f"{folder}/{name}")


def discard_hidden() -> None:
    """Delete what ended jobs left hidden, because a worker died before it could clean up."""
    ended = [Status.SUCCEEDED, Status.FAILED, Status.CANCELLED]
    _discard(Artifact.objects.filter(visible=False, job__status__in=ended))


def _discard(hidden: QuerySet[Artifact]) -> None:
    for artifact in hidden:
        _delete_file(artifact.storage_name)
        artifact.delete()


def open_artifact(artifact: Artifact) -> Any:
    """The stored bytes, as a binary file."""
    return default_storage.open(artifact.storage_name, "rb")


def open_range(artifact: Artifact, *, first: int, last: int) -> IO[bytes]:
    """The stored bytes from `first` up to and including `last`, to be read once from front to back.

    Of S3 only these bytes are fetched, while they are read; of a folder the file is opened at
    `first`, and the reader stops where it wants to.

    :raises FileNotFoundError: the file is gone from storage.
    """
    if isinstance(default_storage, FileSystemStorage):
        file: IO[bytes] = default_storage.open(artifact.storage_name, "rb")
        file.seek(first)
        return file
    # Imported here: an installation that keeps its files in a folder needs no client of S3.
    from botocore.exceptions import ClientError  # type: ignore[import-untyped]

    # An empty object has no first byte that could be asked for.
    asked = {"Range": f"bytes={first}-{last}"} if first <= last else {}
    try:
        found = _s3_object(artifact.storage_name).get(**asked)
    except ClientError as error:
        if error.response["Error"]["Code"] in {"NoSuchKey", "404"}:
            raise FileNotFoundError(errno.ENOENT, "Not in the bucket", artifact.path) from error
        raise
    body: IO[bytes] = found["Body"]
    return body


def _s3_object(name: str) -> Any:
    from storages import utils

    storage: Any = default_storage
    spelled: Any = utils
    return storage.bucket.Object(storage._normalize_name(spelled.clean_name(name)))


__all__ = [
    "ArtifactExists",
    "BadPath",
    "StorageFull",
    "Superseded",
    "add",
    "check_path",
    "discard_hidden",
    "discard_strays",
    "discard_superseded",
    "open_artifact",
    "open_range",
    "show",
]
