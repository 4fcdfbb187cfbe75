"""How large the index is, and whether it is all there."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.db import connection
from django.db.models import Count

from ingestion import embedding
from ingestion.index import filling, mark, matrix, postings, searching, tables, vectors
from ingestion.models import Chunk, Source, SourceDocument


@dataclass(frozen=True, kw_only=True)
class Health:
    """Counts are of what the asking person may see; sizes and what waits are of the whole index."""

    sources: int
    documents: int
    chunks: int
    chunks_by_kind: dict[str, int]
    indexed: int
    pending: int
    embedded: int
    total: int
    model: Any
    wanted: str
    behind: bool
    keyword_only: str
    method: str
    words_bytes: int
    vectors_bytes: int
    memory_bytes: int

    @property
    def problems(self) -> list[str]:
        """What is not as it should be, each with what to do; empty: all is well."""
        found = []
        if self.keyword_only:
            found.append(f"Keyword only: {self.keyword_only}")
        if self.pending:
            found.append(
                f"{self.pending:,} changes are not in the index yet; a running sync, or the next "
                "one, brings them in."
            )
        if self.behind:
            found.append(
                f"Searches use {self.model.name}; the settings name {self.wanted}. Embed the index "
                "anew to move to it."
            )
        if self.model is not None and self.embedded < self.total:
            found.append(
                f"{self.total - self.embedded:,} of {self.total:,} passages are found by their "
                "words only: they have no vector yet."
            )
        return found


def look(*, user: Any) -> Health:
    visible = Source.objects.visible_to(user).filter(deleting=False)
    ids = list(visible.values_list("pk", flat=True))
    by_kind = dict(
        Chunk.objects.filter(source_id__in=ids)
        .values_list("source__kind")
        .annotate(n=Count("id"))
        .order_by("source__kind")
    )
    model = filling.active()
    wanted = embedding.active()
    with connection.cursor() as cursor:
        cursor.execute("SELECT coalesce(sum(chunks), 0) FROM ingestion_postingblock")
        indexed = int(cursor.fetchone()[0])
    return Health(
        sources=len(ids),
        documents=SourceDocument.objects.filter(source_id__in=ids).count(),
        chunks=sum(by_kind.values()),
        chunks_by_kind=by_kind,
        indexed=indexed,
        pending=postings.pending(),
        embedded=vectors.count(model) if model is not None else 0,
        total=Chunk.objects.count(),
        model=model,
        wanted=wanted.name if wanted is not None else "",
        behind=filling.behind(),
        keyword_only=searching.keyword_only(),
        method=vectors.method(model),
        words_bytes=_size("ingestion_posting"),
        vectors_bytes=_size("ingestion_chunkvector"),
        memory_bytes=matrix.memory_bytes(),
    )


_sizes: dict[tuple[str, Any], int] = {}


def _size(table: str) -> int:
    """Bytes on disk; on SQLite those of the rows, counted anew only after a change."""
    assert table in tables.TABLES
    token = mark.token()
    if token is not None and (table, token) in _sizes:
        return _sizes[table, token]
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.execute("SELECT pg_total_relation_size(%s)", [table])
        else:
            column = "codes" if table == "ingestion_posting" else "vector"
            cursor.execute(f"SELECT coalesce(sum(length({column}) + 24), 0) FROM {table}")
        size = int(cursor.fetchone()[0])
    if token is not None:
        for old in [key for key in _sizes if key[0] == table]:
            _sizes.pop(old, None)
        _sizes[table, token] = size
    return size
