"""Which rows head a table, and what its columns are called."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Any

from documents.extraction.definition import TableRules
from documents.extraction.grids import Row, Sheet, is_empty, text_of
from documents.extraction.headers import Vocabulary, is_filler, normalised
from documents.extraction.shapes import EMPTY, TEXT, VALUES, shape

MAX_HEADER_CHARS = 120
MAX_DEPTH = 3
BODY_ROWS = 12
# Header texts that are compared with the fields; a sheet of 10,000 columns has its name in the first.
COMPARED = 60


@dataclass(frozen=True, kw_only=True)
class Heading:
    """`first`: how many rows stand before the table in the window; `rows`: how many head it.

    `columns`: (number in the sheet, text, its parts from top to bottom).
    """

    first: int
    rows: int
    columns: list[tuple[int, str, tuple[str, ...]]]


@dataclass(frozen=True, kw_only=True)
class _Looks:
    """How much a row looks like a header; all are shares of 1."""

    text: float
    distinct: float
    contrast: float
    known: float
    width: float
    cells: int

    @property
    def score(self) -> float:
        return (
            0.35 * self.text
            + 0.1 * self.distinct
            + 0.25 * self.contrast
            + 0.6 * self.known
            + 0.25 * self.width
        )

    @property
    def heads(self) -> bool:
        """Text alone heads a table only where what follows looks different, or the words are known."""
        if self.known >= 0.5 and self.text >= 0.5:
            return True
        return (
            self.text >= 0.75 and self.distinct >= 0.6 and (self.contrast >= 0.2 or self.known > 0)
        )


def find_heading(
    window: list[Row], sheet: Sheet, rules: TableRules, vocabulary: Vocabulary
) -> Heading | None:
    """The heading of the first table in the window; None: there is no table in it."""
    widths = [_filled(row.cells) for row in window]
    if not window or max(widths) < rules.min_columns:
        return None
    if rules.header_rows is not None:
        return _fixed(window, widths, sheet, rules)
    if sheet.header_rows is not None and widths[0] >= rules.min_columns:
        return _heading(window, 0, sheet.header_rows, sheet)
    for position in range(min(len(window), 30)):
        if widths[position] < rules.min_columns:
            continue
        looks = _looks(window, position, vocabulary)
        if looks.heads:
            better = _better_below(window, position, looks, widths, rules, vocabulary)
            if better:
                continue
            depth = _depth(window, position, sheet, vocabulary)
            return _heading(window, position, depth, sheet)
        if _body_starts(window, position, widths, rules, vocabulary):
            # Rows of values with nothing above them that names them.
            first_texts = looks.text == 1 and looks.distinct == 1 and looks.contrast == 0
            if first_texts and not _alike(window, position):
                return _heading(window, position, 1, sheet)
            return _heading(window, position, 0, sheet)
    return None


def is_heading_row(row: Row, rules: TableRules, vocabulary: Vocabulary) -> bool:
    """Whether a row within a table surely heads another one: texts only, most of them known."""
    cells = [value for value in row.cells if not is_empty(value)]
    if len(cells) < max(2, rules.min_columns) or len(cells) > COMPARED:
        return False
    if any(not isinstance(value, str) or len(value) > MAX_HEADER_CHARS for value in cells):
        return False
    if any(shape(value) in VALUES for value in cells):
        return False
    known = sum(1 for value in cells if vocabulary.best(value) >= 0.8)
    return known >= 2 and known / len(cells) >= 0.5


def _fixed(window: list[Row], widths: list[int], sheet: Sheet, rules: TableRules) -> Heading | None:
    """The configuration says how many rows head a table: the first wide rows are they."""
    usual = sorted(width for width in widths if width >= rules.min_columns)
    wanted = max(rules.min_columns, usual[len(usual) // 2] // 2)
    for position, width in enumerate(widths):
        if width >= wanted:
            depth = min(rules.header_rows or 0, len(window) - position)
            return _heading(window, position, depth, sheet)
    return None


def _filled(cells: list[Any]) -> int:
    return sum(1 for value in cells if not is_empty(value))


def _looks(window: list[Row], position: int, vocabulary: Vocabulary) -> _Looks:
    row = window[position]
    filled = [(column, value) for column, value in enumerate(row.cells) if not is_empty(value)]
    shapes = [shape(value) for _, value in filled]
    texts = [text_of(value).strip() for _, value in filled]
    proper = sum(
        1
        for found, text in zip(shapes, texts, strict=True)
        if found == TEXT and len(text) <= MAX_HEADER_CHARS
    )
    below = window[position + 1 : position + 1 + BODY_ROWS]
    widest = max(
        (_filled(other.cells) for other in window[position : position + BODY_ROWS]), default=1
    )
    differs = compared = 0
    for (column, _), found in zip(filled[:COMPARED], shapes, strict=False):
        counted = Counter(
            shape(other.cells[column]) for other in below if column < len(other.cells)
        )
        counted.pop(EMPTY, None)
        if counted:
            compared += 1
            usual = counted.most_common(1)[0][0]
            differs += found == TEXT and usual in VALUES
    known = sum(1 for text in texts[:COMPARED] if text and vocabulary.best(text) >= 0.8)
    return _Looks(
        text=proper / len(filled),
        distinct=len({normalised(text) or text for text in texts}) / len(filled),
        contrast=differs / compared if compared else 0.0,
        known=known / min(len(texts), COMPARED),
        width=len(filled) / max(1, widest),
        cells=len(filled),
    )


def _better_below(
    window: list[Row],
    position: int,
    looks: _Looks,
    widths: list[int],
    rules: TableRules,
    vocabulary: Vocabulary,
) -> bool:
    """Whether one of the next rows heads the table far better: this one is a title beside a date or so."""
    if looks.known >= 0.5:
        return False
    for other in range(position + 1, min(position + 4, len(window))):
        if widths[other] < rules.min_columns or widths[other] <= widths[position]:
            continue
        found = _looks(window, other, vocabulary)
        if found.heads and found.score > looks.score + 0.1 and looks.width < 0.5:
            return True
    return False


def _body_starts(
    window: list[Row], position: int, widths: list[int], rules: TableRules, vocabulary: Vocabulary
) -> bool:
    """Whether rows of one make follow from here on, and no header comes after them at once."""
    here = window[position]
    alike = 0
    for other in range(position + 1, min(position + 4, len(window))):
        row = window[other]
        if widths[other] < rules.min_columns or row.number - window[other - 1].number > 1:
            break
        if _looks(window, other, vocabulary).heads and widths[other] > widths[position]:
            return False
        if abs(widths[other] - widths[position]) <= max(1, widths[position] // 3):
            alike += 1
    if len(window) == 1 or position == len(window) - 1:
        return widths[position] >= max(3, rules.min_columns) and any(
            shape(value) in VALUES for value in here.cells
        )
    return alike >= 1


def _alike(window: list[Row], position: int) -> bool:
    """Whether the first row of texts is made like those below: as long, and repeated among them."""
    here = {normalised(text_of(value)) for value in window[position].cells if not is_empty(value)}
    for other in window[position + 1 : position + 20]:
        if here & {normalised(text_of(value)) for value in other.cells if not is_empty(value)}:
            return True
    return False


def _depth(window: list[Row], position: int, sheet: Sheet, vocabulary: Vocabulary) -> int:
    """How many rows from `position` on make up the header."""
    best, best_known = 1, _known(window, position, 1, sheet, vocabulary)
    for depth in range(2, MAX_DEPTH + 1):
        last = position + depth - 1
        if last + 1 >= len(window) or window[last].number != window[last - 1].number + 1:
            break
        cells = [value for value in window[last].cells if not is_empty(value)]
        if not cells or any(shape(value) != TEXT for value in cells):
            break
        known = _known(window, position, depth, sheet, vocabulary)
        above = _filled(window[last - 1].cells)
        # A row of groups stands above a fuller one; its words need not be known.
        groups = _merged_across(window[last - 1], sheet) or (
            above < len(cells) and depth == 2 and _looks(window, last, vocabulary).contrast >= 0.3
        )
        if known > best_known + 0.05 or (groups and known >= best_known - 0.02):
            best, best_known = depth, max(known, best_known)
    return best


def _known(
    window: list[Row], position: int, depth: int, sheet: Sheet, vocabulary: Vocabulary
) -> float:
    columns = _heading(window, position, depth, sheet).columns
    texts = [text for _, text, _ in columns[:COMPARED] if text]
    return sum(vocabulary.best(text) for text in texts) / len(texts) if texts else 0.0


def _merged_across(row: Row, sheet: Sheet) -> bool:
    return any(
        top <= row.number <= bottom and right > left for top, left, bottom, right in sheet.merged
    )


def _heading(window: list[Row], position: int, depth: int, sheet: Sheet) -> Heading:
    rows = window[position : position + depth]
    body = window[position + depth : position + depth + BODY_ROWS]
    used = sorted(
        {
            column
            for row in (*rows, *_same_band(body, rows))
            for column, value in enumerate(row.cells, 1)
            if not is_empty(value)
        }
    )
    columns = []
    span = range(used[0], used[-1] + 1) if used and len(used) > 1 else used
    filled = [_across(row, sheet, fuller=rows[number + 1 :]) for number, row in enumerate(rows)]
    present = set(used)
    for column in span:
        if column not in present:
            continue
        parts = [texts.get(column, "") for texts in filled]
        kept = tuple(
            dict.fromkeys(part for part in parts if part and not (depth > 1 and is_filler(part)))
        )
        if not kept:
            kept = tuple(dict.fromkeys(part for part in parts if part))
        columns.append((column, " ".join(kept), kept))
    return Heading(first=position, rows=depth, columns=columns)


def _same_band(body: list[Row], rows: list[Row]) -> list[Row]:
    """Rows up to the first blank one: what follows it may be another table."""
    kept: list[Row] = []
    before = rows[-1].number if rows else None
    for row in body:
        if before is not None and row.number > before + 1 and kept:
            break
        kept.append(row)
        before = row.number
    return kept


def _across(row: Row, sheet: Sheet, fuller: list[Row]) -> dict[int, str]:
    """Column -> text of a header row; what spans several columns stands in each of them."""
    texts = {
        column: " ".join(text_of(value).split())
        for column, value in enumerate(row.cells, 1)
        if not is_empty(value)
    }
    spans = [
        area for area in sheet.merged if area[0] <= row.number <= area[2] and area[3] > area[1]
    ]
    for _, left, _, right in spans:
        for column in range(left, right + 1):
            texts.setdefault(column, texts.get(left, ""))
    if fuller and not spans and not sheet.merged:
        # Without merged cells a group reaches to the next one, over columns that the row below names.
        below = {
            column
            for other in fuller
            for column, value in enumerate(other.cells, 1)
            if not is_empty(value)
        }
        named = sorted(texts)
        for position, column in enumerate(named):
            end = (
                named[position + 1] if position + 1 < len(named) else max(below, default=column) + 1
            )
            for next_column in range(column + 1, end):
                if next_column in below and column in below:
                    texts.setdefault(next_column, texts[column])
    return texts
