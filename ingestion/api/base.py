"""What the views of sources share: finding the source, and saying refusals."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from rest_framework.exceptions import NotFound
from rest_framework.request import Request
from rest_framework.response import Response

from ingestion import refusals
from ingestion.models import Source, SourceDocument, SourceQuerySet
from jobs.api.base import ApiView
from jobs.api.problem import Problem
from jobs.models import Job

_NO_SOURCE = "There is no such source, or it is not yours."
_NO_DOCUMENT = "There is no such document of a source, or it is not yours."
_CODES: dict[type[Exception], str] = {
    refusals.SyncRunning: "sync_running",
    refusals.SourcePaused: "source_paused",
    refusals.SourceNotPaused: "source_not_paused",
    refusals.SourceDeleting: "source_deleting",
    refusals.NothingFailed: "nothing_failed",
    refusals.NotSynced: "not_synced",
}


class SourceView(ApiView):
    """A view whose services' refusals become problems: 409 with the refusal's code."""

    queryset = Source.objects.none()  # type: ignore[assignment]  # of jobs, in the base

    def handle_exception(self, exc: Exception) -> Any:
        if code := _CODES.get(type(exc)):
            exc = Problem(status=409, code=code, detail=str(exc))
        return super().handle_exception(exc)


def sources_of(request: Request) -> SourceQuerySet:
    """The sources that the request's user may see, with what telling of them needs."""
    return Source.objects.visible_to(request.user).select_related("owner", "sync_job", "schedule")


def source_of(request: Request, source_id: str) -> Source:
    """:raises NotFound: no such source, or not this user's; a malformed id is none's either."""
    try:
        key = UUID(str(source_id))
    except ValueError as error:
        raise NotFound(_NO_SOURCE) from error
    source = sources_of(request).filter(pk=key).first()
    if source is None:
        raise NotFound(_NO_SOURCE)
    return source


def document_of(request: Request, document_id: str) -> SourceDocument:
    """:raises NotFound: no such document in a source that the user may see."""
    try:
        key = UUID(document_id)
    except ValueError as error:
        raise NotFound(_NO_DOCUMENT) from error
    document = (
        SourceDocument.objects.filter(pk=key, source__in=Source.objects.visible_to(request.user))
        .select_related("source", "source__owner")
        .first()
    )
    if document is None:
        raise NotFound(_NO_DOCUMENT)
    return document


def accepted(job: Job, source: Source | None = None, **more: Any) -> Response:
    """202 with the job that does it, and where to follow that."""
    body = {"jobId": str(job.pk), **({"sourceId": str(source.pk)} if source else {}), **more}
    return Response(body, status=202, headers={"Location": f"/api/jobs/{job.pk}"})
