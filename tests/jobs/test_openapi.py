"""The description of the API: committed, complete, and true of what is answered."""

from __future__ import annotations

import io
from typing import Any

import pytest
from django.core.management import call_command
from django.test import override_settings
from django.urls import get_resolver
from drf_spectacular.drainage import GENERATOR_STATS
from drf_spectacular.generators import SchemaGenerator

from jobs import system
from jobs.api import shapes, standing_shapes
from jobs.api.downloads import artifact_dto
from jobs.api.history import attempt_dto
from jobs.api.schema import routes
from jobs.api.workers import drain_dto, fact_dto
from jobs.events import event_dto, job_dto
from jobs.schedules import run_dto, schedule_dto
from recorder.api import shapes as recordings
from recorder.dto import session_detail_dto
from tests import factories
from tests.openapi import COMMITTED, OPENAPI

# Pages about the description, and what answers for addresses that are nothing.
UNDESCRIBED = {"api-schema", "api-docs", "api-unknown"}


def test_the_committed_description_is_what_the_views_say() -> None:
    out = io.StringIO()
    GENERATOR_STATS.reset()
    call_command("spectacular", stdout=out, validate=True, fail_on_warn=True)
    assert out.getvalue() == COMMITTED.read_text(), "run `make schema`, and commit what it writes"


def test_every_route_is_described() -> None:
    described = OPENAPI["paths"]
    found = {
        route: name
        for route, name, _view in routes(get_resolver().url_patterns)
        if route.startswith("/api") and name and name not in UNDESCRIBED
    }
    missing = {name for route, name in found.items() if route not in described}
    assert len(found) > 20
    assert missing == set()


def test_every_operation_says_how_it_refuses() -> None:
    paths = OPENAPI["paths"]
    for path, operations in paths.items():
        for method, operation in operations.items():
            where = f"{method} {path}"
            assert operation["operationId"], where
            for status, answer in operation["responses"].items():
                if status >= "400":
                    assert list(answer["content"]) == ["application/problem+json"], where
            if {} not in operation.get("security", [{}]):
                assert {"401", "403"} <= operation["responses"].keys(), where


@pytest.mark.django_db
def test_shapes_are_what_is_answered() -> None:
    job = factories.JobFactory()
    session = factories.StepFactory().session
    detail = session_detail_dto(session)
    run = factories.ScheduleRunFactory()
    factories.WorkerFactory()
    [cluster] = system.clusters()
    for shape, answer in (
        (shapes.JobShape, job_dto(job)),
        (shapes.EventShape, event_dto(factories.JobEventFactory())),
        (shapes.AttemptShape, attempt_dto(factories.AttemptFactory())),
        (shapes.ArtifactShape, artifact_dto(factories.ArtifactFactory())),
        (standing_shapes.ScheduleShape, schedule_dto(run.schedule)),
        (standing_shapes.RunShape, run_dto(run)),
        (standing_shapes.DrainShape, drain_dto(factories.DrainFactory())),
        (standing_shapes.ClusterShape, fact_dto(cluster)),
        (standing_shapes.WorkerShape, fact_dto(cluster.workers[0])),
        (recordings.SessionDetail, detail),
        (recordings.StepShape, detail["steps"][0]),
    ):
        assert list(shape().fields.keys() ^ answer.keys()) == [], shape.__name__


@override_settings(EXTENDED_API=False)
def test_the_core_alone_is_described_where_it_alone_is_served() -> None:
    schema: dict[str, Any] = SchemaGenerator().get_schema(public=True)
    assert "/api/jobs" in schema["paths"]
    assert not any(path.startswith("/api/recorder") for path in schema["paths"])
