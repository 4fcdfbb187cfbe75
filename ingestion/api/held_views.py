"""The API of what sources hold: documents, their chunks, and removing them from the index."""

from __future__ import annotations

from django.db.models import Q
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from ingestion import removal
from ingestion.api.base import SourceView, accepted, document_of, source_of
from ingestion.api.shapes import (
    ChunksPage,
    DocumentFilters,
    JobAnswer,
    RemovalScope,
    Removed,
    SourceDocumentShape,
    SourceDocumentsPage,
)
from ingestion.dto import chunk_dto, document_dto
from jobs.api.base import query_of, user_of
from jobs.api.paging import Order, Paging, keyset_page, page_response
from jobs.api.schema import refused
from jobs.models import Job

BY_ID = Order("id", descending=True)
BY_POSITION = Order("position", descending=False)


class DocumentsView(SourceView):
    """What a source holds, the newest first."""

    @extend_schema(
        operation_id="sources_documents",
        summary="List a source's documents",
        parameters=[DocumentFilters],
        responses=SourceDocumentsPage,
    )
    def get(self, request: Request, source_id: str) -> Response:
        source = source_of(request, source_id)
        given = query_of(request, DocumentFilters)
        rows = source.documents.all()
        if state := given.get("state"):
            rows = rows.filter(state=state)
        if kind := given.get("kind"):
            rows = rows.filter(kind=kind)
        if words := given.get("q"):
            rows = rows.filter(Q(title__icontains=words) | Q(key__icontains=words))
        page, links = keyset_page(
            rows=rows,
            order=BY_ID,
            limit=given["limit"],
            cursor=given.get("cursor", ""),
            request=request,
        )
        return page_response([document_dto(row) for row in page], links)


class DocumentView(SourceView):
    """One document of a source."""

    @extend_schema(
        operation_id="vector_docs_get",
        summary="Show an indexed document",
        responses=SourceDocumentShape,
    )
    def get(self, request: Request, document_id: str) -> Response:
        return Response(document_dto(document_of(request, document_id)))

    @extend_schema(
        operation_id="vector_docs_delete",
        summary="Remove a document from the index",
        description="With its attachments. A later sync that finds it at its source brings it back.",
        responses={200: Removed, **refused(409)},
    )
    def delete(self, request: Request, document_id: str) -> Response:
        document = document_of(request, document_id)
        removed = removal.delete_document(document=document, by=user_of(request))
        return Response({"removed": removed})


class ChunksView(SourceView):
    """A document's chunks, front to back."""

    @extend_schema(
        operation_id="vector_docs_chunks",
        summary="List a document's chunks",
        parameters=[Paging],
        responses=ChunksPage,
    )
    def get(self, request: Request, document_id: str) -> Response:
        document = document_of(request, document_id)
        given = query_of(request, Paging)
        page, links = keyset_page(
            rows=document.chunks.all(),
            order=BY_POSITION,
            limit=given["limit"],
            cursor=given.get("cursor", ""),
            request=request,
        )
        return page_response([chunk_dto(row) for row in page], links)


class RemoveView(SourceView):
    """Everything of one source."""

    @extend_schema(
        operation_id="vector_docs_empty",
        summary="Remove all documents of a source from the index",
        description="The source stays; its next sync brings what there is then. Where there are "
        "many, a job removes them.",
        parameters=[RemovalScope],
        responses={200: Removed, 202: JobAnswer, **refused(404, 409)},
    )
    def delete(self, request: Request) -> Response:
        given = query_of(request, RemovalScope)
        source = source_of(request, given["source"])
        done = removal.empty(source=source, by=user_of(request))
        if isinstance(done, Job):
            return accepted(done, source)
        return Response({"removed": done})
