"""Keeping files: new documents, new versions, and what people say about them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any, Literal
from uuid import UUID

from django.conf import settings
from django.db.models import Max
from django.utils import timezone

from documents import following, media, search
from documents.models import Document, DocumentQuerySet, DocumentVersion, ReadState
from documents.names import clean_name
from documents.readers import can_read
from documents.rights import check_may_change
from documents.services.reading import request_read, text_of
from documents.services.refusals import DocumentGone, EmptyFile, InvalidFields, TooLarge
from jobs import access, audit
from jobs.audit import AuditEntry
from jobs.files import Draft, delete_file
from jobs.ids import uuid7

if TYPE_CHECKING:
    from django.contrib.auth.models import User

MAX_TAGS = 30
MAX_TAG_CHARS = 60
OnDuplicate = Literal["keep", "reuse"]


@dataclass(frozen=True, kw_only=True)
class Added:
    """What became of a file: its document and version, and what a person should know.

    `created` is False where the same content was there and the caller asked for that one.
    `duplicates` are other documents of the same content that the person may see.
    """

    document: Document
    version: DocumentVersion
    created: bool = True
    duplicates: tuple[Document, ...] = ()
    warnings: tuple[str, ...] = field(default=())


def add(
    *,
    draft: Draft,
    name: str,
    by: User,
    tags: Sequence[str] = (),
    shared: bool = False,
    expires_at: datetime | None = None,
    on_duplicate: OnDuplicate = "keep",
    read: bool = True,
) -> Added:
    """Keep a received file as a new document, and queue its reading.

    The draft is handed over to storage whole; when anything fails there is neither row nor file.

    :raises jobs.access.NotAllowed: `by` is no operator.
    :raises EmptyFile, TooLarge, ContentMismatch: it is not kept.
    :raises InvalidFields: tags or expiry.
    :raises jobs.files.StorageFull: no room.
    """
    access.check_may_do(by=by)
    tags = clean_tags(tags)
    _check_expiry(expires_at)
    kept_name, media_type, warnings = _examined(draft, name, by=by, target=None)
    same = tuple(duplicates_of(sha256=draft.sha256, user=by)[:5])
    if same and on_duplicate == "reuse":
        current = same[0].current
        assert current is not None  # found by it
        said = "The same content is here already; nothing was stored."
        return Added(
            document=same[0],
            version=current,
            created=False,
            duplicates=same,
            warnings=(*warnings, said),
        )
    document_id, version_id = uuid7(), uuid7()
    # Stored before the transaction: a slow storage must not hold the database.
    stored = draft.keep(_storage_name(document_id, version_id, kept_name))
    try:
        document = _insert(
            document_id=document_id,
            version_id=version_id,
            stored=stored,
            draft=draft,
            name=kept_name,
            media_type=media_type,
            by=by,
            tags=tags,
            shared=shared,
            expires_at=expires_at,
            read=read,
        )
    except BaseException:
        delete_file(stored)
        raise
    assert document.current is not None
    return Added(
        document=document, version=document.current, duplicates=same, warnings=tuple(warnings)
    )


@audit.command("document.upload")
def _insert(
    *,
    document_id: UUID,
    version_id: UUID,
    stored: str,
    draft: Draft,
    name: str,
    media_type: str,
    by: User,
    tags: Sequence[str],
    shared: bool,
    expires_at: datetime | None,
    read: bool,
) -> Document:
    now = timezone.now()
    document = Document.objects.create(
        id=document_id,
        name=name,
        owner=by,
        shared=shared,
        tags=list(tags),
        expires_at=expires_at,
        created_at=now,
        updated_at=now,
    )
    _insert_version(
        document, version_id=version_id, number=1, stored=stored, draft=draft, name=name,
        media_type=media_type, by=by, read=read,
    )  # fmt: skip
    return document


def add_version(
    *, document: Document, draft: Draft, name: str, by: User, read: bool = True
) -> Added:
    """Keep a received file as the document's newest version.

    The document takes its name; earlier versions stay as they are.

    :raises jobs.access.NotAllowed: the document is not for `by` to change.
    :raises DocumentGone: it is deleted.
    :raises EmptyFile, TooLarge, ContentMismatch: the file is not kept.
    """
    check_may_change(document=document, by=by)
    kept_name, media_type, warnings = _examined(draft, name, by=by, target=document)
    current = document.current
    if current is not None and current.sha256 == draft.sha256 and document.is_present():
        said = "This is the content of the current version; nothing was stored."
        return Added(document=document, version=current, created=False, warnings=(*warnings, said))
    version_id = uuid7()
    stored = draft.keep(_storage_name(document.pk, version_id, kept_name))
    try:
        changed = _insert_next(
            document=document,
            version_id=version_id,
            stored=stored,
            draft=draft,
            name=kept_name,
            media_type=media_type,
            by=by,
            read=read,
        )
    except BaseException:
        delete_file(stored)
        raise
    assert changed.current is not None
    return Added(document=changed, version=changed.current, warnings=tuple(warnings))


@audit.command("document.add_version", target="document")
def _insert_next(
    *,
    document: Document,
    version_id: UUID,
    stored: str,
    draft: Draft,
    name: str,
    media_type: str,
    by: User,
    read: bool,
) -> Document:
    now = present(document)
    last = now.versions.aggregate(last=Max("number"))["last"] or 0
    now.name = name
    now.updated_at = timezone.now()
    _insert_version(
        now, version_id=version_id, number=last + 1, stored=stored, draft=draft, name=name,
        media_type=media_type, by=by, read=read,
    )  # fmt: skip
    return now


def _insert_version(
    document: Document,
    *,
    version_id: UUID,
    number: int,
    stored: str,
    draft: Draft,
    name: str,
    media_type: str,
    by: User,
    read: bool,
) -> None:
    readable = can_read(media_type)
    version = DocumentVersion.objects.create(
        id=version_id,
        document=document,
        number=number,
        name=name,
        media_type=media_type,
        size_bytes=draft.size_bytes,
        sha256=draft.sha256,
        storage_name=stored,
        created_by=by,
        created_at=timezone.now(),
        read_state=ReadState.UNREAD if readable else ReadState.UNSUPPORTED,
        read_message=""
        if readable
        else f"There is no reader for a {media.word_for(media_type)}; it is kept as it is.",
    )
    document.current = version
    document.save()
    search.index(document=document, text="")
    audit.say(version=number, sizeBytes=draft.size_bytes, sha256=draft.sha256, mediaType=media_type)
    if read and readable:
        request_read(version=version, by=by)


@audit.command("document.edit", target="document")
def edit(
    *,
    document: Document,
    by: User,
    name: str | None = None,
    tags: Sequence[str] | None = None,
    shared: bool | None = None,
    expires_at: datetime | Literal["keep"] | None = "keep",
) -> Document:
    """Change what is said about a document; what is None (of `expires_at`: "keep") stays.

    :raises jobs.access.NotAllowed: the document is not for `by` to change.
    :raises DocumentGone: it is deleted.
    :raises InvalidFields: `.errors` maps each field to its messages.
    """
    check_may_change(document=document, by=by)
    now = present(document)
    before = _said(now)
    if name is not None:
        now.name, changed = clean_name(name)
        if changed:
            raise InvalidFields({"name": changed})
        if media.by_name(name) != media.by_name(document.name):
            raise InvalidFields({"name": ["Its ending says what the file is; keep it."]})
    if tags is not None:
        now.tags = clean_tags(tags)
    if shared is not None:
        now.shared = shared
    if expires_at != "keep":
        _check_expiry(expires_at)
        now.expires_at = expires_at
    now.updated_at = timezone.now()
    now.save()
    audit.say(**audit.changes(before=before, after=_said(now)))
    if (now.name, now.tags) != (before["name"], before["tags"]):
        search.index(document=now, text=text_of(now))
    if _said(now) != before:
        following.changed(now)
    return now


def _said(document: Document) -> dict[str, Any]:
    return {
        "name": document.name,
        "tags": list(document.tags),
        "shared": document.shared,
        "expiresAt": document.expires_at.isoformat() if document.expires_at else None,
    }


def duplicates_of(*, sha256: str, user: Any) -> DocumentQuerySet:
    """Present documents that `user` may see whose current version has this content."""
    found = Document.objects.visible_to(user).present().filter(current__sha256=sha256)
    return found.select_related("current", "owner")


def present(document: Document) -> Document:
    """The document's row as it is now, locked for this transaction.

    :raises DocumentGone: it is deleted.
    """
    now = Document.objects.select_for_update(of=("self",)).get(pk=document.pk)
    if not now.is_present():
        raise DocumentGone(DocumentGone.__doc__)
    return now


def clean_tags(tags: Sequence[str]) -> list[str]:
    """:raises InvalidFields: too many, too long, or not text."""
    cleaned = list(dict.fromkeys(tag.strip() for tag in tags if isinstance(tag, str)))
    if len(cleaned) > MAX_TAGS:
        raise InvalidFields({"tags": [f"At most {MAX_TAGS} tags."]})
    if any(not tag or len(tag) > MAX_TAG_CHARS or not tag.isprintable() for tag in cleaned):
        raise InvalidFields({"tags": [f"A tag has 1 to {MAX_TAG_CHARS} printable characters."]})
    return cleaned


def _check_expiry(expires_at: datetime | None) -> None:
    if expires_at is not None and expires_at <= timezone.now():
        raise InvalidFields({"expiresAt": ["It lies in the past."]})


def _examined(
    draft: Draft, name: str, *, by: User, target: Document | None
) -> tuple[str, str, list[str]]:
    """The name to keep, the media type, and what to warn of; a refusal is put on record."""
    draft.finish()
    kept, warnings = clean_name(name)
    try:
        if draft.size_bytes == 0:
            raise EmptyFile(EmptyFile.__doc__)
        if draft.size_bytes > max_bytes():
            raise TooLarge(too_large_message(draft.size_bytes))
        media_type, said = media.recognise(path=draft.path, name=kept)
    except (EmptyFile, TooLarge, media.ContentMismatch) as error:
        audit.record(
            action="document.add_version" if target else "document.upload",
            by=by,
            target=target,
            outcome=AuditEntry.Outcome.REFUSED,
            data={"name": kept, "error": f"{type(error).__name__}: {error}"[:500]},
        )
        raise
    return kept, media_type, warnings + said


def max_bytes() -> int:
    """The largest file that is taken."""
    return int(settings.MAX_UPLOAD_MB) * 1024 * 1024


def too_large_message(size_bytes: int) -> str:
    return (
        f"The file has {size_bytes / 1e6:,.0f} MB; this installation takes up to "
        f"{settings.MAX_UPLOAD_MB:,} MiB (MAX_UPLOAD_MB)."
    )


def _storage_name(document_id: UUID, version_id: UUID, name: str) -> str:
    suffix = PurePosixPath(name).suffix.lower()
    safe = suffix if suffix[1:].isalnum() and suffix.isascii() and len(suffix) <= 10 else ""
    return f"documents/{document_id}/{version_id}/file{safe}"


__all__ = [
    "Added",
    "OnDuplicate",
    "add",
    "add_version",
    "clean_tags",
    "duplicates_of",
    "edit",
    "max_bytes",
    "present",
    "too_large_message",
]
