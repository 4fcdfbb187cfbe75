"""JSON for programs, pages with forms for browsers; errors too."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from django.urls import NoReverseMatch, reverse
from rest_framework.exceptions import NotAcceptable
from rest_framework.negotiation import DefaultContentNegotiation
from rest_framework.renderers import BaseRenderer, BrowsableAPIRenderer
from rest_framework.request import Request
from rest_framework.response import Response


class JsonUnlessBrowser(DefaultContentNegotiation):
    """What `Accept` asks for, and JSON where nothing that it asks for is offered."""

    def select_renderer(
        self,
        request: Request,
        renderers: Iterable[BaseRenderer],
        format_suffix: str | None = None,
    ) -> tuple[BaseRenderer, str]:
        offered = list(renderers)
        try:
            chosen: tuple[BaseRenderer, str] = super().select_renderer(
                request, offered, format_suffix
            )
        except NotAcceptable:
            return offered[0], offered[0].media_type or ""
        return chosen


class BrowsablePages(BrowsableAPIRenderer):
    """DRF's own pages; all their scripts and styles are local files."""

    template = "rest_framework/api.html"

    def get_breadcrumbs(self, request: Request) -> list[tuple[str, str]]:
        """The addresses above this one that are something themselves."""
        found: list[tuple[str, str]] = super().get_breadcrumbs(request)
        # By name: an address with and without its slash is one place.
        there = {name: url for name, url in found if name != UNKNOWN}
        return list(there.items())

    def get_context(
        self, data: Any, accepted_media_type: str | None, renderer_context: Mapping[str, Any] | None
    ) -> dict[str, Any]:
        context: dict[str, Any] = super().get_context(
            data, accepted_media_type, renderer_context or {}
        )
        if isinstance(context["response"], ProblemResponse):
            context["response_headers"]["Content-Type"] = ProblemResponse.CONTENT_TYPE
        try:
            context["login_url"] = f"{reverse('admin:login')}?next={context['request'].path}"
            context["console_url"] = reverse("admin:index")
        except NoReverseMatch:
            pass  # the console is not served here
        return context


# The name of the view that answers for addresses that are nothing.
UNKNOWN = "Unknown route"


class ProblemResponse(Response):
    """Problem details: as such for programs, as a page for browsers."""

    CONTENT_TYPE = "application/problem+json"

    @property
    def rendered_content(self) -> Any:
        if getattr(self.accepted_renderer, "format", "") != BrowsablePages.format:
            self.content_type = self.CONTENT_TYPE
        return super().rendered_content
