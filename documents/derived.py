"""Files made from a version: kept beside it, made again when missing, gone with it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from uuid import uuid4

from django.db import IntegrityError, transaction
from django.utils import timezone

from documents.models import DerivedFile, DocumentVersion
from jobs.files import Draft, delete_file

Role = DerivedFile.Role
ENDINGS: Mapping[str, str] = {
    "application/json": ".json",
    "image/webp": ".webp",
    "image/png": ".png",
}


@dataclass(frozen=True, kw_only=True)
class Kept:
    """A file in storage that no row names yet; `record` it, or `drop` it."""

    role: str
    number: int
    content_type: str
    size_bytes: int
    sha256: str
    storage_name: str


def keep(
    *, version: DocumentVersion, role: str, data: bytes, content_type: str, number: int = 0
) -> Kept:
    """Put a file into storage, before the transaction that records it."""
    with Draft() as draft:
        draft.write(data)
        name = draft.keep(
            f"documents/{version.document_id}/{version.pk}/{role}-{number}-{uuid4().hex[:12]}"
            f"{ENDINGS.get(content_type, '')}"
        )
        return Kept(
            role=role,
            number=number,
            content_type=content_type,
            size_bytes=draft.size_bytes,
            sha256=draft.sha256,
            storage_name=name,
        )


def record(*, version: DocumentVersion, kept: Kept) -> DerivedFile:
    """Make the file the version's own; the one in its place goes once this transaction commits.

    :raises IntegrityError: the version was removed meanwhile.
    """
    before = DerivedFile.objects.filter(version=version, role=kept.role, number=kept.number)
    for old in before:
        name = old.storage_name
        transaction.on_commit(lambda name=name: delete_file(name))  # type: ignore[misc]
    before.delete()
    return DerivedFile.objects.create(
        version=version,
        role=kept.role,
        number=kept.number,
        content_type=kept.content_type,
        size_bytes=kept.size_bytes,
        sha256=kept.sha256,
        storage_name=kept.storage_name,
        created_at=timezone.now(),
    )


def add(
    *, version: DocumentVersion, role: str, data: bytes, content_type: str, number: int = 0
) -> DerivedFile:
    """`keep` and `record` in one; when another process was first, its file is the one."""
    kept = keep(version=version, role=role, data=data, content_type=content_type, number=number)
    try:
        with transaction.atomic():
            return record(version=version, kept=kept)
    except IntegrityError:
        drop(kept)
        return DerivedFile.objects.get(version=version, role=role, number=number)
    except BaseException:
        drop(kept)
        raise


def drop(kept: Kept) -> None:
    """Remove a file that was kept and is not wanted."""
    delete_file(kept.storage_name)
