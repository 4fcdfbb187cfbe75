"""Extracted tables over REST, as JSON, CSV or a workbook; starting an extraction."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast
from uuid import UUID

from django.contrib.auth.models import User
from django.http.response import HttpResponseBase
from django.urls import reverse
from rest_framework import serializers
from rest_framework.renderers import BaseRenderer, JSONRenderer
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from documents.api.table_files import XLSX, table_file
from documents.extracted_rows import MAX_LIMIT, ExtractedRow, RowsGone, rows_of
from documents.models import Document, ExtractedTable, ExtractionRun
from jobs import services
from jobs.api.base import job_of
from jobs.api.downloads import serve_artifact
from jobs.api.problem import Problem
from jobs.events import job_dto
from jobs.models import Job, Status

KIND = "documents.extract"
SAMPLE_ROWS = 20
LOG_LINES = 30


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
            ExtractedTable.objects.filter(run_id=job.pk, number=whole_number(number))
            .select_related("run__version__configuration", "document")
            .first()
        )
        return table_answer(request, table)


def whole_number(text: str) -> int:
    """A number of an address; 0, which nothing has, for what is none."""
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
            run.tables.filter(number=whole_number(number), document__document=document)
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
