"""Reading the rows of extracted tables again, page by page, with people's corrections on top."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from documents.extraction.writers import INDEX_EVERY
from documents.models import Correction, ExtractedTable
from jobs.files import open_range
from jobs.models import Artifact

MAX_LIMIT = 1_000


class RowsGone(Exception):
    """The rows of this table are not kept any more; run the extraction again."""


@dataclass(kw_only=True)
class ExtractedRow:
    """One line. `row` is its number in the source; `raw` the cells as they stood there, or None.

    `issues` are (position of the field, code, severity, message); `corrected` positions of fields.
    """

    row: int
    values: list[Any]
    issues: list[list[Any]]
    raw: list[str] | None
    corrected: list[int] = field(default_factory=list)


def rows_of(
    table: ExtractedTable, *, offset: int = 0, limit: int | None = None
) -> Iterator[ExtractedRow]:
    """Rows from `offset` on (counted from 0 within the table).

    :raises RowsGone: the file of rows was removed.
    """
    artifact = Artifact.objects.filter(
        job_id=table.run_id, visible=True, path=f"tables/{table.number}.jsonl"
    ).first()
    if artifact is None:
        raise RowsGone(RowsGone.__doc__)
    offsets = table.info.get("offsets") or [0]
    start = min(offset // INDEX_EVERY, len(offsets) - 1)
    skip = offset - start * INDEX_EVERY
    fixes = _fixes(table)
    if not artifact.size_bytes:
        return
    try:
        file = open_range(artifact.storage_name, first=offsets[start], last=artifact.size_bytes - 1)
    except OSError as error:
        raise RowsGone(RowsGone.__doc__) from error
    given = 0
    with file:
        for line in _lines(file):
            if skip:
                skip -= 1
                continue
            if limit is not None and given >= limit:
                return
            number, values, issues, raw = json.loads(line)
            row = ExtractedRow(row=number, values=values, issues=issues, raw=raw)
            for position, value in fixes.get(number, ()):
                row.values[position] = value
                row.corrected.append(position)
                row.issues = [issue for issue in row.issues if issue[0] != position]
            given += 1
            yield row


def _lines(file: Any) -> Iterator[bytes]:
    """Lines of what may be a stream from afar: it knows `read` only."""
    rest = b""
    while data := file.read(256 * 1024):
        *lines, rest = (rest + data).split(b"\n")
        yield from lines
    if rest:
        yield rest


def _fixes(table: ExtractedTable) -> dict[int, list[tuple[int, str]]]:
    names = [column["name"] for column in table.run.summary["columns"]]
    found: dict[int, list[tuple[int, str]]] = {}
    corrections = Correction.objects.filter(
        run_id=table.run_id, table=table.number, kind=Correction.Kind.CELL
    )
    for correction in corrections:
        if correction.field in names:
            found.setdefault(correction.row, []).append(
                (names.index(correction.field), correction.value)
            )
    return found
