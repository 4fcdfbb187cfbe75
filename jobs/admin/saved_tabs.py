"""Saved tabs of the job list: everybody makes and removes their own there; admins see all."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.http import HttpRequest

from jobs import access
from jobs.admin.base import ReadOnly
from jobs.models import SavedTab


@admin.register(SavedTab)
class SavedTabAdmin(ReadOnly):
    list_display = ("name", "owner", "query", "created_at")
    list_display_links = None
    list_select_related = ("owner",)
    search_fields = ("name", "owner__username")
    show_facets = admin.ShowFacets.NEVER

    def has_module_permission(self, request: HttpRequest) -> bool:
        return access.is_admin(request.user)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return access.is_admin(request.user)
