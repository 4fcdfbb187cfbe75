"""The console's admin site."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest
from django.utils.functional import SimpleLazyObject
from unfold.sites import UnfoldAdminSite


class ConsoleSite(UnfoldAdminSite):
    """The theme's, which lists all models for each page only where the page shows them."""

    def get_app_list(self, request: HttpRequest, app_label: str | None = None) -> Any:
        every = super().get_app_list
        return SimpleLazyObject(lambda: every(request, app_label))
