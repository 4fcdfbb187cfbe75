"""Every route. API paths work with and without a trailing slash."""

from importlib.util import find_spec

from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from django.urls import URLPattern, URLResolver, include, path, re_path
from django.views.generic import RedirectView

from jobs.api.problem import problem_response
from recorder.trace_viewer import trace_viewer


def unknown_route(request: HttpRequest, _path: str) -> HttpResponse:
    return problem_response(status=404, detail=f"There is no {request.path} here.")


api: list[URLPattern | URLResolver] = [
    path("", include("config.api.urls")),
    path("", include("jobs.urls")),
    path("", include("documents.api.extraction_urls")),
    path("", include("documents.urls")),
]
if find_spec("recorder.urls"):
    api.append(path("", include("recorder.urls")))
# Last, so that APPEND_SLASH never answers a wrong API path with a redirect.
api.append(re_path(r"^(.*)$", unknown_route))

urlpatterns = [
    path("", RedirectView.as_view(pattern_name="admin:index")),
    path("admin/", admin.site.urls),
    path("api/", include(api)),
    path("trace-viewer/", trace_viewer, name="trace-viewer"),
    path("trace-viewer/<path:name>", trace_viewer),
]
