"""Tables that a reader found in a document that is no workbook: PDF pages, DOCX, HTML, mails."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from documents.extraction.grids import Row, Sheet, Unreadable
from documents.structure import Structure, Table


class StructuredTables:
    """Each table of a document's structure as a sheet; cells keep their boxes on the page.

    A table of a page that goes on under the same columns on the next one is read on there.
    """

    def __init__(self, structure: Structure) -> None:
        self.warnings = [warning.message for warning in structure.warnings]
        if not structure.has_text and not structure.tables:
            raise Unreadable(
                "no_text",
                "No text was found in this document, so there are no tables to find. "
                "Is it a scan? Read it with OCR first.",
            )
        self._groups = _joined(structure.tables)
        self._widths = {page.number: page.width for page in structure.pages if page.width}

    def sheets(self) -> list[Sheet]:
        found: list[Sheet] = []
        for number, group in enumerate(self._groups, 1):
            first = group[0]
            page = first.place.page
            name = first.place.sheet or (f"Page {page}" if page else f"Table {number}")
            sheet = Sheet(name=_named(name, number, found), number=number, page=page)
            offset = 0
            hidden_rows: set[int] = set()
            for table in group:
                for cell in table.cells:
                    if cell.place.bbox:
                        sheet.boxes[(offset + cell.row + 1, cell.col + 1)] = cell.place.bbox
                    if cell.place.page:
                        sheet.pages[offset + cell.row + 1] = cell.place.page
                    if cell.rowspan > 1 or cell.colspan > 1:
                        top, left = offset + cell.row + 1, cell.col + 1
                        sheet.merged.append(
                            (top, left, top + cell.rowspan - 1, left + cell.colspan - 1)
                        )
                hidden_rows.update(offset + row + 1 for row in table.hidden_rows)
                offset += table.n_rows
            sheet.hidden_rows = frozenset(hidden_rows)
            sheet.hidden_columns = frozenset(column + 1 for column in first.hidden_cols)
            sheet.facts["found_by"] = first.found_by
            used = {table.place.page for table in group}
            sheet.page_widths = {
                number: width for number, width in self._widths.items() if number in used
            }
            found.append(sheet)
        return found

    def rows(self, sheet: Sheet) -> Iterator[Row]:
        number = 0
        for table in self._groups[sheet.number - 1]:
            lines: list[list[Any]] = [[None] * table.n_cols for _ in range(table.n_rows)]
            for cell in table.cells:
                lines[cell.row][cell.col] = cell.text if cell.value is None else cell.value
            for line in lines:
                number += 1
                yield Row(number, line)


def _joined(tables: tuple[Table, ...]) -> list[list[Table]]:
    groups: list[list[Table]] = []
    for table in tables:
        before = groups[-1][-1] if groups else None
        if (
            before is not None
            and before.place.page is not None
            and table.place.page == before.place.page + 1
            and table.n_cols == before.n_cols
        ):
            groups[-1].append(table)
        else:
            groups.append([table])
    return groups


def _named(name: str, number: int, before: list[Sheet]) -> str:
    return name if all(sheet.name != name for sheet in before) else f"{name} (table {number})"
