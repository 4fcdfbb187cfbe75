"""Every operation of the API × every role: who is let in, and what is not theirs is not there.

The rows come from the description, which a test holds against the routes: a new operation that no row
expects fails here.
"""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from django.conf import settings
from django.contrib.auth.models import User
from django.urls import resolve
from rest_framework.test import APIClient

import tests.kinds.engine  # noqa: F401  (registers the test-only kinds)
from jobs.access import Role
from jobs.models import Status
from jobs.roles import put_in
from tests import factories
from tests.jobs.conftest import stored_artifact, stored_job
from tests.jobs.test_api import client_of
from tests.openapi import OPENAPI

pytestmark = pytest.mark.django_db

METHODS = {"get", "post", "put", "patch", "delete"}
OPERATIONS = [
    (method, path)
    for path, found in OPENAPI["paths"].items()
    for method in found
    if method in METHODS
]
# Open to everybody: they log in, or say that the installation lives.
PUBLIC = {
    "/api/auth/login",
    "/api/auth/refresh",
    "/api/auth/register",
    "/api/auth/logout",
    "/api/health/live",
    "/api/health/ready",
}
# Below these, only admins; elsewhere, reading takes any role.
ADMINS = ("/api/admin/",)
# What somebody with any role does to what is theirs alone.
ONES_OWN = ("/api/auth/", "/api/user/")
# Asked by POST because of what is asked, yet nothing is changed by it: any role may.
READS = {"/api/vector/query"}
NOBODYS = "00000000-0000-7000-8000-000000000000"


def address(route: str, /, **values: str) -> str:
    """The route with its parameters filled in; nobody's thing where none is given."""
    given = {"name": "nobodys", "number": "1", **values}
    return re.sub(r"\{(\w+)\}", lambda found: given.get(found[1], NOBODYS), route)


def ask(client: APIClient, method: str, path: str) -> int:
    url = f"{path}?job=*" if path == "/api/jobs/events" else path
    if path == "/api/jobs/events":
        url += "&after=x"  # a stream would not end; who is let in learns of the cursor
    return int(getattr(client, method)(url).status_code)


@pytest.fixture
def viewer(people: dict[str, User]) -> User:
    user = User.objects.create_user("victor", is_staff=True)
    put_in(user=user, role=Role.VIEWER)
    return user


def test_each_operation_lets_in_whom_it_should(people: dict[str, User], viewer: User) -> None:
    clients = {
        "anonymous": client_of(None),
        "nobody": client_of(people["nobody"]),
        "viewer": client_of(viewer),
        "operator": client_of(people["other"]),
        "admin": client_of(people["superuser"]),
    }
    wrong = {}
    for method, path in OPERATIONS:
        found = {role: ask(client, method, address(path)) for role, client in clients.items()}
        if not _as_it_should_be(method, path, found):
            wrong[f"{method} {path}"] = found
    assert wrong == {}


def _as_it_should_be(method: str, path: str, found: dict[str, int]) -> bool:
    refused = {role for role, status in found.items() if status in {401, 403}}
    if any(status >= 500 and path != "/api/health/ready" for status in found.values()):
        return False
    if path in PUBLIC:
        return True
    if found["anonymous"] != 401 or "admin" in refused:
        return False
    if path.startswith(ADMINS):
        return refused == {"anonymous", "nobody", "viewer", "operator"}
    if path.startswith(ONES_OWN):
        return not {"operator", "viewer"} & refused
    if path in READS:
        return refused == {"anonymous", "nobody"}
    if method == "get":
        # An admin's own things (workers, retention) may be kept from the others.
        return {"anonymous", "nobody"} <= refused
    return {"anonymous", "nobody", "viewer"} <= refused


def test_every_route_of_a_thing_hides_it_from_others(people: dict[str, User], viewer: User) -> None:
    owner = people["owner"]
    job = stored_job(owner=owner, status=Status.SUCCEEDED)
    stored_artifact(job, path="a.txt", body=b"x", content_type="text/plain")
    step = factories.StepFactory(session__job__owner=owner, key="s1")
    theirs = {
        "job_id": str(job.pk),
        "session_id": str(step.session_id),
        "path": "a.txt",
        "key": "s1",
    }
    checked = 0
    for method, path in OPERATIONS:
        if not re.search(r"\{(job_id|session_id)\}", path):
            continue
        url = address(path, **theirs)
        answer = ask(client_of(people["other"]), method, url)
        # As for a thing that is not there: some say first that the body is not valid.
        assert answer in {400, 404}, (method, path, answer)
        assert answer == ask(client_of(people["other"]), method, address(path)), (method, path)
        seen = ask(client_of(viewer), method, url)
        assert seen == (404 if method == "get" else 403), (method, path, seen)
        checked += 1
    assert checked >= 15


def test_the_core_stands_alone_when_the_rest_is_off(people: dict[str, User], settings: Any) -> None:
    settings.EXTENDED_API = False
    client = client_of(people["superuser"])
    off = 0
    for method, path in OPERATIONS:
        url = address(path)
        name = resolve("/api/" if url == "/api" else url).url_name
        answer = getattr(client, method)(f"{url}?job=x" if url == "/api/jobs/events" else url)
        body = json.loads(answer.content) if answer.status_code == 404 else {}
        is_off = name not in settings.CORE_ROUTES
        assert (body.get("code") == "not_enabled") == is_off, (method, path)
        off += is_off
    assert off > 20


def test_the_core_is_made_of_routes_that_there_are() -> None:
    from django.urls import get_resolver

    from jobs.api.schema import routes

    assert {name for _, name, _ in routes(get_resolver().url_patterns)} >= settings.CORE_ROUTES
