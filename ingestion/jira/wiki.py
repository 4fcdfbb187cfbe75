"""Wiki markup, the rich text of Jira Server and Data Center.

Written from Jira's own description of it (`/secure/WikiRendererHelpAction.jspa?section=all`). One pass
over the text, whose time grows with its length alone; what is no markup stays as it is written.
"""

from __future__ import annotations

import re
from html import unescape

from documents.readers.base import Draft
from documents.structure import BlockKind
from ingestion.jira.pieces import Grid, Part, Piece, plain

# Macros within macros beyond this are shown as they are written.
MAX_DEPTH = 20
# Jira's own limit for a text is 32,767 characters unless an admin lifts it. More is no rich text.
MAX_CHARS = 500_000

_BODIES = ("code", "noformat", "quote", "panel")
_MACRO = re.compile(r"(?<!\\)\{(code|noformat|quote|panel)(:[^}\n]{0,500})?\}", re.IGNORECASE)
_TITLE = re.compile(r"(?:^:|\|)title=([^|}]*)", re.IGNORECASE)
_HEADING = re.compile(r"[ \t]*h([1-6])\.[ \t]+(.*)")
_QUOTED = re.compile(r"[ \t]*bq\.[ \t]+(.*)")
_ITEM = re.compile(r"[ \t]*([*#]+|-+[*#]*)[ \t]+(.*)")
_RULE = re.compile(r"[ \t]*-{4,}[ \t]*")
_ROW = re.compile(r"[ \t]*\|")

_INVISIBLE = re.compile(r"\{(?:color(?::[^}\n]{0,60})?|anchor:[^}\n]{0,200})\}", re.IGNORECASE)
_MONO = re.compile(r"\{\{((?:(?!\{\{)[^\n]){1,300}?)\}\}")
_BRACED = re.compile(r"\{([*_+^~-]|\?\?)\}")
_LINK = re.compile(r"\[([^\[\]\n]+)\]")
_IMAGE = re.compile(r"(?<!\w)!([^\s!|][^!|\n]*)(\|[^!\n]*)?!(?!\w)")
_FILE = re.compile(r"(?:https?://\S+|.*\.\w{2,5})", re.IGNORECASE)
_URL = re.compile(r"(?:https?|ftp)://[^\s|\]]+", re.IGNORECASE)
# Each mark holds on one line, and stands at the edge of words.
_MARKS = tuple(
    re.compile(rf"(?<![\w\\{mark}]){mark}(?=[^\s{mark}])([^{mark}\n]*[^\s{mark}\\]){mark}(?![\w{mark}])")
    for mark in map(re.escape, "*_+^~-")
)  # fmt: skip
_CITED = re.compile(r"(?<!\w)\?\?(\S(?:[^?\n]*\S)?)\?\?(?!\w)")
_ESCAPED = re.compile(r"\\([*_?+^~{}\[\]!|#-])")
_MARKED = re.compile(r"[^\w\s,.;]")
_KEPT = re.compile("\ue000(\\d+)\ue001")


def read(text: str) -> list[Piece]:
    """What `text` says. Never raises."""
    text = (
        text.replace("\r\n", "\n").replace("\r", "\n").replace("\ue000", "").replace("\ue001", "")
    )
    pieces: list[Piece] = []
    _read(text[:MAX_CHARS], pieces, kind="paragraph", depth=0)
    _add(pieces, "paragraph", text[MAX_CHARS:])
    return pieces


def text_of(text: str) -> str:
    return plain(read(text))


def _read(text: str, pieces: list[Piece], *, kind: BlockKind, depth: int) -> None:
    """Append what `text` says, running text as `kind`: macros with a body first, lines between."""
    # A macro that nobody closes is text: its name is remembered, or each would be looked for anew.
    unclosed: set[str] = set()
    start = at = 0
    while found := _MACRO.search(text, at):
        name = found[1].lower()
        end = None
        if name not in unclosed and depth < MAX_DEPTH:
            end = re.compile(rf"\{{{name}\}}", re.IGNORECASE).search(text, found.end())
        if end is None:
            unclosed.add(name)
            at = found.end()
            continue
        _lines(text[start : found.start()], pieces, kind)
        body = text[found.end() : end.start()]
        if name in {"code", "noformat"}:
            _title(found[2], pieces, kind)
            _add(pieces, "code", body.strip("\n"))
        else:
            inner: BlockKind = "quote" if name == "quote" else "note"
            _title(found[2], pieces, inner)
            _read(body, pieces, kind=inner, depth=depth + 1)
        start = at = end.end()
    _lines(text[start:], pieces, kind)


def _title(parameters: str | None, pieces: list[Piece], kind: BlockKind) -> None:
    if found := _TITLE.search(parameters or ""):
        _add(pieces, kind, _inline(found[1]))


def _add(pieces: list[Piece], kind: BlockKind, text: str, level: int = 0) -> None:
    if text.strip():
        pieces.append(Part(kind, text.strip("\n"), level))


class _Open:
    """What the lines before have begun, and the next may go on with."""

    def __init__(self, kind: BlockKind) -> None:
        self.kind = kind
        self.level = 0
        self.lines: list[str] = []
        self.row: list[str] = []
        self.rows: list[list[str]] = []


def _lines(text: str, pieces: list[Piece], kind: BlockKind) -> None:
    open_ = _Open(kind)

    def end_text() -> None:
        if open_.lines:
            _add(pieces, open_.kind, _inline("\n".join(open_.lines)), open_.level)
        open_.kind, open_.level, open_.lines = kind, 0, []

    def end_row() -> None:
        if open_.row:
            open_.rows.append(_cells("\n".join(open_.row)))
        open_.row = []

    def end_table() -> None:
        end_row()
        if rows := [row for row in open_.rows if row]:
            pieces.append(Grid([[Draft(text=cell) for cell in row] for row in rows]))
        open_.rows = []

    for line in text.split("\n"):
        if _ROW.match(line):
            end_text()
            end_row()
            open_.row.append(line)
        elif open_.row and line.strip() and not open_.row[-1].rstrip().endswith("|"):
            # A cell goes on until its line ends with a bar.
            open_.row.append(line)
        else:
            end_table()
            if not line.strip() or _RULE.fullmatch(line):
                end_text()
            elif found := _HEADING.fullmatch(line):
                end_text()
                _add(pieces, "heading", _inline(found[2]), int(found[1]))
            elif found := _QUOTED.fullmatch(line):
                end_text()
                _add(pieces, "quote", _inline(found[1]))
            elif found := _ITEM.fullmatch(line):
                end_text()
                open_.kind, open_.level, open_.lines = "list_item", len(found[1]), [found[2]]
            else:
                open_.lines.append(line)
    end_table()
    end_text()


def _cells(row: str) -> list[str]:
    """The cells of one row: `||head|cell|`. A bar within a link, a picture or braces is none."""
    kept: list[str] = []
    text = row.strip()
    for pattern in (_MONO, _LINK, _IMAGE, _INVISIBLE):
        text = pattern.sub(lambda found: _keep(kept, found[0]), text)
    parts = re.split(r"(?<!\\)\|{1,2}", text)
    # Before the first bar and behind the last is nothing.
    parts = parts[1:-1] if parts and not parts[-1].strip() else parts[1:]
    return [_inline(_back(part, kept)).strip() for part in parts]


def _inline(text: str) -> str:
    """`text` without its marks. What was written literally is set aside while they are removed."""
    if not _MARKED.search(text):
        return text
    kept: list[str] = []
    text = _MONO.sub(lambda found: _keep(kept, found[1]), text)
    text = _LINK.sub(lambda found: _keep(kept, _link(found[1]) or found[0]), text)
    text = _URL.sub(lambda found: _keep(kept, found[0]), text)
    text = _IMAGE.sub(lambda found: _keep(kept, _picture(found)), text)
    text = _INVISIBLE.sub("", text)
    text = _BRACED.sub("", text)
    text = _CITED.sub(r"\1", text)
    for mark in _MARKS:
        text = mark.sub(r"\1", text)
    text = re.sub(r"(?<!\\)\\\\(?!\\)(?=\s|$)[ \t]*", "\n", text)
    text = _ESCAPED.sub(r"\1", text)
    return unescape(_back(text, kept))


def _keep(kept: list[str], text: str) -> str:
    kept.append(text)
    return f"\ue000{len(kept) - 1}\ue001"


def _back(text: str, kept: list[str]) -> str:
    while _KEPT.search(text):
        text = _KEPT.sub(lambda found: kept[int(found[1])], text)
    return text


def _link(inside: str) -> str:
    """What a link shows, and where it leads; empty where the brackets are no link."""
    parts = [part.strip() for part in inside.split("|")]
    target = parts[1] if len(parts) > 1 else parts[0]
    if target.startswith("~"):
        return "@" + target.removeprefix("~").removeprefix("accountid:")
    if target.startswith("^"):
        return parts[0] if len(parts) > 1 else target[1:]
    if target.lower().startswith("mailto:"):
        return parts[0].removeprefix("mailto:")
    if _URL.fullmatch(target):
        return target if parts[0] in ("", target) else f"{parts[0]} ({target})"
    if len(parts) > 1:
        # Within Jira: an issue's key, a heading of the page.
        return (
            parts[0] if target.startswith("#") or target in parts[0] else f"{parts[0]} ({target})"
        )
    return target[1:] if target.startswith("#") else ""


def _picture(found: re.Match[str]) -> str:
    return found[1] if _FILE.fullmatch(found[1]) else found[0]
