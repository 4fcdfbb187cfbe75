"""Errors as RFC 9457 problem details: one shape, whichever app and layer raised them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from django.conf import settings
from django.core.exceptions import PermissionDenied, RequestDataTooBig
from django.http import Http404, HttpResponse
from rest_framework import exceptions
from rest_framework.response import Response

from jobs.api.rendering import ProblemResponse
from jobs.queue.turn import TurnNotGiven
from jobs.registry import InvalidOptions, UnknownKind
from jobs.services import refusals
from jobs.services.refusals import InvalidFields

CONTENT_TYPE = ProblemResponse.CONTENT_TYPE

# What a verb refuses, whichever route it was asked by; the first that fits.
_REFUSALS: tuple[tuple[type[Exception], int, str], ...] = (
    (refusals.UnknownAction, 400, "unknown_action"),
    (refusals.UnknownPreset, 400, "unknown_preset"),
    (refusals.NotSubmittable, 400, "not_submittable"),
    (refusals.IdempotencyConflict, 422, "idempotency_conflict"),
    (refusals.JobNotCancellable, 422, "job_ended"),
    (refusals.JobNotEnded, 422, "job_not_ended"),
    (refusals.JobNotQueued, 422, "job_not_queued"),
    (refusals.JobInUse, 422, "job_in_use"),
    (refusals.AlreadyDraining, 422, "already_draining"),
    (refusals.ScheduleBusy, 422, "schedule_busy"),
    (refusals.ScheduleBroken, 422, "schedule_broken"),
    (refusals.ScheduleNotPaused, 422, "schedule_not_paused"),
    (refusals.ActionRefused, 422, "action_refused"),
)


class Problem(exceptions.APIException):
    """An expected refusal: `status` (HTTP), a stable `code`, a sentence, messages by field."""

    def __init__(
        self,
        *,
        status: int,
        code: str,
        detail: str,
        errors: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(detail=detail, code=code)
        self.status_code = status
        self.errors = errors
        self.headers = dict(headers or {})


def problem(
    *, status: int, code: str = "", detail: str = "", errors: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    """The body: `type`, `title`, `status`, `code`, `detail` and, where fields are at fault, `errors`."""
    standard = HTTPStatus(status)
    body: dict[str, Any] = {
        "type": "about:blank",
        "title": standard.phrase,
        "status": status,
        "code": code or standard.name.lower(),
        "detail": detail or standard.description or standard.phrase,
    }
    if errors:
        body["errors"] = {str(name): _messages(value) for name, value in errors.items()}
    return body


def problem_response(
    *, status: int, code: str = "", detail: str = "", errors: Mapping[str, Any] | None = None
) -> HttpResponse:
    """The same as a Django response, for what is no DRF view."""
    body = problem(status=status, code=code, detail=detail, errors=errors)
    return HttpResponse(json.dumps(body), status=status, content_type=CONTENT_TYPE)


def exception_handler(error: Exception, context: Mapping[str, Any]) -> Response | None:
    """DRF's `EXCEPTION_HANDLER`; None lets an unexpected error rise to Django, which logs it."""
    # Late: the views module reads the settings, which name parsers that raise problems.
    from rest_framework.views import exception_handler as drf_response

    error = _as_api_exception(error)
    plain = drf_response(error, dict(context))
    if plain is None or not isinstance(error, exceptions.APIException):
        return None
    errors: Mapping[str, Any] | None = None
    detail = ""
    code = ""
    if isinstance(error, Problem):
        errors = error.errors
    if isinstance(error, exceptions.ValidationError):
        code, detail = "invalid", "Some fields are not valid."
        errors = error.detail if isinstance(error.detail, dict) else {"body": error.detail}
    elif isinstance(error.detail, dict):  # simplejwt: {"detail": …, "code": …, "messages": …}
        detail = str(error.detail.get("detail", ""))
        code = str(error.detail.get("code", ""))
    elif isinstance(error.detail, list):
        detail = " ".join(str(line) for line in error.detail)
    else:
        detail = str(error.detail)
        code = getattr(error.detail, "code", "")
    response = ProblemResponse(
        problem(status=error.status_code, code=code, detail=detail, errors=errors),
        status=error.status_code,
    )
    for name in ("WWW-Authenticate", "Retry-After", "Allow"):
        if plain.has_header(name):
            response[name] = plain[name]
    if isinstance(error, Problem):
        for name, value in error.headers.items():
            response[name] = value
    return response


def _as_api_exception(error: Exception) -> Exception:
    if isinstance(error, Http404):
        return exceptions.NotFound("There is no such thing, or it is not yours.")
    if isinstance(error, PermissionDenied):
        return exceptions.PermissionDenied(str(error) or None)
    if isinstance(error, InvalidOptions):
        return Problem(
            status=400,
            code="invalid_options",
            detail="Some options are not valid.",
            errors=error.errors,
        )
    if isinstance(error, InvalidFields):
        return Problem(
            status=400, code="invalid", detail="Some fields are not valid.", errors=error.errors
        )
    for refused, status, code in _REFUSALS:
        if isinstance(error, refused):
            return Problem(status=status, code=code, detail=str(error))
    if isinstance(error, RequestDataTooBig):
        most = settings.DATA_UPLOAD_MAX_MEMORY_SIZE
        return Problem(
            status=413, code="body_too_large", detail=f"A request has at most {most:,} bytes."
        )
    if isinstance(error, TurnNotGiven):
        return Problem(
            status=503,
            code="database_busy",
            detail="Another process writes to the database and does not end; see /api/health/ready.",
            headers={"Retry-After": "30"},
        )
    if isinstance(error, UnknownKind):
        return Problem(status=400, code="unknown_kind", detail=str(error))
    return error


def _messages(value: Any) -> Any:
    """Messages as lists of strings; nested fields stay nested."""
    if isinstance(value, Mapping):
        return {str(name): _messages(inner) for name, inner in value.items()}
    if isinstance(value, list | tuple):
        if any(isinstance(inner, Mapping) for inner in value):
            return [_messages(inner) for inner in value]
        return [str(inner) for inner in value]
    return [str(value)]
