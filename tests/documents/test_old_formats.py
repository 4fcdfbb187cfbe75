"""Outlook messages, old and open workbooks, and text in pictures."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from documents.configurations.checking import definition_of
from documents.extraction.engine import Mode, Run
from documents.extraction.workbooks import Workbook
from documents.readers import Unreadable, ocr
from documents.structure import Structure
from tests.documents import ole, samples
from tests.documents.stored import CONFIGURATION, workbook

ReadFile = Callable[..., Structure]
ROWS = [["Invoice no", "Amount", "Remark"], ["A-1", 10.5, "secret"], ["A-2", 20.0, "seen"], ["A-3", 30.0, "seen"]]  # fmt: skip


def codes(structure: Structure) -> list[str]:
    return [warning.code for warning in structure.warnings]


def test_an_outlook_message_with_what_is_attached(read_file: ReadFile) -> None:
    structure = read_file(
        "offer.msg",
        ole.msg(
            subject="Offer – März",
            body="Dear Bob,\r\n\r\nsee the list.",
            attachments={
                "list.csv": b"name;price\nNail;0,50\n" * 400,
                "odd.bin": b"\0\1\2",
                "inner.msg": ole.msg(subject="Older", body="What was said before."),
            },
        ),
    )
    assert structure.metadata["subject"] == "Offer – März"
    assert structure.metadata["from"] == "Ada Okafor ada@example.org"
    headings = [block.text for block in structure.headings() if "Attachment" not in block.text]
    assert headings == ["Offer – März", "Older"]
    assert "see the list." in structure.text
    assert "What was said before." in structure.text
    assert [each.name for each in structure.attachments] == ["list.csv", "odd.bin", "inner.msg"]
    [table] = structure.tables
    assert table.grid()[1][1].text == "0,50"  # type: ignore[union-attr]
    only_html = read_file("a.msg", ole.msg(subject="S", html=b"<p>Only <b>HTML</b></p>"))
    assert "Only HTML" in only_html.text


@pytest.mark.parametrize("keep", [100, 700, 2_000])
def test_a_message_that_is_cut_off_is_refused(read_file: ReadFile, keep: int) -> None:
    whole = ole.msg(subject="S", body="words " * 2_000)
    with pytest.raises(Unreadable) as refused:
        read_file("a.msg", whole[:keep])
    assert refused.value.code == "damaged"


def ods(rows: list[list[object]], *, hidden_rows: set[int], hidden_columns: set[int]) -> bytes:
    """An OpenDocument spreadsheet; what is hidden counts from 0. A row repeats an empty one first."""

    def cell(value: object) -> str:
        if isinstance(value, float):
            return f'<table:table-cell office:value-type="float" office:value="{value}"><text:p>{value}</text:p></table:table-cell>'
        return f'<table:table-cell office:value-type="string"><text:p>{value}</text:p></table:table-cell>'

    def gone(hidden: bool) -> str:
        return ' table:visibility="collapse"' if hidden else ""

    columns = "".join(f"<table:table-column{gone(n in hidden_columns)}/>" for n in range(len(rows[0])))  # fmt: skip
    lines = "".join(
        f"<table:table-row{gone(number in hidden_rows)}>{''.join(map(cell, row))}</table:table-row>"
        for number, row in enumerate(rows)
    )
    names = " ".join(
        f'xmlns:{short}="urn:oasis:names:tc:opendocument:xmlns:{short}:1.0"'
        for short in ("office", "table", "text")
    )
    content = (
        f'<?xml version="1.0"?><office:document-content {names}><office:body><office:spreadsheet>'
        f'<table:table table:name="Data">{columns}{lines}'
        '<table:table-row table:number-rows-repeated="1000000" table:visibility="collapse"><table:table-cell/></table:table-row>'
        "</table:table></office:spreadsheet></office:body></office:document-content>"
    )
    manifest = (
        '<?xml version="1.0"?><manifest:manifest xmlns:manifest="urn:oasis:names:tc:opendocument:xmlns:manifest:1.0">'
        '<manifest:file-entry manifest:full-path="/" manifest:media-type="application/vnd.oasis.opendocument.spreadsheet"/>'
        "</manifest:manifest>"
    )
    return samples.package(
        {
            "mimetype": "application/vnd.oasis.opendocument.spreadsheet",
            "content.xml": content,
            "META-INF/manifest.xml": manifest,
        }
    )


FILES = {
    "old.xls": ole.xls(ROWS, hidden_rows=[1], hidden_columns=[2]),  # type: ignore[arg-type]
    "open.ods": ods(ROWS, hidden_rows={1}, hidden_columns={2}),  # type: ignore[arg-type]
}


@pytest.mark.parametrize("name", FILES)
def test_a_workbook_tells_what_is_hidden(read_file: ReadFile, name: str) -> None:
    structure = read_file(name, FILES[name])
    [table] = structure.tables
    assert (table.hidden_rows, table.hidden_cols) == ((1,), (2,))
    shown = [cell.text for cell in table.cells if not cell.hidden]
    assert shown == ["Invoice no", "Amount", "A-2", "20", "A-3", "30"]
    first = table.grid()[1][1]
    assert first is not None
    assert (first.value, first.place.cell) == (10.5, "B2")


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("hidden", ["skip", "keep"])
def test_an_extraction_leaves_out_what_is_hidden_unless_asked(
    tmp_path: Path, name: str, hidden: str
) -> None:
    path = tmp_path / name
    path.write_bytes(FILES[name])
    text = CONFIGURATION + f"tables:\n  hidden: {hidden}\n"
    run = Run(definition=definition_of(text), version=1, folder=tmp_path, mode=Mode())
    run.document(key="1", name=name, sha256="", opened=lambda: Workbook(path, name=name))
    report = run.finish()
    [table] = report["documents"][0]["tables"]
    assert table["rows"] == {"skip": 2, "keep": 3}[hidden]
    assert len(table["mapping"]) == {"skip": 2, "keep": 3}[hidden]


def test_rows_are_numbered_as_in_the_sheet_also_below_empty_ones(tmp_path: Path) -> None:
    path = tmp_path / "low.xlsx"
    path.write_bytes(workbook({"S": [[], [], [None, None], [None, *ROWS[0]], [None, *ROWS[1]]]}))
    book = Workbook(path, name="low.xlsx")
    [sheet] = book.sheets()
    numbers = {row.number: row.cells for row in book.rows(sheet) if any(row.cells)}
    assert list(numbers) == [4, 5]
    assert numbers[4] == [None, *ROWS[0]]


@pytest.fixture
def without_tesseract(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    monkeypatch.setenv("PATH", str(tmp_path))
    ocr.languages.cache_clear()
    yield
    ocr.languages.cache_clear()


@pytest.mark.usefixtures("without_tesseract")
@pytest.mark.parametrize(
    ("name", "data"),
    [("scan.pdf", samples.scanned_pdf("Invoice 4711")), ("scan.png", samples.picture("Invoice"))],
)
def test_without_tesseract_a_picture_says_what_is_missing(
    read_file: ReadFile, name: str, data: bytes
) -> None:
    structure = read_file(name, data)
    assert not structure.has_text
    assert codes(structure) == ["ocr_unavailable"]
    assert "Install Tesseract" in structure.warnings[0].message


@pytest.mark.skipif(shutil.which("tesseract") is None, reason="Tesseract is not installed here")
def test_with_tesseract_pictures_are_read_in_place(read_file: ReadFile) -> None:
    structure = read_file("scan.pdf", samples.scanned_pdf("Invoice 4711"))
    assert "Invoice 4711" in structure.text
    [page] = structure.pages
    assert page.ocr
    [block] = structure.blocks
    assert block.place.bbox is not None
    x0, top, x1, bottom = block.place.bbox
    # The picture lies at 40 to 540 points from the left, 217 to 342 from the top.
    assert 40 < x0 < x1 < 540
    assert 217 < top < bottom < 342
    assert "Invoice" in read_file("scan.png", samples.picture("Invoice"), ocr_languages="eng").text
    missing = read_file("scan.png", samples.picture("Invoice"), ocr_languages="eng+xyz")
    assert codes(missing) == ["ocr_unavailable"]
    assert "xyz" in missing.warnings[0].message
    off = read_file("scan.pdf", samples.scanned_pdf("Invoice 4711"), ocr="never")
    assert not off.has_text
