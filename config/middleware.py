"""Headers and errors that depend on where in the site a request went."""

from __future__ import annotations

from typing import Any

from asgiref.sync import iscoroutinefunction, markcoroutinefunction
from csp.constants import NONE, UNSAFE_EVAL
from csp.middleware import CSPMiddleware, PolicyParts
from django.conf import settings
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from rest_framework.response import Response

from jobs.api.problem import CONTENT_TYPE, problem_response
from jobs.api.rendering import ProblemResponse


class ContentSecurityPolicy(CSPMiddleware):
    """The admin gets the settings' policy and `unsafe-eval`, for its theme's Alpine alone.

    The API's own pages (browsable answers, Swagger) get the settings' policy as it is: local files,
    nothing inline. Everything else renders nothing and gets a policy that allows nothing. A view that serves
    pages of its own (trace viewer, artifacts) sets the whole header itself.
    """

    def get_policy_parts(
        self, request: HttpRequest, response: HttpResponseBase, report_only: bool = False
    ) -> PolicyParts:
        parts = super().get_policy_parts(request, response, report_only)
        if report_only:
            return parts
        if request.path_info.startswith("/admin/"):
            parts.update = {"script-src": [UNSAFE_EVAL], **(parts.update or {})}
        elif parts.config is None and not _is_page_of_the_api(request, response):
            parts.config = {
                "default-src": [NONE],
                "base-uri": [NONE],
                "form-action": [NONE],
                "frame-ancestors": [NONE],
            }
        return parts


def _is_page_of_the_api(request: HttpRequest, response: HttpResponseBase) -> bool:
    # By who made it, not by its type alone: an artifact may be HTML, and sets a policy of its own.
    return (
        request.path_info.startswith("/api")
        and isinstance(response, Response)
        and response.get("Content-Type", "").startswith("text/html")
    )


class CoreAlone:
    """With `EXTENDED_API=0`, every route under /api/ but those in `CORE_ROUTES` answers 404."""

    sync_capable = True
    async_capable = True

    def __init__(self, get_response: Any) -> None:
        self.get_response = get_response
        if iscoroutinefunction(get_response):
            markcoroutinefunction(self)

    def __call__(self, request: HttpRequest) -> Any:
        return self.get_response(request)

    def process_view(
        self, request: HttpRequest, view: Any, args: Any, kwargs: Any
    ) -> HttpResponseBase | None:
        match = request.resolver_match
        if settings.EXTENDED_API or match is None or not request.path_info.startswith("/api/"):
            return None
        if match.url_name in settings.CORE_ROUTES:
            return None
        return problem_response(
            status=404,
            code="not_enabled",
            detail="This installation serves the core API alone (EXTENDED_API=0).",
        )


class ApiProblems:
    """Every error under /api/ is `application/problem+json`, whoever raised it."""

    sync_capable = True
    async_capable = True

    def __init__(self, get_response: Any) -> None:
        self.get_response = get_response
        if iscoroutinefunction(get_response):
            markcoroutinefunction(self)

    def __call__(self, request: HttpRequest) -> Any:
        if iscoroutinefunction(self):
            return self._call_async(request)
        return self._as_problem(request, self.get_response(request))

    async def _call_async(self, request: HttpRequest) -> HttpResponseBase:
        return self._as_problem(request, await self.get_response(request))

    @staticmethod
    def _as_problem(request: HttpRequest, response: HttpResponseBase) -> HttpResponseBase:
        if response.status_code < 400 or not request.path_info.startswith("/api/"):
            return response
        if response.get("Content-Type", "").partition(";")[0] == CONTENT_TYPE:
            return response
        if isinstance(response, ProblemResponse):
            return response  # the same as a page, for a browser
        problem = problem_response(status=response.status_code)
        for header in ("Allow", "Retry-After", "WWW-Authenticate", "Content-Range"):
            if response.has_header(header):
                problem[header] = response[header]
        return problem
