"""Documents, their versions, and the files and text made from them."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.db import models
from django.db.models import F, Q

from jobs import access
from jobs.ids import uuid7
from jobs.models import Job


class DocumentQuerySet(models.QuerySet["Document"]):
    def visible_to(self, user: Any) -> DocumentQuerySet:
        """The documents that `user` may see: an admin all, any role its own and the shared ones.

        Deleted ones are among them until their bytes are removed; `present` leaves them out.
        """
        rows = self.filter(purged_at__isnull=True)
        if access.is_admin(user):
            return rows
        if not access.may_see(user):
            return rows.none()
        return rows.filter(Q(owner_id=getattr(user, "pk", None)) | Q(shared=True))

    def present(self) -> DocumentQuerySet:
        return self.filter(deleted_at__isnull=True, purged_at__isnull=True)


class Document(models.Model):
    """One stored file through all its versions; `current` is the newest."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    name = models.CharField(max_length=200)
    owner = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="documents", db_index=False
    )
    # Visible to everyone in the installation; only its owner and administrators change it.
    shared = models.BooleanField(default=False)
    tags = models.JSONField(default=list)
    current = models.ForeignKey(
        "DocumentVersion", on_delete=models.SET_NULL, null=True, blank=True, related_name="+"
    )
    # Sealed; what opens the file, where it is encrypted.
    password = models.JSONField(null=True, blank=True)
    created_at = models.DateTimeField()
    updated_at = models.DateTimeField()
    # Deleted by the sweep after this.
    expires_at = models.DateTimeField(null=True, blank=True)

    deleted_at = models.DateTimeField(null=True, blank=True)
    deleted_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.SET_NULL,
        null=True,
        blank=True,
        related_name="+",
        db_index=False,
    )
    delete_reason = models.CharField(max_length=200, blank=True)
    # Its bytes are gone; the row stays for the audit trail.
    purged_at = models.DateTimeField(null=True, blank=True)

    objects = DocumentQuerySet.as_manager()

    class Meta:
        indexes = [
            models.Index("owner", F("id").desc(), name="document_owner_id"),
            models.Index(
                F("id").desc(), name="document_present", condition=Q(deleted_at__isnull=True)
            ),
            models.Index(
                "deleted_at",
                name="document_to_purge",
                condition=Q(deleted_at__isnull=False, purged_at__isnull=True),
            ),
            models.Index(
                "expires_at",
                name="document_expires",
                condition=Q(expires_at__isnull=False, deleted_at__isnull=True),
            ),
        ]
        ordering = ["-id"]

    def __str__(self) -> str:
        return self.name

    def is_present(self) -> bool:
        return self.deleted_at is None and self.purged_at is None


class ReadState(models.TextChoices):
    """What became of reading a version. `empty` is a warning: it was read, and holds no text."""

    UNREAD = "unread", "Not read yet"
    READ = "read", "Read"
    EMPTY = "empty", "No text found"
    NEEDS_PASSWORD = "needs_password", "Needs its password"
    FAILED = "failed", "Could not be read"
    UNSUPPORTED = "unsupported", "Kept, not readable"


class DocumentVersion(models.Model):
    """One file as it was uploaded; its bytes never change."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    document = models.ForeignKey(
        Document, on_delete=models.CASCADE, related_name="versions", db_index=False
    )
    number = models.PositiveIntegerField()
    name = models.CharField(max_length=200)
    media_type = models.CharField(max_length=120)
    size_bytes = models.PositiveBigIntegerField()
    sha256 = models.CharField(max_length=64, db_index=True)
    # Empty once the bytes are removed.
    storage_name = models.CharField(max_length=500, blank=True)
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+", db_index=False
    )
    created_at = models.DateTimeField()

    read_state = models.CharField(
        max_length=16, choices=ReadState.choices, default=ReadState.UNREAD
    )
    read_code = models.CharField(max_length=60, blank=True)
    read_message = models.TextField(blank=True)
    read_at = models.DateTimeField(null=True, blank=True)
    read_job = models.ForeignKey(
        Job, on_delete=models.SET_NULL, null=True, blank=True, related_name="+"
    )
    pages = models.PositiveIntegerField(null=True, blank=True)
    chars = models.PositiveIntegerField(null=True, blank=True)
    n_tables = models.PositiveIntegerField(null=True, blank=True)
    # [{code, message, page?}], as the reader gave them.
    warnings = models.JSONField(default=list)

    class Meta:
        constraints = [models.UniqueConstraint("document", "number", name="version_number")]
        ordering = ["document", "-number"]

    def __str__(self) -> str:
        return f"{self.name} (version {self.number})"


class DerivedFile(models.Model):
    """A file made from a version, which can be made again: its structure, a picture of a page."""

    class Role(models.TextChoices):
        STRUCTURE = "structure"
        PAGE = "page"
        THUMB = "thumb"

    version = models.ForeignKey(
        DocumentVersion, on_delete=models.CASCADE, related_name="derived", db_index=False
    )
    role = models.CharField(max_length=20, choices=Role.choices)
    # The page, from 1; 0 for what is about the whole.
    number = models.PositiveIntegerField(default=0)
    content_type = models.CharField(max_length=120)
    size_bytes = models.PositiveBigIntegerField()
    sha256 = models.CharField(max_length=64)
    storage_name = models.CharField(max_length=500)
    created_at = models.DateTimeField()

    class Meta:
        constraints = [models.UniqueConstraint("version", "role", "number", name="derived_once")]
        ordering = ["version", "role", "number"]

    def __str__(self) -> str:
        return f"{self.role} {self.number}"


class DocumentText(models.Model):
    """The words of a present document's current version, for search; long ones in several rows.

    A search index in plain rows: words in one spelling (see documents.search), not text to show.
    """

    document = models.ForeignKey(Document, on_delete=models.CASCADE, related_name="texts")
    words = models.TextField()

    class Meta:
        ordering = ["id"]

    def __str__(self) -> str:
        return f"words of {self.document_id}"
