"""Measuring requests and websockets: latency, spans, how many clients there are."""

from __future__ import annotations

import re
import time
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from asgiref.sync import iscoroutinefunction, markcoroutinefunction
from django.conf import settings
from django.http import HttpRequest
from django.http.response import HttpResponseBase

from jobs import metrics, telemetry


class Observe:
    """The outermost middleware: how long each answer took to begin, and a span around it."""

    sync_capable = True
    async_capable = True

    def __init__(self, get_response: Any) -> None:
        self.get_response = get_response
        if iscoroutinefunction(get_response):
            markcoroutinefunction(self)

    def __call__(self, request: HttpRequest) -> Any:
        if iscoroutinefunction(self):
            return self._call_async(request)
        began = time.perf_counter()
        _accept_host(request)
        with self._span(request) as span:
            response = self.get_response(request)
            self._observe(request, response, span, time.perf_counter() - began)
        return response

    async def _call_async(self, request: HttpRequest) -> HttpResponseBase:
        began = time.perf_counter()
        _accept_host(request)
        with self._span(request) as span:
            response: HttpResponseBase = await self.get_response(request)
            self._observe(request, response, span, time.perf_counter() - began)
        return response

    @staticmethod
    def _span(request: HttpRequest) -> Any:
        return telemetry.span(
            request.method or "",
            server=True,
            parent=request.META.get("HTTP_TRACEPARENT", ""),
            attributes={"http.request.method": request.method or "", "url.path": request.path_info},
        )

    @staticmethod
    def _observe(
        request: HttpRequest, response: HttpResponseBase, span: telemetry.Span, took_s: float
    ) -> None:
        match = request.resolver_match
        # The route's name, never the path: a path holds ids, and each would be a series of its own.
        route = (match.view_name or match.route[:60] or "/") if match else "none"
        method = request.method if request.method in _METHODS else "other"
        metrics.REQUESTS.labels(method, route, str(response.status_code)).observe(took_s)
        span.name(f"{method} {route}")
        span.note(http_route=route, http_response_status_code=response.status_code)
        if response.status_code >= 500:
            span.fail(f"HTTP {response.status_code}")


_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})


def _accept_host(request: HttpRequest) -> None:
    """Let scrapers and probes come by the process's own address, which ALLOWED_HOSTS can not know.

    What these paths answer does not depend on the host.
    """
    if _PROBED.match(request.path_info):
        request.META["HTTP_HOST"] = settings.ALLOWED_HOSTS[0].lstrip("*.") or "localhost"
        request.META.pop("HTTP_X_FORWARDED_HOST", None)


_PROBED = re.compile(r"^/(metrics|api/health/(live|ready))/?$")


class CountSockets:
    """Counts the websockets that are open in this process, by the first part of their path."""

    def __init__(self, inner: Callable[..., Awaitable[None]]) -> None:
        self.inner = inner

    async def __call__(self, scope: MutableMapping[str, Any], receive: Any, send: Any) -> None:
        parts = str(scope.get("path", "")).strip("/").split("/")
        known = (
            parts[1] if len(parts) > 1 and parts[0] == "ws" and parts[1] in _SOCKETS else "other"
        )
        clients = metrics.SOCKETS.labels(known)
        clients.inc()
        try:
            await self.inner(scope, receive, send)
        finally:
            clients.dec()


_SOCKETS = frozenset({"jobs", "recorder"})
