"""Recordings over REST: /api/recorder/sessions and below."""

from __future__ import annotations

from typing import Any, cast
from uuid import UUID

from django.contrib.auth.models import User
from django.db.models import Q, QuerySet
from django.http import HttpResponseBase
from django.urls import reverse
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from jobs.api.downloads import note_download, serve_artifact, took_from_start
from jobs.api.history import DOWNLOAD, FILE, IF_NONE_MATCH, RANGE
from jobs.api.paging import NewestFirst
from jobs.api.problem import Problem
from jobs.api.schema import refused
from recorder import services
from recorder.api import shapes
from recorder.api.serializers import EditStep, StartSession
from recorder.dto import session_detail_dto, session_dto, steps_dto
from recorder.models import RecordingSession


def sessions(user: Any) -> QuerySet[RecordingSession]:
    return (
        RecordingSession.objects.visible_to(user)
        .with_steps_count()
        .select_related("owner", "job__owner")
    )


def user_of(request: Request) -> User:
    """Who asks; the permission class has let nobody else through."""
    return cast(User, request.user)


def session_of(request: Request, session_id: UUID) -> RecordingSession:
    """:raises Problem: 404, also for one that belongs to somebody else."""
    session = (
        RecordingSession.objects.visible_to(request.user)
        .select_related("owner", "job__owner")
        .filter(pk=session_id)
        .first()
    )
    if session is None:
        raise Problem(
            status=404, code="not_found", detail="There is no such recording, or it is not yours."
        )
    return session


class SessionsView(APIView):
    """GET the recordings, newest first; POST starts one."""

    throttle_scopes = {"POST": "submit"}

    @extend_schema(
        operation_id="recordings_list",
        summary="List recordings",
        parameters=[shapes.SessionsQuery],
        responses=shapes.SessionsPage,
    )
    def get(self, request: Request) -> Response:
        rows = sessions(request.user)
        given = request.query_params
        if verdict := given.get("verdict"):
            _one_of("verdict", verdict, RecordingSession.Verdict.values)
            rows = rows.filter(verdict=verdict)
        if status := given.get("status"):
            _one_of("status", status, ["queued", "running", "succeeded", "failed", "cancelled"])
            rows = rows.filter(job__status=status)
        if words := given.get("q"):
            rows = rows.filter(Q(flow_name__icontains=words) | Q(url__icontains=words))
        pages = NewestFirst()
        page = pages.paginate_queryset(rows, request, view=self) or []
        return pages.get_paginated_response([session_dto(session) for session in page])

    @extend_schema(
        operation_id="recordings_start",
        summary="Start a recording",
        request=StartSession,
        responses={202: shapes.SessionStarted, **refused(422)},
    )
    def post(self, request: Request) -> Response:
        given = StartSession(data=request.data)
        given.is_valid(raise_exception=True)
        try:
            session = services.start_session(**given.validated_data, by=user_of(request))
        except services.UrlRefused as refused:
            raise Problem(
                status=422,
                code=refused.code,
                detail=refused.message,
                errors={"url": [refused.message]},
            ) from refused
        return Response(
            {"jobId": str(session.job_id), "sessionId": str(session.pk)},
            status=202,
            headers={"Location": reverse("api-recorder-session", args=[session.pk])},
        )


class SessionView(APIView):
    @extend_schema(
        operation_id="recordings_read",
        summary="Read one recording",
        responses=shapes.SessionDetail,
    )
    def get(self, request: Request, session_id: UUID) -> Response:
        return Response(session_detail_dto(session_of(request, session_id)))


class StopView(APIView):
    """POST: stop and save. Whoever asks second gets the same answer."""

    @extend_schema(
        operation_id="recordings_stop",
        summary="Stop and save",
        request=None,
        responses={202: shapes.SessionStarted, **refused(409)},
    )
    def post(self, request: Request, session_id: UUID) -> Response:
        session = session_of(request, session_id)
        try:
            session = services.request_stop(session=session, by=user_of(request))
        except services.SessionEnded as ended:
            raise Problem(status=409, code="session_ended", detail=str(ended)) from ended
        return Response({"jobId": str(session.job_id), "sessionId": str(session.pk)}, status=202)


class ReplayView(APIView):
    """POST: run the generated test again, as a job of its own."""

    @extend_schema(
        operation_id="recordings_replay",
        summary="Run the generated test again",
        request=None,
        responses={202: shapes.ReplayStarted, **refused(409)},
    )
    def post(self, request: Request, session_id: UUID) -> Response:
        session = session_of(request, session_id)
        try:
            job = services.replay(session=session, by=user_of(request))
        except services.SessionRunning as running:
            raise Problem(status=409, code="session_running", detail=str(running)) from running
        except services.NothingToReplay as nothing:
            raise Problem(status=409, code="nothing_to_replay", detail=str(nothing)) from nothing
        return Response(
            {"jobId": str(job.pk)}, status=202, headers={"Location": f"/api/jobs/{job.pk}"}
        )


class StepsView(APIView):
    @extend_schema(
        operation_id="recordings_steps", summary="List the steps", responses=shapes.StepsShape
    )
    def get(self, request: Request, session_id: UUID) -> Response:
        session = session_of(request, session_id)
        return Response({"results": _steps(session)})


class StepView(APIView):
    """PATCH {wording?, selector?, text?} or DELETE one step of a recording that has ended."""

    @extend_schema(
        operation_id="recordings_step_edit",
        summary="Edit a step",
        request=EditStep,
        responses={200: shapes.StepChanged, **refused(409, 422)},
    )
    def patch(self, request: Request, session_id: UUID, key: str) -> Response:
        given = EditStep(data=request.data)
        given.is_valid(raise_exception=True)
        return self._change(
            request, session_id, services.edit_step, key=key, **given.validated_data
        )

    @extend_schema(
        operation_id="recordings_step_delete",
        summary="Leave a step out",
        responses={200: shapes.StepChanged, **refused(409, 422)},
    )
    def delete(self, request: Request, session_id: UUID, key: str) -> Response:
        return self._change(request, session_id, services.delete_step, key=key)

    @staticmethod
    def _change(
        request: Request, session_id: UUID, verb: Any, *, key: str, **change: Any
    ) -> Response:
        session = session_of(request, session_id)
        try:
            verb(session=session, key=key, by=user_of(request), **change)
        except services.SessionRunning as running:
            raise Problem(status=409, code="session_running", detail=str(running)) from running
        except services.UnknownStep as unknown:
            raise Problem(status=404, code="unknown_step", detail=str(unknown)) from unknown
        except services.InvalidEdit as invalid:
            raise Problem(
                status=422,
                code="invalid_edit",
                detail="The change does not fit the step.",
                errors=invalid.errors,
            ) from invalid
        session = session_of(request, session_id)
        steps = _steps(session)
        return Response(
            {
                "step": next(step for step in steps if step["key"] == key),
                "verdict": str(session.verdict),
                "verdictReason": session.verdict_reason,
                "code": session.code,
            }
        )


class RestoreStepView(APIView):
    @extend_schema(
        operation_id="recordings_step_restore",
        summary="Put a step back",
        request=None,
        responses={200: shapes.StepChanged, **refused(409, 422)},
    )
    def post(self, request: Request, session_id: UUID, key: str) -> Response:
        return StepView._change(request, session_id, services.restore_step, key=key)


class ArtifactView(APIView):
    """GET one file of a recording: the artifacts of its job, by the session's id."""

    @extend_schema(
        operation_id="recordings_artifact",
        summary="Download one file of a recording",
        parameters=[DOWNLOAD, RANGE, IF_NONE_MATCH],
        responses=FILE,
    )
    def get(self, request: Request, session_id: UUID, path: str) -> HttpResponseBase:
        session = session_of(request, session_id)
        artifact = session.job.artifacts.filter(visible=True, path=path).first()
        if artifact is None:
            raise Problem(status=404, code="not_found", detail="This recording has no such file.")
        response = serve_artifact(request, artifact)
        if request.method == "GET" and took_from_start(response):
            note_download(by=request.user, artifacts=[artifact], job=session.job)
        return response


def _steps(session: RecordingSession) -> list[dict[str, Any]]:
    return steps_dto(
        session, set(session.job.artifacts.filter(visible=True).values_list("path", flat=True))
    )


def _one_of(name: str, value: str, known: list[str]) -> None:
    if value not in known:
        raise Problem(
            status=400,
            code="invalid",
            detail="Some parameters are not valid.",
            errors={name: [f"One of: {', '.join(known)}."]},
        )
