"""The audit trail: what everybody did. Nothing here can be changed."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from uuid import UUID

from django.apps import apps
from django.contrib import admin
from django.db.models import Q, QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.template.response import TemplateResponse
from django.urls import NoReverseMatch, path, reverse
from django.utils import timezone
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from jobs import audit, console
from jobs.admin.accounts import ForAdmins
from jobs.admin.base import Empty
from jobs.audit_export import FORMATS, export_response
from jobs.audit_words import changes_of, lines_of
from jobs.models import AuditEntry

AREAS = {
    "job.": "Jobs",
    "recording.": "Recordings",
    "document.": "Documents",
    "preset.": "Presets",
    "schedule.": "Schedules",
    "policy.": "Policies",
    "retention.": "Retention",
    "account.": "Logins and own accounts",
    "user.": "Users and roles",
    "artifact.": "Downloads of sensitive files",
    "audit.": "The audit trail itself",
    "request.": "Other refused requests",
}
SPANS = {"1": "Last 24 hours", "7": "Last 7 days", "30": "Last 30 days"}


class AreaFilter(admin.SimpleListFilter):
    title = "what"
    parameter_name = "area"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return list(AREAS.items())

    def queryset(
        self, request: HttpRequest, queryset: QuerySet[AuditEntry]
    ) -> QuerySet[AuditEntry]:
        area = self.value()
        return queryset.filter(action__startswith=area) if area else queryset


class SpanFilter(admin.SimpleListFilter):
    title = "when"
    parameter_name = "days"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return list(SPANS.items())

    def queryset(
        self, request: HttpRequest, queryset: QuerySet[AuditEntry]
    ) -> QuerySet[AuditEntry]:
        if self.value() not in SPANS:
            return queryset
        return queryset.filter(at__gte=timezone.now() - timedelta(days=int(self.value() or 1)))


@admin.register(AuditEntry)
class AuditEntryAdmin(ForAdmins):
    empty = Empty(
        icon="policy",
        title="Nobody has done anything yet",
        text="Logins, submissions, cancellations, changes of users and rules: whatever a person or a "
        "program does, and what was refused, is kept here for good. Nobody can change it.",
        button="Start a job",
        link="admin:jobs_job_new",
    )
    list_display = ("when", "who", "what", "target", "outcome_chip", "said", "source")
    list_display_links = ("what",)
    list_filter = (AreaFilter, "outcome", SpanFilter)
    search_fields = ("=actor_name", "=action", "=address", "=request_id", "=target_id")
    search_help_text = "A whole user name, action, address, request id, or id of a job or target"
    list_per_page = 50
    show_full_result_count = False
    show_facets = admin.ShowFacets.NEVER
    paginator = console.CappedPaginator
    ordering = ("-id",)
    sortable_by = ()
    change_list_template = "admin/jobs/auditentry/list.html"

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[AuditEntry], search_term: str
    ) -> tuple[QuerySet[AuditEntry], bool]:
        """A job's id finds what is about it, and about what belongs to it."""
        try:
            key = UUID(search_term.strip())
        except ValueError:
            rows, distinct = super().get_search_results(request, queryset, search_term)
            return rows, bool(distinct)
        return queryset.filter(Q(job_id=key) | Q(target_id=str(key))), False

    @admin.display(description="When")
    def when(self, entry: AuditEntry) -> SafeString:
        return console.when(entry.at)

    @admin.display(description="Who")
    def who(self, entry: AuditEntry) -> str:
        return entry.actor_name or ("nobody" if entry.via != "program" else "the system")

    @admin.display(description="Did")
    def what(self, entry: AuditEntry) -> SafeString:
        return format_html('<code class="td-kind">{}</code>', entry.action)

    @admin.display(description="To")
    def target(self, entry: AuditEntry) -> SafeString | str:
        return target_link(entry)

    @admin.display(description="Outcome")
    def outcome_chip(self, entry: AuditEntry) -> SafeString:
        return format_html(
            '<span class="td-outcome" data-outcome="{}">{}</span>',
            entry.outcome,
            entry.get_outcome_display(),
        )

    @admin.display(description="Details")
    def said(self, entry: AuditEntry) -> SafeString:
        lines = lines_of(entry.data)[:3]
        return format_html_join(
            "",
            '<div><small class="td-clamp">{}: {}</small></div>',
            ((name, text) for name, text in lines),
        )

    @admin.display(description="From")
    def source(self, entry: AuditEntry) -> str:
        return " · ".join(part for part in (entry.via, entry.address) if part)

    def get_urls(self) -> list[Any]:
        export = self.admin_site.admin_view(self.export_view)
        return [
            path("export/<str:form>/", export, name="jobs_auditentry_export"),
            *super().get_urls(),
        ]

    def export_view(self, request: HttpRequest, form: str) -> HttpResponseBase:
        """What the list shows under its filters, all of it, as a file."""
        if form not in FORMATS or not self.has_view_permission(request):
            raise Http404("There is no such export, or it is not for you.")
        changelist = self.get_changelist_instance(request)
        entries = changelist.get_queryset(request)
        said = {"form": form, "query": request.GET.urlencode()[:300]}
        audit.record(action="audit.export", by=request.user, data=said)  # type: ignore[arg-type]
        return export_response(
            request,
            entries=AuditEntry.objects.filter(pk__in=entries.order_by().values("pk")),
            form=form,
            now=timezone.now(),
        )

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> TemplateResponse:
        links = [
            (word, f"{reverse('admin:jobs_auditentry_export', args=[form])}?{query}")
            for form, word in (("csv", "CSV"), ("jsonl", "JSON lines"))
            for query in [request.GET.urlencode()]
        ]
        context: dict[str, Any] = {"exports": links, **(extra_context or {})}
        return super().changelist_view(request, context)

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        entry = self.get_object(request, object_id)
        if entry is None or not self.has_view_permission(request, entry):
            raise Http404("There is no such entry, or it is not for you.")
        context = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "title": f"{entry.action} by {self.who(entry)}",
            "entry": entry,
            "who": self.who(entry),
            "when": console.when(entry.at),
            "target": target_link(entry),
            "chip": self.outcome_chip(entry),
            "changes": changes_of(entry.data),
            "lines": lines_of({k: v for k, v in entry.data.items() if k != "changed"}),
        }
        return TemplateResponse(request, "admin/jobs/auditentry/page.html", context)


def target_link(entry: AuditEntry) -> SafeString | str:
    """The target by its name then, linked to its page where it is still there."""
    if not entry.target_type:
        return "–"
    name = entry.target_name or entry.target_id
    try:
        model = apps.get_model(entry.target_type)
        url = reverse(
            f"admin:{model._meta.label_lower.replace('.', '_')}_change", args=[entry.target_id]
        )
    except (LookupError, NoReverseMatch, ValueError):
        return format_html("{} <small>{}</small>", name, entry.target_type)
    kind = str(model._meta.verbose_name)
    return format_html('<a href="{}">{}</a> <small class="td-quiet">{}</small>', url, name, kind)
