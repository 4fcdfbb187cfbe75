"""Workbooks: values by calamine, what it does not tell (hidden rows and columns) from the file itself."""

from __future__ import annotations

import posixpath
import re
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from xml.etree.ElementTree import ParseError

import python_calamine as calamine
from lxml import etree

from documents.extraction.grids import MAX_MERGED, Row, Sheet, Unreadable
from documents.readers.hidden import hidden_of

# Calamine holds a sheet as one rectangle: 24 bytes a cell, used or not.
MAX_CELLS = 8_000_000
MAX_COLUMNS = 16_384
MAX_INFLATED_BYTES = 4 * 1024**3
MAX_RATIO = 1_000
_ROW = re.compile(rb"<(?:\w+:)?row\b([^>]*)>")
_ROW_NUMBER = re.compile(rb'\br="(\d+)"')
_HIDDEN = re.compile(rb'\bhidden="(?:1|true)"')
_WIDE = re.compile(rb'\br="([A-Z]{2,3})\d+"')
_COLUMN = re.compile(rb"<(?:\w+:)?col\b([^>]*)>")
_DATE = re.compile(rb'\b(min|max)="(\d+)"')
_CHUNK = 1024 * 1024


class Workbook:
    """XLSX, XLSM, XLSB, XLS or ODS. Formulas are read as their stored results; macros never run."""

    def __init__(self, path: Path, *, name: str) -> None:
        self._path = path
        self.warnings: list[str] = []
        self._members: dict[str, str] = {}
        self._sparse: set[str] = set()
        self._facts: dict[str, _Facts] = {}
        if zipfile.is_zipfile(path):
            self._check_archive()
        try:
            self._book = calamine.CalamineWorkbook.from_path(str(path))
        except calamine.PasswordError as error:
            raise Unreadable(
                "encrypted", "The workbook is protected by a password. Upload it without one."
            ) from error
        except (calamine.CalamineError, OSError) as error:
            raise Unreadable(
                "malformed_workbook", f"The workbook can not be read: {error}. Save it anew."
            ) from error
        self._metadata = {sheet.name: sheet for sheet in self._book.sheets_metadata}
        self._members = _sheet_members(path) if zipfile.is_zipfile(path) else {}
        # Of an XLSX the sheets' own XML tells it, see `_scan`.
        self._hidden = {} if self._members else hidden_of(path)

    def sheets(self) -> list[Sheet]:
        found = []
        for number, name in enumerate(self._book.sheet_names, 1):
            about = self._metadata[name]
            if about.typ != calamine.SheetTypeEnum.WorkSheet:
                continue
            facts = self._facts_of(name)
            found.append(
                Sheet(
                    name=name,
                    number=number,
                    hidden=about.visible != calamine.SheetVisibleEnum.Visible,
                    hidden_rows=frozenset(facts.hidden_rows),
                    hidden_columns=frozenset(facts.hidden_columns),
                )
            )
        return found

    def rows(self, sheet: Sheet) -> Iterator[Row]:
        facts = self._facts_of(sheet.name)
        if facts.cells > MAX_CELLS:
            yield from self._sparse_rows(sheet)
            return
        try:
            opened = self._book.get_sheet_by_name(sheet.name)
        except calamine.CalamineError as error:
            raise Unreadable(
                "malformed_workbook", f"Sheet {sheet.name!r} can not be read: {error}."
            ) from error
        if opened.start is None:
            return
        # Its rows begin with the sheet's first one, its columns with the first that is used.
        first_column = opened.start[1]
        if opened.height * opened.width > MAX_CELLS * 4:
            raise Unreadable(
                "too_large",
                f"Sheet {sheet.name!r} spans {opened.height:,} × {opened.width:,} cells.",
            )
        if not sheet.merged:
            ranges = opened.merged_cell_ranges or []
            sheet.merged = [
                (top + 1, left + 1, bottom + 1, right + 1)
                for (top, left), (bottom, right) in ranges[:MAX_MERGED]
            ]
        before: list[Any] = [None] * first_column
        for number, cells in enumerate(opened.iter_rows(), 1):
            yield Row(number, before + cells if first_column else cells)

    def _sparse_rows(self, sheet: Sheet) -> Iterator[Row]:
        """A sheet whose used cells lie far apart, cell by cell: slower, at no memory."""
        import openpyxl

        book = openpyxl.load_workbook(self._path, read_only=True, data_only=True, keep_links=False)
        try:
            opened = book[sheet.name]
            # Else every row, empty ones too, is padded to the widest.
            opened.reset_dimensions()
            for number, cells in enumerate(opened.iter_rows(values_only=True), 1):
                last = len(cells)
                while last and cells[last - 1] is None:
                    last -= 1
                if last:
                    yield Row(number, list(cells[:last]))
        except (ParseError, KeyError, ValueError) as error:
            raise Unreadable(
                "malformed_workbook", f"Sheet {sheet.name!r} can not be read: {error}."
            ) from error
        finally:
            book.close()

    def _check_archive(self) -> None:
        try:
            with zipfile.ZipFile(self._path) as archive:
                inflated = sum(entry.file_size for entry in archive.infolist())
                packed = max(1, sum(entry.compress_size for entry in archive.infolist()))
        except (zipfile.BadZipFile, OSError) as error:
            raise Unreadable(
                "malformed_workbook", f"The workbook's archive is damaged: {error}."
            ) from error
        if inflated > MAX_INFLATED_BYTES or (
            inflated > 50_000_000 and inflated / packed > MAX_RATIO
        ):
            raise Unreadable(
                "archive_bomb",
                f"The workbook inflates from {packed:,} to {inflated:,} bytes; that is refused.",
            )

    def _facts_of(self, name: str) -> _Facts:
        if name not in self._facts:
            member = self._members.get(name)
            facts = _Facts() if member is None else _scan(self._path, member)
            if hidden := self._hidden.get(name):
                facts.hidden_rows = {row + 1 for row in hidden.rows}
                facts.hidden_columns = {column + 1 for column in hidden.columns}
            self._facts[name] = facts
        return self._facts[name]


class _Facts:
    """What the sheet's XML says and calamine does not."""

    def __init__(self) -> None:
        self.hidden_rows: set[int] = set()
        self.hidden_columns: set[int] = set()
        self.last_row = 0
        self.last_column = 26

    @property
    def cells(self) -> int:
        return self.last_row * self.last_column


def _scan(path: Path, member: str) -> _Facts:
    """One pass over the sheet's bytes, by pattern: a parser would take longer than reading the values."""
    facts = _Facts()
    with zipfile.ZipFile(path) as archive, archive.open(member) as file:
        rest = b""
        columns_read = False
        while data := file.read(_CHUNK):
            # A tag is never cut in two: what follows the last ">" waits for the next part.
            data = rest + data
            cut = data.rfind(b">") + 1
            data, rest = data[:cut], data[cut:]
            if len(rest) > 64 * _CHUNK:
                raise Unreadable("malformed_workbook", "A part of the workbook is no XML.")
            if not columns_read:
                _columns(facts, data)
                columns_read = b"sheetData" in data
            for match in _ROW.finditer(data):
                attributes = match.group(1)
                number = _ROW_NUMBER.search(attributes)
                row = int(number.group(1)) if number else facts.last_row + 1
                facts.last_row = max(facts.last_row, row)
                if b"hidden" in attributes and _HIDDEN.search(attributes):
                    facts.hidden_rows.add(row)
            for wide in set(_WIDE.findall(data)):
                facts.last_column = max(facts.last_column, _column_number(wide))
    return facts


def _columns(facts: _Facts, data: bytes) -> None:
    for match in _COLUMN.finditer(data):
        if _HIDDEN.search(match.group(1)):
            ends = {name: int(value) for name, value in _DATE.findall(match.group(1))}
            first, last = ends.get(b"min", 0), min(ends.get(b"max", 0), MAX_COLUMNS)
            facts.hidden_columns.update(range(first, last + 1))


def _column_number(letters: bytes) -> int:
    number = 0
    for letter in letters:
        number = number * 26 + letter - 64
    return number


def _sheet_members(path: Path) -> dict[str, str]:
    """Sheet name -> its part in the archive; empty for what is no XLSX."""
    safe = etree.XMLParser(resolve_entities=False, no_network=True, huge_tree=False)
    try:
        with zipfile.ZipFile(path) as archive:
            names = set(archive.namelist())
            if "xl/workbook.xml" not in names or "xl/_rels/workbook.xml.rels" not in names:
                return {}
            book = etree.fromstring(archive.read("xl/workbook.xml"), safe)
            relations = etree.fromstring(archive.read("xl/_rels/workbook.xml.rels"), safe)
    except (zipfile.BadZipFile, etree.XMLSyntaxError, OSError):
        return {}
    targets = {relation.get("Id"): relation.get("Target", "") for relation in relations}
    members: dict[str, str] = {}
    for sheet in book.iter("{*}sheet"):
        relation = next(
            (value for key, value in sheet.attrib.items() if str(key).endswith("}id")), None
        )
        target = str(targets.get(relation, ""))
        part = target.lstrip("/") if target.startswith("/") else posixpath.join("xl", target)
        part = posixpath.normpath(part)
        if part in names:
            members[str(sheet.get("name"))] = part
    return members
