"""The console's pages of jobs: list, one job, cancelling. Rows are read-only."""

from __future__ import annotations

from typing import Any, cast
from uuid import UUID

from django.contrib import admin, messages
from django.contrib.auth.models import User
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseNotAllowed, JsonResponse
from django.template.response import TemplateResponse
from django.urls import path, reverse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString
from unfold.views import ChangeList

from jobs import console, dashboard, feed, registry, services
from jobs.admin import job_page
from jobs.admin.base import ReadOnly
from jobs.models import Job, Status
from jobs.waiting import why_waiting


class KindFilter(admin.SimpleListFilter):
    title = "kind"
    parameter_name = "kind"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [(kind.name, kind.name) for kind in registry.all_kinds()]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Job]) -> QuerySet[Job]:
        return queryset.filter(kind=self.value()) if self.value() else queryset


class JobChangeList(ChangeList):
    def get_results(self, request: HttpRequest) -> None:
        super().get_results(request)
        if not self.query and not self.has_active_filters:
            # The theme offers "show all" whenever the two differ, and full counts are off.
            self.full_result_count = self.result_count


@admin.register(Job)
class JobAdmin(ReadOnly):
    list_display = ("state", "title", "kind_shown", "owner_shown", "queued", "took")
    list_display_links = ("title",)
    list_filter = ("status", KindFilter)
    list_per_page = 50
    list_select_related = ("owner",)
    show_full_result_count = False
    sortable_by = ()
    ordering = ("-id",)
    search_fields = ("name",)
    search_help_text = "Name, or a whole id"
    paginator = console.CappedPaginator
    show_facets = admin.ShowFacets.NEVER
    actions = ("cancel_selected",)
    change_list_template = "admin/jobs/job/list.html"

    def get_queryset(self, request: HttpRequest) -> QuerySet[Job]:
        return Job.objects.visible_to(request.user)

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[ChangeList]:  # type: ignore[override]  # the theme annotates an instance
        return JobChangeList

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Job], search_term: str
    ) -> tuple[QuerySet[Job], bool]:
        try:
            return queryset.filter(pk=UUID(search_term.strip())), False
        except ValueError:
            rows, distinct = super().get_search_results(request, queryset, search_term)
            return rows, bool(distinct)

    @admin.display(description="State")
    def state(self, job: Job) -> SafeString:
        return console.chip(job)

    @admin.display(description="Job")
    def title(self, job: Job) -> SafeString:
        # The link is drawn around it.
        return format_html(
            '<span class="td-strong">{}</span><small class="td-why" data-why="{}">{}</small>',
            job,
            job.pk,
            console.reason_words(job.reason),
        )

    @admin.display(description="Kind")
    def kind_shown(self, job: Job) -> SafeString:
        return format_html('<code class="td-kind">{}</code>', job.kind)

    @admin.display(description="Owner")
    def owner_shown(self, job: Job) -> str:
        return job.owner.get_username()

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
            "statuses": _status_links(request),
            "reason_words": console.REASON_WORDS,
        }
        context: dict[str, Any] = {**extra, **(extra_context or {})}
        return super().changelist_view(request, context)

    def get_urls(self) -> list[Any]:
        def page(view: Any) -> Any:
            return self.admin_site.admin_view(view)

        own = [
            path("overview/", page(self.overview_view), name="jobs_overview"),
            path("<path:object_id>/waiting/", page(self.waiting_view), name="jobs_job_waiting"),
        ]
        return [*own, *super().get_urls()]

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

    def overview_view(self, request: HttpRequest) -> JsonResponse:
        """GET → what the dashboard shows, as it is now."""
        return JsonResponse(dashboard.overview(request.user, now=timezone.now()))

    def waiting_view(self, request: HttpRequest, object_id: str) -> JsonResponse:
        """GET → {why: […]}: what keeps the job from starting, while it is queued."""
        job = self.one(request, object_id)
        return JsonResponse({"why": why_waiting(job=job, now=timezone.now())})

    @admin.action(description="Cancel…", permissions=["view"])
    def cancel_selected(self, request: HttpRequest, queryset: QuerySet[Job]) -> HttpResponse | None:
        """Ask for a reason, then cancel; say of each group what really happened."""
        jobs = list(queryset.select_related("owner")[:500])
        if "confirmed" not in request.POST:
            open_jobs = [job for job in jobs if not job.is_terminal]
            context = {
                **self.admin_site.each_context(request),
                "opts": self.opts,
                "title": "Cancel jobs",
                "jobs": open_jobs,
                "chips": [(console.chip(job), job) for job in open_jobs],
                "ended": len(jobs) - len(open_jobs),
            }
            return TemplateResponse(request, "admin/jobs/job/cancel.html", context)
        outcome = {"cancelled": 0, "asked to stop": 0, "already ended": 0}
        reason = request.POST.get("reason", "").strip()[:200]
        for job in jobs:
            try:
                now = services.cancel(job=job, by=cast(User, request.user), reason=reason)
            except services.JobNotCancellable:
                outcome["already ended"] += 1
            else:
                outcome["cancelled" if now.status == Status.CANCELLED else "asked to stop"] += 1
        said = ", ".join(f"{count} {word}" for word, count in outcome.items() if count)
        level = (
            messages.SUCCESS
            if outcome["cancelled"] + outcome["asked to stop"]
            else messages.WARNING
        )
        text = f"Jobs: {said or 'none selected'}."
        self.message_user(request, _with_link(text, jobs), level)
        return None


def _status_links(request: HttpRequest) -> list[dict[str, Any]]:
    """The states as one-click filters that keep what else is filtered."""
    links = []
    for value, word in [("", "All"), *console.STATUS_WORDS.items()]:
        query = request.GET.copy()
        query.pop("p", None)
        query.pop("status__exact", None)
        if value:
            query["status__exact"] = str(value)
        links.append(
            {
                "word": word,
                "url": f"?{query.urlencode()}",
                "current": request.GET.get("status__exact", "") == value,
            }
        )
    return links


def _with_link(text: str, jobs: list[Job]) -> SafeString:
    """A message with the way to what it is about: the one job, or those that were cancelled."""
    if len(jobs) == 1:
        url, word = reverse("admin:jobs_job_change", args=[jobs[0].pk]), "Open the job"
    else:
        url = f"{reverse('admin:jobs_job_changelist')}?status__exact={Status.CANCELLED}"
        word = "Show cancelled jobs"
    return format_html('{} <a class="td-link" href="{}">{}</a>', text, url, word)
