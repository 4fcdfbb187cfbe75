from typing import Any

from django.apps import AppConfig
from django.db import connections
from django.db.models.signals import post_migrate


class JobsConfig(AppConfig):
    name = "jobs"
    verbose_name = "Work"

    def ready(self) -> None:
        from jobs.registry import import_kinds
        from jobs.roles import grant

        import_kinds("jobs")
        # After Django's own receiver, which makes the permissions: auth is installed before us.
        post_migrate.connect(grant, dispatch_uid="jobs.roles.grant")
        post_migrate.connect(_index_jobs, sender=self)


def _index_jobs(using: str, **_: Any) -> None:
    from jobs.search_index import install

    install(connections[using])
