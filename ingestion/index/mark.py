"""What is kept in memory of the index is used only as long as the database is the same."""

from __future__ import annotations

from typing import Any

from django.db import connection


def token() -> Any:
    """Equal tokens: neither chunks, postings, vectors, nor what searches filter by have changed.

    None: the caller's transaction may undo what it reads; nothing of it may be kept.
    """
    if connection.in_atomic_block:
        return None
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.execute(
                "SELECT count(*), coalesce(max(id), 0), coalesce(sum(id), 0) "
                "FROM ingestion_indexmark"
            )
        else:
            cursor.execute("SELECT token FROM ingestion_indexmark")
        row = cursor.fetchone()
    return (str(connection.settings_dict["NAME"]), str(connection.settings_dict["HOST"]), *row)


def change(connection: Any, cursor: Any) -> None:
    """Make the token another one: the postings change, which no trigger watches."""
    if connection.vendor == "postgresql":
        cursor.execute("INSERT INTO ingestion_indexmark DEFAULT VALUES")
    else:
        cursor.execute("UPDATE ingestion_indexmark SET token = randomblob(12)")


def prune() -> None:
    """Drop marks that only say that something changed before others: each question counts them."""
    if connection.vendor != "postgresql":
        return
    with connection.cursor() as cursor:
        cursor.execute(
            "DELETE FROM ingestion_indexmark WHERE id < "
            "(SELECT coalesce(max(id), 0) - 200 FROM ingestion_indexmark)"
        )
