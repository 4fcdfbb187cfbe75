"""What became of the times of all schedules."""

from __future__ import annotations

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString

from jobs import access, console
from jobs.admin.base import Empty, ReadOnly
from jobs.models import ScheduleRun


@admin.register(ScheduleRun)
class ScheduleRunAdmin(ReadOnly):
    """The history of all schedules."""

    empty = Empty(
        icon="history",
        title="No schedule has run yet",
        text="Each time at which a schedule was due is listed here, with its job or the reason why "
        "there is none.",
        button="Schedules",
        link="admin:jobs_schedule_changelist",
    )

    list_display = ("due", "schedule_link", "trigger", "outcome", "note", "job_link")
    list_display_links = None
    list_filter = ("outcome", "trigger")
    list_select_related = ("schedule", "job", "by")
    paginator = console.CappedPaginator
    show_full_result_count = False
    show_facets = admin.ShowFacets.NEVER
    ordering = ("-id",)

    def get_queryset(self, request: HttpRequest) -> QuerySet[ScheduleRun]:
        found = super().get_queryset(request)
        if access.is_admin(request.user):
            return found
        return found.filter(schedule__owner_id=request.user.pk)

    @admin.display(description="Due")
    def due(self, run: ScheduleRun) -> SafeString:
        return console.when(run.due_at)

    @admin.display(description="Schedule")
    def schedule_link(self, run: ScheduleRun) -> SafeString:
        url = reverse("admin:jobs_schedule_change", args=[run.schedule_id])
        return format_html('<a class="td-link" href="{}">{}</a>', url, run.schedule)

    @admin.display(description="Job")
    def job_link(self, run: ScheduleRun) -> SafeString:
        if run.job is None:
            return SafeString("–")
        url = reverse("admin:jobs_job_change", args=[run.job_id])
        return format_html('<a href="{}">{}</a>', url, console.chip(run.job))
