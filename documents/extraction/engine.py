"""The whole way of one run: documents in, the canonical table and a report out."""

from __future__ import annotations

import fnmatch
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from documents.extraction import writers
from documents.extraction.cells import Column as FieldColumn
from documents.extraction.cells import Pipeline
from documents.extraction.definition import Definition
from documents.extraction.found import Skipped, Table
from documents.extraction.grids import Grid, Sheet, Unreadable, text_of
from documents.extraction.layout import find_tables
from documents.extraction.mapping import Mapped, Mapper
from documents.extraction.report import issue_summary
from documents.extraction.sheet_rows import prepared_rows
from documents.extraction.writers import CellIssue, RowsWriter, Writer

MAX_TABLES = 500
KEPT_ISSUES = 500
PREVIEW_ROWS = 100
# Of longer tables the raw cells are kept for the first rows, and for those with issues.
RAW_ROWS = 20_000
BEAT_ROWS = 5_000


@dataclass(frozen=True, kw_only=True)
class Mode:
    """What a run leaves behind. `process` writes the result; without it only what was found is told.

    A dry run shows the first rows of each table and writes no result, whatever the operation.
    """

    process: bool = True
    dry_run: bool = False

    @property
    def writes(self) -> bool:
        return self.process and not self.dry_run


@dataclass(kw_only=True)
class TableResult:
    """One found table, mapped and read."""

    number: int
    document: str
    table: Table
    mapping: list[Mapped]
    rows: int = 0
    issues: Counter[tuple[str, str, str]] = field(default_factory=Counter)
    filled: Counter[str] = field(default_factory=Counter)
    rows_with_errors: int = 0
    unmapped_required: list[str] = field(default_factory=list)
    offsets: list[int] = field(default_factory=list)
    kept_rows: int = 0
    kept_issues: list[dict[str, Any]] = field(default_factory=list)


@dataclass(kw_only=True)
class DocumentResult:
    """What became of one document. `error` is a code where it could not be read to its end."""

    key: str
    name: str
    sha256: str = ""
    tables: list[TableResult] = field(default_factory=list)
    ignored_sheets: list[dict[str, str]] = field(default_factory=list)
    loose: list[tuple[str, Skipped]] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    error: str = ""
    message: str = ""


class Run:
    """One run over documents by one configuration. Files are written into `folder`."""

    def __init__(
        self,
        *,
        definition: Definition,
        version: int,
        folder: Path,
        mode: Mode,
        sheets: Sequence[str] = (),
        beat: Callable[[int], None] = lambda rows: None,
    ) -> None:
        self.definition = definition
        self.version = version
        self.mode = mode
        self.documents: list[DocumentResult] = []
        self.files: list[tuple[str, str]] = []  # (name in the folder, what it is)
        self._folder = folder
        self._sheets = tuple(sheets)
        self._beat = beat
        self._mapper = Mapper(definition)
        self._fields = {each.name: FieldColumn(each) for each in definition.fields}
        self._writers: list[Writer] = []
        self._tables = 0
        self._rows = 0
        (folder / "tables").mkdir(parents=True, exist_ok=True)
        if mode.writes:
            self._xlsx = writers.XlsxWriter(folder / "normalised.xlsx", definition)
            self._writers = [
                self._xlsx,
                writers.CsvWriter(folder / "normalised.csv", definition),
                writers.JsonWriter(folder / "normalised.json", definition, version=version),
            ]

    def document(
        self, *, key: str, name: str, sha256: str, opened: Callable[[], Grid]
    ) -> DocumentResult:
        """Read one document into the result. What can not be read is told in the document's result.

        Rows that were read before it broke off are kept.
        """
        result = DocumentResult(key=key, name=name, sha256=sha256)
        self.documents.append(result)
        try:
            grid = opened()
            try:
                for sheet in grid.sheets():
                    self._sheet(result, grid, sheet)
            finally:
                result.warnings = [*grid.warnings, *self._mapper.warnings]
            if not result.tables:
                result.error = "no_table"
                result.message = f"No table with at least {self.definition.tables.min_columns} columns was found."
        except Unreadable as error:
            result.error, result.message = error.code, error.message
        return result

    def failed(self, *, key: str, name: str, code: str, message: str) -> DocumentResult:
        """Note a document that could not even be opened."""
        result = DocumentResult(key=key, name=name, error=code, message=message)
        self.documents.append(result)
        return result

    def _sheet(self, result: DocumentResult, grid: Grid, sheet: Sheet) -> None:
        wanted = self._sheets or self.definition.tables.sheets
        if wanted and not any(fnmatch.fnmatchcase(sheet.name, pattern) for pattern in wanted):
            result.ignored_sheets.append({"sheet": sheet.name, "why": "not_asked_for"})
            return
        if sheet.hidden and not self.definition.tables.keep_hidden:
            result.ignored_sheets.append({"sheet": sheet.name, "why": "hidden"})
            return
        tables, loose = find_tables(grid, sheet, self.definition.tables, self._mapper.vocabulary)
        result.loose += [(sheet.name, skipped) for skipped in loose]
        for table in tables:
            if self._tables >= MAX_TABLES:
                raise Unreadable("too_many_tables", f"More than {MAX_TABLES} tables were found.")
            self._tables += 1
            table.number = self._tables
            found = TableResult(
                number=table.number,
                document=result.name,
                table=table,
                mapping=self._mapper.map(table.columns),
            )
            result.tables.append(found)
            self._table(grid, found)

    def _table(self, grid: Grid, found: TableResult) -> None:
        table = found.table
        mapped = {each.field: each for each in found.mapping if each.field}
        found.unmapped_required = [
            each.name
            for each in self.definition.fields
            if each.required and each.name not in mapped
        ]
        output = self.definition.output_fields
        plan: list[tuple[int, Pipeline] | None] = []
        for each in output:
            column = mapped[each.name].column if each.name in mapped else None
            plan.append(
                (column.number - 1, self._fields[each.name].pipeline(column.evidence))
                if column
                else None
            )
        hidden_fields = [
            (
                each.name,
                mapped[each.name].column.number - 1,
                self._fields[each.name].pipeline(mapped[each.name].column.evidence),
            )
            for each in self.definition.fields
            if each.name in mapped and each not in output
        ]
        name = f"tables/{table.number}.jsonl"
        rows = RowsWriter(
            self._folder / name,
            most=PREVIEW_ROWS if self.mode.dry_run else None,
            raw_rows=RAW_ROWS,
        )
        try:
            self._read(grid, found, plan, hidden_fields, rows)
        finally:
            rows.close()
            found.offsets, found.kept_rows = rows.offsets, rows.count
            self.files.append((name, "rows"))

    def _read(
        self,
        grid: Grid,
        found: TableResult,
        plan: Sequence[tuple[int, Pipeline] | None],
        others: Sequence[tuple[str, int, Pipeline]],
        rows: RowsWriter,
    ) -> None:
        table = found.table
        names = [each.name for each in self.definition.output_fields]
        numbers = [column.number - 1 for column in table.columns]
        out = self._writers
        sheet_name, document = table.sheet.name, found.document
        filled = [0] * len(plan)
        first, last, left_out = table.first_row, table.last_row, table.left_out
        for number, cells in prepared_rows(grid, table.sheet, self.definition.tables):
            if number < first or number in left_out:
                continue
            if number > last:
                break
            width = len(cells)
            values: list[Any] = []
            issues: list[CellIssue] = []
            for position, planned in enumerate(plan):
                if planned is None:
                    values.append(None)
                    continue
                index, pipeline = planned
                value, said = pipeline(cells[index] if index < width else None)
                values.append(value)
                if value is not None:
                    filled[position] += 1
                if said:
                    issues += [(position, *each) for each in said]
            if not any(index < width and cells[index] not in (None, "") for index in numbers):
                continue  # Its only cells stand in hidden columns, or beside the table.
            for field_name, index, pipeline in others:
                value, said = pipeline(cells[index] if index < width else None)
                for code, severity, message in said or ():
                    self._note(found, field_name, number, code, severity, message, index)
            found.rows += 1
            if issues:
                self._noted(found, names, number, issues, plan)
            raw = [text_of(cells[index]) if index < width else "" for index in numbers]
            rows.row(number, values, issues, raw)
            for writer in out:
                writer.row((document, sheet_name, number), values, issues)
            self._rows += 1
            if self._rows % BEAT_ROWS == 0:
                self._beat(self._rows)
        for name, count in zip(names, filled, strict=True):
            if count:
                found.filled[name] += count

    def _noted(
        self,
        found: TableResult,
        names: Sequence[str],
        number: int,
        issues: Sequence[CellIssue],
        plan: Sequence[tuple[int, Pipeline] | None],
    ) -> None:
        bad = False
        for position, code, severity, message in issues:
            planned = plan[position]
            self._note(
                found,
                names[position],
                number,
                code,
                severity,
                message,
                planned[0] if planned else None,
            )
            bad = bad or severity == "error"
        found.rows_with_errors += bad

    @staticmethod
    def _note(
        found: TableResult,
        name: str,
        number: int,
        code: str,
        severity: str,
        message: str,
        index: int | None,
    ) -> None:
        found.issues[(name, code, severity)] += 1
        if len(found.kept_issues) < KEPT_ISSUES:
            found.kept_issues.append(
                issue_summary(
                    field=name,
                    row=number,
                    column=index,
                    code=code,
                    severity=severity,
                    message=message,
                )
            )

    def finish(self) -> Mapping[str, Any]:
        """Close all files and give the report."""
        from documents.extraction.report import report_of

        if self.mode.writes:
            self._xlsx.mapping(
                [
                    [
                        found.document,
                        found.table.sheet.name,
                        found.number,
                        each.column.letters,
                        each.column.header,
                        each.field or "",
                        round(each.score, 4),
                        each.reason or "",
                    ]
                    for document in self.documents
                    for found in document.tables
                    for each in found.mapping[:2_000]
                ]
            )
            for writer in self._writers:
                writer.close()
            self.files += [
                ("normalised.xlsx", "workbook"),
                ("normalised.csv", "csv"),
                ("normalised.json", "json"),
            ]
        return report_of(self)
