"""Vectors in PostgreSQL by pgvector: halfvec, with an HNSW index for each model.

https://github.com/pgvector/pgvector: an expression index a dimension, iterative scans for filters.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import psycopg
from django.db import connection, transaction
from numpy.typing import NDArray

Ids = NDArray[np.int64]
Scores = NDArray[np.float32]
# What a search of the graph keeps in mind: recall against time.
EF_SEARCH = 160
# Of so few allowed chunks, all are compared exactly.
EXACT = 12_000
# pgvector indexes halfvecs of at most so many dimensions; longer ones are compared one by one.
MOST_DIMENSIONS = 4_000


def literal(vector: NDArray[np.floating[Any]]) -> str:
    return "[" + ",".join(f"{n:.6g}" for n in vector.tolist()) + "]"


def index_name(model_id: int) -> str:
    return f"ingestion_vector_hnsw_{int(model_id)}"


def ensure_index(model_id: int, dimension: int) -> None:
    """Make the model's graph where it is missing; quicker once its vectors are there."""
    if dimension > MOST_DIMENSIONS:
        return
    with connection.cursor() as cursor:
        cursor.execute(
            f"CREATE INDEX IF NOT EXISTS {index_name(model_id)} ON ingestion_chunkvector "
            f"USING hnsw ((vector::halfvec({int(dimension)})) halfvec_ip_ops) "
            f"WITH (m = 16, ef_construction = 100) WHERE model_id = {int(model_id)}"
        )


def drop_index(model_id: int) -> None:
    with connection.cursor() as cursor:
        cursor.execute(f"DROP INDEX IF EXISTS {index_name(model_id)}")


def nearest(
    model_id: int, dimension: int, question: Scores, n: int, *, among: Ids | None = None
) -> tuple[Ids, Scores]:
    """The `n` chunks (of `among`) with the largest inner product, largest first."""
    typed = f"vector::halfvec({int(dimension)})"
    distance = f"{typed} <#> %s::halfvec({int(dimension)})"
    asked = literal(question)
    with transaction.atomic(), connection.cursor() as cursor:
        if among is not None and len(among) <= EXACT:
            # By chunk: the graph knows nothing of them.
            cursor.execute(
                f"SELECT chunk_id, -d FROM (SELECT chunk_id, {distance} AS d "
                "FROM ingestion_chunkvector WHERE chunk_id = ANY(%s) AND model_id = %s "
                "OFFSET 0) near ORDER BY d, chunk_id LIMIT %s",
                [asked, among.tolist(), model_id, n],
            )
            return _arrays(cursor.fetchall())
        # In one statement: each is a way to the server and back.
        wanted = f"SET LOCAL hnsw.ef_search = {max(EF_SEARCH, min(n, 1000))}; SET LOCAL enable_seqscan = off"
        where, params = "", []
        if among is not None:
            wanted += "; SET LOCAL hnsw.iterative_scan = strict_order; SET LOCAL hnsw.max_scan_tuples = 200000"
            where, params = "AND chunk_id = ANY(%s) ", [among.tolist()]
        cursor.execute(wanted)
        cursor.execute(
            f"SELECT chunk_id, -({distance}) FROM ingestion_chunkvector "
            f"WHERE model_id = {int(model_id)} {where}ORDER BY {distance} LIMIT %s",
            [asked, *params, asked, n],
        )
        return _arrays(cursor.fetchall())


def rows_after(model_id: int, after: int, n: int) -> list[tuple[int, int, bytes]]:
    """The next rows behind the id `after`: id, chunk and vector (float16, as this machine has it)."""
    connection.ensure_connection()
    # In the binary format (https://github.com/pgvector/pgvector, halfvec_send): two numbers of 16
    # bits, then the halves, all big-endian. As text they would take twenty times as long to read.
    with psycopg.Cursor(connection.connection) as cursor:
        cursor.execute(
            "SELECT id, chunk_id, vector FROM ingestion_chunkvector "
            "WHERE model_id = %s AND id > %s ORDER BY id LIMIT %s",
            [model_id, after, n],
            prepare=False,
            binary=True,
        )
        return [
            (pk, chunk, np.frombuffer(sent, dtype=">f2", offset=4).astype("<f2").tobytes())
            for pk, chunk, sent in cursor.fetchall()
        ]


def all_rows(cursor: Any) -> list[tuple[int, int, Any]]:
    cursor.execute("SELECT chunk_id, model_id, vector::text FROM ingestion_chunkvector ORDER BY id")
    return list(cursor.fetchall())


def put_back(cursor: Any, rows: Sequence[tuple[int, int, str]], vector_type: str) -> None:
    """Rows of `all_rows`, in the other form."""
    made = [(chunk, model, _other_form(text, vector_type)) for chunk, model, text in rows]
    cursor.executemany(
        "INSERT INTO ingestion_chunkvector (chunk_id, model_id, vector) VALUES (%s, %s, %s)", made
    )


def _other_form(text: str, vector_type: str) -> str | bytes:
    if vector_type == "halfvec":
        return literal(np.frombuffer(bytes.fromhex(text.removeprefix("\\x")), dtype="<f2"))
    return np.asarray(text.strip("[]").split(","), dtype="<f2").tobytes()


def _arrays(rows: Sequence[tuple[int, float]]) -> tuple[Ids, Scores]:
    return (
        np.asarray([row[0] for row in rows], dtype=np.int64),
        np.asarray([row[1] for row in rows], dtype=np.float32),
    )
