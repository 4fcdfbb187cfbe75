"""Vectors of chunks, the same calls on every database.

Up to `MATRIX_MOST` of them a question is compared with a matrix in the memory of the process
(`ingestion.index.matrix`), which finds all neighbours, filtered or not, in less time than a graph is
walked. Beyond, PostgreSQL with pgvector finds them by its graph. `method` says which.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from django.db import connection
from numpy.typing import NDArray

from ingestion.index import halfvec, matrix, tables
from ingestion.models import EmbeddingModel

Ids = NDArray[np.int64]
Scores = NDArray[np.float32]
METHODS = {
    "hnsw": "pgvector's graph (HNSW), halfvec",
    "matrix": "a matrix in the memory of each process, float16",
}
# With 384 dimensions 200 MB in each process that searches.
MATRIX_MOST = 200_000


def method(model: EmbeddingModel | None = None) -> str:
    """How neighbours (of this model's vectors) are found here."""
    if not tables.has_pgvector(connection):
        return "matrix"
    few = model is not None and MATRIX_MOST > 0 and _at_most(model, MATRIX_MOST)
    return "matrix" if few else "hnsw"


def _at_most(model: EmbeddingModel, most: int) -> bool:
    with connection.cursor() as cursor:
        # By the planner's own estimate: counting them would take longer than the search.
        cursor.execute(
            "SELECT reltuples FROM pg_class WHERE oid = 'ingestion_chunkvector'::regclass"
        )
        estimate = cursor.fetchone()[0]
        if estimate >= 0:
            return bool(estimate <= most)
        cursor.execute(
            "SELECT count(*) FROM (SELECT 1 FROM ingestion_chunkvector WHERE model_id = %s "
            f"LIMIT {int(most) + 1}) some",
            [model.pk],
        )
        return bool(cursor.fetchone()[0] <= most)


def nearest(
    model: EmbeddingModel, question: Scores, n: int, *, among: Ids | None = None
) -> tuple[Ids, Scores]:
    """The `n` chunks (of `among`) most alike, and their cosines, best first."""
    if method(model) == "hnsw":
        return halfvec.nearest(model.pk, model.dimension, question, n, among=among)
    return matrix.of(model.pk, model.dimension).nearest(question, n, among=among)


def write(model: EmbeddingModel, chunk_ids: Sequence[int], rows: NDArray[np.float32]) -> int:
    """Keep vectors of chunks; those of chunks that are gone meanwhile are dropped. How many are new."""
    if rows.shape != (len(chunk_ids), model.dimension):
        raise ValueError(f"{rows.shape} vectors for {len(chunk_ids)} chunks of {model}")
    half = rows.astype("<f2")
    with connection.cursor() as cursor:
        before = _count(cursor, model.pk, chunk_ids)
        if tables.has_pgvector(connection):
            # One statement: each notes that the index has changed.
            cursor.execute(
                "INSERT INTO ingestion_chunkvector (chunk_id, model_id, vector) "
                "SELECT c.id, %s, t.vector::halfvec "
                "FROM unnest(%s::bigint[], %s::text[]) AS t(id, vector) "
                "JOIN ingestion_chunk c ON c.id = t.id "
                "ON CONFLICT (chunk_id, model_id) DO NOTHING",
                [model.pk, list(chunk_ids), [halfvec.literal(row) for row in half]],
            )
        else:
            cursor.executemany(
                "INSERT INTO ingestion_chunkvector (chunk_id, model_id, vector) "
                "SELECT c.id, %s, %s FROM ingestion_chunk c WHERE c.id = %s "
                "ON CONFLICT (chunk_id, model_id) DO NOTHING",
                [
                    (model.pk, row.tobytes(), chunk_id)
                    for chunk_id, row in zip(chunk_ids, half, strict=True)
                ],
            )
        return _count(cursor, model.pk, chunk_ids) - before


def missing(model: EmbeddingModel, *, after: int, n: int) -> list[tuple[int, list[str], str]]:
    """Chunks without a vector of the model, from the one after `after` on.

    Of each its id, its document's title and its headings, and its text.
    """
    import json

    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT c.id, d.title, c.heading_path, c.text FROM ingestion_chunk c "
            "JOIN ingestion_sourcedocument d ON d.id = c.document_id WHERE c.id > %s "
            "AND NOT EXISTS (SELECT 1 FROM ingestion_chunkvector v "
            "WHERE v.chunk_id = c.id AND v.model_id = %s) ORDER BY c.id LIMIT %s",
            [after, model.pk, n],
        )
        return [
            (pk, [title, *(json.loads(path) if isinstance(path, str) else path)], text)
            for pk, title, path, text in cursor.fetchall()
        ]


def count(model: EmbeddingModel) -> int:
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM ingestion_chunkvector WHERE model_id = %s", [model.pk])
        return int(cursor.fetchone()[0])


def of(model: EmbeddingModel, chunk_ids: Sequence[int]) -> dict[int, Scores]:
    """The vectors of these chunks, of those that have one."""
    if not chunk_ids:
        return {}
    text = "::text" if tables.has_pgvector(connection) else ""
    marks = ",".join(str(int(n)) for n in chunk_ids)
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT chunk_id, vector{text} FROM ingestion_chunkvector "
            f"WHERE model_id = %s AND chunk_id IN ({marks})",
            [model.pk],
        )
        return {pk: _read(value) for pk, value in cursor.fetchall()}


def forget(chunk_ids: Sequence[int]) -> None:
    """Remove the vectors of these chunks: what the models read for them is not so any more."""
    if not chunk_ids:
        return
    marks = ",".join(str(int(n)) for n in chunk_ids)
    with connection.cursor() as cursor:
        cursor.execute(f"DELETE FROM ingestion_chunkvector WHERE chunk_id IN ({marks})")


def drop(model: EmbeddingModel) -> None:
    """Remove all vectors of a model and its graph."""
    if tables.has_pgvector(connection):
        halfvec.drop_index(model.pk)
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM ingestion_chunkvector WHERE model_id = %s", [model.pk])


def ready(model: EmbeddingModel) -> None:
    """Whatever makes searching the model's vectors quick, once most of them are there."""
    if tables.has_pgvector(connection):
        halfvec.ensure_index(model.pk, model.dimension)


def _read(value: Any) -> Scores:
    if isinstance(value, str):
        return np.asarray(value.strip("[]").split(","), dtype=np.float32)
    return np.frombuffer(bytes(value), dtype="<f2").astype(np.float32)


def _count(cursor: Any, model_id: int, chunk_ids: Sequence[int]) -> int:
    if not chunk_ids:
        return 0
    marks = ",".join(str(int(n)) for n in chunk_ids)
    cursor.execute(
        f"SELECT count(*) FROM ingestion_chunkvector WHERE model_id = %s AND chunk_id IN ({marks})",
        [model_id],
    )
    return int(cursor.fetchone()[0])
