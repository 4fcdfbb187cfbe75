"""The bad input that has no better place: nothing is fetched, nothing hangs, nothing is half-written.

Elsewhere: zero bytes, wrong endings, 10 GB declared, names (test_api); truncated and encrypted PDFs,
bombs (test_read_kind, test_readers); uploads that break off (tests/jobs/test_bodies.py, test_api);
CSV in every dress, dates, 10,000 empty columns, formulas (test_extraction_engine).
"""

from __future__ import annotations

import io
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.files.storage import default_storage
from reportlab.lib import colors
from reportlab.platypus import PageBreak, SimpleDocTemplate, Table, TableStyle

from documents import services
from documents.extraction import expressions
from documents.extraction.expressions import PATIENCE, Expression, TooSlow
from documents.models import Document, DocumentText, DocumentVersion, ReadState
from documents.readers import Unreadable
from documents.services.reading import read_again
from documents.structure import Structure
from jobs import roles
from jobs.access import Role
from jobs.models import Job, Status
from jobs.services import submit
from tests.documents import samples
from tests.documents.conftest import Store
from tests.documents.stored import configured
from tests.documents.test_extraction_engine import from_csv, rows
from tests.fixtures.jobs import end_worker, fork_worker, wait_for, wait_until_ended

ReadFile = Callable[..., Structure]


@pytest.fixture
def elsewhere() -> Iterator[tuple[str, list[str]]]:
    """The address of a web server, and what anybody asked it for."""
    asked: list[str] = []

    class Answers(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Answers)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}", asked
    server.shutdown()
    server.server_close()


def linked(url: str) -> dict[str, bytes]:
    """Files of all sorts that point elsewhere."""
    relation = (
        '<?xml version="1.0"?><Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships">'
        f'<Relationship Id="r9" Type="http://schemas.openxmlformats.org/officeDocument/2006/relationships/image" Target="{url}/docx.png" TargetMode="External"/></Relationships>'
    )
    return {
        "a.html": f"<html><head><link rel=stylesheet href='{url}/a.css'></head><body><p>Words</p><img src='{url}/a.png'><iframe src='{url}/a'></iframe></body></html>".encode(),
        "a.md": f"Words ![x]({url}/m.png)\n".encode(),
        "a.docx": samples.docx(**{"word/_rels/document.xml.rels": relation}),
        "a.xml": f'<?xml version="1.0"?><!DOCTYPE a SYSTEM "{url}/a.dtd"><a>Words</a>'.encode(),
        "a.svg": f'<?xml version="1.0"?><svg xmlns="http://www.w3.org/2000/svg"><image href="{url}/s.png"/></svg>'.encode(),
        "a.eml": b"From: a@b.c\r\nContent-Type: text/html\r\n\r\n<p>Words</p><img src='%s/e.png'>" % url.encode(),
        "a.rtf": rb"{\rtf1 Words {\field{\*\fldinst INCLUDEPICTURE %s/r.png}}}" % url.encode(),
    }  # fmt: skip


def test_what_files_point_at_is_never_fetched(
    read_file: ReadFile, elsewhere: tuple[str, list[str]]
) -> None:
    url, asked = elsewhere
    read = 0
    for name, data in linked(url).items():
        if name == "a.svg":  # kept, and not read
            with pytest.raises(Unreadable, match="no reader"):
                read_file(name, data)
            continue
        structure = read_file(name, data)
        read += "Words" in structure.text or "Log in" in structure.text
    assert read == 6
    assert asked == []


LAUGHS = '<?xml version="1.0"?><!DOCTYPE x [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;&a;">]><x>&b;</x>'
FILE = '<?xml version="1.0"?><!DOCTYPE x [<!ENTITY f SYSTEM "file:///etc/passwd">]><x>&f;</x>'


@pytest.mark.parametrize("entity", [LAUGHS, FILE], ids=["laughs", "file"])
@pytest.mark.parametrize(
    ("name", "made"),
    [
        ("a.docx", lambda xml: samples.docx(**{"word/document.xml": xml})),
        ("a.pptx", lambda xml: samples.package({"[Content_Types].xml": "", "ppt/presentation.xml": xml})),
        ("a.xlsx", lambda xml: samples.package({"[Content_Types].xml": "", "xl/workbook.xml": "<a/>", "xl/worksheets/sheet1.xml": xml})),
        ("a.ods", lambda xml: samples.package({"mimetype": "application/vnd.oasis.opendocument.spreadsheet", "content.xml": xml})),
    ],
)  # fmt: skip
def test_xml_that_declares_entities_is_refused(
    read_file: ReadFile, name: str, made: Callable[[str], bytes], entity: str
) -> None:
    with pytest.raises(Unreadable) as refused:
        read_file(name, made(entity))
    assert refused.value.code == "xml_entities"


def test_an_archive_in_an_archive_is_kept_and_not_opened(store: Store) -> None:
    inner = samples.package({"bomb.txt": b"0" * 1_000_000})
    for _ in range(5):
        inner = samples.package({"inner.zip": inner})
    document = store("deep.zip", inner, read=True)
    assert document.current is not None
    assert document.current.read_state == ReadState.UNSUPPORTED
    assert "kept as it is" in document.current.read_message
    assert document.current.read_job is None


def test_a_workbook_of_ten_thousand_empty_columns_is_read(read_file: ReadFile) -> None:
    import openpyxl

    book = openpyxl.Workbook()
    sheet = book.active
    sheet.append(["Code", "Price"])
    sheet.append(["A1", 2])
    sheet.cell(row=3, column=10_000, value="far")
    out = io.BytesIO()
    book.save(out)
    structure = read_file("wide.xlsx", out.getvalue())
    [table] = structure.tables
    assert [cell.text for cell in table.cells] == ["Code", "Price", "A1", "2", "far"]


SLOW = """\
tapedeck: 1
name: slow
fields:
  - name: number
    label: Invoice number
    required: true
    synonyms: [invoice no]
    patterns: ['(A-?)+[0-9]|([a-z]+)+[0-9]']
    validators: [{matches: '(A-?)+[0-9]|([a-z]+)+[0-9]'}]
  - name: amount
    label: Amount
    type: decimal
    transforms: [{replace: {pattern: '^(\\d+)+EUR$', with: '1'}}]
tables:
  stop_at: ['^(x+)+y$']
"""


@pytest.fixture
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    """Expressions are cut off sooner: the same thing, in less of the tests' time."""
    monkeypatch.setattr(expressions, "LIMIT_S", 0.1)


@pytest.mark.usefixtures("hasty")
def test_an_expression_that_takes_for_ever_is_cut_off_and_said(tmp_path: Path) -> None:
    text = f"Invoice no;Amount\nA-1;10\n{'a' * 40}!;20\nA-3;{'1' * 40}EU\nA-4;40\n{'x' * 40};\n"
    report, folder = from_csv(tmp_path, text, text=SLOW)
    [document] = report["documents"]
    [table] = document["tables"]
    slow = {(issue["row"], issue["field"]) for issue in table["issues"] if issue["code"] == "expression_too_slow"}  # fmt: skip
    assert {(3, "number"), (4, "amount")} <= slow
    assert [row["amount"] for row in rows(folder)][:4] == [10, 20, None, 40]
    said = " ".join(document["warnings"])
    assert "tables.stop_at was not heeded" in said
    assert "counts as none of its field" in said
    assert "a repeat inside of a repeat" in said


@pytest.mark.usefixtures("hasty")
def test_an_expression_that_was_too_slow_too_often_is_not_tried_again() -> None:
    expression = Expression("(a+)+b")
    for _ in range(PATIENCE):
        with pytest.raises(TooSlow, match="on this text"):
            expression.fullmatch("a" * 40)
    with pytest.raises(TooSlow, match="was not tried on this one"):
        expression.fullmatch("ab")
    assert expression.overruns == PATIENCE


def long_pdf(pages: int) -> bytes:
    """One whose tables take some seconds to be found."""
    cells = [[f"R-{row}", f"Customer {row}", f"{row}.50", "open", "EUR"] for row in range(40)]
    table = lambda: Table([["Invoice", "Customer", "Amount", "State", "Currency"], *cells], style=TableStyle([("GRID", (0, 0), (-1, -1), 0.5, colors.black)]))  # noqa: E731  # fmt: skip
    parts = [part for _ in range(pages) for part in (table(), PageBreak())]
    out = io.BytesIO()
    SimpleDocTemplate(out).build(parts)
    return out.getvalue()


LONG = long_pdf(25)


def reading(job: Job) -> bool:
    return Job.objects.get(pk=job.pk).events.filter(type="document.reading_started").exists()


def files_of(document: Document) -> list[str]:
    [version] = default_storage.listdir(f"documents/{document.pk}")[0]
    return default_storage.listdir(f"documents/{document.pk}/{version}")[1]


def test_deleting_a_document_ends_its_reading_and_restoring_it_reads_it(
    database: str, store: Store, owner: User
) -> None:
    document = store("long.pdf", LONG)
    job = read_again(document=document, by=owner)
    worker = fork_worker()
    try:
        wait_for(lambda: reading(job))
        services.delete(document=document, by=owner, reason="wrong one")
        ended = wait_until_ended(job)
        assert (ended.status, ended.cancel_reason) == (
            Status.CANCELLED,
            "The document was deleted.",
        )
        version = DocumentVersion.objects.get(document=document)
        assert version.read_state == ReadState.UNREAD
        assert not version.derived.exists()
        assert not DocumentText.objects.filter(document=document).exists()
        assert files_of(document) == ["file.pdf"]
        services.restore(document=Document.objects.get(pk=document.pk), by=owner)
        again = DocumentVersion.objects.get(document=document).read_job
        assert again is not None
        assert wait_until_ended(again, timeout_s=60).status == Status.SUCCEEDED
    finally:
        end_worker(worker)


def test_a_document_deleted_while_another_person_reads_it_is_left_unread(
    store: Store, owner: User
) -> None:
    alice, bob = (User.objects.create_user(name) for name in ("alice", "bob"))
    for user in (alice, bob):
        roles.put_in(user=user, role=Role.OPERATOR)
    document = store("long.pdf", LONG, by=alice, shared=True)
    job = read_again(document=document, by=bob)
    worker = fork_worker()
    try:
        wait_for(lambda: reading(job))
        services.delete(document=document, by=alice)
        ended = wait_until_ended(job, timeout_s=60)
    finally:
        end_worker(worker)
    # Not alice's job to cancel: it finds out by itself, before it writes anything.
    assert (ended.status, ended.reason) == (Status.FAILED, "document_deleted")
    assert files_of(document) == ["file.pdf"]
    assert not DocumentText.objects.filter(document=document).exists()
    assert DocumentVersion.objects.get(document=document).read_state == ReadState.UNREAD


def test_a_document_deleted_while_it_is_extracted_is_said_and_its_rows_are_kept(
    store: Store, owner: User
) -> None:
    configured(owner)
    document = store("long.pdf", LONG)
    job = submit(
        kind="documents.extract",
        options={"documents": [str(document.pk)], "configuration": "invoices"},
        by=owner,
    )
    worker = fork_worker()
    try:
        wait_for(lambda: job.events.filter(type="extract.document_started").exists())
        services.delete(document=document, by=owner)
        ended = wait_until_ended(job, timeout_s=60)
    finally:
        end_worker(worker)
    assert ended.status == Status.SUCCEEDED
    [extracted] = ended.extraction.documents.all()  # type: ignore[attr-defined]
    assert "The document was deleted while it was read." in extracted.notes["warnings"]
    assert extracted.rows == 25 * 40
