"""The API of sources and of what is indexed, below /api/. With and without a trailing slash."""

from django.urls import re_path

from ingestion.api import held_views, ingest, views

# A malformed id reaches its view, which answers that there is no such thing.
_SOURCE = r"^sources/(?P<source_id>[^/]+)"
_DOCUMENT = r"^vector/docs/(?P<document_id>[^/]+)"

urlpatterns = [
    re_path(r"^config/source-kinds/?$", views.KindsView.as_view(), name="api-source-kinds"),
    re_path(r"^sources/?$", views.SourcesView.as_view(), name="api-sources"),
    re_path(r"^sources/test/?$", views.TryView.as_view(), name="api-source-try"),
    re_path(rf"{_SOURCE}/?$", views.SourceOneView.as_view(), name="api-source"),
    re_path(rf"{_SOURCE}/test/?$", views.TryOneView.as_view(), name="api-source-test"),
    re_path(rf"{_SOURCE}/sync/?$", views.SyncView.as_view(), name="api-source-sync"),
    re_path(rf"{_SOURCE}/pause/?$", views.PauseView.as_view(), name="api-source-pause"),
    re_path(rf"{_SOURCE}/resume/?$", views.ResumeView.as_view(), name="api-source-resume"),
    re_path(rf"{_SOURCE}/schedule/?$", views.ScheduleView.as_view(), name="api-source-schedule"),
    re_path(
        rf"{_SOURCE}/documents/?$", held_views.DocumentsView.as_view(), name="api-source-documents"
    ),
    re_path(r"^ingest/documents/?$", ingest.DocumentsView.as_view(), name="api-ingest-documents"),
    re_path(r"^ingest/jira/?$", ingest.JiraView.as_view(), name="api-ingest-jira"),
    re_path(r"^ingest/website/?$", ingest.WebsiteView.as_view(), name="api-ingest-website"),
    re_path(r"^vector/docs/?$", held_views.RemoveView.as_view(), name="api-vector-docs"),
    re_path(rf"{_DOCUMENT}/?$", held_views.DocumentView.as_view(), name="api-vector-doc"),
    re_path(
        rf"{_DOCUMENT}/chunks/?$", held_views.ChunksView.as_view(), name="api-vector-doc-chunks"
    ),
]
