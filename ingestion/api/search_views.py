"""Searching, and how the index is."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from ingestion.api.search_shapes import QueryAnswer, QueryRequest, StatsAnswer
from ingestion.index import BadQuery, Filters, Hit, Query, Results, health, places, search
from jobs.api.base import ApiView, cleaned, user_of
from jobs.api.permissions import AnyRole
from jobs.api.problem import Problem


def filters_of(given: Mapping[str, Any]) -> Filters:
    return Filters(
        sources=tuple(given.get("sources", ())),
        source_kinds=tuple(given.get("sourceKinds", ())),
        kinds=tuple(given.get("kinds", ())),
        labels=tuple(given.get("labels", ())),
        documents=tuple(given.get("documents", ())),
        changed_from=given.get("changedFrom"),
        changed_until=given.get("changedUntil"),
    )


def hit_dto(hit: Hit, *, explain: bool) -> dict[str, Any]:
    chunk, document, source = hit.chunk, hit.chunk.document, hit.chunk.source
    low, high = hit.snippet
    body: dict[str, Any] = {
        "chunkId": chunk.pk,
        "score": hit.score,
        "text": chunk.text,
        "highlights": [{"start": start, "end": end} for start, end in hit.highlights],
        "snippet": {
            "text": chunk.text[low:high],
            "start": low,
            "end": high,
            "highlights": [
                {"start": start - low, "end": end - low}
                for start, end in hit.highlights
                if low <= start and end <= high
            ],
        },
        "headingPath": chunk.heading_path,
        "page": chunk.page,
        "anchor": chunk.anchor,
        "start": chunk.start,
        "end": chunk.end,
        "url": places.url_of(chunk),
        "document": {
            "id": str(document.pk),
            "kind": document.kind,
            "key": document.key,
            "title": document.title,
            "url": document.url,
            "labels": document.labels,
            "changedAt": document.changed_at.isoformat() if document.changed_at else None,
        },
        "source": {"id": str(source.pk), "kind": source.kind, "name": source.name},
    }
    if explain:
        body["scores"] = {
            name: None if part is None else {"rank": part.rank, "score": part.score}
            for name, part in (("words", hit.words), ("meaning", hit.meaning))
        }
    return body


def results_dto(results: Results, *, explain: bool, took_ms: float) -> dict[str, Any]:
    return {
        "results": [hit_dto(hit, explain=explain) for hit in results.hits],
        "mode": results.mode,
        "notice": results.notice,
        "more": results.more,
        "limited": results.limited,
        "model": results.model.name if results.model is not None else None,
        "tookMs": round(took_ms, 1),
    }


class QueryView(ApiView):
    """Asks the index; every role may, and finds what it may see."""

    serializer_class = QueryRequest
    permission_classes = [AnyRole]
    throttle_scope = "read"

    @extend_schema(
        operation_id="vector_query",
        summary="Search",
        description=(
            "Passages that answer a question, best first. Nothing in a query is an operator; what "
            "stands in double quotes must be found as it stands."
        ),
        responses={200: QueryAnswer},
    )
    def post(self, request: Request) -> Response:
        given = cleaned(QueryRequest, request.data)
        began = time.perf_counter()
        query = Query(
            text=given["query"],
            like=given["like"],
            mode=given["mode"],
            filters=filters_of(given.get("filters", {})),
            limit=given["limit"],
            offset=given["offset"],
            per_document=given["perDocument"],
        )
        try:
            results = search(query=query, user=user_of(request))
        except BadQuery as error:
            raise Problem(
                status=400,
                code="bad_query",
                detail=error.message,
                errors={error.field: [error.message]},
            ) from error
        took = (time.perf_counter() - began) * 1000
        return Response(results_dto(results, explain=given["explain"], took_ms=took))


class StatsView(ApiView):
    """How large the index is, and whether it is all there."""

    @extend_schema(
        operation_id="vector_stats", summary="Size and health of the index", responses=StatsAnswer
    )
    def get(self, request: Request) -> Response:
        found = health.look(user=user_of(request))
        model = found.model
        return Response(
            {
                "sources": found.sources,
                "documents": found.documents,
                "chunks": found.chunks,
                "chunksByKind": found.chunks_by_kind,
                "pending": found.pending,
                "embedded": found.embedded,
                "total": found.total,
                "model": model
                and {
                    "name": model.name,
                    "revision": model.revision,
                    "dimension": model.dimension,
                },
                "keywordOnly": found.keyword_only,
                "vectorMethod": found.method,
                "wordsBytes": found.words_bytes,
                "vectorsBytes": found.vectors_bytes,
                "memoryBytes": found.memory_bytes,
                "problems": found.problems,
            }
        )
