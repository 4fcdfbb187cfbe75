"""Keeping documents of sources and their chunks; each verb belongs into its caller's transaction."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal
from uuid import UUID

from django.db import transaction
from django.utils import timezone

from documents.structure import Structure
from ingestion import chunking, index
from ingestion.chunking import Span, split
from ingestion.content import Failed, Found, Seen, Unchanged
from ingestion.index import vectors
from ingestion.models import (
    KEY_MAX,
    TITLE_MAX,
    Chunk,
    DocumentKind,
    DocumentState,
    Source,
    SourceDocument,
    SourceText,
)
from jobs.events import to_json

# What PostgreSQL refuses; each becomes one other character, so that every offset stays true.
_UNSTORABLE = re.compile("[\0\ud800-\udfff]")
_REMOVED_AT_ONCE = 200
ANCHOR_MAX = 300
# As the columns have them: `added` was not there before, `dropped` was outdated on arrival.
Outcome = Literal["added", "changed", "unchanged", "dropped"]


class BadKey(ValueError):
    """A document's key must have 1 to 1,000 characters, none of them NUL."""


@dataclass(frozen=True, kw_only=True)
class Put:
    """What became of a document. `chunks_added`: those that have no vector yet."""

    outcome: Outcome
    document: SourceDocument | None = None
    chunks_added: int = 0


@transaction.atomic
def put(
    *,
    found: Found,
    source: Source,
    job_id: UUID | None = None,
    spans: Sequence[Span] | None = None,
    anew: bool = False,
) -> Put:
    """Keep a document as it was found, and its chunks; those whose text is as it was keep their row.

    `spans` are its chunks where the caller knows better than the chunker; with `anew` chunks are
    made again though nothing changed. The caller holds the source's row, and calls `index.settle`
    in the same transaction, once for all that it put.

    :raises BadKey: the key can not be kept.
    :raises ValueError: the structure does not hold what it says.
    """
    check_key(found.key)
    if not found.still_true():
        return Put(outcome="dropped")
    structure = storable(found.structure)
    structure.check()
    before = source.documents.filter(key=found.key).first()
    document = before or SourceDocument(source=source, key=found.key, created_at=timezone.now())
    told, title = _told(document), document.title
    content_hash = fingerprint(structure) if structure.has_text else ""
    fetched_before = before is not None and before.fetched_at is not None
    same_text = fetched_before and document.content_hash == content_hash
    _describe(document, found, source)
    empty = not structure.has_text
    code, message = _why_empty(structure) if empty else ("", "")
    document.state = DocumentState.EMPTY if empty else DocumentState.INDEXED
    document.problem_code, document.problem_message, document.retryable = code, message, False
    document.fetched_with = plain(found.fetched_with)
    document.fetched_at = timezone.now()
    document.seen_by = job_id
    document.content_hash = content_hash
    document.chars = len(structure.text)
    # Before its chunks, which refer to it.
    document.save()
    added = 0
    # The model reads the title before each chunk, so that it takes some of their room.
    retitled = before is not None and title != document.title
    if not same_text or anew or retitled:
        if retitled:
            vectors.forget(list(document.chunks.values_list("pk", flat=True)))
        added = _replace_text(document, structure, spans)
        added = document.n_chunks if retitled else added
        SourceDocument.objects.filter(pk=document.pk).update(n_chunks=document.n_chunks)
    outcome: Outcome = "unchanged"
    if not fetched_before:
        outcome = "added"
    elif not same_text or told != _told(document):
        outcome = "changed"
    return Put(outcome=outcome, document=document, chunks_added=added)


def note_unchanged(*, seen: Unchanged, source: Source, job_id: UUID | None) -> bool:
    """Note that a document is still there as it was; False: it was never fetched."""
    rows = source.documents.filter(key=seen.key)
    # What was fetched well before and failed in between is well again.
    failed = rows.filter(state=DocumentState.FAILED, fetched_at__isnull=False)
    well = {"problem_code": "", "problem_message": "", "retryable": False}
    failed.exclude(content_hash="").update(state=DocumentState.INDEXED, **well)
    failed.filter(content_hash="").update(state=DocumentState.EMPTY, **well)
    changes: dict[str, Any] = {"seen_by": job_id}
    if seen.fetched_with is not None:
        changes["fetched_with"] = plain(seen.fetched_with)
    return bool(rows.filter(fetched_at__isnull=False).update(**changes))


@transaction.atomic
def note_failed(*, failed: Failed, source: Source, job_id: UUID | None) -> SourceDocument:
    """Keep why a document could not be had; what was indexed of it stays.

    :raises BadKey: the key can not be kept.
    """
    check_key(failed.key)
    document, _ = SourceDocument.objects.get_or_create(
        source=source,
        key=failed.key,
        defaults={"kind": failed.kind, "created_at": timezone.now(), "state": DocumentState.FAILED},
    )
    document.title = document.title or _line(failed.title, TITLE_MAX)
    document.url = document.url or _clean(failed.url)
    if failed.parent_key and document.parent_id is None:
        document.parent = _parent(source, failed.parent_key)
    document.state = DocumentState.FAILED
    document.problem_code = failed.code[:60]
    document.problem_message = _clean(failed.message)
    document.retryable = failed.retryable
    document.seen_by = job_id
    document.save()
    return document


def remove(*, documents: Iterable[UUID]) -> int:
    """Remove these documents, with what hangs on them (an issue's attachments); how many went."""
    wanted = list(documents)
    removed = 0
    for at in range(0, len(wanted), _REMOVED_AT_ONCE):
        ids = set(wanted[at : at + _REMOVED_AT_ONCE])
        below = ids
        while below:
            children = SourceDocument.objects.filter(parent_id__in=below)
            below = set(children.values_list("pk", flat=True)) - ids
            ids |= below
        with transaction.atomic(), index.erased():
            # Children first by hand: the cascade would load every chunk's text.
            Chunk.objects.filter(document_id__in=ids).delete()
            SourceText.objects.filter(document_id__in=ids).delete()
            SourceDocument.objects.filter(parent_id__in=ids).update(parent=None)
            _, per_model = SourceDocument.objects.filter(pk__in=ids).delete()
            removed += per_model.get(SourceDocument._meta.label, 0)
            index.settle()
    return removed


def fingerprint(structure: Structure) -> str:
    """What chunks are made of, as a SHA-256: the text, and where its parts begin and end."""
    parts = [
        chunking.VERSION,
        structure.text,
        [(b.kind, b.level, b.place.start, b.place.end, b.anchor) for b in structure.blocks],
        [(page.number, page.start, page.end) for page in structure.pages],
        [(table.place.start, table.place.end) for table in structure.tables],
    ]
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()


def storable(structure: Structure) -> Structure:
    """The same, without what PostgreSQL refuses in a text; no offset changes."""
    if not _UNSTORABLE.search(structure.text):
        return structure
    return replace(
        structure,
        text=_clean(structure.text),
        blocks=tuple(replace(block, text=_clean(block.text)) for block in structure.blocks),
        tables=tuple(
            replace(
                table,
                cells=tuple(replace(cell, text=_clean(cell.text)) for cell in table.cells),
            )
            for table in structure.tables
        ),
    )


def plain(noted: Mapping[str, Any]) -> dict[str, Any]:
    """What a connector notes for itself, as JSON that both databases take."""
    kept: dict[str, Any] = json.loads(to_json(dict(noted)))
    return kept


def with_key(seen: Seen) -> Seen:
    """`seen`, or as failed under a key that can be kept, where its own can not."""
    try:
        check_key(seen.key)
    except BadKey as error:
        sha256 = hashlib.sha256(seen.key.encode("utf-8", "surrogatepass")).hexdigest()
        return Failed(
            key=f"{_clean(seen.key)[: KEY_MAX - 20]}… {sha256[:16]}",
            code="key_too_long",
            message=str(error),
            retryable=False,
            url=getattr(seen, "url", ""),
            title=getattr(seen, "title", ""),
            kind=getattr(seen, "kind", DocumentKind.PAGE),
        )
    return seen


def check_key(key: str) -> None:
    """:raises BadKey: it can not be kept."""
    if not key or len(key) > KEY_MAX or _UNSTORABLE.search(key):
        raise BadKey(f"{BadKey.__doc__} This one: {key[:80]!r}, {len(key)} characters.")


def _replace_text(
    document: SourceDocument, structure: Structure, spans: Sequence[Span] | None
) -> int:
    """Make the document's text and chunks what the structure says; how many chunks are new."""
    with index.erased():
        if not structure.has_text:
            Chunk.objects.filter(document=document).delete()
            SourceText.objects.filter(document=document).delete()
            document.n_chunks = 0
            return 0
        text = structure.text
        SourceText.objects.update_or_create(document=document, defaults={"text": text})
        made = split(structure, title=document.title) if spans is None else spans
        document.n_chunks = len(made)
        return _replace_chunks(document, text, made)


def _replace_chunks(document: SourceDocument, text: str, spans: Sequence[Span]) -> int:
    """Make the document's chunks these; how many are new."""
    there = {(row.digest, row.occurrence): row for row in document.chunks.all()}
    seen: dict[str, int] = {}
    new: list[Chunk] = []
    moved: list[Chunk] = []
    for position, span in enumerate(spans):
        part = text[span.start : span.end]
        path = [str(each) for each in span.heading_path]
        digest = hashlib.sha256(json.dumps([path, part]).encode()).hexdigest()
        occurrence = seen.get(digest, 0)
        seen[digest] = occurrence + 1
        place = {
            "position": position,
            "page": span.page,
            "anchor": _clean(span.anchor)[:ANCHOR_MAX],
            "start": span.start,
            "end": span.end,
            "tokens": span.tokens,
        }
        row = there.pop((digest, occurrence), None)
        if row is None:
            new.append(
                Chunk(
                    document=document,
                    source_id=document.source_id,
                    text=part,
                    heading_path=[_clean(each) for each in path],
                    digest=digest,
                    occurrence=occurrence,
                    **place,
                )
            )
        elif any(getattr(row, name) != value for name, value in place.items()):
            for name, value in place.items():
                setattr(row, name, value)
            moved.append(row)
    Chunk.objects.filter(pk__in=[row.pk for row in there.values()]).delete()
    if moved:
        columns = ["position", "page", "anchor", "start", "end", "tokens"]
        Chunk.objects.bulk_update(moved, columns, batch_size=200)
    Chunk.objects.bulk_create(new, batch_size=200)
    return len(new)


def _describe(document: SourceDocument, found: Found, source: Source) -> None:
    document.kind = found.kind
    document.title = _line(found.title, TITLE_MAX)
    document.url = _clean(found.url)
    document.labels = [_line(label, 200) for label in found.labels]
    document.changed_at = found.changed_at
    document.stored_id = found.stored_id
    document.parent = _parent(source, found.parent_key) if found.parent_key else None


def _told(document: SourceDocument) -> tuple[object, ...]:
    """What is said of a document besides its text."""
    return (
        document.kind,
        document.title,
        document.url,
        document.labels,
        document.changed_at,
        document.parent_id,
    )


def _parent(source: Source, key: str) -> SourceDocument | None:
    return source.documents.filter(key=key).first()


def _why_empty(structure: Structure) -> tuple[str, str]:
    if structure.warnings:
        warning = structure.warnings[0]
        said = _clean(warning.message)
        told = said if said.startswith("No text was found") else f"No text was found. {said}"
        return warning.code[:60], told
    return "no_text", "No text was found in it, so nothing of it can be found."


def _clean(text: str) -> str:
    return _UNSTORABLE.sub("\ufffd", text)


def _line(text: str, most: int) -> str:
    return _clean(" ".join(text.split()))[:most]
