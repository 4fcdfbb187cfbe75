"""Atlassian Document Format, the rich text of Jira Cloud.

https://developer.atlassian.com/cloud/jira/platform/apis/document/structure/ describes most of its
nodes. One that is not known here loses nothing: its text, its attributes that people see, and all
within it are kept, and a warning names it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

from documents.readers.base import Draft
from documents.structure import BlockKind
from ingestion.jira.pieces import Grid, Part, Piece, plain

Node = Mapping[str, Any]

# Deeper than this nothing is laid out, only read: no editor makes such a document.
MAX_DEPTH = 60
MAX_SPAN = 1000
# How many places of a table may be covered by cells of others.
MAX_COVERED = 300_000

# Nodes that only hold others. What they hold is told as if it stood in their place.
_THROUGH = frozenset(
    {
        "doc",
        "paragraph",
        "mediaSingle",
        "mediaGroup",
        "layoutSection",
        "layoutColumn",
        "bodiedExtension",
        "multiBodiedExtension",
        "extensionFrame",
        "bodiedSyncBlock",
        "tableRow",
        "tableCell",
        "tableHeader",
        "listItem",
        "taskItem",
        "blockTaskItem",
        "decisionItem",
    }
)
_LISTS = frozenset({"bulletList", "orderedList", "taskList", "decisionList"})
_KINDS: Mapping[str, BlockKind] = {
    "blockquote": "quote",
    "panel": "note",
    "panel_c1": "note",
    "caption": "caption",
}
_INLINE = frozenset(
    {
        "text",
        "hardBreak",
        "mention",
        "emoji",
        "date",
        "status",
        "inlineCard",
        "mediaInline",
        "inlineExtension",
        "placeholder",
        "unsupportedInline",
        "confluenceUnsupportedInline",
        "image",
    }
)
_CHIPS = frozenset({"mention", "date", "status", "inlineCard", "mediaInline", "inlineExtension"})
# Nodes without content of their own, told by what their attributes say.
_LEAVES = frozenset({"media", "blockCard", "embedCard", "extension", "syncBlock"})
_SILENT = frozenset({"rule"})
_UNSUPPORTED = frozenset({"unsupportedBlock", "confluenceUnsupportedBlock", "confluenceJiraIssue"})
# Which attributes of a node people see, the first that has something.
_SEEN = ("text", "title", "alt", "label", "name", "shortName", "url", "href", "key")


def read(document: Any) -> tuple[list[Piece], frozenset[str]]:
    """What `document` says, and the types of nodes in it that are not known here.

    Never raises: what is no document at all says nothing; a plain text is a paragraph.
    """
    walk = _Walk()
    if isinstance(document, str):
        return [Part("paragraph", document)], frozenset()
    if isinstance(document, Mapping):
        walk.block(document, kind="paragraph", level=0, depth=0)
    return walk.pieces, frozenset(walk.unknown)


def text_of(document: Any) -> str:
    return plain(read(document)[0])


class _Walk:
    def __init__(self) -> None:
        self.pieces: list[Piece] = []
        self.unknown: set[str] = set()

    def block(self, node: Node, *, kind: BlockKind, level: int, depth: int) -> None:
        """Tell `node`; running text in it is of `kind` and `level` unless it says otherwise."""
        name = _type(node)
        if depth > MAX_DEPTH:
            self._add(kind, "\n".join(_all_text(node)), level)
        elif name == "heading":
            self._children(node, kind="heading", level=_heading_level(node), depth=depth)
        elif name == "codeBlock":
            self._add("code", "".join(_all_text(node)))
        elif name == "table":
            self._table(node, depth)
        elif name in _LISTS:
            inner = level + 1 if kind == "list_item" else 1
            self._children(node, kind="list_item", level=inner, depth=depth)
        elif name in _KINDS:
            self._children(node, kind=_KINDS[name], level=0, depth=depth)
        elif name in {"expand", "nestedExpand"}:
            self._add(kind, _attribute(node, "title"), level)
            self._children(node, kind=kind, level=level, depth=depth)
        elif name in _THROUGH:
            self._children(node, kind=kind, level=level, depth=depth, first=_mark_of(node))
        elif name in _LEAVES:
            self._add("caption" if name == "media" else kind, _seen(node), level)
            self._children(node, kind=kind, level=level, depth=depth)
        elif name not in _SILENT:
            self._note(name)
            self._add(kind, _seen(node), level)
            self._children(node, kind=kind, level=level, depth=depth)

    def _children(
        self, node: Node, *, kind: BlockKind, level: int, depth: int, first: str = ""
    ) -> None:
        """Tell what `node` holds: running text in one piece, between the blocks in it."""
        line = _Line(first)
        for child in _content(node):
            if self._is_inline(child):
                self._inline(child, line, depth + 1)
                continue
            self._add(kind, line.take(), level)
            self.block(child, kind=kind, level=level, depth=depth + 1)
        self._add(kind, line.take(), level)

    def _is_inline(self, node: Node) -> bool:
        name = _type(node)
        if name in _INLINE:
            return True
        if name in _THROUGH | _LISTS | _LEAVES | _SILENT | _UNSUPPORTED or name in _KINDS:
            return False
        if name in {"heading", "codeBlock", "table", "expand", "nestedExpand"}:
            return False
        # Nobody knows: it runs with the text where it is a text, or holds nothing but such.
        inner = list(_content(node))
        return "text" in node or (bool(inner) and all(_type(each) in _INLINE for each in inner))

    def _inline(self, node: Node, line: _Line, depth: int) -> None:
        name = _type(node)
        if name == "text":
            line.add(_string(node.get("text")), href=_href(node))
            return
        if name not in _INLINE:
            self._note(name)
        line.add(_told(node, name), chip=name in _CHIPS)
        if depth > MAX_DEPTH:
            line.add("\n".join(_all_text(node)))
            return
        for child in _content(node):
            self._inline(child, line, depth + 1)

    def _table(self, table: Node, depth: int) -> None:
        """The rows with their spans laid out. What is no row or cell is kept as one."""
        nodes = list(_content(table))
        rows: list[list[Draft | None]] = [[] for _ in nodes]
        taken: set[tuple[int, int]] = set()
        for number, row in enumerate(nodes):
            cells = list(_content(row)) if _type(row) == "tableRow" else [row]
            col = 0
            for cell in cells:
                while (number, col) in taken:
                    col += 1
                rowspan = min(_span(cell, "rowspan"), len(nodes) - number)
                colspan = _span(cell, "colspan")
                if len(taken) + rowspan * colspan <= MAX_COVERED:
                    for below in range(rowspan):
                        taken.update((number + below, col + right) for right in range(colspan))
                else:
                    rowspan = colspan = 1
                line = rows[number]
                line += [None] * (col - len(line))
                text = self._cell(cell, depth + 1)
                line.append(Draft(text=text, rowspan=rowspan, colspan=colspan))
                col += colspan
        if rows:
            self.pieces.append(Grid(rows))

    def _cell(self, cell: Node, depth: int) -> str:
        inner = _Walk()
        inner.block(cell, kind="paragraph", level=0, depth=depth + 1)
        self.unknown |= inner.unknown
        return plain(inner.pieces)

    def _add(self, kind: BlockKind, text: str, level: int = 0) -> None:
        if text.strip():
            self.pieces.append(Part(kind, text.strip("\n"), level))

    def _note(self, name: str) -> None:
        if name not in _UNSUPPORTED:
            self.unknown.add(name[:60])


class _Line:
    """Running text as it comes in. A link's address follows its text, once."""

    def __init__(self, first: str = "") -> None:
        self._first = first
        self._parts: list[str] = []
        self._linked: list[str] = []
        self._href = ""
        self._after_chip = False

    def add(self, text: str, *, href: str = "", chip: bool = False) -> None:
        """Append `text`; a chip is drawn as a thing of its own, so words next to it do not touch it."""
        if text and (chip or self._after_chip):
            before = next((part for part in reversed(self._parts) if part), "")
            if before[-1:].isalnum() and (chip or text[0].isalnum()):
                self._parts.append(" ")
        if text:
            self._after_chip = chip
        if href != self._href:
            self._close()
            self._href = href
        self._parts.append(text)
        if href:
            self._linked.append(text)

    def take(self) -> str:
        self._close()
        text = "".join(self._parts)
        if text.strip() and self._first:
            text, self._first = self._first + text, ""
        self._parts.clear()
        return text

    def _close(self) -> None:
        if self._href and self._href not in "".join(self._linked):
            self._parts.append(f" ({self._href})")
        self._href = ""
        self._linked.clear()


def _type(node: Node) -> str:
    return _string(node.get("type")) or "(without a type)"


def _content(node: Node) -> Iterator[Node]:
    content = node.get("content")
    if isinstance(content, Mapping):
        content = [content]
    if isinstance(content, list):
        for child in content:
            if isinstance(child, Mapping):
                yield child
            elif isinstance(child, str):
                yield {"type": "text", "text": child}


def _attributes(node: Node) -> Node:
    attributes = node.get("attrs")
    return attributes if isinstance(attributes, Mapping) else {}


def _attribute(node: Node, name: str) -> str:
    return _string(_attributes(node).get(name))


def _string(value: Any) -> str:
    if isinstance(value, bool):
        return ""
    return str(value) if isinstance(value, str | int | float) else ""


def _seen(node: Node) -> str:
    """The text that people see in place of a node without text."""
    if text := _string(node.get("text")):
        return text
    attributes = _attributes(node)
    within = attributes.get("data")
    for place in (attributes, within if isinstance(within, Mapping) else {}):
        for name in _SEEN:
            if text := _string(place.get(name)):
                return text
    return "\n".join(_parameters(attributes.get("parameters")))


def _parameters(value: Any, depth: int = 0) -> Iterator[str]:
    """What a macro's parameters say (`{"macroParams": {"name": {"value": "x"}}}`)."""
    if isinstance(value, Mapping) and depth < 6:
        for name, inner in value.items():
            if isinstance(inner, Mapping | list):
                yield from _parameters(inner, depth + 1)
            elif name in {"value", "title", "text"} and _string(inner):
                yield _string(inner)
    elif isinstance(value, list) and depth < 6:
        for inner in value:
            yield from _parameters(inner, depth + 1)


def _told(node: Node, name: str) -> str:
    """An inline node in words."""
    if name == "hardBreak":
        return "\n"
    if name == "mention":
        shown = _attribute(node, "text") or _attribute(node, "id")
        return shown if shown.startswith("@") or not shown else f"@{shown}"
    if name == "emoji":
        return _attribute(node, "text") or _attribute(node, "shortName")
    if name == "date":
        return _date(_attribute(node, "timestamp"))
    return _seen(node)


def _date(timestamp: str) -> str:
    """Milliseconds since 1970 as a day in UTC, which is how the editor means them."""
    try:
        return datetime.fromtimestamp(int(timestamp) / 1000, tz=UTC).date().isoformat()
    except (ValueError, OverflowError, OSError):
        return timestamp


def _href(node: Node) -> str:
    marks = node.get("marks")
    for mark in marks if isinstance(marks, list) else ():
        if isinstance(mark, Mapping) and mark.get("type") == "link":
            href = _attribute(mark, "href")
            return href if href.lower().startswith(("http://", "https://")) else ""
    return ""


def _mark_of(node: Node) -> str:
    """Whether a task is done: only this says it."""
    if _type(node) in {"taskItem", "blockTaskItem"}:
        return "[x] " if _attribute(node, "state") == "DONE" else "[ ] "
    return ""


def _heading_level(node: Node) -> int:
    level = _attribute(node, "level")
    return min(max(int(level), 1), 6) if level.isdecimal() and len(level) < 3 else 1


def _span(cell: Node, name: str) -> int:
    value = _attribute(cell, name)
    return min(max(int(value), 1), MAX_SPAN) if value.isdecimal() and len(value) < 6 else 1


def _all_text(node: Node) -> Iterator[str]:
    """Every text below `node`, in order, however deep."""
    waiting = [node]
    while waiting:
        each = waiting.pop()
        name = _type(each)
        if name == "text":
            yield _string(each.get("text"))
        elif told := _told(each, name):
            yield told
        waiting += reversed(list(_content(each)))
