"""A table of an extraction as one file: CSV, streamed, or a workbook."""

from __future__ import annotations

import csv
import io
import tempfile
from collections.abc import Iterator, Mapping
from datetime import date, datetime, time
from pathlib import Path
from typing import Any

from django.http import HttpResponse, StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.utils.http import content_disposition_header

from documents.configurations.checking import InvalidConfiguration
from documents.configurations.services import definition_of_version
from documents.extracted_rows import ExtractedRow, RowsGone, rows_of
from documents.extraction import writers
from documents.models import ExtractedTable
from jobs.api.problem import Problem

XLSX = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"


def table_file(table: ExtractedTable, form: str) -> HttpResponseBase:
    """All rows of a table as CSV (streamed) or a workbook."""
    name = f"{Path(table.document.name).stem}-{table.number}.{form}"
    disposition = content_disposition_header(True, name) or "attachment"
    try:
        rows = _begun(rows_of(table))
    except RowsGone as gone:
        raise Problem(status=410, code="rows_gone", detail=str(gone)) from gone
    if form == "csv":
        response: HttpResponseBase = StreamingHttpResponse(
            _csv(table, rows), content_type="text/csv; charset=utf-8"
        )
    else:
        response = HttpResponse(_xlsx(table, rows), content_type=XLSX)
    response["Content-Disposition"] = disposition
    response["X-Content-Type-Options"] = "nosniff"
    return response


def _begun(rows: Iterator[ExtractedRow]) -> Iterator[ExtractedRow]:
    """The same rows, the first of them read now: what is wrong is known before an answer begins."""
    first = next(rows, None)

    def again() -> Iterator[ExtractedRow]:
        if first is not None:
            yield first
            yield from rows

    return again()


def _csv(table: ExtractedTable, rows: Iterator[ExtractedRow]) -> Iterator[bytes]:
    buffer = io.StringIO()
    writer = csv.writer(buffer)
    writer.writerow([writers.escaped(column["label"]) for column in table.run.summary["columns"]])
    yield b"\xef\xbb\xbf"
    for row in rows:
        writer.writerow(
            [writers.escaped(value) if isinstance(value, str) else value for value in row.values]
        )
        if buffer.tell() > 64 * 1024:
            yield buffer.getvalue().encode()
            buffer.seek(0)
            buffer.truncate()
    yield buffer.getvalue().encode()


def _xlsx(table: ExtractedTable, rows: Iterator[ExtractedRow]) -> bytes:
    try:
        definition = definition_of_version(table.run.version)
    except InvalidConfiguration as error:
        raise Problem(
            status=409,
            code="invalid_configuration",
            detail=f"The configuration of this run can not be used any more: {error}",
        ) from error
    with tempfile.TemporaryDirectory(prefix="tapedeck-xlsx-") as folder:
        path = Path(folder) / "table.xlsx"
        writer = writers.XlsxWriter(path, definition)
        for row in rows:
            values = [
                _typed(value, column["type"])
                for value, column in zip(row.values, table.run.summary["columns"], strict=True)
            ]
            issues = [(int(i[0]), str(i[1]), str(i[2]), str(i[3])) for i in row.issues]
            writer.row((table.document.name, table.sheet, row.row), values, issues)
        writer.close()
        return path.read_bytes()


def _typed(value: Any, kind: str) -> Any:
    reads: Mapping[str, Any] = {
        "date": date.fromisoformat,
        "datetime": datetime.fromisoformat,
        "time": time.fromisoformat,
    }
    if isinstance(value, str) and kind in reads:
        try:
            return reads[kind](value)
        except ValueError:
            return value  # a person's correction, as it was written
    return value
