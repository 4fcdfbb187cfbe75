"""ingestion.delete: remove everything that a source brought, and the source."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rest_framework import serializers

from jobs.registry import job_kind
from jobs.running import JobFailed, RunningJob

BATCH = 100


class Options(serializers.Serializer[Any]):
    source_id = serializers.UUIDField(help_text="The source whose documents are removed.")
    keep_source = serializers.BooleanField(
        default=False, help_text="Remove its documents only; the next sync brings them back."
    )


@job_kind(
    "ingestion.delete",
    options=Options,
    label="Delete what a source brought",
    timeout_s=3600,
    max_attempts=5,
    reasons={"source_gone": "The source was deleted already."},
)
def run(job: RunningJob) -> Mapping[str, Any]:
    """Delete a source's documents with their chunks, a few at a time, and then the source."""
    from django.contrib.auth.models import User

    from ingestion import indexing
    from ingestion.models import Source, SourceDocument
    from ingestion.rights import may_change

    keep = bool(job.options["keep_source"])
    with job.fenced():
        rows = Source.objects.select_for_update(of=("self",)).select_related("sync_job")
        source = rows.filter(pk=job.options["source_id"]).first()
        by = User.objects.get(pk=job.owner_id)
        if source is None:
            raise JobFailed("source_gone", "There is no such source (any more).")
        if not may_change(source=source, user=by):
            raise JobFailed("not_allowed", "Only the source's owner or an admin may delete it.")
        other = source.sync_job
        if keep and other is not None and other.pk != job.id and not other.is_terminal:
            raise JobFailed("sync_running", f"A sync is at work, job {other.pk}.")
        source.sync_job_id = job.id
        # From here on no sync puts anything more.
        source.deleting = source.deleting or not keep
        source.save(update_fields=["sync_job", "deleting"])
    documents = SourceDocument.objects.filter(source=source)
    total, done = documents.count(), 0
    while ids := list(documents.order_by("id").values_list("pk", flat=True)[:BATCH]):
        with job.fenced():
            done += indexing.remove(documents=ids)
        job.progress(done, max(total, done), "documents")
    with job.fenced():
        if keep:
            Source.objects.filter(pk=source.pk).update(cursor={})
        else:
            Source.objects.filter(pk=source.pk).delete()
    job.event("source.deleted" if not keep else "source.emptied", name=source.name, documents=done)
    job.metric("documents", done)
    return {"documents": done, "sourceDeleted": not keep}
