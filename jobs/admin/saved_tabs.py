"""Saved tabs of the job list: everybody makes and removes their own there; admins see all."""

from __future__ import annotations

from typing import Any, cast

from django.contrib import admin
from django.contrib.auth.models import User
from django.db.models import QuerySet
from django.http import HttpRequest

from jobs import access
from jobs.admin.base import ReadOnly
from jobs.admin.job_tabs import forget_tab
from jobs.models import SavedTab


@admin.register(SavedTab)
class SavedTabAdmin(ReadOnly):
    list_display = ("name", "owner", "query", "created_at")
    list_display_links = None
    list_select_related = ("owner",)
    search_fields = ("name", "owner__username")
    show_facets = admin.ShowFacets.NEVER

    def delete_model(self, request: HttpRequest, obj: SavedTab) -> None:
        forget_tab(tab=obj, by=cast(User, request.user))

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[SavedTab]) -> None:
        for tab in queryset:
            forget_tab(tab=tab, by=cast(User, request.user))

    def has_module_permission(self, request: HttpRequest) -> bool:
        return access.is_admin(request.user)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return access.is_admin(request.user)
