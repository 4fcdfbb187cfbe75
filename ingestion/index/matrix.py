"""Vectors of one model in memory: exact neighbours without an extension of the database.

Rows are kept as float16. A question is first compared with every row in a few dimensions, the
principal ones of these very vectors, then exactly with the best of them: a tenth of the memory
traffic. Few rows, or few that a filter leaves, are all compared exactly.
"""

from __future__ import annotations

import os
import threading
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from django.db import connection
from numpy.typing import NDArray

from ingestion.index import halfvec, mark, tables

Ids = NDArray[np.int64]
Scores = NDArray[np.float32]
# Below this many, comparing all exactly is as quick.
SMALL = 8_192
SKETCH_DIMENSIONS = 64
# How many rows are compared exactly for each that is wanted, and at least. At 100,000 passages that
# is all of the 10 nearest, and .99 of the 150 nearest.
PER_WANTED, AT_LEAST = 8, 1_000
_READ_AT_ONCE = 5_000
_SAMPLE = 20_000


@dataclass
class Matrix:
    """`vectors[n]` (float16) belongs to chunk `ids[n]`; ids ascend."""

    ids: Ids
    vectors: NDArray[np.float16]
    token: Any = None
    last_row: int = 0
    principal: NDArray[np.float32] | None = None
    sketch: NDArray[np.float32] | None = None
    lock: threading.Lock = field(default_factory=threading.Lock)

    def nearest(self, question: Scores, n: int, *, among: Ids | None = None) -> tuple[Ids, Scores]:
        """The `n` chunks (of `among`) with the largest inner product, largest first."""
        rows = None
        if among is not None:
            # By their own ids: a chunk without a vector must not stand for the next one that has one.
            rows = np.flatnonzero(np.isin(self.ids, among))
        count = len(self.ids) if rows is None else len(rows)
        wanted = max(n * PER_WANTED, AT_LEAST)
        if count > max(wanted, SMALL):
            rows = self._likely(question, wanted, rows)
        scores = self._exact(question, rows)
        order = np.argsort(-scores, kind="stable")[:n]
        places = order if rows is None else rows[order]
        return self.ids[places], scores[order]

    def _exact(self, question: Scores, rows: NDArray[np.int64] | None) -> Scores:
        part = self.vectors if rows is None else self.vectors[rows]
        return np.asarray(part.astype(np.float32) @ question, dtype=np.float32)

    def _likely(
        self, question: Scores, wanted: int, rows: NDArray[np.int64] | None
    ) -> NDArray[np.int64]:
        principal, sketch = self._sketched()
        near = sketch @ (principal.T @ question)
        if rows is not None:
            near = near[rows]
        top = np.argpartition(near, len(near) - wanted)[len(near) - wanted :]
        top.sort()
        return top if rows is None else rows[top]

    def _sketched(self) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        with self.lock:
            if self.principal is None:
                step = max(1, len(self.vectors) // _SAMPLE)
                sample = self.vectors[::step].astype(np.float32)
                _, axes = np.linalg.eigh(sample.T @ sample)
                self.principal = np.ascontiguousarray(axes[:, -SKETCH_DIMENSIONS:])
            if self.sketch is None or len(self.sketch) != len(self.vectors):
                self.sketch = _projected(self.vectors, self.principal)
            return self.principal, self.sketch


def _projected(vectors: NDArray[np.float16], principal: NDArray[np.float32]) -> NDArray[np.float32]:
    out = np.empty((len(vectors), principal.shape[1]), dtype=np.float32)
    for at in range(0, len(vectors), _READ_AT_ONCE):
        part = vectors[at : at + _READ_AT_ONCE].astype(np.float32)
        np.matmul(part, principal, out=out[at : at + len(part)])
    return out


_kept: dict[tuple[Any, ...], Matrix] = {}
_kept_lock = threading.Lock()


def of(model_id: int, dimension: int) -> Matrix:
    """All vectors of the model, as the database has them now."""
    token = mark.token()
    if token is None:
        return _read(model_id, dimension, None)
    key = (os.getpid(), token[0], token[1], model_id)
    with _kept_lock:
        kept = _kept.get(key)
        if kept is not None and kept.token == token:
            return kept
        # One model is active; a second one is read while it replaces the first.
        for old in [each for each in _kept if each != key][:-1]:
            del _kept[old]
        fresh = _read(model_id, dimension, kept)
        fresh.token = token
        _kept[key] = fresh
        return fresh


def forget() -> None:
    with _kept_lock:
        _kept.clear()


def memory_bytes() -> int:
    """What this process keeps."""
    with _kept_lock:
        return sum(
            each.vectors.nbytes
            + each.ids.nbytes
            + (each.sketch.nbytes if each.sketch is not None else 0)
            for each in _kept.values()
        )


def _read(model_id: int, dimension: int, before: Matrix | None) -> Matrix:
    """The matrix anew; of one from before only what came since is read."""
    after = before.last_row if before is not None else 0
    ids, vectors, last_row = _rows_after(model_id, dimension, after)
    if before is None:
        order = np.argsort(ids, kind="stable")
        return Matrix(ids=ids[order], vectors=vectors[order], last_row=last_row)
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT chunk_id FROM ingestion_chunkvector WHERE model_id = %s AND id <= %s",
            [model_id, after],
        )
        alive = np.fromiter((row[0] for row in cursor.fetchall()), dtype=np.int64)
    kept = np.isin(before.ids, alive)
    all_ids = np.concatenate((before.ids[kept], ids))
    order = np.argsort(all_ids, kind="stable")
    made = Matrix(
        ids=all_ids[order],
        vectors=np.concatenate((before.vectors[kept], vectors))[order],
        last_row=max(last_row, after),
        principal=before.principal,
    )
    if before.sketch is not None and before.principal is not None:
        new = _projected(vectors, before.principal)
        made.sketch = np.concatenate((before.sketch[kept], new))[order]
    # Axes of a much smaller collection may miss what is new in it.
    if len(made.ids) > 2 * len(before.ids):
        made.principal = made.sketch = None
    return made


def _rows_after(model_id: int, dimension: int, after: int) -> tuple[Ids, NDArray[np.float16], int]:
    ids: list[int] = []
    parts: list[bytes] = []
    pgvector = tables.has_pgvector(connection)
    while True:
        if pgvector:
            rows = halfvec.rows_after(model_id, after, _READ_AT_ONCE)
        else:
            with connection.cursor() as cursor:
                cursor.execute(
                    "SELECT id, chunk_id, vector FROM ingestion_chunkvector "
                    f"WHERE model_id = %s AND id > %s ORDER BY id LIMIT {_READ_AT_ONCE}",
                    [model_id, after],
                )
                rows = cursor.fetchall()
        ids += [row[1] for row in rows]
        parts += [bytes(row[2]) for row in rows]
        if rows:
            after = rows[-1][0]
        if len(rows) < _READ_AT_ONCE:
            break
    vectors = np.frombuffer(b"".join(parts), dtype="<f2").reshape(-1, dimension)
    return np.asarray(ids, dtype=np.int64), vectors, after
