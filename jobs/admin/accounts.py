"""Logins of programs, and what is kept of callers. For admins; rows are read-only."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.http import HttpRequest

from jobs import access
from jobs.admin.base import Empty, ReadOnly
from jobs.models import Login, Preferences, ThrottleWindow


class ForAdmins(ReadOnly):
    def has_module_permission(self, request: HttpRequest) -> bool:
        return access.is_admin(request.user)

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return access.is_admin(request.user)


@admin.register(Login)
class LoginAdmin(ForAdmins):
    empty = Empty(
        icon="key",
        title="No program has logged in",
        text="Each program that asks the API for tokens with a name and a password is listed here.",
    )
    list_display = ("user", "created_at", "refreshed_at", "address", "ended_at", "ended_why")
    list_filter = ("ended_why",)
    search_fields = ("user__username", "address")
    list_select_related = ("user",)
    list_per_page = 50
    show_full_result_count = False
    exclude = ("refresh_jti",)


@admin.register(Preferences)
class PreferencesAdmin(ForAdmins):
    list_display = ("user", "theme", "time_zone", "share_new_jobs")
    list_select_related = ("user",)


@admin.register(ThrottleWindow)
class ThrottleWindowAdmin(ForAdmins):
    """Who asked how often, where the database counts; old rows go by themselves."""

    list_display = ("key", "used", "since")
    search_fields = ("key",)
    show_full_result_count = False
