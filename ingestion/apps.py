from django.apps import AppConfig


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
