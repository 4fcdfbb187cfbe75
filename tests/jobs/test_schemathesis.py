"""The API against its own description: no crash, and no answer that the description does not know."""

from __future__ import annotations

import warnings
from typing import Any

import pytest
from django.contrib.auth.models import User

from jobs.models import Status
from tests.fixtures.web import Web
from tests.jobs.conftest import bearer, stored_artifact, stored_job
from tests.openapi import OPENAPI

# Streams do not end; the description of them is checked with its errors alone, by its own tests.
ENDLESS = {"/api/jobs/events"}
# Says 503 where no worker runs, as here; tests/jobs/test_health.py holds it to its word.
NOT_READY = {"/api/health/ready"}
# They end the very login that the test uses.
SUICIDAL = {"/api/auth/logout", "/api/user/password"}
EXAMPLES = 3


@pytest.mark.timeout(300)
@pytest.mark.parametrize("database", ["sqlite"], indirect=True)  # the answers do not differ
def test_every_operation_answers_as_described(web: Web, owner: User, database: str) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import schemathesis
        from hypothesis import HealthCheck, Phase, given, seed, settings
        from schemathesis.checks import not_a_server_error
        from schemathesis.specs.openapi.checks import (
            content_type_conformance,
            response_schema_conformance,
            status_code_conformance,
        )

    # The resumable uploads' own type: bytes as they are.
    schemathesis.serializer.alias("application/offset+octet-stream", "application/octet-stream")
    job = stored_job(owner=owner, status=Status.SUCCEEDED)
    stored_artifact(job, path="a.txt", body=b"x", content_type="text/plain")
    headers = {"Authorization": bearer(owner)}
    # tests/jobs/test_openapi.py holds it against the views.
    schema = schemathesis.openapi.from_dict(OPENAPI)
    checks = [
        not_a_server_error,
        status_code_conformance,
        content_type_conformance,
        response_schema_conformance,
    ]
    asked = 0
    failures: list[str] = []
    for result in schema.get_all_operations():
        operation: Any = result.ok()
        if operation.path in ENDLESS | SUICIDAL | NOT_READY:
            continue

        @seed(7)
        @settings(
            max_examples=EXAMPLES,
            deadline=None,
            database=None,
            suppress_health_check=list(HealthCheck),
            phases=[Phase.generate],
        )
        @given(case=operation.as_strategy())
        def attempt(case: Any) -> None:
            nonlocal asked
            if "job_id" in (case.path_parameters or {}) and asked % 2:
                case.path_parameters["job_id"] = str(job.pk)
            asked += 1
            answer = case.call(base_url=web.url, headers=headers, timeout=60)
            if answer.status_code == 400 and not answer.content:
                return  # Daphne itself: a multipart body that is none never gets to us
            case.validate_response(answer, checks=checks)

        try:
            attempt()
        except BaseException as error:
            if isinstance(error, KeyboardInterrupt):
                raise
            failures.append(f"{operation.method} {operation.path}: {str(error)[:700]}")
    assert asked > 100
    assert not failures, "\n\n".join(failures)
