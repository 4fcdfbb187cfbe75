"""Tables on PDF pages that are only set in columns: found by gaps that several rows share.

Much on a page is split alike by chance, or is no table: formulas, lists, two columns of text, the head
of a letter. bench/documents.py counts how often one of these is taken for a table.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from unicodedata import category

from documents.structure import Box

MIN_ROWS = 3
# Between columns lies at least this much of a letter's height.
GAP = 1.1
# Edges of a column's cells are at one place within so many points.
ALIGNED = 3.0
NUMBER = re.compile(r"[-+(]?[\d.,' ]*\d[\d.,' ]*\)?\s*[%€$£]?|[€$£]\s*[-\d.,' ]+")
_MARK = re.compile(r"[•◦▪‣∙·–—*-]|[\[(]?(?:\d{1,3}|[a-zA-Z]|[ivx]{1,5})[.)\]]{1,2}")
_ENTRY = re.compile(r"[^\W\d_]{2}.*, \d{1,4}(?:[,–-] ?\d{1,4})*$")
# Dots that lead to a page number, and letters that the font does not name.
_NO_CELL = re.compile(r"(?:\. ?){5,}|\(cid:\d+\)")

# What a cell shows, where, and how many rows and columns it covers.
Seen = tuple[str, Box, int, int]
Cells = list[list[Seen | None]]


@dataclass(frozen=True, slots=True)
class _Word:
    text: str
    x0: float
    x1: float
    top: float
    bottom: float


def with_gaps(page: Any, taken: Sequence[Box]) -> list[tuple[Box, Cells]]:
    """Tables without lines: rows that follow one another and are split at the same columns."""
    words = [
        _Word(word["text"], word["x0"], word["x1"], word["top"], word["bottom"])
        for word in page.extract_words(x_tolerance=1.5, y_tolerance=2)
        if not any(_inside(word, box) for box in taken)
    ]
    rows = [_segments(line) for line in _text_lines(words)]
    found = []
    run: list[list[_Word]] = []
    for row in [*rows, []]:
        near = not run or (
            row and row[0].top - run[-1][0].bottom < 2.2 * (row[0].bottom - row[0].top)
        )
        if len(row) >= 2 and near:
            run.append(row)
            continue
        if len(run) >= MIN_ROWS and (table := _columns(run)) is not None:
            found.append(table)
        run = [row] if len(row) >= 2 else []
    return found


def _inside(word: Any, box: Box) -> bool:
    middle_x, middle_y = (word["x0"] + word["x1"]) / 2, (word["top"] + word["bottom"]) / 2
    return bool(box[0] - 1 <= middle_x <= box[2] + 1 and box[1] - 1 <= middle_y <= box[3] + 1)


def _text_lines(words: Sequence[_Word]) -> list[list[_Word]]:
    lines: list[list[_Word]] = []
    for word in sorted(words, key=lambda each: (each.bottom, each.x0)):
        if lines and abs(lines[-1][0].bottom - word.bottom) < 3:
            lines[-1].append(word)
        else:
            lines.append([word])
    return [sorted(line, key=lambda each: each.x0) for line in lines]


def _segments(line: Sequence[_Word]) -> list[_Word]:
    """Words of a line joined where no wide gap is between them."""
    joined: list[_Word] = []
    for word in line:
        if joined and word.x0 - joined[-1].x1 < GAP * (word.bottom - word.top):
            last = joined[-1]
            joined[-1] = _Word(
                f"{last.text} {word.text}",
                last.x0,
                word.x1,
                min(last.top, word.top),
                max(last.bottom, word.bottom),
            )
        else:
            joined.append(word)
    return joined


def _columns(
    rows: Sequence[Sequence[_Word]],
) -> tuple[Box, Cells] | None:
    """The rows laid out in the columns that they share; None: they share none, it is running text."""
    bands: list[list[float]] = []
    for x0, x1 in sorted((word.x0, word.x1) for row in rows for word in row):
        if bands and x0 <= bands[-1][1] + 1:
            bands[-1][1] = max(bands[-1][1], x1)
        else:
            bands.append([x0, x1])
    if len(bands) < 2:
        return None
    grid: Cells = []
    filled = 0
    for row in rows:
        line: list[Seen | None] = [None] * len(bands)
        for word in row:
            col = next(n for n, band in enumerate(bands) if word.x0 <= band[1] + 0.5)
            line[col] = (word.text, rounded((word.x0, word.top, word.x1, word.bottom)), 1, 1)
            filled += 1
        grid.append(line)
    if filled < 0.75 * len(rows) * len(bands) or not _looks_like_one(rows, grid):
        return None
    box = rounded(
        (
            min(word.x0 for row in rows for word in row),
            min(word.top for row in rows for word in row),
            max(word.x1 for row in rows for word in row),
            max(word.bottom for row in rows for word in row),
        )
    )
    return box, grid


def _looks_like_one(rows: Sequence[Sequence[_Word]], grid: Cells) -> bool:
    """Whether lines that are split alike are rows of a table: not formulas, a list, columns of text."""
    texts = [word.text.strip() for row in rows for word in row]
    if any(_NO_CELL.search(text) for text in texts):
        return False
    columns = [[cell for cell in column if cell is not None] for column in zip(*grid, strict=True)]
    # A column that most rows leave empty, or whose cells stand at no common edge, is chance.
    if any(len(column) < 0.55 * len(grid) or not _aligned(column) for column in columns):
        return False
    if sum(map(_is_formula, texts)) > 0.2 * len(texts):
        return False
    mean = sum(map(len, texts)) / len(texts)
    if sum(bool(_ENTRY.search(text)) for text in texts) > 0.5 * len(texts):
        return False  # an index: words with their pages
    numbers = sum(bool(NUMBER.fullmatch(text)) for text in texts)
    # Text in two columns is split alike too: its pieces are long, and no numbers.
    if mean > 45 or (len(columns) == 2 and not numbers and mean > 25):
        return False
    if len(columns) == 2:
        if sum(bool(_MARK.fullmatch(text)) for text, _, _, _ in columns[0]) > 0.6 * len(columns[0]):
            return False  # a list: its marks, and what they mark
        last = sum(bool(NUMBER.fullmatch(text.strip())) for text, _, _, _ in columns[1])
        # Two columns of words must be more than the head of a letter.
        return len(rows) > 3 or last > 0.6 * len(columns[1])
    return True


def _aligned(column: Sequence[Seen]) -> bool:
    """Whether most cells have their left edge, their right edge or their middle in common."""
    boxes = [box for _, box, _, _ in column]
    for edges in (
        [box[0] for box in boxes],
        [box[2] for box in boxes],
        [(box[0] + box[2]) / 2 for box in boxes],
    ):
        usual = sorted(edges)[len(edges) // 2]
        if sum(abs(edge - usual) <= ALIGNED for edge in edges) >= 0.65 * len(edges):
            return True
    return False


def _is_formula(text: str) -> bool:
    """Whether a piece of text is one of mathematics: begins with a relation, or is mostly symbols."""
    plain = text.replace(" ", "")
    if len(plain) == 1:
        return not plain.isdigit() and plain not in "-–—•xX✓✗*"
    if plain[0] in "=≤≥≠≈≅∼⇔⇒→↦:∈⊂⊆<>" and len(plain) > 1:
        return True
    symbols = sum(
        char in "∣|{}∅′" or "α" <= char <= "ω" or category(char) == "Sm" for char in plain
    )
    return symbols > 0.25 * len(plain)


def rounded(box: Sequence[float]) -> Box:
    x0, top, x1, bottom = box
    return (round(x0, 1), round(top, 1), round(x1, 1), round(bottom, 1))
