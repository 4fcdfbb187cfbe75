"""Finding and launching browsers, and that nothing leaves them beside the proxy."""

import asyncio
import json
import os
import shutil
import socket
import tempfile
from contextlib import closing
from io import StringIO
from pathlib import Path

import pytest
from django.core.management import call_command
from django.core.management.base import CommandError
from playwright.async_api import Error, async_playwright
from playwright.sync_api import sync_playwright

from jobs import browser, playwright_files
from jobs.browser import (
    Browser,
    BrowserNotFound,
    browser_environment,
    driver_environment,
    find_browser,
    find_chromium,
    find_ffmpeg,
    launch,
    launch_kwargs,
    sandbox_for,
)
from jobs.egress import Policy
from jobs.proxy import FilteringProxy
from tests.sites import Sites


@pytest.fixture
def nothing_installed(settings, monkeypatch, tmp_path):
    """A machine without any browser or ffmpeg."""
    settings.CHROMIUM_PATH = ""
    settings.DATA_DIR = tmp_path / "var"
    monkeypatch.setenv("PLAYWRIGHT_BROWSERS_PATH", str(tmp_path / "none"))
    monkeypatch.setenv("PATH", str(tmp_path))
    return tmp_path


def pretend(path: Path, says: str = "Chromium 150.0.1.2") -> Path:
    """An executable that says its version."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\necho '{says}'\n")
    path.chmod(0o755)
    return path


def test_chromium_is_looked_for_in_the_setting_then_playwright_then_the_system(
    nothing_installed, settings
):
    with pytest.raises(BrowserNotFound, match=r"manage\.py browser --install"):
        find_chromium()
    system = pretend(nothing_installed / "google-chrome", "Google Chrome 151.0.7.8 beta")
    assert find_chromium() == Browser(
        name="chromium", executable=system, version="151.0.7.8", source="system"
    )
    revision = playwright_files.registry()["chromium"]["revision"]
    own = pretend(nothing_installed / f"none/chromium-{revision}/chrome-linux64/chrome")
    assert (find_chromium().executable, find_chromium().source) == (own, "playwright")
    settings.CHROMIUM_PATH = str(pretend(nothing_installed / "mine"))
    assert (find_chromium().executable.name, find_chromium().source) == ("mine", "setting")


def test_a_wrong_setting_is_named_and_never_passed_over(nothing_installed, settings):
    pretend(nothing_installed / "chromium")
    for path in (nothing_installed / "absent", nothing_installed):
        settings.CHROMIUM_PATH = str(path)
        with pytest.raises(BrowserNotFound, match="CHROMIUM_PATH"):
            find_chromium()
    settings.CHROMIUM_PATH = str(pretend(nothing_installed / "other", "no browser at all"))
    with pytest.raises(BrowserNotFound, match="is not a browser"):
        find_chromium()


def test_other_browsers_are_playwrights_own_only(nothing_installed):
    pretend(nothing_installed / "firefox", "Mozilla Firefox 150.0")
    with pytest.raises(BrowserNotFound, match="playwright install firefox"):
        find_browser(name="firefox")
    with pytest.raises(BrowserNotFound, match="known: chromium, firefox, webkit"):
        find_browser(name="opera")
    revision = playwright_files.registry()["firefox"]["revision"]
    pretend(nothing_installed / f"none/firefox-{revision}/firefox/firefox", "Mozilla Firefox 159.0")
    assert find_browser(name="firefox").version == "159.0"


def test_the_sandbox_is_on_unless_there_is_a_reason(nothing_installed, monkeypatch):
    found = Browser(
        name="chromium", executable=nothing_installed / "chromium", version="1.2", source="system"
    )
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    assert not sandbox_for(browser=found).on
    assert "root" in sandbox_for(browser=found).reason
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    monkeypatch.setattr(browser, "_user_namespaces_refusal", lambda: None)
    assert sandbox_for(browser=found).on
    monkeypatch.setattr(browser, "_user_namespaces_refusal", lambda: "not permitted")
    assert not sandbox_for(browser=found).on
    assert "not permitted" in sandbox_for(browser=found).reason


def test_video_says_why_it_is_off_and_finds_the_systems_ffmpeg(nothing_installed, monkeypatch):
    assert find_ffmpeg().path is None
    assert "ffmpeg" in find_ffmpeg().reason
    assert "PLAYWRIGHT_BROWSERS_PATH" not in driver_environment()
    pretend(nothing_installed / "ffmpeg", "nothing that we need")
    assert "libvpx-vp9" in find_ffmpeg().reason
    playwright_files._encodes_vp9.cache_clear()
    system = pretend(nothing_installed / "ffmpeg", "V....D libvpx-vp9")
    (nothing_installed / "none" / "chromium-1").mkdir(parents=True)
    folder = Path(driver_environment()["PLAYWRIGHT_BROWSERS_PATH"])
    revision = playwright_files.registry()["ffmpeg"]["revision"]
    assert (folder / f"ffmpeg-{revision}" / "ffmpeg-linux").resolve() == system
    assert (folder / "chromium-1").is_dir()  # what Playwright has itself stays in reach
    playwright_files._encodes_vp9.cache_clear()


def test_the_browser_gets_no_setting_and_no_secret_of_ours(monkeypatch):
    # Not tmp_path: its name may itself be too long for the browser's socket.
    short = Path(tempfile.mkdtemp(dir="/tmp"))
    for name in ("SECRET_KEY", "DATABASE_URL", "ADMIN_PASSWORD", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "secret")
    environment = browser_environment(scratch=short)
    assert "secret" not in environment.values()
    assert environment["TMPDIR"] == str(short)
    too_long = short / ("x" * 100)
    assert "TMPDIR" not in browser_environment(scratch=too_long)
    shutil.rmtree(short)


def test_launch_arguments_are_plain_values(monkeypatch, tmp_path):
    kwargs = launch_kwargs(proxy_url="http://127.0.0.1:9", scratch=tmp_path, slow_mo_ms=5)
    assert json.loads(json.dumps(kwargs)) == kwargs
    assert kwargs["slow_mo"] == 5
    # A second --disable-features would replace Playwright's own.
    assert not any(
        arg.startswith(("--disable-features", "--enable-features")) for arg in kwargs["args"]
    )
    monkeypatch.delenv("DISPLAY", raising=False)
    monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)
    with pytest.raises(BrowserNotFound, match="DISPLAY"):
        launch_kwargs(proxy_url="http://127.0.0.1:9", headless=False)


def test_the_command_says_what_is_there():
    out = StringIO()
    call_command("browser", stdout=out)
    assert find_chromium().version in out.getvalue()
    assert "Sandbox" in out.getvalue()
    assert "Video" in out.getvalue()


def test_the_command_ends_with_2_where_nothing_is(nothing_installed, settings):
    with pytest.raises(CommandError, match="playwright install") as ended:
        call_command("browser")
    assert ended.value.returncode == 2
    settings.CHROMIUM_PATH = "/nope"
    with pytest.raises(CommandError, match="CHROMIUM_PATH") as ended:
        call_command("browser", "--install")
    assert ended.value.returncode == 2


LEAKS = """async (port) => {
  const peer = new RTCPeerConnection({ iceServers: [{ urls: `stun:127.0.0.1:${port}` }] });
  const candidates = [];
  peer.onicecandidate = (event) => { if (event.candidate) candidates.push(event.candidate.candidate); };
  peer.createDataChannel('x');
  await peer.setLocalDescription(await peer.createOffer());
  const transport = new WebTransport(`https://127.0.0.1:${port}/`);
  transport.closed.catch(() => {});
  await transport.ready.catch(() => {});
  await new Promise((done) => setTimeout(done, 1500));
  return candidates;
}"""


@pytest.mark.browser
async def test_nothing_leaves_the_browser_beside_the_proxy(tmp_path):
    refused: list[str] = []
    proxy = FilteringProxy(
        Policy(private=True), on_refused=lambda url, code, message: refused.append(url)
    )
    with Sites() as sites, closing(socket.socket(type=socket.SOCK_DGRAM)) as listener:
        listener.bind(("127.0.0.1", 0))
        listener.setblocking(False)
        async with async_playwright() as playwright:
            launched = await launch(
                playwright, proxy_url=await proxy.start(), scratch=tmp_path / "scratch"
            )
            page = await launched.browser.new_page()
            # localhost: a secure context, so that WebTransport exists
            await page.goto(sites.other_url)
            candidates = await page.evaluate(LEAKS, listener.getsockname()[1])
            assert candidates == []
            with pytest.raises(BlockingIOError):
                listener.recv(1)
            await page.evaluate("location.href = 'file:///etc/passwd'")
            await page.evaluate(
                "window.open('file:///etc/passwd'); window.open('chrome://version')"
            )
            await asyncio.sleep(0.5)
            for tab in page.context.pages:
                assert tab.url.startswith(("http://", "about:blank")), tab.url
            await launched.browser.close()
            assert list((tmp_path / "scratch").glob("*profile*")) == []
    await proxy.stop()
    # Nor does it ask for anything of its own: only what the page did arrives at the proxy.
    assert [url for url in refused if "127.0.0.1" not in url] == []


@pytest.mark.browser
async def test_without_its_proxy_the_browser_reaches_nothing():
    with Sites() as sites, closing(socket.socket()) as closed:
        closed.bind(("127.0.0.1", 0))
        async with async_playwright() as playwright:
            url = f"http://127.0.0.1:{closed.getsockname()[1]}"
            launched = await launch(playwright, proxy_url=url)
            page = await launched.browser.new_page()
            for target in (sites.url, sites.other_url):
                with pytest.raises(Error, match="ERR_PROXY_CONNECTION_FAILED"):
                    await page.goto(target)
            await launched.browser.close()
        assert sites.seen == []


@pytest.mark.browser
def test_the_same_arguments_start_a_synchronous_browser_with_video(tmp_path, monkeypatch):
    """As the replay does it, in a process of its own without an event loop."""
    for name, value in driver_environment(scratch=tmp_path / "driver").items():
        monkeypatch.setenv(name, value)
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(**launch_kwargs(proxy_url="http://127.0.0.1:9"))
        context = started.new_context(record_video_dir=tmp_path / "video")
        page = context.new_page()
        page.set_content("<h1>hello</h1>")
        page.wait_for_timeout(300)
        context.close()
        started.close()
    assert [path.suffix for path in (tmp_path / "video").iterdir()] == [".webm"]


def test_a_driver_that_does_not_start_is_said_with_the_package_that_it_lacks(monkeypatch, tmp_path):
    broken = tmp_path / "node"
    broken.write_text(
        "#!/bin/sh\n"
        "echo 'error while loading shared libraries: libatomic.so.1: cannot open' >&2\n"
        "exit 127\n"
    )
    broken.chmod(0o755)
    assert playwright_files.driver_problem() == ""
    monkeypatch.setenv("PLAYWRIGHT_NODEJS_PATH", str(broken))
    with pytest.raises(CommandError) as refused:
        call_command("browser")
    assert refused.value.returncode == 2
    assert "libatomic.so.1" in str(refused.value)
    assert "apt-get install libatomic1" in str(refused.value)
