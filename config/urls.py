"""Every route. API paths work with and without a trailing slash."""

from importlib.util import find_spec

from django.contrib import admin
from django.urls import URLPattern, URLResolver, include, path, re_path
from django.views.generic import RedirectView
from drf_spectacular.views import SpectacularAPIView, SpectacularSwaggerSplitView

from jobs.api import root
from jobs.api.metrics import scrape
from recorder.trace_viewer import trace_viewer

api: list[URLPattern | URLResolver] = [
    path("", include("config.api.urls")),
    re_path(r"^$", root.Root.as_view(), name="api-root"),
    re_path(r"^schema/?$", SpectacularAPIView.as_view(), name="api-schema"),
    re_path(
        r"^docs/?$",
        SpectacularSwaggerSplitView.as_view(url_name="api-schema"),
        name="api-docs",
    ),
    path("", include("jobs.urls")),
    path("", include("documents.api.extraction_urls")),
    path("", include("documents.urls")),
    path("", include("ingestion.urls")),
    path("", include("ingestion.api.search_urls")),
]
if find_spec("recorder.urls"):
    api.append(path("", include("recorder.urls")))
# Last, so that APPEND_SLASH never answers a wrong API path with a redirect.
api.append(re_path(r"^(?P<path>.+)$", root.UnknownRoute.as_view(), name="api-unknown"))

urlpatterns = [
    path("", RedirectView.as_view(pattern_name="admin:index")),
    path("admin/system/", include("jobs.admin.system_urls")),
    path("admin/search/", include("ingestion.search_page_urls")),
    path("admin/", admin.site.urls),
    re_path(r"^metrics/?$", scrape, name="metrics"),
    path("api/", include(api)),
    re_path(r"^api$", root.Root.as_view()),
    path("trace-viewer/", trace_viewer, name="trace-viewer"),
    path("trace-viewer/<path:name>", trace_viewer),
]
