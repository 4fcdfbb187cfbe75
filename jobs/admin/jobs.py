"""The console's pages of jobs: list, one job, cancelling. Rows are read-only."""

from __future__ import annotations

from typing import Any, cast
from uuid import UUID

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseNotAllowed, JsonResponse
from django.template.response import TemplateResponse
from django.urls import path
from django.utils import timezone
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.views.decorators.http import require_POST
from unfold.views import ChangeList

from jobs import access, console, dashboard, feed, search
from jobs.admin import job_filters, job_page, job_tabs
from jobs.admin.base import OwnerShown, ReadOnly
from jobs.admin.bulk import Bulk
from jobs.admin.job_actions import JobActions
from jobs.admin.new_job import NewJob
from jobs.models import Job, JobQuerySet
from jobs.waiting import why_waiting


class JobChangeList(ChangeList):
    def get_queryset(self, request: HttpRequest, exclude_parameters: Any = None) -> QuerySet[Job]:
        # Not joined: a planner might begin with the owners, and sort all jobs of each.
        found: QuerySet[Job] = super().get_queryset(request, exclude_parameters)
        return found.prefetch_related("owner")

    def get_results(self, request: HttpRequest) -> None:
        super().get_results(request)
        if not self.multi_page:
            # By the pages' own way too: for few among a million it matters more than for many.
            self.result_list = self.paginator.page(1).object_list


@admin.register(Job)
class JobAdmin(JobActions, NewJob, Bulk, OwnerShown, ReadOnly):  # type: ignore[misc]  # the theme's own bases disagree
    list_display = ("state", "title", "kind_shown", "owner_shown", "queued", "took", "id_shown")
    list_display_links = ("title",)
    list_filter = job_filters.ALL
    list_per_page = 50
    show_full_result_count = False
    sortable_by = ()
    ordering = ("-id",)
    search_fields = ("name",)
    search_help_text = "Words of the name or error, or a whole id"
    paginator = console.CappedPaginator
    show_facets = admin.ShowFacets.NEVER
    actions = ("cancel_selected", "rerun_selected", "tag_selected", "delete_ended")
    change_list_template = "admin/jobs/job/list.html"

    def get_queryset(self, request: HttpRequest) -> QuerySet[Job]:
        return Job.objects.visible_to(request.user)

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[ChangeList]:  # type: ignore[override]  # the theme annotates an instance
        return JobChangeList

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Job], search_term: str
    ) -> tuple[QuerySet[Job], bool]:
        if not search_term.strip():
            return queryset, False
        jobs = cast(JobQuerySet, queryset)
        try:
            found = search.matching(jobs, search_term, by=request.user)
        except ValueError as too_long:
            self.message_user(request, str(too_long), messages.ERROR)
            return jobs.none(), False
        if found.limited:
            note = (
                f"More jobs match. These are of the newest {search.CAP:,}: add a word or a filter."
            )
            self.message_user(request, note, messages.INFO)
        return found.jobs, False

    @admin.display(description="State")
    def state(self, job: Job) -> SafeString:
        return console.chip(job)

    @admin.display(description="Job")
    def title(self, job: Job) -> SafeString:
        # The link is drawn around it.
        return format_html(
            '<span class="td-strong">{}</span><small class="td-why" data-why="{}">{}</small>'
            '<span class="td-row-tags">{}</span>',
            job,
            job.pk,
            console.reason_words(job.reason),
            format_html_join("", '<span class="td-tag td-tag-small">{}</span>', _few(job.tags)),
        )

    @admin.display(description="Kind")
    def kind_shown(self, job: Job) -> SafeString:
        return format_html('<code class="td-kind">{}</code>', job.kind)

    @admin.display(description="Id")
    def id_shown(self, job: Job) -> SafeString:
        # The end: ids of one minute begin alike.
        short = str(job.pk)[-6:]
        return format_html(
            '<td-copy class="td-copy-small" value="{}" label="{}"></td-copy>', job.pk, short
        )

    @admin.display(description="Queued")
    def queued(self, job: Job) -> SafeString:
        return console.when(job.created_at)

    @admin.display(description="Duration")
    def took(self, job: Job) -> SafeString:
        return console.duration(job)

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> TemplateResponse:
        # The cursor before the rows: what happens in between arrives over the socket.
        extra: dict[str, Any] = {
            "cursor": str(feed.read_now()),
            "statuses": job_filters.statuses(request),
            "tabs": job_filters.tabs(request),
            "bar": job_filters.bar(request),
            "query": job_filters.query_of(request),
            "may_do": access.may_do(request.user),
            "reason_words": console.known_reasons(),
        }
        context: dict[str, Any] = {**extra, **(extra_context or {})}
        return super().changelist_view(request, context)

    def get_urls(self) -> list[Any]:
        def page(view: Any) -> Any:
            return self.admin_site.admin_view(view)

        own = [
            path("new/", page(self.new_view), name="jobs_job_new"),
            path("tabs/save/", page(require_POST(job_tabs.save_tab)), name="jobs_tab_save"),
            path(
                "tabs/<int:tab_id>/remove/",
                page(require_POST(job_tabs.remove_tab)),
                name="jobs_tab_remove",
            ),
            path("counts/", page(self.counts_view), name="jobs_counts"),
            path("overview/", page(self.overview_view), name="jobs_overview"),
            path("<path:object_id>/waiting/", page(self.waiting_view), name="jobs_job_waiting"),
        ]
        return [*own, *self.action_urls(), *super().get_urls()]

    def one(self, request: HttpRequest, object_id: str) -> Job:
        """:raises Http404: no such job, or not this user's to see."""
        try:
            key = UUID(object_id)
        except ValueError as error:
            raise Http404("A job's id is a UUID.") from error
        job = self.get_queryset(request).select_related("owner", "parent").filter(pk=key).first()
        if job is None:
            raise Http404("There is no such job, or it is not yours.")
        return job

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        """One job; everything that moves on the page comes by its events."""
        if request.method != "GET":
            return HttpResponseNotAllowed(["GET"])
        job = self.one(request, object_id)
        context = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "original": job,
            "title": str(job),
            **job_page.context(job=job, request=request),
        }
        return TemplateResponse(request, "admin/jobs/job/page.html", context)

    def counts_view(self, request: HttpRequest) -> JsonResponse:
        """GET → {queued: "12", …}: the numbers on the state chips."""
        return JsonResponse(job_filters.counts(request.user))

    def overview_view(self, request: HttpRequest) -> JsonResponse:
        """GET → what the dashboard shows, as it is now."""
        return JsonResponse(dashboard.overview(request.user, now=timezone.now()))

    def waiting_view(self, request: HttpRequest, object_id: str) -> JsonResponse:
        """GET → {why: […]}: what keeps the job from starting, while it is queued."""
        job = self.one(request, object_id)
        return JsonResponse({"why": why_waiting(job=job, now=timezone.now())})


def _few(tags: list[str]) -> list[tuple[str]]:
    """The first tags, and how many there are besides."""
    more = [(f"+{len(tags) - 3}",)] if len(tags) > 3 else []
    return [*((str(tag),) for tag in tags[:3]), *more]
