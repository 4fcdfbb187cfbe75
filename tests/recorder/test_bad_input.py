"""Sites and circumstances that mean no good. (Killed workers and bodies: test_record_kind.py.)"""

from __future__ import annotations

import asyncio
import json
import socket
from pathlib import Path

import psutil
import pytest

from recorder import codegen
from recorder.steps import Step
from tests.recorder.conftest import Record, ServePage
from tests.recorder.session_process import SessionProcess
from tests.sites import Sites

pytestmark = pytest.mark.browser


async def fails(url: str, folder: Path, **env: str) -> dict[str, str]:
    async with SessionProcess(url, folder, env=env, trace=False, har=False, video=False) as session:
        failed = await session.line("failed")
        assert await asyncio.wait_for(session.process.wait(), 20) == 1
        assert (folder / "metadata.json").exists()
        return failed


async def test_nobody_answers(tmp_path: Path) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    failed = await fails(f"http://127.0.0.1:{port}/", tmp_path / "work")
    assert failed["reason"] == "url_unreachable"
    assert f"127.0.0.1:{port}" in failed["message"]


async def test_refused_addresses(tmp_path: Path) -> None:
    words = {
        "file:///etc/passwd": "http",
        "chrome://settings": "http",
        "http://169.254.169.254/latest/meta-data/": "credentials",
        "javascript:alert(1)": "http",
    }
    failures = await asyncio.gather(
        *(fails(url, tmp_path / str(number)) for number, url in enumerate(words))
    )
    for failed, word in zip(failures, words.values(), strict=True):
        assert failed["reason"] == "url_refused"
        assert word in failed["message"]


async def test_private_addresses_by_policy(sites: Sites, tmp_path: Path) -> None:
    failed = await fails(sites.page("form"), tmp_path / "work", EGRESS_PRIVATE="0")
    assert failed["reason"] == "url_refused"


async def test_refused_while_recording(record: Record) -> None:
    async with record("form") as (session, live):
        for url in ("file:///etc/passwd", "http://169.254.169.254/", "chrome://version"):
            with pytest.raises(Exception, match="url_refused"):
                await live.call("navigate", url=url)
        assert len([one for one in session.lines if one["type"] == "refused"]) == 3
        assert live.actions() == ["navigate"]
        await live.click_on("h1")


async def test_a_site_that_closes_its_own_tab(record: Record) -> None:
    async with record("closing") as (session, live):
        await live.click_on("text=Open a tab that closes itself")
        await live.until(lambda: [one["alias"] for one in live.pages] == ["page", "page1"])
        await live.until(lambda: [one["alias"] for one in live.pages] == ["page"])
        assert live.pages[0]["active"] is True
        await live.call("closePage", page="page")
        told = await live.wait_for(lambda one: one.get("code") == "page_closed")
        assert told["level"] == "warning"
        assert live.pages == []
        with pytest.raises(Exception, match="unknown_page"):
            await live.click(10, 10)
        assert (await live.call("newPage"))["page"] == "page2"
        assert await session.stop() == 0


async def test_a_crashing_renderer(record: Record) -> None:
    async with record("form") as (session, live):
        await live.click_on("h1")
        await live.step("click")
        await live.call("newPage")
        children = psutil.Process(session.process.pid).children(recursive=True)
        for one in children:
            if "--type=renderer" in " ".join(one.cmdline()):
                one.kill()
        told = await live.wait_for(lambda one: one.get("code") == "page_crashed")
        assert told["level"] == "error"
        await live.wait_for(lambda one: one.get("code") == "page_closed")
        assert await session.stop() == 0
        assert "click" in (session.folder / "steps.json").read_text()


async def test_fifty_popups(record: Record) -> None:
    async with record("many") as (session, live):
        await live.click_on("#all")
        await live.wait_for(lambda one: one.get("code") == "too_many_popups", timeout_s=40)
        assert 1 < len(live.pages) <= 20
        notices = [one for one in live.of_type("notice") if one["code"] == "too_many_popups"]
        assert len(notices) == 1
        assert await session.stop() == 0


@pytest.mark.parametrize("page", ["stuck", "never"])
async def test_a_page_that_never_stops_loading(record: Record, page: str) -> None:
    async with record(page) as (session, live):
        assert live.pages[0]["loading"] is True
        await live.click(30, 30)
        await live.step("click")
        assert await session.stop() == 0


async def test_a_page_that_hangs(record: Record) -> None:
    async with record("hog") as (session, live):
        x, y = await live.at("#forever")
        await live.send("mouse", kind="click", x=x, y=y)
        await live.send("mouse", kind="click", x=x, y=y)
        await live.wait_for(lambda one: one.get("code") == "page_unresponsive", timeout_s=40)
        assert await session.stop() == 0


async def test_chromium_killed(record: Record) -> None:
    async with record("form") as (session, live):
        await live.click_on("h1")
        step = await live.step("click")
        await live.until(lambda: live.steps[step["key"]]["step"]["screenshot"])
        children = psutil.Process(session.process.pid).children(recursive=True)
        browser = next(
            one
            for one in children
            if "chromium" in one.name() and "--type=" not in " ".join(one.cmdline())
        )
        browser.kill()
        failed = await session.line("failed")
        assert failed["reason"] == "browser_crashed"
        assert await asyncio.wait_for(session.process.wait(), 20) == 1
        await live.until(lambda: live.closed)
        assert live.of_type("ended")[-1]["reason"] == "browser_crashed"
        kept = {one["path"] for one in session.lines if one["type"] == "artifact"}
        assert {"steps.json", "steps/0002.png", "dom/0002.html", "metadata.json"} <= kept
        _, alive = psutil.wait_procs(children, timeout=5)
        assert not alive


async def test_the_session_dies_with_its_parent(sites: Sites, tmp_path: Path) -> None:
    script = (
        "import subprocess, sys, json, time\n"
        "child = subprocess.Popen([sys.executable, '-m', 'recorder.session'], stdin=subprocess.PIPE, stdout=subprocess.PIPE)\n"
        "child.stdin.write(sys.argv[1].encode() + b'\\n'); child.stdin.flush()\n"
        "while json.loads(child.stdout.readline())['type'] != 'started': pass\n"
        "print(child.pid, flush=True); time.sleep(600)\n"
    )
    session = SessionProcess(
        sites.page("form"), tmp_path / "work", trace=False, har=False, video=False
    )
    (tmp_path / "work").mkdir()
    import os
    import sys

    parent = await asyncio.create_subprocess_exec(
        sys.executable,
        "-c",
        script,
        json.dumps(session._config),
        stdout=asyncio.subprocess.PIPE,
        env={**os.environ, "EGRESS_PRIVATE": "1"},
    )
    assert parent.stdout is not None
    pid = int(await asyncio.wait_for(parent.stdout.readline(), 40))
    tree = [psutil.Process(pid), *psutil.Process(pid).children(recursive=True)]
    assert len(tree) > 3
    parent.kill()
    await parent.wait()
    _, alive = psutil.wait_procs(tree, timeout=10)
    assert not [one for one in alive if one.status() != psutil.STATUS_ZOMBIE]


async def test_a_full_disk(record: Record) -> None:
    async with record("form") as (session, live):
        # A file where the folder should be: writing fails as it does on a full disk, for root too.
        pictures = session.folder / "steps"
        await live.until(lambda: pictures.exists())
        for one in pictures.iterdir():
            one.unlink()
        pictures.rmdir()
        pictures.write_text("")
        await live.click_on("h1")
        told = await live.wait_for(lambda one: one.get("code") in {"disk_full", "not_written"})
        assert told["level"] == "warning"
        await live.click_on('input[name="name"]')
        await live.until(lambda: live.actions().count("click") == 2)
        assert await session.stop() == 0
        warnings = json.loads((session.folder / "metadata.json").read_text())["warnings"]
        assert [one["code"] for one in warnings] == [told["code"]]


async def test_a_disk_that_takes_no_more(record: Record) -> None:
    """The kernel refuses further bytes, as it does on a disk that is full."""
    async with record("form") as (session, live):
        first = live.kept()[0]["key"]
        await live.until(lambda: live.steps[first]["step"]["screenshot"])
        psutil.Process(session.process.pid).rlimit(psutil.RLIMIT_FSIZE, (64, 64))
        await live.click_on("h1")
        step = await live.step("click")
        told = await live.wait_for(lambda one: one.get("code") == "not_written", timeout_s=20)
        assert "File too large" in told["text"]
        assert not live.steps[step["key"]]["step"]["screenshot"]
        # 120 is Python's own word for a standard error that took no more either.
        assert await session.stop() in {1, 120}
        assert (await session.line("failed"))["reason"] == "not_written"
        assert (session.folder / "steps/0001.png").stat().st_size > 1_000
        assert not (session.folder / "steps/0002.png").exists()


async def test_a_page_that_calls_the_recorders_bindings(record: Record) -> None:
    """It forges actions, switches the recorder off, and sends the driver what is no JSON."""
    async with record("hostile") as (session, live):
        await live.click_on("#attack")
        await live.click_on("#innocent")
        await live.until(lambda: any(one["flags"] for one in live.kept()), timeout_s=20)
        assert await live.at("text=Innocent click")
        for step in live.kept()[1:]:
            honest = step["action"] == "click" and step["element"]["name"] in {
                "Attack again",
                "Innocent button",
            }
            assert honest or step["flags"], step
        assert await session.stop() == 0
        code = codegen.generate(
            steps=[Step.from_json(one) for one in live.kept()],
            flow_name="hostile",
            url=live.welcome["url"],
            options={},
        )
        for word in ("os.system", "subprocess", "__import__", "owned"):
            lines = [line for line in code.splitlines() if word in line]
            assert all(line.strip().startswith("#") for line in lines), lines


# Calls the recorder's binding at the moment of a true press, before the recorder does.
_EVIL = (
    b"<button style='position:fixed;inset:0'>Real</button><a href=x>Other</a><script>"
    b"addEventListener('pointerdown', () => __pw_recorderRecordAction({name: 'click',"
    b" selector: 'a', button: 'left', modifiers: 0, clickCount: 1}))</script>"
)


async def test_a_forged_step_beside_a_real_click(record: Record, serve_page: ServePage) -> None:
    async with record(serve_page(_EVIL)) as (_, live):
        await live.click(50, 50)
        step = await live.step("click")
        assert step["element"]["name"] == "Real"
        # Which of two reports is false shows when the true one comes, half a second after the click.
        false = await live.step("unrecorded")
        assert false["flags"] == ["forged"]
        assert live.actions().count("click") == live.actions().count("unrecorded") == 1
