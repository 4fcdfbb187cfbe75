"""What component libraries do to a recorder, recorded and replayed: tests/sites/pages/foreign.html."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from functools import partial
from pathlib import Path

import pytest

from jobs.browser import find_chromium
from recorder import codegen
from recorder.steps import Step
from tests.recorder.conftest import Record
from tests.recorder.live_client import LiveClient

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="module")]


async def settled(live: LiveClient) -> list[Step]:
    """The steps once the recorder, which waits half a second for a second click, has told all."""
    await asyncio.sleep(1)
    assert not [step for step in live.kept() if step["flags"]], live.kept()
    return [Step.from_json(step) for step in live.kept()]


def replays(flows: dict[str, list[Step]], folder: Path) -> None:
    """Their code passes under plain pytest-playwright, as a person would run it."""
    folder.mkdir()
    for name, steps in flows.items():
        code = codegen.generate(steps=steps, flow_name=name, url=steps[0].url, options={})
        (folder / f"test_{name}.py").write_text(code)
    (folder / "conftest.py").write_text(
        "import pytest\n\n\n@pytest.fixture(scope='session')\n"
        "def browser_type_launch_args() -> dict:\n"
        f"    return {{'executable_path': {str(find_chromium().executable)!r}, 'args': ['--no-sandbox']}}\n"
    )
    run = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "no:django", "-p",
         "no:xdist", "--rootdir", str(folder), "-c", "/dev/null", folder],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=90,
    )  # fmt: skip
    assert run.returncode == 0, f"{run.stdout}\n{run.stderr}"
    assert f"{len(flows)} passed" in run.stdout


async def says(live: LiveClient, selector: str, text: str) -> None:
    x, y = await live.at(selector)
    answer = await live.call("assert", kind="text", x=x, y=y)
    assert live.steps[answer["key"]]["step"]["params"]["text"] == text


async def turns_the_calendar(live: LiveClient) -> None:
    """It rebuilds itself on press."""
    await live.click_on("css=.calendar .arrow >> nth=1")
    await live.step("click")
    await says(live, "css=.calendar b", "Month 2")


async def chooses_a_pet(live: LiveClient) -> None:
    """A list in a shadow tree, which moves the focus."""
    await live.click_on('internal:role=combobox[name="Pet"i]')
    await live.step("click")
    await live.click_on('internal:role=option[name="Dog"i]')
    await live.until(lambda: live.actions().count("click") == 2)
    await says(live, "css=#said", "Pet Dog")


async def slides(live: LiveClient) -> None:
    """By a distance: there is nothing to drop on."""
    x, y = await live.at("css=.knob")
    await live.call("mouse", kind="move", x=x, y=y)
    await live.call("mouse", kind="down", x=x, y=y)
    for part in range(1, 7):
        await live.call("mouse", kind="move", x=x + 20 * part, y=y)
    await live.call("mouse", kind="up", x=x + 120, y=y)
    step = await live.step("drag")
    assert step["params"]["by"] == {"x": 120, "y": 0}
    await says(live, "css=#said", "Slid to 110")


async def presses_drawn_boxes(live: LiveClient) -> None:
    """`check()` would wait in vain for the drawn box to let it through to the input."""
    pressed = [
        ("css=drawn-box", "News yes"),
        ("css=drawn-box .box", "News no"),
        ("css=drawn-box b", "News yes"),
        ("css=.flat i", "Flat yes"),
    ]
    for count, (what, after) in enumerate(pressed, 1):
        await live.click_on(what)
        await live.until(partial(clicked, live, count))
        await says(live, "css=#said", after)


def clicked(live: LiveClient, times: int) -> bool:
    return live.actions().count("click") == times


async def test_what_libraries_do_is_recorded_and_replayed(visit: Record, tmp_path: Path) -> None:
    flows: dict[str, list[Step]] = {}
    for drive in (turns_the_calendar, chooses_a_pet, slides, presses_drawn_boxes):
        async with visit("foreign") as (_, live):
            await drive(live)
            flows[drive.__name__] = await settled(live)
    assert flows["turns_the_calendar"][1].selector != "div >> nth=0"
    assert [one.selector for one in flows["chooses_a_pet"][1:3]] == [
        'internal:role=combobox[name="Pet"i]',
        'internal:role=option[name="Dog"i]',
    ]
    assert [one.action for one in flows["slides"]] == ["navigate", "drag", "assert_text"]
    boxes = flows["presses_drawn_boxes"]
    assert [one.action for one in boxes[1:]] == ["click", "assert_text"] * 4
    # Named as it is seen, and not after the parts below it.
    assert boxes[3].selector == 'internal:text="Send me news"i'
    await asyncio.to_thread(replays, flows, tmp_path / "replay")


async def test_an_assertion_is_about_the_text_that_is_seen(visit: Record) -> None:
    """An empty part of a transparent list lies above the counter, as in TodoMVC."""
    async with visit("foreign") as (_, live):
        x, y = await live.at("css=#count")
        answer = await live.call("assert", kind="text", x=x, y=y)
        step = live.steps[answer["key"]]["step"]
        assert step["params"]["text"] == "2 left"
        assert step["element"]["tag"] == "span"
