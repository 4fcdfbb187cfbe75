"""What recording costs: fifty steps on a local page by plain Playwright, and recorded with all evidence.

Run: python -m bench.recorder [--runs 3] [--aim 1.5] [--latency-ms 200]

The same gestures go to the same page in the same Chromium, behind the same filtering proxy:

- plain: Playwright's mouse and keyboard, nothing recorded;
- evidence: the same by plain Playwright with what a session keeps, by Playwright's own public
  means: tracing with screenshots and snapshots, HAR, video, and after each step a screenshot and
  the page's content;
- locators: the same flow as a test would write it (`locator.fill` instead of letters);
- recorded: through a session's websocket, as the console sends them, with trace, HAR, video,
  screenshots, DOM snapshots and console log on, until the last step is recorded.

Wall-clock from the first gesture to the last step; medians of rounds that take turns. Exit
status 1 when recorded takes more than `--aim` times plain in the real flow, or longer than
Playwright's own evidence in either (ADR 13 says why):

- bare: gesture upon gesture on a static page; all of its time is the browser's own, so this shows
  what recording a gesture costs;
- real: waits after each gesture for what it does, for which the server takes `--latency-ms`.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import os
import statistics
import sys
import tempfile
import threading
import time
from collections import defaultdict
from collections.abc import Awaitable, Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Self

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
os.environ.setdefault("DATA_DIR", tempfile.mkdtemp(prefix="td-bench-recorder-"))
os.environ.setdefault("EGRESS_PRIVATE", "1")

import django

django.setup()

from playwright.async_api import Page, async_playwright  # noqa: E402

from jobs import browser  # noqa: E402
from jobs.egress import Policy  # noqa: E402
from jobs.proxy import FilteringProxy  # noqa: E402
from tests.recorder.live_client import LiveClient  # noqa: E402
from tests.recorder.session_process import SessionProcess  # noqa: E402
from tests.sites import Sites  # noqa: E402

ROUNDS = 10
# All of the page is in sight: the mouse of plain Playwright does not scroll, and would miss.
SIZE: Any = {"width": 1280, "height": 900}
# What one round does: five steps, each in words (kind, CSS selector, letters).
ROUND = (
    ("type", 'input[name="name"]', "Ada"),
    ("click", 'input[name="news"]', ""),
    ("click", 'input[name="terms"]', ""),
    ("click", 'input[value="pro"]', ""),
    ("click", 'button[type="reset"]', ""),
)


# Called after each step of a flow.
Kept = Callable[[], Awaitable[None]]


async def plain(page: Page, kept: Kept) -> None:
    for kind, selector, letters in ROUND * ROUNDS:
        box = await page.locator(selector).bounding_box()
        assert box is not None
        await page.mouse.click(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
        await kept()
        if kind == "type":
            for letter in letters:
                await page.keyboard.press(letter)
            await kept()


async def locators(page: Page, kept: Kept) -> None:
    for kind, selector, letters in ROUND * ROUNDS:
        if kind == "type":
            await page.locator(selector).fill(letters)
        else:
            await page.locator(selector).click()


REAL = b"""<!doctype html><title>Orders</title><h1>Orders</h1><label>Customer <input name=customer></label>
<button id=save>Save</button><button id=next>Next</button><button id=check>Check</button>
<p>Done: <output id=done>0</output></p><ul id=rows></ul><script>
let done = 0;
const ask = async (what) => { const said = await (await fetch('/ask?' + what)).text();
  const row = document.createElement('li'); row.textContent = what + ': ' + said; rows.append(row);
  if (rows.children.length > 12) rows.firstChild.remove();
  document.getElementById('done').textContent = ++done; };
for (const one of document.querySelectorAll('button')) one.onclick = () => ask(one.id);
</script>"""


class Orders(ThreadingHTTPServer):
    """A page whose every gesture asks its server, which takes `latency_s` to answer."""

    daemon_threads = True

    def __init__(self, *, latency_s: float) -> None:
        super().__init__(("127.0.0.1", 0), _Orders)
        self.latency_s = latency_s
        self.url = f"http://127.0.0.1:{self.server_port}/"

    def __enter__(self) -> Self:
        threading.Thread(target=self.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *exc: object) -> None:
        self.shutdown()
        self.server_close()


class _Orders(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        assert isinstance(self.server, Orders)
        page = self.path == "/"
        time.sleep(0 if page else self.server.latency_s)
        answer = REAL if page else b"ok"
        self.send_response(200)
        self.send_header("Content-Type", "text/html" if page else "text/plain")
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, format: str, *arguments: object) -> None:
        """Quiet."""


# A round of the real flow: a field filled in, and three buttons that each ask the server.
REAL_ROUND = ("type", "save", "check", "next")


async def real_plain(page: Page, kept: Kept) -> None:
    done = 0
    for what in REAL_ROUND * ROUNDS:
        box = await page.locator("input" if what == "type" else f"#{what}").bounding_box()
        assert box is not None
        await page.mouse.click(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
        if what == "type":
            await kept()
            await page.keyboard.press("ControlOrMeta+a")
            await kept()
            for letter in "Ada":
                await page.keyboard.press(letter)
            await kept()
            await page.keyboard.press("Tab")
            await kept()
            continue
        done += 1
        # As soon as it shows: a locator's own waiting looks every 100 to 500 ms only.
        await page.wait_for_function(
            "n => document.getElementById('done').textContent === n", arg=str(done)
        )
        await kept()


async def real_recorded(live: LiveClient) -> None:
    done = 0
    for what in REAL_ROUND * ROUNDS:
        await live.click_on("input" if what == "type" else f"#{what}")
        if what == "type":
            await live.press("a", "Control")
            await live.type("Ada")
            await live.press("Tab")
            continue
        done += 1
        await live.at(f'#done >> text="{done}"')


Flow = Callable[[Page, Kept], Awaitable[None]]


async def unrecorded(url: str, folder: Path, flow: Flow, *, evidence: bool = False) -> float:
    """Seconds for the flow by plain Playwright; with `evidence`, what a session keeps is kept by
    Playwright's own public means."""
    proxy = FilteringProxy(Policy.from_settings())
    folder.mkdir()
    files: dict[str, Any] = {}
    if evidence:
        files = {
            "record_har_path": folder / "network.har",
            "record_har_content": "embed",
            "record_video_dir": folder / "video",
            "record_video_size": SIZE,
        }
    os.environ.update(browser.driver_environment(scratch=folder / "tmp"))
    async with async_playwright() as playwright:
        launched = await browser.launch(
            playwright, proxy_url=await proxy.start(), scratch=folder / "tmp"
        )
        context = await launched.browser.new_context(viewport=SIZE, **files)
        if evidence:
            await context.tracing.start(screenshots=True, snapshots=True)
        page = await context.new_page()
        await page.goto(url)
        shots = itertools.count(1)

        async def kept() -> None:
            if evidence:
                number = next(shots)
                await page.screenshot(path=folder / f"{number}.png")
                (folder / f"{number}.html").write_text(await page.content())

        began = time.perf_counter()
        await flow(page, kept)
        took = time.perf_counter() - began
        if evidence:
            await context.tracing.stop(path=folder / "trace.zip")
        await context.close()
        await launched.browser.close()
    await proxy.stop()
    return took


async def bare_recorded(live: LiveClient) -> None:
    for kind, selector, letters in ROUND * ROUNDS:
        await live.click_on(selector)
        if kind == "type":
            await live.type(letters)


async def recorded(
    url: str, folder: Path, flow: Callable[[LiveClient], Awaitable[None]], *, last: str
) -> tuple[float, float, int]:
    """Seconds for the flow, for saving it all, and the steps that came of it."""
    async with (
        SessionProcess(url, folder, viewport=SIZE) as session,
        await session.viewer() as live,
    ):
        await live.step("navigate", timeout_s=60)
        known = len(live.kept())
        began = time.perf_counter()
        await flow(live)
        # Playwright's recorder holds a click back, in case a second one follows: a program need
        # not wait for each step, but the last of them has to have come.
        x, y = await live.at(last)
        await live.call("assert", kind="visible", x=x, y=y, timeout_s=60)
        took = time.perf_counter() - began
        steps = len(live.kept()) - known - 1
        began = time.perf_counter()
        await session.stop(timeout_s=120)
        pictured = len(list((folder / "steps").glob("*.png")))
        assert pictured == steps + 2, f"{pictured} pictures of {steps + 2} steps"
        return took, time.perf_counter() - began, steps


async def main(*, runs: int, aim: float, latency_s: float) -> int:
    figures: dict[str, list[float]] = defaultdict(list)
    steps = {"bare": 0, "real": 0}
    with (
        Sites() as sites,
        Orders(latency_s=latency_s) as orders,
        tempfile.TemporaryDirectory(prefix="td-bench-", ignore_cleanup_errors=True) as scratch,
    ):
        form = sites.page("form")
        for run in range(runs):
            folder = Path(scratch) / str(run)
            folder.mkdir()
            for name, url, flow in (
                ("bare plain", form, plain),
                ("real plain", orders.url, real_plain),
            ):
                figures[name].append(await unrecorded(url, folder / name, flow))
                name = name.replace("plain", "evidence")
                figures[name].append(await unrecorded(url, folder / name, flow, evidence=True))
            figures["bare locators"].append(await unrecorded(form, folder / "b", locators))
            took, saving, steps["bare"] = await recorded(
                form, folder / "c", bare_recorded, last="h1"
            )
            figures["bare recorded"].append(took)
            figures["bare saving"].append(saving)
            took, saving, steps["real"] = await recorded(
                orders.url, folder / "e", real_recorded, last="h1"
            )
            figures["real recorded"].append(took)
            figures["real saving"].append(saving)
            print(
                f"run {run + 1}: " + ", ".join(f"{k} {v[-1]:.2f} s" for k, v in figures.items()),
                flush=True,
            )
    medians = {name: statistics.median(values) for name, values in figures.items()}
    print(f"\nsteps: bare {steps['bare']}, real {steps['real']}; medians of {runs}:")
    for name, seconds in medians.items():
        print(f"  {name:14} {seconds:6.2f} s")
    ratios = {flow: medians[f"{flow} recorded"] / medians[f"{flow} plain"] for flow in steps}
    beside = {flow: medians[f"{flow} recorded"] / medians[f"{flow} evidence"] for flow in steps}
    for flow, ratio in ratios.items():
        print(
            f"  {flow}: recorded / plain {ratio:.2f}, evidence / plain "
            f"{medians[f'{flow} evidence'] / medians[f'{flow} plain']:.2f}, "
            f"recorded / evidence {beside[flow]:.2f}"
        )
    print(f"  aims: real recorded / plain {aim}, recorded / evidence 1 in both")
    return 0 if ratios["real"] <= aim and max(beside.values()) <= 1 else 1


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--aim", type=float, default=1.5)
    parser.add_argument("--latency-ms", type=float, default=200)
    chosen = parser.parse_args()
    sys.exit(
        asyncio.run(main(runs=chosen.runs, aim=chosen.aim, latency_s=chosen.latency_ms / 1000))
    )
