"""/api/user: one's own profile, password, settings, jobs and files."""

from __future__ import annotations

from typing import Any

from django.contrib.auth import update_session_auth_hash
from django.db.models import F
from drf_spectacular.utils import OpenApiResponse, extend_schema
from rest_framework import serializers
from rest_framework.permissions import IsAuthenticated
from rest_framework.request import Request
from rest_framework.response import Response

from config import people, tokens
from config.api.auth import PairShape
from config.api.shapes import (
    PROFILE,
    SETTINGS,
    MeShape,
    NewPassword,
    Profile,
    Settings,
    SettingsShape,
    me_dto,
    settings_dto,
)
from jobs import preferences
from jobs.access import role_of
from jobs.api.base import ApiView, cleaned, query_of, user_of
from jobs.api.downloads import artifact_dto
from jobs.api.filters import JobFilters
from jobs.api.paging import Paging, newest_page
from jobs.api.permissions import AnyRole
from jobs.api.problem import Problem
from jobs.api.shapes import JobsPage
from jobs.api.views import jobs_page
from jobs.models import Artifact, Job
from jobs.services import InvalidFields


class ProfileView(ApiView):
    """One's own; without a role too."""

    permission_classes = (IsAuthenticated,)
    serializer_class = Profile

    @extend_schema(operation_id="user_profile", summary="Read your profile", responses=MeShape)
    def get(self, request: Request) -> Response:
        return Response(me_dto(user_of(request), role=role_of(request.user)))

    @extend_schema(
        operation_id="user_profile_edit",
        summary="Change your profile",
        request=Profile,
        responses=MeShape,
    )
    def patch(self, request: Request) -> Response:
        given = cleaned(Profile, request.data)
        by = user_of(request)
        fields = {PROFILE[wire]: value for wire, value in given.items()}
        user = people.edit_profile(user=by, by=by, **fields)
        return Response(me_dto(user, role=role_of(user)))


class PasswordView(ApiView):
    """Every other session and every token ends."""

    permission_classes = (IsAuthenticated,)
    serializer_class = NewPassword
    throttle_scope = "login"

    @extend_schema(
        operation_id="user_password",
        summary="Change your password",
        description="Every other session and every token ends. Whoever came with a token gets a "
        "new pair; whoever came with a session keeps it.",
        request=NewPassword,
        responses={
            200: PairShape,
            204: OpenApiResponse(description="Changed; your session goes on."),
        },
    )
    def post(self, request: Request) -> Response:
        given = cleaned(NewPassword, request.data)
        try:
            user = people.change_own_password(
                by=user_of(request), current=given["currentPassword"], new=given["newPassword"]
            )
        except InvalidFields as error:
            spelled = {"current_password": "currentPassword", "new_password": "newPassword"}
            errors = {spelled.get(name, name): said for name, said in error.errors.items()}
            raise Problem(
                status=400, code="invalid", detail="Some fields are not valid.", errors=errors
            ) from error
        if request.auth:
            return Response(tokens.open_login(user=user).as_json())
        update_session_auth_hash(request._request, user)
        return Response(status=204)


class SettingsView(ApiView):
    permission_classes = (AnyRole,)
    serializer_class = Settings

    @extend_schema(
        operation_id="user_settings", summary="Read your settings", responses=SettingsShape
    )
    def get(self, request: Request) -> Response:
        return Response(settings_dto(preferences.of(request.user)))

    @extend_schema(
        operation_id="user_settings_edit",
        summary="Change your settings",
        request=Settings,
        responses=SettingsShape,
    )
    def patch(self, request: Request) -> Response:
        given = cleaned(Settings, request.data)
        fields = {SETTINGS[wire]: value for wire, value in given.items()}
        try:
            row = people.save_preferences(by=user_of(request), **fields)
        except InvalidFields as error:
            spelled = {name: wire for wire, name in SETTINGS.items()}
            errors = {spelled[name]: said for name, said in error.errors.items()}
            raise Problem(
                status=400, code="invalid", detail="Some fields are not valid.", errors=errors
            ) from error
        return Response(settings_dto(row))


class OwnJobsView(ApiView):
    @extend_schema(
        operation_id="user_jobs",
        summary="List your own jobs",
        parameters=[JobFilters],
        responses=JobsPage,
    )
    def get(self, request: Request) -> Response:
        return jobs_page(request, Job.objects.filter(owner=user_of(request)))


class OwnFileShape(serializers.Serializer[Any]):
    jobId = serializers.UUIDField()
    jobName = serializers.CharField()
    path = serializers.CharField()
    kind = serializers.CharField()
    contentType = serializers.CharField()
    sizeBytes = serializers.IntegerField()
    sha256 = serializers.CharField()
    attempt = serializers.IntegerField()
    createdAt = serializers.DateTimeField()
    url = serializers.CharField()


class OwnFilesPage(serializers.Serializer[Any]):
    next = serializers.URLField(allow_null=True)
    previous = serializers.URLField(allow_null=True)
    results = OwnFileShape(many=True)


class OwnFilesView(ApiView):
    """What one's own jobs left, newest first."""

    @extend_schema(
        operation_id="user_files",
        summary="List the artifacts of your own jobs",
        parameters=[Paging],
        responses=OwnFilesPage,
    )
    def get(self, request: Request) -> Response:
        given = query_of(request, Paging)
        rows = Artifact.objects.filter(visible=True, job__owner=user_of(request)).annotate(
            job_name=F("job__name")
        )
        return newest_page(rows=rows, given=given, request=request, dto=_file_dto)


def _file_dto(row: Artifact) -> dict[str, Any]:
    name = getattr(row, "job_name", "")
    return {"jobId": str(row.job_id), "jobName": name, **artifact_dto(row)}
