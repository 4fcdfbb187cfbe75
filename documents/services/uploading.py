"""Uploads in pieces: begun with a size, appended at an offset, finished when all is there.

The pieces lie in the installation's storage, not on one machine: any web process takes the next.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Protocol
from uuid import uuid4

from django.conf import settings
from django.core.files.storage import default_storage
from django.db import transaction
from django.utils import timezone
from django.utils.dateparse import parse_datetime

from documents.models import Document, Upload
from documents.names import clean_name
from documents.rights import check_may_change
from documents.services.refusals import (
    DocumentGone,
    EmptyFile,
    TooLarge,
    UploadIncomplete,
    UploadOffset,
)
from documents.services.storing import (
    Added,
    add,
    add_version,
    clean_tags,
    max_bytes,
    too_large_message,
)
from jobs import access
from jobs.files import Draft, delete_file

if TYPE_CHECKING:
    from django.contrib.auth.models import User


class Readable(Protocol):
    """What bytes are taken from: a file, or the body of a request."""

    def read(self, size: int, /) -> bytes: ...


@transaction.atomic
def begin(
    *,
    name: str,
    size_bytes: int,
    by: User,
    target: Document | None = None,
    options: Mapping[str, Any] | None = None,
) -> Upload:
    """Make room for a file that will come in pieces. `options` are those of `add`.

    :raises jobs.access.NotAllowed: `by` is no operator, or may not change `target`.
    :raises EmptyFile, TooLarge: by its declared size.
    :raises DocumentGone: `target` is deleted.
    """
    access.check_may_do(by=by)
    if target is not None:
        check_may_change(document=target, by=by)
        if not target.is_present():
            raise DocumentGone(DocumentGone.__doc__)
    if size_bytes <= 0:
        raise EmptyFile(EmptyFile.__doc__)
    if size_bytes > max_bytes():
        raise TooLarge(too_large_message(size_bytes))
    options = dict(options or {})
    options["tags"] = clean_tags(options.get("tags", []))
    kept, warnings = clean_name(name)
    now = timezone.now()
    return Upload.objects.create(
        owner=by,
        name=kept,
        size_bytes=size_bytes,
        options=options,
        warnings=warnings,
        target=target,
        created_at=now,
        expires_at=now + timedelta(hours=settings.UPLOAD_EXPIRES_H),
    )


def append(*, upload: Upload, offset: int, source: Readable) -> Upload:
    """Take the bytes that follow at `offset`; they count once all of `source` is stored.

    :raises UploadOffset: they do not follow on what is here (another request was first).
    :raises TooLarge: more bytes than were declared; nothing of them is kept.
    :raises jobs.files.StorageFull: no room.
    """
    if offset != upload.received_bytes:
        raise UploadOffset(upload.received_bytes)
    with Draft() as draft:
        left = upload.size_bytes - offset
        while data := source.read(1024 * 1024):
            if draft.size_bytes + len(data) > left:
                raise TooLarge(
                    f"More bytes came than the {upload.size_bytes:,} that were declared."
                )
            draft.write(data)
        if draft.size_bytes == 0:
            return upload
        piece = draft.keep(f"uploads/{upload.pk}/{offset:020}-{uuid4().hex[:8]}")
        size = draft.size_bytes
    try:
        with transaction.atomic():
            now = Upload.objects.select_for_update().get(pk=upload.pk)
            if now.received_bytes != offset or now.document_id is not None:
                raise UploadOffset(now.received_bytes)
            now.received_bytes = offset + size
            now.pieces = [*now.pieces, piece]
            now.expires_at = timezone.now() + timedelta(hours=settings.UPLOAD_EXPIRES_H)
            now.save(update_fields=["received_bytes", "pieces", "expires_at"])
    except BaseException:
        delete_file(piece)
        raise
    return now


def finish(*, upload: Upload, by: User) -> Added:
    """Join the pieces to a document, or to a new version of the upload's target.

    When it fails the pieces stay, so that it can be tried again; when it is refused for its
    content they go.

    :raises UploadIncomplete: not all bytes are here.
    :raises ContentMismatch, DocumentGone, InvalidFields: as of `add` and `add_version`.
    """
    if upload.received_bytes != upload.size_bytes:
        raise UploadIncomplete(
            f"{upload.received_bytes:,} of {upload.size_bytes:,} bytes have arrived."
        )
    with Draft() as draft:
        for piece in upload.pieces:
            with default_storage.open(piece, "rb") as part:
                draft.read_whole(part)
        if draft.size_bytes != upload.size_bytes:
            raise UploadIncomplete("Some pieces are gone from storage; begin the upload anew.")
        if upload.target is not None:
            added = add_version(document=upload.target, draft=draft, name=upload.name, by=by)
        else:
            options = dict(upload.options)
            expires_at = options.pop("expires_at", None)
            added = add(
                draft=draft,
                name=upload.name,
                by=by,
                expires_at=parse_datetime(expires_at) if expires_at else None,
                **options,
            )
    pieces = upload.pieces
    with transaction.atomic():
        now = Upload.objects.select_for_update().get(pk=upload.pk)
        now.document = added.document
        now.pieces = []
        now.save(update_fields=["document", "pieces"])
    for piece in pieces:
        delete_file(piece)
    upload.document, upload.pieces = added.document, []
    return added


def discard_upload(*, upload: Upload) -> None:
    """Remove an upload and its pieces; a document that it became stays."""
    pieces = list(upload.pieces)
    upload.delete()
    for piece in pieces:
        delete_file(piece)
