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
_EMOJI = "\U0001f1e6-\U0001f1ff\U0001f300-\U0001faff\u2600-\u27bf\u2b00-\u2bff"
_TOKEN = re.compile(
    rf"(?P<run>[{UNSPACED}]+)|(?P<word>(?:(?![{UNSPACED}])[^\W_])+)|(?P<emoji>[{_EMOJI}])"
)
# What holds together when it has a digit or more than hyphens between its parts.
_COMPOUND = re.compile(r"[^\W_]+(?:[-_.:/@#+]{1,3}[^\W_]+)+")


class Word(NamedTuple):
    """One word: `term` as the index knows it, and where it stands. Compounds overlap their parts."""

    term: str
    start: int
    end: int
    compound: bool = False


def words(text: str) -> Iterator[Word]:
    """The words of `text`, in order of their start; a compound comes before its parts."""
    compounds = iter(_compounds(text))
    waiting = next(compounds, None)
    for match in _TOKEN.finditer(text):
        while waiting is not None and waiting.start <= match.start():
            yield waiting
            waiting = next(compounds, None)
        if match.lastgroup == "word":
            yield Word(_term(match.group()), match.start(), match.end())
        elif match.lastgroup == "emoji":
            yield Word(match.group(), match.start(), match.end())
        else:
            yield from _pairs(match.group(), match.start())


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


def _compounds(text: str) -> Iterator[Word]:
    for match in _COMPOUND.finditer(text):
        whole = match.group()
        if len(whole) > LONGEST or _UNSPACED.search(whole):
            continue
        hyphens_alone = whole.replace("-", "").isalpha()
        if not hyphens_alone:
            yield Word("=" + fold(whole), match.start(), match.end(), True)


def _pairs(run: str, at: int) -> Iterator[Word]:
    for n, char in enumerate(run):
        yield Word(char, at + n, at + n + 1)
        if n + 1 < len(run):
            yield Word(run[n : n + 2], at + n, at + n + 2, True)
