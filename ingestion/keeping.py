"""Keeping what was found, a batch in one transaction with its events and counts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from django.db import DataError, transaction
from django.db.models import F, Q

from ingestion import index, indexing
from ingestion.content import Failed, Found, Gone, Seen, Unchanged
from ingestion.models import DocumentState, Source, SourceDocument
from jobs import events
from jobs.running import JobFailed, RunningJob

COUNTS = ("added", "changed", "unchanged", "removed", "failed", "empty")

ADDED = "sync.document_added"
CHANGED = "sync.document_changed"
REMOVED = "sync.document_removed"
FAILED = "sync.document_failed"


@dataclass
class Batch:
    """What one transaction did: counts by name, and documents by event type."""

    counts: dict[str, int] = field(default_factory=dict)
    told: dict[str, list[dict[str, Any]]] = field(default_factory=dict)

    def count(self, name: str, number: int = 1) -> None:
        self.counts[name] = self.counts.get(name, 0) + number

    def tell(self, type: str, document: SourceDocument, **more: Any) -> None:
        self.told.setdefault(type, []).append({**document_dto(document), **more})


class Keeper:
    """Keeps documents of one source, as the attempt that owns `job`.

    With `counted` the source's own counts, those of its newest sync, grow with it; with `anew`
    chunks are made again also of what did not change.
    """

    def __init__(
        self, *, job: RunningJob, source_id: UUID, counted: bool, anew: bool = False
    ) -> None:
        self.job = job
        self.source_id = source_id
        self.counted = counted
        self.anew = anew

    def keep(self, batch: Sequence[Seen]) -> Batch:
        """Keep these in one transaction.

        :raises JobFailed: the source is (being) deleted: nothing was kept.
        :raises Superseded: another attempt owns the job.
        """
        done = Batch()
        with self.job.fenced():
            source = self._locked()
            for seen in batch:
                self._keep(source, seen, done)
            index.settle()
            self._write(done)
        return done

    def remove(self, ids: Sequence[UUID]) -> Batch:
        """Remove these in one transaction; it raises as `keep` does."""
        done = Batch()
        with self.job.fenced():
            self._locked()
            self._remove(ids, done)
            self._write(done)
        return done

    def _locked(self) -> Source:
        source = (
            Source.objects.select_for_update(of=("self",))
            .filter(pk=self.source_id, deleting=False)
            .first()
        )
        if source is None:
            raise JobFailed("source_gone", "The source was deleted meanwhile.")
        return source

    def _keep(self, source: Source, seen: Seen, done: Batch) -> None:
        seen = indexing.with_key(seen)
        job_id = self.job.id
        before = source.documents.filter(key=seen.key).values("state", "seen_by").first()
        # Of a sync that goes on after a kill, the first try counted it already.
        again = before is not None and before["seen_by"] == job_id
        failed_before = again and before is not None and before["state"] == DocumentState.FAILED
        if isinstance(seen, Gone):
            rows = source.documents.filter(key=seen.key)
            self._remove(list(rows.values_list("pk", flat=True)), done)
            return
        if isinstance(seen, Unchanged):
            if not indexing.note_unchanged(seen=seen, source=source, job_id=job_id):
                raise ValueError(f"The connector reported {seen.key!r} as unchanged: it is new.")
            if not again or failed_before:
                done.count("unchanged")
        elif isinstance(seen, Found):
            kept = self._put(source, seen, done, counted=again and not failed_before)
            if isinstance(kept, Failed):
                seen = kept
        if isinstance(seen, Failed):
            document = indexing.note_failed(failed=seen, source=source, job_id=job_id)
            if not failed_before:
                done.count("failed")
            done.tell(
                FAILED,
                document,
                code=document.problem_code,
                message=document.problem_message,
                retryable=document.retryable,
            )
        elif failed_before:
            done.count("failed", -1)

    def _put(self, source: Source, found: Found, done: Batch, *, counted: bool) -> Failed | None:
        try:
            with transaction.atomic():
                put = indexing.put(found=found, source=source, job_id=self.job.id, anew=self.anew)
        except (DataError, ValueError) as error:
            # One document that no table takes must not end the sync of all others.
            self.job.log(f"{found.key[:200]}: {type(error).__name__}: {error}")
            return Failed(
                key=found.key,
                code="not_kept",
                message=f"It was fetched, but could not be kept: {error}",
                retryable=False,
                url=found.url,
                title=found.title,
                kind=found.kind,
            )
        if put.document is None:
            return None
        news = put.outcome != "unchanged"
        if news or not counted:
            done.count(put.outcome)
            if put.document.state == DocumentState.EMPTY:
                done.count("empty")
        if news:
            done.tell(ADDED if put.outcome == "added" else CHANGED, put.document)
        return None

    def _remove(self, ids: Sequence[UUID], done: Batch) -> None:
        for row in SourceDocument.objects.filter(Q(pk__in=ids) | Q(parent_id__in=ids)):
            done.tell(REMOVED, row)
        done.count("removed", indexing.remove(documents=ids))

    def _write(self, done: Batch) -> None:
        if self.counted:
            changes: Mapping[str, Any] = {
                f"last_{name}": F(f"last_{name}") + number
                for name, number in done.counts.items()
                if number
            }
            if changes:
                Source.objects.filter(pk=self.source_id).update(**changes)
        for type, documents in done.told.items():
            events.emit(
                job_id=self.job.id,
                type=type,
                data={"documents": documents},
                attempt=self.job.attempt,
                fence=True,
            )


def document_dto(document: SourceDocument) -> dict[str, Any]:
    """A document as the events of a sync tell it."""
    return {
        "id": str(document.pk),
        "key": document.key,
        "title": document.title,
        "url": document.url,
        "kind": document.kind,
        "state": str(document.state),
        "chunks": document.n_chunks,
    }
