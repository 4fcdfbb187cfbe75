"""Tables on PDF pages: drawn with lines, or only set in columns.

pdfplumber knows lines well, and takes a hundred times as long as the text: it sees only pages
that can hold a table, which PDFium tells quickly. Columns without lines are found by gaps that
several rows share.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

import pdfplumber
import pypdfium2.raw as raw

from documents.readers.base import Source, StructureBuilder
from documents.structure import Box, Cell, Place, Table

# Pages that are looked at closely; at some fifteen a second this takes a minute and a half.
MAX_PAGES = 1_200
MIN_ROWS = 3
# Between columns lies at least this much of a letter's height.
GAP = 1.1
_NUMBER = re.compile(r"[-+(]?[\d.,' ]*\d[\d.,' ]*\)?\s*[%€$£]?|[€$£]\s*[-\d.,' ]+")
# Dots that lead to a page number, and letters that the font does not name.
_NO_CELL = re.compile(r"(?:\. ?){5,}|\(cid:\d+\)")


@dataclass(frozen=True, slots=True)
class _Word:
    text: str
    x0: float
    x1: float
    top: float
    bottom: float


class Tables:
    """Looks for tables page by page, as the text is read; a `with` block, for it holds the file."""

    def __init__(self, source: Source, built: StructureBuilder) -> None:
        self._source = source
        self._built = built
        self._plumber: Any = None
        self._looked = 0
        self._given_up = not source.find_tables

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._plumber is not None:
            self._plumber.close()

    def look(
        self, number: int, page: Any, lines: Sequence[tuple[str, Box | None]], text: str
    ) -> None:
        """Add the tables of page `number`, whose lines and whole text are given."""
        if self._given_up:
            return
        ruled = _ruled(page)
        if not ruled and not _columned(lines):
            return
        if self._looked >= MAX_PAGES:
            self._built.warn("tables_cut", f"Tables were looked for on {MAX_PAGES:,} pages only.")
            return
        self._looked += 1
        plumbed = self._page(number)
        if plumbed is None:
            return
        try:
            found = _with_lines(plumbed) if ruled else []
            boxes = [box for box, _ in found]
            found_by = ["lines"] * len(found)
            for each in _with_gaps(plumbed, boxes):
                found.append(each)
                found_by.append("gaps")
        except Exception as error:  # noqa: BLE001
            # pdfplumber stumbles in many ways over odd pages; the text is there all the same.
            self._built.warn(
                "tables_failed",
                f"Tables on page {number} could not be looked for: {type(error).__name__}.",
                number,
            )
            return
        finally:
            plumbed.close()
        for (box, rows), how in zip(found, found_by, strict=True):
            self._add(number, box, rows, how, text)

    def _page(self, number: int) -> Any:
        if self._plumber is None:
            try:
                self._plumber = pdfplumber.open(
                    self._source.path, password=self._source.password or ""
                )
            except Exception as error:  # noqa: BLE001
                # Another parser than PDFium's: what one forgives stops the other.
                self._built.warn(
                    "tables_failed",
                    f"Tables could not be looked for in this file: {type(error).__name__}.",
                )
                self._given_up = True
                return None
        return self._plumber.pages[number - 1] if number <= len(self._plumber.pages) else None

    def _add(
        self,
        page: int,
        box: Box,
        rows: list[list[tuple[str, Box, int, int] | None]],
        how: str,
        text: str,
    ) -> None:
        base = self._built.page_start
        cursor = 0
        cells = []
        n_cols = max(len(row) for row in rows)
        for number, row in enumerate(rows):
            for col, drafted in enumerate(row):
                if drafted is None:
                    continue
                shown, cell_box, rowspan, colspan = drafted
                # Its offsets only where its text lies on the page in one piece, after the last one.
                at = text.find(shown, cursor) if shown else -1
                if at >= 0:
                    cursor = at + len(shown)
                place = Place(
                    start=base + at if at >= 0 else 0,
                    end=base + at + len(shown) if at >= 0 else 0,
                    page=page,
                    bbox=cell_box,
                )
                cells.append(
                    Cell(
                        row=number,
                        col=col,
                        text=shown,
                        place=place,
                        rowspan=min(rowspan, len(rows) - number),
                        colspan=min(colspan, n_cols - col),
                    )
                )
        self._built.add_table(
            Table(
                number=0,
                cells=tuple(cells),
                n_rows=len(rows),
                n_cols=n_cols,
                place=Place(start=base, end=base, page=page, bbox=box),
                found_by=how,
            )
        )


def _ruled(page: Any) -> bool:
    """Whether enough is drawn on the page for a table's lines."""
    drawn = 0
    for index in range(min(raw.FPDFPage_CountObjects(page), 5_000)):
        kind = raw.FPDFPageObj_GetType(raw.FPDFPage_GetObject(page, index))
        drawn += kind == raw.FPDF_PAGEOBJ_PATH
        if drawn >= 4:
            return True
    return False


def _columned(lines: Sequence[tuple[str, Box | None]]) -> bool:
    """Whether lines look like rows of columns: at one height in several pieces, or with gaps in them."""
    # PDFium breaks a line of text where a wide gap is, so a row's cells come as several lines.
    pieces = 0
    run = best = 0
    last_top: float | None = None
    for text, box in lines:
        if box is None:
            continue
        same = last_top is not None and abs(box[3] - last_top) < 2.5
        if same:
            pieces += 1
        elif _NUMBER.search(text) and len(text.split()) >= 2:
            run += 1
            best = max(best, run)
        else:
            run = 0
        last_top = box[3]
    return pieces >= MIN_ROWS or best >= MIN_ROWS


def _with_lines(page: Any) -> list[tuple[Box, list[list[tuple[str, Box, int, int] | None]]]]:
    found = []
    for table in page.find_tables({"vertical_strategy": "lines", "horizontal_strategy": "lines"}):
        texts = table.extract()
        rows: list[list[tuple[str, Box, int, int] | None]] = []
        for row, shown in zip(table.rows, texts, strict=True):
            rows.append(
                [
                    None if box is None else ((text or "").strip(), _box(box), 1, 1)
                    for box, text in zip(row.cells, shown, strict=True)
                ]
            )
        rows = _spans(rows)
        filled = sum(1 for row in rows for cell in row if cell is not None and cell[0])
        if len(rows) >= 2 and max(len(row) for row in rows) >= 2 and filled >= 4:
            found.append((_box(table.bbox), rows))
    return found


def _spans(
    rows: list[list[tuple[str, Box, int, int] | None]],
) -> list[list[tuple[str, Box, int, int] | None]]:
    """How far each cell reaches, by its box: a merged one covers the columns and rows under it."""
    lefts = sorted({round(cell[1][0]) for row in rows for cell in row if cell})
    tops = sorted({round(cell[1][1]) for row in rows for cell in row if cell})
    spanned: list[list[tuple[str, Box, int, int] | None]] = []
    for row in rows:
        line: list[tuple[str, Box, int, int] | None] = []
        for cell in row:
            if cell is None:
                line.append(None)
                continue
            text, box, _, _ = cell
            wide = sum(round(box[0]) <= left < round(box[2]) - 1 for left in lefts)
            high = sum(round(box[1]) <= top < round(box[3]) - 1 for top in tops)
            line.append((text, box, max(high, 1), max(wide, 1)))
        spanned.append(line)
    return spanned


def _with_gaps(
    page: Any, taken: Sequence[Box]
) -> list[tuple[Box, list[list[tuple[str, Box, int, int] | None]]]]:
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
) -> tuple[Box, list[list[tuple[str, Box, int, int] | None]]] | None:
    """The rows laid out in the columns that they share; None: they share none, it is running text."""
    bands: list[list[float]] = []
    for x0, x1 in sorted((word.x0, word.x1) for row in rows for word in row):
        if bands and x0 <= bands[-1][1] + 1:
            bands[-1][1] = max(bands[-1][1], x1)
        else:
            bands.append([x0, x1])
    if len(bands) < 2:
        return None
    grid: list[list[tuple[str, Box, int, int] | None]] = []
    filled = 0
    for row in rows:
        line: list[tuple[str, Box, int, int] | None] = [None] * len(bands)
        for word in row:
            col = next(n for n, band in enumerate(bands) if word.x0 <= band[1] + 0.5)
            line[col] = (word.text, _box((word.x0, word.top, word.x1, word.bottom)), 1, 1)
            filled += 1
        grid.append(line)
    if any(_NO_CELL.search(word.text) for row in rows for word in row):
        return None
    if any(
        sum(line[col] is not None for line in grid) < 0.55 * len(grid) for col in range(len(bands))
    ):
        return None  # a column that most rows leave empty is chance, as formulas make it
    lengths = [len(word.text) for row in rows for word in row]
    numbers = sum(bool(_NUMBER.fullmatch(word.text.strip())) for row in rows for word in row)
    # Text in two columns is split alike too: its pieces are long, and no numbers.
    if sum(lengths) / len(lengths) > 45 or filled < 0.75 * len(rows) * len(bands):
        return None
    if len(bands) == 2 and not numbers and sum(lengths) / len(lengths) > 25:
        return None
    box = _box(
        (
            min(word.x0 for row in rows for word in row),
            min(word.top for row in rows for word in row),
            max(word.x1 for row in rows for word in row),
            max(word.bottom for row in rows for word in row),
        )
    )
    return box, grid


def _box(box: Sequence[float]) -> Box:
    x0, top, x1, bottom = box
    return (round(x0, 1), round(top, 1), round(x1, 1), round(bottom, 1))
