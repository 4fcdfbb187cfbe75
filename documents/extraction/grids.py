"""What every source of tables looks like to the engine: sheets of rows, read from front to back."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Protocol

# Merged cells beyond this many are not filled: a sheet with more is decoration.
MAX_MERGED = 20_000


class Row(NamedTuple):
    """`number` counts from 1 as the document does; `cells` from its first column, empty ones are None.

    Values are what the format says they are: text, int, float, bool, date, datetime, time, timedelta.
    """

    number: int
    cells: list[Any]


@dataclass(kw_only=True)
class Sheet:
    """What is known of a sheet before its rows are read; rows and columns count from 1."""

    name: str
    number: int = 1
    hidden: bool = False
    hidden_rows: frozenset[int] = frozenset()
    hidden_columns: frozenset[int] = frozenset()
    # (first row, first column, last row, last column)
    merged: list[tuple[int, int, int, int]] = field(default_factory=list)
    # Rows and columns that stand somewhere on a page: (row, column) -> box in points.
    page: int | None = None
    boxes: dict[tuple[int, int], tuple[float, float, float, float]] = field(default_factory=dict)
    # Row -> its page, where a table goes over several.
    pages: dict[int, int] = field(default_factory=dict)
    # Page -> its width in points, which boxes are in too.
    page_widths: dict[int, float] = field(default_factory=dict)
    # Rows that the source knows to be headers.
    header_rows: int | None = None
    # Extra facts about reading it, for the report.
    facts: dict[str, Any] = field(default_factory=dict)


class Grid(Protocol):
    """A document's sheets. `rows` may be asked for more than once, and reads anew each time."""

    warnings: list[str]

    def sheets(self) -> list[Sheet]: ...

    def rows(self, sheet: Sheet) -> Iterator[Row]: ...


class Unreadable(Exception):
    """The document can not be read as tables: a stable `code` and what to do, for people."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


def column_letters(column: int) -> str:
    """1 -> A, 28 -> AB, as spreadsheets name columns."""
    letters = ""
    while column:
        column, rest = divmod(column - 1, 26)
        letters = chr(65 + rest) + letters
    return letters


def is_empty(value: Any) -> bool:
    return value is None or (isinstance(value, str) and not value.strip())


def text_of(value: Any) -> str:
    """A cell as a person reads it: whole floats without a fraction, dates in ISO form."""
    if value is None:
        return ""
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return str(int(value)) if value.is_integer() and abs(value) < 1e15 else repr(value)
    if hasattr(value, "isoformat"):
        return str(value.isoformat())
    return str(value)
