"""Rates over REST: 429 with Retry-After, counted for all web processes together."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from rest_framework.permissions import SAFE_METHODS
from rest_framework.request import Request
from rest_framework.throttling import BaseThrottle

from jobs import context, throttling

if TYPE_CHECKING:
    from rest_framework.views import APIView


class ByScope(BaseThrottle):
    """By user; by address where nobody is logged in, or the view has `throttle_by_address`.

    A view's `throttle_scope` (for all methods) or `throttle_scopes` (by method) names its rate;
    else reading is `read` and all other methods are `write`.
    """

    _wait_s = 0.0

    def allow_request(self, request: Request, view: APIView) -> bool:
        nobody = getattr(view, "throttle_by_address", False)
        caller = caller_of(None if nobody else request.user)
        self._wait_s = throttling.wait_s(scope=_scope(request, view), caller=caller)
        return self._wait_s == 0

    def wait(self) -> float:
        return math.ceil(self._wait_s)


def caller_of(user: object) -> str:
    key = getattr(user, "pk", None)
    return f"user:{key}" if key else f"address:{context.current().address}"


def _scope(request: Request, view: APIView) -> str:
    named = getattr(view, "throttle_scopes", {}).get(request.method)
    if named or (named := getattr(view, "throttle_scope", None)):
        return str(named)
    return "read" if request.method in SAFE_METHODS else "write"
