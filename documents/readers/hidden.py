"""Which rows and columns of an XLS or ODS workbook are hidden: what calamine does not tell.

Of XLS (BIFF8) the records are walked as [MS-XLS] describes them, of ODS the XML as ODF 1.3 does.
"""

from __future__ import annotations

import struct
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import olefile
from lxml import etree

# What a sheet can have at most; a span that claims more is cut there.
MAX_ROWS = 1_048_576
MAX_COLUMNS = 16_384
# A row that is repeated more often than this has nothing in it that anybody typed.
MAX_REPEATED = 10_000
_BOF, _EOF, _BOUNDSHEET, _ROW, _COLINFO = 0x0809, 0x000A, 0x0085, 0x0208, 0x007D
_TABLE = "{urn:oasis:names:tc:opendocument:xmlns:table:1.0}"
_GONE = frozenset({"collapse", "filter"})


@dataclass(slots=True)
class Hidden:
    """Rows and columns of one sheet that are hidden, counted from 0."""

    rows: set[int] = field(default_factory=set)
    columns: set[int] = field(default_factory=set)


def hidden_of(path: Path) -> dict[str, Hidden]:
    """What is hidden, by the sheet's name; nothing of a format (or a damage) that does not tell.

    Whether the file can be read at all is for the reader of its values to say.
    """
    try:
        if zipfile.is_zipfile(path):
            return _of_ods(path)
        if olefile.isOleFile(str(path)):
            return _of_xls(path)
    except (OSError, ValueError, KeyError, struct.error, etree.XMLSyntaxError):
        return {}
    except (zipfile.BadZipFile, NotImplementedError, RuntimeError):
        return {}
    return {}


def tells(path: Path) -> bool:
    """Whether the file's format tells what is hidden: workbooks older than Excel 97 are not walked."""
    if zipfile.is_zipfile(path):
        return True
    try:
        with olefile.OleFileIO(str(path)) as ole:
            return bool(ole.exists("Workbook"))
    except OSError:
        return False


def _of_xls(path: Path) -> dict[str, Hidden]:
    with olefile.OleFileIO(str(path)) as ole:
        if not ole.exists("Workbook"):
            return {}
        with ole.openstream("Workbook") as stream:
            data: bytes = stream.read()
    found: dict[str, Hidden] = {}
    for kind, body in _records(data, 0):
        if kind == _BOUNDSHEET and len(body) >= 8:
            (start,) = struct.unpack_from("<I", body)
            found[_short_text(body[6:])] = _of_sheet(data, start)
    return found


def _records(data: bytes, at: int) -> Iterator[tuple[int, bytes]]:
    """The records from `at` to the end of what begins there, without what is nested in it."""
    depth = 0
    while at + 4 <= len(data):
        kind, size = struct.unpack_from("<HH", data, at)
        body = data[at + 4 : at + 4 + size]
        at += 4 + size
        depth += (kind == _BOF) - (kind == _EOF)
        if depth == 0:
            return
        if depth == 1:
            yield kind, body


def _of_sheet(data: bytes, start: int) -> Hidden:
    hidden = Hidden()
    for kind, body in _records(data, start):
        if kind == _ROW and len(body) >= 14:
            row, flags = struct.unpack_from("<H10xH", body)
            if flags & 0x20:
                hidden.rows.add(row)
        elif kind == _COLINFO and len(body) >= 10:
            first, last, flags = struct.unpack_from("<HH4xH", body)
            if flags & 1:
                hidden.columns.update(range(first, min(last, 255) + 1))
    return hidden


def _short_text(data: bytes) -> str:
    """A ShortXLUnicodeString: its length, how wide its characters are, and they."""
    count, wide = data[0], data[1] & 1
    raw = data[2 : 2 + count * (2 if wide else 1)]
    return raw.decode("utf-16-le" if wide else "latin-1", "replace")


def _of_ods(path: Path) -> dict[str, Hidden]:
    with zipfile.ZipFile(path) as package:
        if "content.xml" not in package.namelist():
            return {}
        with package.open("content.xml") as part:
            return _walked(part)


def _walked(part: Any) -> dict[str, Hidden]:
    found: dict[str, Hidden] = {}
    hidden = Hidden()
    row = column = 0
    events = etree.iterparse(
        part,
        events=("start", "end"),
        tag=(f"{_TABLE}table", f"{_TABLE}table-column", f"{_TABLE}table-row"),
        resolve_entities=False,
        no_network=True,
        load_dtd=False,
    )
    for event, element in events:
        what = element.tag.removeprefix(_TABLE)
        if what == "table" and event == "start":
            hidden, row, column = Hidden(), 0, 0
            found[element.get(f"{_TABLE}name", "")] = hidden
        elif what == "table-column" and event == "end":
            first, column = column, column + _repeated(element, "columns")
            if element.get(f"{_TABLE}visibility") in _GONE:
                hidden.columns.update(range(first, min(column, MAX_COLUMNS)))
        elif what == "table-row" and event == "end":
            first, row = row, row + _repeated(element, "rows")
            if element.get(f"{_TABLE}visibility") in _GONE and row - first <= MAX_REPEATED:
                hidden.rows.update(range(first, min(row, MAX_ROWS)))
            element.clear()
    return found


def _repeated(element: Any, what: str) -> int:
    told = element.get(f"{_TABLE}number-{what}-repeated", "1")
    return max(1, min(int(told), MAX_ROWS)) if told.isdigit() else 1
