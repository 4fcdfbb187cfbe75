"""Deleting: a document of a source, all of them, or the source with all it brought."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ingestion import indexing
from ingestion.models import Source, SourceDocument
from ingestion.rights import check_may_change
from ingestion.sources import locked, refuse_running
from jobs import access, audit, schedules
from jobs import services as jobs
from jobs.models import Job

if TYPE_CHECKING:
    from django.contrib.auth.models import User

DELETE = "ingestion.delete"
# More documents than these are deleted by a job.
AT_ONCE = 200


@audit.command("source.delete", target="source")
def delete(*, source: Source, by: User) -> Job | None:
    """Delete a source with all it brought: at once, or by the job that is returned.

    From now on no search finds anything of it. A sync of it is ended.

    :raises jobs.access.NotAllowed: not for `by`.
    :raises ingestion.refusals.SourceDeleting: that is being done, or was.
    """
    check_may_change(source=source, by=by)
    rows = Source.objects.select_for_update(of=("self",)).select_related("sync_job", "schedule")
    now = rows.filter(pk=source.pk).first()
    if now is None or not now.deleting:
        now = locked(source)
    elif now.sync_job is not None and not now.sync_job.is_terminal:
        # Asking twice is one request.
        return now.sync_job
    _end_sync(now, by)
    _end_schedule(now, by)
    number = now.documents.count()
    audit.say(documents=number)
    if number <= AT_ONCE:
        indexing.remove(documents=now.documents.values_list("pk", flat=True))
        now.delete()
        return None
    return _by_job(now, by, keep_source=False)


@audit.command("source.empty", target="source")
def empty(*, source: Source, by: User) -> int | Job:
    """Remove every document of a source, and keep the source: how many, or the job that does it.

    The next sync brings what there is then.

    :raises jobs.access.NotAllowed: not for `by`.
    :raises ingestion.refusals.SyncRunning: a sync would bring them back meanwhile.
    """
    check_may_change(source=source, by=by)
    now = locked(source)
    refuse_running(now)
    number = now.documents.count()
    audit.say(documents=number)
    if number > AT_ONCE:
        return _by_job(now, by, keep_source=True)
    indexing.remove(documents=now.documents.values_list("pk", flat=True))
    Source.objects.filter(pk=now.pk).update(cursor={})
    return number


@audit.command("source.delete_document", target="document")
def delete_document(*, document: SourceDocument, by: User) -> int:
    """Remove one document with what hangs on it; how many went.

    A later sync that finds it at its source brings it back.

    :raises jobs.access.NotAllowed: not for `by`.
    """
    check_may_change(source=document.source, by=by)
    now = locked(document.source)
    audit.say(source=now.name, key=document.key)
    return indexing.remove(documents=[document.pk])


def _by_job(source: Source, by: User, *, keep_source: bool) -> Job:
    job = jobs.submit(
        kind=DELETE,
        options={"source_id": str(source.pk), "keep_source": keep_source},
        by=by,
        name=f"{'Empty' if keep_source else 'Delete'} {source.name}"[:200],
    )
    source.sync_job = job
    source.deleting = not keep_source
    source.save(update_fields=["sync_job", "deleting"])
    audit.say(jobId=str(job.pk))
    return job


def _end_sync(source: Source, by: User) -> None:
    job = source.sync_job
    if job is None or job.is_terminal:
        return
    try:
        jobs.cancel(job=job, by=by, reason="The source was deleted.", force=True)
    except (jobs.JobNotCancellable, access.NotAllowed):
        # It ended by itself, or will: it finds the source deleted before it writes anything more.
        return


def _end_schedule(source: Source, by: User) -> None:
    schedule = source.schedule
    if schedule is None:
        return
    source.schedule = None
    try:
        schedules.delete(schedule=schedule, by=by)
    except access.NotAllowed:
        schedules.pause(schedule=schedule, by=None, reason="Its source was deleted.")
