"""Which parts of a passage to show, and what in them to mark."""

from __future__ import annotations

from collections.abc import Collection, Iterable

from ingestion.index import analysis

SNIPPET_CHARS = 280
Span = tuple[int, int]


def highlights(text: str, terms: Collection[str]) -> list[Span]:
    """Where `text` has words of the question; ascending, without overlaps."""
    wanted = set(terms)
    spans: list[Span] = []
    for word in analysis.words(text):
        if word.term not in wanted:
            continue
        if spans and word.start < spans[-1][1]:
            spans[-1] = (spans[-1][0], max(spans[-1][1], word.end))
        else:
            spans.append((word.start, word.end))
    return spans


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
