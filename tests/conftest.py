"""What every test may use: a database of each sort, jobs that really run, servers without root."""

from collections.abc import Iterator
from typing import Any

import pytest
from django.conf import settings
from django.contrib.auth.models import Group, User
from django.db import connection
from django.db.models.signals import post_save
from django.test import TransactionTestCase

from jobs import policies
from tests.fixtures.database import (
    _postgres_ready,
    database,
    django_db_keepdb,
    django_db_modify_db_settings,
    django_db_setup,
    empty_audit,
    empty_sqlite,
    empty_storage,
    installation,
    migrated,
    postgres_server,
    sqlite_file,
)
from tests.fixtures.jobs import cluster, owner, run_job
from tests.fixtures.servers import redis_url, s3_bucket
from tests.fixtures.web import static_files, web, webs

__all__ = [
    "_postgres_ready",
    "cluster",
    "database",
    "django_db_keepdb",
    "django_db_modify_db_settings",
    "django_db_setup",
    "empty_storage",
    "installation",
    "migrated",
    "owner",
    "postgres_server",
    "redis_url",
    "run_job",
    "s3_bucket",
    "sqlite_file",
    "static_files",
    "web",
    "webs",
]


def _staff_are_operators(instance: User, created: bool, **_: Any) -> None:
    if created and instance.is_staff and not instance.is_superuser:
        instance.groups.add(Group.objects.get_or_create(name="operator")[0])


@pytest.fixture(autouse=True)
def staff_are_operators() -> Iterator[None]:
    """A test that creates a user with `is_staff` means an operator; `roles.put_in` says otherwise."""
    post_save.connect(_staff_are_operators, sender=User)
    yield
    post_save.disconnect(_staff_are_operators, sender=User)


@pytest.fixture(autouse=True)
def _audit_can_be_emptied(request: pytest.FixtureRequest) -> Iterator[None]:
    """After a test that commits, its audit entries go as well, though the database refuses that."""
    marker = request.node.get_closest_marker("django_db")
    commits = (marker is not None and marker.kwargs.get("transaction")) or (
        {"transactional_db", "live_server"} & set(request.fixturenames)
    )
    if not commits:
        yield
        return
    request.getfixturevalue("transactional_db")  # first, so that the table is emptied after this
    yield
    empty_audit(connection)


@pytest.fixture(autouse=True)
def _own_policies() -> None:
    """No test goes by the policies that an earlier one left in this process's memory."""
    policies.forget()


def pytest_configure() -> None:
    # Made by `manage.py prepare` where the console is served; its absence is a warning, so an error.
    settings.STATIC_ROOT.mkdir(parents=True, exist_ok=True)
    setattr(TransactionTestCase, "_fixture_teardown", empty_sqlite)  # noqa: B010  (the stubs hide it)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Tests that run jobs on SQLite need what they write to be committed, for other processes."""
    for test in items:
        parameters = test.callspec.params if hasattr(test, "callspec") else {}
        wanted = {"database", "run_job", "owner"} & set(getattr(test, "fixturenames", ()))
        if wanted and parameters.get("database") != "postgres":
            test.add_marker(pytest.mark.django_db(transaction=True))
