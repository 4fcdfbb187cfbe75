"""Deleting, restoring, expiring, and removing bytes for good."""

from __future__ import annotations

import logging
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from django.conf import settings
from django.db import transaction
from django.utils import timezone

from documents import following, search
from documents.models import DerivedFile, Document, DocumentVersion, ReadState
from documents.rights import check_may_change
from documents.services.reading import request_read, text_of
from documents.services.refusals import DocumentGone, DocumentNotDeleted
from documents.services.storing import present
from jobs import access, audit
from jobs.files import delete_file
from jobs.services import JobNotCancellable, cancel

if TYPE_CHECKING:
    from django.contrib.auth.models import User

log = logging.getLogger(__name__)


def retention() -> timedelta:
    """How long the bytes of a deleted document stay, so that it can be restored."""
    return timedelta(days=settings.DOCUMENT_RETENTION_DAYS)


@audit.command("document.delete", target="document", says=("reason",))
def delete(*, document: Document, by: User, reason: str = "") -> Document:
    """Delete a document: nobody finds or opens it any more; its bytes go after the retention time.

    A job that reads it is cancelled.

    :raises jobs.access.NotAllowed: the document is not for `by` to change.
    :raises DocumentGone: it is deleted already.
    """
    check_may_change(document=document, by=by)
    return _delete(document, by=by, reason=reason)


@audit.command("document.expire", target="document")
def expire(*, document: Document, by: None = None) -> Document:
    """Delete a document whose time has come.

    :raises DocumentGone: it is deleted already.
    """
    return _delete(document, by=None, reason="It expired.")


def _delete(document: Document, *, by: User | None, reason: str) -> Document:
    now = present(document)
    now.deleted_at = timezone.now()
    now.deleted_by = by
    now.delete_reason = reason.strip()[:200]
    now.save(update_fields=["deleted_at", "deleted_by", "delete_reason"])
    search.forget(document=now)
    following.removed(now)
    reading = now.current.read_job if now.current is not None else None
    # Another's job ends by itself: it finds the document deleted before it writes anything.
    mine = (
        reading is not None
        and by is not None
        and (reading.owner_id == by.pk or access.is_admin(by))
    )
    if reading is not None and by is not None and mine and not reading.is_terminal:
        try:
            cancel(job=reading, by=by, reason="The document was deleted.", force=True)
        except JobNotCancellable:
            log.info("Job %s ended while document %s was deleted.", reading.pk, now.pk)
    return now


@audit.command("document.restore", target="document")
def restore(*, document: Document, by: User) -> Document:
    """Take a deletion back; the document is found again as before.

    :raises jobs.access.NotAllowed: the document is not for `by` to change.
    :raises DocumentNotDeleted: it was not deleted.
    :raises DocumentGone: its bytes are removed already.
    """
    check_may_change(document=document, by=by)
    now = Document.objects.select_for_update(of=("self",)).get(pk=document.pk)
    if now.purged_at is not None:
        raise DocumentGone("The bytes of this document are removed; it can not be restored.")
    if now.deleted_at is None:
        raise DocumentNotDeleted(DocumentNotDeleted.__doc__)
    now.deleted_at = now.deleted_by = None
    now.delete_reason = ""
    if now.expires_at is not None and now.expires_at <= timezone.now():
        # Else the next sweep would delete it again.
        now.expires_at = None
    now.updated_at = timezone.now()
    now.save()
    search.index(document=now, text=text_of(now))
    following.changed(now)
    if now.current is not None and now.current.read_state == ReadState.UNREAD:
        request_read(version=now.current, by=by)
    return now


def purge(*, document: Document, before: datetime) -> int:
    """Remove all bytes of a document that was deleted before `before`; how many went.

    The row stays, with its name, for the audit trail. Doing so again finishes what broke off.
    """
    with transaction.atomic():
        row = (
            Document.objects.select_for_update(of=("self",))
            .filter(pk=document.pk, deleted_at__lt=before, purged_at__isnull=True)
            .first()
        )
        if row is None:
            return 0
        # From here on nobody restores it; files go only when that is certain.
        row.purged_at = timezone.now()
        row.password = None
        row.save(update_fields=["purged_at", "password"])
        freed = finish_purge(document=row)
        audit.record(action="document.purge", by=None, target=row, data={"freedBytes": freed})
    return freed


def finish_purge(*, document: Document) -> int:
    """Remove what bytes a purged document still has, once this transaction commits."""
    freed = 0
    names: list[str] = []
    derived = DerivedFile.objects.filter(version__document=document)
    for file in derived:
        names.append(file.storage_name)
        freed += file.size_bytes
    versions = DocumentVersion.objects.filter(document=document).exclude(storage_name="")
    for version in versions:
        names.append(version.storage_name)
        freed += version.size_bytes

    def remove() -> None:
        gone = [name for name in names if delete_file(name)]
        # Rows lose their names only for files that are gone: the next sweep tries the rest again.
        DerivedFile.objects.filter(storage_name__in=gone).delete()
        DocumentVersion.objects.filter(storage_name__in=gone).update(
            storage_name="", read_message="", warnings=[]
        )

    transaction.on_commit(remove)
    document.comments.all().delete()
    return freed
