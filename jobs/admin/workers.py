"""The workers that run jobs, as they report themselves."""

from __future__ import annotations

from django.contrib import admin
from django.db.models import Exists, OuterRef, QuerySet
from django.http import HttpRequest
from django.urls import reverse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString

from jobs import console, system
from jobs.admin.base import Empty
from jobs.admin.drains import STATE_WORDS, DrainsWorkers
from jobs.models import Job, Worker


@admin.register(Worker)
class WorkerAdmin(DrainsWorkers):
    empty = Empty(
        icon="memory",
        title="No worker has reported yet",
        text="Nothing that is queued will start. Start Tapedeck with ./run, or workers alone with "
        "manage.py up --only workers.",
        button="System",
        link="console-system",
    )
    list_display = ("name", "queue", "host", "pid", "state", "doing", "started", "seen", "alive")
    actions = ("drain_workers", "drain_clusters", "resume_workers")
    list_display_links = None
    list_select_related = ("job",)
    list_filter = ("queue",)
    paginator = console.CappedPaginator
    show_facets = admin.ShowFacets.NEVER

    def get_queryset(self, request: HttpRequest) -> QuerySet[Worker]:
        seen = Job.objects.visible_to(request.user).filter(pk=OuterRef("job_id"))
        return system.worker_rows().annotate(shows_job=Exists(seen))

    @admin.display(description="State")
    def state(self, worker: Worker) -> str:
        return STATE_WORDS[system.worker_fact(worker).state]

    @admin.display(description="Working on")
    def doing(self, worker: Worker) -> str | SafeString:
        if worker.job is None:
            return "idle"
        if not getattr(worker, "shows_job", False):
            return "a job of somebody else"
        url = reverse("admin:jobs_job_change", args=[worker.job_id])
        return format_html('<a href="{}">{}</a>', url, worker.job)

    @admin.display(description="Started")
    def started(self, worker: Worker) -> SafeString:
        return console.when(worker.started_at)

    @admin.display(description="Last seen")
    def seen(self, worker: Worker) -> SafeString:
        return console.when(worker.seen_at)

    @admin.display(description="Alive", boolean=True)
    def alive(self, worker: Worker) -> bool:
        return (timezone.now() - worker.seen_at).total_seconds() < console.ALIVE_S
