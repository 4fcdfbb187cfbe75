"""A sheet's rows as tables are looked for in them, and which columns stand side by side."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Iterator
from typing import Any

from documents.extraction.definition import TableRules
from documents.extraction.grids import Grid, Row, Sheet, is_empty, text_of
from documents.extraction.headers import Vocabulary, normalised
from documents.extraction.shapes import TEXT, shape

# The rows by which a sheet's tables are told to stand side by side.
ASIDE_ROWS = 200


def prepared_rows(grid: Grid, sheet: Sheet, rules: TableRules) -> Iterator[Row]:
    """The sheet's rows that are to be seen, without empty cells at their ends; blank rows left out.

    A merged cell's value stands in each of its rows where the rules say so.
    """
    hidden = frozenset() if rules.keep_hidden else sheet.hidden_rows
    fills: list[tuple[int, int, int, Any]] | None = None
    open_fills: list[tuple[int, int, Any]] = []
    position = 0
    for number, cells in grid.rows(sheet):
        if fills is None:
            tall = [area for area in sheet.merged if area[2] > area[0]] if rules.fill_merged else []
            fills = [(top, left, bottom, None) for top, left, bottom, _ in sorted(tall)]
        if fills or open_fills:
            open_fills = [fill for fill in open_fills if fill[0] >= number]
            if open_fills:
                cells = list(cells)
                for _, left, value in open_fills:
                    while len(cells) < left:
                        cells.append(None)
                    if is_empty(cells[left - 1]):
                        cells[left - 1] = value
            while position < len(fills) and fills[position][0] <= number:
                top, left, bottom, _ = fills[position]
                position += 1
                if top == number and left <= len(cells) and not is_empty(cells[left - 1]):
                    open_fills.append((bottom, left, cells[left - 1]))
        if number in hidden:
            continue
        last = len(cells)
        while last and ((value := cells[last - 1]) is None or value == "" or is_empty(value)):
            last -= 1
        if last:
            yield Row(number, cells if last == len(cells) else cells[:last])


def bands_of(
    grid: Grid, sheet: Sheet, rules: TableRules, vocabulary: Vocabulary
) -> list[tuple[int, int | None]]:
    """Ranges of columns that hold tables of their own; one without an end where nothing stands aside."""
    seen: list[Row] = []
    for row in prepared_rows(grid, sheet, rules):
        seen.append(row)
        if len(seen) >= ASIDE_ROWS:
            break
    used = Counter(
        column for row in seen for column, value in enumerate(row.cells, 1) if not is_empty(value)
    )
    if not used:
        return []
    groups: list[list[int]] = []
    for column in sorted(used):
        if groups and column == groups[-1][-1] + 1:
            groups[-1].append(column)
        else:
            groups.append([column])
    groups = [group for group in groups if len(group) >= max(2, rules.min_columns)] or groups[:1]
    whole: list[tuple[int, int | None]] = [(1, None)]
    if len(groups) < 2 or len(groups) > 12:
        return whole
    spans = [(group[0], group[-1]) for group in groups]
    facts = [_extent(seen, first, last, vocabulary) for first, last in spans]
    for one, other in itertools.pairwise(facts):
        same_words = one[2] & other[2]
        apart = abs(one[0] - other[0]) >= 2 or abs(one[1] - other[1]) >= 2
        if not (same_words or (apart and one[2] and other[2])):
            return whole
    return [
        (
            1 if position == 0 else first,
            None if position == len(spans) - 1 else spans[position + 1][0] - 1,
        )
        for position, (first, _) in enumerate(spans)
    ]


def _extent(
    rows: list[Row], first: int, last: int, vocabulary: Vocabulary
) -> tuple[int, int, frozenset[str]]:
    """The first and last row with two cells in this range, and the words of its header."""
    numbers = []
    words: frozenset[str] = frozenset()
    for row in rows:
        cells = [value for value in row.cells[first - 1 : last] if not is_empty(value)]
        if len(cells) >= 2:
            numbers.append(row.number)
            if not words and all(shape(value) == TEXT for value in cells):
                words = frozenset(normalised(text_of(value)) for value in cells)
    return (numbers[0], numbers[-1], words) if numbers else (0, 0, frozenset())
