"""The console's pages of sources: list, adding and changing one, and what a sync did."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.contrib import admin
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseNotAllowed
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.safestring import SafeString
from django.views.decorators.http import require_POST
from unfold.views import ChangeList

from ingestion import connectors, console
from ingestion.admin.documents import title_cell
from ingestion.admin.form import SourceForms
from ingestion.admin.parts import WholeCount
from ingestion.admin.verbs import SourceVerbs
from ingestion.dto import source_dto, state_of, tally
from ingestion.models import DocumentState, Source, SourceKind
from ingestion.rights import may_change
from jobs import access
from jobs.admin.base import ReadOnly
from jobs.console import CappedPaginator, chip, when
from jobs.cron import worded
from jobs.models import Job

DOCUMENTS = 25
SYNCS = 8


class KindFilter(admin.SimpleListFilter):
    title = "kind"
    parameter_name = "kind"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return list(SourceKind.choices)

    def queryset(self, request: HttpRequest, queryset: QuerySet[Source]) -> QuerySet[Source]:
        return queryset.filter(kind=self.value()) if self.value() else queryset


@admin.register(Source)
class SourceAdmin(SourceForms, SourceVerbs, ReadOnly):  # type: ignore[misc]  # the theme annotates its bases apart
    list_display = ("name_shown", "state_shown", "last_sync", "did", "next_sync", "owner_shown")
    list_display_links = None
    list_filter = (KindFilter,)
    list_select_related = ("owner", "sync_job", "schedule")
    list_per_page = 50
    show_full_result_count = False
    show_facets = admin.ShowFacets.NEVER
    paginator = CappedPaginator
    search_fields = ("name",)
    ordering = ("-id",)
    sortable_by = ()
    change_list_template = "admin/ingestion/source/list.html"

    def get_queryset(self, request: HttpRequest) -> QuerySet[Source]:
        return Source.objects.visible_to(request.user)

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[ChangeList]:  # type: ignore[override]  # the theme annotates an instance
        return WholeCount

    def has_add_permission(self, request: HttpRequest) -> bool:
        return access.may_do(request.user)

    @admin.display(description="Source")
    def name_shown(self, source: Source) -> SafeString:
        return console.name_cell(source)

    @admin.display(description="State")
    def state_shown(self, source: Source) -> SafeString:
        return console.chip(source)

    @admin.display(description="Last synced")
    def last_sync(self, source: Source) -> SafeString:
        return when(source.last_synced_at)

    @admin.display(description="What that did")
    def did(self, source: Source) -> str:
        return console.did(source)

    @admin.display(description="Next sync")
    def next_sync(self, source: Source) -> SafeString:
        return console.next_sync(source)

    @admin.display(description="Owner")
    def owner_shown(self, source: Source) -> str:
        return source.owner.get_username()

    def get_urls(self) -> list[URLPattern]:
        def to(view: Any) -> Any:
            return self.admin_site.admin_view(view)

        return [
            path("<uuid:key>/edit/", to(self.edit_view), name="ingestion_source_edit"),
            path(
                "<uuid:key>/do/<str:verb>/",
                to(require_POST(self.do_view)),
                name="ingestion_source_do",
            ),
            *super().get_urls(),
        ]

    def one(self, request: HttpRequest, key: UUID | str) -> Source:
        """:raises Http404: no such source, or not this user's to see."""
        try:
            wanted = UUID(str(key))
        except ValueError as error:
            raise Http404("A source's id is a UUID.") from error
        rows = self.get_queryset(request).select_related("owner", "sync_job", "schedule")
        source = rows.filter(pk=wanted).first()
        if source is None:
            raise Http404("There is no such source, or it is not yours.")
        return source

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        """One source: how it stands, what its syncs did, what it holds and what failed."""
        if request.method != "GET":
            return HttpResponseNotAllowed(["GET"])
        source = self.one(request, object_id)
        shown = str(request.GET.get("state", ""))
        held = tally(source)
        rows = source.documents.all()
        if shown in DocumentState.values:
            rows = rows.filter(state=shown)
        job, schedule = source.sync_job, source.schedule
        changes = may_change(source=source, user=request.user)
        state = state_of(source)
        verbs = self.verbs_of(source, held) if changes else []
        syncable = source.kind in connectors.all_connectors()
        context = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "original": source,
            "title": source.name,
            "source": source,
            "dto": source_dto(source, user=request.user),
            "facts": console.facts(source) if changes else [],
            "icon": console.ICONS[SourceKind(source.kind)],
            "kind": SourceKind(source.kind).label,
            "chip": console.chip(source),
            "state": state,
            "job": job,
            "job_seen": job is not None
            and Job.objects.visible_to(request.user).filter(pk=job.pk).exists(),
            "at_work": job is not None and not job.is_terminal,
            "did": console.did(source),
            "left_out": list(source.last_left_out.values()) if changes else [],
            "left_out_n": sum(said["count"] for said in source.last_left_out.values()),
            "synced": when(source.last_synced_at),
            "next": console.next_sync(source),
            "times": worded(schedule.cron) if schedule else "",
            "held": held,
            "states": [
                {"word": "All", "value": "", "n": held["documents"], "current": not shown},
                *(
                    {"word": word, "value": str(value), "n": held[value], "current": shown == value}
                    for value, (word, _) in console.DOCUMENT_STATES.items()
                    if held[value] or shown == value
                ),
            ],
            "documents": [
                {
                    "row": row,
                    "cell": title_cell(row),
                    "chip": console.document_chip(row),
                    "fetched": when(row.fetched_at),
                }
                for row in rows[:DOCUMENTS]
            ],
            "more": max(held[shown] if shown in held else held["documents"], 0) > DOCUMENTS,
            "all_url": f"{reverse('admin:ingestion_sourcedocument_changelist')}?source={source.pk}",
            "syncs": [
                {
                    "job": each,
                    "chip": chip(each),
                    "when": when(each.created_at),
                    "did": console.job_counts(each),
                }
                for each in self._syncs(request, source)
            ],
            "verbs": verbs,
            # Before what can not be taken back.
            "edit_before": next((each["name"] for each in verbs if each["verb"].sure), "")
            if syncable and not source.deleting
            else "",
            "may_change": changes,
            "syncable": syncable,
            **(extra_context or {}),
        }
        return TemplateResponse(request, "admin/ingestion/source/page.html", context)

    def _syncs(self, request: HttpRequest, source: Source) -> list[Job]:
        rows = Job.objects.visible_to(request.user).filter(kind="ingestion.sync")
        return list(rows.filter(options__source_id=str(source.pk)).order_by("-id")[:SYNCS])
