"""Attachments of issues: downloaded within limits, read in a process of their own."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import Any

from documents import media
from documents.readers import Unreadable
from documents.readers.base import StructureBuilder
from documents.structure import Structure
from ingestion.jira.api import Api
from ingestion.jira.problems import JiraError
from ingestion.reading import FileReader

# Jira is asked anew a few times only: the issue, and all others, do not wait for one file.
DOWNLOAD_ATTEMPTS = 3
# Endings of files that have no text that a reader of ours finds: not worth their download.
_WITHOUT_TEXT = frozenset(
    [
        ".7z",
        ".avi",
        ".bin",
        ".dmg",
        ".exe",
        ".gz",
        ".iso",
        ".jar",
        ".m4a",
        ".m4v",
        ".mkv",
        ".mov",
        ".mp3",
        ".mp4",
        ".mpeg",
        ".mpg",
        ".ogg",
        ".rar",
        ".tar",
        ".tgz",
        ".wav",
        ".webm",
        ".wmv",
        ".xz",
        ".zip",
    ]
)
# How readers call a file that asks for a password.
_ENCRYPTED = frozenset({"password", "encrypted", "encrypted_office"})


class TooLarge(Exception):
    """The attachment is larger than is downloaded."""


def size_of(attachment: Mapping[str, Any]) -> int:
    size = attachment.get("size")
    return size if isinstance(size, int) else 0


def name_of(attachment: Mapping[str, Any]) -> str:
    return str(attachment.get("filename") or attachment["id"])


def read(
    attachment: Mapping[str, Any],
    *,
    api: Api,
    reader: FileReader,
    folder: Path,
    max_bytes: int,
    ocr: bool,
    ocr_languages: str,
) -> Structure:
    """What the attachment says; one without a reader says nothing, and a warning why.

    :raises TooLarge: it has more than `max_bytes`.
    :raises JiraError: it can not be downloaded.
    :raises Unreadable: damaged, encrypted, or too much for its reader.
    """
    name = name_of(attachment)
    if PurePosixPath(name.lower()).suffix in _WITHOUT_TEXT:
        return _without_text(name)
    if size_of(attachment) > max_bytes:
        raise TooLarge(
            f"{name} has {size_of(attachment) / 1e6:,.1f} MB; at most {max_bytes / 1e6:,.0f} MB are "
            "downloaded. Raise attachmentMaxMb to take it."
        )
    path = folder / "attachment"
    try:
        api.client.download(
            api.attachment_path(attachment),
            into=path,
            max_bytes=max_bytes,
            attempts=DOWNLOAD_ATTEMPTS,
        )
        return reader.read(
            path, name=name, ocr="auto" if ocr else "never", ocr_languages=ocr_languages
        )
    except JiraError as error:
        if error.code in {"too_large", "unpacks_too_large"}:
            raise TooLarge(f"{error.message} Raise attachmentMaxMb to take it.") from error
        raise
    except Unreadable as error:
        if error.code == "unsupported":
            return _without_text(name)
        if error.code in _ENCRYPTED:
            raise Unreadable(
                "password", f"{name} is encrypted. Attach it to the issue without a password."
            ) from error
        raise
    finally:
        path.unlink(missing_ok=True)


def _without_text(name: str) -> Structure:
    built = StructureBuilder(media.BINARY)
    built.warn(
        "no_reader", f"{name} is of a kind that has no text to read; it is found by its name."
    )
    return built.build()
