"""Reading documents: asking for it, and what came of it."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any

from django.core.files.storage import default_storage
from django.utils import timezone

from documents.models import DerivedFile, Document, DocumentVersion, ReadState
from documents.rights import check_may_change
from documents.services.refusals import DocumentGone, InvalidFields
from documents.structure import Structure
from jobs import access, audit, services
from jobs.models import Job
from jobs.secrets import seal, unseal

if TYPE_CHECKING:
    from django.contrib.auth.models import User

KIND = "documents.read"


def request_read(
    *, version: DocumentVersion, by: User, options: dict[str, Any] | None = None
) -> Job:
    """Queue the reading of a version; its page shows the job until it has ended.

    :raises jobs.access.NotAllowed: `by` is no operator.
    """
    job = services.submit(
        kind=KIND,
        options={
            "document": str(version.document_id),
            "version": version.number,
            **(options or {}),
        },
        by=by,
        name=f"Read {version.name}"[:200],
    )
    DocumentVersion.objects.filter(pk=version.pk).update(read_job=job)
    version.read_job = job
    return job


@audit.command("document.set_password", target="document")
def set_password(*, document: Document, password: str, by: User) -> Job:
    """Keep the password that opens the document's file, encrypted, and read it with that.

    :raises jobs.access.NotAllowed: the document is not for `by` to change.
    :raises DocumentGone: it is deleted.
    """
    check_may_change(document=document, by=by)
    now = Document.objects.select_for_update(of=("self",)).get(pk=document.pk)
    if not now.is_present() or now.current is None:
        raise DocumentGone(DocumentGone.__doc__)
    if not password or len(password) > 500:
        raise InvalidFields({"password": ["A password has 1 to 500 characters."]})
    now.password = seal(password)
    now.updated_at = timezone.now()
    now.save(update_fields=["password", "updated_at"])
    document.password = now.password
    return request_read(version=now.current, by=by)


@audit.command("document.forget_password", target="document")
def forget_password(*, document: Document, by: User) -> Document:
    """Remove the password that was kept.

    :raises jobs.access.NotAllowed: the document is not for `by` to change.
    """
    check_may_change(document=document, by=by)
    Document.objects.filter(pk=document.pk).update(password=None)
    document.password = None
    return document


def password_of(document: Document) -> str:
    """The password that was kept for the document's file; empty where there is none.

    :raises jobs.secrets.SecretUnreadable: it was sealed with another key.
    """
    return str(unseal(document.password)) if document.password else ""


def read_again(*, document: Document, by: User, options: dict[str, Any] | None = None) -> Job:
    """Queue the reading of the current version once more.

    :raises jobs.access.NotAllowed: `by` is no operator.
    :raises DocumentGone: it is deleted.
    """
    access.check_may_do(by=by)
    if not document.is_present() or document.current is None:
        raise DocumentGone(DocumentGone.__doc__)
    return request_read(version=document.current, by=by, options=options)


def structure_of(version: DocumentVersion) -> Structure | None:
    """What was read from the version; None while nothing was.

    :raises FileNotFoundError: the structure is gone from storage.
    """
    found = DerivedFile.objects.filter(version=version, role=DerivedFile.Role.STRUCTURE).first()
    return None if found is None else _loaded(found.storage_name)


@lru_cache(maxsize=4)
def _loaded(storage_name: str) -> Structure:
    # A name is given once: what was read under it stays what it is.
    with default_storage.open(storage_name, "rb") as file:
        return Structure.loads(file.read())


def text_of(document: Document) -> str:
    """The text that the current version was read as, for search; empty where there is none."""
    if document.current is None or document.current.read_state != ReadState.READ:
        return ""
    try:
        structure = structure_of(document.current)
    except FileNotFoundError:
        return ""
    return structure.text if structure is not None else ""
