"""What is found in a sheet: tables with their columns, and rows that are none of a table."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from documents.extraction.evidence import Evidence
from documents.extraction.grids import Row, Sheet, column_letters, is_empty, text_of

SHOWN_SKIPPED = 200


@dataclass(kw_only=True)
class Skipped:
    """A row that is no row of the table, and why: title, note, total, repeated_header, hidden."""

    row: int
    kind: str
    text: str


@dataclass(kw_only=True)
class Column:
    """One column of a found table; `number` counts from 1 in its sheet."""

    number: int
    header: str
    parts: tuple[str, ...] = ()
    sample: list[Any] = field(default_factory=list)
    filled: int = 0
    evidence: Evidence = field(default_factory=Evidence)

    @property
    def letters(self) -> str:
        return column_letters(self.number)


@dataclass(kw_only=True)
class Table:
    """A table as it stands in its sheet. Rows count from 1."""

    sheet: Sheet
    number: int = 0
    title: str = ""
    header_rows: tuple[int, ...] = ()
    columns: list[Column]
    first_row: int = 0
    last_row: int = 0
    rows: int = 0
    left_out: set[int] = field(default_factory=set)
    skipped: list[Skipped] = field(default_factory=list)
    skipped_counts: Counter[str] = field(default_factory=Counter)
    hidden_columns: list[str] = field(default_factory=list)

    def skip(self, row: Row, kind: str) -> None:
        self.left_out.add(row.number)
        self.skipped_counts[kind] += 1
        if len(self.skipped) < SHOWN_SKIPPED:
            self.skipped.append(Skipped(row=row.number, kind=kind, text=joined(row.cells)))


def joined(cells: list[Any]) -> str:
    """A row's texts in one line, as people are shown it."""
    return " ".join(text_of(value).strip() for value in cells[:50] if not is_empty(value))[:200]
