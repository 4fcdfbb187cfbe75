"""The jobs API, below /api/."""

from django.urls import include, path, re_path

from jobs.api import history, views
from jobs.sse import job_events

# A malformed id reaches its view, which answers that there is no such job.
_JOB = r"^jobs/(?P<job_id>[^/]+)"

urlpatterns = [
    path("", include("jobs.api.standing_urls")),
    re_path(r"^config/job-options/?$", views.JobOptionsView.as_view(), name="api-job-options"),
    re_path(r"^jobs/?$", views.JobsView.as_view(), name="api-jobs"),
    re_path(r"^jobs/events/?$", job_events, name="api-job-stream"),
    re_path(r"^jobs/summary/?$", views.SummaryView.as_view(), name="api-job-summary"),
    re_path(rf"{_JOB}/?$", views.JobView.as_view(), name="api-job"),
    re_path(rf"{_JOB}/actions/?$", views.ActionsView.as_view(), name="api-job-actions"),
    re_path(rf"{_JOB}/cancel/?$", views.CancelView.as_view(), name="api-job-cancel"),
    re_path(rf"{_JOB}/events/?$", history.JobEventsView.as_view(), name="api-job-events"),
    re_path(rf"{_JOB}/log/?$", history.LogView.as_view(), name="api-job-log"),
    re_path(rf"{_JOB}/attempts/?$", history.AttemptsView.as_view(), name="api-job-attempts"),
    re_path(rf"{_JOB}/artifacts/?$", history.ArtifactsView.as_view(), name="api-job-artifacts"),
    re_path(rf"{_JOB}/artifacts\.zip/?$", history.ArchiveView.as_view(), name="api-job-archive"),
    re_path(
        rf"{_JOB}/artifacts/(?P<path>.+?)/?$",
        history.ArtifactView.as_view(),
        name="api-job-artifact",
    ),
]
