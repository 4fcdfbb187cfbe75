"""Small files of every format, made here: what they say is known."""

from __future__ import annotations

import io
import zipfile
from email.message import EmailMessage
from typing import Any

import openpyxl
from openpyxl.comments import Comment
from PIL import Image, ImageDraw, ImageFont
from reportlab.lib import colors, pdfencrypt
from reportlab.lib.pagesizes import A4
from reportlab.lib.styles import getSampleStyleSheet
from reportlab.pdfgen import canvas
from reportlab.platypus import PageBreak, Paragraph, SimpleDocTemplate, Table, TableStyle

ROWS = [["Invoice", "Customer", "Amount"], ["R-1", "Aster Ltd", "10.50"], ["R-2", "Birch & Co", "7.00"], ["R-3", "Cedar", "99.95"]]  # fmt: skip


def pdf(*, password: str = "", pages: int = 2, ruled: bool = True) -> bytes:
    """A report: a title, a heading, two paragraphs and a table on the first page."""
    styles = getSampleStyleSheet()
    parts: list[Any] = [
        Paragraph("Remittance advice", styles["Title"]),
        Paragraph("The quick brown fox jumps over the lazy dog.", styles["BodyText"]),
        Paragraph("What was paid", styles["Heading2"]),
        Paragraph("Three invoices were settled in March.", styles["BodyText"]),
        Table(
            ROWS,
            style=TableStyle([("GRID", (0, 0), (-1, -1), 0.5, colors.black)] if ruled else []),
            colWidths=[120, 160, 100],
        ),
    ]
    for number in range(2, pages + 1):
        parts += [PageBreak(), Paragraph(f"This is page {number}.", styles["BodyText"])]
    out = io.BytesIO()
    options = {"encrypt": pdfencrypt.StandardEncryption(password)} if password else {}
    SimpleDocTemplate(out, pagesize=A4, title="Advice", author="Tests", **options).build(parts)
    return out.getvalue()


def picture(text: str = "", *, kind: str = "PNG") -> bytes:
    image = Image.new("RGB", (1200, 300), "white")
    if text:
        ImageDraw.Draw(image).text((40, 100), text, fill="black", font=ImageFont.load_default(64))
    out = io.BytesIO()
    image.save(out, kind)
    return out.getvalue()


def scanned_pdf(text: str = "") -> bytes:
    """A page that is a picture."""
    out = io.BytesIO()
    page = canvas.Canvas(out, pagesize=A4)
    from reportlab.lib.utils import ImageReader

    page.drawImage(ImageReader(io.BytesIO(picture(text))), 40, 500, width=500, height=125)
    page.showPage()
    page.save()
    return out.getvalue()


def package(parts: dict[str, str | bytes]) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in parts.items():
            archive.writestr(name, data)
    return out.getvalue()


W = 'xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main"'
_TYPES = '<?xml version="1.0"?><Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types"/>'
_RELS = '<?xml version="1.0"?><Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships">{}</Relationships>'


def docx(body: str | None = None, **more: str | bytes) -> bytes:
    body = body if body is not None else (
        '<w:p><w:pPr><w:pStyle w:val="H1"/></w:pPr><w:r><w:t>Test plan</w:t></w:r></w:p>'
        "<w:p><w:r><w:t>Log in </w:t></w:r><w:ins><w:r><w:t>twice</w:t></w:r></w:ins>"
        "<w:del><w:r><w:delText>never</w:delText></w:r></w:del></w:p>"
        '<w:p><w:pPr><w:numPr><w:ilvl w:val="0"/></w:numPr></w:pPr><w:r><w:t>one step</w:t></w:r></w:p>'
        "<w:tbl>"
        '<w:tr><w:tc><w:tcPr><w:gridSpan w:val="2"/></w:tcPr><w:p><w:r><w:t>Wide</w:t></w:r></w:p></w:tc></w:tr>'
        '<w:tr><w:tc><w:tcPr><w:vMerge w:val="restart"/></w:tcPr><w:p><w:r><w:t>Tall</w:t></w:r></w:p></w:tc>'
        "<w:tc><w:p><w:r><w:t>b</w:t></w:r></w:p></w:tc></w:tr>"
        "<w:tr><w:tc><w:tcPr><w:vMerge/></w:tcPr><w:p/></w:tc><w:tc><w:p><w:r><w:t>c</w:t></w:r></w:p></w:tc></w:tr>"
        "</w:tbl>"
    )  # fmt: skip
    return package(
        {
            "[Content_Types].xml": _TYPES,
            "_rels/.rels": _RELS.format(
                '<Relationship Id="r1" Type="t" Target="word/document.xml"/>'
            ),
            "word/document.xml": f"<w:document {W}><w:body>{body}</w:body></w:document>",
            "word/styles.xml": f'<w:styles {W}><w:style w:styleId="H1"><w:name w:val="heading 1"/></w:style></w:styles>',
            **more,
        }
    )


def pptx() -> bytes:
    p = 'xmlns:p="urn:p" xmlns:a="urn:a" xmlns:r="urn:r"'

    def shape(role: str, text: str) -> str:
        return (
            f'<p:sp><p:nvSpPr><p:nvPr><p:ph type="{role}"/></p:nvPr></p:nvSpPr>'
            f"<p:txBody><a:p><a:r><a:t>{text}</a:t></a:r></a:p></p:txBody></p:sp>"
        )

    def slide(*shapes: str, show: str = "1") -> str:
        return f'<p:sld {p} show="{show}"><p:cSld><p:spTree>{"".join(shapes)}</p:spTree></p:cSld></p:sld>'

    return package(
        {
            "[Content_Types].xml": _TYPES,
            "ppt/presentation.xml": f'<p:presentation {p}><p:sldIdLst><p:sldId id="257" r:id="r2"/>'
            f'<p:sldId id="256" r:id="r1"/></p:sldIdLst><p:sldSz cx="9144000" cy="6858000"/></p:presentation>',
            "ppt/_rels/presentation.xml.rels": _RELS.format(
                '<Relationship Id="r1" Type="t" Target="slides/slide1.xml"/>'
                '<Relationship Id="r2" Type="t" Target="slides/slide2.xml"/>'
            ),
            "ppt/slides/slide1.xml": slide(shape("title", "Second"), shape("body", "hidden words"), show="0"),
            "ppt/slides/slide2.xml": slide(shape("title", "First"), shape("body", "Opening words")),
            "ppt/slides/_rels/slide2.xml.rels": _RELS.format(
                '<Relationship Id="r1" Type="t" Target="../notesSlides/notesSlide1.xml"/>'
            ),
            "ppt/notesSlides/notesSlide1.xml": f"<p:notes {p}><p:cSld><p:spTree>{shape('body', 'Say hello')}</p:spTree></p:cSld></p:notes>",
        }
    )  # fmt: skip


def xlsx() -> bytes:
    """Two sheets; merged cells, a hidden row and column, a formula, a comment, a percentage."""
    book = openpyxl.Workbook()
    sheet = book.active
    sheet.title = "Prices"
    sheet["B2"] = "Price list"
    sheet.merge_cells("B2:D2")
    sheet.append([])
    for row in (["Code", "Name", "Price"], ["A1", "Nail", 0.5], ["A2", "Screw", 2], ["A3", "Bolt", 3.25]):  # fmt: skip
        sheet.append([None, *row])
    sheet["D8"] = "=SUM(D5:D7)"
    sheet["D9"] = 0.19
    sheet["D9"].number_format = "0%"
    sheet["B5"].comment = Comment("discontinued", "QA")
    sheet.row_dimensions[6].hidden = True
    sheet.column_dimensions["C"].hidden = True
    book.create_sheet("Empty").sheet_state = "hidden"
    out = io.BytesIO()
    book.save(out)
    return out.getvalue()


HTML = (
    b"<!doctype html><html><head><meta charset='iso-8859-1'><title>Caf\xe9</title><script>evil()</script></head>"
    b"<body><h1>Men\xfc</h1><p>Two <b>eggs</b> and\n toast.</p>tail<ul><li>one<ul><li>deep</li></ul></li></ul>"
    b"<table><caption>Sizes</caption><tr><th rowspan=2>S</th><td>1</td></tr><tr><td>2</td></tr></table>"
    b"<img src='http://203.0.113.1/x.png' alt='a chart'></body></html>"
)
MARKDOWN = b"# Title\n\nA *plain* paragraph.\n\n- first\n- second\n  - inner\n\n| a | b |\n|---|---|\n| 1 | 2 |\n\n```\ncode()\n```\n"
RTF = rb"{\rtf1\ansi\ansicpg1252 First line\par Caf\'e9 second\par}"


def mail(*, deep: int = 0, text: str = "See the list.") -> bytes:
    message = EmailMessage()
    message["From"], message["To"] = "Ada <ada@example.org>", "bob@example.org"
    message["Subject"] = f"Prices {deep}" if deep else "Prices"
    message.set_content(text)
    message.add_attachment(b"name;price\nNail;0,50\nScrew;2,00\n", maintype="text", subtype="csv", filename="list.csv")  # fmt: skip
    message.add_attachment(b"\0\1\2\3", maintype="application", subtype="x", filename="odd.bin")
    if deep:
        from email import message_from_bytes, policy

        message.add_attachment(message_from_bytes(mail(deep=deep - 1), policy=policy.default))
    return message.as_bytes()
