"""The console's pages of documents."""

from __future__ import annotations

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest

from documents.models import (
    DerivedFile,
    Document,
    DocumentComment,
    DocumentText,
    DocumentVersion,
    Upload,
)
from jobs.admin.base import ReadOnly


@admin.register(Document)
class DocumentAdmin(ReadOnly):
    list_display = ("name", "owner", "created_at")
    list_select_related = ("owner",)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Document]:
        return Document.objects.visible_to(request.user)


class OfDocument(ReadOnly):
    """Parts of a document, for administrators only: its page shows them to everyone else."""

    def has_module_permission(self, request: HttpRequest) -> bool:
        return bool(request.user.is_active and request.user.is_superuser)


@admin.register(DocumentVersion)
class VersionAdmin(OfDocument):
    list_display = ("name", "number", "media_type", "size_bytes", "read_state", "created_at")


@admin.register(DerivedFile)
class DerivedFileAdmin(OfDocument):
    list_display = ("role", "number", "version", "size_bytes", "created_at")
    list_select_related = ("version",)


@admin.register(DocumentText)
class DocumentTextAdmin(OfDocument):
    list_display = ("document",)
    list_select_related = ("document",)


@admin.register(DocumentComment)
class CommentAdmin(OfDocument):
    list_display = ("body", "document", "author", "created_at")
    list_select_related = ("document", "author")


@admin.register(Upload)
class UploadAdmin(OfDocument):
    list_display = ("name", "owner", "received_bytes", "size_bytes", "expires_at")
    list_select_related = ("owner",)


# Registers the pages of configurations and extractions.
from documents import configuration_admin, extraction_admin  # noqa: E402, F401
