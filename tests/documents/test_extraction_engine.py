"""The engine alone: tables of every shape, bad input, and what is written."""

from __future__ import annotations

import csv
import io
import itertools
import json
import random
import subprocess
import sys
import zipfile
from datetime import date
from pathlib import Path
from typing import Any

import openpyxl
import pytest
import xlsxwriter
from openpyxl.styles import Font

from documents.configurations.checking import definition_of
from documents.extraction.assignment import best_assignment
from documents.extraction.delimited import Delimited
from documents.extraction.engine import Mode, Run
from documents.extraction.grids import Grid, Unreadable
from documents.extraction.structured import StructuredTables
from documents.extraction.values import ValueIssue, read_date, read_decimal
from documents.extraction.workbooks import Workbook
from documents.structure import Cell, Place, Structure, Table
from tests.documents.stored import CONFIGURATION, workbook


def extracted(
    tmp_path: Path, opened: Any, *, text: str = CONFIGURATION, name: str = "file"
) -> tuple[dict[str, Any], Path]:
    """The report, and the folder of the files."""
    folder = tmp_path / "out"
    folder.mkdir(exist_ok=True)
    run = Run(definition=definition_of(text), version=1, folder=folder, mode=Mode())
    run.document(key="1", name=name, sha256="", opened=opened)
    return dict(run.finish()), folder


def from_csv(tmp_path: Path, data: bytes | str, **more: Any) -> tuple[dict[str, Any], Path]:
    path = tmp_path / "in.csv"
    path.write_bytes(data if isinstance(data, bytes) else data.encode())
    return extracted(tmp_path, lambda: Delimited(path, name="in.csv"), **more)


def from_xlsx(tmp_path: Path, data: bytes, **more: Any) -> tuple[dict[str, Any], Path]:
    path = tmp_path / "in.xlsx"
    path.write_bytes(data)
    return extracted(tmp_path, lambda: Workbook(path, name="in.xlsx"), **more)


def rows(folder: Path) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads((folder / "normalised.json").read_text())["rows"]
    return [{name: value for name, value in row.items() if name != "_source"} for row in found]


def tables(report: dict[str, Any]) -> list[dict[str, Any]]:
    return [table for document in report["documents"] for table in document["tables"]]


TEXT = 'Invoice no;Invoice date;Amount;Größe\nÄ-1;25.03.2024;1.234,50;"two\nlines"\nÄ-2;26.03.2024;20,00;x\n'


@pytest.mark.parametrize(
    "encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "cp1252"]
)
def test_csv_in_any_encoding_with_quoted_line_breaks(tmp_path: Path, encoding: str) -> None:
    report, folder = from_csv(tmp_path, TEXT.encode(encoding))
    assert rows(folder) == [
        {"number": "Ä-1", "day": "2024-03-25", "amount": 1234.5},
        {"number": "Ä-2", "day": "2024-03-26", "amount": 20},
    ]
    assert tables(report)[0]["mapping"][3]["header"] == "Größe"
    assert bool(report["documents"][0]["warnings"]) == (encoding == "cp1252")


def test_csv_with_mixed_delimiters_is_read_and_said(tmp_path: Path) -> None:
    report, folder = from_csv(
        tmp_path, "Invoice no;Invoice date;Amount\nA;2024-03-25;1\nB,2024-03-26,2\nC;2024-03-27;3\n"
    )
    assert [row["amount"] for row in rows(folder)] == [1, 2, 3]
    assert "different delimiters" in report["documents"][0]["warnings"][0]


@pytest.mark.parametrize(
    ("data", "code"),
    [(b"", "empty_document"), (b"\0\0\0", "empty_document"), (b"just words\n", "no_table")],
)
def test_csv_without_a_table_says_so(tmp_path: Path, data: bytes, code: str) -> None:
    report, _ = from_csv(tmp_path, data)
    assert report["documents"][0]["error"] == code
    assert report["documents"][0]["message"]


def test_dates_that_can_be_read_in_two_ways_are_not_guessed(tmp_path: Path) -> None:
    lines = "Invoice no,Invoice date,Amount\nA,03/04/2024,1\nB,05/05/2024,2\n"
    report, folder = from_csv(tmp_path, lines)
    assert [row["day"] for row in rows(folder)] == [None, "2024-05-05"]
    [issue] = tables(report)[0]["issues"]
    assert issue["code"] == "ambiguous_date"
    assert "2024-03-04" in issue["message"]
    assert "2024-04-03" in issue["message"]
    assert (issue["row"], issue["column"]) == (2, "B")
    # One value that can be read one way only decides its column, however late it comes.
    late = lines + "".join(f"X{n},01/02/2024,1\n" for n in range(400)) + "Z,25/12/2024,3\n"
    report, folder = from_csv(tmp_path, late)
    assert rows(folder)[0]["day"] == "2024-04-03"
    assert tables(report)[0]["mapping"][1]["dateOrder"] == "dmy"
    # Values that contradict each other decide nothing.
    report, folder = from_csv(tmp_path, late + "Y,12/25/2024,3\n")
    assert rows(folder)[0]["day"] is None
    # The configuration's word is the last one.
    text = CONFIGURATION.replace("type: date", "type: date\n    date_order: mdy")
    _, folder = from_csv(tmp_path, lines, text=text)
    assert rows(folder)[0]["day"] == "2024-03-04"


@pytest.mark.parametrize(
    ("text", "order", "day"),
    [
        ("2024-03-25", "", date(2024, 3, 25)),
        ("25.3.24", "", date(2024, 3, 25)),
        ("3/25/2024", "", date(2024, 3, 25)),
        ("25 Mar 2024", "", date(2024, 3, 25)),
        ("March 25th, 2024", "", date(2024, 3, 25)),
        ("25. März 2024", "", date(2024, 3, 25)),
        ("25 de marzo de 2024", "", date(2024, 3, 25)),
        ("20240325", "", date(2024, 3, 25)),
        ("2024-03-25T10:30:00Z", "", date(2024, 3, 25)),
        ("03/04/2024", "dmy", date(2024, 4, 3)),
        ("03/04/2024", "mdy", date(2024, 3, 4)),
        ("24-03-05", "ymd", date(2024, 3, 5)),
    ],
)
def test_dates_as_people_write_them(text: str, order: str, day: date) -> None:
    assert read_date(text, order) == day


@pytest.mark.parametrize("text", ["30.02.2024", "13/13/2024", "soon", "12", "2024"])
def test_what_is_no_date(text: str) -> None:
    with pytest.raises(ValueIssue) as issue:
        read_date(text, "")
    assert issue.value.code == "not_a_date"


@pytest.mark.parametrize(
    ("text", "sign", "value"),
    [
        ("1,234.50", "", 1234.5),
        ("1.234,50", "", 1234.5),
        ("1 234,50", "", 1234.5),
        ("1'234.50", "", 1234.5),
        ("€ 12.50", "", 12.5),
        ("12,50 EUR", "", 12.5),
        ("(12.50)", "", -12.5),
        ("12.50-", "", -12.5),
        ("1,234", "comma", 1.234),
        ("1,234", "point", 1234),
        ("0.125", "", 0.125),
        ("-7", "", -7),
    ],
)
def test_numbers_as_people_write_them(text: str, sign: str, value: float) -> None:
    assert float(read_decimal(text, sign)) == value


def test_a_number_that_can_be_two_is_not_guessed(tmp_path: Path) -> None:
    report, folder = from_csv(tmp_path, "Invoice no;Amount\nA;1.234\nB;2.345\n")
    assert [row["amount"] for row in rows(folder)] == [None, None]
    assert tables(report)[0]["issueCounts"][0]["code"] == "ambiguous_number"
    _, folder = from_csv(tmp_path, "Invoice no;Amount\nA;1.234\nB;2.345,50\n")
    assert [row["amount"] for row in rows(folder)] == [1234, 2345.5]


def test_stacked_headers_merged_cells_hidden_rows_totals_and_notes(tmp_path: Path) -> None:
    book = openpyxl.Workbook()
    sheet = book.active
    for line in (
        ["A report", None, None],
        [],
        ["Invoice", None, "Amount"],
        ["No", "Date", "in EUR"],
        ["A-1", "2024-03-25", 1],
        ["secret", "2024-03-26", 99],
        ["A-2", "2024-03-27", 2],
        [None, "2024-03-28", 3],
        ["Total", None, 6],
        [],
        ["Subject to change"],
    ):
        sheet.append(line)
    sheet.merge_cells("A3:B3")
    sheet.merge_cells("A7:A8")
    sheet.row_dimensions[6].hidden = True
    out = io.BytesIO()
    book.save(out)
    text = CONFIGURATION.replace("    validators: [unique]\n", "")
    report, folder = from_xlsx(tmp_path, out.getvalue(), text=text)
    assert rows(folder) == [
        {"number": "A-1", "day": "2024-03-25", "amount": 1},
        {"number": "A-2", "day": "2024-03-27", "amount": 2},
        {"number": "A-2", "day": "2024-03-28", "amount": 3},
    ]
    [table] = tables(report)
    assert table["title"] == "A report"
    assert table["headerRows"] == [3, 4]
    assert [each["headerParts"] for each in table["mapping"]] == [
        ["Invoice", "No"],
        ["Invoice", "Date"],
        ["Amount", "in EUR"],
    ]
    assert {each["kind"] for each in table["skipped"]} == {"title", "total", "note"}
    assert "secret" not in json.dumps(report)
    kept = text.replace(
        "fields:", "tables: {hidden: keep, totals: keep, merged: first}\nfields:", 1
    )
    _, folder = from_xlsx(tmp_path, out.getvalue(), text=kept)
    assert [row["number"] for row in rows(folder)] == ["A-1", "secret", "A-2", None, "Total"]


def test_several_tables_a_sheet_below_and_beside_each_other(tmp_path: Path) -> None:
    head = ["Invoice no", "Amount"]
    below = [["January"], head, ["A", 1], ["B", 2], [], ["February"], head, ["C", 3], ["D", 4]]
    report, folder = from_xlsx(tmp_path, workbook({"Below": below}))
    assert [table["title"] for table in tables(report)] == ["January", "February"]
    assert [row["number"] for row in rows(folder)] == ["A", "B", "C", "D"]
    beside = [[*head, None, *head], ["A", 1, None, "C", 3], ["B", 2, None, "D", 4]]
    report, folder = from_xlsx(tmp_path, workbook({"Beside": beside}))
    assert [table["mapping"][0]["column"] for table in tables(report)] == ["A", "D"]
    assert [row["number"] for row in rows(folder)] == ["A", "B", "C", "D"]


def test_a_table_without_a_header_is_mapped_by_what_values_surely_say(tmp_path: Path) -> None:
    text = CONFIGURATION.replace(
        "    validators: [unique]", "    patterns: ['INV-[0-9]{4}']", 1
    ).replace("required: true\n    validators", "validators")
    lines = "".join(f"INV-{1000 + n};{n}.50;blue\n" for n in range(12))
    report, folder = from_csv(tmp_path, lines, text=text)
    [table] = tables(report)
    assert table["headerRows"] == []
    assert [(each["field"], each["unmappedReason"]) for each in table["mapping"]] == [
        ("number", None),
        (None, "empty_or_placeholder_header"),
        (None, "empty_or_placeholder_header"),
    ]
    assert len(rows(folder)) == 12


def test_a_row_of_one_value_is_a_row_and_a_section_is_none(tmp_path: Path) -> None:
    lines = (
        "Invoice no;Invoice date;Amount\nA-1;25.03.2024;1,50\n;26.03.2024;\nNorth region\n"
        "A-2;27.03.2024;2,50\n;;3,50\nA-3;28.03.2024;4,50\n"
    )
    report, folder = from_csv(tmp_path, lines)
    assert [(row["number"], row["day"], row["amount"]) for row in rows(folder)] == [
        ("A-1", "2024-03-25", 1.5),
        (None, "2024-03-26", None),
        ("A-2", "2024-03-27", 2.5),
        (None, None, 3.5),
        ("A-3", "2024-03-28", 4.5),
    ]
    assert [(each["row"], each["kind"]) for each in tables(report)[0]["skipped"]] == [(4, "note")]


def test_the_best_assignment_is_the_best_of_all() -> None:
    chance = random.Random(4)
    for _ in range(300):
        height, width = chance.randint(1, 5), chance.randint(1, 5)
        # Zeros are pairs that must not be.
        weights = [[chance.choice([0, 0, 0.75, 0.8, 0.9, 1]) for _ in range(width)] for _ in range(height)]  # fmt: skip
        found = best_assignment(weights)
        assert len(set(found.values())) == len(found)
        assert all(weights[row][col] > 0 for row, col in found.items())
        # Every row may stay alone: as many empty columns beside.
        wide = [[*line, *[0] * height] for line in weights]
        best = max(
            sum(wide[row][col] for row, col in enumerate(order))
            for order in itertools.permutations(range(width + height), height)
        )
        assert sum(weights[row][col] for row, col in found.items()) == pytest.approx(best)
    assert best_assignment([]) == best_assignment([[]]) == best_assignment([[0.0]]) == {}


def test_ties_are_reported_and_not_mapped(tmp_path: Path) -> None:
    report, _ = from_csv(tmp_path, "Invoice no,Amount,Amount\nA,1,2\nB,3,4\n")
    mapping = tables(report)[0]["mapping"]
    assert [each["unmappedReason"] for each in mapping] == [
        None,
        "duplicate_field",
        "duplicate_field",
    ]
    assert mapping[1]["ties"] == ["column C"]
    assert report["evaluation"] == "failure"
    text = (
        CONFIGURATION + "  - name: net\n    label: Net\n    type: decimal\n    synonyms: [amount]\n"
    )
    report, _ = from_csv(tmp_path, "Invoice no,Amount\nA,1\nB,3\n", text=text)
    each = tables(report)[0]["mapping"][1]
    assert each["unmappedReason"] == "ambiguous_top_candidates"
    assert {found["field"] for found in each["candidates"][:2]} == {"amount", "net"}


def test_a_workbook_of_ten_thousand_empty_columns(tmp_path: Path) -> None:
    book = openpyxl.Workbook()
    sheet = book.active
    sheet.append(["Invoice no", "Amount"])
    sheet.append(["A", 1])
    sheet.append(["B", 2])
    for column in range(3, 10_001):
        sheet.cell(1, column).font = Font(bold=True)
    out = io.BytesIO()
    book.save(out)
    report, folder = from_xlsx(tmp_path, out.getvalue())
    assert [row["amount"] for row in rows(folder)] == [1, 2]
    assert len(tables(report)[0]["mapping"]) == 2
    named = [["Invoice no", "Amount", *(f"Extra {n}" for n in range(9_998))], ["A", 1], ["B", 2]]
    report, folder = from_xlsx(tmp_path, workbook({"Wide": named}))
    assert [row["amount"] for row in rows(folder)] == [1, 2]
    assert tables(report)[0]["columnsLeftOut"] == 8_000


def test_a_sheet_whose_cells_lie_far_apart_takes_no_memory(tmp_path: Path) -> None:
    path = tmp_path / "far.xlsx"
    book = xlsxwriter.Workbook(str(path))
    sheet = book.add_worksheet()
    sheet.write_row(0, 0, ["Invoice no", "Amount"])
    sheet.write_row(1, 0, ["A", 1])
    sheet.write_row(2, 0, ["B", 2])
    sheet.write(60_000, 16_383, "far")
    book.close()
    _report, folder = extracted(tmp_path, lambda: Workbook(path, name="far.xlsx"))
    assert [row["amount"] for row in rows(folder)] == [1, 2]


def test_workbooks_that_are_none(tmp_path: Path) -> None:
    path = tmp_path / "bad.xlsx"
    path.write_bytes(b"PK\x03\x04 this is no archive")
    report, _ = extracted(tmp_path, lambda: Workbook(path, name="bad.xlsx"))
    assert report["documents"][0]["error"] == "malformed_workbook"
    assert report["evaluation"] == "unknown"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("xl/worksheets/sheet1.xml", b"\0" * 60_000_000)
        archive.writestr("xl/workbook.xml", b"<workbook/>")
    with pytest.raises(Unreadable) as refused:
        Workbook(path, name="bad.xlsx")
    assert refused.value.code == "archive_bomb"


def test_formulas_are_never_written_to_be_run(tmp_path: Path) -> None:
    evil = ["=cmd|' /C calc'!A0", "+1+1", "-2+3", "@SUM(A1)", "\t=1", "＝1"]
    lines = io.StringIO()
    writer = csv.writer(lines, delimiter=";")
    writer.writerow(["Invoice no", "Amount"])
    writer.writerows([text, "1"] for text in evil)
    _, folder = from_csv(tmp_path, lines.getvalue())
    with (folder / "normalised.csv").open(encoding="utf-8-sig", newline="") as file:
        written = [line[0] for line in list(csv.reader(file))[1:]]
    assert all(
        text.startswith("'") or not text.startswith(("=", "+", "-", "@")) for text in written
    )
    sheet = openpyxl.load_workbook(folder / "normalised.xlsx")["Data"]
    for line in range(2, len(evil) + 2):
        assert sheet.cell(line, 1).data_type == "s"
    assert [row["number"] for row in rows(folder)] == [text.strip() for text in evil]


def test_issues_become_comments_and_a_sheet(tmp_path: Path) -> None:
    _, folder = from_csv(tmp_path, "Invoice no;Amount\nA;abc\nA;-5\n")
    book = openpyxl.load_workbook(folder / "normalised.xlsx")
    assert book.sheetnames == ["Data", "Mapping", "Issues"]
    assert "no number" in book["Data"]["C2"].comment.text
    assert [row[5] for row in book["Issues"].iter_rows(min_row=2, values_only=True)] == [
        "not_a_number",
        "unique",
        "min",
    ]


def test_tables_of_pages_keep_their_places(tmp_path: Path) -> None:
    def page(number: int, lines: list[list[str]]) -> Table:
        cells = tuple(
            Cell(
                row=row,
                col=col,
                text=text,
                place=Place(
                    page=number, bbox=(10.0 * col, 20.0 * row, 10.0 * col + 9, 20.0 * row + 15)
                ),
            )
            for row, line in enumerate(lines)
            for col, text in enumerate(line)
        )
        return Table(
            number=number, cells=cells, n_rows=len(lines), n_cols=2, place=Place(page=number)
        )

    structure = Structure(
        media_type="application/pdf",
        text="x",
        tables=(
            page(1, [["Invoice no", "Amount"], ["A", "1.50"]]),
            page(2, [["Invoice no", "Amount"], ["B", "2.50"]]),
        ),
    )
    grid: Grid = StructuredTables(structure)
    report, folder = extracted(tmp_path, lambda: grid)
    assert [row["amount"] for row in rows(folder)] == [1.5, 2.5]
    [table] = tables(report)
    assert table["pages"]["4"] == 2
    assert table["boxes"]["4,2"] == [10.0, 20.0, 19.0, 35.0]
    assert table["skippedCounts"] == {"repeated_header": 1}
    with pytest.raises(Unreadable) as refused:
        StructuredTables(Structure(media_type="application/pdf", text=" "))
    assert refused.value.code == "no_text"


def test_a_long_file_is_read_within_little_memory(tmp_path: Path) -> None:
    """A tenth of what bench/extraction.py measures; by the memory that the kernel counts."""
    path = tmp_path / "long.csv"
    with path.open("w") as file:
        file.write("Invoice no;Invoice date;Amount\n")
        for number in range(60_000):
            file.write(f"INV-{number:07};2024-03-25;{number % 900}.50\n")
    script = (
        "import resource, sys, pathlib, django\n"
        "django.setup()\n"
        "from documents.configurations.checking import definition_of\n"
        "from documents.extraction.delimited import Delimited\n"
        "from documents.extraction.engine import Mode, Run\n"
        "path = pathlib.Path(sys.argv[1])\n"
        "run = Run(definition=definition_of(sys.argv[2]), version=1, folder=path.parent, mode=Mode())\n"
        "before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
        "run.document(key='1', name='long', sha256='', opened=lambda: Delimited(path, name='long'))\n"
        "assert run.finish()['counts']['rows'] == 60_000\n"
        "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, str(path), CONFIGURATION],
        capture_output=True,
        text=True,
        check=True,
        env={**__import__("os").environ, "DJANGO_SETTINGS_MODULE": "config.settings"},
    )
    assert int(done.stdout) < 120 * 1024
