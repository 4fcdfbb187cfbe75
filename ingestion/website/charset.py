"""The text of a page, whatever it says its charset is."""

from __future__ import annotations

import codecs
import re

from documents.readers.encodings import decode

_META = re.compile(rb"""<meta[^>]+charset\s*=\s*["']?\s*([\w.:-]+)""", re.I)
_HEADER = re.compile(r"""charset\s*=\s*["']?\s*([\w.:-]+)""", re.I)
# Encodings that write everything in bytes that are valid UTF-8 too.
_SEVEN_BIT = ("iso2022", "hz", "utf-7", "utf_7")
# WHATWG: what pages call by these names is Windows' superset.
_SUPERSETS = {"iso8859-1": "cp1252", "ascii": "cp1252", "iso8859-9": "cp1254", "gb2312": "gb18030"}
MOST_LOST = 0.01


def read(data: bytes, content_type: str) -> tuple[str, str, bool]:
    """Text, the encoding that it is in, and whether the page says another than that.

    What the bytes are decides before what is said: no text in another encoding happens to be
    UTF-8 with characters beyond ASCII in it.
    """
    said = _said(data, content_type)
    if data.startswith((codecs.BOM_UTF8, codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        text, name = decode(data)
        return text, name, bool(said) and said[0] != name
    seven_bit = bool(said) and said[0].startswith(_SEVEN_BIT)
    if not seven_bit:
        try:
            text = data.decode("utf-8")
        except UnicodeDecodeError:
            pass
        else:
            if "\0" not in text:
                return text, "utf-8", not text.isascii() and bool(said) and said[0] != "utf-8"
    for name in said:
        real = _SUPERSETS.get(name, name)
        text = data.decode(real, "replace")
        if text.count("\ufffd") <= len(text) * MOST_LOST:
            return text, real, name != said[0]
    text, name = decode(data)
    return text, name, bool(said)


def _said(data: bytes, content_type: str) -> list[str]:
    """What header and page say, as Python calls it; what it does not know says nothing."""
    found = [match.group(1) for match in [_HEADER.search(content_type)] if match]
    found += [match.group(1).decode("ascii") for match in [_META.search(data[:4096])] if match]
    names = []
    for each in found:
        try:
            info = codecs.lookup(each)
        except LookupError:
            continue
        if info._is_text_encoding:
            names.append(info.name)
    return list(dict.fromkeys(names))
