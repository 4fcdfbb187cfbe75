"""What search and the tag filter read: tables beside the jobs, kept true by the database itself.

A job's name and error are written in many places, some of them plain statements of the engine, so
triggers keep the index and not code. They fire only where a name, error, owner, tag or sharing
really changed: claims and heartbeats pay nothing. The tables have no model: nothing else may read
or write them. They are not made by a migration: SQLite loses the triggers of a table whenever a
later migration makes it anew, so `install` runs after every `migrate` and mends what is missing.

SQLite: FTS5 with a copy of the text, not an external-content table, whose row numbers a VACUUM or
a remade table may change. PostgreSQL: a tsvector with GIN, in a table of its own, so that the
engine's updates of a job's row do not write that index again.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from typing import Any

# The part of an error that is searched; a whole traceback would outweigh all names.
ERROR_CHARS = 1000
# Scripts that put no space between words: every character is a word, several of them a phrase.
_UNSPACED = (
    (0x0E00, 0x0EFF),  # Thai, Lao
    (0x1000, 0x109F),  # Myanmar
    (0x1780, 0x17FF),  # Khmer
    (0x3040, 0x312F),  # kana, bopomofo
    (0x3400, 0x4DBF),  # Han, and below
    (0x4E00, 0x9FFF),
    (0xAC00, 0xD7AF),  # Hangul: its words carry their endings
    (0xF900, 0xFAFF),
    (0x20000, 0x3FFFF),
)
UNSPACED = "".join(f"{chr(low)}-{chr(high)}" for low, high in _UNSPACED)
_TABLES = ("jobs_jobsearch", "jobs_jobtag")


def install(connection: Any) -> bool:
    """Create what is missing or of an earlier version, and index all jobs then; False: all was there.

    Where the jobs' own table is gone (the app was unmigrated), what is left here goes too.
    """
    with connection.cursor() as cursor:
        tables = set(connection.introspection.table_names(cursor))
        if "jobs_job" not in tables:
            _drop(connection.vendor, cursor)
            return False
        wanted = _POSTGRES if connection.vendor == "postgresql" else _SQLITE
        if connection.vendor == "postgresql":
            wanted = [
                statement.replace("LOCALE", _lowering_collation(cursor)) for statement in wanted
            ]
        version = hashlib.sha256("\n".join(wanted).encode()).hexdigest()[:16]
        if _installed(connection.vendor, cursor) == version:
            return False
        _drop(connection.vendor, cursor)
        _run(cursor, wanted)
        _run(cursor, _filled(connection.vendor))
        _run(cursor, _mark(connection.vendor, version))
    return True


def rebuild(connection: Any) -> None:
    """Index all jobs anew; for whoever filled the table behind the triggers' back."""
    with connection.cursor() as cursor:
        _drop(connection.vendor, cursor)
    install(connection)


def _run(cursor: Any, statements: Iterable[str]) -> None:
    for statement in statements:
        cursor.execute(statement)


def _installed(vendor: str, cursor: Any) -> str:
    """The version whose triggers are all in place; empty when any is missing."""
    if vendor == "postgresql":
        cursor.execute(
            "SELECT MAX(obj_description(oid)) FROM pg_trigger WHERE tgrelid = 'jobs_job'::regclass "
            "AND tgname IN ('jobs_search_kept', 'jobs_search_changed') HAVING COUNT(*) = 2"
        )
        row = cursor.fetchone()
        return str(row[0]) if row else ""
    names = _triggers(cursor)
    if not {"jobs_search_insert", "jobs_search_update", "jobs_search_delete"} <= names:
        return ""
    versions = [name.removeprefix("jobs_search_v_") for name in names if "_v_" in name]
    return versions[0] if len(versions) == 1 else ""


def _mark(vendor: str, version: str) -> list[str]:
    if vendor == "postgresql":
        return [f"COMMENT ON TRIGGER jobs_search_kept ON jobs_job IS '{version}'"]
    # A trigger that never fires: it is lost together with the others.
    return [
        f"CREATE TRIGGER jobs_search_v_{version} AFTER DELETE ON jobs_job WHEN 0 "
        "BEGIN SELECT 1; END"
    ]


def _triggers(cursor: Any) -> set[str]:
    cursor.execute(
        "SELECT name FROM sqlite_master WHERE type = 'trigger' AND name LIKE 'jobs\\_search\\_%' "
        "ESCAPE '\\'"
    )
    return {name for (name,) in cursor.fetchall()}


def _drop(vendor: str, cursor: Any) -> None:
    if vendor == "postgresql":
        _run(
            cursor,
            [
                "DROP FUNCTION IF EXISTS jobs_search_keep() CASCADE",
                *(f"DROP TABLE IF EXISTS {table}" for table in _TABLES),
                "DROP FUNCTION IF EXISTS jobs_search_query(text, boolean)",
                "DROP FUNCTION IF EXISTS jobs_search_words(text)",
            ],
        )
        return
    _run(cursor, [f"DROP TRIGGER {name}" for name in _triggers(cursor)])
    _run(
        cursor,
        [
            "DROP TABLE IF EXISTS jobs_jobsearch_terms",
            "DROP TABLE IF EXISTS jobs_jobsearch_text",
            "DROP VIEW IF EXISTS jobs_jobsearch_numbers",
            *(f"DROP TABLE IF EXISTS {table}" for table in _TABLES),
        ],
    )


def _spaced(text: str) -> str:
    """SQLite: `text` with a space around each character of an unspaced script."""
    char = f"substr({text}, i, 1)"
    return (
        f"CASE WHEN {text} GLOB '*[{UNSPACED}]*' THEN (SELECT group_concat("
        f"CASE WHEN {char} GLOB '[{UNSPACED}]' THEN ' ' || {char} || ' ' ELSE {char} END, '') "
        f"FROM jobs_jobsearch_numbers WHERE i <= length({text})) ELSE {text} END"
    )


def _text_columns(row: str) -> str:
    error = f"substr({row}.error, 1, {ERROR_CHARS})"
    scope = f"'o' || {row}.owner_id || CASE WHEN {row}.shared THEN ' shared' ELSE '' END"
    return f"{_spaced(f'{row}.name')}, {_spaced(error)}, {scope}"


def _tags(row: str) -> str:
    return (
        f"SELECT DISTINCT value, {row}.id, {row}.owner_id, {row}.shared FROM json_each({row}.tags) "
        f"WHERE json_type({row}.tags) = 'array'"
    )


_TAG_INDEXES = (
    "CREATE INDEX jobs_jobtag_job ON jobs_jobtag (job_id)",
    "CREATE INDEX jobs_jobtag_owner ON jobs_jobtag (tag, owner_id, job_id)",
    "CREATE INDEX jobs_jobtag_shared ON jobs_jobtag (tag, job_id, owner_id) WHERE shared",
)
_ROW = "SELECT id FROM jobs_jobsearch WHERE job_id ="

_SQLITE = [
    "CREATE TABLE jobs_jobsearch (id integer PRIMARY KEY, job_id char(32) NOT NULL UNIQUE)",
    # Who may see a job is a word beside its text: one's own matches are found among a million.
    "CREATE VIRTUAL TABLE jobs_jobsearch_text USING fts5(name, error, scope, "
    "tokenize=\"unicode61 remove_diacritics 0\", prefix='2 3')",
    # All its words in their order, to see what begins so: a view, which takes no space.
    "CREATE VIRTUAL TABLE jobs_jobsearch_terms USING fts5vocab(jobs_jobsearch_text, instance)",
    # Whose a job is and whether all see it stands here too: so what one sees of a tag is counted.
    "CREATE TABLE jobs_jobtag (tag text NOT NULL, job_id char(32) NOT NULL, "
    "owner_id integer NOT NULL, shared bool NOT NULL, PRIMARY KEY (tag, job_id)) WITHOUT ROWID",
    *_TAG_INDEXES,
    "CREATE VIEW jobs_jobsearch_numbers(i) AS WITH RECURSIVE n(i) AS "
    f"(SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {ERROR_CHARS}) SELECT i FROM n",
    "CREATE TRIGGER jobs_search_insert AFTER INSERT ON jobs_job BEGIN "
    "INSERT INTO jobs_jobsearch (job_id) VALUES (new.id); "
    "INSERT INTO jobs_jobsearch_text (rowid, name, error, scope) "
    f"VALUES (({_ROW} new.id), {_text_columns('new')}); "
    f"INSERT INTO jobs_jobtag (tag, job_id, owner_id, shared) {_tags('new')}; END",
    "CREATE TRIGGER jobs_search_update AFTER UPDATE OF name, error, tags, owner_id, shared ON "
    "jobs_job WHEN old.name IS NOT new.name OR old.error IS NOT new.error "
    "OR old.tags IS NOT new.tags OR old.owner_id IS NOT new.owner_id "
    "OR old.shared IS NOT new.shared BEGIN "
    f"UPDATE jobs_jobsearch_text SET (name, error, scope) = (SELECT {_text_columns('new')}) "
    f"WHERE rowid = ({_ROW} new.id); "
    "DELETE FROM jobs_jobtag WHERE job_id = new.id; "
    f"INSERT INTO jobs_jobtag (tag, job_id, owner_id, shared) {_tags('new')}; END",
    "CREATE TRIGGER jobs_search_delete AFTER DELETE ON jobs_job BEGIN "
    f"DELETE FROM jobs_jobsearch_text WHERE rowid = ({_ROW} old.id); "
    "DELETE FROM jobs_jobsearch WHERE job_id = old.id; "
    "DELETE FROM jobs_jobtag WHERE job_id = old.id; END",
]

# Everything but letters and digits of any script separates words: the parser of PostgreSQL would
# else see addresses, paths and signed numbers, which a part of them would not find.
_SEPARATORS = (
    r"[\u0001-\u002F\u003A-\u0040\u005B-\u0060\u007B-\u00A9\u00AB-\u00B4\u00B6-\u00B9\u00BB-\u00BF"
    r"\u00D7\u00F7\u2000-\u206F\u2190-\u2BFF\u3000-\u3004\u3008-\u3020\uFE30-\uFE6F\uFF00-\uFF0F"
    r"\uFF1A-\uFF20]+"
)


def _terms(row: str) -> str:
    """PostgreSQL: the words of a job's text, and whose it is as words that no text can have."""
    text = f"jobs_search_words({row}.name || ' | ' || left({row}.error, {ERROR_CHARS}))"
    shared = f"CASE WHEN {row}.shared THEN ARRAY['=shared'] ELSE ARRAY[]::text[] END"
    scope = f"array_to_tsvector(ARRAY['=o' || {row}.owner_id] || {shared})"
    return f"to_tsvector('simple', {text}) || {scope}"


_POSTGRES = [
    "CREATE FUNCTION jobs_search_words(given text) RETURNS text LANGUAGE sql IMMUTABLE STRICT "
    "PARALLEL SAFE AS $$ SELECT regexp_replace(regexp_replace(lower(given COLLATE LOCALE), "
    f"'([{UNSPACED}])', ' \\1 ', 'g'), '{_SEPARATORS}', ' ', 'g') $$",
    # The word as a phrase of its parts; nothing when the parser sees no word in it.
    "CREATE FUNCTION jobs_search_query(word text, prefix boolean) RETURNS tsquery "
    "LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE AS $$ "
    "DECLARE q tsquery := phraseto_tsquery('simple', jobs_search_words(word)); BEGIN "
    "IF numnode(q) = 0 THEN RETURN NULL; END IF; "
    "IF prefix THEN RETURN (q::text || ':*')::tsquery; END IF; RETURN q; END $$",
    "CREATE TABLE jobs_jobsearch (job_id uuid PRIMARY KEY, terms tsvector NOT NULL)",
    "CREATE TABLE jobs_jobtag (tag text NOT NULL, job_id uuid NOT NULL, owner_id integer NOT NULL, "
    "shared boolean NOT NULL, PRIMARY KEY (tag, job_id))",
    *_TAG_INDEXES,
    "CREATE FUNCTION jobs_search_keep() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
    "IF TG_OP = 'DELETE' THEN "
    "DELETE FROM jobs_jobsearch WHERE job_id = OLD.id; "
    "DELETE FROM jobs_jobtag WHERE job_id = OLD.id; RETURN NULL; END IF; "
    "IF TG_OP = 'INSERT' OR (OLD.name, OLD.error, OLD.owner_id, OLD.shared) "
    "IS DISTINCT FROM (NEW.name, NEW.error, NEW.owner_id, NEW.shared) THEN "
    f"INSERT INTO jobs_jobsearch (job_id, terms) VALUES (NEW.id, {_terms('NEW')}) "
    "ON CONFLICT (job_id) DO UPDATE SET terms = EXCLUDED.terms; END IF; "
    "IF TG_OP = 'UPDATE' AND (OLD.tags, OLD.owner_id, OLD.shared) "
    "IS NOT DISTINCT FROM (NEW.tags, NEW.owner_id, NEW.shared) THEN RETURN NULL; END IF; "
    "IF TG_OP = 'UPDATE' THEN DELETE FROM jobs_jobtag WHERE job_id = NEW.id; END IF; "
    "IF jsonb_typeof(NEW.tags) = 'array' THEN "
    "INSERT INTO jobs_jobtag (tag, job_id, owner_id, shared) "
    "SELECT DISTINCT value, NEW.id, NEW.owner_id, NEW.shared "
    "FROM jsonb_array_elements_text(NEW.tags); END IF; "
    "RETURN NULL; END $$",
    "CREATE TRIGGER jobs_search_kept AFTER INSERT OR DELETE ON jobs_job "
    "FOR EACH ROW EXECUTE FUNCTION jobs_search_keep()",
    # By itself: a claim writes the error, which mostly was and stays empty, and calls nothing here.
    "CREATE TRIGGER jobs_search_changed AFTER UPDATE OF name, error, tags, owner_id, shared "
    "ON jobs_job FOR EACH ROW "
    "WHEN ((OLD.name, OLD.error, OLD.tags, OLD.owner_id, OLD.shared) IS DISTINCT FROM "
    "(NEW.name, NEW.error, NEW.tags, NEW.owner_id, NEW.shared)) "
    "EXECUTE FUNCTION jobs_search_keep()",
]


def _filled(vendor: str) -> list[str]:
    """Statements that index every job there is; the indexes come last, where that is cheaper."""
    if vendor == "postgresql":
        return [
            "INSERT INTO jobs_jobsearch (job_id, terms) "
            f"SELECT id, {_terms('jobs_job')} FROM jobs_job",
            "INSERT INTO jobs_jobtag (tag, job_id, owner_id, shared) "
            "SELECT DISTINCT value, jobs_job.id, owner_id, shared FROM jobs_job "
            "CROSS JOIN LATERAL jsonb_array_elements_text("
            "CASE WHEN jsonb_typeof(tags) = 'array' THEN tags ELSE '[]' END)",
            "CREATE INDEX jobs_jobsearch_terms ON jobs_jobsearch USING gin (terms)",
        ]
    return [
        "INSERT INTO jobs_jobsearch (job_id) SELECT id FROM jobs_job ORDER BY id",
        "INSERT INTO jobs_jobsearch_text (rowid, name, error, scope) "
        f"SELECT kept.id, {_text_columns('job')} FROM jobs_jobsearch kept "
        "JOIN jobs_job job ON job.id = kept.job_id ORDER BY kept.id",
        "INSERT INTO jobs_jobtag (tag, job_id, owner_id, shared) "
        "SELECT DISTINCT value, job.id, job.owner_id, job.shared FROM jobs_job job, "
        "json_each(job.tags) WHERE json_type(job.tags) = 'array'",
    ]


def _lowering_collation(cursor: Any) -> str:
    """A collation whose `lower` knows all scripts, whatever the locale of this database is."""
    cursor.execute("SELECT collname FROM pg_collation WHERE collname IN ('pg_c_utf8', 'und-x-icu')")
    names = {name for (name,) in cursor.fetchall()}
    for name in ("pg_c_utf8", "und-x-icu"):
        if name in names:
            return f'"{name}"'
    return '"default"'
