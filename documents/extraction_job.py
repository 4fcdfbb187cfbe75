"""One extraction as a job runs it: documents from the store, results to artifacts and rows."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from django.contrib.auth.models import User
from django.utils import timezone

from documents import readers
from documents.configurations.services import definition_of_version
from documents.extraction import sources
from documents.extraction.engine import Mode, Run
from documents.extraction.grids import Unreadable
from documents.models import (
    Configuration,
    ConfigurationVersion,
    Document,
    DocumentVersion,
    ExtractedDocument,
    ExtractedTable,
    ExtractionRun,
    VersionState,
)
from documents.services import BytesGone, local_copy, password_of
from documents.structure import Structure
from jobs.running import Cancelled, JobFailed, RunningJob

_TYPES = {"workbook": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"}


def run_extraction(job: RunningJob) -> Mapping[str, Any]:
    """Do what the job's options say.

    :raises JobFailed: no document could be read; the results that there are, are kept.
    """
    options = job.options
    owner = User.objects.get(pk=job.owner_id)
    version = _version(options)
    mode = Mode(process=options["operation"] == "process", dry_run=options["dry_run"])
    folder = job.workdir / "out"
    folder.mkdir()
    run = Run(
        definition=definition_of_version(version),
        version=version.number,
        folder=folder,
        mode=mode,
        sheets=options["sheets"],
        beat=lambda rows: job.check_cancelled(),
    )
    used: list[DocumentVersion | None] = []
    total = len(options["documents"])
    job.log(f"Configuration {version.configuration.name} version {version.number}")
    cancelled: Cancelled | None = None
    try:
        for position, key in enumerate(options["documents"], 1):
            job.progress(position - 1, total, "documents")
            _one(job, run, owner=owner, key=key, position=position, used=used)
        job.progress(total, total, "documents")
    except Cancelled as asked:
        # What was read so far is worth keeping.
        cancelled = asked
    report = dict(run.finish())
    _keep(job, run, report, version, used, broken_off=cancelled is not None)
    if cancelled is not None:
        raise cancelled
    counts = report["counts"]
    job.metric("tables", counts["tables"])
    job.metric("rows", counts["rows"])
    result = {
        "evaluation": report["evaluation"],
        "reasons": report["reasons"][:20],
        "configuration": report["configuration"],
        "counts": counts,
    }
    if run.documents and all(document.error for document in run.documents) and not counts["rows"]:
        first = run.documents[0]
        if len(run.documents) == 1:
            raise JobFailed(first.error, first.message, result=result)
        raise JobFailed(
            "nothing_extracted",
            f"None of {len(run.documents)} documents gave a row. The first, {first.name}: {first.message}",
            result=result,
        )
    return result


def _version(options: Mapping[str, Any]) -> ConfigurationVersion:
    versions = ConfigurationVersion.objects.select_related("configuration").filter(
        configuration__in=Configuration.objects.filter(name=options["configuration"])
    )
    wanted = options["version"]
    chosen = (
        versions.filter(state=VersionState.ACTIVE)
        if wanted is None
        else versions.filter(number=wanted)
    ).first()
    if chosen is None:
        raise JobFailed(
            "configuration_not_found",
            f"Configuration {options['configuration']!r} has no "
            f"{'active version' if wanted is None else f'version {wanted}'} any more.",
        )
    return chosen


def _one(
    job: RunningJob,
    run: Run,
    *,
    owner: User,
    key: str,
    position: int,
    used: list[DocumentVersion | None],
) -> None:
    """Read one document into the run; what is wrong with it is a part of the result."""
    document = Document.objects.visible_to(owner).select_related("current").filter(pk=key).first()
    name = document.name if document else str(key)
    job.event("extract.document_started", number=position, name=name, documentId=str(key))
    version = document.current if document else None
    used.append(version)
    if document is None:
        found = run.failed(
            key=str(key),
            name=name,
            code="document_not_found",
            message="There is no such document, or it is not yours.",
        )
    elif not document.is_present() or version is None:
        found = run.failed(
            key=str(key),
            name=name,
            code="document_deleted",
            message="The document was deleted. Restore it, and run this again.",
        )
    else:
        found = _read(job, run, document, version)
    if found.error:
        job.log(f"{name}: {found.message}")
        job.event(
            "extract.document_failed",
            number=position,
            name=name,
            documentId=str(key),
            code=found.error,
            error=found.message,
        )
        return
    job.event(
        "extract.document_finished",
        number=position,
        name=name,
        documentId=str(key),
        tables=len(found.tables),
        rows=sum(table.rows for table in found.tables),
    )


def _read(job: RunningJob, run: Run, document: Document, version: DocumentVersion) -> Any:
    try:
        path = local_copy(version, folder=job.workdir)
    except BytesGone as error:
        return run.failed(
            key=str(document.pk),
            name=document.name,
            code="document_deleted",
            message=f"{error} Upload the document again.",
        )
    password = password_of(document)
    try:
        found = run.document(
            key=str(document.pk),
            name=document.name,
            sha256=version.sha256,
            opened=lambda: sources.opened(
                path,
                name=version.name,
                media_type=version.media_type,
                read=lambda: _structure(path, version, password),
            ),
        )
    finally:
        path.unlink(missing_ok=True)
    if not Document.objects.present().filter(pk=document.pk).exists():
        found.warnings.append("The document was deleted while it was read.")
    return found


def _structure(path: Path, version: DocumentVersion, password: str) -> Structure:
    try:
        return readers.read(
            readers.Source(
                path=path, name=version.name, media_type=version.media_type, password=password
            )
        )
    except readers.Unreadable as error:
        raise Unreadable(error.code, error.message) from error


def _keep(
    job: RunningJob,
    run: Run,
    report: dict[str, Any],
    version: ConfigurationVersion,
    used: list[DocumentVersion | None],
    *,
    broken_off: bool,
) -> None:
    """Files to artifacts, what was found to rows; all of it is seen when the attempt ends."""
    folder = job.workdir / "out"
    if broken_off:
        report["execution"] = "cancelled"
    text = json.dumps(_public(report), ensure_ascii=False, indent=1)
    job.artifact("report.json", text.encode(), kind="report", content_type="application/json")
    for name, kind in run.files:
        job.artifact(name, folder / name, kind=kind, content_type=_TYPES.get(kind))
    summary = {name: value for name, value in report.items() if name != "documents"}
    with job.fenced():
        # Of an earlier attempt, which ended before its job did.
        ExtractionRun.objects.filter(pk=job.id).delete()
        kept = ExtractionRun.objects.create(
            job_id=job.id,
            version=version,
            operation=report["operation"],
            dry_run=report["dryRun"],
            evaluation=report["evaluation"],
            summary=summary,
            broken_off=broken_off,
            created_at=timezone.now(),
        )
        for position, found in enumerate(report["documents"]):
            at = used[position] if position < len(used) else None
            # It may have been removed for good meanwhile.
            there = at is not None and DocumentVersion.objects.filter(pk=at.pk).exists()
            row = ExtractedDocument.objects.create(
                run=kept,
                position=position + 1,
                document_id=at.document_id if at is not None and there else None,
                document_version_id=at.pk if at is not None and there else None,
                name=found["name"][:200],
                evaluation=found["evaluation"],
                error=found["error"],
                message=found["message"],
                tables_found=len(found["tables"]),
                rows=found["rows"],
                notes={
                    name: found[name] for name in ("warnings", "ignoredSheets", "outsideOfTables")
                },
            )
            ExtractedTable.objects.bulk_create(
                ExtractedTable(
                    run=kept,
                    document=row,
                    number=table["number"],
                    sheet=table["sheet"][:200],
                    title=table["title"][:200],
                    rows=table["rows"],
                    info=table,
                )
                for table in found["tables"]
            )


def _public(report: dict[str, Any]) -> dict[str, Any]:
    """The report as people download it: without what only pages need."""
    inner = {"offsets", "boxes", "pages", "pageWidths"}
    return {
        **report,
        "documents": [
            {
                **document,
                "tables": [
                    {name: value for name, value in table.items() if name not in inner}
                    for table in document["tables"]
                ],
            }
            for document in report["documents"]
        ],
    }
