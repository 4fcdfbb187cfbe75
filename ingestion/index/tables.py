"""The index's own tables, beside the chunks, and the triggers that note what changed.

They have no model: nothing else may read or write them, and all of them can be made again from the
chunks. `install` runs after every `migrate` and mends what is missing: SQLite loses the triggers of
a table whenever a later migration makes it anew.

- `ingestion_posting`: for a term (a hash) and a block of chunks, which chunks have it how often;
- `ingestion_postingblock`: how many chunks and words a block has;
- `ingestion_indexpending`: chunks that came or changed, and what went, noted by triggers in the
  transaction that did it, until `postings.settle` made the postings so;
- `ingestion_indexmark`: changes with every change of chunks, vectors and what searches filter by, so
  that what a process keeps in memory is never older than the database;
- `ingestion_chunkvector`: a chunk's vector by a model, as float16; gone with either.
"""

from __future__ import annotations

import hashlib
import logging
from typing import Any

from django.db import DatabaseError, transaction

from ingestion.index import analysis

log = logging.getLogger(__name__)

CAME, CHANGED = 0, 1
TABLES = (
    "ingestion_posting",
    "ingestion_postingblock",
    "ingestion_indexpending",
    "ingestion_indexmark",
    "ingestion_indexversion",
    "ingestion_chunkvector",
)

_SQLITE = [
    "CREATE TABLE IF NOT EXISTS ingestion_posting (block integer NOT NULL, term integer NOT NULL, "
    "codes blob NOT NULL, PRIMARY KEY (block, term)) WITHOUT ROWID",
    "CREATE TABLE IF NOT EXISTS ingestion_postingblock (block integer PRIMARY KEY, "
    "chunks integer NOT NULL, words integer NOT NULL)",
    "CREATE TABLE IF NOT EXISTS ingestion_indexpending (id integer PRIMARY KEY AUTOINCREMENT, "
    "chunk_id integer NOT NULL, change integer NOT NULL)",
    "CREATE TABLE IF NOT EXISTS ingestion_indexmark (id integer PRIMARY KEY, token blob NOT NULL)",
    "INSERT OR IGNORE INTO ingestion_indexmark VALUES (1, randomblob(12))",
    "CREATE TABLE IF NOT EXISTS ingestion_indexversion (version text NOT NULL)",
    "CREATE TABLE IF NOT EXISTS ingestion_chunkvector (id integer PRIMARY KEY AUTOINCREMENT, "
    "chunk_id integer NOT NULL REFERENCES ingestion_chunk (id) ON DELETE CASCADE, "
    "model_id integer NOT NULL REFERENCES ingestion_embeddingmodel (id) ON DELETE CASCADE, "
    "vector blob NOT NULL, UNIQUE (chunk_id, model_id))",
    "CREATE INDEX IF NOT EXISTS ingestion_chunkvector_model ON ingestion_chunkvector "
    "(model_id, id)",
]
_SQLITE_MARK = "UPDATE ingestion_indexmark SET token = randomblob(12)"
_SQLITE_TRIGGERS = {
    "chunk_came": "AFTER INSERT ON ingestion_chunk BEGIN INSERT INTO ingestion_indexpending "
    f"(chunk_id, change) VALUES (new.id, {CAME}); {_SQLITE_MARK}; END",
    "chunk_went": "AFTER DELETE ON ingestion_chunk BEGIN INSERT INTO ingestion_indexpending "
    f"(chunk_id, change) VALUES (old.id, {CHANGED}); {_SQLITE_MARK}; END",
    "chunk_changed": "AFTER UPDATE OF text, heading_path ON ingestion_chunk "
    "WHEN old.text IS NOT new.text OR old.heading_path IS NOT new.heading_path BEGIN "
    f"INSERT INTO ingestion_indexpending (chunk_id, change) VALUES (new.id, {CHANGED}); "
    f"{_SQLITE_MARK}; END",
    "title_changed": "AFTER UPDATE OF title ON ingestion_sourcedocument "
    "WHEN old.title IS NOT new.title BEGIN INSERT INTO ingestion_indexpending (chunk_id, change) "
    f"SELECT id, {CHANGED} FROM ingestion_chunk WHERE document_id = new.id; END",
    "document_changed": "AFTER UPDATE OF kind, labels, changed_at ON ingestion_sourcedocument "
    "WHEN old.kind IS NOT new.kind OR old.labels IS NOT new.labels "
    f"OR old.changed_at IS NOT new.changed_at BEGIN {_SQLITE_MARK}; END",
    "vector_came": f"AFTER INSERT ON ingestion_chunkvector BEGIN {_SQLITE_MARK}; END",
    "vector_went": f"AFTER DELETE ON ingestion_chunkvector BEGIN {_SQLITE_MARK}; END",
}

_POSTGRES = [
    "CREATE TABLE IF NOT EXISTS ingestion_posting (block bigint NOT NULL, term bigint NOT NULL, "
    "codes bytea NOT NULL, PRIMARY KEY (block, term))",
    # A hash of a few thousand numbers does not get smaller.
    "ALTER TABLE ingestion_posting ALTER COLUMN codes SET STORAGE EXTERNAL",
    "CREATE TABLE IF NOT EXISTS ingestion_postingblock (block bigint PRIMARY KEY, "
    "chunks integer NOT NULL, words bigint NOT NULL)",
    "CREATE TABLE IF NOT EXISTS ingestion_indexpending (id bigserial PRIMARY KEY, "
    "chunk_id bigint NOT NULL, change smallint NOT NULL)",
    "CREATE TABLE IF NOT EXISTS ingestion_indexmark (id bigserial PRIMARY KEY)",
    "CREATE TABLE IF NOT EXISTS ingestion_indexversion (version text NOT NULL)",
    "CREATE TABLE IF NOT EXISTS ingestion_chunkvector (id bigserial PRIMARY KEY, "
    "chunk_id bigint NOT NULL REFERENCES ingestion_chunk (id) ON DELETE CASCADE, "
    "model_id bigint NOT NULL REFERENCES ingestion_embeddingmodel (id) ON DELETE CASCADE, "
    "vector VECTOR_TYPE NOT NULL, UNIQUE (chunk_id, model_id))",
    "CREATE INDEX IF NOT EXISTS ingestion_chunkvector_model ON ingestion_chunkvector "
    "(model_id, id)",
    "CREATE OR REPLACE FUNCTION ingestion_index_mark() RETURNS trigger LANGUAGE plpgsql AS $$ "
    # A row each, not one that all update: two syncs would wait for each other.
    "BEGIN INSERT INTO ingestion_indexmark DEFAULT VALUES; RETURN NULL; END $$",
    "CREATE OR REPLACE FUNCTION ingestion_index_came() RETURNS trigger LANGUAGE plpgsql AS $$ "
    f"BEGIN INSERT INTO ingestion_indexpending (chunk_id, change) SELECT id, {CAME} FROM came "
    "ORDER BY id; INSERT INTO ingestion_indexmark DEFAULT VALUES; RETURN NULL; END $$",
    "CREATE OR REPLACE FUNCTION ingestion_index_went() RETURNS trigger LANGUAGE plpgsql AS $$ "
    f"BEGIN INSERT INTO ingestion_indexpending (chunk_id, change) SELECT id, {CHANGED} FROM went "
    "ORDER BY id; INSERT INTO ingestion_indexmark DEFAULT VALUES; RETURN NULL; END $$",
    "CREATE OR REPLACE FUNCTION ingestion_index_changed() RETURNS trigger LANGUAGE plpgsql AS $$ "
    "BEGIN INSERT INTO ingestion_indexpending (chunk_id, change) "
    f"VALUES (new.id, {CHANGED}); INSERT INTO ingestion_indexmark DEFAULT VALUES; "
    "RETURN NULL; END $$",
    "CREATE OR REPLACE FUNCTION ingestion_index_title() RETURNS trigger LANGUAGE plpgsql AS $$ "
    f"BEGIN INSERT INTO ingestion_indexpending (chunk_id, change) SELECT id, {CHANGED} "
    "FROM ingestion_chunk WHERE document_id = new.id ORDER BY id; RETURN NULL; END $$",
]
_POSTGRES_TRIGGERS = {
    "chunk_came": (
        "ingestion_chunk",
        "AFTER INSERT ON ingestion_chunk REFERENCING NEW TABLE AS came "
        "FOR EACH STATEMENT EXECUTE FUNCTION ingestion_index_came()",
    ),
    "chunk_went": (
        "ingestion_chunk",
        "AFTER DELETE ON ingestion_chunk REFERENCING OLD TABLE AS went "
        "FOR EACH STATEMENT EXECUTE FUNCTION ingestion_index_went()",
    ),
    "chunk_changed": (
        "ingestion_chunk",
        "AFTER UPDATE OF text, heading_path ON ingestion_chunk FOR EACH ROW "
        "WHEN (old.text IS DISTINCT FROM new.text "
        "OR old.heading_path IS DISTINCT FROM new.heading_path) "
        "EXECUTE FUNCTION ingestion_index_changed()",
    ),
    "title_changed": (
        "ingestion_sourcedocument",
        "AFTER UPDATE OF title ON ingestion_sourcedocument FOR EACH ROW "
        "WHEN (old.title IS DISTINCT FROM new.title) EXECUTE FUNCTION ingestion_index_title()",
    ),
    "document_changed": (
        "ingestion_sourcedocument",
        "AFTER UPDATE OF kind, labels, changed_at ON ingestion_sourcedocument FOR EACH ROW "
        "WHEN (old.kind IS DISTINCT FROM new.kind OR old.labels IS DISTINCT FROM new.labels "
        "OR old.changed_at IS DISTINCT FROM new.changed_at) "
        "EXECUTE FUNCTION ingestion_index_mark()",
    ),
    "vector_came": (
        "ingestion_chunkvector",
        "AFTER INSERT ON ingestion_chunkvector FOR EACH STATEMENT "
        "EXECUTE FUNCTION ingestion_index_mark()",
    ),
    "vector_went": (
        "ingestion_chunkvector",
        "AFTER DELETE ON ingestion_chunkvector FOR EACH STATEMENT "
        "EXECUTE FUNCTION ingestion_index_mark()",
    ),
}


def install(connection: Any) -> None:
    """Make what is missing; what is of an earlier version of the analysis is made anew at once.

    Where the chunks' own table is gone (the app was unmigrated), what is here goes too.
    """
    with connection.cursor() as cursor:
        there = set(connection.introspection.table_names(cursor))
    if "ingestion_chunk" not in there:
        drop(connection)
        return
    with transaction.atomic(using=connection.alias):
        if connection.vendor == "postgresql":
            _install_postgres(
                connection, vector_type="halfvec" if _pgvector(connection) else "bytea"
            )
        else:
            _install_sqlite(connection)
        _renew(connection)


def drop(connection: Any) -> None:
    with connection.cursor() as cursor:
        for table in TABLES:
            cursor.execute(f"DROP TABLE IF EXISTS {table}")
        if connection.vendor == "postgresql":
            for name in ("mark", "came", "went", "changed", "title"):
                cursor.execute(f"DROP FUNCTION IF EXISTS ingestion_index_{name}() CASCADE")
            return
        for name in _SQLITE_TRIGGERS:
            cursor.execute(f"DROP TRIGGER IF EXISTS ingestion_index_{name}")


_pgvector_there: dict[tuple[Any, ...], bool] = {}


def has_pgvector(connection: Any) -> bool:
    """Whether vectors are kept as pgvector's halfvec here; asked once, for only `migrate` changes it."""
    if connection.vendor != "postgresql":
        return False
    key = tuple(connection.settings_dict[name] for name in ("NAME", "HOST", "PORT"))
    if key not in _pgvector_there:
        with connection.cursor() as cursor:
            _pgvector_there[key] = _vector_type(cursor) == "halfvec"
    return _pgvector_there[key]


def _vector_type(cursor: Any) -> str:
    cursor.execute(
        "SELECT t.typname FROM pg_attribute a JOIN pg_type t ON t.oid = a.atttypid "
        "WHERE a.attrelid = to_regclass('ingestion_chunkvector') AND a.attname = 'vector'"
    )
    row = cursor.fetchone()
    return str(row[0]) if row else ""


def _pgvector(connection: Any) -> bool:
    try:
        with transaction.atomic(using=connection.alias), connection.cursor() as cursor:
            cursor.execute("CREATE EXTENSION IF NOT EXISTS vector")
            cursor.execute("SELECT extversion FROM pg_extension WHERE extname = 'vector'")
            found = str(cursor.fetchone()[0])
    except DatabaseError as error:
        log.warning(
            "pgvector is not there (%s): vectors are compared one by one, in the memory of each "
            "process. Install pgvector 0.8 and run migrate again.",
            str(error).strip().splitlines()[0],
        )
        return False
    if tuple(map(int, found.split(".")[:2])) < (0, 8):
        # Halfvecs came with 0.7, scans that go on behind a filter with 0.8.
        log.warning(
            "pgvector %s is too old: vectors are compared one by one; 0.8 is needed.", found
        )
        return False
    return True


def _install_postgres(connection: Any, *, vector_type: str) -> None:
    with connection.cursor() as cursor:
        before = _vector_type(cursor)
        rows: list[Any] = []
        if before and before != vector_type:
            # The other form of the same vectors: pgvector came (or went) with this migrate.
            from ingestion.index import halfvec

            rows = halfvec.all_rows(cursor)
            cursor.execute("DROP TABLE ingestion_chunkvector")
        for statement in _POSTGRES:
            cursor.execute(statement.replace("VECTOR_TYPE", vector_type))
        for name, (table, body) in _POSTGRES_TRIGGERS.items():
            cursor.execute(f"DROP TRIGGER IF EXISTS ingestion_index_{name} ON {table}")
            cursor.execute(f"CREATE TRIGGER ingestion_index_{name} {body}")
        if rows:
            halfvec.put_back(cursor, rows, vector_type)


def _install_sqlite(connection: Any) -> None:
    with connection.cursor() as cursor:
        for statement in _SQLITE:
            cursor.execute(statement)
        cursor.execute("SELECT name, sql FROM sqlite_master WHERE type = 'trigger'")
        there = dict(cursor.fetchall())
        for name, body in _SQLITE_TRIGGERS.items():
            full = f"ingestion_index_{name}"
            statement = f"CREATE TRIGGER {full} {body}"
            if there.get(full) != statement:
                cursor.execute(f"DROP TRIGGER IF EXISTS {full}")
                cursor.execute(statement)


def version() -> str:
    parts = [str(analysis.VERSION), *_SQLITE[:3], *_POSTGRES[:3]]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:16]


def _renew(connection: Any) -> None:
    """Note all chunks as not indexed where the postings are not of this version."""
    from ingestion.index import postings

    with connection.cursor() as cursor:
        cursor.execute("SELECT version FROM ingestion_indexversion")
        if cursor.fetchone() == (version(),):
            return
    postings.renew(connection)
