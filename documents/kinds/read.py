"""documents.read: the text and structure of a document's version."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any
from uuid import UUID

from django.urls import reverse
from rest_framework import serializers

from jobs.models import Job
from jobs.registry import job_kind
from jobs.running import Cancelled, JobFailed, RunningJob, Superseded

if TYPE_CHECKING:
    from documents.models import Document, DocumentVersion
    from documents.structure import Structure

MEMORY_MB = 3072
# Thumbnails that are made while the file is open anyway; the others when somebody looks.
THUMBS = 12


class Options(serializers.Serializer[Any]):
    document = serializers.UUIDField(help_text="The document that is read.")
    version = serializers.IntegerField(
        required=False, allow_null=True, default=None, min_value=1,
        help_text="The number of its version; without one the current version.",
    )  # fmt: skip
    ocr = serializers.ChoiceField(
        choices=["auto", "always", "never"],
        default="auto",
        help_text="Read text in pictures: of pages without text, of all pages, or not at all.",
    )
    ocr_languages = serializers.RegexField(
        r"^[a-zA-Z0-9_]{2,20}(\+[a-zA-Z0-9_]{2,20}){0,4}$",
        default="eng",
        help_text="Tesseract's names of the languages, joined by +.",
    )
    tables = serializers.BooleanField(
        default=True, help_text="Look for tables on the pages of a PDF, which takes longest."
    )


def _page(job: Job) -> str:
    from documents.models import Document

    key = job.options.get("document")
    if not key or not Document.objects.visible_to(job.owner).filter(pk=key).exists():
        return ""
    return reverse("admin:documents_document_change", args=[UUID(str(key))])


def _salvage(job: Job, attempt: int) -> None:
    """The body died while it read: say so on the version.

    One that was cancelled, as it is when its document is deleted, is as unread as it was.
    """
    from documents.models import DocumentVersion, ReadState

    if Job.objects.filter(pk=job.pk, cancel_requested_at__isnull=False).exists():
        return
    DocumentVersion.objects.filter(read_job=job).update(
        read_state=ReadState.FAILED,
        read_code="crashed",
        read_message=(
            "The process that read the file died, or was ended because it took too much time or "
            "memory. The job's log says more."
        ),
    )


@job_kind(
    "documents.read",
    options=Options,
    label="Read a document",
    isolated=True,
    imports=("documents.readers.pdf", "documents.previews", "documents.derived"),
    memory_mb=MEMORY_MB,
    timeout_s=900,
    max_attempts=2,
    salvage=_salvage,
    page=_page,
    page_label="Document",
)
def run(job: RunningJob) -> Mapping[str, Any]:
    """Read a document's text and structure.

    Ends failed, with the reason as code, when the file can not be read, and with `no_text` when
    it holds none: its structure is kept all the same.
    """
    from documents import readers
    from documents.models import ReadState
    from documents.services import BytesGone, local_copy, password_of
    from jobs.secrets import SecretUnreadable

    document, version = _found(job)
    job.event(
        "document.reading_started",
        documentId=str(document.pk),
        version=version.number,
        name=version.name,
        mediaType=version.media_type,
    )
    try:
        path = local_copy(version, folder=job.workdir)
        source = readers.Source(
            path=path,
            name=version.name,
            media_type=version.media_type,
            password=password_of(document),
            ocr=job.options["ocr"],
            ocr_languages=job.options["ocr_languages"],
            find_tables=job.options["tables"],
            on_page=lambda done, total: job.progress(done, total or None, "pages"),
        )
        structure = readers.read(source)
    except BytesGone as error:
        raise JobFailed("bytes_gone", str(error)) from error
    except SecretUnreadable as error:
        _note(job, version, ReadState.NEEDS_PASSWORD, "password_unreadable", str(error))
        raise JobFailed("password_unreadable", str(error)) from error
    except readers.PasswordNeeded as error:
        _note(job, version, ReadState.NEEDS_PASSWORD, error.code, error.message)
        raise JobFailed("needs_password", error.message) from error
    except readers.Unreadable as error:
        _note(job, version, ReadState.FAILED, error.code, error.message)
        raise JobFailed(error.code, error.message) from error
    except MemoryError as error:
        message = f"Reading the file takes more than {MEMORY_MB} MB of memory. Split it."
        _note(job, version, ReadState.FAILED, "too_much_memory", message)
        raise JobFailed("too_much_memory", message) from error
    except (Cancelled, Superseded):
        raise
    except Exception as error:
        # Whatever a reader did not foresee: the version must not look unread for ever.
        message = f"The reader failed unexpectedly ({type(error).__name__})."
        _note(job, version, ReadState.FAILED, "error", message)
        raise
    return _kept(job, document, version, structure, source)


def _found(job: RunningJob) -> tuple[Document, DocumentVersion]:
    from django.contrib.auth.models import User

    from documents.models import Document

    owner = User.objects.get(pk=job.owner_id)
    document = (
        Document.objects.visible_to(owner)
        .select_related("current")
        .filter(pk=job.options["document"])
        .first()
    )
    if document is None:
        raise JobFailed("document_not_found", "There is no such document, or it is not yours.")
    if not document.is_present():
        raise JobFailed("document_deleted", "The document is deleted.")
    wanted = job.options["version"]
    version = (
        document.current if wanted is None else document.versions.filter(number=wanted).first()
    )
    if version is None:
        raise JobFailed("version_not_found", f"The document has no version {wanted}.")
    return document, version


def _note(job: RunningJob, version: DocumentVersion, state: str, code: str, message: str) -> None:
    """Write what went wrong to the version, as the attempt that owns the job."""
    from django.utils import timezone

    from documents import following
    from documents.models import Document, DocumentVersion

    with job.fenced():
        DocumentVersion.objects.filter(pk=version.pk).update(
            read_state=state, read_code=code, read_message=message, read_at=timezone.now()
        )
        document = Document.objects.present().filter(current_id=version.pk).first()
        if document is not None:
            following.changed(document)


def _kept(
    job: RunningJob,
    document: Document,
    version: DocumentVersion,
    structure: Structure,
    source: Any,
) -> Mapping[str, Any]:
    from dataclasses import asdict

    from django.utils import timezone

    from documents import derived, following, previews, search
    from documents.models import Document, DocumentVersion, ReadState

    for warning in structure.warnings:
        job.event("document.warned", code=warning.code, message=warning.message, page=warning.page)
    empty = not structure.has_text
    state = ReadState.EMPTY if empty else ReadState.READ
    message = _no_text(structure) if empty else ""
    files = [
        derived.keep(
            version=version,
            role=derived.Role.STRUCTURE,
            data=structure.dumps(),
            content_type="application/json",
        )
    ]
    try:
        files += previews.first_thumbs(version=version, path=source.path, password=source.password, most=THUMBS)  # fmt: skip
        with job.fenced():
            now = Document.objects.select_for_update(of=("self",)).get(pk=document.pk)
            if not now.is_present():
                raise JobFailed("document_deleted", "The document was deleted while it was read.")
            for file in files:
                derived.record(version=version, kept=file)
            DocumentVersion.objects.filter(pk=version.pk).update(
                read_state=state,
                read_code="no_text" if empty else "",
                read_message=message,
                read_at=timezone.now(),
                pages=len(structure.pages),
                chars=len(structure.text.strip()),
                n_tables=len(structure.tables),
                warnings=[
                    {name: value for name, value in asdict(each).items() if value is not None}
                    for each in structure.warnings
                ],
            )
            if now.current_id == version.pk:
                search.index(document=now, text=structure.text)
                following.changed(now)
    except BaseException:
        for file in files:
            derived.drop(file)
        raise
    result = {
        "documentId": str(document.pk),
        "version": version.number,
        "state": str(state),
        "pages": len(structure.pages),
        "chars": len(structure.text.strip()),
        "tables": len(structure.tables),
        "warnings": [warning.code for warning in structure.warnings],
    }
    job.event("document.read", **result)
    job.metric("pages", len(structure.pages))
    job.metric("chars", len(structure.text.strip()))
    job.metric("tables", len(structure.tables))
    if empty:
        raise JobFailed("no_text", message, result=result)
    return result


def _no_text(structure: Structure) -> str:
    codes = {warning.code for warning in structure.warnings}
    if "ocr_unavailable" in codes:
        why = next(each.message for each in structure.warnings if each.code == "ocr_unavailable")
        return f"No text was found. {why}"
    if "ocr_off" in codes:
        return "No text was found; reading text in pictures was switched off."
    return "No text was found in the file. It can not be searched or extracted from."
