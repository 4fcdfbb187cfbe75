"""What tests of the index share: a real embeddings endpoint, and documents that are indexed."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import transaction

from ingestion.index import searching, settle, vectors
from ingestion.models import Chunk, Source, SourceDocument
from tests.factories import SourceDocumentFactory, SourceFactory
from tests.ingestion.search.embeddings_server import EmbeddingsServer, serving

Add = Callable[..., Chunk]


@pytest.fixture
def endpoint(settings: Any) -> Iterator[EmbeddingsServer]:
    """The settings name an embeddings endpoint, which runs."""
    with serving(EmbeddingsServer()) as server:
        settings.EMBEDDINGS = "endpoint"
        settings.EMBEDDINGS_URL = server.url
        settings.EMBEDDINGS_MODEL = "bag"
        settings.EMBEDDINGS_KEY = ""
        yield server


@pytest.fixture
def no_model(settings: Any) -> None:
    settings.EMBEDDINGS = "off"


def add(text: str, *, source: Source, key: str = "", **document: Any) -> Chunk:
    """A document of one passage, in the index when this returns."""
    with transaction.atomic():
        row: SourceDocument = SourceDocumentFactory(
            source=source, key=key or text[:60], state="indexed", **document
        )
        chunk = Chunk.objects.create(
            document=row, source=source, position=0, text=text, start=0, end=len(text),
            tokens=1, digest=f"{hash(text):064x}"[-64:],
        )  # fmt: skip
        settle()
    return chunk


@pytest.fixture
def searcher(database: str, monkeypatch: pytest.MonkeyPatch) -> User:
    # On PostgreSQL by pgvector's graph, which so few vectors do not need.
    monkeypatch.setattr(vectors, "MATRIX_MOST", 0)
    searching.forget_questions()
    return User.objects.create_superuser("searcher")


@pytest.fixture
def source(searcher: User) -> Source:
    made: Source = SourceFactory(owner=searcher, name="Handbook")
    return made
