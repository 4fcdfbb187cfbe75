"""The API of sources: making, changing, testing, syncing, and what they hold."""

from __future__ import annotations

from typing import Any

from django.db.models import Q
from drf_spectacular.utils import OpenApiResponse, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from ingestion import connectors, removal, sources
from ingestion.api.base import SourceView, document_of, source_of, sources_of
from ingestion.api.shapes import (
    ChangeSource,
    ChunksPage,
    CreateSource,
    DocumentFilters,
    JobAnswer,
    KindsShape,
    RemovalScope,
    Removed,
    ReportShape,
    ScheduleRequest,
    SourceDetail,
    SourceDocumentShape,
    SourceDocumentsPage,
    SourceFilters,
    SourceShape,
    SourcesPage,
    SyncRequest,
    TryKnownSource,
    TrySource,
)
from ingestion.connectors import Report
from ingestion.dto import chunk_dto, document_dto, source_dto, tally
from ingestion.models import Source, SourceKind
from jobs.api.base import cleaned, query_of, user_of
from jobs.api.paging import Order, Paging, keyset_page, page_response
from jobs.api.schema import refused
from jobs.models import Job
from jobs.option_schema import json_schema

BY_ID = Order("id", descending=True)
BY_POSITION = Order("position", descending=False)


def accepted(job: Job, source: Source | None = None, **more: Any) -> Response:
    """202 with the job that does it, and where to follow that."""
    body = {"jobId": str(job.pk), **({"sourceId": str(source.pk)} if source else {}), **more}
    return Response(body, status=202, headers={"Location": f"/api/jobs/{job.pk}"})


def report_dto(report: Report) -> dict[str, Any]:
    return {
        "ok": report.ok,
        "summary": report.summary,
        "facts": dict(report.facts),
        "notes": list(report.notes),
        "problems": [
            {"code": each.code, "message": each.message, "field": each.field}
            for each in report.problems
        ],
    }


class KindsView(SourceView):
    """What sources there can be, and the settings of each."""

    @extend_schema(
        operation_id="config_source_kinds",
        summary="Describe kinds of sources",
        responses=KindsShape,
    )
    def get(self, request: Request) -> Response:
        return Response(
            {
                "kinds": [
                    {
                        "kind": kind,
                        "label": SourceKind(kind).label,
                        "settingsSchema": json_schema(connector.settings),
                    }
                    for kind, connector in connectors.all_connectors().items()
                ]
            }
        )


class SourcesView(SourceView):
    """The sources that you may see, newest first; and making one."""

    serializer_class = CreateSource

    @extend_schema(
        operation_id="sources_list",
        summary="List sources",
        parameters=[SourceFilters],
        responses=SourcesPage,
    )
    def get(self, request: Request) -> Response:
        given = query_of(request, SourceFilters)
        rows = sources_of(request)
        if kind := given.get("kind"):
            rows = rows.filter(kind=kind)
        page, links = keyset_page(
            rows=rows,
            order=BY_ID,
            limit=given["limit"],
            cursor=given.get("cursor", ""),
            request=request,
        )
        return page_response([source_dto(row, user=request.user) for row in page], links)

    @extend_schema(
        operation_id="sources_create",
        summary="Make a source",
        description="Nothing is fetched yet: `POST /api/sources/{id}/sync` does.",
        responses={201: SourceShape},
    )
    def post(self, request: Request) -> Response:
        given = cleaned(CreateSource, request.data)
        made = sources.create(by=user_of(request), **given)
        return Response(source_dto(made, user=request.user), status=201)


class TryView(SourceView):
    """Whether a source with these settings could be reached; nothing is kept."""

    serializer_class = TrySource

    @extend_schema(operation_id="sources_test", summary="Test a connection", responses=ReportShape)
    def post(self, request: Request) -> Response:
        given = cleaned(TrySource, request.data)
        report = sources.try_connection(by=user_of(request), source=None, **given)
        return Response(report_dto(report))


class SourceOneView(SourceView):
    """One source: what it is and holds, changing it, deleting it with all it brought."""

    serializer_class = ChangeSource

    @extend_schema(operation_id="sources_get", summary="Show a source", responses=SourceDetail)
    def get(self, request: Request, source_id: str) -> Response:
        source = source_of(request, source_id)
        return Response({**source_dto(source, user=request.user), "holds": tally(source)})

    @extend_schema(
        operation_id="sources_change",
        summary="Change a source",
        description="A secret that is sent as dots stays as it is.",
        responses={200: SourceShape, **refused(409)},
    )
    def patch(self, request: Request, source_id: str) -> Response:
        source = source_of(request, source_id)
        sources.change(source=source, by=user_of(request), **cleaned(ChangeSource, request.data))
        return Response(source_dto(source_of(request, source_id), user=request.user))

    @extend_schema(
        operation_id="sources_delete",
        summary="Delete a source with all it brought",
        description="At once, or by a job where it holds much; either way no search finds it now.",
        responses={204: OpenApiResponse(description="It is gone."), 202: JobAnswer, **refused(409)},
    )
    def delete(self, request: Request, source_id: str) -> Response:
        source = source_of(request, source_id)
        job = removal.delete(source=source, by=user_of(request))
        return Response(status=204) if job is None else accepted(job, source)


class TryOneView(SourceView):
    """Whether a source can be reached, with its own settings or changed ones."""

    serializer_class = TryKnownSource

    @extend_schema(
        operation_id="sources_test_one", summary="Test a source's connection", responses=ReportShape
    )
    def post(self, request: Request, source_id: str) -> Response:
        source = source_of(request, source_id)
        given = cleaned(TryKnownSource, request.data or {})
        report = sources.try_connection(
            kind=source.kind, settings=given["settings"], by=user_of(request), source=source
        )
        return Response(report_dto(report))


class SyncView(SourceView):
    """Syncing a source: what changed, everything again, or only what failed."""

    serializer_class = SyncRequest

    @extend_schema(
        operation_id="sources_sync",
        summary="Sync a source",
        responses={202: JobAnswer, **refused(409)},
    )
    def post(self, request: Request, source_id: str) -> Response:
        source = source_of(request, source_id)
        given = cleaned(SyncRequest, request.data or {})
        return accepted(sources.sync(source=source, by=user_of(request), **given), source)


class PauseView(SourceView):
    """No sync begins any more until it is resumed."""

    @extend_schema(
        operation_id="sources_pause",
        summary="Pause a source",
        request=None,
        responses={200: SourceShape, **refused(409)},
    )
    def post(self, request: Request, source_id: str) -> Response:
        sources.pause(source=source_of(request, source_id), by=user_of(request))
        return Response(source_dto(source_of(request, source_id), user=request.user))


class ResumeView(SourceView):
    """Syncs may begin again."""

    @extend_schema(
        operation_id="sources_resume",
        summary="Resume a source",
        request=None,
        responses={200: SourceShape, **refused(409)},
    )
    def post(self, request: Request, source_id: str) -> Response:
        sources.resume(source=source_of(request, source_id), by=user_of(request))
        return Response(source_dto(source_of(request, source_id), user=request.user))


class ScheduleView(SourceView):
    """When a source is synced by itself."""

    serializer_class = ScheduleRequest

    @extend_schema(
        operation_id="sources_schedule",
        summary="Sync a source by schedule",
        responses={200: SourceShape, **refused(409)},
    )
    def put(self, request: Request, source_id: str) -> Response:
        given = cleaned(ScheduleRequest, request.data)
        sources.set_schedule(
            source=source_of(request, source_id),
            by=user_of(request),
            cron=given["cron"],
            time_zone=given.get("timeZone", ""),
        )
        return Response(source_dto(source_of(request, source_id), user=request.user))

    @extend_schema(
        operation_id="sources_unschedule",
        summary="End a source's schedule",
        responses={200: SourceShape, **refused(409)},
    )
    def delete(self, request: Request, source_id: str) -> Response:
        sources.set_schedule(source=source_of(request, source_id), by=user_of(request), cron="")
        return Response(source_dto(source_of(request, source_id), user=request.user))


class DocumentsView(SourceView):
    """What a source holds, the newest first."""

    @extend_schema(
        operation_id="sources_documents",
        summary="List a source's documents",
        parameters=[DocumentFilters],
        responses=SourceDocumentsPage,
    )
    def get(self, request: Request, source_id: str) -> Response:
        source = source_of(request, source_id)
        given = query_of(request, DocumentFilters)
        rows = source.documents.all()
        if state := given.get("state"):
            rows = rows.filter(state=state)
        if kind := given.get("kind"):
            rows = rows.filter(kind=kind)
        if words := given.get("q"):
            rows = rows.filter(Q(title__icontains=words) | Q(key__icontains=words))
        page, links = keyset_page(
            rows=rows,
            order=BY_ID,
            limit=given["limit"],
            cursor=given.get("cursor", ""),
            request=request,
        )
        return page_response([document_dto(row) for row in page], links)


class DocumentView(SourceView):
    """One document of a source."""

    @extend_schema(
        operation_id="vector_docs_get",
        summary="Show an indexed document",
        responses=SourceDocumentShape,
    )
    def get(self, request: Request, document_id: str) -> Response:
        return Response(document_dto(document_of(request, document_id)))

    @extend_schema(
        operation_id="vector_docs_delete",
        summary="Remove a document from the index",
        description="With its attachments. A later sync that finds it at its source brings it back.",
        responses={200: Removed, **refused(409)},
    )
    def delete(self, request: Request, document_id: str) -> Response:
        document = document_of(request, document_id)
        removed = removal.delete_document(document=document, by=user_of(request))
        return Response({"removed": removed})


class ChunksView(SourceView):
    """A document's chunks, front to back."""

    @extend_schema(
        operation_id="vector_docs_chunks",
        summary="List a document's chunks",
        parameters=[Paging],
        responses=ChunksPage,
    )
    def get(self, request: Request, document_id: str) -> Response:
        document = document_of(request, document_id)
        given = query_of(request, Paging)
        page, links = keyset_page(
            rows=document.chunks.all(),
            order=BY_POSITION,
            limit=given["limit"],
            cursor=given.get("cursor", ""),
            request=request,
        )
        return page_response([chunk_dto(row) for row in page], links)


class RemoveView(SourceView):
    """Everything of one source."""

    @extend_schema(
        operation_id="vector_docs_empty",
        summary="Remove all documents of a source from the index",
        description="The source stays; its next sync brings what there is then. Where there are "
        "many, a job removes them.",
        parameters=[RemovalScope],
        responses={200: Removed, 202: JobAnswer, **refused(404, 409)},
    )
    def delete(self, request: Request) -> Response:
        given = query_of(request, RemovalScope)
        source = source_of(request, given["source"])
        done = removal.empty(source=source, by=user_of(request))
        if isinstance(done, Job):
            return accepted(done, source)
        return Response({"removed": done})
