"""What the console's pages of documents have in common."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import URLPattern, path

from jobs import access
from jobs.admin.base import ReadOnly


class OwnPages(ReadOnly):
    """An admin with pages of its own beside the list, under its model's name."""

    def route(self, address: str, view: Callable[..., Any], name: str) -> URLPattern:
        """The route of one of them, reversed as `admin:documents_<model>_<name>`."""
        return path(
            address,
            self.admin_site.admin_view(view),
            name=f"{self.opts.app_label}_{self.opts.model_name}_{name}",
        )

    def page(
        self, request: HttpRequest, template: str, status: int = 200, **context: Any
    ) -> HttpResponse:
        """`templates/admin/documents/<model>/<template>.html` with what every page needs."""
        return TemplateResponse(
            request,
            f"admin/{self.opts.app_label}/{self.opts.model_name}/{template}.html",
            {**self.admin_site.each_context(request), "opts": self.opts, **context},
            status=status,
        )


class AdminsOnly(ReadOnly):
    """Rows that are part of something: its page shows them to everyone, this list to admins."""

    def has_module_permission(self, request: HttpRequest) -> bool:
        return access.is_admin(request.user)
