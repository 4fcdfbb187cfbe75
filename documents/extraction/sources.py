"""Which reader opens which file as tables."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from documents.extraction.delimited import Delimited
from documents.extraction.grids import Grid, Unreadable
from documents.extraction.structured import StructuredTables
from documents.extraction.workbooks import Workbook
from documents.structure import Structure

DELIMITED = frozenset({"text/csv", "text/tab-separated-values"})
WORKBOOKS = frozenset(
    {
        "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
        "application/vnd.ms-excel.sheet.macroenabled.12",
        "application/vnd.ms-excel.sheet.binary.macroenabled.12",
        "application/vnd.openxmlformats-officedocument.spreadsheetml.template",
        "application/vnd.ms-excel",
        "application/vnd.oasis.opendocument.spreadsheet",
    }
)


def opened(path: Path, *, name: str, media_type: str, read: Callable[[], Structure]) -> Grid:
    """The file as tables. `read` is asked for the structure of what is no sheet of rows itself.

    :raises Unreadable: with a code and what to do.
    """
    if path.stat().st_size == 0:
        raise Unreadable("empty_document", "The file has no bytes. Upload it again.")
    kind = media_type.partition(";")[0].strip().lower()
    suffix = Path(name).suffix.lower()
    if kind in WORKBOOKS:
        return Workbook(path, name=name)
    if kind in DELIMITED or (
        kind in {"text/plain", ""} and suffix in {".csv", ".tsv", ".tab", ".txt"}
    ):
        return Delimited(path, name=name)
    return StructuredTables(read())
