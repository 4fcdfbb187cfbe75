from django.apps import AppConfig


class DocumentsConfig(AppConfig):
    name = "documents"

    def ready(self) -> None:
        from jobs.registry import import_kinds

        import_kinds("documents")
