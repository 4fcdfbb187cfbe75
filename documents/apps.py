from django.apps import AppConfig


class DocumentsConfig(AppConfig):
    name = "documents"
    verbose_name = "Work"

    def ready(self) -> None:
        from jobs.registry import import_kinds

        import_kinds("documents")
