"""What Playwright keeps in its browsers folder, and a folder like it where that one has no ffmpeg."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from django.conf import settings

# What Playwright puts where on Linux: its registry's EXECUTABLE_PATHS.
OWN_PATHS: Mapping[str, tuple[str, ...]] = {
    "chromium": ("chrome-linux64/chrome", "chrome-linux-arm64/chrome", "chrome-linux/chrome"),
    "firefox": ("firefox/firefox",),
    "webkit": ("pw_run.sh",),
    "ffmpeg": ("ffmpeg-linux",),
}


@dataclass(frozen=True, kw_only=True)
class Ffmpeg:
    """The program that makes videos; `path` is None where there is none, and `reason` says why."""

    path: Path | None
    reason: str


def find_ffmpeg() -> Ffmpeg:
    """Playwright's own, else the one on PATH if it can write WebM."""
    own = own_executable("ffmpeg")
    if own:
        return Ffmpeg(path=own, reason="Playwright's own.")
    found = shutil.which("ffmpeg")
    if found is None:
        return Ffmpeg(
            path=None,
            reason="Video needs ffmpeg, which is not installed: `python manage.py browser "
            "--install`, or on Debian `apt install ffmpeg`.",
        )
    if not _encodes_vp9(found):
        return Ffmpeg(
            path=None, reason=f"{found} has no libvpx-vp9 encoder, so it can not make video."
        )
    return Ffmpeg(path=Path(found), reason="The system's.")


def driver_environment(*, scratch: Path | None = None) -> dict[str, str]:
    """What to add to the environment of a process before it starts Playwright.

    Playwright looks for ffmpeg (video) in its own browsers folder only, and makes browser
    profiles in TMPDIR: with `scratch` they are all in that folder and go with it.
    """
    env = {}
    if find_ffmpeg().path is not None and own_executable("ffmpeg") is None:
        env["PLAYWRIGHT_BROWSERS_PATH"] = str(_link_folder())
    if scratch is not None:
        scratch.mkdir(parents=True, exist_ok=True)
        env["TMPDIR"] = str(scratch)
    return env


def driver_problem() -> str:
    """Why Playwright's driver (its own Node.js) does not start here; empty when it does.

    A small Debian lacks libatomic, which that Node.js is linked against.
    """
    node = Path(os.environ.get("PLAYWRIGHT_NODEJS_PATH") or _driver().parent / "node")
    try:
        done = subprocess.run(
            [node, "--version"], capture_output=True, text=True, timeout=60, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return f"Playwright's driver does not start: {error}"
    if done.returncode != 0:
        return f"Playwright's driver does not start: {done.stderr.strip() or done.returncode}"
    return ""


@lru_cache(maxsize=1)
def registry() -> dict[str, dict[str, Any]]:
    listed = _driver() / "browsers.json"
    return {entry["name"]: entry for entry in json.loads(listed.read_text())["browsers"]}


def _driver() -> Path:
    spec = find_spec("playwright")
    if spec is None or spec.origin is None:
        raise ModuleNotFoundError("playwright")
    return Path(spec.origin).parent / "driver" / "package"


def registry_folder() -> Path:
    chosen = os.environ.get("PLAYWRIGHT_BROWSERS_PATH")
    if chosen and chosen != "0":
        return Path(chosen)
    if chosen == "0":
        return _driver() / ".local-browsers"
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "ms-playwright"


def own_executable(name: str) -> Path | None:
    folder = registry_folder() / f"{name}-{registry()[name]['revision']}"
    for relative in OWN_PATHS[name]:
        if os.access(folder / relative, os.X_OK):
            return folder / relative
    return None


def _link_folder() -> Path:
    """A browsers folder for Playwright: the system's ffmpeg, and all that its real one holds."""
    folder = Path(settings.DATA_DIR) / "browsers"
    ffmpeg = folder / f"ffmpeg-{registry()['ffmpeg']['revision']}"
    ffmpeg.mkdir(parents=True, exist_ok=True)
    found = find_ffmpeg().path
    if found is not None:
        _link(ffmpeg / "ffmpeg-linux", found)
    real = registry_folder()
    if real != folder and real.is_dir():
        for entry in real.iterdir():
            if entry.is_dir() and entry.name != ffmpeg.name:
                _link(folder / entry.name, entry)
    return folder


def _link(link: Path, target: Path) -> None:
    if link.is_symlink() and link.readlink() == target:
        return
    # Two sessions may start at once: the rename makes either's link appear whole.
    draft = link.with_name(f".{link.name}.{os.getpid()}")
    draft.unlink(missing_ok=True)
    draft.symlink_to(target)
    draft.replace(link)


@lru_cache(maxsize=4)
def _encodes_vp9(ffmpeg: str) -> bool:
    listed = subprocess.run(
        [ffmpeg, "-hide_banner", "-encoders"],
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    return "libvpx-vp9" in listed.stdout
