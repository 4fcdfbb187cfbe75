"""`manage.py browser`: what is there to record with, and getting it."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from argparse import ArgumentParser
from collections.abc import Sequence

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from jobs.browser import Browser, BrowserNotFound, find_chromium, find_ffmpeg, sandbox_for
from jobs.playwright_files import driver_problem

NOT_FOUND = 2
DOWNLOAD_TIMEOUT_S = 900
# What the driver's Node.js is linked against and a small Debian lacks.
DRIVER_PACKAGES = ("libatomic1",)
DEBIAN_PACKAGES = (
    *("chromium", "chromium-sandbox", "ffmpeg"),
    *("fonts-liberation", "fonts-noto-color-emoji"),
)


class Command(BaseCommand):
    help = (
        "Say which Chromium, sandbox and ffmpeg recordings will use. With --install, get what is "
        f"missing. Exit code {NOT_FOUND}: nothing can be recorded."
    )
    requires_system_checks: list[str] | tuple[str, ...] = ()
    requires_migrations_checks = False

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--install",
            action="store_true",
            help="download Playwright's Chromium; where that fails and you are root, install Debian's",
        )

    def handle(self, *args: object, install: bool, **options: object) -> None:
        self._check_driver(install=install)
        found, problem = _look()
        if found is None and settings.CHROMIUM_PATH:
            raise CommandError(problem, returncode=NOT_FOUND)
        if install and (found is None or find_ffmpeg().path is None):
            self._install(with_chromium=found is None)
            found, problem = _look()
        if found is None:
            raise CommandError(self._advice(problem), returncode=NOT_FOUND)
        sandbox = sandbox_for(browser=found)
        video = find_ffmpeg()
        self.stdout.write(f"Chromium  {found.version} ({found.source}): {found.executable}")
        self.stdout.write(f"Sandbox   {'on' if sandbox.on else 'off'}: {sandbox.reason}")
        self.stdout.write(f"Video     {video.path or 'off'}: {video.reason}")

    def _check_driver(self, *, install: bool) -> None:
        """:raises CommandError: Playwright's driver does not start, and could not be mended."""
        problem = driver_problem()
        if problem and install:
            self._install_packages(DRIVER_PACKAGES)
            problem = driver_problem()
        if problem:
            packages = " ".join(DRIVER_PACKAGES)
            advice = f"On Debian this installs what it needs:\n    sudo apt-get install {packages}"
            raise CommandError(f"{problem}\n{advice}", returncode=NOT_FOUND)

    def _install(self, *, with_chromium: bool) -> None:
        wanted = "chromium" if with_chromium else "ffmpeg"
        self.stdout.write(f"Downloading Playwright's {wanted} …")
        shell = ["--no-shell"] if with_chromium else []
        if self._runs([sys.executable, "-m", "playwright", "install", *shell, wanted]):
            if _look()[0] is None and os.geteuid() == 0:  # downloaded, but libraries are missing
                self._runs([sys.executable, "-m", "playwright", "install-deps", "chromium"])
            if _look()[0] is not None and find_ffmpeg().path is not None:
                return
        self._install_packages(DEBIAN_PACKAGES if with_chromium else ("ffmpeg",))

    def _install_packages(self, packages: Sequence[str]) -> None:
        if not shutil.which("apt-get"):
            self.stderr.write("There is no apt-get here to install packages with.")
            return
        if os.geteuid() != 0:
            self.stderr.write("Packages can only be installed by root.")
            return
        self.stdout.write(f"Installing the packages {', '.join(packages)} …")
        self._runs(["apt-get", "update", "-qq"])
        self._runs(["apt-get", "install", "-y", "-qq", "--no-install-recommends", *packages])

    def _runs(self, command: list[str]) -> bool:
        """Whether `command` succeeds; its last words are shown when it does not."""
        environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
        try:
            done = subprocess.run(
                command,
                env=environment,
                capture_output=True,
                text=True,
                timeout=DOWNLOAD_TIMEOUT_S,
                check=False,
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            self.stderr.write(f"{' '.join(command[:3])}: {error}")
            return False
        if done.returncode != 0:
            said = [line for line in (done.stderr or done.stdout).splitlines() if line.strip()]
            # The first line names the failure, the last ones are a stack trace.
            self.stderr.write(
                f"  failed: {said[0].strip() if said else f'exit code {done.returncode}'}"
            )
        return done.returncode == 0

    def _advice(self, problem: str) -> str:
        ways = ["python -m playwright install --with-deps chromium"]
        if shutil.which("apt-get"):
            ways.append(f"sudo apt-get install {' '.join(DEBIAN_PACKAGES)}")
        listed = "".join(f"\n    {way}" for way in ways)
        return f"{problem}\nEither of these installs it:{listed}"


def _look() -> tuple[Browser | None, str]:
    try:
        return find_chromium(), ""
    except BrowserNotFound as error:
        return None, str(error)
