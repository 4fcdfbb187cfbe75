"""What a sync brings is found when it ended, by its words and its meaning; what it removes is not."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from django.contrib.auth.models import User

from ingestion.index import Query, health, postings, search
from ingestion.models import Source
from tests.ingestion import scripted
from tests.ingestion.search.conftest import endpoint  # noqa: F401  (a fixture)
from tests.ingestion.search.embeddings_server import EmbeddingsServer, send


def found(user: User, text: str) -> list[str]:
    return [hit.chunk.document.key for hit in search(query=Query(text=text), user=user).hits]


def test_what_a_sync_brings_is_found_and_only_what_changed_is_embedded(
    database: str,
    endpoint: EmbeddingsServer,  # noqa: F811
    owner: User,
    source: Source,
    script: Path,
    sync: Any,
) -> None:
    pages = {"a": "# Pay\nRefunds take days", "b": "# Login\nReset passwords", "c": "Swordfish"}
    scripted.write(script, pages)
    job = sync(source)
    assert job.result["embedded"] == 3
    assert found(owner, "refund")[0] == "a"
    assert health.look(user=owner).problems == []
    asked = len(endpoint.requests)
    scripted.write(script, {**pages, "b": "# Login\nRecover access"})
    job = sync(source)
    assert job.result["embedded"] == 1
    assert len(endpoint.requests) == asked + 1
    assert found(owner, "recover access")[0] == "b"
    assert search(query=Query(text="passwords", mode="words"), user=owner).hits == []
    # The model reads the title before each chunk.
    scripted.write(script, {**pages, "b": "# Login\nRecover access"}, titles={"c": "Fencing"})
    job = sync(source)
    assert (job.result["changed"], job.result["embedded"]) == (1, 1)
    assert "Fencing" in json.dumps(endpoint.requests[-1])
    scripted.write(script, {"a": pages["a"]})
    sync(source)
    assert found(owner, "swordfish recover refunds") == ["a"]
    assert postings.pending() == 0


def test_a_model_that_fails_fails_no_sync_and_the_next_one_makes_it_good(
    endpoint: EmbeddingsServer,  # noqa: F811
    owner: User,
    source: Source,
    script: Path,
    sync: Any,
) -> None:
    scripted.write(script, {"a": "Refunds take days"})
    endpoint.script = [lambda handler, _: send(handler, 401, {"error": {"message": "no"}})]
    job = sync(source)
    assert (job.status, job.result["added"], job.result["embedded"]) == ("succeeded", 1, 0)
    assert "EMBEDDINGS_KEY" in job.result["notEmbedded"]
    assert found(owner, "refund") == ["a"]
    assert sync(source).result["embedded"] == 1
