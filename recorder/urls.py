"""Routes below /api/ . Each works with and without a trailing slash."""

from django.urls import re_path

from recorder.api import views

SESSION = (
    r"^recorder/sessions/(?P<session_id>[0-9a-fA-F]{8}(?:-?[0-9a-fA-F]{4}){3}-?[0-9a-fA-F]{12})"
)
STEP = SESSION + r"/steps/(?P<key>[^/]{1,40})"

urlpatterns = [
    re_path(r"^recorder/sessions/?$", views.SessionsView.as_view(), name="api-recorder-sessions"),
    re_path(SESSION + r"/?$", views.SessionView.as_view(), name="api-recorder-session"),
    re_path(SESSION + r"/stop/?$", views.StopView.as_view(), name="api-recorder-stop"),
    re_path(SESSION + r"/replay/?$", views.ReplayView.as_view(), name="api-recorder-replay"),
    re_path(SESSION + r"/steps/?$", views.StepsView.as_view(), name="api-recorder-steps"),
    re_path(STEP + r"/?$", views.StepView.as_view(), name="api-recorder-step"),
    re_path(
        STEP + r"/restore/?$", views.RestoreStepView.as_view(), name="api-recorder-step-restore"
    ),
    re_path(
        r"^recorder/(?P<session_id>[0-9a-fA-F]{8}(?:-?[0-9a-fA-F]{4}){3}-?[0-9a-fA-F]{12})/artifacts/(?P<path>.+)$",
        views.ArtifactView.as_view(),
        name="api-recorder-artifact",
    ),
]
