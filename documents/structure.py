"""What a document says and where: the typed structure that every reader makes.

All text lies in one string, `Structure.text`. Every page, block and cell knows its span there, and
`text[start:end]` is exactly its own text; `check` asserts it. (A cell that was seen on a page has
its box; its span only where its text lies on that page in one piece, else 0 to 0.) Pages are numbered from 1, rows and
columns of a table from 0, boxes are `(x0, top, x1, bottom)` in points (1/72 inch) from the page's
top left corner.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, fields
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Any, Literal, Self

FORMAT = 1

Box = tuple[float, float, float, float]
Value = None | bool | int | float | Decimal | str | date | datetime | time | timedelta
BlockKind = Literal["heading", "paragraph", "list_item", "code", "quote", "caption", "note"]


# Places and blocks are never changed, but not frozen: that makes them at a fifth of the speed, and a
# document has tens of thousands.
@dataclass(slots=True)
class Place:
    """Where something stands: offsets into the text, and what the format has of its own besides.

    `page` is a page, slide or sheet number; `sheet` and `cell` (such as `B7`) are a workbook's.
    """

    start: int = 0
    end: int = 0
    page: int | None = None
    bbox: Box | None = None
    sheet: str | None = None
    cell: str | None = None


@dataclass(frozen=True, slots=True)
class Page:
    """A page, a slide, a sheet, or the whole of a document that has none of these."""

    number: int
    start: int
    end: int
    name: str = ""
    width: float | None = None
    height: float | None = None
    # Its text was read from the picture of the page: likely to have misread characters.
    ocr: bool = False
    hidden: bool = False


@dataclass(slots=True)
class Block:
    """A piece of running text. `level` is a heading's or a list's depth, from 1.

    `anchor` is its id in the page that it comes from, for links that jump to it.
    """

    kind: BlockKind
    text: str
    place: Place
    level: int = 0
    anchor: str = ""


@dataclass(frozen=True, slots=True)
class Cell:
    """One cell. A merged one is there once, at its top left, with its span.

    `text` is what a person sees; `value` the typed value where the format has one, and `formula`
    what it was computed from (never computed here).
    """

    row: int
    col: int
    text: str
    place: Place
    rowspan: int = 1
    colspan: int = 1
    value: Value = None
    formula: str = ""
    hidden: bool = False
    comment: str = ""


@dataclass(frozen=True, slots=True)
class Table:
    """A grid of cells; empty ones may be missing. A workbook gives one table a sheet."""

    number: int
    cells: tuple[Cell, ...]
    n_rows: int
    n_cols: int
    place: Place
    title: str = ""
    hidden_rows: tuple[int, ...] = ()
    hidden_cols: tuple[int, ...] = ()
    # How it was found: "native" (the format has tables), "lines" or "gaps" (seen on a page).
    found_by: str = "native"
    # Rows that the file has and this table does not: it was cut at a limit.
    rows_left_out: int = 0

    def grid(self) -> list[list[Cell | None]]:
        """Rows of cells; a merged cell stands at each place that it covers."""
        rows: list[list[Cell | None]] = [[None] * self.n_cols for _ in range(self.n_rows)]
        for cell in self.cells:
            for row in range(cell.row, min(cell.row + cell.rowspan, self.n_rows)):
                for col in range(cell.col, min(cell.col + cell.colspan, self.n_cols)):
                    rows[row][col] = cell
        return rows


@dataclass(frozen=True, slots=True)
class Warning:
    """What a reader could not do, or a person should know; `code` for programs."""

    code: str
    message: str
    page: int | None = None


@dataclass(frozen=True, slots=True)
class Attachment:
    """A file inside the document (of a mail); its own text, where it has any, follows the mail's."""

    name: str
    media_type: str
    size_bytes: int
    sha256: str
    start: int = 0
    end: int = 0


@dataclass(frozen=True, slots=True)
class Structure:
    """One document, read."""

    media_type: str
    text: str
    pages: tuple[Page, ...] = ()
    blocks: tuple[Block, ...] = ()
    tables: tuple[Table, ...] = ()
    attachments: tuple[Attachment, ...] = ()
    metadata: Mapping[str, str] = field(default_factory=dict)
    warnings: tuple[Warning, ...] = ()

    @property
    def has_text(self) -> bool:
        return bool(self.text.strip())

    def headings(self) -> Iterator[Block]:
        return (block for block in self.blocks if block.kind == "heading")

    def check(self) -> None:
        """:raises ValueError: a span does not hold the text that it should."""
        for page in self.pages:
            if not 0 <= page.start <= page.end <= len(self.text):
                raise ValueError(f"page {page.number} lies outside of the text")
        for block in self.blocks:
            if self.text[block.place.start : block.place.end] != block.text:
                raise ValueError(f"the block at {block.place.start} is not there")
        for table in self.tables:
            for cell in table.cells:
                span = self.text[cell.place.start : cell.place.end]
                # A cell that was seen on a page may have its box alone.
                if span != cell.text and not (cell.place.bbox and not span):
                    raise ValueError(f"cell {cell.row},{cell.col} of table {table.number}")
                if cell.row + cell.rowspan > table.n_rows or cell.col + cell.colspan > table.n_cols:
                    raise ValueError(f"cell {cell.row},{cell.col} leaves table {table.number}")

    def as_json(self) -> dict[str, Any]:
        """As plain JSON values; what has its default is left out."""
        return {"format": FORMAT, **_plain(self)}

    def dumps(self) -> bytes:
        return json.dumps(self.as_json(), ensure_ascii=False, separators=(",", ":")).encode()

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Self:
        """:raises ValueError: written by another format version."""
        if data.get("format") != FORMAT:
            raise ValueError(f"structure format {data.get('format')!r} is not {FORMAT}")
        return cls(
            media_type=data["media_type"],
            text=data["text"],
            pages=tuple(Page(**page) for page in data.get("pages", ())),
            blocks=tuple(
                Block(**{**block, "place": _place(block["place"])})
                for block in data.get("blocks", ())
            ),
            tables=tuple(_table(table) for table in data.get("tables", ())),
            attachments=tuple(Attachment(**each) for each in data.get("attachments", ())),
            metadata=data.get("metadata", {}),
            warnings=tuple(Warning(**each) for each in data.get("warnings", ())),
        )

    @classmethod
    def loads(cls, data: bytes) -> Self:
        return cls.from_json(json.loads(data))


def _place(data: Mapping[str, Any]) -> Place:
    bbox = data.get("bbox")
    return Place(**{**data, "bbox": tuple(bbox) if bbox else None})


def _table(data: Mapping[str, Any]) -> Table:
    cells = tuple(
        Cell(**{**cell, "place": _place(cell["place"]), "value": _value(cell.get("value"))})
        for cell in data.get("cells", ())
    )
    lists = {name: tuple(data.get(name, ())) for name in ("hidden_rows", "hidden_cols")}
    return Table(**{**data, **lists, "cells": cells, "place": _place(data["place"])})


_TYPED: dict[str, Any] = {
    "datetime": datetime.fromisoformat,
    "date": date.fromisoformat,
    "time": time.fromisoformat,
    "decimal": Decimal,
    "seconds": lambda text: timedelta(seconds=float(text)),
}


def value_json(value: Value) -> Any:
    """A typed value as JSON: `{"$date": "2026-01-31"}` and the like for what JSON has no type for."""
    if isinstance(value, datetime):
        return {"$datetime": value.isoformat()}
    if isinstance(value, date):
        return {"$date": value.isoformat()}
    if isinstance(value, time):
        return {"$time": value.isoformat()}
    if isinstance(value, timedelta):
        return {"$seconds": str(value.total_seconds())}
    if isinstance(value, Decimal):
        return {"$decimal": str(value)}
    return value


def _value(data: Any) -> Value:
    if isinstance(data, dict):
        [(name, text)] = data.items()
        value: Value = _TYPED[name.removeprefix("$")](text)
        return value
    return data  # type: ignore[no-any-return]


def _plain(thing: Any) -> Any:
    if hasattr(thing, "__dataclass_fields__"):
        found = {}
        for each in fields(thing):
            value = getattr(thing, each.name)
            if each.name == "value":
                value = value_json(value)
            if value != each.default and value != () and value is not None:
                found[each.name] = _plain(value)
        return found
    if isinstance(thing, Mapping):
        return {name: _plain(value) for name, value in thing.items()}
    if isinstance(thing, tuple | list):
        return [_plain(value) for value in thing]
    return thing


class TextBuilder:
    """Collects a structure's text piece by piece, and says where each piece came to lie."""

    def __init__(self) -> None:
        self._parts: list[str] = []
        self.length = 0

    def add(self, text: str, *, then: str = "") -> tuple[int, int]:
        """Append `text` and, outside of its span, `then`: the span."""
        start, end = self.length, self.length + len(text)
        self._parts += [text, then]
        self.length = end + len(then)
        return start, end

    def text(self) -> str:
        return "".join(self._parts)
