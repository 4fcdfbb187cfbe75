"""Sources, their documents and chunks as API and console tell them."""

from __future__ import annotations

from typing import Any

from django.urls import reverse

from ingestion import connectors
from ingestion.models import Chunk, DocumentState, Source, SourceDocument
from ingestion.rights import may_change
from jobs.events import time_dto
from jobs.models import Status
from jobs.options import masked_wire
from jobs.secrets import masked

# Each state as words, and the colour that the chip of a job in that status has.
STATES = {
    "never": ("Not synced yet", "cancelled"),
    "queued": ("Queued", "queued"),
    "running": ("Syncing", "running"),
    "cancelling": ("Ending", "running"),
    "synced": ("Synced", "succeeded"),
    "synced_with_failures": ("Synced, some failed", "warning"),
    "failed": ("Sync failed", "failed"),
    "cancelled": ("Cancelled", "cancelled"),
    "paused": ("Paused", "cancelled"),
    "kept": ("Kept up to date", "succeeded"),
    "emptying": ("Being emptied", "running"),
    "deleting": ("Being deleted", "running"),
    "not_deleted": ("Could not be deleted", "failed"),
}


def state_of(source: Source) -> str:
    """What the source is doing, or what became of its newest sync; a key of `STATES`."""
    job = source.sync_job
    at_work = job is not None and not job.is_terminal
    if source.deleting:
        return "deleting" if at_work else "not_deleted"
    if job is not None and at_work:
        if job.kind != "ingestion.sync":
            return "emptying"
        if job.cancel_requested_at is not None:
            return "cancelling"
        return "running" if job.status == Status.RUNNING else "queued"
    if source.paused:
        return "paused"
    if source.kind not in connectors.all_connectors():
        return "kept"
    if job is None or job.kind != "ingestion.sync":
        return "never" if source.last_synced_at is None else "synced"
    if job.status == Status.SUCCEEDED:
        return "synced_with_failures" if source.last_failed else "synced"
    return str(job.status)


def counts_of(source: Source) -> dict[str, int]:
    """What its newest sync did so far."""
    return {
        "added": source.last_added,
        "changed": source.last_changed,
        "unchanged": source.last_unchanged,
        "removed": source.last_removed,
        "failed": source.last_failed,
        "empty": source.last_empty,
    }


def source_dto(source: Source, *, user: Any) -> dict[str, Any]:
    """A source; secrets in its settings are dots."""
    state = state_of(source)
    job, schedule = source.sync_job, source.schedule
    declared = connectors.all_connectors().get(source.kind)
    settings = masked_wire(source.settings) if declared else masked(source.settings)
    return {
        "id": str(source.pk),
        "kind": source.kind,
        "name": source.name,
        "ownerId": source.owner_id,
        "ownerName": source.owner.get_username(),
        "shared": source.shared,
        "canChange": may_change(source=source, user=user),
        # Whom it is shared with may search in it, not look how it is reached.
        "settings": settings if may_change(source=source, user=user) else {},
        "state": state,
        "stateText": STATES[state][0],
        "error": job.error if job is not None and state in {"failed", "not_deleted"} else "",
        "reason": job.reason if job is not None and state in {"failed", "not_deleted"} else "",
        "paused": source.paused,
        "syncJobId": str(source.sync_job_id) if source.sync_job_id else None,
        "lastSync": counts_of(source),
        "leftOut": source.last_left_out,
        "lastStartedAt": time_dto(source.last_started_at),
        "lastSyncedAt": time_dto(source.last_synced_at),
        "cron": schedule.cron if schedule else "",
        "timeZone": schedule.time_zone if schedule else "",
        "nextSyncAt": time_dto(schedule.next_at) if schedule else None,
        "createdAt": time_dto(source.created_at),
        "updatedAt": time_dto(source.updated_at),
    }


def tally(source: Source) -> dict[str, int]:
    """How many documents and chunks the source has now, by the documents' states."""
    from django.db.models import Count, Sum

    found = dict.fromkeys(DocumentState.values, 0)
    chunks = 0
    rows = source.documents.order_by().values("state").annotate(n=Count("pk"), c=Sum("n_chunks"))
    for row in rows:
        found[row["state"]] = row["n"]
        chunks += row["c"] or 0
    return {"documents": sum(found.values()), "chunks": chunks, **found}


def document_dto(document: SourceDocument) -> dict[str, Any]:
    """A document of a source."""
    return {
        "id": str(document.pk),
        "sourceId": str(document.source_id),
        "key": document.key,
        "kind": document.kind,
        "title": document.title,
        "url": document.url,
        "labels": document.labels,
        "state": document.state,
        "problemCode": document.problem_code,
        "problemMessage": document.problem_message,
        "retryable": document.retryable,
        "parentId": str(document.parent_id) if document.parent_id else None,
        "documentId": str(document.stored_id) if document.stored_id else None,
        "chars": document.chars,
        "chunks": document.n_chunks,
        "changedAt": time_dto(document.changed_at),
        "fetchedAt": time_dto(document.fetched_at),
    }


def chunk_dto(chunk: Chunk) -> dict[str, Any]:
    """A chunk: `text` is the document's text from `start` to `end`."""
    return {
        "id": chunk.pk,
        "position": chunk.position,
        "text": chunk.text,
        "headingPath": chunk.heading_path,
        "page": chunk.page,
        "anchor": chunk.anchor,
        "start": chunk.start,
        "end": chunk.end,
        "tokens": chunk.tokens,
    }


def page_of(source: Source) -> str:
    """The console's page about a source."""
    return reverse("admin:ingestion_source_change", args=[source.pk])
