"""Recordings as a source: each verified flow a document, each of its steps a chunk."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from django.db import transaction
from django.utils import timezone

from documents.structure import Block, Place, Structure, TextBuilder
from ingestion import index, indexing
from ingestion.chunking import Span
from ingestion.content import Found
from ingestion.embedding.tokens import count
from ingestion.index import filling
from ingestion.models import DocumentKind, Source, SourceDocument, SourceKind
from jobs.models import Job

NAME = "Recordings"
IDENTITY = "recordings"


@dataclass(frozen=True, kw_only=True)
class RecordedStep:
    """A step of a verified flow: what it does, to which element, on which page."""

    key: str
    text: str
    element: str = ""
    url: str = ""


def keep(
    *, job: Job, key: str, title: str, url: str, address: str, steps: Sequence[RecordedStep]
) -> SourceDocument | None:
    """Make a flow what its owner's searches find of it; what was found of it before is replaced.

    `job` is the recording's: the document goes with it. `url` opens the recording, with
    `#step-<key>` at a step; `address` is the page where the flow begins. None: it has no step.
    """
    if not steps:
        forget(job=job)
        return None
    source, _ = Source.objects.get_or_create(
        owner_id=job.owner_id,
        kind=SourceKind.RECORDINGS,
        identity=IDENTITY,
        defaults={"name": NAME, "created_at": timezone.now(), "updated_at": timezone.now()},
    )
    source = Source.objects.select_for_update(of=("self",)).get(pk=source.pk)
    structure, spans = _structure(title, steps)
    found = Found(
        key=key,
        kind=DocumentKind.RECORDING,
        title=title,
        url=url,
        structure=structure,
        labels=tuple(job.tags),
        changed_at=timezone.now(),
        fetched_with={"address": address},
    )
    put = indexing.put(found=found, source=source, job_id=job.pk, spans=spans)
    if put.document is not None:
        SourceDocument.objects.filter(pk=put.document.pk).update(recording_job=job)
        Source.objects.filter(pk=source.pk).update(last_synced_at=timezone.now())
    index.settle()
    if put.chunks_added:
        transaction.on_commit(lambda: filling.ask_for(by=job.owner))
    return put.document


def forget(*, job: Job) -> int:
    """Take a recording out of the index; how many documents went."""
    rows = SourceDocument.objects.filter(recording_job=job)
    return indexing.remove(documents=rows.values_list("pk", flat=True))


def _structure(title: str, steps: Sequence[RecordedStep]) -> tuple[Structure, list[Span]]:
    text = TextBuilder()
    start, end = text.add(title or NAME, then="\n\n")
    blocks = [Block("heading", title or NAME, Place(start, end), 1)]
    spans = []
    for number, step in enumerate(steps, 1):
        lines = [f"{number}. {step.text}"]
        if step.element:
            lines.append(f"Element: {step.element}")
        if step.url:
            lines.append(f"Page: {step.url}")
        said = "\n".join(lines)
        anchor = f"step-{step.key}"
        start, end = text.add(said, then="\n\n")
        blocks.append(Block("paragraph", said, Place(start, end), 0, anchor))
        spans.append(
            Span(
                start=start,
                end=end,
                heading_path=(title or NAME,),
                anchor=anchor,
                tokens=count(said),
            )
        )
    whole = Structure(media_type="text/plain", text=text.text(), blocks=tuple(blocks))
    return whole, spans
