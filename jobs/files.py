"""Files on their way into storage: hashed while they are written, handed over whole or not at all."""

from __future__ import annotations

import errno
import hashlib
import logging
import os
import weakref
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Self
from uuid import uuid4

from django.conf import settings
from django.core.files.base import File
from django.core.files.storage import FileSystemStorage, default_storage

log = logging.getLogger(__name__)

FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}


class StorageFull(Exception):
    """No space is left where files are kept."""


@dataclass(frozen=True, kw_only=True)
class StoredFile:
    """One file in storage: what it takes to serve it and to know it again."""

    name: str
    content_type: str
    size_bytes: int
    sha256: str
    storage_name: str


class _Copied(File):  # type: ignore[type-arg]
    """A finished copy on disk. A local storage renames it into place, another one uploads it."""

    def temporary_file_path(self) -> str:
        return str(self.name)


class Draft:
    """A copy on local disk that nobody sees yet; gone when its `with` block ends, unless kept.

    The copy can not change any more while a slow storage reads it, perhaps more than once.
    """

    def __init__(self) -> None:
        incoming = Path(settings.DATA_DIR) / "incoming"
        incoming.mkdir(parents=True, exist_ok=True)
        # The process id tells the sweep at start whose copies are stale.
        self.path = incoming / f"{os.getpid()}-{uuid4().hex}"
        self.size_bytes = 0
        self._sha256 = hashlib.sha256()
        self._file: IO[bytes] = self.path.open("xb")
        # For owners that are dropped where nobody can clean up, such as a form that breaks off.
        weakref.finalize(self, _remove, self.path, os.getpid())

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.discard()

    @property
    def sha256(self) -> str:
        return self._sha256.hexdigest()

    def write(self, data: bytes) -> None:
        """:raises StorageFull: the disk has no room."""
        try:
            self._file.write(data)
        except OSError as error:
            raise _named(error) from error
        self._sha256.update(data)
        self.size_bytes += len(data)

    def read_whole(self, source: IO[bytes]) -> None:
        """Copy `source` to its end."""
        while data := source.read(1024 * 1024):
            self.write(data)

    def finish(self) -> None:
        """Everything is written: the copy at `path` is complete. Doing so twice is harmless."""
        try:
            self._file.close()
        except OSError as error:
            raise _named(error) from error

    def keep(self, name: str) -> str:
        """Hand the copy over to storage under `name`, or one like it: the name it got.

        :raises StorageFull: the storage (or the disk) has no room; nothing is left there.
        """
        self.finish()
        try:
            with self.path.open("rb") as copy:
                return default_storage.save(name, _Copied(copy, name=str(self.path)))
        except OSError as error:
            delete_file(name)
            raise _named(error) from error

    def discard(self) -> None:
        """Remove the copy; without effect on what was kept."""
        try:
            self._file.close()
        except OSError:
            log.warning("%s could not be closed.", self.path, exc_info=True)
        self.path.unlink(missing_ok=True)


def _remove(path: Path, pid: int) -> None:
    if os.getpid() == pid:  # not in a fork, whose copy of the object goes first
        path.unlink(missing_ok=True)


def _named(error: OSError) -> Exception:
    return StorageFull(StorageFull.__doc__) if error.errno in FULL else error


def delete_file(name: str) -> bool:
    """Delete a file from storage; False (and a line in the log) where that fails."""
    try:
        default_storage.delete(name)
    except OSError:
        log.warning("The file %s could not be deleted from storage.", name, exc_info=True)
        return False
    return True


def storage_is_remote() -> bool:
    """Whether files are kept on S3 and not in a folder."""
    return not isinstance(default_storage, FileSystemStorage)


def open_range(storage_name: str, *, first: int, last: int) -> IO[bytes]:
    """The stored bytes from `first` up to and including `last`, to be read once from front to back.

    Of S3 only these bytes are fetched, while they are read; of a folder the file is opened at
    `first`, and the reader stops where it wants to.

    :raises FileNotFoundError: the file is gone from storage.
    """
    if not storage_is_remote():
        file: IO[bytes] = default_storage.open(storage_name, "rb")
        file.seek(first)
        return file
    # Imported here: an installation that keeps its files in a folder needs no client of S3.
    from botocore.exceptions import ClientError  # type: ignore[import-untyped]

    # An empty object has no first byte that could be asked for.
    asked = {"Range": f"bytes={first}-{last}"} if first <= last else {}
    try:
        found = _s3_object(storage_name).get(**asked)
    except ClientError as error:
        if error.response["Error"]["Code"] in {"NoSuchKey", "404"}:
            raise FileNotFoundError(errno.ENOENT, "Not in the bucket", storage_name) from error
        raise
    body: IO[bytes] = found["Body"]
    return body


def _s3_object(name: str) -> Any:
    from storages import utils

    storage: Any = default_storage
    spelled: Any = utils
    return storage.bucket.Object(storage._normalize_name(spelled.clean_name(name)))
