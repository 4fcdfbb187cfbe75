"""HTML: headings, paragraphs, lists, code and tables of what a page shows. Nothing is fetched or run."""

from __future__ import annotations

import re

from selectolax.lexbor import LexborHTMLParser, LexborNode

from documents.readers.base import Draft, Source, StructureBuilder
from documents.readers.encodings import decode
from documents.readers.text import read_bytes
from documents.structure import BlockKind, Structure

_UNSEEN = ["script", "style", "template", "noscript", "iframe", "object", "embed", "svg", "head"]
BLOCKS: dict[str, BlockKind] = {
    "h1": "heading",
    "h2": "heading",
    "h3": "heading",
    "h4": "heading",
    "h5": "heading",
    "h6": "heading",
    "li": "list_item",
    "dt": "paragraph",
    "dd": "paragraph",
    "pre": "code",
    "blockquote": "quote",
    "figcaption": "caption",
    "caption": "caption",
    **dict.fromkeys(
        [
            "p",
            "div",
            "section",
            "article",
            "main",
            "header",
            "footer",
            "nav",
            "aside",
            "body",
            "address",
            "form",
            "fieldset",
            "figure",
            "details",
            "summary",
            "ul",
            "ol",
            "dl",
            "td",
            "th",
            "html",
        ],
        "paragraph",
    ),
}
# How far up a text looks for its block: deeper nesting is an attack, not a page.
MAX_UP = 60
MAX_SPAN = 1000
_SPACE = re.compile(r"[ \t\n\r\f]+")


def read(source: Source) -> Structure:
    built = StructureBuilder(source.media_type)
    text, encoding = decode(read_bytes(source), declared=True)
    built.meta("encoding", encoding)
    add_html(built, text)
    return built.build()


def add_html(built: StructureBuilder, text: str) -> None:
    """Append what the page would show."""
    tree = LexborHTMLParser(text)
    title = tree.css_first("title")
    if title is not None:
        built.meta("title", title.text(strip=True))
    tree.strip_tags(_UNSEEN)
    body = tree.body
    if body is None:
        return
    current: LexborNode | None = None
    parts: list[str] = []
    inside: int | None = None

    def flush() -> None:
        if parts and current is not None:
            _add(built, current, "".join(parts))
        parts.clear()

    # Tables are taken whole; what is in them is passed over while it comes by.
    in_tables: set[int] = set()
    for node in body.traverse(include_text=True):
        parent = node.parent
        if parent is not None and parent.mem_id in in_tables:
            in_tables.add(node.mem_id)
            continue
        if node.tag == "table":
            flush()
            in_tables.add(node.mem_id)
            built.table(table_rows(node), title=caption_of(node))
        elif node.tag == "br":
            parts.append("\n")
        elif node.is_text_node or node.tag == "img":
            block = _block_of(node)
            if block is None:
                continue
            if inside != block.mem_id:
                flush()
                inside, current = block.mem_id, block
            shown = node.text_content if node.is_text_node else node.attributes.get("alt")
            parts.append(shown or "")
    flush()


def _block_of(node: LexborNode) -> LexborNode | None:
    up = node.parent
    for _ in range(MAX_UP):
        if up is None:
            return None
        if up.tag in BLOCKS:
            return up
        up = up.parent
    return node.parent


def _add(built: StructureBuilder, node: LexborNode, text: str) -> None:
    tag = node.tag or ""
    kind = BLOCKS.get(tag, "paragraph")
    if kind == "code":
        built.block("code", text)
        return
    lines = [_SPACE.sub(" ", line).strip() for line in text.split("\n")] if "\n" in text else [text]
    shown = _SPACE.sub(" ", " ".join(lines)).strip()
    level = 0
    if kind == "heading":
        level = int(tag[1])
    elif kind == "list_item":
        level = _list_depth(node)
    built.block(kind, shown, level=level)


def _list_depth(node: LexborNode) -> int:
    depth, up = 0, node.parent
    for _ in range(MAX_UP):
        if up is None:
            break
        depth += up.tag in {"ul", "ol"}
        up = up.parent
    return max(depth, 1)


def caption_of(table: LexborNode) -> str:
    caption = table.css_first("caption")
    return _squeezed(caption) if caption is not None else ""


def table_rows(table: LexborNode) -> list[list[Draft | None]]:
    """The table's own rows, spans laid out; a table within a cell is that cell's text."""
    own = [row for row in table.css("tr") if _table_of(row) == table.mem_id]
    rows: list[list[Draft | None]] = [[] for _ in own]
    taken: set[tuple[int, int]] = set()
    for number, row in enumerate(own):
        col = 0
        for cell in row.iter():
            if cell.tag not in {"td", "th"}:
                continue
            while (number, col) in taken:
                col += 1
            rowspan = min(_span(cell, "rowspan"), len(own) - number)
            colspan = _span(cell, "colspan")
            for below in range(rowspan):
                taken.update((number + below, col + right) for right in range(colspan))
            line = rows[number]
            line += [None] * (col - len(line))
            line.append(Draft(text=_squeezed(cell), rowspan=rowspan, colspan=colspan))
            col += colspan
    return rows


def _table_of(row: LexborNode) -> int | None:
    up = row.parent
    for _ in range(MAX_UP):
        if up is None or up.tag == "table":
            break
        up = up.parent
    return up.mem_id if up is not None else None


def _span(cell: LexborNode, name: str) -> int:
    value = (cell.attributes or {}).get(name) or ""
    return max(1, min(int(value), MAX_SPAN)) if value.isdigit() and len(value) < 6 else 1


def _squeezed(node: LexborNode) -> str:
    return _SPACE.sub(" ", node.text(separator=" ")).strip()
