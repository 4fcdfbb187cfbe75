"""Extracted tables over REST, as JSON, CSV or a workbook; starting an extraction; corrections."""

from __future__ import annotations

import csv
import io
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, cast
from uuid import UUID

from django.contrib.auth.models import User
from django.http import HttpResponse, StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.urls import reverse
from django.utils.http import content_disposition_header
from rest_framework import serializers
from rest_framework.renderers import BaseRenderer, JSONRenderer
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from documents import corrections
from documents.configurations.checking import InvalidConfiguration
from documents.configurations.services import definition_of_version
from documents.extracted_rows import MAX_LIMIT, ExtractedRow, RowsGone, rows_of
from documents.extraction import writers
from documents.models import Correction, Document, ExtractedTable, ExtractionRun
from jobs import services
from jobs.api.base import job_of
from jobs.api.downloads import serve_artifact
from jobs.api.problem import Problem
from jobs.events import job_dto, time_dto
from jobs.models import Job, Status

KIND = "documents.extract"
SAMPLE_ROWS = 20
LOG_LINES = 30
XLSX = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"


class CsvRenderer(BaseRenderer):
    """Lets `Accept: text/csv` and `?format=csv` through; the view writes the file itself."""

    media_type, format, charset = "text/csv", "csv", "utf-8"

    def render(self, data: Any, *args: Any, **kwargs: Any) -> bytes:
        # Errors only come here: they stay problem details.
        return JSONRenderer().render(data)


class XlsxRenderer(CsvRenderer):
    media_type, format, charset = XLSX, "xlsx", None  # type: ignore[assignment]


class Page(serializers.Serializer[Any]):
    offset = serializers.IntegerField(min_value=0, max_value=10**9, default=0)
    limit = serializers.IntegerField(min_value=1, max_value=MAX_LIMIT, default=100)


def finished_job(request: Request, job_id: str) -> Job:
    """:raises Problem: 404 no such job or none that extracts, 409 it has not finished."""
    job = job_of(request, job_id)
    if job.kind != KIND:
        raise Problem(
            status=404, code="no_tables", detail=f"A job of kind {job.kind} extracts no tables."
        )
    if not job.is_terminal:
        raise Problem(
            status=409,
            code="not_finished",
            detail=f"The job is {job.status}. Its tables can be read when it has ended.",
        )
    return job


def failure_dto(job: Job) -> dict[str, Any] | None:
    """Why a job failed, with the end of its log; None where it did not."""
    if job.status != Status.FAILED:
        return None
    lines: list[str] = []
    for event in job.events.filter(type="log").order_by("-seq")[:LOG_LINES]:
        lines = [*map(str, event.data.get("lines", [])), *lines]
        if len(lines) >= LOG_LINES:
            break
    return {"reason": job.reason, "error": job.error, "logExcerpt": lines[-LOG_LINES:]}


def table_dto(table: ExtractedTable, *, sample: bool = True) -> dict[str, Any]:
    info = table.info
    found: dict[str, Any] = {
        "number": table.number,
        "documentId": str(table.document.document_id) if table.document.document_id else None,
        "documentName": table.document.name,
        "sheet": table.sheet,
        "page": info.get("page"),
        "title": table.title,
        "rowCount": table.rows,
        "rowsWithErrors": info["rowsWithErrors"],
        "columns": table.run.summary["columns"],
        "mapping": info["mapping"],
        "headerRows": info["headerRows"],
        "skipped": info["skipped"],
        "issueCounts": info["issueCounts"],
        "unmappedRequired": info["unmappedRequired"],
        "url": f"/api/jobs/{table.run_id}/tables/{table.number}",
    }
    if sample:
        try:
            found["sampleRows"] = [row_dto(row, table) for row in rows_of(table, limit=SAMPLE_ROWS)]
        except RowsGone:
            found["sampleRows"] = []
    return found


def row_dto(row: ExtractedRow, table: ExtractedTable) -> dict[str, Any]:
    """A row with the place of each of its cells."""
    mapping = table.info["mapping"]
    columns = {each["field"]: each["column"] for each in mapping if each["field"]}
    names = [column["name"] for column in table.run.summary["columns"]]
    return {
        "row": row.row,
        "values": dict(zip(names, row.values, strict=True)),
        "cells": {name: f"{columns[name]}{row.row}" for name in names if name in columns},
        "raw": dict(zip((each["column"] for each in mapping), row.raw, strict=False))
        if row.raw is not None
        else None,
        "issues": [
            {"field": names[position], "code": code, "severity": severity, "message": message}
            for position, code, severity, message in row.issues
        ],
        "corrected": [names[position] for position in row.corrected],
    }


def run_dto(run: ExtractionRun) -> dict[str, Any]:
    summary = run.summary
    return {
        "configuration": summary["configuration"],
        "operation": run.operation,
        "dryRun": run.dry_run,
        "evaluation": run.evaluation,
        "brokenOff": run.broken_off,
        "reasons": summary["reasons"],
        "counts": summary["counts"],
        "fields": summary["fields"],
        "documents": [
            {
                "documentId": str(document.document_id) if document.document_id else None,
                "name": document.name,
                "evaluation": document.evaluation,
                "error": document.error,
                "message": document.message,
                "tables": document.tables_found,
                "rows": document.rows,
                **document.notes,
            }
            for document in run.documents.all()
        ],
    }


def tables_answer(
    request: Request, job: Job, tables: list[ExtractedTable], run: ExtractionRun | None
) -> HttpResponseBase:
    form = request.accepted_renderer.format if request.accepted_renderer else "json"
    if form != "json":
        if len(tables) == 1:
            return table_file(tables[0], form)
        artifact = job.artifacts.filter(visible=True, path=f"normalised.{form}").first()
        if (
            artifact is None
            or run is None
            or run.documents.count() > len({t.document_id for t in tables})
        ):
            raise Problem(
                status=406,
                code="no_single_file",
                detail="These tables are in no one file. Ask for one of them by its number, or for JSON.",
            )
        return serve_artifact(request, artifact)
    return Response(
        {
            "jobId": str(job.pk),
            "status": job.status,
            "failure": failure_dto(job),
            "run": run_dto(run) if run else None,
            "results": [table_dto(table) for table in tables],
        }
    )


def _tables(run: ExtractionRun | None) -> list[ExtractedTable]:
    return list(run.tables.select_related("run", "document")) if run else []


def run_of(job: Job) -> ExtractionRun | None:
    return ExtractionRun.objects.filter(pk=job.pk).select_related("version__configuration").first()


class TableAnswers(APIView):
    renderer_classes = [JSONRenderer, CsvRenderer, XlsxRenderer]


class JobTablesView(TableAnswers):
    """GET → the tables that an extraction found; 409 until its job has ended."""

    def get(self, request: Request, job_id: str) -> HttpResponseBase:
        job = finished_job(request, job_id)
        run = run_of(job)
        return tables_answer(request, job, _tables(run), run)


class JobTableView(TableAnswers):
    """GET ?offset=0&limit=100 → rows of one table with the place of each cell; or all of it as a file."""

    def get(self, request: Request, job_id: str, number: str) -> HttpResponseBase:
        job = finished_job(request, job_id)
        table = (
            ExtractedTable.objects.filter(run_id=job.pk, number=_number(number))
            .select_related("run__version__configuration", "document")
            .first()
        )
        return table_answer(request, table)


def _number(text: str) -> int:
    return int(text) if text.isdigit() and len(text) < 9 else 0


def table_answer(request: Request, table: ExtractedTable | None) -> HttpResponseBase:
    if table is None:
        raise Problem(status=404, code="no_such_table", detail="There is no such table.")
    form = request.accepted_renderer.format if request.accepted_renderer else "json"
    if form != "json":
        return table_file(table, form)
    page = Page(data=request.query_params.dict())
    page.is_valid(raise_exception=True)
    offset, limit = page.validated_data["offset"], page.validated_data["limit"]
    try:
        rows = [row_dto(row, table) for row in rows_of(table, offset=offset, limit=limit)]
    except RowsGone as gone:
        raise Problem(status=410, code="rows_gone", detail=str(gone)) from gone
    kept = table.info["keptRows"]
    following = offset + len(rows)
    return Response(
        {
            **table_dto(table, sample=False),
            "offset": offset,
            "rows": rows,
            "nextOffset": following if rows and following < kept else None,
        }
    )


def table_file(table: ExtractedTable, form: str) -> HttpResponseBase:
    """All rows of a table as CSV (streamed) or a workbook."""
    name = f"{Path(table.document.name).stem}-{table.number}.{form}"
    disposition = content_disposition_header(True, name) or "attachment"
    try:
        rows = list_start(rows_of(table))
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


def list_start(rows: Iterator[ExtractedRow]) -> Iterator[ExtractedRow]:
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
    from datetime import date, datetime, time

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


def visible_document(request: Request, document_id: str) -> Document:
    """:raises Problem: 404, also for one that belongs to somebody else."""
    rows = Document.objects.visible_to(request.user).present()
    try:
        found = rows.filter(pk=UUID(document_id)).first()
    except ValueError:
        found = None
    if found is None:
        raise Problem(
            status=404, code="not_found", detail="There is no such document, or it is not yours."
        )
    return found


def newest_run(request: Request, document: Document) -> ExtractionRun:
    """The newest extraction that kept a result of this document.

    :raises Problem: 409 one is under way, 404 there is none.
    """
    run = (
        ExtractionRun.objects.visible_to(request.user)
        .filter(documents__document=document, dry_run=False)
        .exclude(job__status__in=[Status.QUEUED, Status.RUNNING])
        .select_related("job__owner", "version__configuration")
        .order_by("-job_id")
        .first()
    )
    if run is not None:
        return run
    waiting = Job.objects.visible_to(request.user).filter(
        kind=KIND, status__in=[Status.QUEUED, Status.RUNNING]
    )
    for job in waiting[:200]:
        if str(document.pk) in job.options.get("documents", ()):
            raise Problem(
                status=409,
                code="not_finished",
                detail=f"Job {job.pk} that reads it is {job.status}.",
            )
    raise Problem(
        status=404,
        code="not_extracted",
        detail=f"No extraction read this document yet. POST /api/documents/{document.pk}/extract.",
    )


class DocumentTablesView(TableAnswers):
    """GET → the tables of a document as its newest extraction found them."""

    def get(self, request: Request, document_id: str) -> HttpResponseBase:
        document = visible_document(request, document_id)
        run = newest_run(request, document)
        tables = [table for table in _tables(run) if table.document.document_id == document.pk]
        return tables_answer(request, run.job, tables, run)


class DocumentTableView(TableAnswers):
    """GET → one of them, by its number."""

    def get(self, request: Request, document_id: str, number: str) -> HttpResponseBase:
        document = visible_document(request, document_id)
        run = newest_run(request, document)
        table = (
            run.tables.filter(number=_number(number), document__document=document)
            .select_related("run__version__configuration", "document")
            .first()
        )
        return table_answer(request, table)


class ExtractView(APIView):
    """POST {configuration, version?, operation?, sheets?, dryRun?} → 202 with the job."""

    def post(self, request: Request, document_id: str) -> Response:
        document = visible_document(request, document_id)
        if not isinstance(request.data, Mapping):
            raise Problem(status=400, code="invalid", detail="Send a JSON object.")
        options = {**request.data}
        if "documents" in options:
            raise Problem(
                status=400,
                code="invalid_options",
                detail="Some options are not valid.",
                errors={"documents": ["The document is the one in the address. Leave this out."]},
            )
        job = services.submit(
            kind=KIND,
            options={**options, "documents": [str(document.pk)]},
            by=cast(User, request.user),
            name=f"Extract {document.name}"[:200],
        )
        location = reverse("api-job", args=[job.pk])
        return Response(job_dto(job), status=202, headers={"Location": location})


class CorrectionFields(serializers.Serializer[Any]):
    kind = serializers.ChoiceField(choices=["mapping", "cell"])
    table = serializers.IntegerField(min_value=1)
    column = serializers.RegexField(r"[A-Z]{1,3}", required=False)
    field = serializers.CharField(max_length=60, allow_blank=True)
    row = serializers.IntegerField(min_value=1, required=False)
    value = serializers.CharField(
        required=False,
        allow_blank=True,
        max_length=corrections.MAX_VALUE_CHARS,
        trim_whitespace=False,
    )

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        needed = {"mapping": ["column"], "cell": ["row", "value"]}[attrs["kind"]]
        missing = {name: ["This correction needs it."] for name in needed if name not in attrs}
        if missing:
            raise serializers.ValidationError(missing)
        return attrs


def correction_dto(correction: Correction) -> dict[str, Any]:
    return {
        "id": correction.pk,
        "kind": correction.kind,
        "table": correction.table,
        "column": correction.column,
        "header": correction.header,
        "field": correction.field,
        "row": correction.row or None,
        "raw": correction.raw,
        "value": correction.value,
        "by": correction.by.get_username(),
        "at": time_dto(correction.at),
        "promotedTo": correction.promoted_to.number if correction.promoted_to else None,
    }


def _run(request: Request, job_id: str) -> ExtractionRun:
    run = run_of(finished_job(request, job_id))
    if run is None:
        raise Problem(status=404, code="no_tables", detail="This job left no tables.")
    return run


class CorrectionsView(APIView):
    """GET → people's corrections of a run; POST adds or replaces one."""

    def get(self, request: Request, job_id: str) -> Response:
        rows = _run(request, job_id).corrections.select_related("by", "promoted_to")
        return Response({"results": [correction_dto(row) for row in rows]})

    def post(self, request: Request, job_id: str) -> Response:
        run = _run(request, job_id)
        given = CorrectionFields(data=request.data)
        given.is_valid(raise_exception=True)
        values, by = given.validated_data, cast(User, request.user)
        try:
            if values["kind"] == "mapping":
                made = corrections.correct_mapping(
                    run=run,
                    table=values["table"],
                    column=values["column"],
                    field=values["field"],
                    by=by,
                )
            else:
                made = corrections.correct_cell(
                    run=run,
                    table=values["table"],
                    row=values["row"],
                    field=values["field"],
                    value=values["value"],
                    by=by,
                )
        except corrections.NoSuchPlace as error:
            raise Problem(status=422, code="no_such_place", detail=str(error)) from error
        except RowsGone as gone:
            raise Problem(status=410, code="rows_gone", detail=str(gone)) from gone
        return Response(correction_dto(made), status=201)


class CorrectionView(APIView):
    """DELETE takes a correction back."""

    def delete(self, request: Request, job_id: str, correction_id: str) -> Response:
        run = _run(request, job_id)
        found = run.corrections.filter(pk=_number(correction_id)).first()
        if found is None:
            raise Problem(status=404, code="not_found", detail="There is no such correction.")
        corrections.withdraw(correction=found, by=cast(User, request.user))
        return Response(status=204)


class PromoteView(APIView):
    """POST → the draft that the corrections went into, and which of them no configuration can hold."""

    def post(self, request: Request, job_id: str) -> Response:
        run = _run(request, job_id)
        try:
            done = corrections.promote(run=run, by=cast(User, request.user))
        except corrections.NothingToPromote as error:
            raise Problem(status=409, code="nothing_to_promote", detail=str(error)) from error
        except InvalidConfiguration as error:
            raise Problem(
                status=422,
                code="invalid_configuration",
                detail="With these corrections the configuration would not be right.",
                errors=error.by_path(),
            ) from error
        name = run.version.configuration.name
        return Response(
            {
                "configuration": name,
                "version": done.version.number,
                "promoted": [correction_dto(each) for each in done.promoted],
                "leftOut": [
                    {"correction": correction_dto(each), "why": why} for each, why in done.left_out
                ],
            },
            status=201,
        )
