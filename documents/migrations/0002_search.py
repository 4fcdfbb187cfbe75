"""Full-text indexes over the words of documents: FTS5 on SQLite, a GIN index on PostgreSQL."""

from typing import Any

from django.db import migrations

SQLITE = [
    "CREATE VIRTUAL TABLE documents_words USING fts5("
    "words, content='documents_documenttext', content_rowid='id', tokenize='unicode61')",
    "CREATE TRIGGER documents_words_added AFTER INSERT ON documents_documenttext BEGIN "
    "INSERT INTO documents_words (rowid, words) VALUES (new.id, new.words); END",
    "CREATE TRIGGER documents_words_removed AFTER DELETE ON documents_documenttext BEGIN "
    "INSERT INTO documents_words (documents_words, rowid, words) "
    "VALUES ('delete', old.id, old.words); END",
    "CREATE TRIGGER documents_words_changed AFTER UPDATE ON documents_documenttext BEGIN "
    "INSERT INTO documents_words (documents_words, rowid, words) "
    "VALUES ('delete', old.id, old.words); "
    "INSERT INTO documents_words (rowid, words) VALUES (new.id, new.words); END",
]
POSTGRES = [
    "CREATE INDEX documents_words ON documents_documenttext USING gin (to_tsvector('simple', words))"
]
SQLITE_BACK = [
    "DROP TRIGGER documents_words_added",
    "DROP TRIGGER documents_words_removed",
    "DROP TRIGGER documents_words_changed",
    "DROP TABLE documents_words",
]
POSTGRES_BACK = ["DROP INDEX documents_words"]


def _run(schema_editor: Any, sqlite: list[str], postgres: list[str]) -> None:
    vendor = schema_editor.connection.vendor
    for statement in sqlite if vendor == "sqlite" else postgres:
        schema_editor.execute(statement)


def forwards(apps: Any, schema_editor: Any) -> None:
    _run(schema_editor, SQLITE, POSTGRES)


def backwards(apps: Any, schema_editor: Any) -> None:
    _run(schema_editor, SQLITE_BACK, POSTGRES_BACK)


class Migration(migrations.Migration):
    dependencies = [("documents", "0001_initial")]
    operations = [migrations.RunPython(forwards, backwards)]
