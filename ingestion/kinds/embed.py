"""ingestion.embed: give every passage a vector of the model that the settings name."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rest_framework import serializers

from jobs.registry import job_kind
from jobs.running import JobFailed, RunningJob


class Options(serializers.Serializer[Any]):
    words = serializers.BooleanField(
        default=False, help_text="Make the index of words anew as well, from the passages."
    )


@job_kind(
    "ingestion.embed",
    options=Options,
    label="Embed the index anew",
    isolated=True,
    imports=("ingestion.index.filling",),
    timeout_s=24 * 3600,
    max_attempts=5,
    concurrency=1,
    reasons={
        "no_model": "There is no embedding model; searches go by words alone.",
        "embedding_failed": "The embedding model failed.",
    },
)
def run(job: RunningJob) -> Mapping[str, Any]:
    """Embed what has no vector of the model that the settings name; then search by that model.

    Searches go on meanwhile with the vectors that were there. An attempt that is cut short goes on
    where it was.
    """
    from django.db import connection

    from ingestion.embedding import EmbeddingFailed
    from ingestion.index import filling, postings
    from ingestion.models import Chunk

    if job.options["words"]:
        postings.renew(connection)
    indexed = postings.settle()
    total = Chunk.objects.count()

    def wait(left: float, why: str) -> None:
        job.check_cancelled()

    try:
        filled = filling.rebuild(
            check=job.check_cancelled,
            on_wait=wait,
            progress=lambda done, _: job.progress(done, max(total, done), "passages"),
        )
    except EmbeddingFailed as error:
        code = "no_model" if error.code == "no_model" else "embedding_failed"
        raise JobFailed(code, error.message, retry=error.retryable) from error
    assert filled.model is not None
    job.metric("embedded", filled.embedded)
    return {
        "model": filled.model.name,
        "revision": filled.model.revision,
        "dimension": filled.model.dimension,
        "embedded": filled.embedded,
        "indexed": indexed,
    }
