from django.apps import AppConfig


class RecorderConfig(AppConfig):
    name = "recorder"

    def ready(self) -> None:
        from jobs.registry import import_kinds

        import_kinds("recorder")
