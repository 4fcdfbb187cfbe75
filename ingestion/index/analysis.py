"""The words of a text as the index knows them, the same for texts and questions, on every database.

Case, accents and English endings do not count. `ABC-123`, `app.example/login` and other compounds
are found by their parts and, more precisely, as a whole. Scripts without spaces are cut into
characters and pairs of them. Emoji are words.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from functools import lru_cache
from hashlib import blake2b
from typing import NamedTuple

from ingestion.index.porter import stem
from jobs.search_index import UNSPACED

# Raised when the same text gives other terms: the index is then made anew.
VERSION = 1
LONGEST = 64
_UNSPACED = re.compile(f"[{UNSPACED}]")
_RUNS = re.compile(f"[{UNSPACED}]+|[^{UNSPACED}]+")
_EMOJI = "\U0001f1e6-\U0001f1ff\U0001f300-\U0001faff\u2600-\u27bf\u2b00-\u2bff"


def _marks() -> str:
    """Accents that are characters of their own, and the vowel signs of many scripts, as ranges."""
    points = [n for n in range(0x300, 0x10000) if unicodedata.category(chr(n))[0] == "M"]
    ranges: list[list[int]] = []
    for point in points:
        if ranges and point == ranges[-1][1] + 1:
            ranges[-1][1] = point
        else:
            ranges.append([point, point])
    return "".join(f"{chr(low)}-{chr(high)}" for low, high in ranges)


_JOINTS = "[-_.:/@#+]{1,3}"
_PART = rf"[^\W_](?:[^\W_]|[{_marks()}])*"
_PARTS = re.compile(_PART)
_ASCII_PARTS = re.compile("[a-zA-Z0-9]+")
# A word, or several that hold together.
_WHOLE = re.compile(rf"{_PART}(?:{_JOINTS}{_PART})*|[{_EMOJI}]")
_ASCII_WHOLE = re.compile(f"[a-zA-Z0-9]+(?:{_JOINTS}[a-zA-Z0-9]+)*")


class Word(NamedTuple):
    """One word: `term` as the index knows it, and where it stands. Compounds overlap their parts."""

    term: str
    start: int
    end: int
    compound: bool = False


def words(text: str) -> Iterator[Word]:
    """The words of `text`, in order of their start; a compound comes before its parts."""
    plain = text.isascii()
    whole, parts = (_ASCII_WHOLE, _ASCII_PARTS) if plain else (_WHOLE, _PARTS)
    for match in whole.finditer(text):
        found, start = match.group(), match.start()
        if plain and found.isalnum():
            yield Word(_term(found), start, match.end())
            continue
        if _holds_together(found):
            yield Word("=" + fold(found), start, match.end(), True)
        if not found[0].isalnum():
            yield Word(found, start, match.end())  # an emoji
            continue
        for part in parts.finditer(found):
            yield from _one(part.group(), start + part.start())


def terms(text: str) -> list[str]:
    return [word.term for word in words(text)]


@lru_cache(maxsize=200_000)
def number(term: str) -> int:
    """What the index stores of a term: 63 bits of its hash, from which nobody reads the text."""
    return int.from_bytes(blake2b(term.encode(), digest_size=8).digest(), "big") >> 1


def fold(text: str) -> str:
    """Without case and accents."""
    if text.isascii():
        return text.lower()
    plain = unicodedata.normalize("NFKD", text.casefold())
    return "".join(char for char in plain if not unicodedata.combining(char))


@lru_cache(maxsize=200_000)
def _term(word: str) -> str:
    folded = fold(word)
    if folded.isascii() and folded.isalpha():
        return stem(folded)[:LONGEST]
    return folded[:LONGEST]


def _holds_together(found: str) -> bool:
    """Whether it is a name of its own: with a digit, or joined by more than hyphens."""
    if len(found) > LONGEST or found.isalnum() or _UNSPACED.search(found):
        return False
    return any(char in "_.:/@#+" or char.isdigit() for char in found)


def _one(word: str, at: int) -> Iterator[Word]:
    if not _UNSPACED.search(word):
        yield Word(_term(word), at, at + len(word))
        return
    for run in _RUNS.finditer(word):
        if _UNSPACED.match(run.group()):
            yield from _pairs(run.group(), at + run.start())
        else:
            yield Word(_term(run.group()), at + run.start(), at + run.end())


def _pairs(run: str, at: int) -> Iterator[Word]:
    for n, char in enumerate(run):
        yield Word(char, at + n, at + n + 1)
        if n + 1 < len(run):
            yield Word(run[n : n + 2], at + n, at + n + 2, True)
