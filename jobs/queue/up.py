"""The parent of web and clusters: starts them, restarts what dies, drains and stops all of it."""

import contextlib
import logging
import os
import selectors
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from types import FrameType

import psutil
from django.db import DatabaseError

from jobs.queue import processes, reaper

log = logging.getLogger(__name__)

READY_WITHIN_S = 60.0
BACKOFF_S = (0.5, 1, 2, 4, 8, 15, 30)
# A child that has lived this long starts its next backoff from the beginning.
STEADY_S = 10.0


class NotReady(Exception):
    """A part ended before it was ready, or took too long."""


@dataclass
class Part:
    """One child: what to run, and how it fares."""

    name: str
    arguments: Sequence[str]
    process: subprocess.Popen[bytes] | None = None
    ready_end: int | None = None
    ready: bool = False
    started_at: float = 0.0
    deaths: int = 0
    restart_at: float | None = None
    rest: bytes = field(default=b"", repr=False)


class Supervisor:
    """Runs the parts until told to stop. Signals: SIGTERM or SIGINT drain, a second one ends at once."""

    def __init__(
        self,
        *,
        parts: Sequence[Part],
        drain_s: float,
        say: Callable[[str], None],
        label_output: bool = True,
    ) -> None:
        self._parts = parts
        self._drain_s = drain_s
        self._say = say
        self._label_output = label_output
        self._selector = selectors.DefaultSelector()
        self._stops = 0

    def run(self, *, on_ready: Callable[[], None]) -> int:
        """Start everything, call `on_ready` once all of it is, supervise; the exit code."""
        processes.adopt_orphans()
        for signum in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(signum, self._on_signal)
        try:
            for part in self._parts:
                self._start(part)
            if self._until_ready():
                on_ready()
            while not self._stops:
                self._turn(0.2)
                self._restart_dead()
            return 0
        except NotReady as error:
            self._say(str(error))
            return 1
        finally:
            self._stop()

    def _on_signal(self, signum: int, frame: FrameType | None) -> None:
        self._stops += 1

    def _start(self, part: Part) -> None:
        read_end, write_end = os.pipe()
        command = [sys.executable, sys.argv[0], *part.arguments]
        command += ["--ready-fd", str(write_end)]
        parent_pid = os.getpid()
        part.process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            pass_fds=[write_end],
            # Ctrl-C in a terminal goes to the foreground group: it must reach only this process.
            process_group=0,
            # Before the program starts, so that there is no moment without; this process has no
            # other thread whose locks the fork could copy.
            preexec_fn=lambda: processes.die_with_parent(parent_pid=parent_pid),
            env={**os.environ, "PYTHONUNBUFFERED": "1"},
        )
        os.close(write_end)
        part.ready, part.ready_end, part.restart_at = False, read_end, None
        part.started_at = time.monotonic()
        assert part.process.stdout is not None
        self._selector.register(read_end, selectors.EVENT_READ, part)
        self._selector.register(part.process.stdout, selectors.EVENT_READ, part)

    def _until_ready(self) -> bool:
        deadline = time.monotonic() + READY_WITHIN_S
        while not all(part.ready for part in self._parts):
            if self._stops:
                return False
            self._turn(0.05)
            for part in self._parts:
                if part.process is not None and part.process.poll() is not None:
                    self._turn(0.0)
                    raise NotReady(
                        f"{part.name} ended with code {part.process.returncode} while starting."
                    )
            if time.monotonic() > deadline:
                late = ", ".join(part.name for part in self._parts if not part.ready)
                raise NotReady(f"Not ready after {READY_WITHIN_S:.0f} s: {late}.")
        return True

    def _turn(self, timeout_s: float) -> None:
        """Pass on what the parts say, for at most `timeout_s`."""
        for key, _ in self._selector.select(timeout_s):
            part: Part = key.data
            data = os.read(key.fd, 65536)
            if key.fd == part.ready_end:
                part.ready = part.ready or bool(data)
                self._forget(key.fd)
                os.close(key.fd)
                part.ready_end = None
            elif data:
                self._print(part, data)
            else:
                self._forget(key.fileobj)

    def _forget(self, end: object) -> None:
        with contextlib.suppress(KeyError, ValueError):
            self._selector.unregister(end)  # type: ignore[arg-type]

    def _print(self, part: Part, data: bytes) -> None:
        *lines, part.rest = (part.rest + data).split(b"\n")
        width = max(len(each.name) for each in self._parts)
        for line in lines:
            text = line.decode("utf-8", "replace")
            self._say(f"{part.name:<{width}} | {text}" if self._label_output else text)

    def _restart_dead(self) -> None:
        now = time.monotonic()
        for part in self._parts:
            if part.restart_at is not None:
                if now >= part.restart_at:
                    self._start(part)
            elif part.process is not None and part.process.poll() is not None:
                code = part.process.returncode
                self._clean_up(part)
                part.deaths = 1 if now - part.started_at > STEADY_S else part.deaths + 1
                wait_s = BACKOFF_S[min(part.deaths, len(BACKOFF_S)) - 1]
                part.restart_at = now + wait_s
                self._say(f"{part.name} ended with code {code}; starting it again in {wait_s} s.")
        # Whoever is left of a part that died was adopted by this process.
        self._end_strangers()

    def _clean_up(self, part: Part) -> None:
        process = part.process
        assert process is not None
        assert process.stdout is not None
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        self._forget(process.stdout)
        process.stdout.close()
        if part.ready_end is not None:
            self._forget(part.ready_end)
            os.close(part.ready_end)
            part.ready_end = None

    def _end_strangers(self) -> None:
        own = {part.process.pid for part in self._parts if part.process is not None}
        for child in psutil.Process().children():
            if child.pid in own:
                continue
            with contextlib.suppress(psutil.NoSuchProcess):
                # A guardian that has just lost its worker is busy killing what is below it.
                if child.status() != psutil.STATUS_ZOMBIE and time.time() - child.create_time() > 2:
                    child.kill()
            with contextlib.suppress(ChildProcessError):
                os.waitpid(child.pid, os.WNOHANG)

    def _stop(self) -> None:
        running = [
            part for part in self._parts if part.process is not None and part.process.poll() is None
        ]
        for part in running:
            assert part.process is not None
            # The main process alone: signalled as a group, a cluster of django-q2 hangs.
            part.process.send_signal(signal.SIGTERM)
        deadline = time.monotonic() + self._drain_s
        while any(part.process and part.process.poll() is None for part in running):
            if self._stops > 1 or time.monotonic() > deadline:
                self._say("Ending what did not stop by itself.")
                break
            self._turn(0.05)
        if not processes.kill_descendants():
            self._say("Some processes can not be killed.")
        for part in running:
            assert part.process is not None
            part.process.wait()
        self._turn(0.0)
        try:
            # What was ended in the middle of a job: its state is true before this process is gone.
            reaper.reap()
            reaper.remove_dead_workers()
        except DatabaseError:
            log.exception("The jobs that were cut off could not be ended; the next start does it")
