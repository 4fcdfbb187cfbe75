"""RTF: its running text."""

from __future__ import annotations

from striprtf.striprtf import rtf_to_text

from documents.readers.base import Source, StructureBuilder, Unreadable, tidy
from documents.readers.text import add_paragraphs, read_bytes
from documents.structure import Structure


def read(source: Source) -> Structure:
    data = read_bytes(source)
    built = StructureBuilder(source.media_type)
    if b"\\object" in data or b"\\objdata" in data:
        built.warn("objects_ignored", "The file carries embedded objects; they were not opened.")
    if not data.rstrip(b"\0 \r\n").endswith(b"}"):
        built.warn("truncated", "The file breaks off before its end; what is there was read.")
    try:
        # RTF is ASCII with escapes; bytes beyond it are in the code page that striprtf is told of.
        text = rtf_to_text(data.decode("latin-1"), encoding="cp1252", errors="replace")
    except (ValueError, IndexError, KeyError, LookupError) as error:
        raise Unreadable("damaged", "The file is not readable as RTF: it is damaged.") from error
    add_paragraphs(built, tidy(text))
    return built.build()
