"""Embeddings: which model there is, and why there is none.

`EMBEDDINGS=offline` (all-MiniLM-L6-v2 on this machine), `endpoint` (any OpenAI-compatible one) or
`off`. Without a model searches go by words alone, and say so.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass

from django.conf import settings

from ingestion.embedding import offline
from ingestion.embedding.base import Embedder, EmbeddingFailed
from ingestion.http import Patience

__all__ = ["Embedder", "EmbeddingFailed", "Status", "active", "installable", "named", "status"]

# A person waits for the vector of a question.
QUERY_TIMEOUT_S = 10
_lock = threading.Lock()
_loaded: dict[str, offline.Offline] = {}


@dataclass(frozen=True, kw_only=True)
class Status:
    """The model that the settings name, or why there is none (for people, with what to do)."""

    embedder: Embedder | None
    why: str = ""


def status() -> Status:
    """What new chunks are embedded with."""
    if settings.EMBEDDINGS == "off":
        return Status(embedder=None, why="Embeddings are switched off (EMBEDDINGS=off).")
    if settings.EMBEDDINGS == "endpoint":
        return Status(embedder=_endpoint())
    try:
        return Status(embedder=_offline())
    except offline.NotInstalled as error:
        return Status(embedder=None, why=str(error))


def active() -> Embedder | None:
    """The model that the settings name; None: keyword only, `status().why` says why."""
    return status().embedder


def named(name: str, revision: str, dimension: int, *, for_query: bool = False) -> Embedder | None:
    """The model that made these vectors, as long as it can be asked still; None: it can not.

    With `for_query` an endpoint is asked once and briefly.
    """
    if (name, revision, dimension) == (offline.NAME, offline.REVISION, offline.DIMENSION):
        try:
            return _offline()
        except offline.NotInstalled:
            return None
    # The key belongs to the address in the settings and is sent to no other.
    if settings.EMBEDDINGS == "endpoint" and revision == settings.EMBEDDINGS_URL[:100]:
        return _endpoint(model=name, dimension=dimension, for_query=for_query)
    return None


def installable() -> bool:
    """Whether the offline model is wanted and not there."""
    return settings.EMBEDDINGS == "offline" and not offline.installed()


def patient(on_wait: Callable[[float, str], None]) -> Status:
    """`status()` for a job: `on_wait(seconds_left, why)` is called while an endpoint lets it wait."""
    if settings.EMBEDDINGS == "endpoint":
        return Status(embedder=_endpoint(on_wait=on_wait))
    return status()


def _offline() -> offline.Offline:
    # By folder: tests, and an operator who moves DATA_DIR, have another one.
    key = str(offline.folder())
    with _lock:
        if key not in _loaded:
            _loaded[key] = offline.Offline(threads=settings.EMBEDDINGS_THREADS)
        return _loaded[key]


def _endpoint(
    *,
    model: str = "",
    dimension: int = 0,
    for_query: bool = False,
    on_wait: Callable[[float, str], None] | None = None,
) -> Embedder:
    from ingestion.embedding.endpoint import PATIENT, Endpoint

    timeout = settings.EMBEDDINGS_TIMEOUT_S
    return Endpoint(
        url=settings.EMBEDDINGS_URL,
        model=model or settings.EMBEDDINGS_MODEL,
        key=settings.EMBEDDINGS_KEY,
        dimension=dimension or settings.EMBEDDINGS_DIMENSION,
        ask_dimension=bool(settings.EMBEDDINGS_DIMENSION),
        batch=settings.EMBEDDINGS_BATCH,
        rate=None if for_query else settings.EMBEDDINGS_RATE,
        timeout_s=min(timeout, QUERY_TIMEOUT_S) if for_query else timeout,
        patience=Patience(attempts=1) if for_query else PATIENT,
        on_wait=on_wait,
    )
