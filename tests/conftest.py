"""What every test may use: a database of each sort, jobs that really run, servers without root."""

import pytest
from django.conf import settings

from tests.fixtures.database import (
    _postgres_ready,
    database,
    django_db_modify_db_settings,
    installation,
    postgres_server,
    sqlite_file,
)
from tests.fixtures.jobs import cluster, owner, run_job
from tests.fixtures.servers import redis_url, s3_bucket

__all__ = [
    "_postgres_ready",
    "cluster",
    "database",
    "django_db_modify_db_settings",
    "installation",
    "owner",
    "postgres_server",
    "redis_url",
    "run_job",
    "s3_bucket",
    "sqlite_file",
]


def pytest_configure() -> None:
    # Made by `manage.py prepare` where the console is served; its absence is a warning, so an error.
    settings.STATIC_ROOT.mkdir(parents=True, exist_ok=True)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Tests that run jobs on SQLite need what they write to be committed, for other processes."""
    for test in items:
        parameters = test.callspec.params if hasattr(test, "callspec") else {}
        wanted = {"database", "run_job", "owner"} & set(getattr(test, "fixturenames", ()))
        if wanted and parameters.get("database") != "postgres":
            test.add_marker(pytest.mark.django_db(transaction=True))
