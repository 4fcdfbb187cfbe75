"""Cutting a document into chunks: what a search finds, cites and opens.

A chunk is a run of blocks under one heading and on one page, of as many tokens as the embedding
model reads, its heading path included. Tables and paragraphs stay whole where they fit. Where they
do not, tables are cut between rows and paragraphs between sentences; only a sentence that does
not fit is cut between words, and its parts overlap. Every character that is no white space lies
in some chunk.
"""

from __future__ import annotations

import itertools
import re
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from documents.structure import Structure, Table
from ingestion.embedding import tokens

# Raised when the same text is cut otherwise.
VERSION = 1
# Of a chunk's tokens at most so many are its headings'.
HEADER_TOKENS = 40
HEADING_CHARS = 200
OVERLAP_TOKENS = 32
# Of a run of characters that the tokenizer takes for one word.
MAX_CHARS = 2_000
_SENTENCE_END = re.compile(r"(?<=[.!?…。！？])[\"'”’)\]]*\s+|\n+|(?<=[。！？])")


@dataclass(frozen=True, kw_only=True)
class Span:
    """One chunk: `text[start:end]` of the structure's text. `tokens` without headings and specials."""

    start: int
    end: int
    heading_path: tuple[str, ...] = ()
    page: int | None = None
    anchor: str = ""
    tokens: int = 0


@dataclass(frozen=True, slots=True)
class _Unit:
    start: int
    end: int
    page: int | None
    # 0: no heading.
    level: int = 0
    anchor: str = ""
    # Where it may be cut, if it has places of its own for that.
    cuts: tuple[int, ...] = ()


def header(heading_path: Sequence[str], text: str) -> str:
    """What the model reads before the chunk's text, so that it is understood alone; may be empty."""
    path = [each for each in dict.fromkeys(heading_path) if each and not begins_with(text, each)]
    if not path:
        return ""
    line = " › ".join(path)
    offsets = tokens.offsets(line)
    if len(offsets) > HEADER_TOKENS:
        # The nearest headings say most.
        line = line[offsets[-HEADER_TOKENS][0] :]
    return line + "\n"


def begins_with(text: str, heading: str) -> bool:
    """Whether the heading is the text's beginning, however its white space runs."""
    beginning = " ".join(text[: 2 * len(heading) + 20].split())
    return beginning.startswith(" ".join(heading.split()))


def embedded_text(heading_path: Sequence[str], text: str) -> str:
    """What stands for a chunk when it is embedded."""
    return header(heading_path, text) + text


def split(
    structure: Structure, *, title: str = "", max_tokens: int = tokens.MAX_TOKENS
) -> list[Span]:
    """The structure's chunks, front to back.

    `max_tokens` counts the document's title and the headings, which the model reads before each,
    and the two specials.
    """
    made: list[Span] = []
    path: list[tuple[int, str, str]] = []
    held: list[_Unit] = []

    def flush() -> None:
        if held:
            made.extend(_spans(structure.text, held, path, title, max_tokens))
            held.clear()

    for unit in _units(structure):
        # A heading directly below another one stays with it.
        if held and (unit.page != held[0].page or (unit.level and not all(u.level for u in held))):
            flush()
        if unit.level:
            while path and path[-1][0] >= unit.level:
                path.pop()
            words = " ".join(structure.text[unit.start : unit.end].split())
            path.append((unit.level, words[:HEADING_CHARS], unit.anchor))
        held.append(unit)
    flush()
    return made


def _units(structure: Structure) -> Iterator[_Unit]:
    """All text of the structure, in order and without overlaps."""
    found = [
        _Unit(
            block.place.start,
            block.place.end,
            block.place.page,
            max(block.level, 1) if block.kind == "heading" else 0,
            block.anchor,
        )
        for block in structure.blocks
    ]
    found += [
        _Unit(table.place.start, table.place.end, table.place.page, cuts=_row_starts(table))
        for table in structure.tables
    ]
    pages = [(page.start, page.end, page.number) for page in structure.pages]
    at = 0
    for unit in sorted(found, key=lambda each: (each.start, -each.end)):
        if unit.end <= at:  # Empty, or within a table that came before.
            continue
        yield from _between(structure.text, at, unit.start, pages)
        start, end = _trimmed(structure.text, max(unit.start, at), unit.end)
        at = unit.end
        if start < end:
            page = unit.page if unit.page is not None else _page_at(start, pages)
            yield _Unit(start, end, page, unit.level, unit.anchor, unit.cuts)
    yield from _between(structure.text, at, len(structure.text), pages)


def _between(text: str, start: int, end: int, pages: list[tuple[int, int, int]]) -> Iterator[_Unit]:
    """Text that no block holds, page by page and paragraph by paragraph."""
    if not text[start:end].strip():
        return
    edges = sorted(
        {start, end, *(p for low, high, _ in pages for p in (low, high) if start < p < end)}
    )
    for low, high in itertools.pairwise(edges):
        for match in re.finditer(r"(?:(?!\n[ \t]*\n).)+", text[low:high], re.DOTALL):
            first, last = _trimmed(text, low + match.start(), low + match.end())
            if first < last:
                yield _Unit(first, last, _page_at(first, pages))


def _page_at(at: int, pages: list[tuple[int, int, int]]) -> int | None:
    # One page alone says nothing about where.
    if len(pages) < 2:
        return None
    before = bisect_left(pages, (at + 1,)) - 1
    return pages[max(before, 0)][2]


def _row_starts(table: Table) -> tuple[int, ...]:
    starts: dict[int, int] = {}
    for cell in table.cells:
        if cell.place.end > cell.place.start:
            starts[cell.row] = min(starts.get(cell.row, cell.place.start), cell.place.start)
    return tuple(sorted(starts.values())[1:])


def _trimmed(text: str, start: int, end: int) -> tuple[int, int]:
    piece = text[start:end]
    return start + len(piece) - len(piece.lstrip()), end - (len(piece) - len(piece.rstrip()))


def _spans(
    text: str,
    units: Sequence[_Unit],
    path: Sequence[tuple[int, str, str]],
    title: str,
    max_tokens: int,
) -> Iterator[Span]:
    """The chunks of one section (of one page of it)."""
    headings = tuple(words for _, words, _ in path)
    room = max_tokens - tokens.SPECIALS - tokens.count(header((title, *headings), ""))
    if room < 1:
        raise ValueError(f"max_tokens={max_tokens} leaves no room for text.")
    anchor = next((mark for _, _, mark in reversed(path) if mark), "")
    for start, end in _packed(text, units, room):
        # A paragraph's own id is nearer than its heading's.
        near = [unit.anchor for unit in units if unit.anchor and unit.start <= start]
        yield Span(
            start=start,
            end=end,
            heading_path=headings,
            page=units[0].page,
            anchor=near[-1] if near else anchor,
            tokens=tokens.count(text[start:end]),
        )


def _packed(text: str, units: Sequence[_Unit], room: int) -> Iterator[tuple[int, int]]:
    """Runs of units, and parts of too large ones, of at most `room` tokens each."""
    start = end = -1
    used = 0
    for unit in units:
        size = tokens.count(text[unit.start : unit.end])
        fits = size <= room and unit.end - unit.start <= MAX_CHARS
        joined = start >= 0 and used + size <= room and unit.end - start <= MAX_CHARS
        if fits and joined:
            end, used = unit.end, used + size
            continue
        if start >= 0:
            # A heading alone goes with what follows, cut or not.
            first = start if not fits and used <= room // 4 else unit.start
            if first == unit.start:
                yield start, end
        else:
            first = unit.start
        if fits:
            start, end, used = unit.start, unit.end, size
            continue
        parts = list(_parts(text, first, unit.end, unit.cuts, room))
        yield from parts[:-1]
        start, end = parts[-1]
        used = tokens.count(text[start:end])
    if start >= 0:
        yield start, end


def _parts(
    text: str, start: int, end: int, cuts: Sequence[int], room: int
) -> Iterator[tuple[int, int]]:
    """`text[start:end]` in parts of at most `room` tokens, at the best places there are."""
    words = [(start + low, start + high) for low, high in tokens.offsets(text[start:end])]
    if not words:  # Nothing that the tokenizer knows: control characters, say.
        yield start, end
        return
    # Characters before the first and after the last word belong to them.
    words[0], words[-1] = (start, words[0][1]), (words[-1][0], end)
    starts = [low for low, _ in words]
    best = cuts or [start + match.end() for match in _SENTENCE_END.finditer(text[start:end])]
    first = 0
    while first < len(words):
        last = min(first + room, len(words))
        while last > first + 1 and words[last - 1][1] - words[first][0] > MAX_CHARS:
            last -= 1
        overlap = 0
        if last < len(words):
            cut = _cut(starts, best, first, last)
            if cut is None:
                last = _between_words(words, first, last)
                overlap = min(OVERLAP_TOKENS, (last - first) // 4)
            else:
                last = cut
        low = words[first][0]
        # What lies between two words (a character that is none) belongs to the one before.
        high = end if last == len(words) else words[last][0]
        low, high = _trimmed(text, low, high)
        if low < high:
            yield from _certain(text, low, high, room)
        if last == len(words):
            return
        first = _word_start(words, max(last - overlap, first + 1))


def _cut(starts: list[int], places: Sequence[int], first: int, last: int) -> int | None:
    """The number of the word at the last of `places` in the second half of the words given."""
    edge = starts[last] if last < len(starts) else starts[-1]
    at = bisect_left(places, edge + 1) - 1
    while at >= 0:
        word = bisect_left(starts, places[at])
        if word <= first + (last - first) // 3:
            return None
        if word <= last:
            return word
        at -= 1
    return None


def _between_words(words: list[tuple[int, int]], first: int, last: int) -> int:
    """`last`, or a little before, so that no word is cut apart."""
    at = last
    while at > first + 1 and words[at - 1][1] == words[at][0]:
        at -= 1
    return at if at > first + 1 else last


def _word_start(words: list[tuple[int, int]], at: int) -> int:
    while at < len(words) - 1 and words[at - 1][1] == words[at][0]:
        at += 1
    return at


def _certain(text: str, start: int, end: int, room: int) -> Iterator[tuple[int, int]]:
    """The part, halved as often as needed: cut inside a word, its pieces may have more tokens."""
    if (tokens.count(text[start:end]) <= room and end - start <= MAX_CHARS) or end - start < 2:
        yield start, end
        return
    middle = (start + end) // 2
    for low, high in ((start, middle), (middle, end)):
        low, high = _trimmed(text, low, high)
        if low < high:
            yield from _certain(text, low, high, room)
