"""Sources of knowledge, what was found in them, and the chunks that searches find."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.db import models
from django.db.models import F, Q

from documents.models import Document
from jobs import access
from jobs.ids import uuid7
from jobs.models import Job, Schedule

# A key is indexed, and PostgreSQL's index rows end at 2,704 bytes.
KEY_MAX = 1000
TITLE_MAX = 500


class SourceKind(models.TextChoices):
    JIRA = "jira", "Jira"
    WEBSITE = "website", "Website"
    DOCUMENTS = "documents", "Documents"
    RECORDINGS = "recordings", "Recordings"


class SourceQuerySet(models.QuerySet["Source"]):
    def visible_to(self, user: Any) -> SourceQuerySet:
        """The sources that `user` may see: their own and shared ones, an admin all."""
        if access.is_admin(user):
            return self
        if not access.may_see(user):
            return self.none()
        return self.filter(Q(owner_id=getattr(user, "pk", None)) | Q(shared=True))

    def changeable_by(self, user: Any) -> SourceQuerySet:
        """The sources that `user` may change: an admin all, an operator their own."""
        if access.is_admin(user):
            return self
        if not access.may_do(user):
            return self.none()
        return self.filter(owner_id=getattr(user, "pk", None))


class Source(models.Model):
    """Where knowledge comes from; synced many times.

    Its state is not stored but follows from `sync_job`, so that it is true after any crash.
    """

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    kind = models.CharField(max_length=20, choices=SourceKind.choices)
    name = models.CharField(max_length=200)
    owner = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="sources", db_index=False
    )
    # Visible to every role; only its owner and admins change it.
    shared = models.BooleanField(default=False)
    # As the kind's connector declares them; secrets in it are sealed.
    settings = models.JSONField(default=dict)
    # Of one that an ingest route made: which later requests mean the same source.
    identity = models.CharField(max_length=64, blank=True)
    # While paused no sync begins, whoever asks.
    paused = models.BooleanField(default=False)
    # Set once its deletion was asked for: it is shown as going, and found by no search.
    deleting = models.BooleanField(default=False)
    schedule = models.ForeignKey(
        Schedule, on_delete=models.SET_NULL, null=True, blank=True, related_name="+"
    )

    # What the next incremental sync begins with; written when a sync ended well.
    cursor = models.JSONField(default=dict)
    # The newest sync: at work as long as that job is queued or running.
    sync_job = models.ForeignKey(
        Job, on_delete=models.SET_NULL, null=True, blank=True, related_name="+"
    )
    # What the newest sync did, written together with its doing.
    last_added = models.PositiveIntegerField(default=0)
    last_changed = models.PositiveIntegerField(default=0)
    last_unchanged = models.PositiveIntegerField(default=0)
    last_removed = models.PositiveIntegerField(default=0)
    last_failed = models.PositiveIntegerField(default=0)
    # Of the added and changed: how many hold no text.
    last_empty = models.PositiveIntegerField(default=0)
    # What the newest sync that looked at everything did not take, and why: `SyncRun.left_out`.
    last_left_out = models.JSONField(default=dict)
    # The sync that the counts are of; not a foreign key, for it is compared only.
    counts_of = models.UUIDField(null=True, blank=True)
    last_started_at = models.DateTimeField(null=True, blank=True)
    # When a sync last reached its end.
    last_synced_at = models.DateTimeField(null=True, blank=True)
    created_at = models.DateTimeField()
    updated_at = models.DateTimeField()

    objects = SourceQuerySet.as_manager()

    class Meta:
        constraints = [
            models.CheckConstraint(
                name="source_kind_known", condition=Q(kind__in=sorted(SourceKind))
            ),
            models.UniqueConstraint(
                "owner", "kind", "identity", name="source_identity", condition=~Q(identity="")
            ),
        ]
        indexes = [
            models.Index("owner", F("id").desc(), name="source_owner_id"),
            models.Index(F("id").desc(), name="source_shared_id", condition=Q(shared=True)),
        ]
        ordering = ["-id"]

    def __str__(self) -> str:
        return self.name


class DocumentKind(models.TextChoices):
    PAGE = "page", "Page"
    ISSUE = "issue", "Issue"
    ATTACHMENT = "attachment", "Attachment"
    DOCUMENT = "document", "Document"
    RECORDING = "recording", "Recording"


class DocumentState(models.TextChoices):
    """What became of it. `empty` is a warning: it was fetched and read, and holds no text."""

    WAITING = "waiting", "Waits for the next sync"
    INDEXED = "indexed", "Indexed"
    EMPTY = "empty", "No text found"
    FAILED = "failed", "Failed"


class SourceDocument(models.Model):
    """One page, issue, file or recording of a source, at the version that was fetched last.

    A failed one keeps the text that was fetched before, if any was: `problem_code` says why it is
    not newer.
    """

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    source = models.ForeignKey(
        Source, on_delete=models.CASCADE, related_name="documents", db_index=False
    )
    # What the source itself calls it: a URL, an issue's key, a document's id.
    key = models.CharField(max_length=KEY_MAX)
    kind = models.CharField(max_length=20, choices=DocumentKind.choices)
    title = models.CharField(max_length=TITLE_MAX, blank=True)
    # Opens it for a person.
    url = models.TextField(blank=True)
    labels = models.JSONField(default=list)
    # When it changed at the source, where that says so.
    changed_at = models.DateTimeField(null=True, blank=True)
    # SHA-256 of the text that is indexed; empty: none is.
    content_hash = models.CharField(max_length=64, blank=True)
    # What the connector wants to know next time (an ETag, say).
    fetched_with = models.JSONField(default=dict)
    state = models.CharField(
        max_length=10, choices=DocumentState.choices, default=DocumentState.WAITING
    )
    problem_code = models.CharField(max_length=60, blank=True)
    problem_message = models.TextField(blank=True)
    # Whether fetching it again may help.
    retryable = models.BooleanField(default=False)
    # The sync that saw it last; not a foreign key, for it is compared only.
    seen_by = models.UUIDField(null=True, blank=True)
    # The issue of an attachment, the page that links a file.
    parent = models.ForeignKey(
        "self", on_delete=models.SET_NULL, null=True, blank=True, related_name="children"
    )
    # The document of the store that it is, if it is one.
    stored = models.ForeignKey(
        Document, on_delete=models.SET_NULL, null=True, blank=True, related_name="+"
    )
    # The job whose recording it is; it goes with that.
    recording_job = models.ForeignKey(
        Job, on_delete=models.CASCADE, null=True, blank=True, related_name="+"
    )
    chars = models.PositiveIntegerField(default=0)
    n_chunks = models.PositiveIntegerField(default=0)
    created_at = models.DateTimeField()
    fetched_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [models.UniqueConstraint("source", "key", name="source_document_key")]
        indexes = [
            models.Index("source", "state", F("id").desc(), name="source_document_state"),
            models.Index("source", "seen_by", name="source_document_seen"),
            models.Index("changed_at", name="source_document_changed"),
        ]
        ordering = ["-id"]

    def __str__(self) -> str:
        return self.title or self.key


class SourceText(models.Model):
    """The whole text of a document; each chunk is `text[chunk.start:chunk.end]`."""

    document = models.OneToOneField(
        SourceDocument, on_delete=models.CASCADE, primary_key=True, related_name="whole"
    )
    text = models.TextField()

    class Meta:
        ordering = ["document"]

    def __str__(self) -> str:
        return f"text of {self.document_id}"


class EmbeddingModel(models.Model):
    """A model that made vectors. Vectors of different models are never compared."""

    class State(models.TextChoices):
        BUILDING = "building", "Being built"
        ACTIVE = "active", "Used by searches"
        RETIRED = "retired", "Retired"

    name = models.CharField(max_length=200)
    revision = models.CharField(max_length=100, blank=True)
    dimension = models.PositiveIntegerField()
    state = models.CharField(max_length=10, choices=State.choices, default=State.BUILDING)
    created_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint("name", "revision", "dimension", name="embedding_model"),
            models.UniqueConstraint(
                "state", name="embedding_model_one_active", condition=Q(state="active")
            ),
        ]
        ordering = ["id"]

    def __str__(self) -> str:
        return f"{self.name} ({self.dimension})"


class Chunk(models.Model):
    """An addressable span of a document. Its row, and so its vector, lasts while its text does."""

    # A whole number: SQLite's full text index calls its rows by it.
    id = models.BigAutoField(primary_key=True)
    document = models.ForeignKey(
        SourceDocument, on_delete=models.CASCADE, related_name="chunks", db_index=False
    )
    # The document's: searches filter by it.
    source = models.ForeignKey(Source, on_delete=models.CASCADE, related_name="+")
    position = models.PositiveIntegerField()
    text = models.TextField()
    heading_path = models.JSONField(default=list)
    page = models.PositiveIntegerField(null=True, blank=True)
    # An id within the page that a link can jump to.
    anchor = models.CharField(max_length=300, blank=True)
    start = models.PositiveIntegerField()
    end = models.PositiveIntegerField()
    tokens = models.PositiveIntegerField()
    # SHA-256 of the headings and the text; the same text again in one document counts up.
    digest = models.CharField(max_length=64)
    occurrence = models.PositiveIntegerField(default=0)

    class Meta:
        constraints = [
            models.UniqueConstraint("document", "digest", "occurrence", name="chunk_content"),
            models.CheckConstraint(name="chunk_span", condition=Q(start__lte=F("end"))),
        ]
        indexes = [models.Index("document", "position", name="chunk_position")]
        ordering = ["document", "position", "id"]

    def __str__(self) -> str:
        return f"chunk {self.position} of {self.document_id}"
