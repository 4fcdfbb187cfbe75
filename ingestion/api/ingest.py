"""The ingest routes: one request finds or makes a source, and queues its sync."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.parsers import MultiPartParser
from rest_framework.request import Request
from rest_framework.response import Response

from documents import services as stored
from documents.api.base import as_problems
from documents.api.receiving import ReceivedFile, into_drafts, received
from documents.models import Document
from ingestion import sources
from ingestion.api.base import SourceView, accepted
from ingestion.api.shapes import IngestDocuments, IngestedFiles, IngestFiles, JobAnswer
from ingestion.models import SourceKind
from ingestion.stored import add
from jobs.api.base import cleaned, user_of
from jobs.api.parsers import BoundedJSON
from jobs.api.problem import Problem
from jobs.api.schema import refused
from jobs.services.refusals import InvalidFields


class IngestView(SourceView):
    """The settings of a source of `kind`, and beside them `name`, `shared` and `mode`."""

    kind: SourceKind
    BESIDE = ("name", "shared", "mode")

    def post(self, request: Request) -> Response:
        if not isinstance(request.data, Mapping):
            raise InvalidFields({"body": ["Must be an object."]})
        given = dict(request.data)
        beside = cleaned(Beside, {name: given.pop(name) for name in self.BESIDE if name in given})
        by = user_of(request)
        source = sources.find_or_create(
            kind=self.kind,
            settings=given,
            by=by,
            name=beside["name"],
            shared=beside["shared"],
        )
        return accepted(sources.sync(source=source, by=by, mode=beside["mode"]), source)


class Beside(serializers.Serializer[Any]):
    name = serializers.CharField(max_length=200, required=False, default="", allow_blank=True)
    shared = serializers.BooleanField(default=False)
    mode = serializers.ChoiceField(choices=["incremental", "full"], default="incremental")


_ABOUT = (
    "The body holds the settings of such a source, as `GET /api/config/source-kinds` describes "
    "them, and beside them `name`, `shared` and `mode` (incremental or full). A source of yours "
    "that is the same ({what}) is used again, with these settings; else one is made."
)


class JiraView(IngestView):
    kind = SourceKind.JIRA

    @extend_schema(
        operation_id="ingest_jira",
        summary="Ingest what a JQL query finds",
        description=_ABOUT.format(what="the same site and JQL"),
        request=OpenApiTypes.OBJECT,
        responses={202: JobAnswer, **refused(409)},
    )
    def post(self, request: Request) -> Response:
        return super().post(request)


class WebsiteView(IngestView):
    kind = SourceKind.WEBSITE

    @extend_schema(
        operation_id="ingest_website",
        summary="Ingest a website",
        description=_ABOUT.format(what="the same address"),
        request=OpenApiTypes.OBJECT,
        responses={202: JobAnswer, **refused(409)},
    )
    def post(self, request: Request) -> Response:
        return super().post(request)


class DocumentsView(SourceView):
    """Documents into the source of those that were chosen: files, or ids of stored ones."""

    parser_classes = (BoundedJSON, MultiPartParser)
    serializer_class = IngestDocuments

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        if request.method == "POST" and request.content_type.startswith("multipart/"):
            # Before authentication: checking a session's token reads the form.
            into_drafts(request._request)
        super().initial(request, *args, **kwargs)

    @extend_schema(
        operation_id="ingest_documents",
        summary="Ingest documents: files, or ids of stored ones",
        description="Files are kept in the store first; the same content twice is one document.",
        request={"application/json": IngestDocuments, "multipart/form-data": IngestFiles},
        responses={202: IngestedFiles, **refused(409)},
    )
    def post(self, request: Request) -> Response:
        by = user_of(request)
        refusals: list[dict[str, Any]] = []
        if request.content_type.startswith("multipart/"):
            files = received(request)
            try:
                documents = self._kept(request, files, refusals)
            finally:
                for file in files:
                    file.close()
        else:
            given = cleaned(IngestDocuments, request.data)
            documents = _by_ids(given["ids"], by)
        job = add(documents=documents, by=by)
        return accepted(
            job,
            documents=[{"id": str(each.pk), "name": each.name} for each in documents],
            refused=refusals,
        )

    def _kept(
        self, request: Request, files: list[ReceivedFile], refusals: list[dict[str, Any]]
    ) -> list[Document]:
        """:raises Problem: not one of the files could be kept."""
        form = {name: request.POST[name] for name in request.POST if name in IngestFiles().fields}
        given = cleaned(IngestFiles, form)
        tags = [tag.strip() for tag in given.get("tags", "").split(",") if tag.strip()]
        documents: list[Document] = []
        for file in files:
            try:
                with as_problems():
                    # The job reads it: its own reading, queued as well, finds it done the same.
                    added = stored.add(
                        draft=file.draft,
                        name=file.name or "",
                        by=user_of(request),
                        tags=tags,
                        on_duplicate="reuse",
                    )
            except Problem as error:
                if len(files) == 1:
                    raise
                detail = str(error.detail)
                refusals.append({"name": file.name, "code": error.get_codes(), "detail": detail})
            else:
                documents.append(added.document)
        if not documents:
            raise Problem(
                status=400,
                code="none_kept",
                detail=f"None of the files could be kept. {refusals[0]['detail']}",
            )
        return documents


def _by_ids(ids: list[UUID], by: Any) -> list[Document]:
    """:raises InvalidFields: some are no documents that one may see."""
    rows = {row.pk: row for row in Document.objects.visible_to(by).present().filter(pk__in=ids)}
    if missing := [str(pk) for pk in ids if pk not in rows]:
        said = f"There is no such document, or it is not yours, or it is deleted: {', '.join(missing[:5])}."
        raise InvalidFields({"ids": [said]})
    return list(dict.fromkeys(rows[pk] for pk in ids))
