"""The jobs API: what there is, what happened, what came out, and stopping it."""

from __future__ import annotations

from typing import Any, cast
from uuid import UUID

from django.contrib.auth.models import User
from django.http.response import HttpResponseBase
from django.utils import timezone
from rest_framework import serializers
from rest_framework.exceptions import NotFound
from rest_framework.pagination import CursorPagination
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from jobs import console, services
from jobs.api.downloads import artifact_dto, serve_artifact
from jobs.api.problem import Problem
from jobs.events import event_dto, job_dto
from jobs.models import Job, Status


class NewestFirst(CursorPagination):
    """Pages that stay right while jobs are added, at the same cost however deep."""

    ordering = "-id"
    page_size = 50
    page_size_query_param = "limit"
    max_page_size = 200


class ByPath(NewestFirst):
    ordering = "path"
    page_size = 200
    max_page_size = 1_000


class Filters(serializers.Serializer[Any]):
    """Several statuses with commas."""

    status = serializers.CharField(required=False)
    kind = serializers.CharField(required=False)

    def validate_status(self, value: str) -> list[str]:
        statuses = value.split(",")
        if not set(statuses) <= set(Status):
            raise serializers.ValidationError(f"Known: {', '.join(Status)}.")
        return statuses


class AfterSeq(serializers.Serializer[Any]):
    after = serializers.IntegerField(min_value=0, max_value=2**63 - 1, default=0)
    limit = serializers.IntegerField(min_value=1, max_value=1_000, default=200)


class Cancellation(serializers.Serializer[Any]):
    reason = serializers.CharField(max_length=200, allow_blank=True, default="")


def visible_job(request: Request, job_id: str) -> Job:
    """:raises NotFound: no such job, or not this user's; a malformed id is no job's either."""
    try:
        key = UUID(job_id)
    except ValueError as error:
        raise NotFound("There is no such job, or it is not yours.") from error
    job = Job.objects.visible_to(request.user).select_related("owner").filter(pk=key).first()
    if job is None:
        raise NotFound("There is no such job, or it is not yours.")
    return job


class JobsView(APIView):
    """GET ?status=queued,running&kind=…&limit=50 → {next, previous, results}, newest first."""

    def get(self, request: Request) -> Response:
        filters = Filters(data=request.query_params.dict())
        filters.is_valid(raise_exception=True)
        jobs = Job.objects.visible_to(request.user).select_related("owner")
        if statuses := filters.validated_data.get("status"):
            jobs = jobs.filter(status__in=statuses)
        if kind := filters.validated_data.get("kind"):
            jobs = jobs.filter(kind=kind)
        pages = NewestFirst()
        page = pages.paginate_queryset(jobs, request, view=self) or []
        return pages.get_paginated_response([job_dto(job) for job in page])


class JobView(APIView):
    """GET → the job, in the shape that its events carry too."""

    def get(self, request: Request, job_id: str) -> Response:
        return Response(job_dto(visible_job(request, job_id)))


class JobEventsView(APIView):
    """GET ?after=SEQ&limit=200 → {results, nextAfter}; `nextAfter` is null on the last page."""

    def get(self, request: Request, job_id: str) -> Response:
        job = visible_job(request, job_id)
        page = AfterSeq(data=request.query_params.dict())
        page.is_valid(raise_exception=True)
        limit = page.validated_data["limit"]
        rows = list(
            job.events.filter(seq__gt=page.validated_data["after"]).order_by("seq")[: limit + 1]
        )
        more = len(rows) > limit
        rows = rows[:limit]
        return Response(
            {
                "results": [event_dto(event) for event in rows],
                "nextAfter": rows[-1].seq if more else None,
            }
        )


class ArtifactsView(APIView):
    """GET → {next, previous, results}; a job shows its artifacts once its last attempt ended."""

    def get(self, request: Request, job_id: str) -> Response:
        job = visible_job(request, job_id)
        pages = ByPath()
        page = pages.paginate_queryset(job.artifacts.filter(visible=True), request, view=self) or []
        return pages.get_paginated_response([artifact_dto(artifact) for artifact in page])


class ArtifactView(APIView):
    """GET and HEAD → the artifact's bytes."""

    def get(self, request: Request, job_id: str, path: str) -> HttpResponseBase:
        job = visible_job(request, job_id)
        artifact = job.artifacts.filter(visible=True, path=path).first()
        if artifact is None:
            raise NotFound("There is no such artifact.")
        return serve_artifact(request, artifact)


class CancelView(APIView):
    """POST {reason} → the job as it is now: cancelled, or still running with the request noted."""

    def post(self, request: Request, job_id: str) -> Response:
        job = visible_job(request, job_id)
        given = Cancellation(data=request.data)
        given.is_valid(raise_exception=True)
        try:
            job = services.cancel(
                job=job, by=cast(User, request.user), reason=given.validated_data["reason"]
            )
        except services.JobNotCancellable as error:
            raise Problem(status=409, code="not_cancellable", detail=str(error)) from error
        return Response(job_dto(job))


class SummaryView(APIView):
    """GET → {queued, running, failedToday, workers, workersBusy}; counts end in + beyond 10,000."""

    def get(self, request: Request) -> Response:
        return Response(console.summary(request.user, now=timezone.now()))
