"""One attempt at syncing a source: what its connector reports is kept, in small transactions.

What was put stays put, whatever happens to the process; the cursor is written only at the end, so
the next attempt or sync goes over what is missing, and finds the rest as it is.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from typing import Any
from uuid import UUID

from django.contrib.auth.models import User
from django.db.models import Q
from django.utils import timezone

from ingestion import connectors, rights
from ingestion.content import Known, Seen, SyncFailed, SyncRun
from ingestion.index.filling import embed_new
from ingestion.indexing import plain
from ingestion.keeping import COUNTS, Keeper
from ingestion.models import DocumentState, Source, SourceDocument
from jobs.egress import EgressRefused, Policy
from jobs.running import Cancelled, JobFailed, RunningJob
from jobs.secrets import SecretUnreadable, unseal

# As many documents are kept in one transaction, unless so much time passed since the last one.
BATCH = 25
BATCH_S = 0.5
COUNTED_EVERY_S = 1.0

STARTED = "sync.started"
COUNTED = "sync.counted"
ENDED = "sync.ended"
LEFT_OUT = "sync.left_out"


class Sync:
    """What a `ingestion.sync` job does, in one attempt."""

    def __init__(self, *, job: RunningJob, mode: str) -> None:
        self.job = job
        self.mode = mode
        self.source_id = UUID(str(job.options["source_id"]))
        self._keeper = Keeper(job=job, source_id=self.source_id, counted=True, anew=mode == "full")
        self._batch: list[Seen] = []
        self._flushed_at = 0.0
        self._counted_at = 0.0
        self._seen = 0
        self._own_progress = False
        # Of the pass that was made last.
        self._left_out: Mapping[str, Any] = {}
        self._embedding: dict[str, Any] = {}

    def run(self) -> dict[str, Any]:
        """Sync the source; its counts.

        :raises JobFailed: it can not be synced (now), or ends before its end.
        """
        source = self._begin()
        try:
            complete, cursor = self._pass(source, only=self._wanted())
            left_out = self._left_out
            if self.mode == "incremental":
                self._retry(source)
            if complete and self.mode != "failures":
                self._prune()
            counts = self._finish(cursor, left_out)
            self._embedding = embed_new(job=self.job)
        except SyncFailed as error:
            self._count(last=True)
            # What was had until then is found all the same.
            self._embedding = embed_new(job=self.job)
            raise JobFailed(
                error.code, error.message, retry=error.retry, result=self._result()
            ) from error
        except EgressRefused as error:
            raise JobFailed(error.code, error.message, result=self._result()) from error
        return self._settled(counts)

    def _begin(self) -> Source:
        """Make this the one sync of its source."""
        with self.job.fenced():
            source = (
                Source.objects.select_for_update(of=("self",))
                .select_related("sync_job", "owner")
                .filter(pk=self.source_id)
                .first()
            )
            by = User.objects.get(pk=self.job.owner_id)
            if source is None or source.deleting or not rights.may_see(source=source, user=by):
                raise JobFailed("source_gone", "There is no such source, or it is being deleted.")
            if not rights.may_change(source=source, user=by):
                raise JobFailed("not_allowed", "Only the source's owner or an admin may sync it.")
            if source.paused:
                raise JobFailed("source_paused", f"{source.name} is paused; resume it first.")
            other = source.sync_job
            if other is not None and other.pk != self.job.id and not other.is_terminal:
                raise JobFailed(
                    "sync_running",
                    f"Another sync of {source.name} is {other.status}, job {other.pk}. "
                    "A source is synced by one at a time.",
                )
            try:
                self.connector = connectors.get(source.kind)
            except connectors.NoConnector as error:
                raise JobFailed("not_synced", str(error)) from error
            resumed = source.counts_of == self.job.id
            if not resumed:
                source.counts_of = self.job.id
                source.last_started_at = timezone.now()
                for name in COUNTS:
                    setattr(source, f"last_{name}", 0)
            source.sync_job_id = self.job.id
            source.save()
        self.job.event(
            STARTED,
            sourceId=str(source.pk),
            name=source.name,
            kind=source.kind,
            mode=self.mode,
            resumed=resumed,
        )
        return source

    def _wanted(self) -> frozenset[str] | None:
        if self.mode != "failures":
            return None
        rows = SourceDocument.objects.filter(source_id=self.source_id, state=DocumentState.FAILED)
        return frozenset(rows.values_list("key", flat=True))

    def _retry(self, source: Source) -> None:
        """What failed before and may succeed now: an incremental pass does not come by it."""
        rows = SourceDocument.objects.filter(
            source=source, state=DocumentState.FAILED, retryable=True
        ).filter(~Q(seen_by=self.job.id) | Q(seen_by=None))
        keys = frozenset(rows.values_list("key", flat=True))
        if keys:
            self._pass(source, only=keys)

    def _pass(
        self, source: Source, *, only: frozenset[str] | None
    ) -> tuple[bool, Mapping[str, Any] | None]:
        """Keep what the connector reports; whether that was all, and the next cursor."""
        if only is not None and not only:
            return False, None
        try:
            opened = unseal(source.settings)
        except SecretUnreadable as error:
            raise JobFailed("secret_unreadable", str(error)) from error
        run = SyncRun(
            source_id=source.pk,
            owner_id=source.owner_id,
            settings=opened,
            policy=Policy.from_settings(),
            workdir=self.job.workdir,
            cursor={} if self.mode == "full" else source.cursor,
            full=self.mode == "full",
            only=only,
            log=self.job.log,
            event=self.job.event,
            progress=self._progress,
            check_cancelled=self.job.check_cancelled,
            documents=self._known(),
        )
        try:
            for seen in self._reported(run):
                self._batch.append(seen)
                self._seen += 1
                late = time.monotonic() - self._flushed_at >= BATCH_S
                if late or len(self._batch) >= BATCH:
                    self._flush()
        except (SyncFailed, EgressRefused, Cancelled):
            # It ends early; what was had until then is kept.
            self._keep()
            raise
        self._flush()
        self._left_out = run.left_out
        return run.complete, run.next_cursor

    def _reported(self, run: SyncRun) -> Iterator[Seen]:
        found = self.connector.sync(run=run)
        try:
            yield from found
        finally:
            # Its browsers and connections end before the job does, also when this is cut short.
            if (close := getattr(found, "close", None)) is not None:
                close()

    def _known(self) -> dict[str, Known]:
        rows = SourceDocument.objects.filter(source_id=self.source_id).values_list(
            "key", "fetched_with", "content_hash", "state", "url", "seen_by"
        )
        return {
            key: Known(
                fetched_with=fetched_with,
                content_hash=content_hash,
                state=state,
                url=url,
                done=seen_by == self.job.id and state != DocumentState.FAILED,
            )
            for key, fetched_with, content_hash, state, url, seen_by in rows.iterator()
        }

    def _progress(self, done: int, total: int | None = None, unit: str = "documents") -> None:
        self._own_progress = True
        self.job.progress(done, total, unit)

    def _keep(self) -> None:
        batch, self._batch = self._batch, []
        if batch:
            self._keeper.keep(batch)
        self._flushed_at = time.monotonic()

    def _flush(self) -> None:
        """Keep the batch; then see whether to go on."""
        self._keep()
        if not self._own_progress:
            self.job.progress(self._seen, None, "documents")
        self.job.check_cancelled()
        if time.monotonic() - self._counted_at >= COUNTED_EVERY_S:
            self._count()

    def _prune(self) -> None:
        """Remove what the source does not have any more: this sync saw everything, but not these."""
        rows = SourceDocument.objects.filter(source_id=self.source_id)
        unseen = list(
            rows.filter(~Q(seen_by=self.job.id) | Q(seen_by=None)).values_list("pk", flat=True)
        )
        for at in range(0, len(unseen), BATCH):
            self._keeper.remove(unseen[at : at + BATCH])
            self.job.check_cancelled()

    def _counts(self) -> dict[str, int]:
        names = [f"last_{name}" for name in COUNTS]
        row = Source.objects.filter(pk=self.source_id).values_list(*names).first()
        return dict(zip(COUNTS, row or (0,) * len(COUNTS), strict=True))

    def _count(self, *, last: bool = False) -> dict[str, int]:
        """Report the counts. The last time also as metrics."""
        self._counted_at = time.monotonic()
        counts = self._counts()
        self.job.event(COUNTED, **counts)
        if last:
            for name, number in counts.items():
                self.job.metric(name, number)
        return counts

    def _finish(
        self, cursor: Mapping[str, Any] | None, left_out: Mapping[str, Any]
    ) -> dict[str, int]:
        counts = self._count(last=True)
        if left_out:
            self.job.event(LEFT_OUT, reasons=left_out)
        with self.job.fenced():
            rows = Source.objects.filter(pk=self.source_id)
            if cursor is not None and self.mode != "failures":
                rows.update(cursor=plain(cursor))
            if self.mode != "failures":
                rows.update(last_left_out=plain(left_out))
            rows.update(last_synced_at=timezone.now())
        return counts

    def _settled(self, counts: Mapping[str, int]) -> dict[str, Any]:
        result = self._result()
        self.job.event(ENDED, **counts)
        failed, rest = counts["failed"], counts["added"] + counts["changed"] + counts["unchanged"]
        if failed and not rest:
            rows = SourceDocument.objects.filter(source_id=self.source_id, seen_by=self.job.id)
            first = rows.exclude(problem_message="").order_by("id").first()
            raise JobFailed(
                "all_failed",
                f"None of {failed} documents could be had."
                + (f" The first, {first}: {first.problem_message}" if first else ""),
                result=result,
            )
        return result

    def _result(self) -> dict[str, Any]:
        counts = self._counts()
        return {"sourceId": str(self.source_id), "mode": self.mode, **counts, **self._embedding}
