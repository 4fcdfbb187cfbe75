"""The console's pages of documents in a real Chromium."""

from __future__ import annotations

import base64
import hashlib
import os
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User
from playwright.sync_api import Page, Route, expect

from documents import services
from documents.models import Document, DocumentComment, DocumentVersion, ReadState
from tests.documents import samples
from tests.documents.conftest import Store
from tests.fixtures.jobs import end_worker, fork_worker, wait_for
from tests.jobs.test_console_browser import context, page

__all__ = ["context", "page"]

pytestmark = [
    pytest.mark.browser,
    pytest.mark.parametrize("database", ["sqlite"], indirect=True),
]

DROP = """(zone, files) => {
  const moved = new DataTransfer();
  for (const { name, data } of files) {
    const bytes = Uint8Array.from(atob(data), (char) => char.charCodeAt(0));
    moved.items.add(new File([bytes], name));
  }
  zone.dispatchEvent(new DragEvent("drop", { bubbles: true, cancelable: true, dataTransfer: moved }));
}"""
LIST = "/admin/documents/document/"


def drop(page: Page, files: dict[str, bytes]) -> None:
    told = [{"name": name, "data": base64.b64encode(data).decode()} for name, data in files.items()]
    page.locator(".doc-drop").evaluate(DROP, told)


def test_files_are_dropped_opened_commented_on_deleted_and_restored(
    page: Page, owner: User
) -> None:
    page.goto(LIST)
    drop(page, {"prices.xlsx": samples.xlsx(), "notes.txt": b"some rare words", "odd.pdf": b"no"})
    uploads = page.locator(".doc-upload")
    expect(uploads).to_have_count(3)
    expect(uploads.filter(has_text="prices.xlsx")).to_contain_text("uploaded")
    expect(uploads.filter(has_text="odd.pdf")).to_contain_text("named as a PDF, but its content")
    page.get_by_role("link", name="Show the 2 new documents in the list").click()
    expect(page.locator("#result_list tbody tr")).to_have_count(2)
    worker = fork_worker()
    try:
        wait_for(lambda: DocumentVersion.objects.filter(read_state=ReadState.READ).count() == 2)
    finally:
        end_worker(worker)
    page.goto(f"{LIST}?q=rare")
    expect(page.locator("#result_list tbody tr")).to_have_count(1)

    document = Document.objects.get(name="prices.xlsx")
    page.goto(f"{LIST}{document.pk}/change/")
    page.locator(".doc-table td", has_text="A1").first.click()
    page.get_by_role("button", name="Comment on this").click()
    expect(page.locator(".doc-about")).to_contain_text("About Prices B5: “A1”")
    page.get_by_role("textbox", name="Comment").fill("Is this one <b>still</b> sold?")
    page.get_by_role("button", name="Comment", exact=True).click()
    expect(page.locator(".doc-comment p")).to_have_text("Is this one <b>still</b> sold?")
    [comment] = DocumentComment.objects.all()
    assert comment.place == {"page": 1, "cell": "B5", "sheet": "Prices"}
    page.goto(f"{LIST}{document.pk}/change/#comments")
    page.locator(".doc-comment").get_by_role("link", name="Prices B5").click()
    expect(page.locator(".doc-table td.doc-chosen")).to_contain_text("A1")
    expect(page.locator(".doc-table td[data-noted]")).to_contain_text("A1")

    page.get_by_role("button", name="Delete").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_label("Reason").fill("wrong list")
    dialog.get_by_role("button", name="Delete").click()
    expect(page.locator(".doc-banner")).to_contain_text("by owner: wrong list")
    assert not Document.objects.present().filter(pk=document.pk).exists()
    page.get_by_role("button", name="Restore").click()
    expect(page.locator(".doc-banner")).to_have_count(0)
    assert Document.objects.present().filter(pk=document.pk).exists()


def test_a_large_upload_goes_on_after_a_break_and_after_a_reload(
    page: Page, owner: User, tmp_path: Path
) -> None:
    path = tmp_path / "large.bin"
    path.write_bytes(os.urandom(20 * 1024 * 1024))
    held: list[Route] = []
    offsets: list[int] = []

    def piece(route: Route) -> Any:
        if route.request.method != "PATCH":
            return route.continue_()
        offsets.append(int(route.request.headers["upload-offset"]))
        if offsets[-1] and len(held) < 2:
            return held.append(route)
        return route.continue_()

    page.route("**/api/uploads/*", piece)
    page.goto(LIST)
    page.locator("document-upload input[type=file]").set_input_files(path)
    upload = page.locator(".doc-upload")
    expect(upload).to_contain_text("8.4 MB of 21 MB")
    wait_for_held(page, held, 1)
    held[0].abort()
    expect(upload).to_contain_text("interrupted, going on in 2 s")
    wait_for_held(page, held, 2)
    # The page is left in the middle of its upload.
    page.on("dialog", lambda dialog: dialog.accept())
    held[1].abort()
    page.goto(LIST)
    page.locator("document-upload input[type=file]").set_input_files(path)
    expect(upload).to_contain_text("uploaded")
    assert offsets == [0, 8_388_608, 8_388_608, 8_388_608, 16_777_216]
    document = Document.objects.get(name="large.bin")
    assert document.current is not None
    assert document.current.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()


def wait_for_held(page: Page, held: list[Route], count: int) -> None:
    """Routes are handled while the page is waited for."""
    for _ in range(600):
        if len(held) >= count:
            return
        page.wait_for_timeout(50)
    raise AssertionError(f"{len(held)} requests came, not {count}")


def test_what_a_document_shows_can_not_act(page: Page, store: Store, owner: User) -> None:
    name = "<img src=x onerror=alert(1)>.txt"
    document = store(name, b"<script>alert(2)</script> words", read=True)
    worker = fork_worker()
    try:
        wait_for(lambda: DocumentVersion.objects.get().read_state == ReadState.READ)
    finally:
        end_worker(worker)
    services.comment(document=document, body="<script>alert(3)</script>", by=owner)
    page.on("dialog", lambda dialog: pytest.fail(f"it said {dialog.message}"))
    page.goto(f"{LIST}{document.pk}/change/")
    expect(page.locator(".doc-block")).to_contain_text("<script>alert(2)</script> words")
    page.get_by_role("tab", name="Comments").click()
    expect(page.locator(".doc-comment p")).to_have_text("<script>alert(3)</script>")
