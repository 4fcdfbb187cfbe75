from django.apps import AppConfig
from django.contrib.auth.signals import user_logged_out


class ConfigConfig(AppConfig):
    name = "config"
    verbose_name = "Accounts"

    def ready(self) -> None:
        from config.accounts import note_logout
        from jobs import telemetry

        telemetry.start()
        user_logged_out.connect(note_logout, dispatch_uid="config.accounts.note_logout")
