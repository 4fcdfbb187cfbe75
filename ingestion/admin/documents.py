"""The page of one document of a source: what is indexed of it, as chunks and as text."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseNotAllowed
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.views.decorators.http import require_POST
from unfold.views import ChangeList

from ingestion import console, removal
from ingestion.admin.parts import WholeCount
from ingestion.models import DocumentState, Source, SourceDocument, SourceText
from ingestion.refusals import SourceDeleting
from ingestion.rights import may_change
from jobs.admin.base import ReadOnly
from jobs.console import CappedPaginator, when

CHUNKS = 200
TEXT_CHARS = 200_000


class StateFilter(admin.SimpleListFilter):
    title = "state"
    parameter_name = "state"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [(value, word) for value, (word, _) in console.DOCUMENT_STATES.items()]

    def queryset(
        self, request: HttpRequest, queryset: QuerySet[SourceDocument]
    ) -> QuerySet[SourceDocument]:
        return queryset.filter(state=self.value()) if self.value() else queryset


class SourceFilter(admin.SimpleListFilter):
    title = "source"
    parameter_name = "source"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        rows = Source.objects.visible_to(request.user).order_by("name", "pk")[:200]
        return [(str(row.pk), row.name) for row in rows]

    def queryset(
        self, request: HttpRequest, queryset: QuerySet[SourceDocument]
    ) -> QuerySet[SourceDocument]:
        try:
            return queryset.filter(source=UUID(str(self.value()))) if self.value() else queryset
        except ValueError:
            return queryset.none()


@admin.register(SourceDocument)
class SourceDocumentAdmin(ReadOnly):
    list_display = ("title_shown", "state_shown", "problem", "source", "chunks", "fetched")
    list_display_links = None
    list_filter = (StateFilter, SourceFilter)
    list_select_related = ("source",)
    list_per_page = 50
    show_full_result_count = False
    show_facets = admin.ShowFacets.NEVER
    paginator = CappedPaginator
    search_fields = ("title", "key")
    search_help_text = "Part of a title or address"
    ordering = ("-id",)
    sortable_by = ()
    change_list_template = "admin/ingestion/sourcedocument/list.html"

    def get_queryset(self, request: HttpRequest) -> QuerySet[SourceDocument]:
        return SourceDocument.objects.filter(source__in=Source.objects.visible_to(request.user))

    @admin.display(description="Document")
    def title_shown(self, document: SourceDocument) -> SafeString:
        return title_cell(document)

    @admin.display(description="State")
    def state_shown(self, document: SourceDocument) -> SafeString:
        return console.document_chip(document)

    @admin.display(description="Why")
    def problem(self, document: SourceDocument) -> SafeString:
        return format_html('<span class="src-why">{}</span>', document.problem_message)

    @admin.display(description="Chunks")
    def chunks(self, document: SourceDocument) -> int:
        return document.n_chunks

    @admin.display(description="Fetched")
    def fetched(self, document: SourceDocument) -> SafeString:
        return when(document.fetched_at)

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[ChangeList]:  # type: ignore[override]  # the theme annotates an instance
        return WholeCount

    def get_urls(self) -> list[URLPattern]:
        remove = self.admin_site.admin_view(require_POST(self.remove_view))
        return [
            path("<uuid:key>/remove/", remove, name="ingestion_sourcedocument_remove"),
            *super().get_urls(),
        ]

    def remove_view(self, request: HttpRequest, key: UUID) -> HttpResponse:
        document = self._one(request, str(key))
        try:
            number = removal.delete_document(document=document, by=request.user)  # type: ignore[arg-type]
        except SourceDeleting as error:
            messages.error(request, str(error))
            return redirect("admin:ingestion_source_changelist")
        more = f" with {number - 1} more that hung on it" if number > 1 else ""
        messages.success(request, f"Removed {document}{more}. A later sync may bring it back.")
        return redirect("admin:ingestion_source_change", document.source_id)

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        if request.method != "GET":
            return HttpResponseNotAllowed(["GET"])
        document = self._one(request, object_id)
        chunks = list(document.chunks.all()[:CHUNKS])
        text = SourceText.objects.filter(document=document).values_list("text", flat=True).first()
        context = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "original": document,
            "title": str(document),
            "document": document,
            "source": document.source,
            "icon": console.ICONS[document.source.kind],  # type: ignore[index]  # a SourceKind
            "chip": console.document_chip(document),
            "failed": document.state == DocumentState.FAILED,
            "fetched": when(document.fetched_at),
            "changed": when(document.changed_at),
            "chunks": [{"chunk": chunk, "url": place_url(document, chunk)} for chunk in chunks],
            "more_chunks": document.n_chunks - len(chunks),
            "text": (text or "")[:TEXT_CHARS],
            "text_cut": len(text or "") > TEXT_CHARS,
            "children": document.children.all()[:100],
            "may_change": may_change(source=document.source, user=request.user),
            **(extra_context or {}),
        }
        return TemplateResponse(request, "admin/ingestion/sourcedocument/page.html", context)

    def _one(self, request: HttpRequest, object_id: str) -> SourceDocument:
        """:raises Http404: no such document, or not this user's to see."""
        try:
            key = UUID(object_id)
        except ValueError as error:
            raise Http404("A document's id is a UUID.") from error
        rows = self.get_queryset(request).select_related("source__owner", "parent", "stored")
        document = rows.filter(pk=key).first()
        if document is None:
            raise Http404("There is no such document, or it is not yours.")
        return document


def title_cell(document: SourceDocument) -> SafeString:
    return format_html(
        '<a class="td-flow" href="{}"><strong>{}</strong><span>{}</span></a>',
        page_url(document),
        document.title or document.key,
        document.key,
    )


def page_url(document: SourceDocument) -> str:
    return reverse("admin:ingestion_sourcedocument_change", args=[document.pk])


def place_url(document: SourceDocument, chunk: Any) -> str:
    """Opens the chunk where it stands: the page of a file, the anchor of a page, the step."""
    if not document.url:
        return ""
    if document.stored_id and chunk.page:
        return f"{document.url}#page-{chunk.page}"
    if chunk.anchor and "#" not in document.url:
        return f"{document.url}#{chunk.anchor}"
    return document.url
