"""`file:`, `chrome:` and the like: refused at the console, out of reach of pages."""

from __future__ import annotations

import asyncio

import pytest

from tests.recorder.conftest import Record, ServePage
from tests.recorder.live_client import LiveError

pytestmark = pytest.mark.browser

# A page that tries to go, and to open popups and frames, where none may go.
_LEADS = (
    b"<h1>Leads</h1><button id=popup onclick=\"open('file:///etc/passwd')\">Popup</button>"
    b"<button id=settings onclick=\"open('chrome://version')\">Settings</button>"
    b"<button id=go onclick=\"location = 'file:///etc/passwd'\">Go</button>"
    b"<iframe src=file:///etc/passwd></iframe>"
)


async def test_the_address_bar_opens_web_pages_only(record: Record) -> None:
    async with record("form") as (_, live):
        for command in ("navigate", "newPage"):
            for url in (
                "file:///etc/passwd",
                "chrome://version",
                "view-source:http://localhost/",
                "about:version",
            ):
                told = len(live.messages)
                with pytest.raises(LiveError) as refused:
                    await live.call(command, url=url)
                assert refused.value.code == "url_refused"
                assert "Only http:// and https:// addresses can be opened" in str(refused.value)
                notice = await live.wait_for(
                    lambda one: one.get("code") == "scheme_refused", after=told
                )
                assert url.split(":")[0] in notice["text"]
        assert live.actions() == ["navigate"]
        assert [page["url"].split(":")[0] for page in live.pages] == ["http"]


async def test_pages_and_popups_never_get_there(record: Record, serve_page: ServePage) -> None:
    # Playwright's own view of a page that opened file: or chrome: hangs; the session must not.
    leads = serve_page(_LEADS)
    async with record(leads) as (_, live):
        for button in ("popup", "settings", "go"):
            await live.click_on(f"#{button}")
            await asyncio.sleep(1)
            assert {page["url"].split(":")[0] for page in live.pages} <= {"http", "about"}
            opened = (await live.call("newPage", url=leads))["page"]
            await live.until(
                lambda new=opened: live.pages[-1]["alias"] == new and live.pages[-1]["active"]
            )
            assert await live.at("h1")
