"""The console's admin site."""

from __future__ import annotations

from threading import RLock
from typing import Any

from django.contrib import admin
from django.http import HttpRequest
from django.utils.functional import SimpleLazyObject
from unfold.sites import UnfoldAdminSite


class ConsoleSite(UnfoldAdminSite):
    """The theme's, with the models of all apps: imported when the first of its pages is wanted.

    Workers want none, and start in three quarters of the time. All models are listed for a page only
    where it shows them.
    """

    def __init__(self, name: str = "admin") -> None:
        self._pages: dict[Any, Any] = {}
        self._finding = RLock()
        self._seeking = self._found = False
        super().__init__(name)

    @property
    def _registry(self) -> dict[Any, Any]:
        if not self._found:
            # Other threads wait for all of them; this one registers them meanwhile.
            with self._finding:
                if not (self._seeking or self._found):
                    self._seeking = True
                    try:
                        admin.autodiscover()
                        self._found = True
                    finally:
                        self._seeking = False
        return self._pages

    @_registry.setter
    def _registry(self, pages: dict[Any, Any]) -> None:
        self._pages = pages

    def get_app_list(self, request: HttpRequest, app_label: str | None = None) -> Any:
        every = super().get_app_list
        return SimpleLazyObject(lambda: every(request, app_label))
