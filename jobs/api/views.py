"""The jobs API: finding, reading and stopping jobs."""

from __future__ import annotations

from typing import Any

from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from jobs import console, services
from jobs.api.base import ApiView, cleaned, job_of, query_of, user_of
from jobs.api.filters import JobFilters, filtered, order_of
from jobs.api.paging import keyset_page, page_response
from jobs.api.problem import Problem
from jobs.api.shapes import Cancellation, JobShape, JobsPage, SummaryShape
from jobs.events import job_dto
from jobs.models import Job


def jobs_page(request: Request, jobs: Any) -> Response:
    """One page of those of `jobs` that the request's parameters describe."""
    given = query_of(request, JobFilters, lists=("tag",))
    tags = request.query_params.getlist("tag")
    found = filtered(jobs, given, tags=tags, by=request.user)
    page, links = keyset_page(
        rows=found.jobs.select_related("owner"),
        order=order_of(given["ordering"]),
        limit=given["limit"],
        cursor=given.get("cursor", ""),
        request=request,
    )
    return page_response([job_dto(job) for job in page], links, searchLimited=found.limited)


class JobsView(ApiView):
    """The jobs that you may see, newest first; and submitting one."""

    @extend_schema(
        operation_id="jobs_list",
        summary="List jobs",
        parameters=[JobFilters],
        responses=JobsPage,
    )
    def get(self, request: Request) -> Response:
        return jobs_page(request, Job.objects.visible_to(request.user))


class JobView(ApiView):
    """One job, in the shape that its events carry too."""

    @extend_schema(operation_id="jobs_read", summary="Read one job", responses=JobShape)
    def get(self, request: Request, job_id: str) -> Response:
        return Response(job_dto(job_of(request, job_id)))


class CancelView(ApiView):
    """The job as it is now: cancelled, or still running with the request noted."""

    serializer_class = Cancellation

    @extend_schema(operation_id="jobs_cancel", summary="Cancel a job", responses=JobShape)
    def post(self, request: Request, job_id: str) -> Response:
        job = job_of(request, job_id)
        given = cleaned(Cancellation, request.data)
        try:
            job = services.cancel(job=job, by=user_of(request), reason=given["reason"])
        except services.JobNotCancellable as error:
            raise Problem(status=409, code="not_cancellable", detail=str(error)) from error
        return Response(job_dto(job))


class SummaryView(ApiView):
    """The dashboard's figures, of the jobs that you may see; counts end in + beyond 10,000."""

    @extend_schema(operation_id="jobs_summary", summary="Count jobs", responses=SummaryShape)
    def get(self, request: Request) -> Response:
        return Response(console.summary(request.user, now=timezone.now()))
