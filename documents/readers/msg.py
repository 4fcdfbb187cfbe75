"""Outlook messages (MSG): the streams of an OLE file, as [MS-OXMSG] names them."""

from __future__ import annotations

from typing import Any

import olefile

from documents.readers.base import Source, StructureBuilder, Unreadable, tidy
from documents.readers.encodings import decode
from documents.readers.html import add_html
from documents.readers.mail import MAX_ATTACHMENTS, add_attachment
from documents.readers.text import MAX_BYTES, add_paragraphs
from documents.structure import Structure

# Property ids: https://learn.microsoft.com/openspecs/exchange_server_protocols/ms-oxprops
_SUBJECT, _BODY, _HTML = "0037", "1000", "1013"
_SENDER, _SENDER_ADDRESS, _TO, _CC = "0C1A", "0C1F", "0E04", "0E03"
_ATTACH_DATA, _ATTACH_LONG_NAME, _ATTACH_NAME = "3701", "3707", "3704"


def read(source: Source) -> Structure:
    built = StructureBuilder(source.media_type)
    try:
        with olefile.OleFileIO(str(source.path)) as ole:
            _message(built, source, ole)
    except (OSError, ValueError, IndexError, KeyError, TypeError) as error:
        # olefile raises these on sectors that lead nowhere.
        raise Unreadable("damaged", f"The message can not be read: {error}"[:300]) from error
    return built.build()


def _message(built: StructureBuilder, source: Source, ole: Any) -> None:
    if not ole.exists("__properties_version1.0"):
        raise Unreadable("damaged", "The file is no Outlook message.")
    sender = " ".join(filter(None, (_text(ole, [], _SENDER), _text(ole, [], _SENDER_ADDRESS))))
    for name, value in (
        ("From", sender),
        ("To", _text(ole, [], _TO)),
        ("Cc", _text(ole, [], _CC)),
    ):
        built.meta(name.lower(), value)
        if value:
            built.block("paragraph", f"{name}: {value}")
    subject = _text(ole, [], _SUBJECT)
    built.meta("subject", subject)
    built.block("heading", subject, level=1)
    body = _text(ole, [], _BODY)
    html = _bytes(ole, [], _HTML, "0102")
    if body.strip():
        add_paragraphs(built, tidy(body))
    elif html:
        add_html(built, decode(html, declared=True)[0])
    folders = sorted(
        {path[0] for path in ole.listdir() if path[0].startswith("__attach_version1.0")}
    )
    for folder in folders[:MAX_ATTACHMENTS]:
        name = (
            _text(ole, [folder], _ATTACH_LONG_NAME)
            or _text(ole, [folder], _ATTACH_NAME)
            or "attachment"
        )
        data = _bytes(ole, [folder], _ATTACH_DATA, "0102")
        if data is None:
            built.warn(
                "objects_ignored", f"The attachment {name} is an embedded object; not opened."
            )
            continue
        add_attachment(built, source, name, data)


def _text(ole: Any, folder: list[str], property_id: str) -> str:
    wide = _bytes(ole, folder, property_id, "001F")
    if wide is not None:
        return wide.decode("utf-16-le", "replace").rstrip("\0")
    narrow = _bytes(ole, folder, property_id, "001E")
    return decode(narrow)[0].rstrip("\0") if narrow is not None else ""


def _bytes(ole: Any, folder: list[str], property_id: str, kind: str) -> bytes | None:
    path = [*folder, f"__substg1.0_{property_id}{kind}"]
    if not ole.exists(path):
        return None
    if ole.get_size(path) > MAX_BYTES:
        raise Unreadable("too_large", "The message has a part that is too large to be read.")
    with ole.openstream(path) as stream:
        data: bytes = stream.read()
    return data
