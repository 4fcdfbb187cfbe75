"""Where a sheet's tables are: their headers, columns and rows; and what is none of a table.

One pass over the rows, with a bounded look ahead; nothing that grows with the number of rows is
kept, but the numbers of rows that are left out.
"""

from __future__ import annotations

import re
from collections import Counter, deque
from typing import Any

from documents.extraction.definition import TableRules
from documents.extraction.evidence import share
from documents.extraction.expressions import Expression, TooSlow
from documents.extraction.found import SHOWN_SKIPPED, Column, Skipped, Table, joined
from documents.extraction.grids import Grid, Row, Sheet, column_letters, is_empty, text_of
from documents.extraction.headers import Vocabulary
from documents.extraction.heading import Heading, find_heading, is_heading_row
from documents.extraction.shapes import EMPTY, TEXT, VALUES, shape
from documents.extraction.sheet_rows import bands_of, prepared_rows

AHEAD = 40
SAMPLE = 300
TOTAL_WORDS = (
    "total",
    "totals",
    "subtotal",
    "sub-total",
    "sub total",
    "grand total",
    "sum",
    "sum total",
    "balance carried",
    "carried forward",
    "summe",
    "gesamt",
    "gesamtsumme",
    "zwischensumme",
    "endsumme",
    "insgesamt",
    "totaal",
    "totale",
    "totaux",
    "sous-total",
    "somme",
    "suma",
    "razem",
    "celkem",
    "итого",
    "всего",
    "σύνολο",
    "合計",
    "小計",
    "总计",
    "合计",
)


def find_tables(
    grid: Grid, sheet: Sheet, rules: TableRules, vocabulary: Vocabulary
) -> tuple[list[Table], list[Skipped]]:
    """The sheet's tables from top to bottom (left to right where they stand side by side), and what
    belongs to none of them.
    """
    tables: list[Table] = []
    loose: list[Skipped] = []
    for first, last in bands_of(grid, sheet, rules, vocabulary):
        scan = _Scan(sheet, rules, vocabulary, first=first, last=last)
        for row in prepared_rows(grid, sheet, rules):
            scan.feed(row)
        scan.finish()
        grid.warnings += [said for said in scan.warnings if said not in grid.warnings]
        tables += scan.tables
        loose += scan.loose
    return tables, loose[:SHOWN_SKIPPED]


class _Scan:
    """Feeds rows in, gets tables out."""

    def __init__(
        self,
        sheet: Sheet,
        rules: TableRules,
        vocabulary: Vocabulary,
        *,
        first: int,
        last: int | None,
    ) -> None:
        self.tables: list[Table] = []
        self.loose: list[Skipped] = []
        # What a person should know of how the tables were found.
        self.warnings: list[str] = []
        self._sheet = sheet
        self._rules = rules
        self._vocabulary = vocabulary
        self._first, self._last = first, last
        self._ahead: deque[Row] = deque()
        self._table: Table | None = None
        self._header_key: tuple[str, ...] = ()
        self._types: list[str] = []
        self._telling: int | None = None
        self._usual = 0
        self._before = 0
        self._stopped = False
        self._stop = [Expression(pattern, flags=re.I) for pattern in rules.stop_at]
        self._totals = (*TOTAL_WORDS, *(word.casefold() for word in rules.total_words))
        self._titles: list[Row] = []

    def feed(self, row: Row) -> None:
        if self._last is not None or self._first > 1:
            cells: list[Any] = [None] * (self._first - 1) + row.cells[self._first - 1 : self._last]
            if all(is_empty(value) for value in cells):
                return
            row = Row(row.number, cells)
        self._ahead.append(row)
        if len(self._ahead) > AHEAD:
            self._step()

    def finish(self) -> None:
        while self._ahead:
            self._step()
        self._close()
        for row in self._titles:
            self._loosen(row, "note")

    def _step(self) -> None:
        row = self._ahead[0]
        table = self._table
        if table is not None:
            if self._belongs(table, row):
                self._ahead.popleft()
                self._before = row.number
                return
            self._close()
        self._start()

    def _start(self) -> None:
        """Begin a table at the first row ahead, or put that row aside."""
        window = list(self._ahead)
        heading = find_heading(window, self._sheet, self._rules, self._vocabulary)
        if heading is None or heading.first > 0:
            row = self._ahead.popleft()
            self._titles.append(row)
            if len(self._titles) > 5:
                self._loosen(self._titles.pop(0), "note")
            return
        self._stopped = False
        self._open(window, heading)

    def _open(self, window: list[Row], heading: Heading) -> None:
        hidden = self._sheet.hidden_columns if not self._rules.keep_hidden else frozenset()
        columns = [
            Column(number=number, header=text, parts=parts)
            for number, text, parts in heading.columns
            if number not in hidden
        ]
        table = Table(
            sheet=self._sheet,
            columns=columns,
            hidden_columns=[
                column_letters(number) for number, _, _ in heading.columns if number in hidden
            ],
        )
        gathered = [row for row in self._titles if window[0].number - row.number <= 12]
        texts = [joined(row.cells) for row in gathered]
        table.title = next((text for text in texts if text), "")[:200]
        for row in self._titles:
            if row in gathered:
                table.skip(row, "title")
            else:
                self._loosen(row, "note")
        self._titles = []
        taken = [self._ahead.popleft() for _ in range(heading.rows)]
        table.header_rows = tuple(row.number for row in taken)
        self._before = taken[-1].number if taken else window[0].number - 1
        self._header_key = _key(taken[-1].cells) if taken else ()
        body = _unbroken(window[heading.rows :])
        self._types = _types(body[:20], columns)
        self._telling = next(
            (c.number - 1 for c, kind in zip(columns, self._types, strict=True) if kind in VALUES),
            None,
        )
        counts = sorted(sum(1 for value in row.cells if not is_empty(value)) for row in body[:20])
        self._usual = counts[len(counts) // 2] if counts else 0
        self._table = table

    def _belongs(self, table: Table, row: Row) -> bool:
        """Take the row into the table, or out of its way; False: the table ended before it."""
        cells = row.cells
        filled = sum(1 for value in cells if value is not None and value != "")
        gap = row.number - self._before - 1
        first = next((value for value in cells if value is not None and value != ""), None)
        is_text = isinstance(first, str)
        if self._stop and self._stops(joined(cells)):
            table.skip(row, "stop")
            self._stopped = True
            return True
        if self._stopped:
            if is_heading_row(row, self._rules, self._vocabulary):
                return False
            table.skip(row, "note")
            return True
        if is_text and filled > 1 and len(cells) <= len(table.columns) + 40:
            if self._header_key and _key(cells) == self._header_key:
                if gap and table.rows:
                    return False
                table.skip(row, "repeated_header")
                return True
            if (
                table.rows
                and not self._is_plain_row(cells)
                and is_heading_row(row, self._rules, self._vocabulary)
            ):
                return False
        if is_text and filled == 1 and self._usual > 1 and self._heads_another():
            return False
        if is_text and self._is_total(str(first), filled):
            if not self._rules.keep_totals:
                table.skip(row, "total")
                return True
        elif (
            is_text
            and filled == 1
            and len(table.columns) > 2
            and self._usual > 1
            and not self._is_sparse(table, cells)
        ):
            table.skip(row, "note")
            return True
        if gap and table.rows and not self._goes_on(table, row, filled):
            return False
        self._take(table, row)
        return True

    def _stops(self, text: str) -> bool:
        for stop in self._stop:
            try:
                if stop.search(text):
                    return True
            except TooSlow as error:
                said = f"tables.stop_at was not heeded where it took too long: {error}"
                if said not in self.warnings:
                    self.warnings.append(said)
        return False

    def _is_sparse(self, table: Table, cells: list[Any]) -> bool:
        """Whether a row's only cell is one more value of its column, and no note or section."""
        for position, (column, usual) in enumerate(zip(table.columns, self._types, strict=True)):
            value = cells[column.number - 1] if column.number <= len(cells) else None
            if is_empty(value):
                continue
            found = shape(value)
            if found != usual:
                return False
            # Words in the first column may be a section's name; elsewhere, or known ones, are values.
            return found != TEXT or position > 0 or value in column.sample
        return False

    def _heads_another(self) -> bool:
        """Whether one of the next rows is a header: what stands before it is its title."""
        following = list(self._ahead)[1:4]
        return any(
            (self._header_key and _key(row.cells) == self._header_key)
            or is_heading_row(row, self._rules, self._vocabulary)
            for row in following
        )

    def _is_plain_row(self, cells: list[Any]) -> bool:
        """Whether a cell stands where values stand, and is one: the cheapest sign of an ordinary row."""
        at = self._telling
        return at is not None and at < len(cells) and shape(cells[at]) in VALUES

    def _is_total(self, first: str, filled: int) -> bool:
        start = first[:40].strip().casefold()
        if not start.startswith(self._totals) or filled >= max(2, self._usual):
            return False
        word = next(
            word for word in sorted(self._totals, key=len, reverse=True) if start.startswith(word)
        )
        rest = start[len(word) :]
        return not rest or not rest[0].isalnum() or not word[-1].isascii()

    def _goes_on(self, table: Table, row: Row, filled: int) -> bool:
        """Whether a row after blank ones is one more of the table."""
        if filled * 2 < self._usual or (filled == 1 and self._usual > 1):
            return False
        agree = compared = 0
        for column, usual in zip(table.columns, self._types, strict=True):
            value = row.cells[column.number - 1] if column.number <= len(row.cells) else None
            found = shape(value)
            if found != EMPTY and usual != EMPTY:
                compared += 1
                agree += found == usual
        return compared > 0 and agree / compared >= 0.6

    def _take(self, table: Table, row: Row) -> None:
        cells = row.cells
        width = len(cells)
        table.rows += 1
        table.first_row = table.first_row or row.number
        table.last_row = row.number
        for column in table.columns:
            if column.number > width:
                continue
            value = cells[column.number - 1]
            if value is None or value == "":
                continue
            column.filled += 1
            if len(column.sample) < SAMPLE:
                if not is_empty(value):
                    column.sample.append(value)
                    column.evidence.see(value)
            elif column.evidence.open:
                column.evidence.see(value)

    def _close(self) -> None:
        table, self._table = self._table, None
        if table is None:
            return
        used = [column for column in table.columns if column.filled or column.header]
        if table.rows < self._rules.min_rows or len(used) < self._rules.min_columns:
            for skipped in table.skipped:
                self.loose.append(skipped)
            for number in table.header_rows:
                text = " ".join(column.header for column in table.columns)
                self.loose.append(Skipped(row=number, kind="note", text=text.strip()[:200]))
            return
        share((column.letters, column.evidence) for column in table.columns)
        self.tables.append(table)

    def _loosen(self, row: Row, kind: str) -> None:
        if len(self.loose) < SHOWN_SKIPPED:
            self.loose.append(Skipped(row=row.number, kind=kind, text=joined(row.cells)))


def _unbroken(rows: list[Row]) -> list[Row]:
    """The first rows up to a blank one: what follows it may be another table."""
    for position in range(1, len(rows)):
        if rows[position].number > rows[position - 1].number + 1 and position >= 2:
            return rows[:position]
    return rows


def _types(rows: list[Row], columns: list[Column]) -> list[str]:
    """The commonest shape of each column."""
    types = []
    for column in columns:
        counted = Counter(
            found
            for row in rows
            if column.number <= len(row.cells)
            and (found := shape(row.cells[column.number - 1])) != EMPTY
        )
        types.append(counted.most_common(1)[0][0] if counted else EMPTY)
    return types


def _key(cells: list[Any]) -> tuple[str, ...]:
    return tuple(text_of(value).strip() for value in cells if not is_empty(value))
