"""What sort of thing a cell holds, told from its looks."""

from __future__ import annotations

import re
from datetime import date, time, timedelta
from functools import lru_cache
from typing import Any

from documents.extraction.values import _EMAIL, _ISO_TIME, _TIME, _URL, number_shape, readings

EMPTY, NUMBER, DATE, BOOL, LINK, CODE, TEXT = "endbmct"
# What a header does not look like.
VALUES = frozenset({NUMBER, DATE, BOOL, LINK, CODE})
_TWO_DIGITS = re.compile(r"\d\D*\d")


def shape(value: Any) -> str:
    """One letter: empty, number, date, bool, link, code (letters and digits in one word) or text."""
    if isinstance(value, str):
        return _text_shape(value.strip()) if len(value) < 200 else TEXT
    if value is None:
        return EMPTY
    if isinstance(value, bool):
        return BOOL
    if isinstance(value, date | time | timedelta):
        return DATE
    return NUMBER


@lru_cache(maxsize=65_536)
def _text_shape(text: str) -> str:
    if not text:
        return EMPTY
    if any(char.isdigit() for char in text):
        if number_shape(text):
            return NUMBER
        if readings(text) or _TIME.fullmatch(text):
            return DATE
        if (match := _ISO_TIME.search(text)) and readings(text[: match.start()]):
            return DATE
        if " " not in text and len(text) >= 4 and _TWO_DIGITS.search(text) and "\n" not in text:
            return LINK if _EMAIL.fullmatch(text) or _URL.fullmatch(text) else CODE
    if ("@" in text or "." in text) and (_EMAIL.fullmatch(text) or _URL.fullmatch(text)):
        return LINK
    return TEXT
