"""Which chunks fit a question's words best: the reading side of the postings.

BM25 (Robertson & Zaragoza, 2009) with k1 = 1.2 and b = .75, over the terms of the question that any
chunk has; the arithmetic is numpy's, over whole rows of postings.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
import psycopg
from django.db import connection
from numpy.typing import NDArray

from ingestion.index import analysis, mark, postings

K1, B = 1.2, 0.75
# A term that so large a part of all chunks has tells them apart too little to be looked at, as long
# as rarer ones are asked for. Not among few chunks: there it saves nothing, and what has only that
# term would be missed.
COMMON, COMMON_FROM = 0.3, 500
# What each process keeps of terms that were asked for before, as long as the index is the same.
KEPT_BYTES = 64 << 20
Ids = NDArray[np.int64]
Scores = NDArray[np.float32]


@dataclass(frozen=True, kw_only=True)
class Found:
    """Chunks with any of the terms. Places are dense numbers; `ids` says whose each is.

    `counted`: the terms that decided, which are not always all that were asked for.
    """

    scores: Scores
    firsts: NDArray[np.int64]
    bounds: NDArray[np.int64]
    counted: frozenset[str] = frozenset()

    def best(self, n: int, *, among: Ids | None = None) -> tuple[Ids, Scores]:
        """The `n` best chunks (of `among`), best first; of equals, the older one."""
        scores = self.scores
        if among is not None:
            places = self._places(among)
            kept = np.zeros_like(scores)
            kept[places] = scores[places]
            scores = kept
        hits = np.flatnonzero(scores)
        if len(hits) > n:
            top = np.argpartition(scores[hits], len(hits) - n)[len(hits) - n :]
            # All that are as good as the last of them, so that ties are cut by id.
            hits = hits[scores[hits] >= scores[hits[top]].min()]
        order = np.lexsort((hits, -scores[hits]))[:n]
        return self.ids(hits[order]), scores[hits[order]]

    def ids(self, places: NDArray[np.int64]) -> Ids:
        block = np.searchsorted(self.bounds, places, side="right") - 1
        return np.asarray(self.firsts[block] + (places - self.bounds[block]), dtype=np.int64)

    def _places(self, ids: Ids) -> NDArray[np.int64]:
        if not len(self.firsts):
            return np.zeros(0, dtype=np.int64)
        found = [
            ids[(ids >= first) & (ids < first + size)] - first + bound
            for first, size, bound in zip(
                self.firsts, np.diff([*self.bounds, len(self.scores)]), self.bounds, strict=True
            )
        ]
        return np.concatenate(found)


def find(terms: Collection[str], *, required: Collection[str] = ()) -> Found:
    """Every chunk that has any of `terms` and all of `required`, with its score."""
    index = _index()
    scores = np.zeros(index.size, dtype=np.float32)
    found = Found(scores=scores, firsts=index.firsts, bounds=index.bounds)
    numbers = {analysis.number(term) for term in {*terms, *required}}
    if not index.n_chunks or not numbers:
        return found
    rows = index.read(numbers)
    needed = {analysis.number(term) for term in required}
    if needed - rows.keys():
        return found
    telling = {term for term, row in rows.items() if len(row.places) <= COMMON * index.n_chunks}
    if index.n_chunks < COMMON_FROM or not telling:
        telling = set(rows)
    holders = np.zeros(len(scores), dtype=np.uint8) if needed else None
    for term, row in rows.items():
        if term not in telling and term not in needed:
            continue
        # A chunk has a term once: no place comes twice.
        scores[row.places] += row.weights
        if holders is not None and term in needed:
            holders[row.places] += 1
    if holders is not None:
        scores[holders < len(needed)] = 0
    counted = frozenset(
        term
        for term in {*terms, *required}
        if (number := analysis.number(term)) in needed or number in telling
    )
    return replace(found, counted=counted)


class _Row(NamedTuple):
    """Where a term is, and what it counts there."""

    places: NDArray[np.int32]
    weights: Scores

    @property
    def nbytes(self) -> int:
        return int(self.places.nbytes + self.weights.nbytes)


class _Index:
    """The postings as they are while `token` is the index's mark; terms that were read are kept.

    Without a token (within a transaction) nothing is kept beyond one question.
    """

    def __init__(self, token: Any) -> None:
        self.token = token
        with connection.cursor() as cursor:
            cursor.execute("SELECT block, chunks, words FROM ingestion_postingblock ORDER BY block")
            blocks = cursor.fetchall()
        sizes = [postings.size_of(block) for block, _, _ in blocks]
        bounds = np.concatenate(([0], np.cumsum(sizes, dtype=np.int64)))[:-1]
        self.size = sum(sizes)
        self.bounds = np.asarray(bounds, dtype=np.int64)
        self.firsts = np.asarray([block >> 1 for block, _, _ in blocks], dtype=np.int64)
        self.n_chunks = sum(chunks for _, chunks, _ in blocks)
        average = sum(words for _, _, words in blocks) / max(self.n_chunks, 1)
        self._weights = _weights(round(average * 4) / 4)
        self._base = dict(zip((row[0] for row in blocks), bounds.tolist(), strict=True))
        self._kept: OrderedDict[int, _Row] = OrderedDict()
        self._bytes = 0
        self._lock = threading.Lock()

    def read(self, numbers: Collection[int]) -> dict[int, _Row]:
        """Those of the terms that any chunk has."""
        found: dict[int, _Row] = {}
        with self._lock:
            for number in numbers:
                if (row := self._kept.get(number)) is not None:
                    self._kept.move_to_end(number)
                    found[number] = row
        missing = sorted({*numbers} - found.keys())
        if missing:
            with connection.cursor() as cursor:
                parts = _rows(cursor, list(self._base), missing)
            read = {number: self._row(parts.get(number, [])) for number in missing}
            # A commit in between: good enough for this question, and for no other.
            if self.token is not None and mark.token() == self.token:
                self._keep(read)
            found |= read
        # In one order, kept or not: sums of floats depend on it, and so which of two equals is first.
        return {number: found[number] for number in sorted(found) if len(found[number].places)}

    def _row(self, parts: Sequence[tuple[int, bytes]]) -> _Row:
        # Of blocks that came after the others were read nothing is known.
        parts = [(block, codes) for block, codes in parts if block in self._base]
        codes = np.frombuffer(b"".join(bytes(codes) for _, codes in parts), dtype="<u4")
        counts = [len(codes) // 4 for _, codes in parts]
        places = (codes >> 16).astype(np.int32)
        places += np.repeat(
            np.asarray([self._base[block] for block, _ in parts], dtype=np.int32), counts
        )
        df = len(places)
        idf = np.float32(np.log(1 + (self.n_chunks - df + 0.5) / (df + 0.5)))
        return _Row(places, self._weights[codes & 0xFFFF] * idf)

    def _keep(self, rows: Mapping[int, _Row]) -> None:
        with self._lock:
            for number, row in rows.items():
                if number not in self._kept:
                    self._bytes += row.nbytes
                self._kept[number] = row
            while self._bytes > KEPT_BYTES and self._kept:
                self._bytes -= self._kept.popitem(last=False)[1].nbytes


_newest: _Index | None = None


def _index() -> _Index:
    global _newest
    token = mark.token()
    if token is None:
        return _Index(None)
    index = _newest
    if index is None or index.token != token:
        index = _newest = _Index(token)
    return index


def forget() -> None:
    """Read everything anew."""
    global _newest
    _newest = None


def _rows(
    cursor: Any, blocks: Sequence[int], numbers: Sequence[int]
) -> dict[int, list[tuple[int, bytes]]]:
    """The postings of each term that has any, block by block."""
    if connection.vendor == "postgresql":
        # In the binary format: as text, each byte would be two digits.
        # (Django's own cursors bind in the client, which knows no binary results.)
        with psycopg.Cursor(connection.connection) as raw:
            raw.execute(
                "SELECT term, block, codes FROM ingestion_posting "
                "WHERE block = ANY(%s::bigint[]) AND term = ANY(%s::bigint[])",
                [list(blocks), list(numbers)],
                prepare=False,
                binary=True,
            )
            rows = raw.fetchall()
    else:
        # CROSS JOIN: the blocks outside, the terms inside, each looked up by the primary key.
        listed = " UNION ALL ".join(f"SELECT {int(n)}" for n in numbers)
        cursor.execute(
            f"WITH wanted(term) AS ({listed}) "
            "SELECT p.term, p.block, p.codes FROM ingestion_postingblock b CROSS JOIN wanted w "
            "CROSS JOIN ingestion_posting p ON p.block = b.block AND p.term = w.term"
        )
        rows = cursor.fetchall()
    found: dict[int, list[tuple[int, bytes]]] = {}
    for term, block, codes in rows:
        found.setdefault(term, []).append((block, codes))
    return found


@lru_cache(maxsize=8)
def _weights(average: float) -> Scores:
    """BM25's weight, without IDF, for each pair of how often (high byte) and how many words (low)."""
    times, words = np.divmod(np.arange(1 << 16), 256)
    return np.asarray(
        times * (K1 + 1) / (times + K1 * (1 - B + B * words / max(average, 1))), dtype=np.float32
    )
