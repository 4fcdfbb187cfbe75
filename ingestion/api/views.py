"""The API of sources: making, changing, testing, syncing, and what they hold."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import OpenApiResponse, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from ingestion import connectors, removal, sources
from ingestion.api.base import SourceView, accepted, source_of, sources_of
from ingestion.api.shapes import (
    ChangeSource,
    CreateSource,
    JobAnswer,
    KindsShape,
    ReportShape,
    ScheduleRequest,
    SourceDetail,
    SourceFilters,
    SourceShape,
    SourcesPage,
    SyncRequest,
    TryKnownSource,
    TrySource,
)
from ingestion.connectors import Report
from ingestion.dto import source_dto, tally
from ingestion.models import SourceKind
from jobs.api.base import cleaned, query_of, user_of
from jobs.api.paging import Order, keyset_page, page_response
from jobs.api.schema import refused
from jobs.option_schema import json_schema

BY_ID = Order("id", descending=True)
BY_POSITION = Order("position", descending=False)


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
