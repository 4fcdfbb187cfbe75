"""Every list of the admin and of the API costs the same number of queries for one row and for fifty."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.contrib import admin
from django.contrib.auth.models import User
from django.db import IntegrityError, connection, models, transaction
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from factory.django import DjangoModelFactory

import tests.kinds.engine  # noqa: F401  (registers the test-only kinds)
from jobs.access import Role
from jobs.roles import put_in
from tests import factories
from tests.openapi import OPENAPI

pytestmark = pytest.mark.django_db

MANY = 50
# Rows that there can be only a few of.
FEW = {"jobs.tallymark", "jobs.tally", "jobs.drain", "jobs.kindpolicy", "jobs.retentionrule"}


def _factories() -> dict[type[models.Model], type[DjangoModelFactory[Any]]]:
    found = {}
    for each in vars(factories).values():
        if isinstance(each, type) and issubclass(each, DjangoModelFactory) and each._meta.model:
            found[each._meta.model] = each
    return found


def made_by(model: type[models.Model]) -> type[DjangoModelFactory[Any]]:
    """The factory of a model."""
    return _factories()[model]


def make(model: type[models.Model], count: int, owner: User) -> int:
    """Make up to `count` rows, of `owner` where rows have one; how many it made."""
    factory = made_by(model)
    given: dict[str, Any] = {}
    if "owner" in {field.name for field in model._meta.get_fields()}:
        given = {"owner": owner}
    elif "job" in factory._meta.declarations:
        given = {"job__owner": owner}
    for made in range(count):
        try:
            with transaction.atomic():
                factory(**given)
        except IntegrityError:
            return made
    return count


def _lists() -> Iterator[str]:
    """The API's lists that are below no other thing."""
    for path, operations in OPENAPI["paths"].items():
        answer = operations.get("get", {}).get("responses", {}).get("200", {})
        schema = answer.get("content", {}).get("application/json", {}).get("schema", {})
        name = schema.get("$ref", "").rpartition("/")[2]
        shape = OPENAPI["components"]["schemas"].get(name, schema)
        if "results" in shape.get("properties", {}) and "{" not in path:
            yield path


def _pages() -> list[str]:
    # Nothing else is listed: the theme's own models have no page.
    changelists = [
        reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_changelist")
        for model in admin.site._registry
        if model in _factories()
    ]
    return [*changelists, *_lists()]


def _counts(clients: dict[str, Client]) -> dict[str, tuple[int, list[str]]]:
    found = {}
    for who, client in clients.items():
        for page in _pages():
            with CaptureQueriesContext(connection) as queries:
                status = client.get(page).status_code
            if status == 200:
                asked = [query["sql"] for query in queries.captured_queries]
                found[f"{page} ({who})"] = len(asked), asked
            else:
                assert who == "operator", (page, status)
    return found


def _repeated(asked: list[str]) -> str:
    """The statement that was asked most often, without its values."""
    bare = [re.sub(r"'[^']*'|\b\d+\b", "?", sql) for sql in asked]
    return max(bare, key=bare.count)[:300]


@pytest.fixture
def clients() -> dict[str, Client]:
    people: dict[str, Callable[[], Role]] = {
        "admin": lambda: Role.ADMIN,
        "operator": lambda: Role.OPERATOR,
    }
    made = {}
    for name, role in people.items():
        user = User.objects.create_user(name)
        put_in(user=user, role=role())
        made[name] = Client()
        made[name].force_login(user, backend="config.accounts.LockingBackend")
    return made


def test_a_list_costs_the_same_for_one_row_and_for_fifty(clients: dict[str, Client]) -> None:
    owner = User.objects.get(username="operator")
    for model in _factories():
        make(model, 1, owner)
    one = _counts(clients)  # with what a process asks once, which is far less than one a row
    assert len(one) > 50
    for model in _factories():
        made = make(model, MANY - 1, owner)
        assert made == MANY - 1 or model._meta.label_lower in FEW, (model, made)
    fifty = _counts(clients)
    grown = [
        f"{page}: {one[page][0]} → {count}; {_repeated(asked)}"
        for page, (count, asked) in fifty.items()
        if count > one[page][0]
    ]
    assert not grown, "\n".join(grown)
