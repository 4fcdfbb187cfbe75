"""What happened in a job and what came out of it: events, log, attempts, artifacts."""

from __future__ import annotations

from typing import Any

from django.core.handlers.asgi import ASGIRequest
from django.http.response import HttpResponseBase
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse, extend_schema
from rest_framework import serializers
from rest_framework.exceptions import NotFound
from rest_framework.request import Request
from rest_framework.response import Response

from jobs.api.archive import archive_response
from jobs.api.base import ApiView, job_of, query_of, standing_of_request
from jobs.api.downloads import artifact_dto, note_download, serve_artifact, took_from_start
from jobs.api.logs import Log, LogQuery, log_response
from jobs.api.paging import MAX_CURSOR_CHARS, ByPath, NewestFirst, ordered_page
from jobs.api.shapes import ArtifactsPage, AttemptsPage, EventsPage
from jobs.events import event_dto, time_dto
from jobs.models import Attempt

BINARY = OpenApiTypes.BINARY
DOWNLOAD = OpenApiParameter(
    "download", bool, description="Present: as an attachment, whatever its type."
)
RANGE = OpenApiParameter("Range", str, OpenApiParameter.HEADER, description="One range of bytes.")
IF_NONE_MATCH = OpenApiParameter(
    "If-None-Match", str, OpenApiParameter.HEADER, description="ETags that you have."
)

FILE: dict[Any, Any] = {
    (200, "*/*"): OpenApiResponse(BINARY, "The bytes."),
    (206, "*/*"): OpenApiResponse(BINARY, "The range asked for."),
    302: OpenApiResponse(description="On S3: to a signed address that soon expires."),
    304: OpenApiResponse(description="You have it."),
    416: OpenApiResponse(description="The range lies outside of it."),
}


class EventsQuery(serializers.Serializer[Any]):
    after = serializers.IntegerField(
        min_value=0, max_value=2**63 - 1, default=0, help_text="Events beyond this number."
    )
    limit = serializers.IntegerField(min_value=1, max_value=1_000, default=200)


class PageQuery(serializers.Serializer[Any]):
    limit = serializers.IntegerField(min_value=1, max_value=1_000, required=False)
    cursor = serializers.CharField(max_length=MAX_CURSOR_CHARS, required=False)


class ByNumber(NewestFirst):
    ordering = "number"
    page_size = 100
    page_size_query_param = "limit"
    max_page_size = 1_000


class JobEventsView(ApiView):
    """The job's events in order; `nextAfter` is null on the last page."""

    @extend_schema(
        operation_id="jobs_events",
        summary="List a job's events",
        parameters=[EventsQuery],
        responses=EventsPage,
    )
    def get(self, request: Request, job_id: str) -> Response:
        job = job_of(request, job_id)
        given = query_of(request, EventsQuery)
        limit = given["limit"]
        rows = list(job.events.filter(seq__gt=given["after"]).order_by("seq")[: limit + 1])
        more = len(rows) > limit
        rows = rows[:limit]
        return Response(
            {
                "results": [event_dto(event) for event in rows],
                "nextAfter": rows[-1].seq if more else None,
            }
        )


class LogView(ApiView):
    """What the job wrote, as plain text: each line as it was written, attempts in their order."""

    @extend_schema(
        operation_id="jobs_log",
        summary="Read or follow a job's log",
        parameters=[LogQuery],
        responses={(200, "text/plain"): OpenApiResponse(OpenApiTypes.STR, "The lines.")},
    )
    def get(self, request: Request, job_id: str) -> HttpResponseBase:
        job = job_of(request, job_id)
        given = query_of(request, LogQuery)
        log = Log(job, given.get("attempt"), given.get("stream"), given["after"])
        return log_response(
            log=log,
            standing=standing_of_request(request),
            follow=given["follow"],
            download=given["download"],
            served_async=isinstance(request._request, ASGIRequest),
        )


class AttemptsView(ApiView):
    """The job's attempts in order: which worker, when, and how each ended."""

    @extend_schema(
        operation_id="jobs_attempts",
        summary="List a job's attempts",
        parameters=[PageQuery],
        responses=AttemptsPage,
    )
    def get(self, request: Request, job_id: str) -> Response:
        job = job_of(request, job_id)
        query_of(request, PageQuery)
        return ordered_page(
            pages=ByNumber(), rows=job.attempts.all(), request=request, dto=attempt_dto
        )


class ArtifactsView(ApiView):
    """The job's artifacts by path; they show once its last attempt ended."""

    @extend_schema(
        operation_id="jobs_artifacts",
        summary="List a job's artifacts",
        parameters=[PageQuery],
        responses=ArtifactsPage,
    )
    def get(self, request: Request, job_id: str) -> Response:
        job = job_of(request, job_id)
        query_of(request, PageQuery)
        rows = job.artifacts.filter(visible=True)
        return ordered_page(pages=ByPath(), rows=rows, request=request, dto=artifact_dto)


class ArchiveView(ApiView):
    """All artifacts of the job as one zip; files that are gone are listed in `_missing.txt`."""

    @extend_schema(
        operation_id="jobs_artifacts_zip",
        summary="Download all artifacts",
        responses={(200, "application/zip"): OpenApiResponse(BINARY, "The zip.")},
    )
    def get(self, request: Request, job_id: str) -> HttpResponseBase:
        job = job_of(request, job_id)
        artifacts = list(job.artifacts.filter(visible=True).order_by("path"))
        if not artifacts:
            raise NotFound("This job has no artifacts (yet).")
        note_download(by=request.user, artifacts=artifacts, job=job)
        return archive_response(request=request._request, job=job, artifacts=artifacts)


class ArtifactView(ApiView):
    """The artifact's bytes; its ETag is their SHA-256."""

    @extend_schema(
        operation_id="jobs_artifact",
        summary="Download one artifact",
        parameters=[DOWNLOAD, RANGE, IF_NONE_MATCH],
        responses=FILE,
    )
    def get(self, request: Request, job_id: str, path: str) -> HttpResponseBase:
        job = job_of(request, job_id)
        artifact = job.artifacts.filter(visible=True, path=path).first()
        if artifact is None:
            raise NotFound("There is no such artifact.")
        response = serve_artifact(request, artifact)
        if request.method == "GET" and took_from_start(response):
            note_download(by=request.user, artifacts=[artifact], job=job)
        return response


def attempt_dto(attempt: Attempt) -> dict[str, Any]:
    """An attempt as the API lists it."""
    return {
        "number": attempt.number,
        "worker": attempt.worker,
        "startedAt": time_dto(attempt.started_at),
        "endedAt": time_dto(attempt.ended_at),
        "outcome": attempt.outcome,
        "reason": attempt.reason,
        "error": attempt.error,
    }
