"""What a file is: by its content first, and whether its name says the same."""

from __future__ import annotations

import codecs
import zipfile
from pathlib import Path, PurePosixPath

PDF = "application/pdf"
_OFFICE = "application/vnd.openxmlformats-officedocument."
DOCX = _OFFICE + "wordprocessingml.document"
PPTX = _OFFICE + "presentationml.presentation"
XLSX = _OFFICE + "spreadsheetml.sheet"
XLSM = "application/vnd.ms-excel.sheet.macroenabled.12"
XLS = "application/vnd.ms-excel"
DOC = "application/msword"
ODS = "application/vnd.oasis.opendocument.spreadsheet"
ODT = "application/vnd.oasis.opendocument.text"
CSV = "text/csv"
TSV = "text/tab-separated-values"
HTML = "text/html"
MARKDOWN = "text/markdown"
TEXT = "text/plain"
XML = "application/xml"
JSON = "application/json"
YAML = "application/yaml"
EML = "message/rfc822"
MSG = "application/vnd.ms-outlook"
RTF = "application/rtf"
ZIP = "application/zip"
PNG = "image/png"
JPEG = "image/jpeg"
GIF = "image/gif"
WEBP = "image/webp"
TIFF = "image/tiff"
BMP = "image/bmp"
SVG = "image/svg+xml"
OLE = "application/x-ole-storage"
BINARY = "application/octet-stream"

BY_ENDING = {
    ".pdf": PDF,
    ".docx": DOCX,
    ".docm": DOCX,
    ".pptx": PPTX,
    ".pptm": PPTX,
    ".xlsx": XLSX,
    ".xlsm": XLSM,
    ".xls": XLS,
    ".doc": DOC,
    ".ods": ODS,
    ".odt": ODT,
    ".csv": CSV,
    ".tsv": TSV,
    ".tab": TSV,
    ".htm": HTML,
    ".html": HTML,
    ".md": MARKDOWN,
    ".markdown": MARKDOWN,
    ".txt": TEXT,
    ".text": TEXT,
    ".log": TEXT,
    ".xml": XML,
    ".json": JSON,
    ".yaml": YAML,
    ".yml": YAML,
    ".eml": EML,
    ".msg": MSG,
    ".rtf": RTF,
    ".zip": ZIP,
    ".png": PNG,
    ".jpg": JPEG,
    ".jpeg": JPEG,
    ".gif": GIF,
    ".webp": WEBP,
    ".tif": TIFF,
    ".tiff": TIFF,
    ".bmp": BMP,
    ".svg": SVG,
}
# What people call them, for messages and pages.
WORDS = {
    PDF: "PDF",
    DOCX: "Word document",
    PPTX: "PowerPoint presentation",
    XLSX: "Excel workbook",
    XLSM: "Excel workbook with macros",
    XLS: "old Excel workbook",
    DOC: "old Word document",
    ODS: "OpenDocument spreadsheet",
    ODT: "OpenDocument text",
    CSV: "CSV",
    TSV: "TSV",
    HTML: "HTML page",
    MARKDOWN: "Markdown",
    TEXT: "text",
    XML: "XML",
    JSON: "JSON",
    YAML: "YAML",
    EML: "mail",
    MSG: "Outlook message",
    RTF: "RTF",
    ZIP: "ZIP archive",
    PNG: "PNG picture",
    JPEG: "JPEG picture",
    GIF: "GIF picture",
    WEBP: "WebP picture",
    TIFF: "TIFF picture",
    BMP: "BMP picture",
    SVG: "SVG picture",
    OLE: "old Office file",
    BINARY: "binary file",
}
_TEXTS = frozenset({CSV, TSV, HTML, MARKDOWN, TEXT, XML, JSON, YAML, EML, SVG})
_MAGIC = (
    (b"\x89PNG\r\n\x1a\n", PNG),
    (b"\xff\xd8\xff", JPEG),
    (b"GIF87a", GIF),
    (b"GIF89a", GIF),
    (b"II*\0", TIFF),
    (b"MM\0*", TIFF),
    (b"{\\rtf", RTF),
    (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", OLE),
)
# In an OPC package, the part that each sort has.
_PARTS = (("word/", DOCX), ("ppt/", PPTX), ("xl/", XLSX))


class ContentMismatch(Exception):
    """The content is not what the file's name says."""


def word_for(media_type: str) -> str:
    return WORDS.get(media_type, media_type)


def by_name(name: str) -> str | None:
    return BY_ENDING.get(PurePosixPath(name).suffix.lower())


def recognise(*, path: Path, name: str) -> tuple[str, list[str]]:
    """The media type of the file at `path`, and sentences a person should see.

    The content decides; the name chooses among what looks the same (a CSV and a Markdown file are
    both text). An ending that nobody knows is accepted, and the file kept as what it looks like.

    :raises ContentMismatch: a known ending that the content contradicts, or an archive that is cut off.
    """
    claimed = by_name(name)
    found = _sniff(path, claimed)
    if claimed is None:
        suffix = PurePosixPath(name).suffix
        said = f'The ending "{suffix}" is not known' if suffix else "The name has no ending"
        return found, [f"{said}; by its content this is a {word_for(found)}."]
    if found == claimed or (found == TEXT and claimed in _TEXTS):
        return claimed, []
    if found == OLE and claimed in {DOCX, PPTX, XLSX, XLSM}:
        # An encrypted Office file is an OLE file around the real one.
        return claimed, []
    if found == OLE and claimed in {XLS, DOC, MSG}:
        return claimed, []
    if {found, claimed} == {XLSX, XLSM}:
        return XLSM, []
    if found in {XML, HTML, SVG} and claimed in _TEXTS:
        return claimed, []
    raise ContentMismatch(
        f'"{name}" is named as a {word_for(claimed)}, but its content is a {word_for(found)}. '
        "Give it its right ending, or save it anew in the format that its name says."
    )


def _sniff(path: Path, claimed: str | None) -> str:
    with path.open("rb") as file:
        head = file.read(64 * 1024)
    for magic, found in _MAGIC:
        if head.startswith(magic):
            return found
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return WEBP
    if head[:2] == b"BM" and len(head) > 26 and head[6:10] == b"\0\0\0\0" and claimed == BMP:
        return BMP
    if b"%PDF-" in head[:1024]:
        return PDF
    if head[:2] == b"PK":
        return _in_archive(path, claimed)
    return _text_or_binary(head)


def _in_archive(path: Path, claimed: str | None) -> str:
    try:
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
            if "mimetype" in names and archive.getinfo("mimetype").file_size < 200:
                declared = archive.read("mimetype").decode("ascii", "replace").strip()
                if declared in {ODS, ODT}:
                    return declared
    except (zipfile.BadZipFile, OSError, ValueError, RuntimeError, NotImplementedError) as error:
        raise ContentMismatch(
            f"The file begins as a {word_for(claimed or ZIP)} and then breaks off, or is damaged. "
            "Fetch or save it anew and upload it again."
        ) from error
    if "[Content_Types].xml" in names:
        for folder, found in _PARTS:
            if any(name.startswith(folder) for name in names):
                macros = found == XLSX and f"{folder}vbaProject.bin" in names
                return XLSM if macros else found
    return ZIP


def _text_or_binary(head: bytes) -> str:
    if head.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE, codecs.BOM_UTF8)):
        return _kind_of_text(head)
    if b"\0" in head:
        # UTF-16 without its mark: every second byte of a Latin text is zero.
        even, odd = head[0::2].count(0), head[1::2].count(0)
        half = len(head) // 2
        if half and (max(even, odd) > 0.4 * half and min(even, odd) < 0.05 * half):
            return TEXT
        return BINARY
    control = sum(byte < 9 or 13 < byte < 27 or 27 < byte < 32 for byte in head)
    if control > len(head) * 0.01:
        return BINARY
    return _kind_of_text(head)


def _kind_of_text(head: bytes) -> str:
    start = head[:2000].replace(b"\0", b"").lstrip(b"\xef\xbb\xbf\xff\xfe \t\r\n").lower()
    if start.startswith((b"<!doctype html", b"<html")):
        return HTML
    if start.startswith(b"<?xml"):
        if b"<svg" in start:
            return SVG
        return HTML if b"<html" in start else XML
    return TEXT
