"""PDF: the text of each page with its lines in place, headings by their size, and tables.

Text comes from PDFium in one call a page; sizes and boxes are asked for once a line, which costs
little. A page without text is read by OCR. Scripts and actions of a PDF are never run.
"""

from __future__ import annotations

import ctypes
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pypdfium2 as pdfium
import pypdfium2.raw as raw

from documents.readers import pdf_tables
from documents.readers.base import MAX_PAGES, PasswordNeeded, Source, StructureBuilder, Unreadable
from documents.readers.image import add_ocr
from documents.structure import Box, Structure

# Tesseract reads best at about this many dots an inch.
OCR_DPI = 250
MAX_OCR_PAGES = 300
MAX_OCR_PIXELS = 60_000_000
_LIST = re.compile(r"\s*(?:[•◦▪‣∙·–—*-]|\(?\d{1,3}[.)]|\(?[a-z]\))\s+\S")
# PDFium marks a word that was split at a line's end by one of these.
_HYPHENS = str.maketrans({"\x02": "-", "\ufffe": "-", "\xad": "-"})
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ud800-\udfff\uffff]")
_META = {
    "Title": "title",
    "Author": "author",
    "Subject": "subject",
    "Keywords": "keywords",
    "Creator": "creator",
    "Producer": "producer",
    "CreationDate": "created",
    "ModDate": "modified",
}


@dataclass(frozen=True, slots=True)
class _Line:
    start: int
    text: str
    size: float
    box: Box | None


def read(source: Source) -> Structure:
    built = StructureBuilder(source.media_type)
    with _opened(source) as pdf:
        total = len(pdf)
        for name, word in _META.items():
            built.meta(word, pdf.get_metadata_value(name))
        built.meta("pages", total)
        if total > MAX_PAGES:
            built.warn("cut", f"Only the first {MAX_PAGES:,} of {total:,} pages were read.")
        pages: list[list[_Line]] = []
        with pdf_tables.Tables(source, built) as tables:
            ocr_pages = 0
            for index in range(min(total, MAX_PAGES)):
                try:
                    page = pdf[index]
                except pdfium.PdfiumError:
                    _damaged_page(built, index + 1)
                    pages.append([])
                    continue
                ocr_pages += _read_page(built, source, page, index + 1, ocr_pages, tables, pages)
                page.close()
                source.on_page(index + 1, total)
    _add_blocks(built, built.build().text, pages)
    return built.build()


def page_text(page: Any) -> str:
    """The page's text as PDFium gives it, line by line, with plain line ends and hyphens."""
    textpage = page.get_textpage()
    try:
        return _plain(textpage.get_text_range())
    finally:
        textpage.close()


def _plain(text: str) -> str:
    return _CONTROL.sub("", text.replace("\r\n", "\n").replace("\r", "\n").translate(_HYPHENS))


def _opened(source: Source) -> Any:
    try:
        return pdfium.PdfDocument(source.path, password=source.password or None)
    except pdfium.PdfiumError as error:
        if getattr(error, "err_code", None) == raw.FPDF_ERR_PASSWORD:
            wrong = "The password does not open it. " if source.password else ""
            raise PasswordNeeded(
                "password",
                f"The PDF is encrypted. {wrong}Enter its password on the document's page; it is "
                "kept encrypted, and the document is then read again.",
            ) from error
        raise Unreadable(
            "damaged",
            "The PDF is damaged or cut off: it can not be opened. Fetch or save it anew and upload "
            "it as a new version.",
        ) from error


def _damaged_page(built: StructureBuilder, number: int) -> None:
    built.begin_page(number)
    built.warn("page_damaged", f"Page {number} is damaged and could not be read.", number)
    built.end_page()


def _read_page(
    built: StructureBuilder,
    source: Source,
    page: Any,
    number: int,
    ocr_pages: int,
    tables: pdf_tables.Tables,
    pages: list[list[_Line]],
) -> int:
    """Append one page; 1 when OCR was tried on it."""
    width, height = page.get_size()
    built.begin_page(number)
    textpage = page.get_textpage()
    text = textpage.get_text_range()
    tried = 0
    seen = False
    lines: list[_Line] = []
    if (text.strip() and source.ocr != "always") or source.ocr == "never":
        lines = list(_lines(textpage, text, built, height, rotated=page.get_rotation() != 0))
    textpage.close()
    if source.ocr == "always" or (source.ocr == "auto" and not text.strip()):
        if not _has_pictures(page):
            pass
        elif ocr_pages >= MAX_OCR_PAGES:
            built.warn(
                "ocr_cut", f"Only the first {MAX_OCR_PAGES} pages without text were read by OCR."
            )
        else:
            tried = 1
            seen = _ocr(built, source, page, number, width, height)
    pages.append(lines)
    if lines:
        whole = "\n".join(_plain(piece) for piece in text.split("\r\n"))
        tables.look(number, page, [(line.text, line.box) for line in lines], whole)
    built.end_page(width=width, height=height, ocr=seen)
    return tried


def _has_pictures(page: Any) -> bool:
    # A blank page needs no OCR; whatever is drawn may be letters.
    return any(True for _ in page.get_objects(max_depth=2))


def _ocr(
    built: StructureBuilder, source: Source, page: Any, number: int, width: float, height: float
) -> bool:
    scale = OCR_DPI / 72
    while width * height * scale * scale > MAX_OCR_PIXELS:
        scale /= 1.5
    picture = page.render(scale=scale, grayscale=True).to_pil()
    return add_ocr(built, source, picture, number, scale=1 / scale)


def _lines(
    textpage: Any, text: str, built: StructureBuilder, height: float, *, rotated: bool
) -> Iterator[_Line]:
    """Append the page's text; each of its lines with size and box."""
    box = tuple(ctypes.c_double() for _ in range(4))
    position = 0
    for piece in text.split("\r\n"):
        shown = _plain(piece)
        start = built.raw(shown + "\n")
        stripped = piece.strip()
        if stripped:
            first = position + piece.index(stripped[0])
            last = position + len(piece.rstrip()) - 1
            begin = _char(textpage, first)
            size = raw.FPDFText_GetFontSize(textpage, begin)
            matrix = raw.FS_MATRIX()
            # The size is set in a space of its own; the matrix says how large it is on the page.
            if raw.FPDFText_GetMatrix(textpage, begin, matrix):
                size *= max(abs(matrix.d), abs(matrix.b)) or 1
            found = None if rotated else _box(textpage, begin, _char(textpage, last), height, box)
            inner = shown.rstrip()
            yield _Line(start=start, text=inner, size=size, box=found)
        position += len(piece) + 2


def _char(textpage: Any, text_index: int) -> int:
    index = raw.FPDFText_GetCharIndexFromTextIndex(textpage, text_index)
    return int(index) if index >= 0 else text_index


def _box(textpage: Any, first: int, last: int, height: float, box: Any) -> Box | None:
    left, right, bottom, top = box
    if not raw.FPDFText_GetCharBox(textpage, first, left, right, bottom, top):
        return None
    x0, low, high = left.value, bottom.value, top.value
    if not raw.FPDFText_GetCharBox(textpage, last, left, right, bottom, top):
        return None
    low, high = min(low, bottom.value), max(high, top.value)
    return (
        round(x0, 1),
        round(height - high, 1),
        round(max(right.value, x0), 1),
        round(height - low, 1),
    )


def _add_blocks(built: StructureBuilder, whole: str, pages: list[list[_Line]]) -> None:
    """Group lines into headings, list items and paragraphs, by size and distance."""
    sizes: Counter[float] = Counter()
    for lines in pages:
        for line in lines:
            sizes[round(line.size, 1)] += len(line.text)
    body = sizes.most_common(1)[0][0] if sizes else 0.0
    larger = sorted((size for size in sizes if size > body * 1.12 and body), reverse=True)
    levels = {size: min(rank, 6) for rank, size in enumerate(larger, 1)}
    # What OCR gave is there already, with its pages; blocks are sorted by where they stand.
    for number, lines in enumerate(pages, 1):
        for group in _groups(lines):
            first = group[0]
            end = group[-1].start + len(group[-1].text)
            text = whole[first.start : end]
            level = levels.get(round(first.size, 1), 0)
            boxes = [line.box for line in group if line.box is not None]
            box = (
                (
                    min(each[0] for each in boxes),
                    min(each[1] for each in boxes),
                    max(each[2] for each in boxes),
                    max(each[3] for each in boxes),
                )
                if len(boxes) == len(group)
                else None
            )
            if level and len(text) <= 300 and any(char.isalpha() for char in text):
                built.block_within("heading", text, first.start, level=level, bbox=box, page=number)
            elif _LIST.match(text):
                built.block_within("list_item", text, first.start, level=1, bbox=box, page=number)
            else:
                built.block_within("paragraph", text, first.start, bbox=box, page=number)
    built.sort_blocks()


def _groups(lines: list[_Line]) -> Iterator[list[_Line]]:
    """Runs of lines that belong together: of one size, at the distance of lines, no new item."""
    group: list[_Line] = []
    for line in lines:
        if not line.text.strip():
            continue
        if group and _breaks(group[-1], line):
            yield group
            group = []
        group.append(line)
    if group:
        yield group


def _breaks(above: _Line, line: _Line) -> bool:
    if abs(above.size - line.size) > 0.6 or _LIST.match(line.text):
        return True
    if above.box is None or line.box is None:
        return False
    distance = line.box[3] - above.box[3]
    if distance < 0 or distance > 1.75 * max(line.size, 1):
        return True
    # A line that ends early and a next one that is indented: a new paragraph.
    return line.box[0] - above.box[0] > 0.8 * max(line.size, 1) and above.text.endswith((".", ":"))
