"""Verbs on documents that people and other apps use."""

from __future__ import annotations

import shutil
from pathlib import Path, PurePosixPath
from typing import IO

from django.core.files.storage import default_storage

from documents.models import DocumentVersion

__all__ = ["BytesGone", "local_copy", "open_version"]


class BytesGone(Exception):
    """The bytes of this version are not in storage (any more)."""


def open_version(version: DocumentVersion) -> IO[bytes]:
    """The version's bytes, as a seekable binary file to be closed by the caller.

    :raises BytesGone: they were removed, or are missing from storage.
    """
    if not version.storage_name:
        raise BytesGone(BytesGone.__doc__)
    try:
        opened: IO[bytes] = default_storage.open(version.storage_name, "rb")
    except FileNotFoundError as error:
        raise BytesGone(BytesGone.__doc__) from error
    return opened


def local_copy(version: DocumentVersion, *, folder: Path) -> Path:
    """A copy of the version's bytes in `folder`, for readers that want a path.

    It stays whole while the document is deleted or purged. Its name is the version's id with the
    ending of its name.

    :raises BytesGone: they were removed, or are missing from storage.
    """
    suffix = PurePosixPath(version.name).suffix
    path = folder / f"{version.pk}{suffix if suffix[1:].isalnum() else ''}"
    with open_version(version) as source, path.open("wb") as copy:
        shutil.copyfileobj(source, copy, 1024 * 1024)
    return path
