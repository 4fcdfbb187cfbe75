"""Mails (EML): their headers, their text, and the attachments that have a reader."""

from __future__ import annotations

import hashlib
import tempfile
from email import policy
from email.errors import MessageError
from email.message import EmailMessage
from email.parser import BytesParser
from pathlib import Path

from documents import media
from documents.names import clean_name
from documents.readers.base import Source, StructureBuilder, Unreadable, tidy
from documents.readers.html import add_html
from documents.readers.text import add_paragraphs, read_bytes
from documents.structure import Attachment, Structure

# A mail in a mail in a mail: deeper ones are noted, not opened.
MAX_DEPTH = 3
MAX_ATTACHMENTS = 200
_HEADERS = ("From", "To", "Cc", "Date", "Subject", "Message-ID")


def read(source: Source) -> Structure:
    built = StructureBuilder(source.media_type)
    try:
        parsed = BytesParser(policy=policy.default).parsebytes(read_bytes(source))
        message = parsed
        _headers(built, message)
        _body(built, message)
        for number, part in enumerate(message.iter_attachments(), 1):
            if number > MAX_ATTACHMENTS:
                built.warn("cut", f"Only the first {MAX_ATTACHMENTS} attachments were read.")
                break
            is_mail = part.get_content_type() == "message/rfc822"
            name = part.get_filename() or f"attachment {number}{'.eml' if is_mail else ''}"
            if is_mail and not name.lower().endswith(".eml"):
                name += ".eml"
            add_attachment(built, source, name, _content(part))
    except (MessageError, LookupError, ValueError, RecursionError) as error:
        raise Unreadable("damaged", f"The mail can not be read: {error}"[:300]) from error
    return built.build()


def _headers(built: StructureBuilder, message: EmailMessage) -> None:
    found = False
    for name in _HEADERS:
        value = tidy(str(message.get(name) or "")).replace("\n", " ").strip()
        built.meta(name.lower(), value)
        if value and name != "Message-ID":
            found = True
            if name == "Subject":
                built.block("heading", value, level=1)
            else:
                built.block("paragraph", f"{name}: {value}")
    if not found and not message.is_multipart():
        raise Unreadable("damaged", "The file has no mail headers: it is no mail, or cut off.")


def _body(built: StructureBuilder, message: EmailMessage) -> None:
    body = message.get_body(("plain", "html"))
    if body is None:
        return
    try:
        text = str(body.get_content())
    except (LookupError, KeyError):
        # A charset that Python does not know.
        payload = body.get_payload(decode=True)
        text = payload.decode("utf-8", "replace") if isinstance(payload, bytes) else ""
    if body.get_content_type() == "text/html":
        add_html(built, text)
    else:
        add_paragraphs(built, tidy(text))


def _content(part: EmailMessage) -> bytes:
    if part.get_content_type() == "message/rfc822":
        inner = part.get_payload()
        return inner[0].as_bytes() if isinstance(inner, list) and inner else b""  # type: ignore[union-attr]
    payload = part.get_payload(decode=True)
    return payload if isinstance(payload, bytes) else b""


def add_attachment(built: StructureBuilder, source: Source, name: str, data: bytes) -> None:
    """Append an attachment: its text where it can be read, and in any case that it is there."""
    from documents.readers import can_read
    from documents.readers import read as read_any

    name, _ = clean_name(name)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "attachment"
        path.write_bytes(data)
        try:
            media_type, _ = media.recognise(path=path, name=name)
        except media.ContentMismatch:
            media_type = media.BINARY
        described = Attachment(
            name=name,
            media_type=media_type,
            size_bytes=len(data),
            sha256=hashlib.sha256(data).hexdigest(),
        )
        if not data or not can_read(media_type):
            built.attach(described)
            return
        if source.depth >= MAX_DEPTH:
            built.attach(described)
            built.warn("too_deep", f"{name} lies too deep in attached mails; it was not opened.")
            return
        inner = Source(
            path=path,
            name=name,
            media_type=media_type,
            depth=source.depth + 1,
            ocr=source.ocr,
            ocr_languages=source.ocr_languages,
            find_tables=source.find_tables,
        )
        try:
            structure = read_any(inner)
        except Unreadable as error:
            built.attach(described)
            built.warn(error.code, f"The attachment {name} was not read: {error.message}")
            return
        built.block("heading", f"Attachment: {name}", level=2)
        built.include(structure, described)
