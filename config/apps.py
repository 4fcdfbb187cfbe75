from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.apps import AppConfig, apps
from django.contrib.admin import apps as admin_apps
from django.contrib.auth.signals import user_logged_out

if TYPE_CHECKING:
    from django.contrib.auth.models import User


class ConsoleAdmin(admin_apps.SimpleAdminConfig):
    """Django's admin with the console's own site, which looks for its pages when it needs them."""

    default = False
    default_site = "config.site.ConsoleSite"


class ConfigConfig(AppConfig):
    name = "config"
    verbose_name = "Accounts"

    def ready(self) -> None:
        from jobs import telemetry

        # What the sidebar calls the group of their pages.
        apps.get_app_config("auth").verbose_name = "Administration"
        telemetry.start()
        user_logged_out.connect(_note_logout, dispatch_uid="config.apps.note_logout")


def _note_logout(sender: Any, user: User | None, **_: Any) -> None:
    """Put a browser's logout on record; Django tells of it whichever page it was asked on."""
    from jobs import audit

    if user is not None:
        audit.record(action="account.logout", by=user, target=user)
