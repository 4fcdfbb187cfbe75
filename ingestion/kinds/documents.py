"""ingestion.documents: index documents of the store, without syncing whole sources."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rest_framework import serializers

from jobs.registry import job_kind
from jobs.running import JobFailed, RunningJob

MEMORY_MB = 3072


class Options(serializers.Serializer[Any]):
    documents = serializers.ListField(
        child=serializers.UUIDField(),
        min_length=1,
        max_length=1000,
        help_text="The documents of the store that are indexed.",
    )
    source_id = serializers.UUIDField(
        allow_null=True,
        default=None,
        help_text="The source that they belong to; without one every source that has or takes them.",
    )


@job_kind(
    "ingestion.documents",
    options=Options,
    label="Index documents",
    isolated=True,
    imports=("ingestion.keeping", "ingestion.index.filling"),
    memory_mb=MEMORY_MB,
    timeout_s=3600,
    max_attempts=3,
    reasons={"none_indexed": "Not one of the documents could be indexed."},
)
def run(job: RunningJob) -> Mapping[str, Any]:
    """Index documents of the store as they are now, reading those that nobody has read yet."""
    from django.contrib.auth.models import User
    from django.utils import timezone

    from documents.models import Document
    from ingestion.content import Failed, Gone, Seen
    from ingestion.documents.connector import seen_of
    from ingestion.index.filling import embed_new
    from ingestion.keeping import COUNTS, Keeper
    from ingestion.models import Source
    from ingestion.rights import may_change
    from ingestion.stored import keeps, sources_of

    by = User.objects.get(pk=job.owner_id)
    chosen = None
    if job.options["source_id"]:
        chosen = Source.objects.filter(pk=job.options["source_id"], deleting=False).first()
        if chosen is None or not may_change(source=chosen, user=by):
            raise JobFailed("source_gone", "There is no such source, or it is not yours to change.")
    counts = dict.fromkeys(COUNTS, 0)
    problems: list[str] = []
    for number, key in enumerate(job.options["documents"], 1):
        document = Document.objects.filter(pk=key).first()
        sources = [chosen] if chosen else sources_of(document) if document else []
        for source in sources:
            seen: Seen = Gone(key=str(key))
            if keeps(source=source, document=document):
                seen = seen_of(key=str(key), owner=source.owner, workdir=job.workdir)
            if isinstance(seen, Failed):
                problems.append(f"{seen.title or key}: {seen.message}")
            done = Keeper(job=job, source_id=source.pk, counted=False).keep([seen])
            for name, count in done.counts.items():
                counts[name] = counts.get(name, 0) + count
        job.progress(number, len(job.options["documents"]), "documents")
    if chosen is not None:
        with job.fenced():
            Source.objects.filter(pk=chosen.pk).update(last_synced_at=timezone.now())
    for name, count in counts.items():
        job.metric(name, count)
    embedding = embed_new(job=job)
    if problems and not counts["added"] + counts["changed"] + counts["unchanged"]:
        raise JobFailed("none_indexed", problems[0], result=counts)
    return {**counts, "problems": problems[:20], **embedding}
