from django.apps import AppConfig


class KindsConfig(AppConfig):
    name = "tests.kinds"
    label = "testkinds"

    def ready(self) -> None:
        import tests.kinds.engine  # noqa: F401
