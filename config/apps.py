from django.apps import AppConfig, apps
from django.contrib.auth.signals import user_logged_out


class ConfigConfig(AppConfig):
    name = "config"
    verbose_name = "Accounts"

    def ready(self) -> None:
        from config.accounts import note_logout
        from jobs import telemetry

        # What the sidebar calls the group of their pages.
        apps.get_app_config("auth").verbose_name = "Administration"
        telemetry.start()
        user_logged_out.connect(note_logout, dispatch_uid="config.accounts.note_logout")
