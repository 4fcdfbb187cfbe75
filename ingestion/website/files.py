"""Files that pages link to: PDF, Office and the like, by the documents' readers."""

from __future__ import annotations

import logging
import re
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from urllib.parse import unquote, urlsplit

from documents import media, readers
from documents.structure import Structure

log = logging.getLogger(__name__)

_NAMED = re.compile(r"""filename\s*=\s*"?([^";]+)""", re.I)


class NotRead(Exception):
    """This file is not read: `code` for programs, `message` says why."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


def file_name(url: str, headers: Mapping[str, str]) -> str:
    """What the server calls the file, else the end of its path; never with a folder in it."""
    named = _NAMED.search(headers.get("content-disposition", ""))
    name = named.group(1) if named else unquote(urlsplit(url).path.rpartition("/")[2])
    return PurePosixPath(name.replace("\\", "/").replace("\0", "").strip()).name[:200]


def read_file(data: bytes, *, name: str, folder: Path, text: bool) -> Structure | None:
    """The file's structure; None: of a type that is not read.

    :raises documents.readers.Unreadable: hostile, or encrypted.
    :raises NotRead: damaged.
    """
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "fetched"
    path.write_bytes(data)
    try:
        by_name = media.by_name(name)
        media_type = _recognised(path, name)
        if text and media_type not in (media.TEXT, media.MARKDOWN):
            media_type = by_name if by_name == media.MARKDOWN else media.TEXT
            if b"\0" in data:
                return None
        if not readers.can_read(media_type) or media_type.startswith("image/"):
            return None
        return readers.read(readers.Source(path=path, name=name, media_type=media_type))
    except (readers.Unreadable, NotRead):
        raise
    except Exception as error:
        log.warning("%s could not be read.", name, exc_info=True)
        words = (
            f"The file is damaged, or of a sort that is not understood ({type(error).__name__})."
        )
        raise NotRead("damaged", words) from error
    finally:
        path.unlink(missing_ok=True)


def _recognised(path: Path, name: str) -> str:
    try:
        return media.recognise(path=path, name=name)[0]
    except media.ContentMismatch:
        pass  # addresses often end in what the file is not
    try:
        return media.recognise(path=path, name="")[0]
    except media.ContentMismatch as error:
        raise NotRead("damaged", "The file is damaged, or was sent in part only.") from error
