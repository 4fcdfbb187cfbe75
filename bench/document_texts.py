"""PDFs of texts of our own, each with a difficulty, and what a person reads in them.

The texts are put together from a seed, so that every run renders the same files.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from reportlab.lib.pagesizes import A4
from reportlab.pdfbase import pdfmetrics
from reportlab.pdfbase.ttfonts import TTFont
from reportlab.pdfgen.canvas import Canvas

WIDTH, HEIGHT = A4
MARGIN = 60
LEADING = 14
# A font with Hebrew letters and ligatures of its own; part of every desktop Linux.
FONT_FILE = Path("/usr/share/fonts/truetype/dejavu/DejaVuSans.ttf")
_SUBJECTS = ["The tester", "An operator", "The nightly build", "Our payment service", "Each supplier", "The old printer", "A careful reader", "The second warehouse"]  # fmt: skip
_VERBS = ["records", "compares", "rejects", "finds", "confirms", "describes", "archives", "repeats", "measures", "forwards"]  # fmt: skip
_OBJECTS = ["the flow of an order", "every difference between two files", "a form with eleven fields", "the efficient path", "an invoice from Zürich", "the price of forty filters", "what the office had affirmed", "a report of last week's failures", "the final certificate", "the coffee machine's manual"]  # fmt: skip
_TAILS = ["before noon.", "without any help.", "and writes it down.", "although nobody asked.", "twice a month, on average.", "because the rules say so (see 4.2).", "at a cost of 1,250.00 EUR.", "in less than 30 minutes."]  # fmt: skip
_LONG = ["documentation", "responsibility", "international", "configuration", "requirements", "understanding", "administration", "verification"]  # fmt: skip
_HEBREW = ["שלום עולם", "הבדיקה הסתיימה בהצלחה", "המסמך נשמר במערכת", "כל ספק שולח רשימת מחירים", "הדוח מוכן לקריאה"]  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Rendered:
    """One PDF and the text that a person reads in it, in the order in which it is read."""

    name: str
    path: Path
    truth: str


def rendered(folder: Path, *, pages: int = 4, seed: int = 11) -> Iterator[Rendered]:
    """Every kind of difficulty once; one that needs a font that is not here is left out."""
    for name, draw in KINDS.items():
        if name in NEED_FONT and not FONT_FILE.exists():
            continue
        path = folder / f"{name}.pdf"
        canvas = Canvas(str(path), pagesize=A4, invariant=True)
        chance = random.Random(f"{seed}-{name}")
        told = []
        for page in range(1, pages + 1):
            told.append(draw(canvas, chance, page, pages))
            canvas.showPage()
        canvas.save()
        yield Rendered(name=name, path=path, truth="\n".join(told))


def sentence(chance: random.Random) -> str:
    return " ".join(chance.choice(words) for words in (_SUBJECTS, _VERBS, _OBJECTS, _TAILS))


def paragraph(chance: random.Random) -> str:
    return " ".join(sentence(chance) for _ in range(chance.randint(3, 6)))


def _wrapped(text: str, width: float, font: str, size: float) -> list[str]:
    lines: list[str] = []
    line = ""
    for word in text.split():
        longer = f"{line} {word}".strip()
        if line and pdfmetrics.stringWidth(longer, font, size) > width:
            lines.append(line)
            line = word
        else:
            line = longer
    return [*lines, line] if line else lines


def _lines(
    canvas: Any,
    lines: Sequence[str],
    *,
    x: float,
    y: float,
    font: str = "Helvetica",
    size: float = 10.5,
) -> float:
    """Draw lines downwards; where the next one would begin."""
    canvas.setFont(font, size)
    for line in lines:
        canvas.drawString(x, y, line)
        y -= LEADING
    return y


def _plain(canvas: Any, chance: random.Random, page: int, pages: int) -> str:
    said = []
    y = HEIGHT - MARGIN
    for _ in range(6):
        text = paragraph(chance)
        said.append(text)
        y = _lines(canvas, _wrapped(text, WIDTH - 2 * MARGIN, "Helvetica", 10.5), x=MARGIN, y=y) - 8
    return "\n".join(said)


def _columns(canvas: Any, chance: random.Random, page: int, pages: int) -> str:
    width = (WIDTH - 2 * MARGIN - 30) / 2
    said = []
    # Line by line across both columns, as some programs write: only the place tells the order.
    columns = []
    for _ in range(2):
        text = " ".join(paragraph(chance) for _ in range(4))
        lines = _wrapped(text, width, "Helvetica", 9.5)[:45]
        said.append(" ".join(lines))
        columns.append(lines)
    canvas.setFont("Helvetica", 9.5)
    for number in range(max(map(len, columns))):
        for column, lines in enumerate(columns):
            if number < len(lines):
                x, y = MARGIN + column * (width + 30), HEIGHT - MARGIN - number * LEADING
                canvas.drawString(x, y, lines[number])
    return "\n".join(said)


def _headers(canvas: Any, chance: random.Random, page: int, pages: int) -> str:
    head, foot = "Quarterly report · internal", f"Page {page} of {pages}"
    # Drawn first, as most programs do with what repeats.
    canvas.setFont("Helvetica", 8)
    canvas.drawString(MARGIN, HEIGHT - 30, head)
    canvas.drawRightString(WIDTH - MARGIN, 30, foot)
    return "\n".join([head, _plain(canvas, chance, page, pages), foot])


def _hyphens(canvas: Any, chance: random.Random, page: int, pages: int) -> str:
    said = []
    y = HEIGHT - MARGIN
    for _ in range(16):
        word = chance.choice(_LONG)
        at = chance.randint(4, len(word) - 4)
        first, rest = sentence(chance)[:-1], sentence(chance).lower()
        said.append(f"{first} {word} {rest}")
        y = _lines(canvas, [f"{first} {word[:at]}-", f"{word[at:]} {rest}"], x=MARGIN, y=y) - 8
    return "\n".join(said)


def _tables(canvas: Any, chance: random.Random, page: int, pages: int) -> str:
    said = []
    y = HEIGHT - MARGIN
    for number in range(3):
        said.append(f"Table {number + 1}: open items")
        y = _lines(canvas, said[-1:], x=MARGIN, y=y, font="Helvetica-Bold") - 4
        rows = [["Article", "Colour", "Pieces", "Price"]] + [
            [
                f"{chance.choice(['Valve', 'Lamp', 'Hinge', 'Filter'])} {chance.randint(10, 99)}",
                chance.choice(["red", "green", "steel blue", "grey"]),
                str(chance.randint(1, 500)),
                f"{chance.uniform(1, 900):.2f}",
            ]
            for _ in range(11)
        ]
        for row in rows:
            for column, cell in enumerate(row):
                x = MARGIN + column * 110
                canvas.setFont("Helvetica", 10)
                if number % 2 == 0:
                    canvas.rect(x - 3, y - 4, 110, LEADING, stroke=1, fill=0)
                if column > 1:
                    canvas.drawRightString(x + 100, y, cell)
                else:
                    canvas.drawString(x, y, cell)
            said.append(" ".join(row))
            y -= LEADING
        y -= 20
    return "\n".join(said)


def _ligatures(canvas: Any, chance: random.Random, page: int, pages: int) -> str:
    _with_font()
    said = []
    y = HEIGHT - MARGIN
    for _ in range(5):
        text = paragraph(chance)
        said.append(text)
        lines = _wrapped(text, WIDTH - 2 * MARGIN - 40, "DejaVu", 10)
        joined = [
            line.replace("ffi", "\ufb03")
            .replace("ff", "\ufb00")
            .replace("fi", "\ufb01")
            .replace("fl", "\ufb02")
            for line in lines
        ]
        y = _lines(canvas, joined, x=MARGIN, y=y, font="DejaVu", size=10) - 8
    return "\n".join(said)


def _rtl(canvas: Any, chance: random.Random, page: int, pages: int) -> str:
    _with_font()
    said = []
    y = HEIGHT - MARGIN
    for _ in range(20):
        line = f"{chance.choice(_HEBREW)} {chance.choice(_HEBREW)}"
        said.append(line)
        canvas.setFont("DejaVu", 11)
        # A PDF holds glyphs as they stand on the page, from the left: right-to-left text reversed.
        canvas.drawRightString(WIDTH - MARGIN, y, line[::-1])
        y -= LEADING
        text = sentence(chance)
        said.append(text)
        y = _lines(canvas, [text], x=MARGIN, y=y, font="DejaVu", size=10)
    return "\n".join(said)


def _with_font() -> None:
    if "DejaVu" not in pdfmetrics.getRegisteredFontNames():
        pdfmetrics.registerFont(TTFont("DejaVu", str(FONT_FILE)))


Draw = Callable[[Any, random.Random, int, int], str]
KINDS: dict[str, Draw] = {
    "plain": _plain,
    "columns": _columns,
    "headers": _headers,
    "hyphens": _hyphens,
    "tables": _tables,
    "ligatures": _ligatures,
    "rtl": _rtl,
}
NEED_FONT = frozenset({"ligatures", "rtl"})
