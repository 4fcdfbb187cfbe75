"""Plain text: paragraphs between empty lines."""

from __future__ import annotations

import re

from documents.readers.base import Source, StructureBuilder, Unreadable, tidy
from documents.readers.encodings import decode
from documents.structure import Structure

MAX_BYTES = 64 * 1024 * 1024
_PARAGRAPH = re.compile(r"[^\n]+(?:\n(?!\s*\n)[^\n]+)*")
_LIST = re.compile(r"[ \t]*(?:[-*•–]|\d{1,3}[.)])[ \t]+\S")


def read_bytes(source: Source) -> bytes:
    """The whole file; for formats that are not read in parts.

    :raises Unreadable: larger than such a file may be.
    """
    size = source.path.stat().st_size
    if size > MAX_BYTES:
        raise Unreadable(
            "too_large",
            f"The file has {size / 1e6:,.0f} MB; this format is read up to "
            f"{MAX_BYTES / 1e6:,.0f} MB. Split it and upload the parts.",
        )
    return source.path.read_bytes()


def read(source: Source) -> Structure:
    built = StructureBuilder(source.media_type)
    text, encoding = decode(read_bytes(source))
    built.meta("encoding", encoding)
    if "\ufffd" in text:
        built.warn(
            "characters_lost", f"Some bytes are no {encoding} text; they are shown as \ufffd."
        )
    add_paragraphs(built, tidy(text))
    return built.build()


def add_paragraphs(built: StructureBuilder, text: str) -> None:
    """Append `text` as it is, with a block for each paragraph and list item."""
    offset = built.raw(text if text.endswith("\n") else text + "\n")
    for match in _PARAGRAPH.finditer(text):
        paragraph = match.group().rstrip()
        if not paragraph.strip():
            continue
        lines = paragraph.split("\n")
        if len(lines) > 1 and all(_LIST.match(line) for line in lines):
            at = match.start()
            for line in lines:
                built.block_within("list_item", line, offset + at, level=1)
                at += len(line) + 1
        else:
            kind = "list_item" if _LIST.match(paragraph) else "paragraph"
            built.block_within(kind, paragraph, offset + match.start())  # type: ignore[arg-type]
