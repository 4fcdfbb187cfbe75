from django.apps import AppConfig


class JobsConfig(AppConfig):
    name = "jobs"
    verbose_name = "Work"

    def ready(self) -> None:
        from jobs.registry import import_kinds

        import_kinds("jobs")
