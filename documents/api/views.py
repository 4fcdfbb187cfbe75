"""The documents API: keeping, finding, changing, deleting, and what was done with each."""

from __future__ import annotations

from typing import Any

from django.db.models import QuerySet
from django.http.response import HttpResponseBase
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse, extend_schema
from rest_framework.exceptions import NotFound
from rest_framework.parsers import MultiPartParser
from rest_framework.request import Request
from rest_framework.response import Response

from documents import search, services
from documents.api.base import DocumentView, as_problems, document_of, documents_of, version_of
from documents.api.receiving import ReceivedFile, into_drafts, received
from documents.api.shapes import (
    CommentBody,
    DocumentFilters,
    DocumentShape,
    DocumentsPage,
    EditComment,
    EditDocument,
    ReadOptions,
    Reason,
    UploadForm,
    audit_dto,
    comment_dto,
    document_dto,
    version_dto,
)
from documents.models import Document, DocumentComment, DocumentQuerySet
from documents.services.storing import OnDuplicate
from jobs import audit
from jobs.api.base import cleaned, query_of, user_of
from jobs.api.downloads import serve_file
from jobs.api.paging import NewestFirst, Order, Paging, keyset_page, page_response
from jobs.api.problem import Problem, problem
from jobs.events import job_dto
from jobs.files import StoredFile
from jobs.trail import AuditEntry

ORDERS = {
    "createdAt": Order("id", descending=False),
    "name": Order("name", descending=False),
}
VERSION = OpenApiParameter("version", int, description="The current version without it.")


class DocumentsView(DocumentView):
    """The documents that you may see; and keeping new ones."""

    parser_classes = [MultiPartParser]
    serializer_class = UploadForm

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        if request.method == "POST":
            # Before authentication: checking a session's token reads the form.
            into_drafts(request._request)
        super().initial(request, *args, **kwargs)

    @extend_schema(
        operation_id="documents_list",
        summary="List documents",
        parameters=[DocumentFilters],
        responses=DocumentsPage,
    )
    def get(self, request: Request) -> Response:
        given = query_of(request, DocumentFilters, lists=("tag",))
        rows = filtered(documents_of(request), given, request.query_params.getlist("tag"), request)
        order = ORDERS[given["ordering"].removeprefix("-")]
        page, links = keyset_page(
            rows=rows,
            order=order.reversed() if given["ordering"].startswith("-") else order,
            limit=given["limit"],
            cursor=given.get("cursor", ""),
            request=request,
        )
        shown = {name: value for name, value in request.query_params.items() if name != "cursor"}
        audit.record(
            action="document.list",
            by=user_of(request),
            data={"query": shown, "documents": [str(document.pk) for document in page]},
        )
        return page_response([document_dto(each, user=request.user) for each in page], links)

    @extend_schema(
        operation_id="documents_upload",
        summary="Upload one or several documents",
        request={"multipart/form-data": UploadForm},
        responses={
            201: OpenApiResponse(DocumentShape, "Kept: of several files as `results`."),
            207: OpenApiResponse(OpenApiTypes.OBJECT, "Of several files some were refused."),
        },
    )
    def post(self, request: Request) -> Response:
        files = received(request)
        try:
            given = cleaned(UploadForm, _form(request))
            if len(files) == 1:
                return Response(_kept(files[0], given, request), status=201)
            results = [_result(file, given, request) for file in files]
        finally:
            for file in files:
                file.close()
        refused = any(result["status"] >= 400 for result in results)
        return Response({"results": results}, status=207 if refused else 201)


def _form(request: Request) -> dict[str, Any]:
    known = UploadForm().fields
    return {name: request.POST[name] for name in request.POST if name in known}


def _kept(file: ReceivedFile, given: dict[str, Any], request: Request) -> dict[str, Any]:
    added = keep_file(file, given, request)
    return {
        **document_dto(added.document, user=request.user),
        "created": added.created,
        "uploadWarnings": list(added.warnings),
        "duplicates": [
            {"id": str(each.pk), "name": each.name, "url": f"/api/documents/{each.pk}"}
            for each in added.duplicates
        ],
    }


def keep_file(file: ReceivedFile, given: dict[str, Any], request: Request) -> services.Added:
    """One received file as a document, as the form's fields want it."""
    on_duplicate: OnDuplicate = "reuse" if given["onDuplicate"] == "reuse" else "keep"
    tags = [tag.strip() for tag in given.get("tags", "").split(",") if tag.strip()]
    with as_problems():
        added = services.add(
            draft=file.draft,
            name=file.name or "",
            by=user_of(request),
            tags=tags,
            shared=given["shared"],
            expires_at=given["expiresAt"],
            on_duplicate=on_duplicate,
            read=given["read"],
        )
    file.close()
    return added


def _result(file: ReceivedFile, given: dict[str, Any], request: Request) -> dict[str, Any]:
    try:
        kept = _kept(file, given, request)
    except Problem as error:
        told = problem(
            status=error.status_code,
            code=str(error.get_codes()),
            detail=str(error.detail),
            errors=error.errors,
        )
        return {"filename": file.name, "status": error.status_code, "problem": told}
    return {"filename": file.name, "status": 201, "document": kept}


def filtered(
    rows: DocumentQuerySet, given: dict[str, Any], tags: list[str], request: Request
) -> QuerySet[Document]:
    """Those of `rows` that `given` (a validated `DocumentFilters`) and all `tags` describe."""
    rows = rows.filter(deleted_at__isnull=not given["deleted"])
    if kind := given.get("mediaType"):
        rows = rows.filter(current__media_type=kind)
    if state := given.get("readState"):
        rows = rows.filter(current__read_state=state)
    if sha256 := given.get("sha256"):
        rows = rows.filter(current__sha256=sha256)
    if owner := given.get("owner"):
        rows = rows.filter(owner=user_of(request)) if owner == "me" else rows.filter(owner__username=owner)  # fmt: skip
    rows = search.with_tags(rows, tags)
    if words := given.get("q"):
        return search.matching(rows, words)
    return rows


class OneDocumentView(DocumentView):
    """One document: what it is, changing what is said of it, deleting it."""

    serializer_class = EditDocument

    @extend_schema(operation_id="documents_get", summary="Show a document", responses=DocumentShape)
    def get(self, request: Request, document_id: str) -> Response:
        document = document_of(request, document_id, present=False)
        audit.record(action="document.view", by=user_of(request), target=document)
        return Response(document_dto(document, user=request.user))

    @extend_schema(
        operation_id="documents_edit",
        summary="Change name, tags, sharing, expiry or password",
        request=EditDocument,
        responses=DocumentShape,
    )
    def patch(self, request: Request, document_id: str) -> Response:
        document = document_of(request, document_id)
        given = cleaned(EditDocument, request.data)
        by = user_of(request)
        if given.keys() - {"password"}:
            services.edit(
                document=document,
                by=by,
                name=given.get("name"),
                tags=given.get("tags"),
                shared=given.get("shared"),
                expires_at=given.get("expiresAt", "keep"),
            )
        if "password" in given:
            if given["password"] is None:
                services.forget_password(document=document, by=by)
            else:
                services.set_password(document=document, password=given["password"], by=by)
        return Response(document_dto(document_of(request, document_id), user=request.user))

    @extend_schema(
        operation_id="documents_delete",
        summary="Delete a document; its bytes go after the retention time",
        request=Reason,
        parameters=[OpenApiParameter("reason", str, description="Or in the body.")],
        responses={204: None},
    )
    def delete(self, request: Request, document_id: str) -> Response:
        document = document_of(request, document_id)
        given = cleaned(Reason, request.data or request.query_params.dict())
        services.delete(document=document, by=user_of(request), reason=given["reason"])
        return Response(status=204)


class RestoreView(DocumentView):
    """Taking a deletion back."""

    @extend_schema(
        operation_id="documents_restore",
        summary="Restore a deleted document",
        request=None,
        responses=DocumentShape,
    )
    def post(self, request: Request, document_id: str) -> Response:
        document = document_of(request, document_id, present=False)
        services.restore(document=document, by=user_of(request))
        return Response(document_dto(document_of(request, document_id), user=request.user))


class DownloadView(DocumentView):
    """The bytes of a version."""

    @extend_schema(
        operation_id="documents_download",
        summary="Download a document",
        description="Range, ETag and If-None-Match are honoured. With `download` every type is an "
        "attachment. Where files are kept on S3, programs are redirected to a signed URL.",
        parameters=[VERSION, OpenApiParameter("download", str)],
        responses={(200, "application/octet-stream"): OpenApiTypes.BINARY, 206: None, 302: None, 304: None},
    )  # fmt: skip
    def get(self, request: Request, document_id: str) -> HttpResponseBase:
        document = document_of(request, document_id)
        version = version_of(request, document)
        if not version.storage_name:
            raise Problem(status=410, code="bytes_gone", detail=str(services.BytesGone.__doc__))
        stored = StoredFile(
            name=version.name,
            content_type=version.media_type,
            size_bytes=version.size_bytes,
            sha256=version.sha256,
            storage_name=version.storage_name,
        )
        response = serve_file(request, stored, missing="bytes_gone")
        if request.method == "GET" and response.status_code != 304:
            audit.record(
                action="document.download",
                by=user_of(request),
                target=document,
                data={"version": version.number, "range": request.headers.get("Range", "")},
            )
        return response


class VersionsView(DocumentView):
    """The versions of a document, and adding one."""

    parser_classes = [MultiPartParser]

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        if request.method == "POST":
            into_drafts(request._request)
        super().initial(request, *args, **kwargs)

    @extend_schema(
        operation_id="documents_versions",
        summary="List the versions of a document",
        responses=OpenApiTypes.OBJECT,
    )
    def get(self, request: Request, document_id: str) -> Response:
        document = document_of(request, document_id, present=False)
        rows = document.versions.select_related("created_by", "read_job").order_by("-number")
        return Response(
            {"next": None, "previous": None, "results": [version_dto(row) for row in rows[:1000]]}
        )

    @extend_schema(
        operation_id="documents_add_version",
        summary="Upload a new version",
        request={"multipart/form-data": UploadForm},
        responses={201: DocumentShape},
    )
    def post(self, request: Request, document_id: str) -> Response:
        files = received(request)
        try:
            document = document_of(request, document_id)
            if len(files) != 1:
                raise Problem(
                    status=400,
                    code="one_file",
                    detail="A version is one file.",
                    errors={"file": ["Send exactly one file."]},
                )
            added = services.add_version(
                document=document,
                draft=files[0].draft,
                name=files[0].name or "",
                by=user_of(request),
            )
        finally:
            for file in files:
                file.close()
        told = document_dto(document_of(request, document_id), user=request.user)
        return Response(
            {**told, "created": added.created, "uploadWarnings": list(added.warnings)}, status=201
        )


class AuditView(DocumentView):
    """What was done with a document, by whom, when and in which request."""

    @extend_schema(
        operation_id="documents_audit",
        summary="Show the audit trail of a document",
        parameters=[Paging],
        responses=OpenApiTypes.OBJECT,
    )
    def get(self, request: Request, document_id: str) -> Response:
        document = document_of(request, document_id, present=False)
        pages = NewestFirst()
        rows = AuditEntry.objects.about(document)
        page = pages.paginate_queryset(rows, request, view=self) or []
        return pages.get_paginated_response([audit_dto(entry) for entry in page])


class ReadView(DocumentView):
    """Reading a document again."""

    serializer_class = ReadOptions

    @extend_schema(
        operation_id="documents_read",
        summary="Queue the reading of a document",
        request=ReadOptions,
        responses={202: OpenApiTypes.OBJECT},
    )
    def post(self, request: Request, document_id: str) -> Response:
        document = document_of(request, document_id)
        options = cleaned(ReadOptions, request.data or {})
        job = services.read_again(document=document, by=user_of(request), options=options)
        return Response(job_dto(job), status=202, headers={"Location": f"/api/jobs/{job.pk}"})


class CommentsView(DocumentView):
    """What people say about a document."""

    serializer_class = CommentBody

    @extend_schema(
        operation_id="documents_comments",
        summary="List the comments on a document",
        responses=OpenApiTypes.OBJECT,
    )
    def get(self, request: Request, document_id: str) -> Response:
        document = document_of(request, document_id, present=False)
        pages = NewestFirst()
        rows = document.comments.filter(deleted_at__isnull=True).select_related("author", "version")
        page = pages.paginate_queryset(rows, request, view=self) or []
        return pages.get_paginated_response([comment_dto(each, user=request.user) for each in page])

    @extend_schema(
        operation_id="documents_add_comment",
        summary="Comment on a document, or on a place in it",
        request=CommentBody,
        responses={201: OpenApiTypes.OBJECT},
    )
    def post(self, request: Request, document_id: str) -> Response:
        document = document_of(request, document_id)
        given = cleaned(CommentBody, request.data)
        made = services.comment(
            document=document, body=given["body"], place=given["place"], by=user_of(request)
        )
        return Response(comment_dto(made, user=request.user), status=201)


class CommentView(DocumentView):
    """One comment: changing its text, taking it back."""

    serializer_class = EditComment

    @extend_schema(
        operation_id="documents_edit_comment",
        summary="Change one's own comment",
        request=EditComment,
        responses=OpenApiTypes.OBJECT,
    )
    def patch(self, request: Request, document_id: str, comment_id: str) -> Response:
        found = _comment(request, document_id, comment_id)
        given = cleaned(EditComment, request.data)
        changed = services.edit_comment(comment=found, body=given["body"], by=user_of(request))
        return Response(comment_dto(changed, user=request.user))

    @extend_schema(
        operation_id="documents_delete_comment",
        summary="Take back a comment",
        responses={204: None},
    )
    def delete(self, request: Request, document_id: str, comment_id: str) -> Response:
        found = _comment(request, document_id, comment_id)
        services.delete_comment(comment=found, by=user_of(request))
        return Response(status=204)


def _comment(request: Request, document_id: str, comment_id: str) -> DocumentComment:
    document = document_of(request, document_id)
    found = (
        document.comments.filter(deleted_at__isnull=True)
        .select_related("author", "version")
        .filter(pk=comment_id)
        .first()
    )
    if found is None:
        raise NotFound("There is no such comment.")
    return found
