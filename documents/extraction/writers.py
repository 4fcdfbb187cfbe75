"""Writing the canonical table: workbook, CSV, JSON, and the rows that pages are read from.

The same rows give the same bytes: no time, no random name, no order that depends on a hash.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Sequence
from datetime import UTC, date, datetime, time
from pathlib import Path
from typing import Any, Protocol

from documents.extraction.cells import json_value
from documents.extraction.definition import Definition, Field

# Excel's own limit, less the header's row.
SHEET_ROWS = 1_048_575
MAX_COMMENTS = 5_000
MAX_LISTED = 20_000
MAX_CELL_CHARS = 32_767
# Rows between two remembered places in a file of rows.
INDEX_EVERY = 500
# What a spreadsheet would run as a formula when it opens a CSV file.
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")
_FIXED_TIME = datetime(2000, 1, 1, tzinfo=UTC).replace(tzinfo=None)


def is_formula(text: str) -> bool:
    return text.startswith(_FORMULA)


def escaped(text: str) -> str:
    """`text` with an apostrophe in front where a spreadsheet would take it for a formula."""
    return "'" + text if text.startswith(_FORMULA) else text


Source = tuple[str, str, int]  # document, sheet, row
CellIssue = tuple[int, str, str, str]  # position among the fields, code, severity, message


class Writer(Protocol):
    def row(self, source: Source, values: Sequence[Any], issues: Sequence[CellIssue]) -> None: ...

    def close(self) -> None: ...


class CsvWriter:
    """UTF-8 with a byte order mark, as spreadsheets want it; CRLF, as RFC 4180 does."""

    def __init__(self, path: Path, definition: Definition) -> None:
        self._file = path.open("w", encoding="utf-8-sig", newline="")
        self._writer = csv.writer(self._file)
        self._sources = definition.layout.source_columns
        self.escaped = 0
        self._writer.writerow([escaped(text) for text in headers(definition)])

    def row(self, source: Source, values: Sequence[Any], issues: Sequence[CellIssue]) -> None:
        cells: list[Any] = []
        for value in values:
            if type(value) is str:
                if value.startswith(_FORMULA):
                    value = "'" + value
                    self.escaped += 1
            elif value is not None and type(value) is not int and type(value) is not float:
                value = _csv_value(value)
            cells.append(value)
        if self._sources:
            cells += (escaped(source[0]), escaped(source[1]), source[2])
        self._writer.writerow(cells)

    def close(self) -> None:
        self._file.close()


def _csv_value(value: Any) -> Any:
    return ("true" if value else "false") if isinstance(value, bool) else json_value(value)


class JsonWriter:
    """`{"configuration", "columns", "rows": [{field: value, …, "_source": {…}}]}`, written as a stream."""

    def __init__(self, path: Path, definition: Definition, *, version: int) -> None:
        self._file = path.open("w", encoding="utf-8", newline="\n")
        self._fields = [field.name for field in definition.output_fields]
        self._sources = definition.layout.source_columns
        self._first = True
        head = {
            "configuration": {"name": definition.name, "version": version},
            "columns": columns_json(definition.output_fields),
        }
        text = json.dumps(head, ensure_ascii=False)
        self._file.write(text[:-1] + ', "rows": [')

    def row(self, source: Source, values: Sequence[Any], issues: Sequence[CellIssue]) -> None:
        record = dict(zip(self._fields, values, strict=True))
        if self._sources:
            record["_source"] = {"document": source[0], "sheet": source[1], "row": source[2]}
        text = json.dumps(record, ensure_ascii=False, default=json_value)
        self._file.write(("\n" if self._first else ",\n") + text)
        self._first = False

    def close(self) -> None:
        self._file.write("\n]}\n")
        self._file.close()


class XlsxWriter:
    """The normalised workbook: data, the issues as comments and as a sheet, the mapping."""

    def __init__(self, path: Path, definition: Definition) -> None:
        # Here: a large library, which only who writes a workbook needs.
        import xlsxwriter

        self._definition = definition
        self._fields = definition.output_fields
        self._book = xlsxwriter.Workbook(
            str(path),
            {
                "constant_memory": True,
                "tmpdir": str(path.parent),
                "strings_to_formulas": False,
                "strings_to_urls": False,
                "strings_to_numbers": False,
                "default_date_format": definition.layout.date_format,
            },
        )
        self._book.set_properties({"title": definition.title, "created": _FIXED_TIME})
        added = self._book.add_format
        self._bold = added({"bold": True, "bg_color": "#E8ECF1", "bottom": 1, "text_wrap": True})
        self._formats: dict[tuple[str, bool, bool], Any] = {}
        self._comments = 0
        self._sheets = 0
        self._issues: list[tuple[Source, str, str, str, str]] = []
        self._sheet: Any = None
        self._next = SHEET_ROWS + 1
        self._new_sheet()

    def _format(self, kind: str, bad: bool, quoted: bool = False) -> Any:
        key = (kind, bad, quoted)
        if key not in self._formats:
            number_format = {
                "date": self._definition.layout.date_format,
                "datetime": self._definition.layout.date_format + " hh:mm:ss",
                "time": "hh:mm:ss",
                "decimal": "#,##0.00##",
            }.get(kind)
            properties: dict[str, Any] = {}
            if number_format:
                properties["num_format"] = number_format
            if bad:
                properties["bg_color"] = "#FDE2E1"
            if quoted:
                properties["quote_prefix"] = True
            self._formats[key] = self._book.add_format(properties) if properties else None
        return self._formats[key]

    def _new_sheet(self) -> None:
        if self._sheet is not None:
            self._end_sheet()
        self._sheets += 1
        name = self._definition.layout.sheet
        self._sheet = self._book.add_worksheet(
            name if self._sheets == 1 else f"{name} {self._sheets}"
        )
        self._sheet.freeze_panes(1, 0)
        widths = {"text": 26, "email": 30, "url": 36, "date": 12, "datetime": 20}
        for column, field in enumerate(self._fields):
            width = max(widths.get(field.type, 14), min(40, len(field.label) + 3))
            self._sheet.set_column(column, column, width)
        extra = len(self._fields)
        if self._definition.layout.source_columns:
            self._sheet.set_column(extra, extra + 1, 24)
        for column, text in enumerate(headers(self._definition)):
            self._sheet.write_string(0, column, text, self._bold)
        self._next = 1

    def _end_sheet(self) -> None:
        last = len(headers(self._definition)) - 1
        if self._next > 1:
            self._sheet.autofilter(0, 0, self._next - 1, last)

    def row(self, source: Source, values: Sequence[Any], issues: Sequence[CellIssue]) -> None:
        if self._next > SHEET_ROWS:
            self._new_sheet()
        sheet, at = self._sheet, self._next
        bad = {position for position, *_ in issues} if issues else ()
        for column, value in enumerate(values):
            self._cell(sheet, at, column, value, column in bad)
        if issues:
            self._note(sheet, at, source, issues)
        if self._definition.layout.source_columns:
            width = len(values)
            sheet.write_string(at, width, source[0][:MAX_CELL_CHARS])
            sheet.write_string(at, width + 1, source[1][:MAX_CELL_CHARS])
            sheet.write_number(at, width + 2, source[2])
        self._next += 1

    def _cell(self, sheet: Any, row: int, column: int, value: Any, bad: bool) -> None:
        kind = type(value)
        if kind is str:
            quoted = value.startswith(_FORMULA)
            if value:
                text = value if len(value) <= MAX_CELL_CHARS else value[:MAX_CELL_CHARS]
                sheet.write_string(row, column, text, self._format("text", bad, quoted))
        elif kind is int or kind is float:
            decimal = self._fields[column].type == "decimal"
            sheet.write_number(
                row, column, value, self._format("decimal" if decimal else "integer", bad)
            )
        elif value is None:
            if bad:
                sheet.write_blank(row, column, None, self._format("text", True))
        elif kind is bool:
            sheet.write_boolean(row, column, value, self._format("boolean", bad))
        elif isinstance(value, date | time):
            named = (
                "datetime"
                if isinstance(value, datetime)
                else "time"
                if isinstance(value, time)
                else "date"
            )
            if isinstance(value, date) and value.year < 1900:
                # A workbook has no day before 1900.
                sheet.write_string(row, column, value.isoformat(), self._format("text", bad))
            else:
                sheet.write_datetime(row, column, value, self._format(named, bad))

    def _note(self, sheet: Any, at: int, source: Source, issues: Sequence[CellIssue]) -> None:
        texts: dict[int, list[str]] = {}
        for position, code, severity, message in issues:
            texts.setdefault(position, []).append(message)
            if len(self._issues) < MAX_LISTED:
                self._issues.append((source, self._fields[position].label, severity, code, message))
        for position, messages in texts.items():
            if self._comments < MAX_COMMENTS:
                self._comments += 1
                options = {"author": "Tapedeck", "x_scale": 2}
                sheet.write_comment(at, position, "\n".join(messages)[:2_000], options)

    def mapping(self, rows: Sequence[Sequence[Any]]) -> None:
        """What was mapped to what; called once, after the last row."""
        sheet = self._book.add_worksheet("Mapping")
        self._listed(
            sheet,
            ["Document", "Sheet", "Table", "Column", "Header", "Field", "Score", "Why not"],
            rows,
            [30, 20, 8, 8, 30, 24, 8, 30],
        )
        self._mapped = True

    def _listed(
        self, sheet: Any, names: list[str], rows: Sequence[Sequence[Any]], widths: list[int]
    ) -> None:
        sheet.freeze_panes(1, 0)
        for column, (name, width) in enumerate(zip(names, widths, strict=True)):
            sheet.set_column(column, column, width)
            sheet.write_string(0, column, name, self._bold)
        for number, row in enumerate(rows, 1):
            for column, value in enumerate(row):
                self._cell_plain(sheet, number, column, value)

    def _cell_plain(self, sheet: Any, row: int, column: int, value: Any) -> None:
        if isinstance(value, int | float):
            sheet.write_number(row, column, value)
        elif value:
            sheet.write_string(
                row,
                column,
                str(value)[:MAX_CELL_CHARS],
                self._format("text", False, is_formula(str(value))),
            )

    def close(self) -> None:
        self._end_sheet()
        if self._issues:
            self._listed(
                self._book.add_worksheet("Issues"),
                ["Document", "Sheet", "Row", "Field", "Severity", "Code", "What"],
                [
                    [source[0], source[1], source[2], label, severity, code, message]
                    for source, label, severity, code, message in self._issues
                ],
                [30, 20, 8, 24, 10, 22, 70],
            )
        self._book.close()


class RowsWriter:
    """One JSON list a line: [row in the source, values, issues, raw cells or null]; with an index."""

    def __init__(self, path: Path, *, most: int | None, raw_rows: int) -> None:
        self._file = path.open("wb")
        self._most, self._raw_rows = most, raw_rows
        self.count = 0
        self.offsets: list[int] = []
        self._at = 0

    def row(
        self, number: int, values: Sequence[Any], issues: Sequence[CellIssue], raw: Sequence[str]
    ) -> None:
        if self._most is not None and self.count >= self._most:
            return
        if self.count % INDEX_EVERY == 0:
            self.offsets.append(self._at)
        kept = raw if self.count < self._raw_rows or issues else None
        line = json.dumps(
            [number, values, issues, kept],
            ensure_ascii=False,
            separators=(",", ":"),
            default=json_value,
        ).encode("utf-8", "replace")
        self._file.write(line)
        self._file.write(b"\n")
        self._at += len(line) + 1
        self.count += 1

    def close(self) -> None:
        self._file.close()


def headers(definition: Definition) -> list[str]:
    """The names of the output's columns."""
    by_label = definition.layout.headers == "label"
    names = [field.label if by_label else field.name for field in definition.output_fields]
    if definition.layout.source_columns:
        names += ["Source document", "Source sheet", "Source row"]
    return names


def columns_json(fields: Sequence[Field]) -> list[dict[str, Any]]:
    return [{"name": field.name, "label": field.label, "type": field.type} for field in fields]
