"""Liveness and readiness, for load balancers, orchestrators and people."""

from __future__ import annotations

import dataclasses
import time
from threading import Lock
from typing import Any

from django.http import HttpRequest, JsonResponse
from django.http.response import HttpResponseBase
from django.views.decorators.http import require_safe

from jobs import health, scrapers
from jobs.api.problem import CONTENT_TYPE, problem, problem_response

# Readiness writes a file and asks the database several times: whoever polls faster gets this answer.
FRESH_S = 2.0

_lock = Lock()
_kept: dict[tuple[str, ...], tuple[float, list[health.Check]]] = {}


@require_safe
def live(request: HttpRequest) -> HttpResponseBase:
    """GET → 200 while this process answers requests; it asks nothing else of anybody."""
    return _uncached(JsonResponse({"status": "ok"}))


@require_safe
def ready(request: HttpRequest) -> HttpResponseBase:
    """GET ?checks=database,storage → {ready, checks}: 200, or 503 (a problem with these) when one fails.

    Everybody learns the names and states; the details only an operator who is logged in, a caller
    on this machine, or one with METRICS_TOKEN. Answers are at most two seconds old.
    """
    asked = request.GET.get("checks", "")
    names = tuple(part.strip() for part in asked.split(",")) if asked else tuple(health.CHECKS)
    try:
        found = _checks(names)
    except health.UnknownCheck as error:
        return problem_response(
            status=400,
            code="invalid",
            detail="Some fields are not valid.",
            errors={"checks": [str(error)]},
        )
    whole = scrapers.may_scrape(request) or _is_operator(request)
    is_ready = health.is_ready(found)
    body = {"ready": is_ready, "checks": [_dto(check, whole=whole) for check in found]}
    if is_ready:
        return _uncached(JsonResponse(body))
    failed = ", ".join(check.name for check in found if check.status == "fail")
    refusal = problem(status=503, code="not_ready", detail=f"Not ready: {failed}.")
    response = JsonResponse({**refusal, **body}, status=503, content_type=CONTENT_TYPE)
    # Whoever polls sees it; one line a poll in the log would bury the cause.
    response._has_been_logged = True  # type: ignore[attr-defined]
    return _uncached(response)


def _checks(names: tuple[str, ...]) -> list[health.Check]:
    with _lock:
        kept = _kept.get(names)
        if kept is not None and time.monotonic() - kept[0] < FRESH_S:
            return kept[1]
        found = health.checks(names)
        _kept.clear()
        _kept[names] = (time.monotonic(), found)
        return found


def _is_operator(request: HttpRequest) -> bool:
    # Not reached while the database is away: then nobody's session can be read.
    try:
        return bool(request.user.is_authenticated and request.user.is_staff)
    except Exception:  # noqa: BLE001
        # A database that is away must not turn the answer "not ready" into an error.
        return False


def _dto(check: health.Check, *, whole: bool) -> dict[str, Any]:
    if not whole:
        return {"name": check.name, "status": check.status}
    fields = dataclasses.asdict(check)
    fields["whatToDo"] = fields.pop("todo")
    fields["tookMs"] = fields.pop("took_ms")
    return fields


def _uncached(response: HttpResponseBase) -> HttpResponseBase:
    response["Cache-Control"] = "no-store"
    return response
