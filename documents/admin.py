"""The console's pages of documents: list with uploads, one document, its parts."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.contrib import admin
from django.contrib.auth.models import User
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseNotAllowed
from django.template.response import TemplateResponse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from unfold.views import ChangeList

from documents import console, media, rights, search
from documents.api.preview import manifest
from documents.api.shapes import comment_dto, document_dto, version_dto
from documents.models import (
    DerivedFile,
    Document,
    DocumentComment,
    DocumentText,
    DocumentVersion,
    ReadState,
    Upload,
)
from documents.own_pages import AdminsOnly, OwnPages
from jobs import access, audit
from jobs.console import CappedPaginator, when
from jobs.models import AuditEntry

VIEWS = {"": "All", "mine": "Mine", "attention": "Needs attention", "deleted": "Deleted"}


class ViewFilter(admin.SimpleListFilter):
    """Which documents the list shows; the pills above it choose."""

    title = "show"
    parameter_name = "show"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [(value, word) for value, word in VIEWS.items() if value]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Document]) -> QuerySet[Document]:
        rows = queryset.filter(deleted_at__isnull=self.value() != "deleted")
        if self.value() == "mine":
            return rows.filter(owner_id=request.user.pk)
        if self.value() == "attention":
            wanting = [ReadState.EMPTY, ReadState.NEEDS_PASSWORD, ReadState.FAILED]
            return rows.filter(current__read_state__in=wanting)
        return rows


class TypeFilter(admin.SimpleListFilter):
    title = "type"
    parameter_name = "type"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return sorted(media.WORDS.items(), key=lambda each: each[1].lower())

    def queryset(self, request: HttpRequest, queryset: QuerySet[Document]) -> QuerySet[Document]:
        return queryset.filter(current__media_type=self.value()) if self.value() else queryset


class DocumentChangeList(ChangeList):
    def get_results(self, request: HttpRequest) -> None:
        super().get_results(request)
        if not self.query and not self.has_active_filters:
            # The theme offers "show all" whenever the two differ, and full counts are off.
            self.full_result_count = self.result_count


@admin.register(Document)
class DocumentAdmin(OwnPages):
    list_display = ("title", "state", "type_shown", "extent", "size", "owner_shown", "added")
    list_display_links = ("title",)
    list_filter = (ViewFilter, TypeFilter)
    list_per_page = 50
    list_select_related = ("owner", "current__read_job")
    show_full_result_count = False
    sortable_by = ()
    ordering = ("-id",)
    search_fields = ("name",)
    search_help_text = "Words of the name, tags or text"
    paginator = CappedPaginator
    show_facets = admin.ShowFacets.NEVER
    change_list_template = "admin/documents/document/list.html"

    def get_queryset(self, request: HttpRequest) -> QuerySet[Document]:
        return Document.objects.visible_to(request.user)

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[ChangeList]:  # type: ignore[override]  # the theme annotates an instance
        return DocumentChangeList

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Document], search_term: str
    ) -> tuple[QuerySet[Document], bool]:
        found = search.matching(Document.objects.visible_to(request.user), search_term)
        return queryset.filter(pk__in=found.values("pk")) if search_term else queryset, False

    @admin.display(description="Document")
    def title(self, document: Document) -> SafeString:
        return console.name_cell(document)

    @admin.display(description="State")
    def state(self, document: Document) -> SafeString:
        return console.chip(document.current)

    @admin.display(description="Type")
    def type_shown(self, document: Document) -> str:
        return media.word_for(document.current.media_type) if document.current else ""

    @admin.display(description="Holds")
    def extent(self, document: Document) -> str:
        return console.extent(document.current)

    @admin.display(description="Size")
    def size(self, document: Document) -> str:
        return console.size(document.current)

    @admin.display(description="Owner")
    def owner_shown(self, document: Document) -> SafeString:
        shared = SafeString(' <small class="td-quiet">shared</small>') if document.shared else ""
        return format_html("{}{}", document.owner.get_username(), shared)

    @admin.display(description="Added")
    def added(self, document: Document) -> SafeString:
        return when(document.created_at)

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> TemplateResponse:
        extra: dict[str, Any] = {
            "views": _views(request),
            "may_upload": access.may_do(request.user),
        }
        response = super().changelist_view(request, {**extra, **(extra_context or {})})
        shown = getattr(response, "context_data", None) or {}
        if (page := shown.get("cl")) is not None and isinstance(request.user, User):
            audit.record(
                action="document.list",
                by=request.user,
                data={
                    "query": request.GET.dict(),
                    "documents": [str(row.pk) for row in page.result_list],
                },
            )
        return response

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        """One document: preview, text, tables, versions, comments, trail."""
        if request.method != "GET":
            return HttpResponseNotAllowed(["GET"])
        document = self.one(request, object_id)
        assert document.current is not None  # `one` found it so
        assert isinstance(request.user, User)  # the admin lets nobody else in
        audit.record(action="document.view", by=request.user, target=document)
        version = document.current
        version.document = document
        comments = document.comments.filter(deleted_at__isnull=True).select_related(
            "author", "version"
        )
        trail = AuditEntry.objects.about(document)
        context = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "original": document,
            "title": document.name,
            "document": document,
            "version": version,
            "dto": document_dto(document, user=request.user),
            "manifest": manifest(version) if document.is_present() else {"pages": []},
            "chip": console.chip(version),
            "reading": console.is_being_read(version),
            "icon": console.icon(version.media_type),
            "type_name": media.word_for(version.media_type),
            "size": console.size(version),
            "extent": console.extent(version),
            "added": when(document.created_at),
            "read_at": when(version.read_at),
            "expires": when(document.expires_at),
            "deleted": when(document.deleted_at),
            "may_change": rights.may_change(document=document, user=request.user),
            "may_do": access.may_do(request.user),
            "versions": [
                {**version_dto(row), "chip": console.chip(row), "when": when(row.created_at)}
                for row in document.versions.select_related("created_by", "read_job")[:100]
            ],
            "comments": [comment_dto(row, user=request.user) for row in comments[:200]],
            "trail": [
                {
                    "word": console.action_words(entry.action),
                    "entry": entry,
                    "when": when(entry.at),
                    "detail": console.audit_detail(entry.data),
                }
                for entry in trail[:100]
            ],
            **(extra_context or {}),
        }
        return TemplateResponse(request, "admin/documents/document/page.html", context)

    def one(self, request: HttpRequest, object_id: str) -> Document:
        """:raises Http404: no such document, or not this user's to see."""
        try:
            key = UUID(object_id)
        except ValueError as error:
            raise Http404("A document's id is a UUID.") from error
        document = (
            self.get_queryset(request)
            .select_related("owner", "current__read_job", "deleted_by")
            .filter(pk=key)
            .first()
        )
        if document is None or document.current is None:
            raise Http404("There is no such document, or it is not yours.")
        return document


def _views(request: HttpRequest) -> list[dict[str, Any]]:
    """The views as one-click filters that keep what else is filtered."""
    links = []
    for value, word in VIEWS.items():
        query = request.GET.copy()
        query.pop("p", None)
        query.pop("show", None)
        if value:
            query["show"] = value
        current = request.GET.get("show", "") == value
        links.append({"word": word, "url": f"?{query.urlencode()}", "current": current})
    return links


@admin.register(DocumentVersion)
class VersionAdmin(AdminsOnly):
    list_display = ("name", "number", "media_type", "size_bytes", "read_state", "created_at")


@admin.register(DerivedFile)
class DerivedFileAdmin(AdminsOnly):
    list_display = ("role", "number", "version", "size_bytes", "created_at")
    list_select_related = ("version",)


@admin.register(DocumentText)
class DocumentTextAdmin(AdminsOnly):
    list_display = ("document",)
    list_select_related = ("document",)


@admin.register(DocumentComment)
class CommentAdmin(AdminsOnly):
    list_display = ("body", "document", "author", "created_at")
    list_select_related = ("document", "author")


@admin.register(Upload)
class UploadAdmin(AdminsOnly):
    list_display = ("name", "owner", "received_bytes", "size_bytes", "expires_at")
    list_select_related = ("owner",)


# Registers the pages of configurations and extractions.
from documents import configuration_admin, extraction_admin  # noqa: E402, F401
