"""What the admin's theme asks the project for."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest
from django.templatetags.static import static
from django.urls import reverse
from django.utils import timezone

from jobs import access, console, feed
from jobs import dashboard as start_page
from jobs.events import job_dto
from jobs.models import Job
from jobs.preferences import Preferences, of_request
from jobs.sight import first_rows


def theme(request: HttpRequest) -> str | None:
    """The theme that this person set; None: as their system has it."""
    set_to = of_request(request).theme
    return None if set_to == Preferences.Theme.AUTO else set_to


def personal(request: HttpRequest) -> dict[str, Any]:
    """Context processor: what the page's scripts need to know of this person's settings."""
    if not request.path_info.startswith("/admin/"):
        return {}
    return {"person_time_zone": of_request(request).time_zone}


def console_css(request: HttpRequest) -> str:
    return static("tapedeck/console.css")


def dashboard(request: HttpRequest, context: dict[str, Any]) -> dict[str, Any]:
    """The start page: figures, the newest jobs, and what to do next while there are none."""
    # The cursor before the rows: what happens in between arrives over the socket.
    cursor = str(feed.read_now())
    jobs = Job.objects.visible_to(request.user).prefetch_related("owner")
    return {
        **context,
        "title": "Dashboard",
        "cursor": cursor,
        "overview": start_page.overview(request.user, now=timezone.now()),
        "recent": [job_dto(job) for job in first_rows(jobs, ["-id"], 12)],
        "new_recording_url": console.recording_url() if access.may_do(request.user) else None,
        "new_job_url": reverse("admin:jobs_job_new") if access.may_do(request.user) else None,
        "reason_words": console.known_reasons(),
    }
