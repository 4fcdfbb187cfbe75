"""Readers against files made here, whose text and structure are known."""

from __future__ import annotations

import codecs
from collections.abc import Callable

import pytest

from documents.names import clean_name
from documents.readers import Unreadable
from documents.structure import Structure
from tests.documents import samples

ReadFile = Callable[..., Structure]


def texts(structure: Structure, kind: str) -> list[str]:
    return [block.text for block in structure.blocks if block.kind == kind]


def grid(structure: Structure, number: int = 0) -> list[list[str]]:
    return [[cell.text if cell else "" for cell in row] for row in structure.tables[number].grid()]


@pytest.mark.parametrize("ruled", [True, False])
def test_pdf_tables_with_and_without_lines(read_file: ReadFile, ruled: bool) -> None:
    structure = read_file("a.pdf", samples.pdf(ruled=ruled))
    assert texts(structure, "heading") == ["Remittance advice", "What was paid"]
    [table] = structure.tables
    assert table.found_by == ("lines" if ruled else "gaps")
    assert grid(structure) == samples.ROWS
    cell = table.grid()[1][0]
    assert cell is not None
    assert structure.text[cell.place.start : cell.place.end] == "R-1"
    assert structure.pages[1].number == 2
    assert Structure.loads(structure.dumps()) == structure


def test_docx_keeps_merged_cells_and_leaves_deleted_text_out(read_file: ReadFile) -> None:
    structure = read_file("a.docx", samples.docx())
    assert texts(structure, "heading") == ["Test plan"]
    assert texts(structure, "paragraph") == ["Log in twice"]
    assert texts(structure, "list_item") == ["one step"]
    assert grid(structure) == [["Wide", "Wide"], ["Tall", "b"], ["Tall", "c"]]


def test_pptx_follows_the_order_of_the_slides(read_file: ReadFile) -> None:
    structure = read_file("a.pptx", samples.pptx())
    assert texts(structure, "heading") == ["First", "Second"]
    assert texts(structure, "note") == ["Say hello"]
    assert [page.hidden for page in structure.pages] == [False, True]


def test_xlsx_tells_merged_hidden_and_computed_cells(read_file: ReadFile) -> None:
    structure = read_file("a.xlsx", samples.xlsx())
    [table] = structure.tables
    rows = table.grid()
    assert (table.hidden_rows, table.hidden_cols) == ((5,), (2,))
    title = rows[1][1]
    assert title is not None
    assert (title.text, title.colspan, title.place.cell) == ("Price list", 3, "B2")
    total, share, code = rows[7][3], rows[8][3], rows[4][1]
    assert total is not None
    assert share is not None
    assert code is not None
    assert (total.formula, total.value) == ("=SUM(D5:D7)", None)
    assert (share.text, share.value) == ("19%", 0.19)
    assert code.comment == "discontinued"
    assert "formulas_without_values" in [warning.code for warning in structure.warnings]
    assert [page.hidden for page in structure.pages] == [False, True]


@pytest.mark.parametrize(
    ("data", "encoding", "delimiter"),
    [
        ('näme;price\n"Nail;\nlong";0,50\n'.encode("utf-16"), "utf-16-le", "semicolon"),
        (codecs.BOM_UTF8 + 'näme,price\n"Nail;\nlong","0,50"\n'.encode(), "utf-8", "comma"),
        ('näme\tprice\n"Nail;\nlong"\t0,50\n'.encode("latin-1"), "cp1252", "tab"),
        ('näme|price\n"Nail;\nlong"|0,50\n'.encode(), "utf-8", "vertical bar"),
    ],
)
def test_csv_in_every_dress(
    read_file: ReadFile, data: bytes, encoding: str, delimiter: str
) -> None:
    structure = read_file("a.csv", data)
    assert grid(structure) == [["näme", "price"], ["Nail;\nlong", "0,50"]]
    assert structure.metadata["encoding"] == encoding
    assert structure.metadata["delimiter"] == delimiter


def test_html_shows_what_a_page_shows(read_file: ReadFile) -> None:
    structure = read_file("a.html", samples.HTML)
    assert structure.metadata["title"] == "Café"
    assert texts(structure, "heading") == ["Menü"]
    assert texts(structure, "paragraph")[:2] == ["Two eggs and toast.", "tail"]
    assert [(b.text, b.level) for b in structure.blocks if b.kind == "list_item"] == [("one", 1), ("deep", 2)]  # fmt: skip
    assert grid(structure) == [["S", "1"], ["S", "2"]]
    assert "evil" not in structure.text


def test_markdown_and_rtf(read_file: ReadFile) -> None:
    structure = read_file("a.md", samples.MARKDOWN)
    assert texts(structure, "heading") == ["Title"]
    assert texts(structure, "list_item") == ["first", "second", "inner"]
    assert grid(structure) == [["a", "b"], ["1", "2"]]
    assert "Café second" in read_file("a.rtf", samples.RTF).text


def test_a_mail_is_read_with_what_is_attached_but_not_without_end(read_file: ReadFile) -> None:
    structure = read_file("a.eml", samples.mail())
    assert structure.metadata["subject"] == "Prices"
    assert [each.name for each in structure.attachments] == ["list.csv", "odd.bin"]
    assert grid(structure)[1] == ["Nail", "0,50"]
    deep = read_file("a.eml", samples.mail(deep=6))
    assert "too_deep" in [warning.code for warning in deep.warnings]


@pytest.mark.parametrize(
    ("name", "data", "code"),
    [
        ("bomb.xlsx", samples.package({"[Content_Types].xml": "", "xl/worksheets/a.xml": b"0" * 60_000_000}), "archive_bomb"),
        ("laughs.docx", samples.docx(**{"docProps/core.xml": '<!DOCTYPE x [<!ENTITY a "b">]><x>&a;</x>'}), "xml_entities"),
        ("cut.pdf", samples.pdf()[:900], "damaged"),
        ("odd.png", samples.picture()[:400], "damaged"),
    ],
)  # fmt: skip
def test_hostile_and_broken_files_are_refused(
    read_file: ReadFile, name: str, data: bytes, code: str
) -> None:
    with pytest.raises(Unreadable) as refused:
        read_file(name, data)
    assert refused.value.code == code


def test_macros_are_mentioned_and_names_are_cleaned(read_file: ReadFile) -> None:
    structure = read_file("a.docx", samples.docx(**{"word/vbaProject.bin": b"\1\2"}))
    assert "macros_ignored" in [warning.code for warning in structure.warnings]
    assert clean_name("..\\x/a\0b\u202e.txt")[0] == "ab.txt"
    assert clean_name("../..")[0] == "unnamed"
