"""The contract with playwright 1.65.2's private recorder. A failure here after an upgrade means:
read the new recorder before anything else is changed (ADR 4)."""

from __future__ import annotations

import asyncio
import inspect
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import Page, async_playwright

from jobs.browser import find_chromium
from recorder import adapter
from recorder.adapter import (
    Recorded,
    RecordedAction,
    Recording,
    UntrustedAction,
    parse_action,
    selector_of,
)
from recorder.devices import DEVICES

PAGE = """<button onclick="this.textContent = 'Gone'">Go</button><input placeholder=Name><input type=file>
<input type=password placeholder=Secret><form><input placeholder=Search></form>"""


class Heard(list[Recorded]):
    """What the recorder reported; `action(name)` waits for it."""

    async def action(self, name: str) -> RecordedAction:
        for _ in range(100):
            for report in self:
                if isinstance(report.action, RecordedAction) and report.action.name == name:
                    return report.action
            await asyncio.sleep(0.05)
        raise AssertionError(f"no {name}: {list(self)}")


@pytest.fixture
async def page() -> AsyncIterator[Page]:
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(
            executable_path=str(find_chromium().executable), chromium_sandbox=False
        )
        yield await browser.new_page()
        await browser.close()


async def recording(page: Page) -> tuple[Recording, Heard]:
    heard = Heard()
    recorder = Recording(context=page.context, sink=heard.append)
    await page.set_content(PAGE)
    await recorder.prime(page)
    await recorder.start()
    await page.wait_for_function("document.body.dataset.pwCursor === 'pointer'")
    return recorder, heard


def test_exactly_this_version_is_installed() -> None:
    adapter.check_version()
    assert adapter.PINNED == "1.65.2"


def test_another_version_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(adapter, "version", lambda name: "1.66.0")
    with pytest.raises(adapter.WrongPlaywright, match=r"1\.66\.0"):
        adapter.check_version()


def test_the_private_calls_are_what_we_call() -> None:
    from playwright._impl.browser_context import BrowserContext as Private

    start = inspect.signature(Private._start_recording)
    assert list(start.parameters) == ["self", "params", "event_sink"]
    assert list(inspect.signature(Private._stop_recording).parameters) == ["self"]
    source = inspect.getsource(Private)
    for name in ("action_added", "action_updated", "signal_added"):
        assert f'getattr(sink, "{name}", None)' in source


@pytest.mark.browser
async def test_the_devices_are_playwrights() -> None:
    async with async_playwright() as playwright:
        assert sorted(playwright.devices) == sorted(DEVICES)


@pytest.mark.browser
async def test_clicks_fills_and_presses_are_reported(page: Page) -> None:
    recorder, heard = await recording(page)
    await page.locator("button").click()
    assert await heard.action("click") == RecordedAction(
        name="click",
        selector='internal:role=button[name="Go"i]',
        params={"button": "left", "click_count": 1, "modifiers": []},
    )
    await page.get_by_placeholder("Name").click()
    await page.keyboard.type("ab")
    await page.keyboard.press("Control+ArrowLeft")
    assert (await heard.action("press")).params == {"key": "Control+ArrowLeft"}
    fills = [
        one for one in heard if isinstance(one.action, RecordedAction) and one.action.name == "fill"
    ]
    assert [(one.op, one.action.params) for one in fills] == [  # type: ignore[union-attr]
        ("added", {"text": "a"}),
        ("updated", {"text": "ab"}),
    ]
    assert all(one.page is page for one in heard)
    await recorder.stop()
    before = len(heard)
    await page.locator("button").click()
    await asyncio.sleep(0.8)
    assert len(heard) == before


@pytest.mark.browser
async def test_stopping_reports_what_was_held_back(page: Page) -> None:
    recorder, heard = await recording(page)
    await page.locator("button").click()
    await asyncio.sleep(0.1)
    assert not heard
    await recorder.stop()
    await heard.action("click")
    await recorder.start()
    await page.get_by_placeholder("Name").fill("x")
    await heard.action("fill")


@pytest.mark.browser
async def test_priming_keeps_the_recorder_in_its_full_mode(page: Page, tmp_path: Any) -> None:
    """Unprimed: a fake path, a click after Enter, a toolbar, ARIA snapshots with passwords."""
    _, heard = await recording(page)
    (tmp_path / "a.txt").write_text("x")
    await page.locator("input[type=file]").set_input_files(tmp_path / "a.txt")
    assert (await heard.action("setInputFiles")).params == {"files": ["a.txt"]}
    await page.get_by_placeholder("Search").click()
    await page.keyboard.press("Enter")
    await heard.action("press")
    await asyncio.sleep(0.8)
    clicks = [one.action for one in heard if getattr(one.action, "name", "") == "click"]
    assert len(clicks) == 1
    assert await page.evaluate("document.querySelector('x-pw-glass')?.shadowRoot ?? null") is None
    assert await page.locator("x-pw-overlay").count() == 0


@pytest.mark.browser
async def test_normalize_names_through_frames_and_shadow(page: Page) -> None:
    await page.set_content("<iframe title=box srcdoc='<div id=host></div>'></iframe>")
    frame = page.frames[1]
    await frame.evaluate(
        "document.querySelector('#host').attachShadow({mode: 'open'}).innerHTML = '<button>In</button>'"
    )
    assert selector_of(await frame.locator("button").normalize()) == (
        'iframe[title="box"] >> internal:control=enter-frame >> internal:role=button[name="In"i]'
    )


@pytest.mark.browser
async def test_the_bindings_are_the_pages_to_call(page: Page) -> None:
    """Why nothing the recorder says is trusted."""
    _, heard = await recording(page)
    await page.evaluate(
        "__pw_recorderRecordAction({name: 'click', selector: 'forged', button: 'left', modifiers: 0, clickCount: 1})"
    )
    assert (await heard.action("click")).selector == "forged"
    await page.evaluate("__pw_recorderRecordAction({name: 'evil', selector: 'x'})")
    await asyncio.sleep(0.7)
    assert [one.action.name for one in heard if isinstance(one.action, UntrustedAction)] == ["evil"]


CLICK = {"name": "click", "selector": "a", "button": "left", "modifiers": 0, "clickCount": 1}


@pytest.mark.parametrize(
    "data",
    [
        None,
        [],
        "click",
        {},
        {"name": 3},
        {"name": ["click"]},
        {"name": "evaluate", "selector": "a"},
        {**CLICK, "selector": None},
        {**CLICK, "selector": " "},
        {**CLICK, "selector": "a\nimport os"},
        {**CLICK, "selector": "a" * 4001},
        {**CLICK, "button": "left\n"},
        {**CLICK, "modifiers": 16},
        {**CLICK, "modifiers": True},
        {**CLICK, "modifiers": "0"},
        {**CLICK, "clickCount": 0},
        {**CLICK, "clickCount": 1.5},
        {**CLICK, "position": {"x": 1}},
        {**CLICK, "position": {"x": float("nan"), "y": 0}},
        {**CLICK, "position": "0,0"},
        {"name": "fill", "selector": "a", "text": {"x": 1}},
        {"name": "fill", "selector": "a", "text": "x" * 100_001},
        {"name": "press", "selector": "a", "key": "", "modifiers": 0},
        {"name": "press", "selector": "a", "key": "a\x00", "modifiers": 0},
        {"name": "select", "selector": "a", "options": "x"},
        {"name": "select", "selector": "a", "options": [1]},
        {"name": "setInputFiles", "selector": "a", "files": None},
    ],
)
def test_what_is_of_another_shape_is_refused(data: object) -> None:
    with pytest.raises(UntrustedAction):
        parse_action(data)


def test_what_we_do_not_know_is_left_out() -> None:
    action = parse_action({**CLICK, "signals": [{"name": "x"}], "ref": "e1", "code": "import os"})
    assert action.params == {"button": "left", "click_count": 1, "modifiers": []}
    assert parse_action({**CLICK, "modifiers": 10}).params["modifiers"] == ["Control", "Shift"]


TRACED = """
import asyncio, json, sys, zipfile
from playwright.async_api import async_playwright
from recorder.adapter import keep_calls_out_of_traces, shown_in_trace

async def main():
    keep_calls_out_of_traces()
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=sys.argv[1], chromium_sandbox=False)
        context = await browser.new_context()
        await context.tracing.start(snapshots=True)
        page = await context.new_page()
        await page.set_content("<button>Go</button>")
        with shown_in_trace("Click"):
            await page.mouse.click(20, 20)
        await page.evaluate("1")
        await context.tracing.stop(path=sys.argv[2])
        await browser.close()
    with zipfile.ZipFile(sys.argv[2]) as trace:
        lines = [json.loads(line) for line in trace.read("trace.trace").splitlines()]
    print([one["title"] for one in lines if one["type"] == "before"])
    print(sum(one["type"] == "frame-snapshot" for one in lines))

asyncio.run(main())
"""


@pytest.mark.browser
def test_only_what_is_shown_is_in_the_trace(tmp_path: Path) -> None:
    """In a process of its own: it is so for all of the process."""
    done = subprocess.run(
        [
            sys.executable,
            "-c",
            TRACED,
            str(find_chromium().executable),
            str(tmp_path / "trace.zip"),
        ],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.stdout.splitlines() == ["['Click']", "2"], done.stderr
