"""Every request and socket says who it is from and is known by a number; refusals are recorded."""

from __future__ import annotations

from collections.abc import MutableMapping
from typing import Any
from zoneinfo import ZoneInfo

from asgiref.sync import iscoroutinefunction, markcoroutinefunction, sync_to_async
from django.conf import settings
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.utils import timezone

from config.proxies import client_address
from jobs import audit, context, preferences
from jobs.context import Context, Via

SAFE = {"GET", "HEAD", "OPTIONS", "TRACE"}
# Not 401: that is nobody's command, and failed logins are recorded where they are counted.
# Nor 429: `jobs.throttling` is there to make such requests cheap.
REFUSALS = {400, 403, 404, 405, 409, 413, 415, 422}


class KnownRequests:
    """Sets `jobs.context` for each request, and answers with its `X-Request-ID`.

    A command (any method that is not safe) that a logged-in person was refused is put on record
    here, unless the verb that refused it has done so with its target.
    """

    sync_capable = True
    async_capable = True

    def __init__(self, get_response: Any) -> None:
        self.get_response = get_response
        if iscoroutinefunction(get_response):
            markcoroutinefunction(self)

    def __call__(self, request: HttpRequest) -> Any:
        if iscoroutinefunction(self):
            return self._call_async(request)
        here = _context(request)
        with context.serving(here):
            response = self.get_response(request)
            if _is_refused_command(request, response, here):
                _record(request, response)
        response[context.HEADER] = here.request_id
        return response

    async def _call_async(self, request: HttpRequest) -> HttpResponseBase:
        here = _context(request)
        with context.serving(here):
            response: HttpResponseBase = await self.get_response(request)
            if _is_refused_command(request, response, here):
                await sync_to_async(_record)(request, response)
        response[context.HEADER] = here.request_id
        return response


class PersonalTime:
    """Pages of the console show times in the zone that the person set."""

    sync_capable = True
    async_capable = True

    def __init__(self, get_response: Any) -> None:
        self.get_response = get_response
        if iscoroutinefunction(get_response):
            markcoroutinefunction(self)

    def __call__(self, request: HttpRequest) -> Any:
        if iscoroutinefunction(self):
            return self._call_async(request)
        with timezone.override(_zone(request)):
            return self.get_response(request)

    async def _call_async(self, request: HttpRequest) -> HttpResponseBase:
        with timezone.override(await sync_to_async(_zone)(request)):
            response: HttpResponseBase = await self.get_response(request)
            return response


def _zone(request: HttpRequest) -> ZoneInfo | None:
    if not request.path_info.startswith("/admin/"):
        return None
    name = preferences.of_request(request).time_zone
    return ZoneInfo(name) if name else None


class KnownSockets:
    """The same for websockets. (Daphne sends no headers of ours with its handshake.)"""

    def __init__(self, inner: Any) -> None:
        self.inner = inner

    async def __call__(self, scope: MutableMapping[str, Any], receive: Any, send: Any) -> None:
        headers = {name: value.decode("latin1") for name, value in scope["headers"]}
        client = scope.get("client") or [""]
        here = Context(
            request_id=context.request_id(headers.get(b"x-request-id", "")),
            address=client_address(
                peer=str(client[0]),
                forwarded=headers.get(b"x-forwarded-for", ""),
                trusted=settings.TRUSTED_PROXIES,
            ),
            user_agent=headers.get(b"user-agent", "")[: context.USER_AGENT_MAX],
            via="websocket",
        )
        with context.serving(here):
            await self.inner(scope, receive, send)


def _context(request: HttpRequest) -> Context:
    address = client_address(
        peer=str(request.META.get("REMOTE_ADDR") or ""),
        forwarded=request.headers.get("X-Forwarded-For", ""),
        trusted=settings.TRUSTED_PROXIES,
    )
    # One truth, for whoever reads it from here.
    request.META["REMOTE_ADDR"] = address
    via: Via = "admin" if request.path_info.startswith("/admin/") else "api"
    return Context(
        request_id=context.request_id(request.headers.get(context.HEADER, "")),
        address=address,
        user_agent=request.headers.get("User-Agent", "")[: context.USER_AGENT_MAX],
        via=via,
    )


def _is_refused_command(request: HttpRequest, response: HttpResponseBase, here: Context) -> bool:
    return (
        request.method not in SAFE
        and response.status_code in REFUSALS
        and audit.REFUSAL_RECORDED not in here.notes
    )


def _record(request: HttpRequest, response: HttpResponseBase) -> None:
    user = getattr(request, "user", None)
    if user is None or not user.is_authenticated:
        return
    route = request.resolver_match
    audit.record(
        action="request.refused",
        by=user,
        outcome="refused",
        data={
            "method": request.method,
            "path": request.path[:300],
            "route": (route.view_name if route else "")[:100],
            "status": response.status_code,
            "code": getattr(response, "problem_code", ""),
        },
    )
