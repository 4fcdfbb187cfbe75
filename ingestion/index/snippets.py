"""Which parts of a passage to show, and what in them to mark."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator
from functools import lru_cache

from ingestion.index import analysis

SNIPPET_CHARS = 280
Span = tuple[int, int]


def highlights(text: str, terms: Collection[str]) -> list[Span]:
    """Where `text` has words of the question; ascending, without overlaps."""
    wanted = frozenset(terms)
    spans: list[Span] = []
    for word in _candidates(text, wanted):
        if word.term not in wanted:
            continue
        if spans and word.start < spans[-1][1]:
            spans[-1] = (spans[-1][0], max(spans[-1][1], word.end))
        else:
            spans.append((word.start, word.end))
    return spans


def _candidates(text: str, wanted: frozenset[str]) -> Iterator[analysis.Word]:
    """The words of `text` that may be wanted; of plain text those that begin as a wanted one does."""
    if not text.isascii():
        yield from analysis.words(text)
        return
    if (pattern := _beginnings(wanted)) is None:
        return
    for match in pattern.finditer(text):
        for word in analysis.words(match.group()):
            start, end = match.start() + word.start, match.start() + word.end
            yield analysis.Word(word.term, start, end, word.compound)


@lru_cache(maxsize=64)
def _beginnings(wanted: frozenset[str]) -> re.Pattern[str] | None:
    # No ending that is taken off reaches the first two letters.
    heads = {term.removeprefix("=")[:2] for term in wanted if term.isascii()}
    if not heads:
        return None
    either = "|".join(sorted(map(re.escape, heads), key=len, reverse=True))
    # With all that a compound may hold: its parts are marked one by one.
    return re.compile(rf"(?<![a-z0-9])(?:{either})[a-z0-9]*(?:[-_.:/@#+]{{1,3}}[a-z0-9]+)*", re.I)


def window(text: str, spans: Iterable[Span], most: int = SNIPPET_CHARS) -> Span:
    """The part of `text`, of about `most` characters, that has the most different marked words."""
    if len(text) <= most:
        return 0, len(text)
    marked = [(start, end, text[start:end].casefold()) for start, end in spans]
    best, at = (0, 0), 0
    for start, _, _ in marked:
        inside = [each for each in marked if start <= each[0] and each[1] <= start + most - 40]
        score = (len({word for _, _, word in inside}), len(inside))
        if score > best:
            best, at = score, start
    low = _word_start(text, max(0, min(at - 40, len(text) - most)))
    return low, _word_end(text, min(len(text), low + most))


def _word_start(text: str, at: int) -> int:
    if at == 0:
        return 0
    space = text.find(" ", at, at + 30)
    return space + 1 if space >= 0 else at


def _word_end(text: str, at: int) -> int:
    if at == len(text):
        return at
    space = text.rfind(" ", at - 30, at)
    return space if space > 0 else at
