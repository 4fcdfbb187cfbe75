from django.apps import AppConfig, apps
from django.contrib.admin import apps as admin_apps
from django.contrib.auth.signals import user_logged_out


class ConsoleAdmin(admin_apps.AdminConfig):
    """Django's admin with the console's own site in place of the theme's."""

    default = False
    default_site = "config.site.ConsoleSite"


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
