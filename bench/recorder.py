"""What recording costs: fifty steps on a local page by plain Playwright, and recorded with all evidence.

Run: python -m bench.recorder [--runs 3] [--aim 1.5]

The same gestures go to the same page in the same Chromium, behind the same filtering proxy:

- plain: Playwright's mouse and keyboard, nothing recorded;
- locators: the same flow as a test would write it (`locator.fill` instead of letters);
- recorded: through a session's websocket, as the console sends them, with trace, HAR, video,
  screenshots, DOM snapshots and console log on, until the last step is recorded.

Wall-clock from the first gesture to the last step; medians. Exit status 1 when recorded
takes more than `--aim` times plain.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
os.environ.setdefault("DATA_DIR", tempfile.mkdtemp(prefix="td-bench-recorder-"))
os.environ.setdefault("EGRESS_PRIVATE", "1")

import django

django.setup()

from playwright.async_api import Page, async_playwright  # noqa: E402

from jobs import browser  # noqa: E402
from jobs.egress import Policy  # noqa: E402
from jobs.proxy import FilteringProxy  # noqa: E402
from tests.recorder.session_process import SessionProcess  # noqa: E402
from tests.sites import Sites  # noqa: E402

ROUNDS = 10
# What one round does: five steps, each in words (kind, CSS selector, letters).
ROUND = (
    ("type", 'input[name="name"]', "Ada"),
    ("click", 'input[name="news"]', ""),
    ("click", 'input[name="terms"]', ""),
    ("click", 'input[value="pro"]', ""),
    ("click", 'button[type="reset"]', ""),
)
STEPS = ROUNDS * len(ROUND)  # gestures; a click into a field is a step of its own


async def plain(page: Page) -> None:
    for kind, selector, letters in ROUND * ROUNDS:
        box = await page.locator(selector).bounding_box()
        assert box is not None
        await page.mouse.click(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
        if kind == "type":
            for letter in letters:
                await page.keyboard.press(letter)


async def locators(page: Page) -> None:
    for kind, selector, letters in ROUND * ROUNDS:
        if kind == "type":
            await page.locator(selector).fill(letters)
        else:
            await page.locator(selector).click()


async def unrecorded(url: str, folder: Path, flow: Callable[[Page], Awaitable[None]]) -> float:
    proxy = FilteringProxy(Policy.from_settings())
    async with async_playwright() as playwright:
        launched = await browser.launch(
            playwright, proxy_url=await proxy.start(), scratch=folder / "tmp"
        )
        page = await launched.browser.new_page(viewport={"width": 1280, "height": 720})
        await page.goto(url)
        began = time.perf_counter()
        await flow(page)
        took = time.perf_counter() - began
        await launched.browser.close()
    await proxy.stop()
    return took


async def recorded(url: str, folder: Path) -> tuple[float, float, int]:
    """Seconds for the flow, for saving it all, and the steps that came of it."""
    async with SessionProcess(url, folder) as session, await session.viewer() as live:
        await live.step("navigate", timeout_s=60)
        known = len(live.kept())
        began = time.perf_counter()
        for kind, selector, letters in ROUND * ROUNDS:
            await live.click_on(selector)
            if kind == "type":
                await live.type(letters)
        # Playwright's recorder holds a click back for 200 ms, in case a second one follows: a
        # program need not wait for each step, but all of them have to have come.
        async with asyncio.timeout(30):
            while len(live.kept()) - known < STEPS + ROUNDS:
                await asyncio.sleep(0.005)
        took = time.perf_counter() - began
        steps = len(live.kept()) - known
        began = time.perf_counter()
        await session.stop()
        return took, time.perf_counter() - began, steps


async def main(*, runs: int, aim: float) -> int:
    figures: dict[str, list[float]] = {"plain": [], "locators": [], "recorded": [], "saving": []}
    steps = 0
    with (
        Sites() as sites,
        tempfile.TemporaryDirectory(prefix="td-bench-", ignore_cleanup_errors=True) as scratch,
    ):
        url = sites.page("form")
        for run in range(runs):
            folder = Path(scratch) / str(run)
            folder.mkdir()
            figures["plain"].append(await unrecorded(url, folder / "a", plain))
            figures["locators"].append(await unrecorded(url, folder / "b", locators))
            took, saving, steps = await recorded(url, folder / "c")
            figures["recorded"].append(took)
            figures["saving"].append(saving)
            print(
                f"run {run + 1}: " + ", ".join(f"{k} {v[-1]:.2f} s" for k, v in figures.items()),
                flush=True,
            )
    medians = {name: statistics.median(values) for name, values in figures.items()}
    ratio = medians["recorded"] / medians["plain"]
    print(f"\n{STEPS} gestures, {steps} steps recorded; medians of {runs}:")
    for name, seconds in medians.items():
        print(f"  {name:9} {seconds:6.2f} s  {seconds / STEPS * 1000:6.1f} ms a step")
    print(f"  recorded / plain    {ratio:.2f}  (aim {aim})")
    print(f"  recorded / locators {medians['recorded'] / medians['locators']:.2f}")
    return 0 if ratio <= aim else 1


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--aim", type=float, default=1.5)
    chosen = parser.parse_args()
    sys.exit(asyncio.run(main(runs=chosen.runs, aim=chosen.aim)))
