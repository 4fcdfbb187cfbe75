"""Browsers: which one is there, how it is started, and what its sandbox can do.

What keeps a browser where it may go, from the outside in:

- every connection leaves through the filtering proxy (`jobs.proxy`), loopback included. Direct
  ones can not be made: nothing resolves but the proxy's own address, QUIC is off, and WebRTC
  may not use UDP beside the proxy;
- `file:`, `chrome:` and the like never reach a proxy. A page can not navigate to them
  (Chromium refuses that itself, in popups too); a person or program at the console could, so
  every address that we navigate to or open a tab at goes through `jobs.egress.Policy.check_url`
  first, and the session looks at where its tabs, popups included, really are and leads them away;
- the sandbox contains a page that breaks its renderer. It is on wherever it can be.

Nothing here touches the database; only the settings CHROMIUM_PATH and DATA_DIR are read.
"""

from __future__ import annotations

import os
import shutil
import stat
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from django.conf import settings

from jobs.playwright_files import driver_environment, find_ffmpeg, own_executable, registry

__all__ = [
    "Browser",
    "BrowserNotFound",
    "Launched",
    "Sandbox",
    "browser_environment",
    "driver_environment",
    "find_browser",
    "find_chromium",
    "find_ffmpeg",
    "launch",
    "launch_kwargs",
    "sandbox_for",
]

if TYPE_CHECKING:
    from playwright.async_api import Browser as PlaywrightBrowser
    from playwright.async_api import Playwright

Source = Literal["setting", "playwright", "system"]

SYSTEM_NAMES = ("chromium", "chromium-browser", "google-chrome-stable", "google-chrome", "chrome")
BROWSER_NAMES = ("chromium", "firefox", "webkit")
# What of our environment a browser needs.
PASSED_ON = (
    *("PATH", "HOME", "USER", "LOGNAME", "TMPDIR", "LANG", "LANGUAGE", "TZ", "LD_LIBRARY_PATH"),
    *("DISPLAY", "XAUTHORITY", "WAYLAND_DISPLAY", "XDG_RUNTIME_DIR", "XDG_DATA_DIRS"),
    *("FONTCONFIG_PATH", "FONTCONFIG_FILE", "DBUS_SESSION_BUS_ADDRESS"),
)
# A UNIX socket's path holds 107 bytes; Chromium's is TMPDIR + /org.chromium.Chromium.XXXXXX/SingletonSocket.
LONGEST_TMPDIR = 107 - len("/org.chromium.Chromium.XXXXXX/SingletonSocket")


class BrowserNotFound(Exception):
    """No such browser is installed; the message says what to do."""


@dataclass(frozen=True, kw_only=True)
class Browser:
    """An installed browser. `version` is what it says itself, such as 156.0.8078.79."""

    name: str
    executable: Path
    version: str
    source: Source


@dataclass(frozen=True, kw_only=True)
class Sandbox:
    """Whether the browser's sandbox is used, and why (not)."""

    on: bool
    reason: str


@dataclass(frozen=True, kw_only=True)
class Launched:
    """A started browser."""

    browser: PlaywrightBrowser
    found: Browser
    sandbox: Sandbox


def find_chromium() -> Browser:
    """CHROMIUM_PATH if set, else Playwright's own, else the system's.

    :raises BrowserNotFound: there is none, or CHROMIUM_PATH is not one.
    """
    if settings.CHROMIUM_PATH:
        path = Path(settings.CHROMIUM_PATH)
        if not os.access(path, os.X_OK) or path.is_dir():
            raise BrowserNotFound(
                f"CHROMIUM_PATH names {path}, which is not an executable file. "
                "Correct it, or unset it to use the browser that is installed."
            )
        return _described("chromium", path, "setting")
    own = own_executable("chromium")
    if own:
        return _described("chromium", own, "playwright")
    for name in SYSTEM_NAMES:
        found = shutil.which(name)
        if found:
            return _described("chromium", Path(found), "system")
    raise BrowserNotFound(
        "No Chromium was found. Install it with `python manage.py browser --install`, or set "
        "CHROMIUM_PATH to a Chromium or Chrome executable."
    )


def find_browser(*, name: str = "chromium") -> Browser:
    """The browser called chromium, firefox or webkit.

    :raises BrowserNotFound: unknown or not installed.
    """
    if name == "chromium":
        return find_chromium()
    if name not in BROWSER_NAMES:
        raise BrowserNotFound(f"There is no browser {name!r}; known: {', '.join(BROWSER_NAMES)}.")
    # Playwright drives patched builds of these two: a system Firefox can not stand in.
    own = own_executable(name)
    if own is None:
        raise BrowserNotFound(
            f"{name.capitalize()} is not installed. It works only as Playwright's own build: "
            f"`python -m playwright install {name}`. Or choose chromium."
        )
    return _described(name, own, "playwright")


def sandbox_for(*, browser: Browser) -> Sandbox:
    """Whether `browser` can be sandboxed by this user on this machine."""
    if browser.name != "chromium":
        return Sandbox(on=True, reason=f"{browser.name.capitalize()} sandboxes itself.")
    if os.geteuid() == 0:
        return Sandbox(
            on=False,
            reason="Chromium has no sandbox when it runs as root; run Tapedeck as an ordinary user.",
        )
    if _is_suid_root(browser.executable.parent / "chrome-sandbox"):
        return Sandbox(on=True, reason="The set-user-ID helper chrome-sandbox is installed.")
    refusal = _user_namespaces_refusal()
    if refusal is None:
        return Sandbox(on=True, reason="This user may create user namespaces.")
    return Sandbox(
        on=False,
        reason=f"This user may not create user namespaces ({refusal}) and there is no "
        "set-user-ID helper; on Debian: apt install chromium-sandbox.",
    )


def launch_kwargs(
    *,
    proxy_url: str,
    name: str = "chromium",
    headless: bool = True,
    slow_mo_ms: float = 0,
    scratch: Path | None = None,
    sandbox: bool | None = None,
    timeout_s: float = 30,
    extra_args: Sequence[str] = (),
) -> dict[str, Any]:
    """Arguments for Playwright's `launch`, async or sync; plain JSON values only.

    `scratch` is a folder for what the browser leaves lying about; it is made if missing.
    `sandbox` None: wherever it can be.

    :raises BrowserNotFound: the browser is not installed, or has no screen to be headed on.
    """
    found = find_browser(name=name)
    if not headless and not (os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")):
        raise BrowserNotFound(
            "There is no screen to show a browser window on (DISPLAY is not set). Switch the "
            "option headed off, or start Tapedeck from a desktop session or under xvfb-run."
        )
    kwargs: dict[str, Any] = {
        "executable_path": str(found.executable),
        "headless": headless,
        "slow_mo": slow_mo_ms,
        "timeout": timeout_s * 1000,
        "proxy": {"server": proxy_url},
        "env": browser_environment(scratch=scratch),
        # Whoever launches decides when to close: a signal to the group must not race with saving.
        "handle_sigint": False,
        "handle_sigterm": False,
        "handle_sighup": False,
    }
    if name == "chromium":
        kwargs["chromium_sandbox"] = sandbox_for(browser=found).on if sandbox is None else sandbox
        kwargs["args"] = [*_chromium_args(proxy_url=proxy_url), *extra_args]
    elif name == "firefox":
        kwargs["firefox_user_prefs"] = {
            "network.proxy.allow_hijacking_localhost": True,
            "media.peerconnection.ice.proxy_only": True,
            "network.http.http3.enable": False,
        }
    return kwargs


async def launch(playwright: Playwright, *, name: str = "chromium", **options: Any) -> Launched:
    """Start browser `name`; `options` are those of `launch_kwargs`.

    Where the sandbox turns out not to work, the browser is started without it and the
    reason says so: the operator sees it, and a machine without user namespaces still records.

    :raises BrowserNotFound: not installed.
    """
    from playwright.async_api import Error

    found = find_browser(name=name)
    sandbox = sandbox_for(browser=found)
    browser_type = getattr(playwright, name)
    options.setdefault("sandbox", sandbox.on)
    kwargs = launch_kwargs(name=name, **options)
    try:
        browser = await browser_type.launch(**kwargs)
    except Error as error:
        if not kwargs.get("chromium_sandbox") or "sandbox" not in error.message.lower():
            raise
        browser = await browser_type.launch(**{**kwargs, "chromium_sandbox": False})
        sandbox = Sandbox(on=False, reason="Chromium could not set up its sandbox on this machine.")
    return Launched(browser=browser, found=found, sandbox=sandbox)


def browser_environment(*, scratch: Path | None) -> dict[str, str]:
    """What of our environment the browser gets: no settings, no secrets."""
    env = {name: os.environ[name] for name in PASSED_ON if name in os.environ}
    env |= {name: value for name, value in os.environ.items() if name.startswith("LC_")}
    # Without keys a headed Chromium shows a warning bar; "no" means: none, on purpose.
    env |= dict.fromkeys(
        ("GOOGLE_API_KEY", "GOOGLE_DEFAULT_CLIENT_ID", "GOOGLE_DEFAULT_CLIENT_SECRET"), "no"
    )
    if scratch is not None:
        scratch.mkdir(parents=True, exist_ok=True)
        env |= {name: str(scratch) for name in ("XDG_CONFIG_HOME", "XDG_CACHE_HOME", "TMPDIR")}
    if len(os.fsencode(env.get("TMPDIR", ""))) > LONGEST_TMPDIR:
        del env["TMPDIR"]
    return env


def _chromium_args(*, proxy_url: str) -> list[str]:
    # Playwright's own list already silences first run, sync, updates, background requests and
    # crash reports. Never add --disable-features here: a second one replaces Playwright's.
    host = proxy_url.partition("://")[2].rpartition(":")[0].strip("[]")
    return [
        "--proxy-bypass-list=<-loopback>",  # Playwright adds it too, unless an environment variable says no
        f"--host-resolver-rules=MAP * ~NOTFOUND , EXCLUDE {host}",
        "--disable-quic",
        "--webrtc-ip-handling-policy=disable_non_proxied_udp",
        "--force-webrtc-ip-handling-policy=disable_non_proxied_udp",  # its name up to about Chromium 130
        "--disable-domain-reliability",
        "--no-pings",
        "--media-router=0",
        # Chromium asks the first two at every start, whatever else is switched off. Port 9 is one that it
        # refuses to connect to, so these requests end inside it.
        "--component-updater=url-source=http://127.0.0.1:9/",
        "--gaia-url=http://127.0.0.1:9/",
        # Every form would be described to Google, to learn what to fill in.
        "--autofill-server-url=http://127.0.0.1:9/",
    ]


def _described(name: str, path: Path, source: Source) -> Browser:
    path = _real_binary(path)
    return Browser(
        name=name,
        executable=path,
        version=_version(str(path), path.stat().st_mtime_ns),
        source=source,
    )


def _real_binary(path: Path) -> Path:
    """The program behind Debian's start script, which adds flags and writes into HOME."""
    binary = Path("/usr/lib/chromium/chromium")
    return binary if path == Path("/usr/bin/chromium") and os.access(binary, os.X_OK) else path


@lru_cache(maxsize=8)
def _version(path: str, mtime_ns: int) -> str:
    del mtime_ns  # part of the cache's key: an upgraded browser is asked again
    if path.endswith("pw_run.sh"):
        return str(registry()["webkit"].get("browserVersion", ""))
    try:
        said = subprocess.run(
            [path, "--version"], capture_output=True, text=True, timeout=30, check=True
        ).stdout
    except (OSError, subprocess.SubprocessError) as error:
        raise BrowserNotFound(
            f"{path} does not start: {getattr(error, 'stderr', None) or error}. Reinstall it, or "
            "set CHROMIUM_PATH to another Chromium."
        ) from error
    numbers = [word for word in said.split() if word[:1].isdigit() and "." in word]
    if not numbers:
        raise BrowserNotFound(
            f"{path} is not a browser: to --version it says {said.strip()[:100]!r}."
        )
    return numbers[0]


def _is_suid_root(helper: Path) -> bool:
    try:
        found = helper.stat()
    except OSError:
        return False
    return found.st_uid == 0 and bool(found.st_mode & stat.S_ISUID)


@lru_cache(maxsize=1)
def _user_namespaces_refusal() -> str | None:
    """Why this user can not have namespaces, tried as Chromium does; None: it can."""
    try:
        tried = subprocess.run(
            ["unshare", "--user", "--map-root-user", "--pid", "--net", "--fork", "true"],
            capture_output=True,
            text=True,
            timeout=10,
            check=False,
        )
    except (OSError, subprocess.SubprocessError) as error:
        return str(error)
    return None if tried.returncode == 0 else tried.stderr.strip() or "refused by the kernel"
