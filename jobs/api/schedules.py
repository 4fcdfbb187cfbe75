"""Schedules over REST: list, make, read, change, delete; pause, resume, run now, history."""

from __future__ import annotations

from typing import Any, cast
from uuid import UUID

from django.contrib.auth.models import User
from django.db.models import QuerySet
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse, extend_schema
from rest_framework import serializers
from rest_framework.exceptions import NotFound
from rest_framework.request import Request
from rest_framework.response import Response

from jobs import access, schedules
from jobs.api.base import ApiView
from jobs.api.paging import NewestFirst
from jobs.api.permissions import ByRole
from jobs.api.schema import refused
from jobs.api.standing_shapes import RunShape, RunsPage, ScheduleShape, SchedulesPage
from jobs.models import Schedule, ScheduleRun
from jobs.services.refusals import InvalidFields


class ByName(NewestFirst):
    ordering = ("name", "id")
    page_size = 50
    page_size_query_param = "limit"
    max_page_size = 200


class NewestRunFirst(NewestFirst):
    ordering = "-id"
    page_size = 50
    page_size_query_param = "limit"
    max_page_size = 200


class ScheduleFields(serializers.Serializer[Any]):
    """What a schedule is made of; every field but the first three has a default."""

    name = serializers.CharField(max_length=schedules.NAME_MAX)
    kind = serializers.CharField(max_length=80)
    cron = serializers.CharField(
        max_length=120,
        help_text="Five fields, such as `30 6 * * MON-FRI`; as Debian's cron has it.",
    )
    timeZone = serializers.CharField(
        max_length=64, required=False, source="time_zone", help_text="Such as Europe/Berlin."
    )
    preset = serializers.CharField(max_length=80, required=False, allow_blank=True)
    options = serializers.DictField(required=False, help_text="They win over the preset's.")
    missed = serializers.ChoiceField(
        choices=Schedule.Missed.choices,
        required=False,
        help_text="What becomes of times that passed while no worker ran.",
    )
    missedMost = serializers.IntegerField(
        required=False,
        source="missed_most",
        min_value=1,
        max_value=schedules.MISSED_MOST_MAX,
        help_text="With missed=all: how many, the newest.",
    )
    overlap = serializers.ChoiceField(choices=Schedule.Overlap.choices, required=False)
    priority = serializers.IntegerField(required=False, allow_null=True)
    tags = serializers.ListField(child=serializers.CharField(), required=False)
    paused = serializers.BooleanField(required=False)


class ScheduleChanges(ScheduleFields):
    """What is left out stays."""

    name = serializers.CharField(max_length=schedules.NAME_MAX, required=False)
    kind = serializers.CharField(max_length=80, required=False)
    cron = serializers.CharField(max_length=120, required=False)


PAGING = [
    OpenApiParameter("cursor", str, description="From `next` or `previous` of another page."),
    OpenApiParameter("limit", int, description="Rows a page, 1 to 200; 50 without it."),
]


class PauseFields(serializers.Serializer[Any]):
    reason = serializers.CharField(
        max_length=schedules.REASON_MAX, required=False, allow_blank=True, default=""
    )


def visible_schedules(user: Any) -> QuerySet[Schedule]:
    """An admin sees all, anyone else their own."""
    found = Schedule.objects.select_related("owner")
    return found if access.is_admin(user) else found.filter(owner_id=user.pk)


def visible_schedule(request: Request, schedule_id: str) -> Schedule:
    """:raises NotFound: there is none, or it is another's; a malformed id is no schedule's either."""
    try:
        key = UUID(schedule_id)
    except ValueError as error:
        raise NotFound("There is no such schedule, or it is not yours.") from error
    found = visible_schedules(request.user).filter(pk=key).first()
    if found is None:
        raise NotFound("There is no such schedule, or it is not yours.")
    return found


def _given(request: Request, *, partial: bool = False) -> dict[str, Any]:
    given = ScheduleFields(data=request.data, partial=partial)
    given.is_valid(raise_exception=True)
    known = set(given.fields)
    unknown = set(request.data) - known
    if unknown:
        said = f"Unknown field. Known: {', '.join(sorted(known))}."
        raise InvalidFields({name: [said] for name in sorted(unknown)})
    values = dict(given.validated_data)
    if "cron" in values:
        values["cron_expression"] = values.pop("cron")
    return values


class SchedulesView(ApiView):
    """GET → {next, previous, results}, by name. POST {name, kind, cron, …} → 201, the schedule."""

    serializer_class = ScheduleFields
    permission_classes = (ByRole,)

    @extend_schema(
        operation_id="schedules_list",
        summary="List schedules",
        parameters=PAGING,
        responses=SchedulesPage,
    )
    def get(self, request: Request) -> Response:
        pages = ByName()
        found = schedules.listed(visible_schedules(request.user))
        page = pages.paginate_queryset(found, request, view=self) or []
        schedules.read_presets(page)
        return pages.get_paginated_response([schedules.schedule_dto(row) for row in page])

    @extend_schema(
        operation_id="schedules_create",
        summary="Make a schedule",
        request=ScheduleFields,
        responses={201: ScheduleShape},
    )
    def post(self, request: Request) -> Response:
        row = schedules.save(by=cast(User, request.user), **_given(request))
        return Response(schedules.schedule_dto(row), status=201)


class ScheduleView(ApiView):
    """GET → the schedule. PATCH → the same, changed. DELETE → 204; its jobs stay."""

    serializer_class = ScheduleChanges
    permission_classes = (ByRole,)

    @extend_schema(
        operation_id="schedules_read", summary="Read one schedule", responses=ScheduleShape
    )
    def get(self, request: Request, schedule_id: str) -> Response:
        return Response(schedules.schedule_dto(visible_schedule(request, schedule_id)))

    @extend_schema(
        operation_id="schedules_change",
        summary="Change a schedule",
        request=ScheduleChanges,
        responses=ScheduleShape,
    )
    def patch(self, request: Request, schedule_id: str) -> Response:
        row = visible_schedule(request, schedule_id)
        given = _given(request, partial=True)
        if given.get("kind", row.kind) == row.kind:
            given.setdefault("options", row.options)
            given.setdefault("preset", row.preset)
        kept = {
            "name": row.name,
            "kind": row.kind,
            "cron_expression": row.cron,
            "time_zone": row.time_zone,
            "missed": row.missed,
            "missed_most": row.missed_most,
            "overlap": row.overlap,
            "priority": row.priority,
            "tags": row.tags,
            "paused": row.paused,
        }
        changed = schedules.save(by=cast(User, request.user), schedule=row, **{**kept, **given})
        return Response(schedules.schedule_dto(changed))

    @extend_schema(
        operation_id="schedules_delete",
        summary="Delete a schedule",
        description="With its history. Its jobs stay.",
        responses={204: OpenApiResponse(description="It is gone.")},
    )
    def delete(self, request: Request, schedule_id: str) -> Response:
        row = visible_schedule(request, schedule_id)
        schedules.delete(schedule=row, by=cast(User, request.user))
        return Response(status=204)


class SchedulePauseView(ApiView):
    """POST {reason} → the schedule, paused."""

    serializer_class = PauseFields
    permission_classes = (ByRole,)

    @extend_schema(
        operation_id="schedules_pause",
        summary="Pause a schedule",
        request=PauseFields,
        responses=ScheduleShape,
    )
    def post(self, request: Request, schedule_id: str) -> Response:
        row = visible_schedule(request, schedule_id)
        given = PauseFields(data=request.data)
        given.is_valid(raise_exception=True)
        paused = schedules.pause(
            schedule=row, by=cast(User, request.user), reason=given.validated_data["reason"]
        )
        return Response(schedules.schedule_dto(paused))


class ScheduleResumeView(ApiView):
    """POST → the schedule, active again from now on; 422 while what paused it is not mended."""

    permission_classes = (ByRole,)

    @extend_schema(
        operation_id="schedules_resume",
        summary="Resume a schedule",
        request=None,
        responses={200: ScheduleShape, **refused(422)},
    )
    def post(self, request: Request, schedule_id: str) -> Response:
        row = visible_schedule(request, schedule_id)
        resumed = schedules.resume(schedule=row, by=cast(User, request.user))
        return Response(schedules.schedule_dto(resumed))


class ScheduleRunView(ApiView):
    """POST → 201, the run: `submitted` with its job, or `waiting`; 422 when its rule forbids it."""

    permission_classes = (ByRole,)

    @extend_schema(
        operation_id="schedules_run",
        summary="Run a schedule now",
        request=None,
        responses={201: RunShape, **refused(422)},
    )
    def post(self, request: Request, schedule_id: str) -> Response:
        row = visible_schedule(request, schedule_id)
        run = schedules.run_now(schedule=row, by=cast(User, request.user))
        return Response(schedules.run_dto(run), status=201)


class ScheduleRunsView(ApiView):
    """GET → {next, previous, results}: what became of each time, the newest first."""

    permission_classes = (ByRole,)

    @extend_schema(
        operation_id="schedules_runs",
        summary="Read a schedule's history",
        parameters=PAGING,
        responses=RunsPage,
    )
    def get(self, request: Request, schedule_id: str) -> Response:
        row = visible_schedule(request, schedule_id)
        runs: QuerySet[ScheduleRun] = row.runs.select_related("by")
        pages = NewestRunFirst()
        page = pages.paginate_queryset(runs, request, view=self) or []
        return pages.get_paginated_response([schedules.run_dto(run) for run in page])
