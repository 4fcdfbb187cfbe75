"""Rows that the pages of sources show to everyone else; their plain lists are for admins."""

from __future__ import annotations

from django.contrib import admin
from django.http import HttpRequest
from unfold.views import ChangeList

from ingestion.models import Chunk, EmbeddingModel, SourceText
from jobs import access
from jobs.admin.base import ReadOnly
from jobs.console import CappedPaginator


class WholeCount(ChangeList):
    """The theme offers "show all" whenever the two counts differ, and full counts are off."""

    def get_results(self, request: HttpRequest) -> None:
        super().get_results(request)
        self.full_result_count = self.result_count


class Parts(ReadOnly):
    show_full_result_count = False
    paginator = CappedPaginator
    list_per_page = 50

    def has_module_permission(self, request: HttpRequest) -> bool:
        return access.is_admin(request.user)


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
