"""documents.sweep: what has expired is deleted, what was deleted long ago loses its bytes."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from django.core.files.storage import default_storage
from django.utils import timezone
from rest_framework import serializers

from jobs.registry import job_kind
from jobs.running import JobFailed, RunningJob

# A file without a row may be one whose row is about to be written.
STRAY_AFTER = timedelta(days=1)


class Options(serializers.Serializer[Any]):
    dry_run = serializers.BooleanField(default=False, help_text="Only say what would be removed.")


@job_kind(
    "documents.sweep",
    options=Options,
    label="Sweep documents",
    upkeep="37 3 * * *",
    concurrency=1,
    timeout_s=3600,
)
def run(job: RunningJob) -> Mapping[str, Any]:
    """Delete expired documents, remove old deleted bytes, broken-off uploads and stray files.

    It removes what others own, so it takes an admin.
    """
    from django.contrib.auth.models import User

    from jobs import access

    if not access.is_admin(User.objects.get(pk=job.owner_id)):
        raise JobFailed("admins_only", "Only an admin may sweep documents.")
    dry = bool(job.options["dry_run"])
    now = timezone.now()
    result = {
        "expired": _expired(job, now, dry=dry),
        **_purged(job, now, dry=dry),
        "uploads": _uploads(job, now, dry=dry),
        "strays": _strays(job, now, dry=dry),
        "dryRun": dry,
    }
    job.event("documents.swept", **result)
    return result


def _expired(job: RunningJob, now: datetime, *, dry: bool) -> int:
    from documents import services
    from documents.models import Document

    rows = Document.objects.present().filter(expires_at__lte=now)
    if dry:
        return rows.count()
    count = 0
    for document in rows.iterator():
        job.check_cancelled()
        try:
            services.expire(document=document)
            count += 1
        except services.DocumentGone:
            pass  # somebody deleted it a moment ago
    return count


def _purged(job: RunningJob, now: datetime, *, dry: bool) -> dict[str, int]:
    from django.db import transaction
    from django.db.models import Q

    from documents import services
    from documents.models import Document
    from documents.services.removing import finish_purge, retention

    before = now - retention()
    rows = Document.objects.filter(deleted_at__lt=before, purged_at__isnull=True)
    if dry:
        return {"purged": rows.count(), "freedBytes": 0}
    purged = freed = 0
    for document in rows.iterator():
        job.check_cancelled()
        freed += services.purge(document=document, before=before)
        purged += 1
    # What an earlier sweep could not finish: a storage that did not answer, a killed worker.
    left = Document.objects.filter(purged_at__isnull=False).filter(
        ~Q(versions__storage_name="") & Q(versions__isnull=False)
        | Q(versions__derived__isnull=False)
    )
    for document in left.distinct():
        with transaction.atomic():
            freed += finish_purge(document=document)
    return {"purged": purged, "freedBytes": freed}


def _uploads(job: RunningJob, now: datetime, *, dry: bool) -> int:
    from documents import services
    from documents.models import Upload

    rows = Upload.objects.filter(expires_at__lt=now)
    if dry:
        return rows.count()
    count = 0
    for upload in rows.iterator():
        job.check_cancelled()
        services.discard_upload(upload=upload)
        count += 1
    return count


def _strays(job: RunningJob, now: datetime, *, dry: bool) -> int:
    """Files under names that no row knows: their process died between storing and saying so."""
    from documents.models import DerivedFile, DocumentVersion, Upload
    from jobs.files import delete_file

    known = set(
        DocumentVersion.objects.exclude(storage_name="").values_list("storage_name", flat=True)
    )
    known |= set(DerivedFile.objects.values_list("storage_name", flat=True))
    for pieces in Upload.objects.values_list("pieces", flat=True):
        known |= set(pieces)
    count = 0
    for name in [*_files("documents"), *_files("uploads")]:
        if name in known or not _old(name, now):
            continue
        job.check_cancelled()
        count += 1
        if not dry:
            delete_file(name)
    return count


def _old(name: str, now: datetime) -> bool:
    try:
        return bool(now - default_storage.get_modified_time(name) > STRAY_AFTER)
    except (FileNotFoundError, OSError):
        return False


def _files(folder: str) -> list[str]:
    try:
        folders, files = default_storage.listdir(folder)
    except FileNotFoundError:
        return []
    found = [f"{folder}/{name}" for name in files if name]
    for inner in folders:
        found += _files(f"{folder}/{inner}")
    return found
