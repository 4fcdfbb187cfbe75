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
    for start, end in _marked(text, wanted):
        if spans and start < spans[-1][1]:
            spans[-1] = (spans[-1][0], max(spans[-1][1], end))
        else:
            spans.append((start, end))
    return spans


def _marked(text: str, wanted: frozenset[str]) -> Iterator[Span]:
    """The wanted words of `text`; of plain text only those are analysed that begin as one does."""
    if not text.isascii():
        yield from ((word.start, word.end) for word in analysis.words(text) if word.term in wanted)
        return
    if (pattern := _beginnings(wanted)) is None:
        return
    for match in pattern.finditer(text):
        for term, start, end, _ in _analysed(match.group()):
            if term in wanted:
                yield match.start() + start, match.start() + end


@lru_cache(maxsize=50_000)
def _analysed(word: str) -> tuple[analysis.Word, ...]:
    # Texts use the same words again and again.
    return tuple(analysis.words(word))


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
    # Marked words ascend: those from `first` to before `last` lie in the part that begins at the first.
    inside: dict[str, int] = {}
    last = 0
    for first, (start, _, word) in enumerate(marked):
        last = max(last, first)
        while last < len(marked) and marked[last][1] <= start + most - 40:
            inside[marked[last][2]] = inside.get(marked[last][2], 0) + 1
            last += 1
        score = (len(inside), last - first)
        if score > best:
            best, at = score, start
        if last > first:
            inside[word] -= 1
            if not inside[word]:
                del inside[word]
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
