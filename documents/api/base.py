"""What the views of documents share: finding the document, and saying refusals."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from uuid import UUID

from rest_framework.exceptions import NotFound
from rest_framework.request import Request

from documents import services
from documents.models import Document, DocumentQuerySet, DocumentVersion
from jobs.api.base import ApiView
from jobs.api.problem import Problem
from jobs.files import StorageFull

_NONE = "There is no such document, or it is not yours."


class DocumentView(ApiView):
    """A view whose services' refusals become problems."""

    queryset = Document.objects.none()  # type: ignore[assignment]  # of jobs, in the base

    def handle_exception(self, exc: Exception) -> Any:
        return super().handle_exception(_as_problem(exc))


def _as_problem(error: Exception) -> Exception:
    if isinstance(error, services.EmptyFile):
        return Problem(
            status=400, code="empty_file", detail=str(error), errors={"file": [str(error)]}
        )
    if isinstance(error, services.TooLarge):
        return Problem(status=413, code="too_large", detail=str(error))
    if isinstance(error, services.ContentMismatch):
        return Problem(status=415, code="content_mismatch", detail=str(error))
    if isinstance(error, services.InvalidFields):
        return Problem(
            status=400, code="invalid", detail="Some fields are not valid.", errors=error.errors
        )
    if isinstance(error, services.DocumentGone | services.DocumentNotDeleted):
        code = "deleted" if isinstance(error, services.DocumentGone) else "not_deleted"
        return Problem(status=409, code=code, detail=str(error))
    if isinstance(error, services.BytesGone):
        return Problem(status=410, code="bytes_gone", detail=str(error))
    if isinstance(error, services.UploadIncomplete):
        return Problem(status=409, code="incomplete", detail=str(error))
    if isinstance(error, services.UploadOffset):
        return Problem(
            status=409,
            code="wrong_offset",
            detail=str(error),
            headers={"Upload-Offset": str(error.received)},
        )
    if isinstance(error, StorageFull):
        return Problem(status=507, code="storage_full", detail=str(error))
    return error


@contextmanager
def as_problems() -> Iterator[None]:
    """Refusals of services inside become problems, where one request does several things."""
    try:
        yield
    except Exception as error:
        problem = _as_problem(error)
        if problem is error:
            raise
        raise problem from error


def documents_of(request: Request) -> DocumentQuerySet:
    """The documents that the request's user may see, with what telling of them needs."""
    return Document.objects.visible_to(request.user).select_related(
        "owner", "current__read_job", "deleted_by"
    )


def document_of(request: Request, document_id: str, *, present: bool = True) -> Document:
    """:raises NotFound: no such document, or not this user's; a malformed id is none's either.
    :raises Problem: 410, `present` and it is deleted.
    """
    try:
        key = UUID(document_id)
    except ValueError as error:
        raise NotFound(_NONE) from error
    document = documents_of(request).filter(pk=key).first()
    if document is None or document.current is None:
        raise NotFound(_NONE)
    if present and not document.is_present():
        raise Problem(
            status=410,
            code="deleted",
            detail="The document is deleted; restore it to open it again.",
        )
    return document


def version_of(request: Request, document: Document) -> DocumentVersion:
    """The version that `?version=` names; the current one without.

    :raises Problem: 400 no number. :raises NotFound: no such version.
    """
    assert document.current is not None  # document_of found it so
    asked = request.query_params.get("version")
    if asked is None:
        version = document.current
    else:
        if not asked.isdigit() or len(asked) > 9:
            raise Problem(
                status=400,
                code="invalid",
                detail="Some parameters are not valid.",
                errors={"version": ["A version is a whole number."]},
            )
        found = document.versions.filter(number=int(asked)).first()
        if found is None:
            raise NotFound(f"The document has no version {asked}.")
        version = found
    # At hand for what needs the password.
    version.document = document
    return version
