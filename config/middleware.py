"""Headers and errors that depend on where in the site a request went."""

from __future__ import annotations

from typing import Any

from asgiref.sync import iscoroutinefunction, markcoroutinefunction
from csp.constants import NONE, UNSAFE_EVAL
from csp.middleware import CSPMiddleware, PolicyParts
from django.http import HttpRequest
from django.http.response import HttpResponseBase

from jobs.api.problem import CONTENT_TYPE, problem_response


class ContentSecurityPolicy(CSPMiddleware):
    """The admin gets the settings' policy and `unsafe-eval`, for its theme's Alpine alone.

    Everything else renders nothing and gets a policy that allows nothing. A view that serves
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
        elif parts.config is None:
            parts.config = {
                "default-src": [NONE],
                "base-uri": [NONE],
                "form-action": [NONE],
                "frame-ancestors": [NONE],
            }
        return parts


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
        problem = problem_response(status=response.status_code)
        for header in ("Allow", "Retry-After", "WWW-Authenticate", "Content-Range"):
            if response.has_header(header):
                problem[header] = response[header]
        return problem
