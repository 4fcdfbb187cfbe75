"""PDF: the text of each page with its lines in place, headings by their size, and tables.

Text comes from PDFium in one call a page; the size and the box of a line take four more, which
together must stay well below what the text takes (bench/documents.py). A page without text is read
by OCR. Scripts and actions of a PDF are never run.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from typing import Any

import pypdfium2 as pdfium
import pypdfium2.raw as raw

from documents.readers import pdf_tables
from documents.readers.base import MAX_PAGES, PasswordNeeded, Source, StructureBuilder, Unreadable
from documents.readers.image import add_ocr
from documents.readers.pdf_lines import Group, Line, Lines, plain, plain_lines
from documents.structure import Block, BlockKind, Place, Structure

# Tesseract reads best at about this many dots an inch.
OCR_DPI = 250
MAX_OCR_PAGES = 300
MAX_OCR_PIXELS = 60_000_000
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


def read(source: Source) -> Structure:
    built = StructureBuilder(source.media_type)
    with _opened(source) as pdf:
        total = len(pdf)
        for name, word in _META.items():
            built.meta(word, pdf.get_metadata_value(name))
        built.meta("pages", total)
        if total > MAX_PAGES:
            built.warn("cut", f"Only the first {MAX_PAGES:,} of {total:,} pages were read.")
        pages: list[list[Group]] = []
        measure = Lines()
        with pdf_tables.Tables(source, built) as tables:
            ocr_pages = 0
            for index in range(min(total, MAX_PAGES)):
                try:
                    page = pdf[index]
                except pdfium.PdfiumError:
                    _damaged_page(built, index + 1)
                    pages.append([])
                    continue
                ocr_pages += _read_page(
                    built, source, page, index + 1, ocr_pages, tables, measure, pages
                )
                page.close()
                source.on_page(index + 1, total)
    _add_blocks(built, built.build().text, pages)
    return built.build()


def page_text(page: Any) -> str:
    """The page's text as PDFium gives it, line by line, with plain line ends and hyphens."""
    textpage = page.get_textpage()
    try:
        return plain(textpage.get_text_range())
    finally:
        textpage.close()


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
    measure: Lines,
    pages: list[list[Group]],
) -> int:
    """Append one page; 1 when OCR was tried on it."""
    width, height = page.get_size()
    built.begin_page(number)
    textpage = page.get_textpage()
    text = textpage.get_text_range()
    tried = 0
    seen = False
    groups: list[Group] = []
    lines: list[Line] = []
    told: list[str] = []
    if (text.strip() and source.ocr != "always") or source.ocr == "never":
        pieces, told = plain_lines(text)
        groups = measure.groups(
            textpage,
            text,
            pieces,
            told,
            start=built.raw("\n".join(told) + "\n"),
            height=height if page.get_rotation() == 0 else None,
            lines=lines if source.find_tables else None,
        )
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
    pages.append(groups)
    if lines:
        tables.look(number, page, lines, "\n".join(told))
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


def _add_blocks(built: StructureBuilder, whole: str, pages: list[list[Group]]) -> None:
    """Make groups of lines headings by their size, list items and paragraphs."""
    letters: defaultdict[float, int] = defaultdict(int)
    for groups in pages:
        for start, end, size, _, _ in groups:
            letters[size] += end - start
    # The same to a tenth of a point is the same.
    sizes: Counter[float] = Counter()
    for size, count in letters.items():
        sizes[round(size, 1)] += count
    body = sizes.most_common(1)[0][0] if sizes else 0.0
    larger = sorted((size for size in sizes if size > body * 1.12 and body), reverse=True)
    ranks = {size: min(rank, 6) for rank, size in enumerate(larger, 1)}
    levels = {size: ranks[round(size, 1)] for size in letters if round(size, 1) in ranks}
    blocks = []
    for number, groups in enumerate(pages, 1):
        for start, end, size, box, is_item in groups:
            text = whole[start:end]
            kind: BlockKind
            if size in levels and len(text) <= 300 and any(map(str.isalpha, text)):
                kind, level = "heading", levels[size]
            elif is_item:
                kind, level = "list_item", 1
            else:
                kind, level = "paragraph", 0
            blocks.append(Block(kind, text, Place(start, end, number, box), level))
    built.add_blocks(blocks)
