"""The console as a person uses it: a real Chromium on the real server, a real worker recording."""

from __future__ import annotations

import asyncio
import shutil
import subprocess
import sys
import time
import urllib.request
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import pytest_asyncio
from django.conf import settings
from playwright.async_api import BrowserContext, Page, async_playwright, expect

from jobs.browser import find_chromium
from tests.fixtures.database import environment
from tests.fixtures.jobs import Cluster
from tests.fixtures.servers import free_port
from tests.recorder.live_client import LiveClient
from tests.sites import Sites

pytestmark = [
    pytest.mark.browser,
    pytest.mark.timeout(240),
]

PASSWORD = "correct horse"
LIST = "/admin/recorder/recordingsession/"
FRAME_WIDTH = 1280


# One process for all of it: each start of manage.py costs as much as the work.
PREPARE = f"""
from django.contrib.auth.models import User
from django.core.management import call_command
call_command("migrate", verbosity=0)
for name in ("admin", "second"):
    User.objects.create_superuser(name, password={PASSWORD!r})
"""


@pytest.fixture(scope="module")
def console(
    tmp_path_factory: pytest.TempPathFactory, migrated: Path, static_files: None
) -> Iterator[str]:
    """`manage.py up` on a database of this module's own; its address."""
    folder = tmp_path_factory.mktemp("console")
    if (kept := migrated / "sqlite3").exists():  # not where this module runs by itself at first
        shutil.copyfile(kept, folder / "console.sqlite3")
    address = f"sqlite:///{folder / 'console.sqlite3'}"
    port = free_port()
    variables = {"PORT": str(port), "WORKERS": "1", "BROWSER_WORKERS": "1", "LEASE_S": "30"}
    subprocess.run(
        [sys.executable, "manage.py", "shell", "-v0", "-c", PREPARE],
        cwd=settings.BASE_DIR,
        env={**environment(address), **variables},
        check=True,
    )
    running = Cluster(address, "up", log=folder / "up.log", **variables)
    try:
        url = f"http://127.0.0.1:{port}"
        deadline = time.monotonic() + 60
        while "ready" not in running.log.read_text():
            assert running.process.poll() is None, running.log.read_text()
            assert time.monotonic() < deadline, running.log.read_text()
            time.sleep(0.1)
        urllib.request.urlopen(f"{url}/admin/login/").close()
        yield url
    finally:
        running.end()
        print(running.log.read_text())  # pytest shows it where a test failed


@pytest.fixture(scope="module")
def logins() -> dict[str, Any]:
    """The cookies of who has logged in."""
    return {}


@pytest_asyncio.fixture
async def browser() -> AsyncIterator[Any]:
    async with async_playwright() as playwright:
        launched = await playwright.chromium.launch(
            executable_path=str(find_chromium().executable), args=["--no-sandbox"]
        )
        yield launched
        await launched.close()


class Operator:
    """A person at the console; collects what the page complains of."""

    def __init__(self, page: Page, console: str) -> None:
        self.page = page
        self.console = console
        self.complaints: list[str] = []
        page.on("pageerror", lambda error: self.complaints.append(f"{error}\n{error.stack}"))
        page.on(
            "console",
            lambda line: (
                self.complaints.append(line.text)
                if "Content Security Policy" in line.text
                else None
            ),
        )

    async def log_in(self, logins: dict[str, Any], name: str = "admin") -> None:
        if name in logins:
            await self.page.context.add_cookies(logins[name])
            return
        await self.page.goto(f"{self.console}/admin/login/")
        await self.page.fill("[name=username]", name)
        await self.page.fill("[name=password]", PASSWORD)
        await self.page.click("[type=submit]")
        await self.page.wait_for_url("**/admin/")
        logins[name] = await self.page.context.cookies()

    async def new_recording(self, url: str, name: str) -> None:
        await self.page.goto(f"{self.console}{LIST}")
        await self.page.get_by_role("link", name="New recording").first.click()
        await self.page.get_by_label("Address").fill(url)
        await self.page.get_by_label("Flow name").fill(name)
        await self.page.get_by_role("button", name="Start recording").click()
        await self.is_live()

    async def light_recording(self, url: str, name: str) -> None:
        """As the form does, without the evidence that takes its time."""
        cookies = {one["name"]: one["value"] for one in await self.page.context.cookies()}
        off = {"trace": False, "har": False, "video": False, "domSnapshots": False}
        started = await self.page.request.post(
            f"{self.console}/api/recorder/sessions",
            data={"url": url, "flowName": name, "options": off},
            headers={"X-CSRFToken": cookies["csrftoken"], "Referer": self.console},
        )
        assert started.status == 202, await started.text()
        session = (await started.json())["sessionId"]
        await self.page.goto(f"{self.console}{LIST}{session}/change/")
        await self.is_live()

    async def open(self, url: str, title: str) -> None:
        """Another page in the recorded browser."""
        await self.page.get_by_label("Address of the recorded page").fill(url)
        await self.page.keyboard.press("Enter")
        await expect(self.page.get_by_role("tab", selected=True)).to_contain_text(title)

    async def leave(self) -> None:
        """Free the worker for the next test."""
        if await self.page.locator("recording-live").count():
            self.page.once("dialog", lambda dialog: asyncio.ensure_future(dialog.accept()))
            await self.page.get_by_role("button", name="Cancel", exact=True).click()
            await expect(self.page.locator("[data-banner-title]")).to_be_visible(timeout=60_000)

    async def is_live(self) -> None:
        await expect(self.page.locator("live-browser[data-live]")).to_be_attached(timeout=60_000)
        await expect(self.page.locator(".td-live-cover")).to_be_hidden()

    async def point(self, x: float, y: float) -> tuple[float, float]:
        """Where a point of the recorded page lies on the screen."""
        box = await self.page.locator(".td-live-canvas").bounding_box()
        assert box is not None
        scale = box["width"] / FRAME_WIDTH
        return box["x"] + x * scale, box["y"] + y * scale

    async def click(self, x: float, y: float, **options: Any) -> None:
        at_x, at_y = await self.point(x, y)
        await self.page.mouse.click(at_x, at_y, **options)

    def step(self, words: str) -> Any:
        return self.page.locator(".td-step", has_text=words)

    async def stop(self) -> None:
        await self.page.get_by_role("button", name="Stop, save").click()
        await expect(self.page.locator("[data-banner-title]")).to_be_visible(timeout=120_000)


@pytest_asyncio.fixture
async def operator(browser: Any, console: str, logins: dict[str, Any]) -> AsyncIterator[Operator]:
    context: BrowserContext = await browser.new_context(viewport={"width": 1440, "height": 900})
    person = Operator(await context.new_page(), console)
    await person.log_in(logins)
    yield person
    await person.leave()
    assert person.complaints == []
    await context.close()


async def middle(browser: Any, url: str, selector: str) -> tuple[float, float]:
    """Where an element stands on a page of the recording's size."""
    page = await browser.new_page(viewport={"width": 1280, "height": 720})
    await page.goto(url)
    box = await page.locator(selector).bounding_box()
    await page.close()
    assert box is not None
    return box["x"] + box["width"] / 2, box["y"] + box["height"] / 2


async def test_record_assert_stop_and_get_a_verified_test(
    operator: Operator, browser: Any, sites: Sites
) -> None:
    url, page = sites.page("form"), operator.page
    name_field = await middle(browser, url, "[name=name]")
    heading = await middle(browser, url, "h1")
    await operator.new_recording(url, "Sign up")
    await operator.click(*name_field)
    await page.keyboard.type("Ada Lovelace")
    await expect(operator.step('Fill textbox "Full name" with "Ada Lovelace"')).to_be_visible()
    await expect(operator.step("Fill").locator("code").first).to_contain_text("get_by_role")

    await page.get_by_role("button", name="Assert: point").click()
    await page.mouse.move(*(await operator.point(*heading)))
    await expect(page.locator(".td-live-caption")).to_contain_text("get_by_role")
    await operator.click(*heading)
    await page.get_by_label("What to assert").select_option("text")
    await expect(page.get_by_label("Expected")).to_have_value("Sign up")
    await page.get_by_role("button", name="Add assertion").click()
    await expect(operator.step("Expect heading")).to_be_visible()

    row = operator.step("Expect heading")
    await row.get_by_role("button", name="Reword").click()
    await page.get_by_label("Words of step").fill("The title is there")
    await page.keyboard.press("Enter")
    await expect(operator.step("The title is there")).to_be_visible()

    await operator.click(*heading, button="right")
    await page.get_by_role("menuitem", name="Hover here").click()
    hover = operator.step("Point at heading")
    await expect(hover).to_be_visible()
    await hover.get_by_role("button", name="Delete").click()
    await expect(page.locator(".td-deleted")).to_have_count(1)

    await operator.stop()
    await expect(page.locator("[data-banner-title]")).to_have_text("Verified")
    code = await page.locator("[data-code]").inner_text()
    assert '.fill("Ada Lovelace")' in code
    assert "The title is there" in code
    assert ".hover()" not in code
    # An edit takes the verdict away, a replay gives it back.
    await page.get_by_role("button", name="Restore").click()
    await expect(page.locator("[data-banner-title]")).to_have_text("Not verified")
    await page.get_by_role("button", name="Replay").click()
    await expect(page.locator("job-status[status=succeeded]")).to_be_visible(timeout=90_000)
    await expect(page.locator("[data-banner-title]")).to_have_text("Verified")

    async with page.context.expect_page() as opening:
        await page.get_by_role("link", name="Trace of the recording").click()
    viewer = await opening.value
    actions = viewer.locator(".action-title")
    await expect(actions.filter(has_text="Full name").first).to_be_visible(timeout=30_000)
    await actions.filter(has_text="Full name").first.click()
    shown = viewer.frame_locator("iframe.snapshot-visible")
    await expect(shown.get_by_role("heading", name="Sign up")).to_be_visible(timeout=15_000)
    for frame in viewer.frames[1:]:
        assert await frame.evaluate("self.origin") == "null"
    # The page's own style sheet came along into the document without an origin.
    style = await shown.locator("h1").evaluate("(heading) => getComputedStyle(heading).fontSize")
    assert style == "24px"


async def test_a_second_viewer_watches_until_control_is_handed_over(
    operator: Operator, browser: Any, logins: dict[str, Any], sites: Sites
) -> None:
    url = sites.page("form")
    name_field = await middle(browser, url, "[name=name]")
    await operator.light_recording(url, "Two of us")
    context = await browser.new_context(viewport={"width": 1440, "height": 900})
    second = Operator(await context.new_page(), operator.console)
    await second.log_in(logins, "second")
    await second.page.goto(operator.page.url)
    await second.is_live()
    await expect(second.page.locator(".td-live-who")).to_have_text("Watching · admin controls")
    # Who comes late gets the pictures of the steps before from the session.
    await expect(second.page.locator(".td-step-thumb img").first).to_be_visible(timeout=15_000)
    await expect(second.page.get_by_role("button", name="Reload")).to_be_disabled()
    await expect(operator.page.locator(".td-live-who")).to_have_text("You control · 1 watching")

    await operator.page.get_by_label("Hand control over to").select_option(label="second")
    await expect(second.page.locator(".td-live-who")).to_have_text("You control · 1 watching")
    await second.click(*name_field)
    await second.page.keyboard.type("Bo")
    await expect(operator.step('Fill textbox "Full name" with "Bo"')).to_be_visible()
    assert second.complaints == []
    await context.close()


async def test_lists_files_and_dialogs_are_drawn_by_the_console(
    operator: Operator, browser: Any, sites: Sites, tmp_path: Path
) -> None:
    url, page = sites.page("selects"), operator.page
    select = await middle(browser, url, "select >> nth=0")
    await operator.light_recording(url, "Overlays")
    await operator.click(*select)
    options = page.locator(".td-live-popup option:not([disabled])")
    await expect(options.first).to_be_visible()
    await options.nth(1).click()
    await expect(operator.step('Select "')).to_be_visible()
    await expect(page.locator(".td-live-popup")).to_have_count(0)

    chooser = await middle(browser, sites.page("upload"), "input[type=file] >> nth=0")
    await operator.open(sites.page("upload"), "pload")
    await operator.click(*chooser)
    upload = tmp_path / "notes.txt"
    upload.write_text("hello")
    await page.get_by_label("Files to upload").set_input_files(upload)
    await page.get_by_role("button", name="Upload", exact=True).click()
    await expect(operator.step("notes.txt")).to_be_visible()

    button = await middle(browser, sites.page("dialogs"), "button >> nth=0")
    await operator.open(sites.page("dialogs"), "ialog")
    await operator.click(*button)
    dialog = page.locator(".td-live-panel")
    await expect(dialog).to_be_visible()
    await dialog.get_by_role("button", name="OK").click()
    await expect(dialog).to_have_count(0)
    await expect(operator.step("Mind the gap")).to_contain_text("alert “Mind the gap” read")


async def test_pickers_paste_drag_and_pause(operator: Operator, browser: Any, sites: Sites) -> None:
    url, page = sites.page("pickers"), operator.page
    date, fruit = [await middle(browser, url, f"[name={name}]") for name in ("date", "fruit")]
    await operator.light_recording(url, "By hand")
    await operator.click(*date)
    await page.get_by_label("Choose a date for the page").fill("2026-03-04")
    await page.get_by_role("button", name="Set").click()
    await expect(operator.step("2026-03-04")).to_be_visible()

    await page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    await page.evaluate("navigator.clipboard.writeText('Äpfel ✓')")
    await operator.click(*fruit)
    await page.keyboard.press("Control+v")
    await expect(operator.step('with "Äpfel ✓"')).to_be_visible()

    card = await middle(browser, sites.page("drag"), "text=Paint")
    bin_ = await middle(browser, sites.page("drag"), "#done")
    await operator.open(sites.page("drag"), "Drag")
    await page.get_by_role("button", name="Drag: press").click()
    await expect(page.locator(".td-live-hint")).to_contain_text("Press where the drag starts")
    await page.mouse.move(*(await operator.point(*card)))
    await page.mouse.down()
    await page.mouse.move(*(await operator.point(*bin_)), steps=4)
    await page.mouse.up()
    await expect(operator.step('Drag text "Paint"')).to_be_visible()

    await page.get_by_role("button", name="Pause").click()
    await expect(page.locator(".td-live-hint")).to_contain_text("Paused")
    await operator.click(*card)
    await page.get_by_role("button", name="Resume").click()
    await expect(page.get_by_role("button", name="Pause")).to_be_visible()
    await operator.click(*bin_, button="right")
    await page.get_by_role("menuitem", name="Hover here").click()
    await expect(operator.step("Point at")).to_be_visible()
    await operator.stop()
    await expect(page.locator("[data-banner-title]")).to_have_text("Verified")
    wordings = await page.locator(".td-step-wording").all_inner_texts()
    assert [words.split()[0] for words in wordings if words.split()[0] != "Click"] == [
        "Open",
        "Fill",
        "Fill",
        "Open",
        "Drag",
        "Point",
    ]


KEEP_SOCKETS = """
window.sockets = [];
window.WebSocket = class extends WebSocket {
  constructor(...given) { super(...given); window.sockets.push(this); }
};
"""


async def test_on_a_phone_the_page_is_enlarged_and_moved(
    operator: Operator, browser: Any, sites: Sites
) -> None:
    url, page = sites.page("form"), operator.page
    news = await middle(browser, url, "[name=news]")
    await page.set_viewport_size({"width": 390, "height": 844})
    await operator.light_recording(url, "Phone")
    shown = page.locator(".td-live-percent")
    await expect(shown).not_to_have_text("100 %")
    size = page.get_by_role("group", name="Size of the recorded page")
    # By keyboard: the buttons are ordinary ones.
    await size.get_by_role("button", name="Full size").focus()
    await page.keyboard.press("Enter")
    await expect(shown).to_have_text("100 %")
    await size.get_by_role("button", name="Smaller").click()
    await expect(shown).to_have_text("75 %")

    scroller = page.get_by_role("group", name="Recorded page; scrolls")
    await scroller.evaluate("(one) => one.scrollTo(0, one.scrollHeight)")
    await operator.click(*news)
    await expect(operator.step("Send me news")).to_be_visible()

    await size.get_by_role("button", name="Fit to the window").click()
    assert await scroller.evaluate("(one) => one.scrollWidth <= one.clientWidth")
    # Two fingers: they zoom and leave no step.
    touch = await page.context.new_cdp_session(page)
    x, y = await operator.point(640, 360)
    for kind, apart in (("touchStart", 30), ("touchMove", 60), ("touchMove", 90), ("touchEnd", 0)):
        points = [{"x": x - apart, "y": y, "id": 1}, {"x": x + apart, "y": y, "id": 2}]
        await touch.send(
            "Input.dispatchTouchEvent", {"type": kind, "touchPoints": points if apart else []}
        )
    assert await scroller.evaluate("(one) => one.scrollWidth > one.clientWidth * 2")
    await expect(page.locator(".td-step")).to_have_count(2)


async def test_a_lost_connection_comes_back_and_a_cancelled_recording_keeps_its_steps(
    operator: Operator, browser: Any, sites: Sites
) -> None:
    page = operator.page
    await page.add_init_script(KEEP_SOCKETS)
    url = sites.page("form")
    name_field = await middle(browser, url, "[name=name]")
    await operator.light_recording(url, "Drop")
    await page.evaluate("sockets.filter(({url}) => url.endsWith('/live')).at(-1).close()")
    banner = page.locator(".td-live-banner")
    await expect(banner).to_contain_text("was lost")
    await expect(banner).to_be_hidden()
    await expect(page.locator(".td-live-who")).to_have_text("You control")
    await operator.click(*name_field)
    await page.keyboard.type("Ada")
    await expect(operator.step('with "Ada"')).to_be_visible()

    page.on("dialog", lambda dialog: asyncio.ensure_future(dialog.accept()))
    await page.get_by_role("button", name="Cancel", exact=True).click()
    await expect(page.locator("[data-banner-title]")).to_have_text("Cancelled", timeout=60_000)
    await expect(operator.step('with "Ada"')).to_be_visible()
    await expect(page.get_by_role("link", name="steps.json")).to_be_visible()


async def test_a_program_records_over_the_api_as_a_person_does(console: str, sites: Sites) -> None:
    async with httpx.AsyncClient(base_url=f"{console}/api", timeout=30) as http:
        login = await http.post("/auth/login", json={"username": "admin", "password": PASSWORD})
        bearer = {"Authorization": f"Bearer {login.json()['access']}"}
        http.headers.update(bearer)
        asked = {"url": sites.page("form"), "flowName": "By program", "options": {"video": False}}
        started = await http.post("/recorder/sessions", json=asked)
        assert started.status_code == 202
        session = f"/recorder/sessions/{started.json()['sessionId']}"
        address = f"{console.replace('http', 'ws', 1)}/ws{session}/live"
        async with LiveClient(address, headers=bearer) as live:
            assert live.welcome["control"]["mine"] is True
            await live.click_on("[name=name]")
            await live.type("Ada")
            await live.wait_for(
                lambda one: one["type"] == "step" and one["step"]["params"].get("text") == "Ada"
            )
            assert live.pictures
            assert (await http.post(f"{session}/stop")).status_code == 202
            assert (await http.post(f"{session}/stop/")).status_code == 202
            await live.wait_for(lambda one: one["type"] == "ended")
        job = f"/jobs/{started.json()['jobId']}"
        deadline = time.monotonic() + 120
        while (state := (await http.get(job)).json()["status"]) in {"queued", "running"}:
            assert time.monotonic() < deadline
            await asyncio.sleep(0.3)
        detail = (await http.get(session)).json()
        assert (state, detail["state"], detail["verdictReason"]) == ("succeeded", "verified", "")
        test = next(a for a in detail["artifacts"] if a["kind"] == "test")
        downloaded = await http.get(f"{console}{test['url']}")
        assert downloaded.text == detail["code"]
        assert '.fill("Ada")' in downloaded.text
        paths = {artifact["path"] for artifact in detail["artifacts"]}
        assert {"trace.zip", "network.har", "metadata.json", "replay/trace.zip"} <= paths
        assert not any(path.startswith("video/") for path in paths)
