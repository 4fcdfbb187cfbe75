"""The console's pages of sources."""

from __future__ import annotations

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest

from ingestion.models import Chunk, EmbeddingModel, Source, SourceDocument, SourceText
from jobs import access
from jobs.admin.base import ReadOnly


class Parts(ReadOnly):
    """Rows that pages of sources show to everyone else; their plain lists are for admins."""

    show_full_result_count = False

    def has_module_permission(self, request: HttpRequest) -> bool:
        return access.is_admin(request.user)


@admin.register(Source)
class SourceAdmin(ReadOnly):
    list_display = ("name", "kind", "owner", "last_synced_at")
    list_select_related = ("owner",)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Source]:
        return Source.objects.visible_to(request.user)


@admin.register(SourceDocument)
class SourceDocumentAdmin(Parts):
    list_display = ("title", "source", "kind", "state", "fetched_at")
    list_select_related = ("source",)


@admin.register(SourceText)
class SourceTextAdmin(Parts):
    list_display = ("document",)
    list_select_related = ("document",)


@admin.register(Chunk)
class ChunkAdmin(Parts):
    list_display = ("id", "document", "position", "tokens")
    list_select_related = ("document",)


@admin.register(EmbeddingModel)
class EmbeddingModelAdmin(Parts):
    list_display = ("name", "revision", "dimension", "state", "created_at")
