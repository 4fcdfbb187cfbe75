"""Whether tables found on pages are tables: pages that the bench draws, with and without some.

Every page is drawn with one thing on it, among paragraphs: a table of which each cell is known, or
something that only looks like one. Counted are tables that are none, tables that were missed, and
cells of found tables that hold what they should.
"""

from __future__ import annotations

import random
import tempfile
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from reportlab.pdfgen.canvas import Canvas

from bench.document_texts import (  # fmt: skip
    FONT_FILE,
    HEIGHT,
    LEADING,
    MARGIN,
    WIDTH,
    _with_font,
    _wrapped,
    paragraph,
    sentence,
)

Grid = list[list[str]]
_GOODS = ["Valve", "Lamp", "Hinge", "Filter", "Gasket", "Pump", "Relay", "Fuse"]
_PEOPLE = ["Okafor", "Lindqvist", "Moreau", "Tanaka", "Novak", "Rossi", "Kaya", "Walsh"]
_SYMBOLS = "∀∃∈∉⊂⊆∪∩→↦⇒⇔≤≥≠≅∘×∞αβγδεφψπσ"


@dataclass(kw_only=True)
class Count:
    pages: int = 0
    right: int = 0
    false: int = 0
    missed: int = 0
    cells: int = 0
    cells_right: int = 0
    kinds: Counter[str] = field(default_factory=Counter)


class Drawer:
    """Draws one page."""

    def __init__(self, canvas: Any, chance: random.Random) -> None:
        self.canvas = canvas
        self.chance = chance
        self.y = HEIGHT - MARGIN
        self.size = 10

    def line(self, text: str, x: float = MARGIN, font: str = "Helvetica") -> None:
        self.canvas.setFont(font, self.size)
        self.canvas.drawString(x, self.y, text)
        self.y -= LEADING

    def prose(self, count: int = 1) -> None:
        for _ in range(count):
            for line in _wrapped(paragraph(self.chance), WIDTH - 2 * MARGIN, "Helvetica", 10):
                self.line(line)
            self.y -= 8

    def grid(self, rows: Grid, *, widths: list[float], lines: str, right: set[int]) -> None:
        """`lines`: all, rows (a rule above and below the header and the end), none."""
        top = self.y + LEADING - 3
        for number, row in enumerate(rows):
            x = float(MARGIN)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True)):
                bold = "Helvetica-Bold" if number == 0 else "Helvetica"
                self.canvas.setFont(bold, self.size)
                if lines == "all":
                    self.canvas.rect(x, self.y - 4, width, LEADING + 2)
                if column in right:
                    self.canvas.drawRightString(x + width - 4, self.y, cell)
                else:
                    self.canvas.drawString(x + 4, self.y, cell)
                x += width
            if lines == "rows" and number in {0, len(rows) - 1}:
                self.canvas.line(MARGIN, self.y - 4, x, self.y - 4)
            self.y -= LEADING + 2
        if lines == "rows":
            self.canvas.line(MARGIN, top, MARGIN + sum(widths), top)
        self.y -= 10


def _rows(chance: random.Random, shape: str) -> tuple[Grid, list[float], set[int]]:
    count = chance.randint(4, 18)
    if shape == "prices":
        head = ["Article", "Text", "Pieces", "Price"]
        rows = [
            [f"A-{chance.randint(100, 999)}", f"{chance.choice(_GOODS)} {chance.choice(['small', 'large', 'steel'])}", str(chance.randint(1, 900)), f"{chance.uniform(1, 2_000):,.2f}"]
            for _ in range(count)
        ]  # fmt: skip
        return [head, *rows], [70, 150, 70, 90], {2, 3}
    if shape == "names":
        head = ["Name", "Department", "Site"]
        rows = [
            [chance.choice(_PEOPLE), chance.choice(["Sales", "Finance", "Warehouse"]), chance.choice(["Lyon", "Graz", "Cork"])]
            for _ in range(count)
        ]  # fmt: skip
        return [head, *rows], [120, 120, 90], set()
    head = ["Invoice", "Date", "Due", "Gross", "Net"]
    rows = [
        [f"R{chance.randint(10_000, 99_999)}", f"{chance.randint(1, 28):02}.03.2024", f"{chance.randint(1, 28):02}.04.2024", f"{chance.uniform(10, 900):.2f}", f"{chance.uniform(10, 900):.2f}"]
        for _ in range(count)
    ]  # fmt: skip
    return [head, *rows], [80, 80, 80, 70, 70], {3, 4}


def _formula(drawer: Drawer) -> None:
    """Displayed formulas: pieces at odd places, some lines split alike by chance."""
    _with_font()
    chance = drawer.chance
    for _ in range(chance.randint(4, 9)):
        x = float(MARGIN + chance.choice([30, 60, 90]))
        drawer.canvas.setFont("DejaVu", 10)
        for _ in range(chance.randint(2, 5)):
            piece = "".join(chance.choice(_SYMBOLS + "xyzfgUVX()=123") for _ in range(chance.randint(1, 7)))  # fmt: skip
            drawer.canvas.drawString(x, drawer.y, piece)
            if chance.random() < 0.4:
                drawer.canvas.setFont("DejaVu", 7)
                drawer.canvas.drawString(x + 8, drawer.y + 4, chance.choice("n123"))
                drawer.canvas.setFont("DejaVu", 10)
            x += len(piece) * 6 + chance.choice([14, 24, 40])
        drawer.y -= LEADING + chance.choice([0, 0, 4])
    drawer.y -= 8


def _aligned_formula(drawer: Drawer) -> None:
    """A derivation whose equal signs stand below each other, as they are set everywhere."""
    _with_font()
    chance = drawer.chance
    for _ in range(chance.randint(3, 7)):
        drawer.canvas.setFont("DejaVu", 10)
        left = "".join(chance.choice(_SYMBOLS + "xyzf()") for _ in range(chance.randint(1, 6)))
        right = "".join(chance.choice(_SYMBOLS + "xyzf()+123") for _ in range(chance.randint(3, 14)))  # fmt: skip
        drawer.canvas.drawRightString(220, drawer.y, left)
        drawer.canvas.drawString(232, drawer.y, f"= {right}")
        if chance.random() < 0.5:
            drawer.canvas.drawString(400, drawer.y, f"({chance.randint(1, 30)})")
        drawer.y -= LEADING + 3
    drawer.y -= 8


def _contents(drawer: Drawer) -> None:
    for number in range(drawer.chance.randint(6, 14)):
        title = f"{number + 1}  {sentence(drawer.chance)[:38]}"
        drawer.line(f"{title} {'. ' * 30}"[:88])
        drawer.canvas.drawRightString(WIDTH - MARGIN, drawer.y + LEADING, str(number * 7 + 3))


def _two_columns(drawer: Drawer) -> None:
    width = (WIDTH - 2 * MARGIN - 24) / 2
    sides = [_wrapped(" ".join(paragraph(drawer.chance) for _ in range(3)), width, "Helvetica", 10)[:24] for _ in range(2)]  # fmt: skip
    for left, right in zip(*sides, strict=False):
        drawer.canvas.setFont("Helvetica", 10)
        drawer.canvas.drawString(MARGIN, drawer.y, left)
        drawer.canvas.drawString(MARGIN + width + 24, drawer.y, right)
        drawer.y -= LEADING


def _list(drawer: Drawer) -> None:
    for number in range(drawer.chance.randint(4, 9)):
        mark = drawer.chance.choice(["•", f"{number + 1}.", f"({'abcdefghi'[number]})"])
        drawer.canvas.setFont("Helvetica", 10)
        drawer.canvas.drawString(MARGIN + 6, drawer.y, mark)
        drawer.line(sentence(drawer.chance)[:70], x=MARGIN + 30)


def _code(drawer: Drawer) -> None:
    for _ in range(drawer.chance.randint(5, 10)):
        indent = "    " * drawer.chance.randint(0, 2)
        name = drawer.chance.choice(["total", "rows", "left", "price"])
        drawer.line(f"{indent}{name} = {name}[{drawer.chance.randint(0, 9)}] + {drawer.chance.randint(1, 99)}", font="Courier")  # fmt: skip


def _references(drawer: Drawer) -> None:
    for number in range(drawer.chance.randint(4, 9)):
        drawer.canvas.setFont("Helvetica", 10)
        drawer.canvas.drawString(MARGIN, drawer.y, f"[{number + 1}]")
        name = drawer.chance.choice(_PEOPLE)
        drawer.line(f"{name}: {sentence(drawer.chance)[:52]} {drawer.chance.randint(1980, 2024)}.", x=MARGIN + 30)  # fmt: skip


def _letter(drawer: Drawer) -> None:
    for left, right in (("Moreau & Co", "12 March 2024"), ("12 Harbour Street", "Our reference: 4711"), ("Cork", "Your letter: 1 March"), ("Ireland", "")):  # fmt: skip
        drawer.canvas.setFont("Helvetica", 10)
        drawer.canvas.drawString(MARGIN, drawer.y, left)
        drawer.canvas.drawRightString(WIDTH - MARGIN, drawer.y, right)
        drawer.y -= LEADING
    drawer.y -= 10


TABLES = {f"{shape}, {lines} lines": (shape, lines) for shape in ("prices", "names", "invoices") for lines in ("all", "rows", "none")}  # fmt: skip
OTHERS: dict[str, Callable[[Drawer], None]] = {
    "prose": lambda drawer: drawer.prose(3),
    "formulas": _formula,
    "aligned formulas": _aligned_formula,
    "contents": _contents,
    "two columns": _two_columns,
    "list": _list,
    "code": _code,
    "references": _references,
    "letter": _letter,
}


def drawn(path: Path, *, each: int, seed: int) -> list[tuple[str, Grid | None]]:
    """Draw the pages; for each of them what is on it, and the table's cells."""
    canvas = Canvas(str(path), invariant=True)
    told: list[tuple[str, Grid | None]] = []
    for round_number in range(each):
        for name in (*TABLES, *OTHERS):
            chance = random.Random(f"{seed}-{round_number}-{name}")
            drawer = Drawer(canvas, chance)
            drawer.prose(chance.randint(1, 2))
            rows = None
            if name in TABLES:
                shape, lines = TABLES[name]
                rows, widths, right = _rows(chance, shape)
                drawer.grid(rows, widths=widths, lines=lines, right=right)
            elif "formula" not in name or FONT_FILE.exists():
                OTHERS[name](drawer)
            drawer.prose()
            canvas.showPage()
            told.append((name, rows))
    canvas.save()
    return told


def counted(path: Path, told: list[tuple[str, Grid | None]]) -> Count:
    from documents import media, readers

    read = readers.read(readers.Source(path=path, name=path.name, media_type=media.PDF))
    count = Count(pages=len(told))
    for number, (name, rows) in enumerate(told, 1):
        found = [table for table in read.tables if table.place.page == number]
        texts = [[[cell.text if cell else "" for cell in row] for row in table.grid()] for table in found]  # fmt: skip
        if rows is None:
            count.false += len(found)
            count.kinds[f"false on {name}"] += len(found)
            continue
        whole = {cell for row in rows for cell in row}
        best = max(texts, key=lambda grid: sum(cell in whole for row in grid for cell in row), default=None)  # fmt: skip
        count.cells += sum(map(len, rows))
        if best is None:
            count.missed += 1
            count.kinds[f"missed: {name}"] += 1
            continue
        count.right += 1
        count.false += len(found) - 1
        count.kinds[f"false beside {name}"] += len(found) - 1
        same = sum(
            best[at][column] == cell
            for at, row in enumerate(rows)
            for column, cell in enumerate(row)
            if at < len(best) and column < len(best[at])
        )
        count.cells_right += same
        if same < sum(map(len, rows)):
            count.kinds[f"cells wrong: {name}"] += 1
    return count


def tables(files: list[Path], seed: int, each: int = 12) -> None:
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        path = Path(folder) / "pages.pdf"
        count = counted(path, drawn(path, each=each, seed=seed))
    found = count.right + count.false
    print(
        f"{count.pages} drawn pages: {count.right} of {count.right + count.missed} tables found "
        f"(recall {count.right / (count.right + count.missed):.3f}), {count.false} that are none "
        f"(precision {count.right / found:.3f}); {count.cells_right} of {count.cells} cells in place"
    )
    for what, times in sorted(count.kinds.items()):
        if times:
            print(f"  {what}: {times}")
    from documents import media, readers

    for file in files:
        read = readers.read(readers.Source(path=file, name=file.name, media_type=media.PDF))
        pages = Counter(table.place.page for table in read.tables)
        how = Counter(table.found_by for table in read.tables)
        print(f"{file.name}: {len(read.pages)} pages, {len(read.tables)} tables {dict(how)} on pages {sorted(pages)}")  # fmt: skip
