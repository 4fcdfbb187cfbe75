"""XLSX: a table a sheet, with merged cells, hidden rows and columns, comments, values and formulas.

Large workbooks are read by their values alone (documents.readers.sheets), and say so.
"""

from __future__ import annotations

import re
import zipfile
from typing import Any

import openpyxl
from openpyxl.utils import column_index_from_string

from documents.readers import sheets
from documents.readers.base import (
    Draft,
    Source,
    StructureBuilder,
    Unreadable,
    cell_ref,
)
from documents.readers.cells import shown, typed
from documents.readers.packages import opened, part_bytes, refuse_doctype, warn_of_macros
from documents.structure import Structure

# openpyxl needs some fifty times this in memory.
MAX_SHEET_XML = 20 * 1024 * 1024
_FORMULA = re.compile(rb"<(?:\w+:)?f[ >]")


def read(source: Source) -> Structure:
    built = StructureBuilder(source.media_type)
    with opened(source.path) as package:
        sheets_xml = [
            info
            for info in package.infolist()
            if info.filename.startswith(("xl/worksheets/", "xl/sharedStrings"))
        ]
        if not sheets_xml:
            raise Unreadable("damaged", "The workbook has no sheets: it is damaged.")
        for info in package.infolist():
            if info.filename.endswith((".xml", ".rels")):
                # The prolog only: a document type stands before the first element or not at all.
                with package.open(info) as part:
                    refuse_doctype(part.read(64 * 1024), info.filename)
        warn_of_macros(package, built)
        large = sum(info.file_size for info in sheets_xml) > MAX_SHEET_XML
        formulas = not large and any(_has_formula(package, info) for info in sheets_xml)
    if large:
        built.warn(
            "values_only",
            "The workbook is large: its values were read, without merged cells, hidden rows, "
            "comments and formulas.",
        )
        sheets.add_sheets(built, source)
        return built.build()
    try:
        values = _workbook(source, computed=True)
        sources = _workbook(source, computed=False) if formulas else None
    except Exception as error:
        # openpyxl raises whatever a damaged part makes it stumble over.
        raise Unreadable(
            "damaged", f"The workbook can not be read: {type(error).__name__}: {error}"[:400]
        ) from error
    _properties(built, values)
    for number, sheet in enumerate(values.worksheets, 1):
        built.begin_page(number)
        other = sources.worksheets[number - 1] if sources is not None else None
        _add_sheet(built, sheet, other)
        built.end_page(name=sheet.title, hidden=sheet.sheet_state != "visible")
        source.on_page(number, len(values.worksheets))
    return built.build()


def _workbook(source: Source, *, computed: bool) -> Any:
    # An open file: of a path openpyxl refuses every ending that is not its own.
    with source.path.open("rb") as file:
        return openpyxl.load_workbook(file, data_only=computed, keep_links=False)


def _has_formula(package: zipfile.ZipFile, info: zipfile.ZipInfo) -> bool:
    data = part_bytes(package, info.filename) or b""
    return _FORMULA.search(data) is not None


def _add_sheet(built: StructureBuilder, sheet: Any, sources: Any) -> None:
    merged: dict[tuple[int, int], tuple[int, int]] = {}
    for area in sheet.merged_cells.ranges:
        rowspan, colspan = area.max_row - area.min_row + 1, area.max_col - area.min_col + 1
        if rowspan * colspan > 100_000:
            built.warn(
                "merge_ignored", f"{area.coord} of {sheet.title} is merged; it was left out."
            )
            continue
        merged[(area.min_row, area.min_col)] = (rowspan, colspan)
    # Only cells that the file has: a workbook may claim a million empty columns.
    found: dict[int, dict[int, Any]] = {}
    formulas = sources._cells if sources is not None else {}
    for (row, col), cell in sheet._cells.items():
        formula = formulas.get((row, col))
        if cell.value is not None or (formula is not None and formula.value is not None):
            found.setdefault(row, {})[col] = cell
    hidden_cols = _hidden_columns(sheet, max((max(row) for row in found.values()), default=0))
    hidden_rows = {
        number for number, row in sheet.row_dimensions.items() if row.hidden and number in found
    }
    rows: list[list[Draft | None]] = []
    left_out = 0
    cells_left = built.cells_left
    last = max(found, default=0)
    for number in range(1, last + 1):
        row = found.get(number, {})
        if len(row) > cells_left:
            left_out = last - number + 1
            built.warn(
                "cut",
                f"Shown and searched are the first {number - 1:,} rows of {sheet.title}; "
                "an extraction reads all of them.",
            )
            break
        cells_left -= len(row)
        line: list[Draft | None] = [None] * (max(row) if row else 0)
        for col, cell in row.items():
            rowspan, colspan = merged.get((number, col), (1, 1))
            formula = formulas.get((number, col))
            line[col - 1] = Draft(
                text=shown(cell.value, str(cell.number_format or "")),
                value=typed(cell.value),
                formula=_formula(formula),
                rowspan=rowspan,
                colspan=colspan,
                ref=cell_ref(number - 1, col - 1),
                hidden=number in hidden_rows or col in hidden_cols,
                comment=str(cell.comment.text) if cell.comment else "",
            )
        rows.append(line)
    if any(
        draft is not None and draft.formula and draft.value is None for row in rows for draft in row
    ):
        built.warn(
            "formulas_without_values",
            f"{sheet.title} has formulas whose results are not in the file. They are not computed "
            "here: open and save it once in a spreadsheet program.",
        )
    built.table(
        rows,
        title=sheet.title,
        sheet=sheet.title,
        hidden_rows=sorted(number - 1 for number in hidden_rows),
        hidden_cols=sorted(number - 1 for number in hidden_cols),
        rows_left_out=left_out,
    )


def _formula(cell: Any) -> str:
    if cell is None or cell.data_type != "f":
        return ""
    # An array formula is an object with its text.
    return str(getattr(cell.value, "text", cell.value) or "")


def _hidden_columns(sheet: Any, last: int) -> set[int]:
    hidden: set[int] = set()
    for letters, column in sheet.column_dimensions.items():
        if not column.hidden:
            continue
        first = column.min or column_index_from_string(letters)
        hidden.update(range(first, min(column.max or first, last) + 1))
    return hidden


def _properties(built: StructureBuilder, workbook: Any) -> None:
    for name in ("title", "creator", "created", "modified", "subject", "keywords"):
        built.meta(name, getattr(workbook.properties, name, None))
    built.meta("sheets", len(workbook.worksheets))
