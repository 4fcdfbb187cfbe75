"""`file:`, `chrome:` and the like: refused at the console, out of reach of pages."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from tests.recorder.conftest import Record
from tests.recorder.live_client import LiveError

pytestmark = pytest.mark.browser


class _Leads(BaseHTTPRequestHandler):
    """A page that tries to go, and to open popups and frames, where none may go."""

    def do_GET(self) -> None:
        page = (
            b"<h1>Leads</h1><button id=popup onclick=\"open('file:///etc/passwd')\">Popup</button>"
            b"<button id=settings onclick=\"open('chrome://version')\">Settings</button>"
            b"<button id=go onclick=\"location = 'file:///etc/passwd'\">Go</button>"
            b"<iframe src=file:///etc/passwd></iframe>"
        )
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.send_header("Content-Length", str(len(page)))
        self.end_headers()
        self.wfile.write(page)

    def log_message(self, format: str, *arguments: object) -> None:
        """Quiet."""


@pytest.fixture
def leads() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Leads)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/"
    server.shutdown()
    server.server_close()


@pytest.mark.parametrize("command", ["navigate", "newPage"])
@pytest.mark.parametrize(
    "url",
    ["file:///etc/passwd", "chrome://version", "view-source:http://localhost/", "about:version"],
)
async def test_the_address_bar_opens_web_pages_only(record: Record, command: str, url: str) -> None:
    async with record("form") as (_, live):
        with pytest.raises(LiveError) as refused:
            await live.call(command, url=url)
        assert refused.value.code == "url_refused"
        assert "Only http:// and https:// addresses can be opened" in str(refused.value)
        told = await live.wait_for(lambda one: one.get("code") == "scheme_refused")
        assert url.split(":")[0] in told["text"]
        assert live.actions() == ["navigate"]
        assert [page["url"].split(":")[0] for page in live.pages] == ["http"]


@pytest.mark.parametrize("button", ["popup", "settings", "go"])
async def test_pages_and_popups_never_get_there(record: Record, leads: str, button: str) -> None:
    # Playwright's own view of a page that opened file: or chrome: hangs; the session must not.
    async with record(leads) as (_, live):
        await live.click_on(f"#{button}")
        await asyncio.sleep(1)
        assert {page["url"].split(":")[0] for page in live.pages} <= {"http", "about"}
        await live.call("newPage", url=leads)
        await live.until(lambda: len(live.pages) > 1 and live.pages[-1]["active"])
        assert await live.at("h1")
