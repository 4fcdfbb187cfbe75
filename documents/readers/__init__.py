"""Readers: one file for each format, all to the same typed structure.

They open untrusted files, so they run in a confined child process only (kind `documents.read`).
None fetches anything, runs anything that a file brings, or computes a formula.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module

from documents import media
from documents.readers.base import PasswordNeeded, Source, Unreadable
from documents.structure import Structure

__all__ = ["PasswordNeeded", "Source", "Unreadable", "can_read", "read"]

# Imported when first used: a worker that reads texts needs no reader of PDF.
_READERS = {
    media.PDF: "pdf",
    media.DOCX: "docx",
    media.PPTX: "pptx",
    media.XLSX: "xlsx",
    media.XLSM: "xlsx",
    media.XLS: "sheets",
    media.ODS: "sheets",
    media.CSV: "delimited",
    media.TSV: "delimited",
    media.HTML: "html",
    media.MARKDOWN: "markdown",
    media.EML: "mail",
    media.MSG: "msg",
    media.RTF: "rtf",
    media.TEXT: "text",
    media.JSON: "text",
    media.XML: "text",
    media.YAML: "text",
    media.PNG: "image",
    media.JPEG: "image",
    media.GIF: "image",
    media.WEBP: "image",
    media.TIFF: "image",
    media.BMP: "image",
}


def can_read(media_type: str) -> bool:
    return media_type in _READERS


def read(source: Source) -> Structure:
    """The file's structure, its spans checked.

    :raises PasswordNeeded: it is encrypted.
    :raises Unreadable: it is damaged, hostile, or of a type without a reader.
    """
    try:
        name = _READERS[source.media_type]
    except KeyError as error:
        raise Unreadable("unsupported", f"There is no reader for {source.media_type}.") from error
    reader: Callable[[Source], Structure] = import_module(f"documents.readers.{name}").read
    structure = reader(source)
    structure.check()
    return structure
