"""What every reader is given, what it builds, and how it refuses."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from operator import attrgetter
from pathlib import Path

from documents.structure import (
    Attachment,
    Block,
    BlockKind,
    Cell,
    Page,
    Place,
    Structure,
    Table,
    TextBuilder,
    Value,
    Warning,
)

# What one structure holds at most. Beyond it a reader cuts and warns: never silently.
MAX_CHARS = 20_000_000
MAX_CELLS = 300_000
MAX_PAGES = 5_000

_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ud800-\udfff\ufffe\uffff]")


class Unreadable(Exception):
    """This file can not be read: `code` for programs, `message` says why and what to do."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


class PasswordNeeded(Unreadable):
    """The file is encrypted and was given no password, or a wrong one."""


@dataclass(frozen=True, kw_only=True)
class Source:
    """One file to read. `on_page(done, total)` is called now and then, and may raise to end it."""

    path: Path
    name: str
    media_type: str
    password: str = ""
    # How deep it lies in other files: an attachment of a mail is at 1.
    depth: int = 0
    ocr: str = "auto"
    ocr_languages: str = "eng"
    find_tables: bool = True
    on_page: Callable[[int, int], None] = lambda done, total: None


def tidy(text: str) -> str:
    """`text` with `\\n` line ends and without control characters, which neither database takes."""
    return _CONTROL.sub("", text.replace("\r\n", "\n").replace("\r", "\n").replace("\f", "\n"))


class StructureBuilder:
    """Builds a structure front to back, so that every span is right by construction."""

    def __init__(self, media_type: str) -> None:
        self.media_type = media_type
        self.metadata: dict[str, str] = {}
        self.warnings: list[Warning] = []
        self._text = TextBuilder()
        self._pages: list[Page] = []
        self._blocks: list[Block] = []
        self._tables: list[Table] = []
        self._attachments: list[Attachment] = []
        self._cells = 0
        self._page: int | None = None
        self._page_start = 0

    @property
    def length(self) -> int:
        return self._text.length

    @property
    def page_start(self) -> int:
        """Where the page that is open begins in the text."""
        return self._page_start

    @property
    def cells_left(self) -> int:
        return MAX_CELLS - self._cells

    @property
    def n_tables(self) -> int:
        return len(self._tables)

    def warn(self, code: str, message: str, page: int | None = None) -> None:
        """Note something once per code and page."""
        found = Warning(code=code, message=message, page=page)
        if found not in self.warnings:
            self.warnings.append(found)

    def meta(self, name: str, value: object) -> None:
        """Note a property of the document; empty ones are left out."""
        text = tidy(str(value)).strip() if value is not None else ""
        if text:
            self.metadata[name] = text[:2000]

    def begin_page(self, number: int) -> None:
        self._page, self._page_start = number, self._text.length

    def end_page(
        self,
        *,
        name: str = "",
        width: float | None = None,
        height: float | None = None,
        ocr: bool = False,
        hidden: bool = False,
    ) -> None:
        assert self._page is not None
        self._pages.append(
            Page(
                number=self._page,
                start=self._page_start,
                end=self._text.length,
                name=name,
                width=width,
                height=height,
                ocr=ocr,
                hidden=hidden,
            )
        )
        self._page = None

    def raw(self, text: str) -> int:
        """Append text as it is, for `block_within`: where it begins."""
        self._check(len(text))
        return self._text.add(text)[0]

    def block_within(
        self,
        kind: BlockKind,
        text: str,
        start: int,
        *,
        level: int = 0,
        bbox: tuple[float, float, float, float] | None = None,
        page: int | None = None,
        anchor: str = "",
    ) -> None:
        """A block of text that `raw` has appended already; on the page that is open, or `page`."""
        place = Place(start=start, end=start + len(text), page=page or self._page, bbox=bbox)
        block = Block(kind=kind, text=text, place=place, level=level, anchor=anchor)
        self._blocks.append(block)

    def block(
        self,
        kind: BlockKind,
        text: str,
        *,
        level: int = 0,
        bbox: tuple[float, float, float, float] | None = None,
        anchor: str = "",
    ) -> None:
        """Append a block and a line end; one without text is left out."""
        text = tidy(text).strip("\n ")
        if not text:
            return
        self._check(len(text))
        start, _ = self._text.add(text, then="\n")
        self.block_within(kind, text, start, level=level, bbox=bbox, anchor=anchor)

    def table(
        self,
        rows: Iterable[Sequence[Draft | None]],
        *,
        title: str = "",
        sheet: str | None = None,
        found_by: str = "native",
        hidden_rows: Iterable[int] = (),
        hidden_cols: Iterable[int] = (),
        rows_left_out: int = 0,
        bbox: tuple[float, float, float, float] | None = None,
    ) -> None:
        """Append a table, its cells' text a line a row with tabs between; one without cells is left out."""
        cells: list[Cell] = []
        n_rows = n_cols = 0
        begin = self._text.length
        for row_number, row in enumerate(rows):
            written = 0
            for col, draft in enumerate(row):
                if draft is None:
                    continue
                text = tidy(draft.text)
                self._check(len(text))
                start, end = self._text.add(("\t" if written else "") + text)
                start += 1 if written else 0
                written += 1
                place = Place(
                    start=start,
                    end=end,
                    page=self._page,
                    bbox=draft.bbox,
                    sheet=sheet,
                    cell=draft.ref,
                )
                cells.append(
                    Cell(
                        row=row_number,
                        col=col,
                        text=text,
                        place=place,
                        rowspan=draft.rowspan,
                        colspan=draft.colspan,
                        value=draft.value,
                        formula=draft.formula,
                        hidden=draft.hidden,
                        comment=draft.comment,
                    )
                )
                n_rows = max(n_rows, row_number + draft.rowspan)
                n_cols = max(n_cols, col + draft.colspan)
            if written:
                self._text.add("\n")
        if not cells:
            return
        place = Place(start=begin, end=self._text.length, page=self._page, bbox=bbox, sheet=sheet)
        self.add_table(
            Table(
                number=0,
                cells=tuple(cells),
                n_rows=n_rows,
                n_cols=n_cols,
                place=place,
                title=title,
                hidden_rows=tuple(hidden_rows),
                hidden_cols=tuple(hidden_cols),
                found_by=found_by,
                rows_left_out=rows_left_out,
            )
        )

    def add_blocks(self, blocks: Iterable[Block]) -> None:
        """Take blocks whose spans are right already, wherever in the text they stand."""
        self._blocks += blocks
        self._blocks.sort(key=attrgetter("place.start"))

    def add_table(self, table: Table) -> None:
        """Take a table whose spans are right already; it gets the next number, from 1."""
        self._cells += len(table.cells)
        self._tables.append(replace(table, number=len(self._tables) + 1))

    def include(self, inner: Structure, attachment: Attachment) -> None:
        """Append all of another structure: that of a file inside this one."""
        self._check(len(inner.text))
        shift, end = self._text.add(inner.text, then="\n")
        self._attachments.append(replace(attachment, start=shift, end=end))
        for block in inner.blocks:
            self._blocks.append(replace(block, place=_moved(block.place, shift)))
        for table in inner.tables:
            cells = tuple(replace(cell, place=_moved(cell.place, shift)) for cell in table.cells)
            title = table.title or attachment.name
            self.add_table(
                replace(table, cells=cells, place=_moved(table.place, shift), title=title)
            )
        for warning in inner.warnings:
            self.warn(warning.code, f"{attachment.name}: {warning.message}")

    def attach(self, attachment: Attachment) -> None:
        """Note a file inside this one whose text is not read."""
        self._attachments.append(attachment)

    def build(self) -> Structure:
        if not self._pages:
            self._pages.append(Page(number=1, start=0, end=self._text.length))
        return Structure(
            media_type=self.media_type,
            text=self._text.text(),
            pages=tuple(self._pages),
            blocks=tuple(self._blocks),
            tables=tuple(self._tables),
            attachments=tuple(self._attachments),
            metadata=self.metadata,
            warnings=tuple(self.warnings),
        )

    def _check(self, more: int) -> None:
        if self._text.length + more > MAX_CHARS:
            raise Unreadable(
                "too_much_text",
                f"The file holds more than {MAX_CHARS:,} characters. Split it and upload the parts.",
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """A cell on its way into a table."""

    text: str
    rowspan: int = 1
    colspan: int = 1
    value: Value = None
    formula: str = ""
    hidden: bool = False
    comment: str = ""
    ref: str | None = None
    bbox: tuple[float, float, float, float] | None = None


def _moved(place: Place, by: int) -> Place:
    # A place inside an attachment has no page of the document that is read.
    return replace(place, start=place.start + by, end=place.end + by, page=None)


def column_letters(col: int) -> str:
    """`A` for 0, `AA` for 26."""
    letters = ""
    col += 1
    while col:
        col, rest = divmod(col - 1, 26)
        letters = chr(65 + rest) + letters
    return letters


def cell_ref(row: int, col: int) -> str:
    """`B7` for (6, 1)."""
    return f"{column_letters(col)}{row + 1}"
