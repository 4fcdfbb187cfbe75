"""The sites themselves: every page loads, and does what its buttons say."""

import re
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from playwright.async_api import Page, async_playwright, expect

from jobs.browser import launch
from jobs.egress import Policy
from jobs.proxy import FilteringProxy
from tests.sites import Sites
from tests.sites.server import PAGES, PASSWORD, USERNAME

pytestmark = pytest.mark.browser

NAMES = sorted(path.stem for path in PAGES.glob("*.html"))


@pytest.fixture(scope="module")
def sites() -> Iterator[Sites]:
    with Sites(https=True) as served:
        yield served


@pytest.fixture
async def page(tmp_path: Path) -> AsyncIterator[Page]:
    """A page of a browser that goes through the filtering proxy."""
    proxy = FilteringProxy(Policy(private=True))
    async with async_playwright() as playwright:
        launched = await launch(playwright, proxy_url=await proxy.start(), scratch=tmp_path)
        context = await launched.browser.new_context(ignore_https_errors=True)
        yield await context.new_page()
        await launched.browser.close()
    await proxy.stop()


async def test_every_page_loads_without_an_error(page, sites):
    errors: list[str] = []
    page.on("pageerror", lambda error: errors.append(f"{page.url}: {error}"))
    for name in NAMES:
        # Its picture or its stream never ends: "load" does not come.
        answer = await page.goto(sites.page(name), wait_until="commit")
        assert answer.status == 200, name
        await expect(page.locator("h1, button").first).to_be_visible()
    assert errors == []


async def test_login_keeps_who_signed_in(page, sites):
    await page.goto(sites.page("login"))
    await page.get_by_label("E-mail").fill(USERNAME)
    await page.get_by_label("Password", exact=True).fill("wrong")
    await page.get_by_role("button", name="Sign in").click()
    await expect(page.get_by_role("alert")).to_contain_text("wrong")
    await page.goto(sites.page("login"))
    await page.get_by_label("E-mail").fill(USERNAME)
    await page.get_by_label("Password", exact=True).fill(PASSWORD)
    await page.get_by_role("button", name="Sign in").click()
    await expect(page.get_by_role("heading")).to_have_text("Your account")


async def test_form_says_what_is_missing_then_what_arrived(page, sites):
    await page.goto(sites.page("form"))
    await page.get_by_role("button", name="Create account").click()
    await expect(page.get_by_role("alert")).to_have_text("Full name: is required")
    await page.get_by_label("Full name").fill("Ada <Lovelace>")
    await page.get_by_label("E-mail").fill("ada@example.com")
    await page.get_by_label("Pro").check()
    await page.get_by_label("I accept the terms").check()
    await page.get_by_role("button", name="Create account").click()
    await expect(page.get_by_role("row", name="name")).to_contain_text("Ada <Lovelace>")
    assert sites.posted("/signup")[-1].fields["plan"] == ["pro"]


async def test_uploads_arrive(page, sites):
    await page.goto(sites.page("upload"))
    several = [
        {"name": f"{n}.txt", "mimeType": "text/plain", "buffer": b"x" * n} for n in (1, 70_000)
    ]
    await page.get_by_label("Several pictures").set_input_files(several)
    await page.get_by_role("button", name="Send files").click()
    await expect(page.get_by_label("Files").get_by_role("listitem")).to_have_text(
        ["1.txt, 1 bytes", "70000.txt, 70000 bytes"]
    )
    assert sites.posted("/files")[-1].files["70000.txt"] == b"x" * 70_000


async def test_frames_reach_across_origins(page, sites):
    await page.goto(sites.page("frames"))
    other = page.frame_locator('iframe[name="other"]')
    await other.get_by_label("Message").fill("hello")
    await other.get_by_role("button", name="Send").click()
    await expect(page.locator("#said")).to_have_text("other: hello")
    inner = page.frame_locator('[title="Outer frame"]').frame_locator('[title="Inner frame"]')
    await inner.get_by_label("Message").fill("deep")
    await inner.get_by_role("button", name="Send").click()
    await expect(page.locator("#said")).to_have_text("inner: deep")


async def test_drags_of_both_sorts(page, sites):
    await page.goto(sites.page("drag"))
    await page.get_by_text("Paint").drag_to(page.get_by_label("Done", exact=True))
    await expect(page.locator("#said")).to_have_text("Moved Paint to Done")
    await page.get_by_text("Alpha").drag_to(page.get_by_text("Charlie"))
    await expect(page.locator("#said")).to_have_text(re.compile("Bravo .*Alpha"))


async def test_popup_speaks_and_closes(page, sites):
    await page.goto(sites.page("tabs"))
    async with page.expect_popup() as opened:
        await page.get_by_role("button", name="Open popup", exact=True).click()
    popup = await opened.value
    await popup.get_by_label("Colour").fill("teal")
    await popup.get_by_role("button", name="Choose and close").click()
    await expect(page.locator("#said")).to_have_text("The popup said: teal")
    assert popup.is_closed()


async def test_the_https_origin_is_there_and_untrusted(page, sites):
    answer = await page.goto(f"{sites.https_url}/second")
    assert answer.status == 200
    strict = await page.context.browser.new_page()
    with pytest.raises(Exception, match="ERR_CERT_AUTHORITY_INVALID"):
        await strict.goto(sites.https_url)
    await strict.close()
