"""Pictures of the recording pages for docs/screens/: a person records a form on a throw-away console.

    python -m bench.recording_screens [--out docs/screens] [--only live,recording] [--port 8106]

The empty list, the form of a new recording, the live browser half way, the list and the saved
recording once it is verified; light and dark, 1440 and 390 wide. The console is driven in Chromium, by
pointing at its canvas and typing.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from bench.installation import ROOT, Installation, wait_for

PASSWORD = "demo"
LIST = "/admin/recorder/recordingsession/"
VIEWS = [(scheme, size) for scheme in ("light", "dark") for size in ((1440, 900), (390, 844))]


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--out", type=Path, default=ROOT / "docs" / "screens")
    parser.add_argument("--only", help="names of pages, with commas")
    parser.add_argument("--port", type=int, default=8106)
    options = parser.parse_args()
    installation = Installation(
        database="sqlite",
        settings="config.settings",
        WORKERS="1",
        BROWSER_WORKERS="1",
        HOST="127.0.0.1",
        PORT=str(options.port),
    )
    try:
        from django.contrib.auth.models import User
        from django.core.management import call_command

        call_command("collectstatic", "--noinput", verbosity=0)
        User.objects.create_superuser("admin", password=PASSWORD)
        installation.start("up")
        if not wait_for(lambda: "is ready" in installation.log(), timeout_s=120):
            raise SystemExit(installation.log())
        only = set(options.only.split(",")) if options.only else None
        record(f"http://127.0.0.1:{options.port}", out=options.out, only=only)
    finally:
        installation.close()


def record(url: str, *, out: Path, only: set[str] | None) -> None:
    from playwright.sync_api import expect, sync_playwright

    from jobs.browser import find_chromium
    from tests.sites import Sites

    os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"] = "1"
    out.mkdir(parents=True, exist_ok=True)
    with Sites() as sites, sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=str(find_chromium().executable), args=["--no-sandbox"]
        )
        page = browser.new_context(base_url=url).new_page()
        page.set_default_timeout(60_000)
        page.on("pageerror", lambda error: print("page error:", error))
        page.goto("/admin/login/")
        page.fill("[name=username]", "admin")
        page.fill("[name=password]", PASSWORD)
        page.press("[name=password]", "Enter")
        page.wait_for_url("**/admin/")
        shoot = _camera(page, out=out, only=only)
        page.goto(LIST)
        shoot("recordings-empty")
        page.goto(f"{LIST}add/")
        shoot("new-recording")
        page.set_viewport_size({"width": 1440, "height": 900})
        page.get_by_label("Address").fill(sites.page("form"))
        page.get_by_label("Flow name").fill("Sign up")
        page.get_by_role("button", name="Start recording").click()
        expect(page.locator("live-browser[data-live]")).to_be_attached()
        fields = _middles(browser, sites.page("form"))
        for selector, words in (("[name=name]", "Ada Lovelace"), ("[name=news]", "")):
            _click(page, *fields[selector])
            page.keyboard.type(words)
        expect(page.locator(".td-step", has_text="Check")).to_be_visible()
        page.get_by_role("button", name="Assert: point").click()
        _click(page, *fields["h1"])
        page.get_by_role("button", name="Add assertion").click()
        expect(page.locator(".td-step", has_text="Expect")).to_be_visible()
        page.wait_for_timeout(1_000)
        shoot("live")
        page.set_viewport_size({"width": 1440, "height": 900})
        page.get_by_role("button", name="Stop, save").click()
        expect(page.locator("[data-banner-title]")).to_have_text("Verified", timeout=180_000)
        shoot("recording")
        page.goto(LIST)
        shoot("recordings")
        browser.close()


def _camera(page: Any, *, out: Path, only: set[str] | None) -> Callable[[str], None]:
    def shoot(name: str) -> None:
        if only and name not in only:
            return
        for scheme, (width, height) in VIEWS:
            page.emulate_media(color_scheme=scheme)
            page.set_viewport_size({"width": width, "height": height})
            page.wait_for_timeout(900)
            page.screenshot(path=out / f"{name}-{scheme}-{width}.png")
            wide = page.evaluate(
                "document.documentElement.scrollWidth - document.documentElement.clientWidth"
            )
            if wide > 0:
                print(f"{name} {scheme} {width}: {wide} px too wide", flush=True)
        page.emulate_media(color_scheme="light")

    return shoot


def _middles(browser: Any, url: str) -> dict[str, tuple[float, float]]:
    """Where the form's elements stand on a page of the recording's size."""
    page = browser.new_page(viewport={"width": 1280, "height": 720})
    page.goto(url)
    found = {}
    for selector in ("[name=name]", "[name=news]", "h1"):
        box = page.locator(selector).bounding_box()
        found[selector] = (box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    page.close()
    return found


def _click(page: Any, x: float, y: float) -> None:
    """Point at the recorded page, which the canvas shows at some scale."""
    box = page.locator(".td-live-canvas").bounding_box()
    page.mouse.click(box["x"] + x * box["width"] / 1280, box["y"] + y * box["width"] / 1280)


if __name__ == "__main__":
    main()
