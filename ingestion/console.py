"""How the console words and draws sources."""

from __future__ import annotations

from typing import Any

from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString

from ingestion import connectors
from ingestion.dto import STATES, counts_of, state_of
from ingestion.models import DocumentState, Source, SourceDocument, SourceKind
from jobs.console import when
from jobs.models import Job
from jobs.option_schema import form_fields
from jobs.options import masked_wire

ICONS = {
    SourceKind.JIRA: "bug_report",
    SourceKind.WEBSITE: "language",
    SourceKind.DOCUMENTS: "description",
    SourceKind.RECORDINGS: "radio_button_checked",
}
ABOUT = {
    SourceKind.JIRA: "Issues that a JQL query finds, with comments and attachments.",
    SourceKind.WEBSITE: "Pages of a site, from an address on, as deep as you say.",
    SourceKind.DOCUMENTS: "Files that are kept here: all, or those with some tags.",
    SourceKind.RECORDINGS: "Verified flows, each step findable. Kept up to date by itself.",
}
# The word of a document's state, and the colour that the chip of a job in that status has.
DOCUMENT_STATES = {
    DocumentState.WAITING: ("Waiting", "queued"),
    DocumentState.INDEXED: ("Indexed", "succeeded"),
    DocumentState.EMPTY: ("No text", "warning"),
    DocumentState.FAILED: ("Failed", "failed"),
}
COUNT_WORDS = {
    "added": "added",
    "changed": "changed",
    "unchanged": "unchanged",
    "removed": "removed",
    "failed": "failed",
    "empty": "without text",
}


def chip(source: Source) -> SafeString:
    """What the source is doing as a coloured word."""
    state = state_of(source)
    word, colour = STATES[state]
    job = source.sync_job
    why = job.error if job is not None and state in {"failed", "not_deleted"} else ""
    return format_html(
        '<span class="doc-state" data-state="{}" title="{}">{}</span>', colour, why, word
    )


def document_chip(document: SourceDocument) -> SafeString:
    word, colour = DOCUMENT_STATES[DocumentState(document.state)]
    return format_html(
        '<span class="doc-state" data-state="{}" title="{}">{}</span>',
        colour,
        document.problem_message,
        word,
    )


def name_cell(source: Source) -> SafeString:
    return format_html(
        '<a class="td-flow src-name" href="{}"><span class="material-symbols-outlined" '
        'aria-hidden="true">{}</span><span><strong>{}</strong><span>{}{}</span></span></a>',
        reverse("admin:ingestion_source_change", args=[source.pk]),
        ICONS[SourceKind(source.kind)],
        source.name,
        SourceKind(source.kind).label,
        ", shared" if source.shared else "",
    )


def did(source: Source) -> str:
    """What its newest sync did, in words: `12 added, 3 failed`."""
    if source.counts_of is None:
        return "–"
    said = [f"{n:,} {COUNT_WORDS[name]}" for name, n in counts_of(source).items() if n]
    return ", ".join(said) or "nothing new"


def next_sync(source: Source) -> SafeString:
    schedule = source.schedule
    if schedule is None:
        return SafeString('<span class="td-quiet">by hand</span>')
    if source.paused or schedule.paused:
        return SafeString('<span class="td-quiet">paused</span>')
    return when(schedule.next_at)


def facts(source: Source) -> list[tuple[str, str]]:
    """The settings that say something, by their labels; secrets as dots."""
    declared = connectors.all_connectors().get(source.kind)
    if declared is None:
        return []
    shown = masked_wire(source.settings)
    said = []
    for field in form_fields(declared.settings):
        value: Any = shown
        for name in field.name.split("."):
            value = value.get(name) if isinstance(value, dict) else value
        if value in (None, "", [], {}) or value == field.default:
            continue
        words = dict(field.choices)
        text = ", ".join(map(str, value)) if isinstance(value, list) else str(value)
        if isinstance(value, bool):
            text = "yes" if value else "no"
        label = f"{field.group}: {field.label}" if field.group else field.label
        said.append((label, words.get(value, text) if isinstance(value, str) else text))
    return said


def job_counts(job: Job) -> str:
    """What a sync's job says that it did."""
    result: dict[str, Any] = job.result if isinstance(job.result, dict) else {}
    said = [
        f"{result[name]:,} {word}"
        for name, word in COUNT_WORDS.items()
        if isinstance(result.get(name), int) and result[name]
    ]
    return ", ".join(said)
