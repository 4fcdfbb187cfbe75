"""The API of the index, below /api/. With and without a trailing slash."""

from django.urls import re_path

from ingestion.api import search_views

urlpatterns = [
    re_path(r"^vector/query/?$", search_views.QueryView.as_view(), name="api-vector-query"),
    re_path(r"^vector/stats/?$", search_views.StatsView.as_view(), name="api-vector-stats"),
]
