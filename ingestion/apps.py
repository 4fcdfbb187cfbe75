from typing import Any

from django.apps import AppConfig
from django.db import connections
from django.db.models.signals import post_migrate


class IngestionConfig(AppConfig):
    name = "ingestion"
    verbose_name = "Work"

    def ready(self) -> None:
        from documents.following import follow
        from ingestion.connectors import import_connectors
        from ingestion.stored import StoredDocuments
        from jobs.registry import import_kinds

        import_connectors()
        import_kinds("ingestion")
        follow(StoredDocuments())
        post_migrate.connect(_index_chunks, sender=self)


def _index_chunks(using: str, **_: Any) -> None:
    from ingestion.index.tables import install

    install(connections[using])
