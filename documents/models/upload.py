"""Uploads that come in pieces, so that one which breaks off can go on."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.db.models import Q

from documents.models.document import Document
from jobs.ids import uuid7


class Upload(models.Model):
    """A file on its way here: `received_bytes` of `size_bytes` lie in storage, in pieces.

    The pieces are joined, and removed, when the last one is here. `document` is then what it
    became; `target` the document that it is to be a new version of.
    """

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    owner = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="+")
    name = models.CharField(max_length=200)
    size_bytes = models.PositiveBigIntegerField()
    received_bytes = models.PositiveBigIntegerField(default=0)
    # Storage names, in order.
    pieces = models.JSONField(default=list)
    # What the finished document gets: tags, shared, expires_at, on_duplicate.
    options = models.JSONField(default=dict)
    warnings = models.JSONField(default=list)
    target = models.ForeignKey(
        Document, on_delete=models.CASCADE, null=True, blank=True, related_name="+"
    )
    document = models.ForeignKey(
        Document, on_delete=models.SET_NULL, null=True, blank=True, related_name="+"
    )
    created_at = models.DateTimeField()
    expires_at = models.DateTimeField(db_index=True)

    class Meta:
        constraints = [
            models.CheckConstraint(
                name="upload_within_size", condition=Q(received_bytes__lte=models.F("size_bytes"))
            )
        ]
        ordering = ["-id"]

    def __str__(self) -> str:
        return self.name
