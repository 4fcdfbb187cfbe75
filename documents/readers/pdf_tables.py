"""Tables on PDF pages: drawn with lines, or only set in columns.

pdfplumber knows lines well, and takes a hundred times as long as the text: it sees only pages
that can hold a table, which PDFium tells quickly. Columns without lines are found by gaps that
several rows share.
"""

from __future__ import annotations

from collections.abc import Sequence
from types import TracebackType
from typing import Any, Self

import pdfplumber
import pypdfium2.raw as raw

from documents.readers.base import Source, StructureBuilder
from documents.readers.pdf_gaps import MIN_ROWS, NUMBER, Cells, Seen, rounded, with_gaps
from documents.structure import Box, Cell, Place, Table

# Pages that are looked at closely; at some fifteen a second this takes a minute and a half.
MAX_PAGES = 1_200


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
            for each in with_gaps(plumbed, boxes):
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
        rows: Cells,
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
        elif NUMBER.search(text) and len(text.split()) >= 2:
            run += 1
            best = max(best, run)
        else:
            run = 0
        last_top = box[3]
    return pieces >= MIN_ROWS or best >= MIN_ROWS


def _with_lines(page: Any) -> list[tuple[Box, Cells]]:
    found = []
    for table in page.find_tables({"vertical_strategy": "lines", "horizontal_strategy": "lines"}):
        texts = table.extract()
        rows: Cells = []
        for row, shown in zip(table.rows, texts, strict=True):
            rows.append(
                [
                    None if box is None else ((text or "").strip(), rounded(box), 1, 1)
                    for box, text in zip(row.cells, shown, strict=True)
                ]
            )
        rows = _spans(rows)
        if _holds_cells(rows):
            found.append((rounded(table.bbox), rows))
    return found


def _holds_cells(rows: Cells) -> bool:
    """Whether lines make a table, and no drawing: most of its cells hold words or numbers."""
    n_cols = max(len(row) for row in rows)
    texts = [cell[0] for row in rows for cell in row if cell is not None and cell[0]]
    if len(rows) < 2 or n_cols < 2 or len(texts) < 4 or len(texts) < 0.35 * len(rows) * n_cols:
        return False
    telling = sum(
        sum(map(str.isalpha, text)) >= 2 or bool(NUMBER.fullmatch(text)) for text in texts
    )
    return telling >= 0.5 * len(texts) and not any("(cid:" in text for text in texts)


def _spans(
    rows: Cells,
) -> Cells:
    """How far each cell reaches, by its box: a merged one covers the columns and rows under it."""
    lefts = sorted({round(cell[1][0]) for row in rows for cell in row if cell})
    tops = sorted({round(cell[1][1]) for row in rows for cell in row if cell})
    spanned: Cells = []
    for row in rows:
        line: list[Seen | None] = []
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
