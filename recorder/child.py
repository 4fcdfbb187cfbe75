"""The child that runs a test: its lines as they come, its end, and nothing left of it."""

from __future__ import annotations

import contextlib
import os
import selectors
import signal
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Literal

import psutil

# How long everything may take to end by itself once the test has, or was told to.
GRACE_S = 5
TICK_S = 0.2
MAX_LINE = 1_000_000
MARKER = "TAPEDECK_REPLAY_ID"

Kind = Literal["report", "output", "tick"]


class ReplayChild:
    """`with ReplayChild(...) as process`: runs `command` in a session of its own.

    Whatever happens in the block, every process that carries the marker in its environment is
    gone when it ends: Playwright starts its browser in yet another process group.
    """

    def __init__(
        self,
        *,
        command: Sequence[str],
        cwd: Path,
        env: Mapping[str, str],
        reports: tuple[int, int],
        marker: str,
    ) -> None:
        self.timed_out = False
        self.exit_code: int | None = None
        self._command, self._cwd, self._env = command, cwd, env
        self._read, self._write = reports
        self._marker = marker
        self._seen: dict[int, psutil.Process] = {}

    def __enter__(self) -> ReplayChild:
        try:
            self._process = subprocess.Popen(
                self._command,
                cwd=self._cwd,
                env=dict(self._env),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                pass_fds=(self._write,),
                start_new_session=True,
            )
        except BaseException:
            os.close(self._read)
            raise
        finally:
            os.close(self._write)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        try:
            self._end()
        finally:
            os.close(self._read)
            if self._process.stdout:
                self._process.stdout.close()

    def lines(self, *, timeout_s: float) -> Iterator[tuple[Kind, str]]:
        """Lines of the report pipe and of the output, and a tick at least five times a second."""
        deadline = time.monotonic() + timeout_s
        assert self._process.stdout is not None
        streams: dict[int, tuple[Kind, bytearray]] = {
            self._read: ("report", bytearray()),
            self._process.stdout.fileno(): ("output", bytearray()),
        }
        with selectors.DefaultSelector() as waiting:
            for fd in streams:
                os.set_blocking(fd, False)
                waiting.register(fd, selectors.EVENT_READ)
            while True:
                # Looked at before reading: what it wrote before it ended is still read.
                ended = self._process.poll() is not None
                ready = waiting.select(0 if ended else TICK_S)
                for key, _ in ready:
                    kind, buffer = streams[key.fd]
                    data = os.read(key.fd, 65_536)
                    if not data:
                        waiting.unregister(key.fd)
                    buffer += data
                    for line in _taken(buffer):
                        yield kind, line
                yield "tick", ""
                # A browser that outlives the test may hold the output open: no end is awaited.
                if ended and not ready:
                    break
                if not ended and time.monotonic() > deadline:
                    self.timed_out = True
                    return
        self.exit_code = self._process.returncode
        for kind, buffer in streams.values():
            if buffer:
                yield kind, buffer.decode(errors="replace")

    def _end(self) -> None:
        self._look()
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGTERM)
        # The driver closes its browser when the test's end of its pipe is gone.
        deadline = time.monotonic() + GRACE_S
        while self._look() and time.monotonic() < deadline:
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(0.05)
            time.sleep(0.02)
        while left := self._look():
            for process in left:
                with contextlib.suppress(psutil.NoSuchProcess):
                    process.kill()
            time.sleep(0.02)
        self._process.wait()

    def _look(self) -> list[psutil.Process]:
        """Every living process of ours: descendants, and whoever carries the marker."""
        with contextlib.suppress(psutil.NoSuchProcess):
            own = psutil.Process(self._process.pid)
            for process in [own, *own.children(recursive=True)]:
                self._seen[process.pid] = process
        for process in psutil.process_iter():
            if process.pid in self._seen:
                continue
            with contextlib.suppress(psutil.Error):
                if process.environ().get(MARKER) == self._marker:
                    self._seen[process.pid] = process
        return [process for process in self._seen.values() if _runs(process)]


def _runs(process: psutil.Process) -> bool:
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def _taken(buffer: bytearray) -> list[str]:
    """Whole lines, taken out of `buffer`; a line without end is cut at a length."""
    if len(buffer) > MAX_LINE and b"\n" not in buffer:
        buffer += b"\n"
    *lines, rest = buffer.split(b"\n")
    buffer[:] = rest
    return [line.decode(errors="replace") for line in lines]
