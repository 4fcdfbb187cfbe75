"""Asking the index: by words, by meaning, and both together.

Both ways give a list; a chunk's place in each counts (reciprocal rank fusion, Cormack et al., 2009).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ingestion import embedding
from ingestion.embedding import EmbeddingFailed
from ingestion.index import analysis, postings, snippets, vectors, words
from ingestion.index.allowed import Allowed
from ingestion.index.query import BadQuery, Mode, Query, Words, has_phrase, parse, run_of
from ingestion.models import Chunk, EmbeddingModel

Ids = NDArray[np.int64]
Scores = NDArray[np.float32]
# Of each list so many are joined, or more where later results are asked for.
DEPTH = 150
RRF_K = 60
# With a filter, so many of each list are tried before all that is allowed is looked up.
TRIED, MOST_TRIED = 400, 1_000
# Of a phrase's candidates, the best are read to see whether they have it.
PHRASE_READ = 2_000
_PHRASE_BATCH = 200
LIKE_TERMS = 25


@dataclass(frozen=True, kw_only=True)
class Part:
    """What one of the two ways said of a chunk: its rank there, from 1, and its score."""

    rank: int
    score: float


@dataclass(frozen=True, kw_only=True)
class Hit:
    """One passage. `highlights` are spans of the chunk's text; the snippet is a span of it too."""

    chunk: Chunk
    score: float
    words: Part | None = None
    meaning: Part | None = None
    highlights: tuple[tuple[int, int], ...] = ()
    snippet: tuple[int, int] = (0, 0)


@dataclass(frozen=True, kw_only=True)
class Results:
    """`mode` is how it was searched really; `notice` says why not as it was asked for."""

    hits: list[Hit]
    mode: Mode
    notice: str = ""
    more: bool = False
    # Not all that has a phrase's words could be read: something may be missing.
    limited: bool = False
    model: EmbeddingModel | None = None


# What results show; the rest is settings and notes of syncs.
_SHOWN = (
    *("id", "text", "heading_path", "page", "anchor", "start", "end", "position"),
    *("document__id", "document__kind", "document__key", "document__title", "document__url"),
    *("document__labels", "document__changed_at", "document__stored_id", "document__source_id"),
    *("source__id", "source__kind", "source__name"),
)


@dataclass
class _Lists:
    words: tuple[Ids, Scores]
    meaning: tuple[Ids, Scores]
    terms: Sequence[str] = ()
    limited: bool = False
    notices: list[str] = field(default_factory=list)


def search(*, query: Query, user: Any) -> Results:
    """The passages that fit best, of what `user` may see.

    :raises BadQuery: see `Query.check`; or `like` names no chunk that `user` may see.
    """
    query.check()
    allowed = Allowed(filters=query.filters, user=user)
    depth = max(DEPTH, query.offset + query.limit * 2)
    if query.like is not None:
        lists, model, exclude = _like(query, allowed, user, depth)
    else:
        lists, model = _asked(query, allowed, depth)
        exclude = None
    fused = _fused(lists)
    hits, more = _page(query, fused, lists, allowed, exclude)
    mode: Mode = query.mode
    if model is None:
        mode = "words"
    return Results(
        hits=hits,
        mode=mode,
        notice=" ".join(lists.notices),
        more=more,
        limited=lists.limited,
        model=model,
    )


def keyword_only() -> str:
    """Why searches go by words alone now, with what to do; empty: they do not."""
    return _model()[2]


def _model() -> tuple[EmbeddingModel | None, embedding.Embedder | None, str]:
    """The model whose vectors are searched, how to ask it, and why there is none."""
    model = EmbeddingModel.objects.filter(state=EmbeddingModel.State.ACTIVE).first()
    if model is None:
        why = embedding.status().why
        return None, None, why or "Nothing is embedded yet: the next sync does it."
    embedder = embedding.named(model.name, model.revision, model.dimension, for_query=True)
    if embedder is not None:
        return model, embedder, ""
    why = embedding.status().why or (
        f"The index was made with {model.name}, which can not be asked any more. "
        "Run the job that embeds everything anew (ingestion.embed)."
    )
    return None, None, why


def _asked(query: Query, allowed: Allowed, depth: int) -> tuple[_Lists, EmbeddingModel | None]:
    asked = parse(query.text)
    nothing: tuple[Ids, Scores] = (np.zeros(0, np.int64), np.zeros(0, np.float32))
    lists = _Lists(words=nothing, meaning=nothing, terms=asked.terms)
    model = None
    question: Scores | None = None
    if query.mode != "words":
        model, question, why = _question(query.text)
        if why:
            lists.notices.append(f"Keyword only: {why}")
    by_words = query.mode != "meaning" or model is None
    holders: Ids | None = None
    if (by_words or asked.phrases) and asked.terms:
        found = words.find(asked.terms, required=asked.required)
        lists.terms = tuple(found.counted)
        if asked.phrases:
            best, lists.limited = _with_phrases(found, asked, allowed)
            holders = best[0]
        else:
            best = _best_words(found, allowed, depth)
        lists.words = (best[0][:depth], best[1][:depth]) if by_words else nothing
    if model is not None and question is not None:
        lists.meaning = _nearest(model, question, allowed, depth, holders)
    if postings.pending(at_most=1):
        lists.notices.append("What a sync brings in just now is not all findable yet.")
    return lists, model


def _question(text: str) -> tuple[EmbeddingModel | None, Scores | None, str]:
    model, embedder, why = _model()
    if model is None or embedder is None:
        return None, None, why
    try:
        return model, _embedded(embedder, model.pk, text), ""
    except EmbeddingFailed as error:
        return None, None, error.message


_questions: dict[tuple[int, str], Scores] = {}


def _embedded(embedder: embedding.Embedder, model_id: int, text: str) -> Scores:
    """The question's vector; the newest ones are remembered, for the next page of the results."""
    key = (model_id, text)
    if (kept := _questions.get(key)) is None:
        kept = embedder.embed([text])[0]
        while len(_questions) >= 256:
            _questions.pop(next(iter(_questions)), None)
        _questions[key] = kept
    return kept


def forget_questions() -> None:
    """Ask the model anew for every question's vector."""
    _questions.clear()


def _best_words(found: words.Found, allowed: Allowed, depth: int) -> tuple[Ids, Scores]:
    if allowed.everything:
        return found.best(depth)
    among = allowed.ids() if allowed.at_hand() else None
    share = len(among) / max(len(found.scores), 1) if among is not None else 1.0
    # Mostly enough of the best of all are allowed, which need not all be read for that.
    tried = max(TRIED, depth, int(1.5 * depth / max(share, 0.01)))
    if tried <= MOST_TRIED:
        ids, scores = found.best(tried)
        kept = allowed.those_of(ids) if among is None else among
        where = np.isin(ids, kept)
        if where.sum() >= depth or len(ids) < tried:
            return ids[where], scores[where]
    return found.best(depth, among=allowed.ids())


def _nearest(
    model: EmbeddingModel, question: Scores, allowed: Allowed, depth: int, holders: Ids | None
) -> tuple[Ids, Scores]:
    if holders is not None:
        return vectors.nearest(model, question, depth, among=holders)
    if allowed.everything:
        return vectors.nearest(model, question, depth)
    return vectors.nearest(model, question, depth, among=allowed.ids())


def _with_phrases(
    found: words.Found, asked: Words, allowed: Allowed
) -> tuple[tuple[Ids, Scores], bool]:
    among = None if allowed.everything else allowed.ids()
    ids, scores = found.best(PHRASE_READ + 1, among=among)
    limited = len(ids) > PHRASE_READ
    ids, scores = ids[:PHRASE_READ], scores[:PHRASE_READ]
    holders: set[int] = set()
    for at in range(0, len(ids), _PHRASE_BATCH):
        rows = Chunk.objects.filter(pk__in=ids[at : at + _PHRASE_BATCH].tolist()).values_list(
            "pk", "document__title", "heading_path", "text"
        )
        for pk, title, path, text in rows:
            runs = [run_of(part) for part in (text, title, *path)]
            if all(any(has_phrase(run, phrase) for run in runs) for phrase in asked.phrases):
                holders.add(pk)
    where = np.isin(ids, np.asarray(sorted(holders), dtype=np.int64))
    return (ids[where], scores[where]), limited


def _like(
    query: Query, allowed: Allowed, user: Any, depth: int
) -> tuple[_Lists, EmbeddingModel | None, Any]:
    """Chunks of other documents with the same telling words, or a vector nearby."""
    from ingestion.index.query import Filters

    mine = Allowed(filters=Filters(), user=user).chunks()
    chunk = mine.filter(pk=query.like or 0).first()
    if chunk is None:
        raise BadQuery("like", f"There is no chunk {query.like}.")
    terms = _telling(chunk.text)
    nothing: tuple[Ids, Scores] = (np.zeros(0, np.int64), np.zeros(0, np.float32))
    lists = _Lists(words=nothing, meaning=nothing, terms=terms)
    if query.mode != "meaning":
        lists.words = _best_words(words.find(terms), allowed, depth)
    model = None
    if query.mode != "words":
        model = EmbeddingModel.objects.filter(state=EmbeddingModel.State.ACTIVE).first()
        own = vectors.of(model, [chunk.pk]).get(chunk.pk) if model is not None else None
        if model is None or own is None:
            model = None
            lists.notices.append("Keyword only: this passage is not embedded.")
            if query.mode == "meaning":
                lists.words = _best_words(words.find(terms), allowed, depth)
        else:
            lists.meaning = _nearest(model, own, allowed, depth, None)
    return lists, model, chunk.document_id


def _telling(text: str) -> list[str]:
    """The words that the passage says most, long ones first among equals."""
    counts = Counter(term for term in analysis.terms(text) if len(term) > 2)
    ranked = sorted(counts, key=lambda term: (-counts[term] * min(len(term), 8), term))
    return ranked[:LIKE_TERMS]


def _fused(lists: _Lists) -> list[tuple[int, float]]:
    scores: dict[int, float] = {}
    for ids, _ in (lists.words, lists.meaning):
        for rank, chunk_id in enumerate(ids.tolist(), 1):
            scores[chunk_id] = scores.get(chunk_id, 0.0) + 1 / (RRF_K + rank)
    return sorted(scores.items(), key=lambda each: (-each[1], each[0]))


def _page(
    query: Query,
    fused: list[tuple[int, float]],
    lists: _Lists,
    allowed: Allowed,
    exclude: Any,
) -> tuple[list[Hit], bool]:
    """The results that were asked for, as they are in the database now."""
    wanted = query.offset + query.limit + 1
    per_document: Counter[Any] = Counter()
    kept: list[tuple[int, float]] = []
    # Usually the first of these are enough.
    step = max(40, 3 * wanted)
    for at in range(0, len(fused), step):
        ids = [chunk_id for chunk_id, _ in fused[at : at + step]]
        rows = allowed.chunks().filter(pk__in=ids).order_by().values_list("pk", "document_id")
        documents: dict[int, Any] = dict(rows)
        for chunk_id, score in fused[at : at + step]:
            document = documents.get(chunk_id)
            if document is None or document == exclude:
                continue
            per_document[document] += 1
            if per_document[document] <= query.per_document:
                kept.append((chunk_id, score))
        if len(kept) >= wanted:
            break
    shown = kept[query.offset : query.offset + query.limit]
    rows_by_id = {
        row.pk: row
        for row in Chunk.objects.filter(pk__in=[pk for pk, _ in shown])
        .select_related("document", "source")
        .only(*_SHOWN)
        .order_by()
    }
    by_words, by_meaning = _ranks(lists.words), _ranks(lists.meaning)
    hits = []
    for pk, score in shown:
        if (row := rows_by_id.get(pk)) is None:  # Deleted this very moment.
            continue
        spans = snippets.highlights(row.text, lists.terms)
        hits.append(
            Hit(
                chunk=row,
                score=score,
                words=by_words.get(pk),
                meaning=by_meaning.get(pk),
                highlights=tuple(spans),
                snippet=snippets.window(row.text, spans),
            )
        )
    return hits, len(kept) >= wanted


def _ranks(ranked: tuple[Ids, Scores]) -> dict[int, Part]:
    pairs = zip(ranked[0].tolist(), ranked[1].tolist(), strict=True)
    return {pk: Part(rank=rank, score=score) for rank, (pk, score) in enumerate(pairs, 1)}
