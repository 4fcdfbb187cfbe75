"""XLS and ODS, and workbooks too large for more: the values of each sheet, by calamine."""

from __future__ import annotations

from collections.abc import Mapping

from python_calamine import CalamineError, CalamineWorkbook, PasswordError, SheetVisibleEnum

from documents.readers import packages
from documents.readers.base import (
    Draft,
    PasswordNeeded,
    Source,
    StructureBuilder,
    Unreadable,
    cell_ref,
)
from documents.readers.cells import shown, typed
from documents.readers.hidden import Hidden, hidden_of, tells
from documents.structure import Structure


def read(source: Source) -> Structure:
    built = StructureBuilder(source.media_type)
    with source.path.open("rb") as file:
        is_package = file.read(2) == b"PK"
    if is_package:
        with packages.opened(source.path) as package:
            packages.warn_of_macros(package, built)
            for info in package.infolist():
                if info.filename.endswith(".xml"):
                    with package.open(info) as part:
                        packages.refuse_doctype(part.read(64 * 1024), info.filename)
    else:
        what = (
            "comments and formulas" if tells(source.path) else "hidden rows, comments and formulas"
        )
        built.warn("no_layout", f"Of this old format the values are read, without {what}.")
    add_sheets(built, source, hidden=hidden_of(source.path))
    return built.build()


def add_sheets(
    built: StructureBuilder, source: Source, *, hidden: Mapping[str, Hidden] | None = None
) -> None:
    """Append each sheet's values; empty sheets leave a page without a table.

    `hidden`: what is hidden of each sheet, by its name, where that is known.

    :raises PasswordNeeded, Unreadable: it is encrypted, or damaged.
    """
    try:
        workbook = CalamineWorkbook.from_path(str(source.path))
    except PasswordError as error:
        raise PasswordNeeded(
            "encrypted_office",
            "The workbook is encrypted with a password. Tapedeck can not open these: save it "
            "without a password, and upload that as a new version.",
        ) from error
    except (CalamineError, OSError, ValueError) as error:
        raise Unreadable("damaged", f"The workbook can not be read: {error}"[:400]) from error
    total = len(workbook.sheets_metadata)
    for number, described in enumerate(workbook.sheets_metadata, 1):
        built.begin_page(number)
        try:
            _add_sheet(
                built, workbook, described.name, (hidden or {}).get(described.name, Hidden())
            )
        except CalamineError as error:
            built.warn("sheet_damaged", f"{described.name} can not be read: {error}"[:400], number)
        built.end_page(name=described.name, hidden=described.visible != SheetVisibleEnum.Visible)
        source.on_page(number, total)


def _add_sheet(
    built: StructureBuilder, workbook: CalamineWorkbook, name: str, hidden: Hidden
) -> None:
    sheet = workbook.get_sheet_by_name(name)
    if sheet.start is None:
        return
    merged = {
        top_left: (bottom[0] - top_left[0] + 1, bottom[1] - top_left[1] + 1)
        for top_left, bottom in sheet.merged_cell_ranges or ()
    }
    # The iterator begins with the sheet's first row, yet with the first column that is used.
    left = sheet.start[1]
    rows: list[list[Draft | None]] = []
    cells_left = built.cells_left
    left_out = 0
    for row, values in enumerate(sheet.iter_rows()):
        filled = sum(value != "" for value in values)
        if filled > cells_left:
            left_out = sheet.total_height - row
            built.warn(
                "cut",
                f"Shown and searched are the first {row:,} rows of {name}; an extraction reads "
                "all of them.",
            )
            break
        cells_left -= filled
        line: list[Draft | None] = [None] * left
        for col, value in enumerate(values, left):
            if value == "":
                line.append(None)
                continue
            rowspan, colspan = merged.get((row, col), (1, 1))
            line.append(
                Draft(
                    text=shown(value),
                    value=typed(value),
                    rowspan=rowspan,
                    colspan=colspan,
                    ref=cell_ref(row, col),
                    hidden=row in hidden.rows or col in hidden.columns,
                )
            )
        rows.append(line)
    width = max((len(line) for line in rows), default=0)
    built.table(
        rows,
        title=name,
        sheet=name,
        hidden_rows=sorted(row for row in hidden.rows if row < len(rows)),
        hidden_cols=sorted(col for col in hidden.columns if col < width),
        rows_left_out=left_out,
    )
