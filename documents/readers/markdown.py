"""Markdown: headings, paragraphs, lists, code, tables; as the text that a page would show."""

from __future__ import annotations

from markdown_it import MarkdownIt
from markdown_it.token import Token

from documents.readers.base import Draft, Source, StructureBuilder
from documents.readers.encodings import decode
from documents.readers.text import read_bytes
from documents.structure import BlockKind, Structure

_OUTER: dict[str, BlockKind] = {"list_item_open": "list_item", "blockquote_open": "quote"}


def read(source: Source) -> Structure:
    built = StructureBuilder(source.media_type)
    text, encoding = decode(read_bytes(source))
    built.meta("encoding", encoding)
    outer: list[BlockKind] = []
    heading = 0
    rows: list[list[Draft | None]] | None = None
    for token in MarkdownIt("commonmark", {"html": False}).enable("table").parse(text):
        if token.type in _OUTER:
            outer.append(_OUTER[token.type])
        elif token.type.removesuffix("_close") + "_open" in _OUTER and outer:
            outer.pop()
        elif token.type == "heading_open":
            heading = int(token.tag[1:])
        elif token.type == "heading_close":
            heading = 0
        elif token.type == "table_open":
            rows = []
        elif token.type == "tr_open" and rows is not None:
            rows.append([])
        elif token.type == "table_close" and rows is not None:
            built.table(rows)
            rows = None
        elif token.type in {"fence", "code_block"}:
            built.block("code", token.content)
        elif token.type == "inline":
            shown = _shown(token)
            if rows is not None:
                rows[-1].append(Draft(text=shown))
            elif heading:
                built.block("heading", shown, level=heading)
            elif outer:
                built.block(outer[-1], shown, level=outer.count("list_item"))
            else:
                built.block("paragraph", shown)
    return built.build()


def _shown(token: Token) -> str:
    breaks = {"softbreak", "hardbreak"}
    children = token.children or ()
    return "".join("\n" if child.type in breaks else child.content for child in children)
