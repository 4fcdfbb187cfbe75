"""What the documents API takes and answers, as serializers, and the one way a document is told."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from rest_framework import serializers

from documents import media, previews, rights
from documents.models import Document, DocumentComment, DocumentVersion, ReadState, Upload
from documents.services.removing import retention
from jobs.api.paging import Paging
from jobs.api.shapes import Strict
from jobs.events import time_dto
from jobs.models import TERMINAL
from jobs.trail import AuditEntry


class DocumentFilters(Paging):
    """Everything is optional, and everything given must hold."""

    q = serializers.CharField(
        max_length=300,
        required=False,
        help_text="Words of the name, tags or text, each at least by its beginning.",
    )
    tag = serializers.CharField(
        max_length=60, required=False, help_text="Exactly this tag. May be repeated: all of them."
    )
    mediaType = serializers.CharField(max_length=120, required=False)
    readState = serializers.ChoiceField(choices=ReadState.choices, required=False)
    owner = serializers.CharField(
        max_length=150, required=False, help_text="A user's name, or `me`."
    )
    sha256 = serializers.RegexField(
        r"^[0-9a-f]{64}$", required=False, help_text="Of the current version."
    )
    deleted = serializers.BooleanField(
        default=False, help_text="Those that are deleted and can be restored, instead."
    )
    ordering = serializers.ChoiceField(
        choices=["createdAt", "-createdAt", "name", "-name"], default="-createdAt"
    )


class UploadForm(serializers.Serializer[Any]):
    """The fields beside the files."""

    tags = serializers.CharField(
        required=False, allow_blank=True, max_length=2_000, help_text="With commas."
    )
    shared = serializers.BooleanField(default=False)
    expiresAt = serializers.DateTimeField(required=False, allow_null=True, default=None)
    onDuplicate = serializers.ChoiceField(
        choices=["keep", "reuse"],
        default="keep",
        help_text="Where the same content is here: keep another document, or answer that one.",
    )
    read = serializers.BooleanField(default=True, help_text="Queue the reading of its text.")


class EditDocument(Strict):
    name = serializers.CharField(max_length=200, required=False)
    tags = serializers.ListField(child=serializers.CharField(max_length=60), required=False)
    shared = serializers.BooleanField(required=False)
    expiresAt = serializers.DateTimeField(required=False, allow_null=True)
    password = serializers.CharField(
        max_length=500,
        required=False,
        allow_null=True,
        write_only=True,
        trim_whitespace=False,
        help_text="Opens the encrypted file; kept encrypted, never shown. Null forgets it.",
    )


class Reason(Strict):
    reason = serializers.CharField(max_length=200, allow_blank=True, default="")


class BeginUpload(Strict):
    filename = serializers.CharField(max_length=2_000, trim_whitespace=False)
    fileSize = serializers.IntegerField(min_value=1)
    document = serializers.UUIDField(required=False, help_text="To be a new version of this one.")
    tags = serializers.ListField(child=serializers.CharField(max_length=60), default=list)
    shared = serializers.BooleanField(default=False)
    expiresAt = serializers.DateTimeField(required=False, allow_null=True, default=None)
    onDuplicate = serializers.ChoiceField(choices=["keep", "reuse"], default="keep")
    read = serializers.BooleanField(default=True)


class CommentBody(Strict):
    body = serializers.CharField(max_length=5_000)
    place = serializers.DictField(required=False, default=dict)


class EditComment(Strict):
    body = serializers.CharField(max_length=5_000)


class ReadOptions(Strict):
    ocr = serializers.ChoiceField(choices=["auto", "always", "never"], required=False)
    ocrLanguages = serializers.CharField(max_length=100, required=False)
    tables = serializers.BooleanField(required=False)


class DocumentShape(serializers.Serializer[Any]):
    """A document with its current version."""

    id = serializers.UUIDField()
    name = serializers.CharField()
    ownerId = serializers.IntegerField()
    ownerName = serializers.CharField()
    shared = serializers.BooleanField()
    canChange = serializers.BooleanField()
    tags = serializers.ListField(child=serializers.CharField())
    version = serializers.IntegerField()
    mediaType = serializers.CharField()
    typeName = serializers.CharField()
    sizeBytes = serializers.IntegerField()
    sha256 = serializers.CharField()
    reading = serializers.BooleanField(help_text="A job that reads it is queued or running.")
    readJobId = serializers.UUIDField(allow_null=True)
    readState = serializers.ChoiceField(choices=ReadState.choices)
    readCode = serializers.CharField(allow_blank=True)
    readMessage = serializers.CharField(allow_blank=True)
    readAt = serializers.DateTimeField(allow_null=True)
    pages = serializers.IntegerField(allow_null=True)
    chars = serializers.IntegerField(allow_null=True)
    tables = serializers.IntegerField(allow_null=True)
    warnings = serializers.ListField(child=serializers.DictField())
    hasPassword = serializers.BooleanField()
    createdAt = serializers.DateTimeField()
    updatedAt = serializers.DateTimeField()
    expiresAt = serializers.DateTimeField(allow_null=True)
    deletedAt = serializers.DateTimeField(allow_null=True)
    deletedBy = serializers.CharField(allow_null=True)
    deleteReason = serializers.CharField(allow_blank=True)
    restorableUntil = serializers.DateTimeField(allow_null=True)
    url = serializers.CharField()
    downloadUrl = serializers.CharField()
    previewUrl = serializers.CharField()


class DocumentsPage(serializers.Serializer[Any]):
    next = serializers.CharField(allow_null=True)
    previous = serializers.CharField(allow_null=True)
    results = DocumentShape(many=True)


class UploadedShape(serializers.Serializer[Any]):
    """The short form's answer."""

    id = serializers.UUIDField()
    url = serializers.CharField()
    filename = serializers.CharField()
    fileSize = serializers.IntegerField()
    mimeType = serializers.CharField()
    storageProvider = serializers.ChoiceField(choices=["local", "s3"])
    warnings = serializers.ListField(child=serializers.CharField())


def document_dto(document: Document, *, user: Any) -> dict[str, Any]:
    """A document as every reader gets it. Needs `current`, its `read_job` and `owner` at hand."""
    url = f"/api/documents/{document.pk}"
    until = document.deleted_at + retention() if document.deleted_at else None
    return {
        "id": str(document.pk),
        "name": document.name,
        "ownerId": document.owner_id,
        "ownerName": document.owner.get_username(),
        "shared": document.shared,
        "canChange": rights.may_change(document=document, user=user),
        "tags": document.tags,
        **_current(document.current),
        "hasPassword": document.password is not None,
        "createdAt": time_dto(document.created_at),
        "updatedAt": time_dto(document.updated_at),
        "expiresAt": time_dto(document.expires_at),
        "deletedAt": time_dto(document.deleted_at),
        "deletedBy": document.deleted_by.get_username() if document.deleted_by else None,
        "deleteReason": document.delete_reason,
        "restorableUntil": time_dto(until),
        "url": url,
        "downloadUrl": f"{url}/download",
        "previewUrl": f"{url}/preview",
    }


def _current(version: DocumentVersion | None) -> dict[str, Any]:
    if version is None:
        return {"version": None}
    return {"version": version.number, **version_facts(version)}


def version_facts(version: DocumentVersion) -> dict[str, Any]:
    """What is known of one version's file and of its reading."""
    job = version.read_job
    return {
        "mediaType": version.media_type,
        "typeName": media.word_for(version.media_type),
        "sizeBytes": version.size_bytes,
        "sha256": version.sha256,
        "reading": job is not None and job.status not in TERMINAL,
        "readJobId": str(version.read_job_id) if version.read_job_id else None,
        "readState": version.read_state,
        "readCode": version.read_code,
        "readMessage": version.read_message,
        "readAt": time_dto(version.read_at),
        "pages": version.pages,
        "chars": version.chars,
        "tables": version.n_tables,
        "warnings": version.warnings,
    }


def version_dto(version: DocumentVersion) -> dict[str, Any]:
    return {
        "number": version.number,
        "name": version.name,
        "createdAt": time_dto(version.created_at),
        "createdBy": version.created_by.get_username(),
        **version_facts(version),
        "url": f"/api/documents/{version.document_id}/download?version={version.number}",
        "drawable": previews.can_preview(version),
    }


def audit_dto(entry: AuditEntry) -> dict[str, Any]:
    return {
        "id": entry.pk,
        "at": time_dto(entry.at),
        "action": entry.action,
        "outcome": entry.outcome,
        "by": entry.actor_name,
        "via": entry.via,
        "address": entry.address,
        "requestId": entry.request_id,
        "data": entry.data,
    }


def comment_dto(comment: DocumentComment, *, user: Any) -> dict[str, Any]:
    return {
        "id": str(comment.pk),
        "body": comment.body,
        "place": comment.place,
        "version": comment.version.number,
        "author": comment.author.get_username(),
        "mine": comment.author_id == user.pk,
        "createdAt": time_dto(comment.created_at),
        "editedAt": time_dto(comment.edited_at),
    }


def upload_dto(upload: Upload) -> dict[str, Any]:
    return {
        "id": str(upload.pk),
        "filename": upload.name,
        "fileSize": upload.size_bytes,
        "received": upload.received_bytes,
        "expiresAt": time_dto(upload.expires_at),
        "warnings": upload.warnings,
        "document": str(upload.document_id) if upload.document_id else None,
        "url": f"/api/uploads/{upload.pk}",
    }


def iso(value: datetime | None) -> str | None:
    return value.isoformat() if value else None
