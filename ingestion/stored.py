"""Keeping sources of documents in step with the store: new versions, deletions."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import TYPE_CHECKING
from uuid import UUID

from django.db import transaction
from django.utils import timezone

from documents.models import Document
from ingestion.documents.connector import belongs
from ingestion.models import DocumentKind, Source, SourceDocument, SourceKind
from ingestion.sources import find_or_create, locked
from jobs import access, audit
from jobs import services as jobs
from jobs.models import Job

if TYPE_CHECKING:
    from django.contrib.auth.models import User

log = logging.getLogger(__name__)

KIND = "ingestion.documents"
CHOSEN = {"scope": "chosen"}


class StoredDocuments:
    """Hears of every change in the store (documents.following)."""

    def document_changed(self, document: Document) -> None:
        """Queue its indexing, where a source has it or takes it by itself."""
        sources = sources_of(document)
        if not sources:
            return
        by = sources[0].owner
        if not access.may_do(by):
            # The next sync of the source, by whoever may, finds it changed.
            log.info("Document %s changed; %s may not run jobs.", document.pk, by)
            return
        _submit([document.pk], by=by, source=None, name=f"Index {document.name}")

    def document_removed(self, document: Document) -> None:
        # Here: it loads the search index, which processes that only hear of changes never use.
        from ingestion import indexing

        rows = SourceDocument.objects.filter(
            source__kind=SourceKind.DOCUMENTS, key=str(document.pk)
        )
        indexing.remove(documents=rows.values_list("pk", flat=True))


def sources_of(document: Document) -> list[Source]:
    """The sources, none of them paused, that have this document or take it by themselves."""
    rows = Source.objects.filter(kind=SourceKind.DOCUMENTS, deleting=False, paused=False)
    has = set(
        SourceDocument.objects.filter(source__in=rows, key=str(document.pk)).values_list(
            "source_id", flat=True
        )
    )
    return [
        source
        for source in rows.select_related("owner")
        if source.pk in has
        or belongs(document=document, settings=source.settings, owner=source.owner)
    ]


def keeps(*, source: Source, document: Document | None) -> bool:
    """Whether `document` may be in the source: it was chosen, or the source takes it by itself."""
    if source.settings.get("scope") == CHOSEN["scope"]:
        return True
    return document is not None and belongs(
        document=document, settings=source.settings, owner=source.owner
    )


@audit.command("source.add_documents", target="source")
def add(*, documents: Sequence[Document], by: User, source: Source | None = None) -> Job:
    """Make these documents part of `source` (None: the chosen ones of `by`) and queue their indexing.

    The caller has found that `by` may see them.

    :raises jobs.access.NotAllowed: `by` is no operator.
    """
    access.check_may_do(by=by)
    with transaction.atomic():
        kept = locked(
            source
            or find_or_create(
                kind=SourceKind.DOCUMENTS, settings=CHOSEN, by=by, name="Chosen documents"
            )
        )
        SourceDocument.objects.bulk_create(
            [
                SourceDocument(
                    source=kept,
                    key=str(document.pk),
                    kind=DocumentKind.DOCUMENT,
                    title=document.name,
                    stored=document,
                    created_at=timezone.now(),
                )
                for document in documents
            ],
            ignore_conflicts=True,
        )
        audit.say(source=str(kept.pk), documents=[str(each.pk) for each in documents])
        name = documents[0].name if len(documents) == 1 else f"{len(documents)} documents"
        return _submit([each.pk for each in documents], by=by, source=kept, name=f"Index {name}")


def _submit(documents: Sequence[UUID], *, by: User, source: Source | None, name: str) -> Job:
    return jobs.submit(
        kind=KIND,
        options={
            "documents": [str(pk) for pk in documents],
            "source_id": str(source.pk) if source else None,
        },
        by=by,
        name=name[:200],
    )
