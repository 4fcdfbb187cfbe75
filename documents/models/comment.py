"""What people say about a document, or about one place in it."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.db.models import F

from documents.models.document import Document, DocumentVersion
from jobs.ids import uuid7


class DocumentComment(models.Model):
    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    document = models.ForeignKey(
        Document, on_delete=models.CASCADE, related_name="comments", db_index=False
    )
    version = models.ForeignKey(DocumentVersion, on_delete=models.CASCADE, related_name="+")
    author = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+", db_index=False
    )
    body = models.TextField()
    # A documents.structure.Place as JSON; empty: the whole document.
    place = models.JSONField(default=dict)
    created_at = models.DateTimeField()
    edited_at = models.DateTimeField(null=True, blank=True)
    deleted_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        indexes = [models.Index("document", F("id").desc(), name="comment_document_id")]
        ordering = ["id"]

    def __str__(self) -> str:
        return self.body[:60]
