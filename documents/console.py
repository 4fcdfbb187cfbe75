"""How the console words and draws documents."""

from __future__ import annotations

from typing import Any

from django.template.defaultfilters import filesizeformat
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from documents import media
from documents.models import Document, DocumentVersion, ReadState
from jobs.models import TERMINAL

ICONS = {
    media.PDF: "picture_as_pdf",
    media.CSV: "table",
    media.TSV: "table",
    media.XLSX: "table",
    media.XLSM: "table",
    media.XLS: "table",
    media.ODS: "table",
    media.PPTX: "slideshow",
    media.EML: "mail",
    media.MSG: "mail",
    media.HTML: "code",
    media.ZIP: "folder_zip",
}
# The state's word, and the colour that the chip of a job in that status has.
STATES = {
    ReadState.UNREAD: ("Not read", "queued"),
    ReadState.READ: ("Read", "succeeded"),
    ReadState.EMPTY: ("No text", "warning"),
    ReadState.NEEDS_PASSWORD: ("Needs password", "warning"),
    ReadState.FAILED: ("Not readable", "failed"),
    ReadState.UNSUPPORTED: ("Kept as is", "cancelled"),
}


def icon(media_type: str) -> str:
    """The name of the symbol for a type."""
    if media_type.startswith("image/"):
        return "image"
    return ICONS.get(media_type, "description")


def is_being_read(version: DocumentVersion | None) -> bool:
    job = version.read_job if version is not None else None
    return job is not None and job.status not in TERMINAL


def chip(version: DocumentVersion | None) -> SafeString:
    """The reading's state as a coloured word."""
    if version is None:
        return SafeString("")
    if is_being_read(version):
        return SafeString('<span class="doc-state" data-state="running">Reading</span>')
    word, colour = STATES[ReadState(version.read_state)]
    return format_html(
        '<span class="doc-state" data-state="{}" title="{}">{}</span>',
        colour,
        version.read_message,
        word,
    )


def size(version: DocumentVersion | None) -> str:
    return filesizeformat(version.size_bytes) if version is not None else ""


def extent(version: DocumentVersion | None) -> str:
    """How much was read, in words: `12 pages, 3 tables`."""
    if version is None or version.read_state != ReadState.READ:
        return "–"
    parts = [(version.pages, "page"), (version.n_tables, "table")]
    if version.media_type in {media.XLSX, media.XLSM, media.XLS, media.ODS}:
        parts[0] = (version.pages, "sheet")
    elif version.media_type == media.PPTX:
        parts[0] = (version.pages, "slide")
    elif version.media_type != media.PDF and version.pages == 1:
        parts = parts[1:]
    said = [f"{count:,} {word}{'' if count == 1 else 's'}" for count, word in parts if count]
    return ", ".join(said) or "text"


ACTION_WORDS = {
    "document.upload": "Uploaded",
    "document.add_version": "Added a version",
    "document.view": "Opened",
    "document.preview": "Looked at",
    "document.download": "Downloaded",
    "document.edit": "Changed",
    "document.delete": "Deleted",
    "document.restore": "Restored",
    "document.expire": "Expired",
    "document.purge": "Removed its bytes",
    "document.comment": "Commented",
    "document.set_password": "Entered its password",
    "document.forget_password": "Forgot its password",
}


def action_words(action: str) -> str:
    return ACTION_WORDS.get(action) or action.partition(".")[2].replace("_", " ").capitalize()


def audit_detail(data: dict[str, Any]) -> str:
    """What an entry of the trail says besides, in a line."""
    parts = []
    for name in ("error", "reason"):
        if data.get(name):
            parts.append(str(data[name]))
    if data.get("version"):
        parts.append(f"version {data['version']}")
    for field, (old, new) in data.get("changed", {}).items():
        parts.append(f"{field}: {_plain(old)} → {_plain(new)}")
    if data.get("range"):
        parts.append(str(data["range"]))
    return " · ".join(parts)


def _plain(value: Any) -> str:
    if isinstance(value, list):
        return ", ".join(map(str, value)) or "none"
    return "none" if value in (None, "") else str(value)


def name_cell(document: Document) -> SafeString:
    """A list's cell: symbol, name, tags; the link is drawn around it."""
    version = document.current
    tags = format_html_join(
        "", '<span class="doc-tag">{}</span>', ((tag,) for tag in document.tags[:6])
    )
    return format_html(
        '<span class="doc-name"><span class="material-symbols-outlined" aria-hidden="true">{}</span>'
        '<span><span class="td-strong">{}</span>{}</span></span>',
        icon(version.media_type if version else ""),
        document.name,
        format_html('<span class="doc-tags">{}</span>', tags) if document.tags else "",
    )
