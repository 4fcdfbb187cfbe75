"""The console's pages of configurations and extractions."""

from __future__ import annotations

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest

from documents.models import (
    Configuration,
    ConfigurationVersion,
    Correction,
    ExtractedDocument,
    ExtractedTable,
    ExtractionRun,
)
from jobs import access
from jobs.admin.base import ReadOnly


@admin.register(Configuration)
class ConfigurationAdmin(ReadOnly):
    list_display = ("title", "name", "created_by", "created_at")
    list_select_related = ("created_by",)


@admin.register(ExtractionRun)
class ExtractionRunAdmin(ReadOnly):
    list_display = ("job", "version", "operation", "evaluation", "created_at")
    list_select_related = ("job", "version__configuration")

    def get_queryset(self, request: HttpRequest) -> QuerySet[ExtractionRun]:
        return ExtractionRun.objects.visible_to(request.user)


class OfExtraction(ReadOnly):
    """Parts of a run, for administrators only: its page shows them to everyone else."""

    def has_module_permission(self, request: HttpRequest) -> bool:
        return access.is_admin(request.user)


@admin.register(ConfigurationVersion)
class ConfigurationVersionAdmin(OfExtraction):
    list_display = ("configuration", "number", "state", "created_at")
    list_select_related = ("configuration",)


@admin.register(ExtractedDocument)
class ExtractedDocumentAdmin(OfExtraction):
    list_display = ("name", "run", "evaluation", "rows")


@admin.register(ExtractedTable)
class ExtractedTableAdmin(OfExtraction):
    list_display = ("run", "number", "sheet", "rows")


@admin.register(Correction)
class CorrectionAdmin(OfExtraction):
    list_display = ("run", "kind", "table", "column", "row", "field", "by", "at")
    list_select_related = ("by",)
