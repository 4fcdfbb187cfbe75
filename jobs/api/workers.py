"""Workers over REST: who is there, draining and resuming them."""

from __future__ import annotations

import dataclasses
from typing import Any, cast

from django.contrib.auth.models import User
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse, extend_schema
from rest_framework import serializers
from rest_framework.exceptions import NotFound
from rest_framework.request import Request
from rest_framework.response import Response

from jobs import drains, system
from jobs.api.base import ApiView
from jobs.api.permissions import ByRole
from jobs.api.schema import refused
from jobs.api.standing_shapes import DrainShape, WorkersShape
from jobs.casing import camel
from jobs.events import time_dto
from jobs.models import Drain, Worker
from jobs.services.refusals import InvalidFields


class DrainFields(serializers.Serializer[Any]):
    """Either `worker`, or `queue` with or without `host`."""

    worker = serializers.IntegerField(required=False, help_text="A worker's id.")
    queue = serializers.CharField(max_length=40, required=False)
    host = serializers.CharField(
        max_length=120, required=False, allow_blank=True, help_text="Empty: on every host."
    )
    reason = serializers.CharField(
        max_length=drains.REASON_MAX, required=False, allow_blank=True, default=""
    )


def fact_dto(fact: Any) -> dict[str, Any]:
    """A fact of `jobs.system` in camelCase, times as everywhere."""
    found = {}
    for field in dataclasses.fields(fact):
        value = getattr(fact, field.name)
        if isinstance(value, list):
            value = [fact_dto(each) for each in value]
        elif field.name.endswith("_at"):
            value = time_dto(value)
        found[camel(field.name)] = value
    return found


def drain_dto(row: Drain) -> dict[str, Any]:
    return {
        "id": row.pk,
        "queue": row.queue,
        "host": row.host,
        "worker": row.worker,
        "reason": row.reason,
        "by": row.by.get_username() if row.by else None,
        "askedAt": time_dto(row.asked_at),
    }


class WorkersView(ApiView):
    """GET → {clusters, drains}: each cluster with its workers and their states."""

    permission_classes = (ByRole,)

    @extend_schema(
        operation_id="workers_list", summary="List clusters and workers", responses=WorkersShape
    )
    def get(self, request: Request) -> Response:
        rows = Drain.objects.select_related("by")
        return Response(
            {
                "clusters": [fact_dto(each) for each in system.clusters()],
                "drains": [drain_dto(row) for row in rows],
            }
        )


class DrainsView(ApiView):
    """POST {worker} or {queue, host}, {reason} → 201, the drain. Admins only."""

    serializer_class = DrainFields
    permission_classes = (ByRole,)

    @extend_schema(
        operation_id="workers_drain",
        summary="Drain workers",
        description="They finish what they run and take no more. Admins only.",
        request=DrainFields,
        responses={201: DrainShape, **refused(422)},
    )
    def post(self, request: Request) -> Response:
        given = DrainFields(data=request.data)
        given.is_valid(raise_exception=True)
        values = dict(given.validated_data)
        if ("worker" in values) == ("queue" in values):
            raise InvalidFields({"worker": ["Give either a worker's id, or a queue."]})
        if "worker" in values:
            worker = Worker.objects.filter(pk=values["worker"]).first()
            if worker is None:
                raise InvalidFields({"worker": ["There is no such worker (any more)."]})
            values["worker"] = worker
        row = drains.drain(by=cast(User, request.user), **values)
        return Response(drain_dto(row), status=201)


class DrainView(ApiView):
    """DELETE → 204; its workers take jobs again. Admins only."""

    permission_classes = (ByRole,)

    @extend_schema(
        operation_id="workers_resume",
        summary="Resume drained workers",
        description="Admins only.",
        parameters=[OpenApiParameter("drain_id", str, OpenApiParameter.PATH)],
        responses={204: OpenApiResponse(description="They take jobs again.")},
    )
    def delete(self, request: Request, drain_id: str) -> Response:
        row = Drain.objects.filter(pk=int(drain_id)).first() if drain_id.isdecimal() else None
        if row is None:
            raise NotFound("There is no such drain.")
        drains.resume(by=cast(User, request.user), drain=row)
        return Response(status=204)
