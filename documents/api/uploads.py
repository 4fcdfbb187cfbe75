"""Uploads: the short form, and files that come in pieces and can go on after a break.

The protocol is a small one after tus 1.0: `POST /api/uploads` with a JSON body begins, `PATCH` with
`Upload-Offset` appends, `HEAD` says how much has arrived, `DELETE` gives up. See docs/documents.md.
"""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.http import HttpRequest
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse, extend_schema
from rest_framework.exceptions import NotFound
from rest_framework.parsers import BaseParser, MultiPartParser
from rest_framework.request import Request
from rest_framework.response import Response

from documents import services
from documents.api.base import DocumentView, document_of
from documents.api.receiving import into_drafts, received, refuse_declared
from documents.api.shapes import (
    BeginUpload,
    UploadedShape,
    UploadForm,
    document_dto,
    iso,
    upload_dto,
)
from documents.api.views import _form, keep_file
from documents.models import Upload
from jobs.api.base import cleaned, user_of
from jobs.api.parsers import BoundedJSON
from jobs.api.problem import Problem
from jobs.files import storage_is_remote

PIECE = "application/offset+octet-stream"
OFFSET = OpenApiParameter("Upload-Offset", int, OpenApiParameter.HEADER, required=True)


class PieceParser(BaseParser):
    """Leaves the body alone: the view reads it as a stream."""

    media_type = PIECE

    def parse(self, stream: Any, media_type: Any = None, parser_context: Any = None) -> Any:
        return stream


class UploadsView(DocumentView):
    """The short form for one file; or, with a JSON body, the beginning of one in pieces."""

    parser_classes = [MultiPartParser, BoundedJSON]
    serializer_class = BeginUpload

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        plain: HttpRequest = request._request
        if (plain.content_type or "").startswith("multipart/"):
            into_drafts(plain)
        super().initial(request, *args, **kwargs)

    @extend_schema(
        operation_id="uploads_create",
        summary="Upload one file, or begin one in pieces",
        request={"multipart/form-data": UploadForm, "application/json": BeginUpload},
        responses={
            201: OpenApiResponse(UploadedShape, "Of a form: kept. Of JSON: begun, see `Location`.")
        },
    )
    def post(self, request: Request) -> Response:
        if (request._request.content_type or "").startswith("multipart/"):
            return self._short(request)
        given = cleaned(BeginUpload, request.data)
        target = document_of(request, str(given["document"])) if "document" in given else None
        upload = services.begin(
            name=given["filename"],
            size_bytes=given["fileSize"],
            by=user_of(request),
            target=target,
            options={
                "tags": given["tags"],
                "shared": given["shared"],
                "expires_at": iso(given["expiresAt"]),
                "on_duplicate": given["onDuplicate"],
                "read": given["read"],
            },
        )
        headers = {"Location": f"/api/uploads/{upload.pk}", "Upload-Offset": "0"}
        return Response(upload_dto(upload), status=201, headers=headers)

    def _short(self, request: Request) -> Response:
        files = received(request)
        try:
            if len(files) != 1:
                raise Problem(
                    status=400,
                    code="one_file",
                    detail="The short form takes one file; POST /api/documents/ takes several.",
                    errors={"file": ["Send exactly one file."]},
                )
            added = keep_file(files[0], cleaned(UploadForm, _form(request)), request)
        finally:
            for file in files:
                file.close()
        return Response(uploaded_dto(added), status=201)


def uploaded_dto(added: services.Added) -> dict[str, Any]:
    """The short form's answer."""
    return {
        "id": str(added.document.pk),
        "url": f"/api/documents/{added.document.pk}",
        "filename": added.version.name,
        "fileSize": added.version.size_bytes,
        "mimeType": added.version.media_type,
        "storageProvider": "s3" if storage_is_remote() else "local",
        "warnings": [*added.warnings, *_same(added)],
    }


def _same(added: services.Added) -> list[str]:
    """Where the same content is kept already, for whoever wants that one."""
    if not added.created:
        return []
    return [
        f"The same content is kept as {each.name} already, /api/documents/{each.pk}. With "
        "onDuplicate=reuse that document is answered, and nothing is kept twice."
        for each in added.duplicates
    ]


class UploadView(DocumentView):
    """One file that comes in pieces."""

    parser_classes = [PieceParser]

    @extend_schema(
        operation_id="uploads_get",
        summary="Say how much of an upload has arrived",
        responses=OpenApiTypes.OBJECT,
    )
    def get(self, request: Request, upload_id: str) -> Response:
        upload = _upload(request, upload_id)
        return Response(upload_dto(upload), headers=_headers(upload))

    @extend_schema(
        operation_id="uploads_append",
        summary="Append a piece; the last one makes the document",
        parameters=[OFFSET],
        request={PIECE: OpenApiTypes.BINARY},
        responses={200: OpenApiResponse(OpenApiTypes.OBJECT, "All is here."), 204: None},
    )
    def patch(self, request: Request, upload_id: str) -> Response:
        upload = _upload(request, upload_id)
        refuse_declared(request._request)
        if upload.document_id is not None:
            raise Problem(status=409, code="finished", detail="This upload is finished.")
        given = request.headers.get("Upload-Offset", "")
        if not given.isdigit() or len(given) > 18:
            raise Problem(
                status=400,
                code="invalid",
                detail="Say in Upload-Offset at which byte this piece begins.",
                errors={"Upload-Offset": ["A whole number is needed."]},
            )
        upload = services.append(upload=upload, offset=int(given), source=request._request)
        if upload.received_bytes < upload.size_bytes:
            return Response(status=204, headers=_headers(upload))
        try:
            added = services.finish(upload=upload, by=user_of(request))
        except (services.ContentMismatch, services.DocumentGone, services.InvalidFields):
            # No further piece could mend it.
            services.discard_upload(upload=upload)
            raise
        document = document_of(request, str(added.document.pk))
        told = {
            **uploaded_dto(added),
            "warnings": [*upload.warnings, *added.warnings],
            "created": added.created,
            "duplicates": [
                {"id": str(each.pk), "name": each.name, "url": f"/api/documents/{each.pk}"}
                for each in added.duplicates
            ],
            "document": document_dto(document, user=request.user),
        }
        return Response(told, headers=_headers(upload))

    @extend_schema(
        operation_id="uploads_discard", summary="Give up an upload", responses={204: None}
    )
    def delete(self, request: Request, upload_id: str) -> Response:
        services.discard_upload(upload=_upload(request, upload_id))
        return Response(status=204)


def _headers(upload: Upload) -> dict[str, str]:
    return {
        "Upload-Offset": str(upload.received_bytes),
        "Upload-Length": str(upload.size_bytes),
        "Cache-Control": "no-store",
    }


def _upload(request: Request, upload_id: str) -> Upload:
    """:raises NotFound: no such upload, or another's."""
    try:
        key = UUID(upload_id)
    except ValueError as error:
        raise NotFound("There is no such upload, or it is not yours.") from error
    found = Upload.objects.select_related("target").filter(pk=key, owner=user_of(request)).first()
    if found is None:
        raise NotFound("There is no such upload, or it is not yours. It may have expired.")
    return found
