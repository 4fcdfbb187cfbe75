"""Turning the bytes of text files into text."""

from __future__ import annotations

import codecs
import re

from charset_normalizer import from_bytes

_MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
_DECLARED = re.compile(
    rb"""<meta[^>]+charset\s*=\s*["']?\s*([\w.:-]+)|<\?xml[^>]+encoding\s*=\s*["']([\w.:-]+)""",
    re.I,
)


def decode(data: bytes, *, declared: bool = False) -> tuple[str, str]:
    """The text of `data`, and the encoding it was read as.

    A byte order mark decides; else, with `declared`, what HTML or XML say of themselves; else
    UTF-8 where it fits, UTF-16 where zeros show it, and the likeliest one-byte encoding. Bytes
    that fit nothing become U+FFFD.
    """
    for mark, name in _MARKS:
        if data.startswith(mark):
            return data[len(mark) :].decode(name, "replace"), name
    if declared and (match := _DECLARED.search(data[:4096])):
        name = (match.group(1) or match.group(2)).decode("ascii")
        try:
            return data.decode(name, "replace"), codecs.lookup(name).name
        except LookupError:
            pass  # a name that Python does not know tells nothing
    try:
        return data.decode("utf-8"), "utf-8"
    except UnicodeDecodeError as error:
        # Cut inside a character at the very end: still UTF-8.
        if error.start > 100 and error.end >= len(data) - 3:
            return data.decode("utf-8", "replace"), "utf-8"
    half = max(len(data) // 2, 1)
    zeros = (data[0::2].count(0) / half, data[1::2].count(0) / half)
    if max(zeros) > 0.2 and min(zeros) < 0.05:
        name = "utf-16-be" if zeros[0] > zeros[1] else "utf-16-le"
        return data.decode(name, "replace"), name
    guess = from_bytes(data[:200_000], cp_isolation=_ONE_BYTE).best()
    # Western first: short texts with a few accents fit many tables.
    name = "cp1252" if guess is None or len(data) < 2000 else guess.encoding
    return data.decode(name, "replace"), name


_ONE_BYTE = ["cp1252", "cp1250", "cp1251", "iso8859_15", "cp1253", "cp1254"]
