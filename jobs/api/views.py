"""The jobs API: finding, submitting, reading, changing and deleting jobs."""

from __future__ import annotations

from typing import Any

from django.utils import timezone
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from jobs import console, services
from jobs.api.base import ApiView, cleaned, job_of, query_of, user_of
from jobs.api.filters import JobFilters, filtered, order_of
from jobs.api.paging import keyset_page, page_response
from jobs.api.problem import Problem
from jobs.api.schema import refused
from jobs.api.shapes import (
    ActionAnswer,
    ActionRequest,
    Cancellation,
    Deletion,
    JobOptionsShape,
    JobShape,
    JobsPage,
    NoParameters,
    SubmitJob,
    SummaryShape,
)
from jobs.events import job_dto
from jobs.models import Job

IDEMPOTENCY_KEY = OpenApiParameter(
    "Idempotency-Key",
    str,
    OpenApiParameter.HEADER,
    description="Sent again with the same request within 24 hours, it finds the first one's job.",
)


def jobs_page(request: Request, jobs: Any) -> Response:
    """One page of those of `jobs` that the request's parameters describe."""
    given = query_of(request, JobFilters, lists=("tag",))
    tags = request.query_params.getlist("tag")
    found = filtered(jobs, given, tags=tags, by=request.user)
    page, links = keyset_page(
        rows=found.jobs.prefetch_related("owner"),
        order=order_of(given["ordering"]),
        limit=given["limit"],
        cursor=given.get("cursor", ""),
        request=request,
    )
    return page_response([job_dto(job) for job in page], links, searchLimited=found.limited)


class JobsView(ApiView):
    """The jobs that you may see, newest first; and submitting one."""

    serializer_class = SubmitJob
    throttle_scopes = {"POST": "submit"}

    @extend_schema(
        operation_id="jobs_list",
        summary="List jobs",
        parameters=[JobFilters],
        responses=JobsPage,
    )
    def get(self, request: Request) -> Response:
        return jobs_page(request, Job.objects.visible_to(request.user))

    @extend_schema(
        operation_id="jobs_submit",
        summary="Submit a job",
        request=SubmitJob,
        parameters=[IDEMPOTENCY_KEY],
        responses={
            202: OpenApiResponse(JobShape, "Queued; `Location` is its address."),
            200: OpenApiResponse(JobShape, "The same request came before: this is its job."),
            **refused(422),
        },
    )
    def post(self, request: Request) -> Response:
        query_of(request, NoParameters)
        given = cleaned(SubmitJob, request.data)
        fields = {
            name: given[name] for name in ("name", "tags", "priority", "preset") if name in given
        }
        job = services.submit(
            kind=given["kind"],
            options=given.get("options", {}),
            run_after=given.get("runAfter"),
            idempotency_key=request.headers.get("Idempotency-Key"),
            by=user_of(request),
            **fields,
        )
        job.owner = user_of(request)
        return Response(
            job_dto(job),
            status=200 if job.was_there else 202,
            headers={"Location": f"/api/jobs/{job.pk}"},
        )


class JobView(ApiView):
    """One job, in the shape that its events carry too."""

    @extend_schema(operation_id="jobs_read", summary="Read one job", responses=JobShape)
    def get(self, request: Request, job_id: str) -> Response:
        return Response(job_dto(job_of(request, job_id)))

    @extend_schema(
        operation_id="jobs_delete",
        summary="Delete a job that has ended",
        description="With its attempts, events, artifacts and files. Its reruns stay.",
        parameters=[Deletion],
        responses={204: OpenApiResponse(description="It is gone."), **refused(422)},
    )
    def delete(self, request: Request, job_id: str) -> Response:
        job = job_of(request, job_id)
        given = query_of(request, Deletion)
        services.delete(job=job, by=user_of(request), reason=given["reason"])
        return Response(status=204)


class ActionsView(ApiView):
    """Do something with a job: `cancel`, `rerun`, `edit_metadata`, or what its kind offers."""

    serializer_class = ActionRequest

    @extend_schema(
        operation_id="jobs_act",
        summary="Do an action with a job",
        request=ActionRequest,
        responses={200: ActionAnswer, **refused(422)},
    )
    def post(self, request: Request, job_id: str) -> Response:
        job = job_of(request, job_id)
        given = cleaned(ActionRequest, request.data)
        result = services.act(
            job=job, type=given["type"], payload=given.get("payload"), by=user_of(request)
        )
        return Response(result.as_json())


class JobOptionsView(ApiView):
    """What can be submitted here: kinds with their options, presets, limits and actions."""

    @extend_schema(
        operation_id="config_job_options",
        summary="Describe what can be submitted",
        responses=JobOptionsShape,
    )
    def get(self, request: Request) -> Response:
        response = Response(services.kind_descriptions(by=user_of(request)))
        response["Cache-Control"] = "private, max-age=60"
        return response


class CancelView(ApiView):
    """The job as it is now: cancelled, or still running with the request noted."""

    serializer_class = Cancellation

    @extend_schema(
        operation_id="jobs_cancel",
        summary="Cancel a job",
        responses={200: JobShape, **refused(409)},
    )
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
