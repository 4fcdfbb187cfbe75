"""ingestion.embed: another model takes over whole, and searches go on until then."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.auth.models import User

from ingestion.embedding import EmbeddingFailed
from ingestion.index import Query, filling, health, search, vectors
from ingestion.models import EmbeddingModel, Source
from tests.ingestion.search.conftest import add
from tests.ingestion.search.embeddings_server import EmbeddingsServer, send


def test_the_job_embeds_all_and_another_model_takes_over(
    endpoint: EmbeddingsServer, searcher: User, source: Source, run_job: Any, settings: Any
) -> None:
    for n in range(40):
        add(f"apple number{n}", source=source)
    filled = filling.catch_up()
    assert (filled.embedded, filled.behind) == (40, False)
    old = filled.model
    assert old is not None
    settings.EMBEDDINGS_MODEL = "other"
    assert filling.behind()
    late = add("apple that came late", source=source)
    # A sync goes on with the model that searches use.
    again = filling.catch_up()
    assert (again.embedded, again.behind) == (1, True)
    assert endpoint.requests[-1]["model"] == "bag"

    seen: list[tuple[str, str]] = []
    honest = endpoint.honest

    def meanwhile(body: dict[str, Any]) -> dict[str, Any]:
        if body["model"] == "other" and len(body["input"]) > 1:
            results = search(query=Query(text="apple number7"), user=searcher)
            assert results.model is not None
            seen.append((results.model.name, results.hits[0].chunk.text))
        return honest(body)

    job = run_job_here(meanwhile, endpoint)
    assert job.embedded == 41
    assert seen
    assert set(seen) == {("bag", "apple number7")}
    now = filling.active()
    assert now is not None
    assert now.name == "other"
    assert vectors.count(now) == 41
    assert vectors.count(old) == 0
    assert EmbeddingModel.objects.get(pk=old.pk).state == "retired"
    assert search(query=Query(text=late.text), user=searcher).model == now
    assert health.look(user=searcher).problems == []


def run_job_here(meanwhile: Any, endpoint: EmbeddingsServer) -> filling.Filled:
    """In this process, so that the test can ask questions in the middle of it."""
    endpoint.honest = meanwhile  # type: ignore[method-assign]
    return filling.rebuild()


def test_a_job_that_is_cut_short_changes_nothing_and_goes_on_later(
    endpoint: EmbeddingsServer, searcher: User, source: Source, settings: Any
) -> None:
    for n in range(70):
        add(f"apple number{n}", source=source)
    filling.catch_up()
    settings.EMBEDDINGS_MODEL = "other"
    calls = []

    def killed() -> None:
        calls.append(1)
        if len(calls) == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        filling.rebuild(check=killed)
    now = filling.active()
    assert now is not None
    assert now.name == "bag"
    other = EmbeddingModel.objects.get(name="other")
    assert vectors.count(other) == 2 * filling.BATCH
    assert filling.rebuild().embedded == 70 - 2 * filling.BATCH


def test_as_a_job(endpoint: EmbeddingsServer, searcher: User, source: Source, run_job: Any) -> None:
    add("apple", source=source)
    job = run_job("ingestion.embed", words=True)
    assert job.status == "succeeded", job.error
    assert job.result == {
        "model": "bag", "revision": endpoint.url, "dimension": 24, "embedded": 1, "indexed": 1,
    }  # fmt: skip
    assert search(query=Query(text="apple"), user=searcher).mode == "hybrid"


def test_a_failure_has_a_reason(
    endpoint: EmbeddingsServer, searcher: User, source: Source, run_job: Any, settings: Any
) -> None:
    add("apple", source=source)
    endpoint.script = [lambda handler, _: send(handler, 401, {"error": {"message": "who?"}})]
    job = run_job("ingestion.embed")
    assert (job.status, job.reason) == ("failed", "embedding_failed")
    assert "EMBEDDINGS_KEY" in job.error
    settings.EMBEDDINGS = "off"
    job = run_job("ingestion.embed")
    assert (job.status, job.reason) == ("failed", "no_model")


def test_a_model_that_changes_its_dimension_is_not_mixed_in(
    endpoint: EmbeddingsServer, searcher: User, source: Source
) -> None:
    add("apple", source=source)
    filling.catch_up()
    endpoint.dimension = 12
    add("pear", source=source)
    with pytest.raises(EmbeddingFailed, match="never mixed"):
        filling.catch_up()
    active = filling.active()
    assert active is not None
    assert vectors.count(active) == 1
