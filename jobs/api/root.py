"""Where the API begins, and what answers for addresses that are nothing."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework.exceptions import NotFound
from rest_framework.permissions import AllowAny
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from jobs.api.base import ApiView
from jobs.api.rendering import UNKNOWN
from jobs.api.shapes import RootShape


class Root(ApiView):
    """Where to begin: the jobs, what can be submitted, and the description of everything."""

    @extend_schema(operation_id="root", summary="Begin here", responses=RootShape)
    def get(self, request: Request) -> Response:
        found = {"jobs": "/api/jobs", "jobOptions": "/api/config/job-options"}
        described = {"schema": "/api/schema", "documentation": "/api/docs"}
        urls = {**found, "events": "/api/jobs/events?job=*", **described}
        return Response({name: request.build_absolute_uri(url) for name, url in urls.items()})

    def get_view_name(self) -> str:
        return "Tapedeck API"


class UnknownRoute(APIView):
    """There is nothing at this address."""

    authentication_classes = ()
    permission_classes = (AllowAny,)
    schema = None

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        raise NotFound(f"There is no {request.path} here.")

    def get_view_name(self) -> str:
        return UNKNOWN

    # Every method gets to `initial`, and so the same answer.
    def get(self, request: Request, path: str) -> Response:
        raise NotFound

    post = put = patch = delete = get
