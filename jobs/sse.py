"""Job events as server-sent events: GET /api/jobs/events?job=<id>[,<id>…]|*"""

from __future__ import annotations

import math
from collections.abc import AsyncIterator
from typing import Any

from asgiref.sync import sync_to_async
from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.http.response import HttpResponseBase
from rest_framework.exceptions import AuthenticationFailed

from jobs import access, throttling
from jobs.api.authentication import BearerAuthentication
from jobs.api.problem import Problem, problem_response
from jobs.api.throttles import caller_of
from jobs.logins import Standing
from jobs.subscriptions import AccessEnded, Selection, deliveries, select


async def job_events(request: HttpRequest) -> HttpResponseBase:
    """Events from the start, or after `Last-Event-ID` (or `?after=`); 204 when nothing can follow.

    Session or bearer authentication. A browser's EventSource reconnects by itself whenever
    the stream ends, until it gets the 204.
    """
    if request.method != "GET":
        refusal = problem_response(status=405)
        refusal["Allow"] = "GET"
        return refusal
    try:
        user, standing = await sync_to_async(_caller)(request)
        selection = await sync_to_async(select)(
            user=user,
            standing=standing,
            job=request.GET.get("job", ""),
            after=request.headers.get("Last-Event-ID") or request.GET.get("after", ""),
            types=request.GET.get("type", ""),
        )
        if await sync_to_async(selection.is_over)():
            return HttpResponse(status=204)
    except Problem as problem:
        refusal = problem_response(
            status=problem.status_code,
            code=getattr(problem.detail, "code", ""),
            detail=str(problem.detail),
            errors=problem.errors,
        )
        for name, value in problem.headers.items():
            refusal[name] = value
        if problem.status_code == 401:
            refusal["WWW-Authenticate"] = 'Bearer realm="api"'
        return refusal
    response = StreamingHttpResponse(_stream(selection), content_type="text/event-stream")
    response["Cache-Control"] = "no-store"
    response["X-Accel-Buffering"] = "no"
    return response


async def _stream(selection: Selection) -> AsyncIterator[bytes]:
    yield b"retry: 1000\n\n"
    try:
        async for batch in deliveries(selection):
            if not batch:
                yield b": heartbeat\n\n"
            else:
                yield "".join(
                    [f"id: {each.cursor}\ndata: {each.text}\n\n" for each in batch]
                ).encode()
    except AccessEnded:
        return


def _caller(request: HttpRequest) -> tuple[Any, Standing]:
    """Who asks, and what that rests on: the bearer token's user, else the session's.

    :raises Problem: 401 nobody, 403 no role, 429 too often.
    """
    try:
        pair: Any = BearerAuthentication().authenticate(request)  # type: ignore[arg-type]
    except AuthenticationFailed as error:
        raise Problem(
            status=401, code="token_not_valid", detail="The token is not valid."
        ) from error
    user = pair[0] if pair else request.user
    if not user.is_authenticated:
        raise Problem(
            status=401, code="not_authenticated", detail="Log in, or send a bearer token."
        )
    if not access.may_see(user):
        raise Problem(status=403, code="permission_denied", detail="Your account has no role.")
    if wait_s := throttling.wait_s(scope="read", caller=caller_of(user)):
        raise Problem(
            status=429,
            code="throttled",
            detail="Too many requests.",
            headers={"Retry-After": str(math.ceil(wait_s))},
        )
    if pair:
        return user, Standing.of_token(pair[1], user)
    return user, Standing.of_session(request.session, user)
