"""Looking at documents: pictures of pages, text with its structure, tables."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.http.response import HttpResponseBase
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.exceptions import NotFound
from rest_framework.request import Request
from rest_framework.response import Response

from documents import previews, services
from documents.api.base import DocumentView, document_of, version_of
from documents.api.views import VERSION
from documents.models import DerivedFile, DocumentVersion, ReadState
from documents.structure import Block, Page, Structure, Table
from jobs import audit
from jobs.api.base import query_of, user_of
from jobs.api.downloads import serve_file
from jobs.api.problem import Problem
from jobs.files import StoredFile

MAX_BLOCKS = 2_000
MAX_ROWS = 200
MAX_COLS = 100


class PageOf(serializers.Serializer[Any]):
    version = serializers.IntegerField(min_value=1, required=False)
    page = serializers.IntegerField(min_value=1, default=1)


class PreviewView(DocumentView):
    """What there is to look at: pages, and whether they have pictures and text."""

    @extend_schema(
        operation_id="documents_preview",
        summary="Describe a document's preview",
        parameters=[VERSION],
        responses=OpenApiTypes.OBJECT,
    )
    def get(self, request: Request, document_id: str) -> Response:
        document = document_of(request, document_id)
        version = version_of(request, document)
        audit.record(
            action="document.preview",
            by=user_of(request),
            target=document,
            data={"version": version.number},
        )
        return Response(manifest(version))


def manifest(version: DocumentVersion) -> dict[str, Any]:
    """The pages of a version, each with the addresses of its pictures where it has them."""
    structure = _structure(version)
    drawable = previews.can_preview(version) and version.read_state != ReadState.NEEDS_PASSWORD
    pages: Sequence[Page] = structure.pages if structure else (Page(number=1, start=0, end=0),)
    base = f"/api/documents/{version.document_id}/preview/pages"
    query = f"?version={version.number}"
    return {
        "version": version.number,
        "drawable": drawable,
        "hasText": structure is not None and structure.has_text,
        "isRead": structure is not None,
        "message": version.read_message,
        "metadata": dict(structure.metadata) if structure else {},
        "attachments": [
            {"name": each.name, "mediaType": each.media_type, "sizeBytes": each.size_bytes}
            for each in (structure.attachments if structure else ())
        ],
        "pages": [
            {
                "number": page.number,
                "name": page.name,
                "width": page.width,
                "height": page.height,
                "hidden": page.hidden,
                "ocr": page.ocr,
                "imageUrl": f"{base}/{page.number}{query}" if drawable else None,
                "thumbUrl": f"{base}/{page.number}/thumb{query}" if drawable else None,
            }
            for page in pages[:5000]
        ],
    }


class PictureView(DocumentView):
    """The picture of a page; drawn when it is asked for first."""

    role = DerivedFile.Role.PAGE

    @extend_schema(
        operation_id="documents_page_picture",
        summary="Show the picture of a page",
        parameters=[VERSION],
        responses={(200, "image/webp"): OpenApiTypes.BINARY},
    )
    def get(self, request: Request, document_id: str, number: str) -> HttpResponseBase:
        document = document_of(request, document_id)
        version = version_of(request, document)
        if len(number) > 6 or int(number) < 1:
            raise NotFound("There is no such page.")
        try:
            picture = previews.page_picture(version=version, number=int(number), role=self.role)
        except previews.NotDrawable as error:
            raise Problem(status=404, code="not_drawable", detail=str(error)) from error
        stored = StoredFile(
            name=f"page-{number}.webp",
            content_type=picture.content_type,
            size_bytes=picture.size_bytes,
            sha256=picture.sha256,
            storage_name=picture.storage_name,
        )
        return serve_file(request, stored)


class ThumbView(PictureView):
    """The thumbnail of a page."""

    role = DerivedFile.Role.THUMB

    @extend_schema(
        operation_id="documents_page_thumb",
        summary="Show the thumbnail of a page",
        parameters=[VERSION],
        responses={(200, "image/webp"): OpenApiTypes.BINARY},
    )
    def get(self, request: Request, document_id: str, number: str) -> HttpResponseBase:
        return super().get(request, document_id, number)


class PageTextView(DocumentView):
    """The text of one page, as blocks and tables with their places."""

    @extend_schema(
        operation_id="documents_page_text",
        summary="Show the text of a page",
        parameters=[PageOf],
        responses=OpenApiTypes.OBJECT,
    )
    def get(self, request: Request, document_id: str) -> Response:
        given = query_of(request, PageOf)
        version = version_of(request, document_of(request, document_id))
        structure = _structure(version)
        if structure is None:
            raise Problem(
                status=409,
                code="not_read",
                detail=version.read_message or "The document has not been read yet.",
            )
        page = next((page for page in structure.pages if page.number == given["page"]), None)
        if page is None:
            raise NotFound(f"The document has {len(structure.pages)} pages.")
        return Response(page_text(structure, page))


def page_text(structure: Structure, page: Page) -> dict[str, Any]:
    """One page's blocks and tables, cut to what a page of the console can show."""

    def here(start: int) -> bool:
        return page.start <= start < max(page.end, page.start + 1)

    blocks = [block for block in structure.blocks if here(block.place.start)]
    tables = [
        table
        for table in structure.tables
        if table.place.page == page.number or (table.place.page is None and here(table.place.start))
    ]
    return {
        "page": page.number,
        "start": page.start,
        "end": page.end,
        "blocks": [_block(block) for block in blocks[:MAX_BLOCKS]],
        "blocksLeftOut": max(0, len(blocks) - MAX_BLOCKS),
        "tables": [table_dto(table) for table in tables],
    }


def _block(block: Block) -> dict[str, Any]:
    place = block.place
    return {
        "kind": block.kind,
        "level": block.level,
        "text": block.text,
        "start": place.start,
        "end": place.end,
        "bbox": place.bbox,
    }


def table_dto(table: Table) -> dict[str, Any]:
    """A table's first rows and columns, each cell with its place."""
    rows: list[list[dict[str, Any] | None]] = [
        [None] * min(table.n_cols, MAX_COLS) for _ in range(min(table.n_rows, MAX_ROWS))
    ]
    for cell in table.cells:
        if cell.row < len(rows) and cell.col < MAX_COLS:
            told: dict[str, Any] = {"text": cell.text}
            if cell.rowspan > 1:
                told["rowspan"] = min(cell.rowspan, len(rows) - cell.row)
            if cell.colspan > 1:
                told["colspan"] = min(cell.colspan, MAX_COLS - cell.col)
            for name in ("formula", "comment", "hidden"):
                if value := getattr(cell, name):
                    told[name] = value
            if cell.place.cell:
                told["cell"] = cell.place.cell
            elif cell.place.end > cell.place.start:
                told["start"], told["end"] = cell.place.start, cell.place.end
            if cell.place.bbox:
                told["bbox"] = cell.place.bbox
            rows[cell.row][cell.col] = told
    return {
        "number": table.number,
        "title": table.title,
        "foundBy": table.found_by,
        "sheet": table.place.sheet,
        "rowCount": table.n_rows,
        "columnCount": table.n_cols,
        "rows": rows,
        "hiddenRows": list(table.hidden_rows),
        "hiddenColumns": list(table.hidden_cols),
        "cut": table.rows_left_out != 0,
    }


class StructureView(DocumentView):
    """All that was read, as one JSON file."""

    @extend_schema(
        operation_id="documents_structure",
        summary="Download what was read: text, blocks and tables with their places",
        parameters=[VERSION],
        responses=OpenApiTypes.OBJECT,
    )
    def get(self, request: Request, document_id: str) -> HttpResponseBase:
        version = version_of(request, document_of(request, document_id))
        found = version.derived.filter(role=DerivedFile.Role.STRUCTURE).first()
        if found is None:
            raise Problem(
                status=409,
                code="not_read",
                detail=version.read_message or "The document has not been read yet.",
            )
        stored = StoredFile(
            name="structure.json",
            content_type=found.content_type,
            size_bytes=found.size_bytes,
            sha256=found.sha256,
            storage_name=found.storage_name,
        )
        return serve_file(request, stored)


def _structure(version: DocumentVersion) -> Structure | None:
    try:
        return services.structure_of(version)
    except FileNotFoundError:
        return None
