"""What the API of sources takes and answers, as serializers."""

from __future__ import annotations

from typing import Any

from rest_framework import serializers

from ingestion import connectors
from ingestion.dto import STATES
from ingestion.kinds.sync import MODES
from ingestion.models import DocumentKind, DocumentState, SourceKind
from ingestion.sources import NAME_MAX
from jobs.api.paging import Paging
from jobs.api.shapes import OneOf, PageShape, Strict

SOURCE_STATES = [(name, words) for name, (words, _) in STATES.items()]


def _kinds() -> list[tuple[str, str]]:
    return [(kind, SourceKind(kind).label) for kind in connectors.all_connectors()]


class CreateSource(Strict):
    """`settings` are the kind's own: `GET /api/config/source-kinds` describes them."""

    kind = OneOf(offers=_kinds, max_length=20)
    settings = serializers.DictField(child=serializers.JSONField())
    name = serializers.CharField(max_length=NAME_MAX, required=False, allow_blank=True)
    shared = serializers.BooleanField(default=False, help_text="Every role may search in it.")


class ChangeSource(Strict):
    """What is left out stays; of the settings as well."""

    name = serializers.CharField(max_length=NAME_MAX, required=False)
    settings = serializers.DictField(child=serializers.JSONField(), required=False)
    shared = serializers.BooleanField(required=False)


class TrySource(Strict):
    kind = OneOf(offers=_kinds, max_length=20)
    settings = serializers.DictField(child=serializers.JSONField())


class TryKnownSource(Strict):
    settings = serializers.DictField(
        child=serializers.JSONField(), default=dict, help_text="Over those that it has."
    )


class SyncRequest(Strict):
    mode = serializers.ChoiceField(choices=list(MODES.items()), default="incremental")


class ScheduleRequest(Strict):
    cron = serializers.CharField(max_length=120, help_text="Such as `30 6 * * MON-FRI`.")
    timeZone = serializers.CharField(
        max_length=64, required=False, help_text="Such as Europe/Berlin."
    )


class DocumentFilters(Paging):
    """Everything is optional, and everything given must hold."""

    state = serializers.ChoiceField(choices=DocumentState.choices, required=False)
    kind = serializers.ChoiceField(choices=DocumentKind.choices, required=False)
    q = serializers.CharField(max_length=300, required=False, help_text="Part of title or key.")


class SourceFilters(Paging):
    kind = serializers.ChoiceField(choices=SourceKind.choices, required=False)


class RemovalScope(serializers.Serializer[Any]):
    # Read with `query_of`; a field of this very name would shadow the serializer's own.
    def get_fields(self) -> dict[str, serializers.Field[Any, Any, Any, Any]]:
        return {"source": serializers.UUIDField(help_text="The source that is emptied.")}


class IngestDocuments(Strict):
    ids = serializers.ListField(
        child=serializers.UUIDField(),
        min_length=1,
        max_length=1000,
        help_text="Documents of the store.",
    )


class IngestFiles(serializers.Serializer[Any]):
    """The fields beside the files."""

    tags = serializers.CharField(
        required=False, allow_blank=True, max_length=2_000, help_text="With commas."
    )


class JobAnswer(serializers.Serializer[Any]):
    jobId = serializers.UUIDField()
    sourceId = serializers.UUIDField(required=False)


class IngestedFiles(JobAnswer):
    documents = serializers.ListField(
        child=serializers.DictField(), help_text="Those that were kept, with id and name."
    )
    refused = serializers.ListField(
        child=serializers.DictField(), help_text="Those that were not, and why."
    )


class Removed(serializers.Serializer[Any]):
    removed = serializers.IntegerField(help_text="Documents, with their attachments.")


class Counts(serializers.Serializer[Any]):
    added = serializers.IntegerField()
    changed = serializers.IntegerField()
    unchanged = serializers.IntegerField()
    removed = serializers.IntegerField()
    failed = serializers.IntegerField()
    empty = serializers.IntegerField(help_text="Of those added and changed, without text.")


class LeftOut(serializers.Serializer[Any]):
    count = serializers.IntegerField()
    why = serializers.CharField()
    examples = serializers.ListField(child=serializers.CharField())


class SourceShape(serializers.Serializer[Any]):
    """A source. `state` follows from its newest sync; secrets are dots."""

    id = serializers.UUIDField()
    kind = serializers.ChoiceField(choices=SourceKind.choices)
    name = serializers.CharField()
    ownerId = serializers.IntegerField()
    ownerName = serializers.CharField()
    shared = serializers.BooleanField()
    canChange = serializers.BooleanField()
    settings = serializers.DictField(
        child=serializers.JSONField(), help_text="Empty for whom may not change it."
    )
    state = serializers.ChoiceField(choices=SOURCE_STATES)
    stateText = serializers.CharField()
    error = serializers.CharField(allow_blank=True)
    reason = serializers.CharField(allow_blank=True)
    paused = serializers.BooleanField()
    syncJobId = serializers.UUIDField(allow_null=True)
    lastSync = Counts()
    leftOut = serializers.DictField(
        child=LeftOut(), help_text="What the newest sync saw and did not take, by reason."
    )
    lastStartedAt = serializers.DateTimeField(allow_null=True)
    lastSyncedAt = serializers.DateTimeField(allow_null=True)
    cron = serializers.CharField(allow_blank=True)
    timeZone = serializers.CharField(allow_blank=True)
    nextSyncAt = serializers.DateTimeField(allow_null=True)
    createdAt = serializers.DateTimeField()
    updatedAt = serializers.DateTimeField()


class TallyShape(serializers.Serializer[Any]):
    documents = serializers.IntegerField()
    chunks = serializers.IntegerField()
    waiting = serializers.IntegerField()
    indexed = serializers.IntegerField()
    empty = serializers.IntegerField()
    failed = serializers.IntegerField()


class SourceDetail(SourceShape):
    holds = TallyShape(help_text="What it has now.")


class SourcesPage(PageShape):
    results = SourceShape(many=True)


class ReportProblem(serializers.Serializer[Any]):
    code = serializers.CharField()
    message = serializers.CharField()
    field = serializers.CharField(allow_blank=True)


class ReportShape(serializers.Serializer[Any]):
    """What a test of a connection found."""

    ok = serializers.BooleanField()
    summary = serializers.CharField()
    facts = serializers.DictField(child=serializers.CharField())
    notes = serializers.ListField(child=serializers.CharField())
    problems = ReportProblem(many=True)


class SourceDocumentShape(serializers.Serializer[Any]):
    id = serializers.UUIDField()
    sourceId = serializers.UUIDField()
    key = serializers.CharField()
    kind = serializers.ChoiceField(choices=DocumentKind.choices)
    title = serializers.CharField(allow_blank=True)
    url = serializers.CharField(allow_blank=True)
    labels = serializers.ListField(child=serializers.CharField())
    state = serializers.ChoiceField(choices=DocumentState.choices)
    problemCode = serializers.CharField(allow_blank=True)
    problemMessage = serializers.CharField(allow_blank=True)
    retryable = serializers.BooleanField()
    parentId = serializers.UUIDField(allow_null=True)
    documentId = serializers.UUIDField(allow_null=True)
    chars = serializers.IntegerField()
    chunks = serializers.IntegerField()
    changedAt = serializers.DateTimeField(allow_null=True)
    fetchedAt = serializers.DateTimeField(allow_null=True)


class SourceDocumentsPage(PageShape):
    results = SourceDocumentShape(many=True)


class ChunkShape(serializers.Serializer[Any]):
    id = serializers.IntegerField()
    position = serializers.IntegerField()
    text = serializers.CharField()
    headingPath = serializers.ListField(child=serializers.CharField())
    page = serializers.IntegerField(allow_null=True)
    anchor = serializers.CharField(allow_blank=True)
    start = serializers.IntegerField()
    end = serializers.IntegerField()
    tokens = serializers.IntegerField()


class ChunksPage(PageShape):
    results = ChunkShape(many=True)


class KindShape(serializers.Serializer[Any]):
    kind = serializers.CharField()
    label = serializers.CharField()  # type: ignore[assignment]
    settingsSchema = serializers.DictField(
        child=serializers.JSONField(), help_text="JSON Schema of `settings`."
    )


class KindsShape(serializers.Serializer[Any]):
    kinds = KindShape(many=True)
