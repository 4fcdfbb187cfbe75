"""Finding documents by the words of their name, tags and text."""

from __future__ import annotations

import itertools
import re
import unicodedata
from collections.abc import Iterator, Sequence

from django.db import connection
from django.db.models import QuerySet
from django.db.models.expressions import RawSQL

from documents.models import Document, DocumentQuerySet, DocumentText

# A tsvector of PostgreSQL holds at most 1 MiB; of this many characters it never needs as much.
ROW_CHARS = 200_000
_WORD = re.compile(r"[^\W_]+")
# A word that was split at a line's end; it may as well be two.
_SPLIT = re.compile(r"([^\W\d_]{2,})-\n([^\W\d_]{2,})")


def words_of(text: str) -> Iterator[str]:
    """The words of `text` in the one spelling that is stored and searched for.

    Without case and accents, so that both databases' word rules agree on them.
    """
    folded = unicodedata.normalize("NFKD", text.casefold())
    plain = "".join(char for char in folded if not unicodedata.combining(char))
    for match in _WORD.finditer(plain):
        # Longer ones are no words; PostgreSQL refuses words of 2 KiB.
        yield match.group()[:100]


def index(*, document: Document, text: str) -> None:
    """Make the document findable by its name, tags and `text`; replaces what it was found by."""
    forget(document=document)
    head = list(words_of(" ".join([document.name, *document.tags])))
    rows: list[list[str]] = [head]
    length = 0
    whole = " ".join(one + other for one, other in _SPLIT.findall(text))
    for word in itertools.chain(words_of(text), words_of(whole)):
        if length >= ROW_CHARS:
            # The name again in each row: a search for name and text together finds it.
            rows.append(list(head))
            length = 0
        rows[-1].append(word)
        length += len(word) + 1
    DocumentText.objects.bulk_create(
        (DocumentText(document=document, words=" ".join(row)) for row in rows), batch_size=4
    )


def forget(*, document: Document) -> None:
    """Remove the document's words from search, and from the database file."""
    rows = DocumentText.objects.filter(document=document)
    if connection.vendor != "sqlite":
        rows.delete()
        return
    with connection.cursor() as cursor:
        # Else the text stays readable in free pages of the file.
        cursor.execute("PRAGMA secure_delete = ON")
        try:
            rows.delete()
        finally:
            cursor.execute("PRAGMA secure_delete = OFF")


def matching(documents: DocumentQuerySet, query: str) -> QuerySet[Document]:
    """Those of `documents` that have every word of `query`, each as the beginning of a word."""
    words = list(dict.fromkeys(words_of(query)))
    if not words:
        return documents.none() if query.strip() else documents
    statement, asked = _statement(words)
    found = DocumentText.objects.filter(pk__in=RawSQL(statement, [asked]))
    return documents.filter(pk__in=found.values("document"))


def _statement(words: Sequence[str]) -> tuple[str, str]:
    """A query for the ids of rows that have all words, and its one parameter."""
    if connection.vendor == "sqlite":
        asked = " AND ".join(f'"{word}" *' for word in words)
        return "SELECT rowid FROM documents_words WHERE documents_words MATCH %s", asked
    asked = " & ".join(f"'{word}':*" for word in words)
    condition = "to_tsvector('simple', words) @@ to_tsquery('simple', %s)"
    return f"SELECT id FROM documents_documenttext WHERE {condition}", asked


def with_tags(rows: DocumentQuerySet, tags: Sequence[str]) -> DocumentQuerySet:
    """Those of `rows` that have exactly each of these tags."""
    for tag in tags:
        if connection.vendor == "postgresql":
            rows = rows.filter(tags__contains=[tag])
            continue
        found = RawSQL(
            "SELECT d.id FROM documents_document d, json_each(d.tags) t WHERE t.value = %s", [tag]
        )
        rows = rows.filter(pk__in=found)
    return rows
