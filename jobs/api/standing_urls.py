"""Routes of what goes on by itself: health, schedules, workers."""

from django.urls import re_path

from jobs.api import health, schedules, workers

# A malformed id reaches its view, which answers that there is no such schedule.
_SCHEDULE = r"^schedules/(?P<schedule_id>[^/]+)"

urlpatterns = [
    re_path(r"^health/live/?$", health.live, name="api-health-live"),
    re_path(r"^health/ready/?$", health.ready, name="api-health-ready"),
    re_path(r"^schedules/?$", schedules.SchedulesView.as_view(), name="api-schedules"),
    re_path(rf"{_SCHEDULE}/?$", schedules.ScheduleView.as_view(), name="api-schedule"),
    re_path(
        rf"{_SCHEDULE}/pause/?$", schedules.SchedulePauseView.as_view(), name="api-schedule-pause"
    ),
    re_path(
        rf"{_SCHEDULE}/resume/?$",
        schedules.ScheduleResumeView.as_view(),
        name="api-schedule-resume",
    ),
    re_path(rf"{_SCHEDULE}/run/?$", schedules.ScheduleRunView.as_view(), name="api-schedule-run"),
    re_path(
        rf"{_SCHEDULE}/runs/?$", schedules.ScheduleRunsView.as_view(), name="api-schedule-runs"
    ),
    re_path(r"^workers/?$", workers.WorkersView.as_view(), name="api-workers"),
    re_path(r"^workers/drains/?$", workers.DrainsView.as_view(), name="api-drains"),
    re_path(
        r"^workers/drains/(?P<drain_id>[^/]+)/?$", workers.DrainView.as_view(), name="api-drain"
    ),
]
