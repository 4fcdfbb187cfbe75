"""The description of the API: what every operation has in common, and routes that DRF does not know."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, Literal

from django.conf import settings
from django.urls import URLPattern, URLResolver, get_resolver
from drf_spectacular.extensions import OpenApiAuthenticationExtension
from drf_spectacular.openapi import AutoSchema
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiResponse
from rest_framework.permissions import AllowAny
from rest_framework.schemas.generators import EndpointEnumerator

from jobs.api.plain import PLAIN
from jobs.api.problem import CONTENT_TYPE
from jobs.api.shapes import Problem as ProblemShape

_SAID = {
    400: "Something given is not valid; `errors` names the fields.",
    401: "Nobody is logged in, or the token is not valid (any more).",
    403: "Your role does not allow this, or it is another's.",
    404: "There is no such thing, or it is not yours.",
    406: "It can not be had in this form.",
    409: "Its state does not allow this.",
    413: "The request is too large.",
    415: "The body has a type that is not read here.",
    422: "It is understood, but the state of things does not allow it.",
    429: "Too many requests; `Retry-After` says how long to wait, in seconds.",
}


def refused(*statuses: int) -> dict[int, OpenApiResponse]:
    """For `responses=`: refusals that an operation has beyond those that all have."""
    return {status: OpenApiResponse(description=_SAID[status]) for status in statuses}


class Described(AutoSchema):
    """Adds to each operation the errors that follow from its nature, all as problem details."""

    def get_tags(self) -> list[str]:
        parts = self.path.removeprefix("/api").strip("/").split("/")
        return [parts[0] or "start"]

    def get_operation_id(self) -> str:
        """By method and address, parameters too: a list and one of it never share one."""
        parts = self.path.removeprefix("/api").strip("/").replace("{", "by_").replace("}", "")
        words = [word for word in re.split(r"\W+", parts) if word]
        return "_".join([*words, self.method.lower()])

    def _get_serializer(self) -> Any:
        """A view that says nothing of its bodies has JSON objects: true, if not much."""
        if self._says_nothing():
            return OpenApiTypes.OBJECT
        return super()._get_serializer()  # type: ignore[no-untyped-call]

    def _says_nothing(self) -> bool:
        described = type(self) is not Described or hasattr(self.view, "serializer_class")
        return not described and not hasattr(self.view, "get_serializer")

    def _get_response_bodies(
        self, direction: Literal["request", "response"] = "response"
    ) -> dict[str, Any]:
        bodies: dict[str, Any] = {
            str(status): body for status, body in super()._get_response_bodies(direction).items()
        }
        if self._says_nothing():
            bodies = {"2XX": {"description": "It was done.", "content": {"*/*": {}}}}
        for status in self._errors():
            bodies.setdefault(str(status), {"description": _SAID[status]})
        problem = self.resolve_serializer(ProblemShape, direction).ref
        for code, body in bodies.items():
            if code.isdigit() and int(code) >= 400:
                body["content"] = {CONTENT_TYPE: {"schema": problem}}
        return dict(sorted(bodies.items()))

    def _errors(self) -> Iterator[int]:
        public = all(isinstance(permission, AllowAny) for permission in self.view.get_permissions())
        has_body = self.method in {"POST", "PUT", "PATCH"}
        yield 429
        if has_body:
            yield from (400, 413, 415)
        if self._get_parameters():
            yield 400
        if "{" in self.path:
            yield 404
        if not public or has_body:
            yield from (401, 403)
        if self._says_nothing():
            yield from (400, 404, 406, 409, 422)


class BearerScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]
    """How `Authorization: Bearer …` is described."""

    target_class = "jobs.api.authentication.BearerAuthentication"
    name = "jwtAuth"

    def get_security_definition(self, auto_schema: AutoSchema) -> dict[str, str]:
        return {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"}


Endpoint = tuple[str, str, str, Any]


def offered(endpoints: list[Endpoint], **_: Any) -> list[Endpoint]:
    """Without what `EXTENDED_API=0` takes away."""
    if settings.EXTENDED_API:
        return endpoints
    core = {view for _route, name, view in routes(get_resolver().url_patterns) if is_core(name)}
    return [endpoint for endpoint in endpoints if endpoint[3] in core]


def finished(result: dict[str, Any], **_: Any) -> dict[str, Any]:
    """The whole description: addresses without a trailing slash, and what is no DRF view."""
    paths = {path.rstrip("/") or path: found for path, found in result["paths"].items()}
    for route, name, _view in routes(get_resolver().url_patterns):
        if name in PLAIN and (settings.EXTENDED_API or is_core(name)):
            paths[route] = PLAIN[name]
    result["paths"] = dict(sorted(paths.items()))
    return result


def is_core(name: str | None) -> bool:
    """Whether the route of this name stays with `EXTENDED_API=0`."""
    return name in settings.CORE_ROUTES


def routes(
    patterns: list[URLPattern | URLResolver], prefix: str = ""
) -> Iterator[tuple[str, str | None, Any]]:
    """Each route as an address with its parameters in braces, its name and its view."""
    spelled = EndpointEnumerator().get_path_from_regex
    for pattern in patterns:
        route = prefix + str(pattern.pattern)
        if isinstance(pattern, URLResolver):
            yield from routes(pattern.url_patterns, route)
        elif pattern.callback is not None:
            address = spelled(route).replace("\\", "")
            yield address.rstrip("/") or address, pattern.name, pattern.callback
