"""What the search API takes and answers."""

from __future__ import annotations

from typing import Any

from rest_framework import serializers

from ingestion.index.query import MAX_CHARS, MAX_LIMIT, MAX_OFFSET
from ingestion.models import DocumentKind, SourceKind
from jobs.api.shapes import Strict

MODES = [
    ("hybrid", "Words and meaning together"),
    ("words", "Words alone"),
    ("meaning", "Meaning alone"),
]
_MOST = 50


class FilterShape(Strict):
    """Of several values in one list, any; of several lists, all."""

    sources = serializers.ListField(child=serializers.UUIDField(), max_length=_MOST, default=list)
    sourceKinds = serializers.ListField(
        child=serializers.ChoiceField(choices=SourceKind.choices), default=list, max_length=_MOST
    )
    kinds = serializers.ListField(
        child=serializers.ChoiceField(choices=DocumentKind.choices), default=list, max_length=_MOST
    )
    labels = serializers.ListField(
        child=serializers.CharField(max_length=200), default=list, max_length=_MOST
    )
    documents = serializers.ListField(child=serializers.UUIDField(), max_length=_MOST, default=list)
    changedFrom = serializers.DateTimeField(
        required=False, allow_null=True, help_text="Changed at its source at this time or later."
    )
    changedUntil = serializers.DateTimeField(
        required=False, allow_null=True, help_text="Changed at its source before this time."
    )


class QueryRequest(Strict):
    query = serializers.CharField(
        required=False,
        default="",
        allow_blank=True,
        trim_whitespace=True,
        help_text=f"At most {MAX_CHARS} characters. What stands in quotes is found as it stands.",
    )
    like = serializers.IntegerField(
        required=False,
        allow_null=True,
        default=None,
        min_value=1,
        max_value=2**63 - 1,
        help_text="Instead of a query: passages of other documents that are like this chunk.",
    )
    mode = serializers.ChoiceField(choices=MODES, default="hybrid")
    filters = FilterShape(required=False)
    limit = serializers.IntegerField(default=10, min_value=1, max_value=MAX_LIMIT)
    offset = serializers.IntegerField(default=0, min_value=0, max_value=MAX_OFFSET)
    perDocument = serializers.IntegerField(
        default=3, min_value=1, max_value=MAX_LIMIT, help_text="Passages of one document at most."
    )
    explain = serializers.BooleanField(
        default=False, help_text="With rank and score of each way of searching."
    )


class SpanShape(serializers.Serializer[Any]):
    start = serializers.IntegerField()
    end = serializers.IntegerField()


class SnippetShape(serializers.Serializer[Any]):
    """A part of the chunk's text; the highlights count from its own beginning."""

    text = serializers.CharField()
    start = serializers.IntegerField()
    end = serializers.IntegerField()
    highlights = SpanShape(many=True)


class PartShape(serializers.Serializer[Any]):
    rank = serializers.IntegerField()
    score = serializers.FloatField()


class PartsShape(serializers.Serializer[Any]):
    words = PartShape(allow_null=True)
    meaning = PartShape(allow_null=True)


class FoundDocumentShape(serializers.Serializer[Any]):
    id = serializers.UUIDField()
    kind = serializers.ChoiceField(choices=DocumentKind.choices)
    key = serializers.CharField()
    title = serializers.CharField()
    url = serializers.CharField()
    labels = serializers.ListField(child=serializers.CharField())
    changedAt = serializers.DateTimeField(allow_null=True)


class FoundSourceShape(serializers.Serializer[Any]):
    id = serializers.UUIDField()
    kind = serializers.ChoiceField(choices=SourceKind.choices)
    name = serializers.CharField()


class HitShape(serializers.Serializer[Any]):
    """`text` is `start` to `end` of its document's text; highlights are spans of `text`."""

    chunkId = serializers.IntegerField()
    score = serializers.FloatField()
    text = serializers.CharField()
    highlights = SpanShape(many=True)
    snippet = SnippetShape()
    headingPath = serializers.ListField(child=serializers.CharField())
    page = serializers.IntegerField(allow_null=True)
    anchor = serializers.CharField()
    start = serializers.IntegerField()
    end = serializers.IntegerField()
    url = serializers.CharField(help_text="Opens the document at this place.")
    document = FoundDocumentShape()
    source = FoundSourceShape()  # type: ignore[assignment]  # DRF gives fields this name too
    scores = PartsShape(required=False, help_text="With `explain`.")


class QueryAnswer(serializers.Serializer[Any]):
    results = HitShape(many=True)
    mode = serializers.ChoiceField(choices=MODES, help_text="How it was searched really.")
    notice = serializers.CharField(help_text="Why not as it was asked for; empty: it was.")
    more = serializers.BooleanField(help_text="There are results after these.")
    limited = serializers.BooleanField(
        help_text="So many passages have a phrase's words that not all could be read."
    )
    model = serializers.CharField(allow_null=True, help_text="Whose vectors were searched.")
    tookMs = serializers.FloatField()


class ModelShape(serializers.Serializer[Any]):
    name = serializers.CharField()
    revision = serializers.CharField()
    dimension = serializers.IntegerField()


class StatsAnswer(serializers.Serializer[Any]):
    """Counts are of what you may see; sizes, and what waits, are of the whole index."""

    sources = serializers.IntegerField()
    documents = serializers.IntegerField()
    chunks = serializers.IntegerField()
    chunksByKind = serializers.DictField(child=serializers.IntegerField())
    pending = serializers.IntegerField(help_text="Changes that are not in the index yet.")
    embedded = serializers.IntegerField(help_text="Passages with a vector, of `total`.")
    total = serializers.IntegerField()
    model = ModelShape(allow_null=True)
    keywordOnly = serializers.CharField(help_text="Why searches go by words alone; empty: not so.")
    vectorMethod = serializers.ChoiceField(choices=[("hnsw", "hnsw"), ("matrix", "matrix")])
    wordsBytes = serializers.IntegerField()
    vectorsBytes = serializers.IntegerField()
    memoryBytes = serializers.IntegerField(help_text="Kept in memory by the answering process.")
    problems = serializers.ListField(child=serializers.CharField())
