"""Each option of a recording, and what it changes."""

from __future__ import annotations

import asyncio
import json
import socket
import zipfile
from pathlib import Path
from time import monotonic

import pytest

from tests.recorder.conftest import Record
from tests.recorder.session_process import SessionProcess
from tests.sites import Sites

pytestmark = pytest.mark.browser


async def test_what_the_page_is_told(record: Record) -> None:
    async with record(
        "about-you",
        locale="de-DE",
        timezone="Pacific/Auckland",
        color_scheme="dark",
        viewport={"width": 900, "height": 500},
        user_agent="Tapedeck/1",
        permissions=["notifications"],
    ) as (_, live):
        for shows in (
            "#languages >> text=de-DE",
            "#timezone >> text=Pacific/Auckland",
            "#scheme >> text=dark",
            "#viewport >> text=900x500",
            "#agent >> text=Tapedeck/1",
            "#notifications >> text=granted",
        ):
            assert (await live.at(shows))[0] > 0
        picture = await live.until(lambda: live.pictures)
        assert (picture[-1].width, picture[-1].height) == (900, 500)


async def test_a_device_brings_its_screen_and_its_touch(record: Record) -> None:
    async with record("about-you", device="Pixel 7") as (_, live):
        assert (await live.at("#touch >> text=1"))[0] > 0


async def test_geolocation_with_its_permission(record: Record) -> None:
    place = {"latitude": 48.2, "longitude": 16.4, "accuracy": 0}
    async with record("about-you", geolocation=place, permissions=["geolocation"]) as (_, live):
        await live.click_on("#where")
        assert await live.at("text=48.2, 16.4")


async def test_headers_credentials_and_csp(record: Record, sites: Sites) -> None:
    async with record(
        "private",
        http_credentials={"username": "ada", "password": "lovelace"},
        extra_headers={"X-Team": "blue"},
        bypass_csp=True,
    ) as (session, live):
        assert await live.at("text=Private page")
        assert sites.seen[-1].headers["x-team"] == "blue"
        await live.call("navigate", url=sites.page("strict"))
        assert await live.at("text=inline script ran")
        await session.stop()
        options = json.loads((session.folder / "metadata.json").read_text())["options"]
        assert options["httpCredentials"] == options["extraHeaders"] == "(set)"


async def test_https_errors_are_ignored_only_on_wish(tmp_path: Path) -> None:
    light = {"trace": False, "har": False, "video": False}
    with Sites(https=True) as sites:
        async with SessionProcess(f"{sites.https_url}/second", tmp_path / "a", **light) as session:
            failed = await session.line("failed")
            assert failed["reason"] == "url_unreachable"
            assert "CERT" in failed["message"]
        async with SessionProcess(
            f"{sites.https_url}/second", tmp_path / "b", ignore_https_errors=True, **light
        ) as session:
            await session.line("started")


async def test_the_proxy_is_gone_through(tmp_path: Path, sites: Sites) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        nobody = f"http://127.0.0.1:{free.getsockname()[1]}"
    options = {"proxy": {"server": nobody}}
    async with SessionProcess(sites.page("second"), tmp_path / "work", **options) as session:
        failed = await session.line("failed")
        assert "proxy" in failed["message"]
        assert failed["reason"] == "url_unreachable"


async def test_evidence_is_kept_and_left_out_on_wish(record: Record) -> None:
    toggles = (
        "trace",
        "har",
        "video",
        "screenshots",
        "dom_snapshots",
        "console_log",
        "storage_state",
    )
    async with record("noise", **dict.fromkeys(toggles, True)) as (session, live):
        await live.click_on("h1")
        step = await live.step("click")
        await live.until(lambda: live.steps[step["key"]]["step"]["screenshot"])
        assert await session.stop() == 0
    kept = {one["path"] for one in session.lines if one["type"] == "artifact"}
    assert {"trace.zip", "network.har", "video/01.webm", "steps/0002.png", "dom/0002.html", "console.jsonl", "storage_state.json", "metadata.json", "steps.json"} <= kept  # fmt: skip
    with zipfile.ZipFile(session.folder / "trace.zip") as trace:
        told = b"".join(trace.read(name) for name in trace.namelist() if name.endswith(".trace"))
    assert b'"title":"2. ' in told or b"2. Click" in told
    lines = [
        json.loads(line) for line in (session.folder / "console.jsonl").read_text().splitlines()
    ]
    assert {one["type"] for one in lines} >= {"log"}
    metadata = json.loads((session.folder / "metadata.json").read_text())
    assert metadata["browser"]["name"] == "chromium"
    assert isinstance(metadata["sandbox"]["on"], bool)
    assert metadata["sandbox"]["reason"]
    assert metadata["steps"]["kept"] == 2
    assert metadata["endedBy"] == "stopped"


async def test_no_evidence_but_the_steps(record: Record) -> None:
    toggles = ("screenshots", "dom_snapshots", "console_log", "storage_state")
    async with record("second", **dict.fromkeys(toggles, False)) as (session, live):
        await live.click_on("h1")
        await live.step("click")
        assert await session.stop() == 0
    kept = {one["path"] for one in session.lines if one["type"] == "artifact"}
    assert kept == {"metadata.json", "steps.json"}


async def test_it_starts_from_an_earlier_state(sites: Sites, tmp_path: Path) -> None:
    state = tmp_path / "state.json"
    entry = {"origin": sites.url, "localStorage": [{"name": "who", "value": "kept"}]}
    state.write_text(json.dumps({"cookies": [], "origins": [entry]}))
    light = {"trace": False, "har": False, "video": False, "storage_state": str(state)}
    async with SessionProcess(sites.page("second"), tmp_path / "again", **light) as session:
        await session.line("started")
        assert await session.stop() == 0
        assert "kept" in (session.folder / "storage_state.json").read_text()


async def test_slow_motion_slows_every_input(record: Record) -> None:
    async with record("form", slow_mo=400) as (_, live):
        x, y = await live.at("h1")
        began = monotonic()
        await live.click(x, y)
        # To move, press and let go are three inputs.
        assert monotonic() - began >= 1.2
        await live.step("click")


async def test_no_window_without_a_screen(tmp_path: Path, sites: Sites) -> None:
    async with SessionProcess(
        sites.page("second"),
        tmp_path / "work",
        env={"DISPLAY": "", "WAYLAND_DISPLAY": ""},
        headed=True,
    ) as session:
        failed = await session.line("failed")
        assert failed["reason"] == "browser_not_found"
        assert "screen" in failed["message"]
        assert await asyncio.wait_for(session.process.wait(), 30) == 1
