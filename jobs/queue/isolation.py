"""Running a body in a child process tree that can be ended completely, and whose end is seen at once.

worker (supervisor) ─ fork ─ guardian ─ fork ─ body ─ whatever it starts

The guardian adopts every orphan below it and does nothing but wait: when the body ends, or the
worker dies (the kernel tells it), it kills all that is left below it and ends itself. Should the
guardian be killed, the kernel kills the body with it and the worker, which adopts orphans too,
kills the rest. So there is no single death after which something goes on running.
"""

import contextlib
import json
import logging
import os
import resource
import selectors
import signal
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from threading import Lock
from typing import Any, NoReturn

import psutil
from django.core.files.storage import default_storage
from django.db import connections

from jobs import events, telemetry
from jobs.models import Job
from jobs.queue import processes
from jobs.queue.beat import WorkerRow
from jobs.queue.body import run_body
from jobs.queue.capture import Capture
from jobs.queue.folders import tmpdir_of
from jobs.queue.outcome import Ended, Outcome
from jobs.queue.watch import LOOK_EVERY_S, Verdict, Watch
from jobs.reasons import Reason
from jobs.registry import Kind
from jobs.running import RunningJob, workdir_of

log = logging.getLogger(__name__)

TERM_GRACE_S = 3.0
# The guardian needs milliseconds; if it takes longer, it is stopped or starved.
GUARDIAN_GRACE_S = 15.0
# The kernel's first choice when memory runs out is the body, not the worker.
OOM_SCORE = 500
_MAX_LINE = 1_000_000

# All that a body and its programs see of the worker's environment: no keys, no database, no tokens.
KEPT_VARIABLES = frozenset(
    [
        "PATH",
        "HOME",
        "USER",
        "LOGNAME",
        "LANG",
        "LANGUAGE",
        "TZ",
        "TERM",
        "PYTHONPATH",
        "VIRTUAL_ENV",
        "DATA_DIR",
        "DJANGO_SETTINGS_MODULE",
        "CHROMIUM_PATH",
        "PLAYWRIGHT_BROWSERS_PATH",
        "DISPLAY",
        "XAUTHORITY",
        "WAYLAND_DISPLAY",
        "XDG_RUNTIME_DIR",
        "DBUS_SESSION_BUS_ADDRESS",
        "FONTCONFIG_PATH",
        "SSL_CERT_FILE",
        "SSL_CERT_DIR",
        "LD_LIBRARY_PATH",
    ]
)


class _Lines:
    """Splits what arrives from a pipe into lines."""

    def __init__(self) -> None:
        self._rest = b""

    def feed(self, data: bytes) -> list[bytes]:
        *lines, self._rest = (self._rest + data).split(b"\n")
        if len(self._rest) > _MAX_LINE:
            lines.append(self._rest)
            self._rest = b""
        return lines

    def last(self) -> list[bytes]:
        rest, self._rest = self._rest, b""
        return [rest] if rest else []


class _Messages(_Lines):
    """The body's own messages may be as long as its result."""

    def feed(self, data: bytes) -> list[bytes]:
        *lines, self._rest = (self._rest + data).split(b"\n")
        return lines


def run_isolated(
    *, job: Job, kind: Kind, options: Mapping[str, Any], capture: Capture, row: WorkerRow
) -> Outcome | None:
    """Run the body in a child; None: the attempt was superseded. No other thread may be in the database.

    Returns when nothing of the body is left alive.
    """
    tmpdir_of(job_id=job.id, attempt=job.attempt).mkdir(mode=0o700)
    # Built before the environment is scrubbed: the storage takes its credentials from there.
    log.debug("Artifacts go to %s", default_storage.__class__)
    row.write(job=job.id)
    # A connection must not be shared with a child: both would talk at once.
    connections.close_all()
    sys.stdout.flush()
    sys.stderr.flush()
    pipes = [os.pipe() for _ in range(4)]
    worker_pid = os.getpid()
    guardian = os.fork()
    if guardian == 0:
        _guard(worker_pid, job, kind, options, pipes)
    for _, write_end in pipes:
        os.close(write_end)
    try:
        return _Supervision(job, kind, capture, row, guardian, [read for read, _ in pipes]).run()
    finally:
        if not processes.kill_descendants():
            log.error("Job %s left processes that can not be killed.", job.id)
        row.write(job=None)


class _Supervision:
    def __init__(
        self, job: Job, kind: Kind, capture: Capture, row: WorkerRow, guardian: int, ends: list[int]
    ) -> None:
        self._job = job
        self._kind = kind
        self._capture = capture
        self._row = row
        self._guardian = guardian
        self._pidfd = os.pidfd_open(guardian)
        self._watch = Watch(job=job, kind=kind, capture=capture)
        self._outcome: Outcome | None = None
        self._superseded = False
        self._status: int | None = None
        self._verdict: Verdict | None = None
        self._kill_at = self._give_up_at = float("inf")
        messages, out, err, status = ends
        self._readers: dict[int, tuple[_Lines, Any]] = {
            messages: (_Messages(), self._take_message),
            out: (_Lines(), lambda line: capture.add_line("stdout", _text(line))),
            err: (_Lines(), lambda line: capture.add_line("stderr", _text(line))),
            status: (_Messages(), self._take_status),
        }

    def run(self) -> Outcome | None:
        with selectors.DefaultSelector() as selector:
            selector.register(self._pidfd, selectors.EVENT_READ)
            for end in self._readers:
                os.set_blocking(end, False)
                selector.register(end, selectors.EVENT_READ)
            alive = True
            look_at = time.monotonic() + LOOK_EVERY_S
            while alive:
                for key, _ in selector.select(max(0.0, look_at - time.monotonic())):
                    if key.fd == self._pidfd:
                        alive = False
                    elif not self._read(key.fd):
                        selector.unregister(key.fd)
                if time.monotonic() >= look_at:
                    look_at = time.monotonic() + LOOK_EVERY_S
                    self._look()
        os.close(self._pidfd)
        # The guardian is gone; if it was killed, others may be left who hold the pipes open.
        processes.kill_descendants()
        for end in self._readers:
            while self._read(end):
                pass
            self._end_lines(end)
            os.close(end)
        return self._judge()

    def _read(self, end: int) -> bool:
        """Take what is there; False: nothing more for now, or for ever."""
        lines, take = self._readers[end]
        try:
            data = os.read(end, 65536)
        except BlockingIOError:
            return False
        for line in lines.feed(data):
            take(line)
        return bool(data)

    def _end_lines(self, end: int) -> None:
        lines, take = self._readers[end]
        for line in lines.last():
            take(line)

    def _take_message(self, line: bytes) -> None:
        try:
            message = json.loads(line)
        except ValueError:
            return  # the body died while it wrote this
        if "outcome" in message:
            given = message["outcome"]
            self._outcome = Outcome(**{**given, "ended": Ended(given["ended"])})
        elif "superseded" in message:
            self._superseded = True
        else:
            self._capture.report(message)

    def _take_status(self, line: bytes) -> None:
        self._status = int(line)

    def _look(self) -> None:
        now = time.monotonic()
        self._row.write(job=self._job.id)
        if self._verdict is None or not self._verdict.at_once:
            # Also after a first verdict: within the grace somebody may lose patience.
            newer = self._watch.look()
            if newer is not None and newer.at_once:
                self._verdict, self._kill_at = newer, min(self._kill_at, now)
            elif newer is not None and self._verdict is None:
                self._verdict = newer
                self._signal_body(signal.SIGTERM)
                self._kill_at = now + TERM_GRACE_S
        if self._verdict is None:
            return
        if now >= self._give_up_at:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self._guardian, signal.SIGKILL)
        elif now >= self._kill_at:
            self._kill_at, self._give_up_at = float("inf"), now + GUARDIAN_GRACE_S
            with contextlib.suppress(ProcessLookupError):
                os.kill(self._guardian, signal.SIGTERM)

    def _signal_body(self, signum: int) -> None:
        for process in processes.descendants(self._guardian):
            with contextlib.suppress(psutil.NoSuchProcess):
                process.send_signal(signum)

    def _judge(self) -> Outcome | None:
        if self._superseded or (self._verdict is not None and self._verdict.outcome is None):
            return None
        if self._verdict is not None and self._verdict.outcome is not None:
            verdict = self._verdict.outcome
            # A body that used its grace to finish has a result to keep.
            result = self._outcome.result if self._outcome else None
            return Outcome(
                ended=verdict.ended, reason=verdict.reason, error=verdict.error, result=result
            )
        if self._outcome is not None:
            return self._outcome
        return Outcome(ended=Ended.CRASHED, reason=Reason.CRASHED, error=self._death(), again=True)

    def _death(self) -> str:
        if self._status is None:
            return "The process that guards the body was killed."
        code = os.waitstatus_to_exitcode(self._status)
        if code >= 0:
            return f"The body's process ended with code {code} and without a result."
        name = signal.Signals(-code).name if -code in set(signal.Signals) else str(-code)
        return f"The body's process was killed by {name}."


def _text(line: bytes) -> str:
    return line.decode("utf-8", "replace").rstrip("\r")


def _guard(
    worker_pid: int, job: Job, kind: Kind, options: Mapping[str, Any], pipes: list[tuple[int, int]]
) -> NoReturn:
    """The guardian's whole life."""
    status = 1
    try:
        for read_end, _ in pipes:
            os.close(read_end)
        # The worker's death must not kill the guardian before it has killed the others.
        processes.die_with_parent(parent_pid=worker_pid, signum=signal.SIGTERM)
        waited = {signal.SIGTERM, signal.SIGCHLD, signal.SIGINT, signal.SIGHUP}
        signal.pthread_sigmask(signal.SIG_BLOCK, waited)
        os.setsid()
        processes.mark_process(job_id=job.id, attempt=job.attempt)
        processes.adopt_orphans()
        guardian_pid = os.getpid()
        body = os.fork()
        if body == 0:
            processes.die_with_parent(parent_pid=guardian_pid)
            signal.pthread_sigmask(signal.SIG_UNBLOCK, waited)
            _body(job, kind, options, pipes)
        (_, messages), (_, out), (_, err), (_, status_end) = pipes
        for end in (messages, out, err):
            os.close(end)
        while True:
            signum = signal.sigwait({signal.SIGTERM, signal.SIGCHLD})
            ended = processes.reap_children()
            if body in ended:
                os.write(status_end, f"{ended[body]}\n".encode())
                break
            if signum == signal.SIGTERM:
                break
        processes.kill_descendants()
        status = 0
    finally:
        # Never back into the worker's code, whatever went wrong here.
        os._exit(status)


def _body(
    job: Job, kind: Kind, options: Mapping[str, Any], pipes: list[tuple[int, int]]
) -> NoReturn:
    """The body's process: confined, then the kind's `run`."""
    try:
        (_, messages), (_, out), (_, err), (_, status_end) = pipes
        os.close(status_end)
        _confine(job, kind)
        with open(os.devnull, "rb") as nothing:
            os.dup2(nothing.fileno(), 0)
        os.dup2(out, 1)
        os.dup2(err, 2)
        os.close(out)
        os.close(err)
        sys.stdout = open(1, "w", buffering=1, encoding="utf-8", errors="replace", closefd=False)  # noqa: SIM115
        sys.stderr = open(2, "w", buffering=1, encoding="utf-8", errors="replace", closefd=False)  # noqa: SIM115
        for logger_output in logging.root.handlers:
            if isinstance(logger_output, logging.StreamHandler):
                logger_output.setStream(sys.stderr)
        lock = Lock()

        def report(message: Mapping[str, Any]) -> None:
            line = events.to_json(dict(message)).encode() + b"\n"
            with lock:
                while line:
                    line = line[os.write(messages, line) :]

        outcome = run_body(kind=kind, running=RunningJob(job=job, options=options, report=report))
        if outcome is None:
            report({"superseded": True})
        else:
            report({"outcome": _outcome_message(outcome)})
        sys.stdout.flush()
        sys.stderr.flush()
        telemetry.flush()
    except BaseException:
        # The last frame of this process: say it where the supervisor reads, and end.
        logging.getLogger(__name__).exception("The body's process failed")
        telemetry.flush()
        os._exit(1)
    os._exit(0)


def _outcome_message(outcome: Outcome) -> dict[str, Any]:
    given = {
        "ended": outcome.ended.value,
        "reason": str(outcome.reason),
        "error": outcome.error,
        "again": outcome.again,
    }
    try:
        events.to_json(outcome.result)
    except (TypeError, ValueError) as error:
        text = f"The kind returned what is not JSON: {error}"
        return {
            "ended": Ended.ERRORED.value,
            "reason": str(Reason.ERROR),
            "error": text,
            "again": False,
        }
    return {**given, "result": outcome.result}


def _confine(job: Job, kind: Kind) -> None:
    os.setsid()
    processes.mark_process(job_id=job.id, attempt=job.attempt)
    for signum in (signal.SIGTERM, signal.SIGINT, signal.SIGUSR1, signal.SIGHUP):
        signal.signal(signum, signal.SIG_DFL)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if kind.memory_mb is not None:
        most = kind.memory_mb * 1024 * 1024
        resource.setrlimit(resource.RLIMIT_AS, (most, most))
    Path("/proc/self/oom_score_adj").write_text(str(OOM_SCORE))
    kept = {
        name: value
        for name, value in os.environ.items()
        if name in KEPT_VARIABLES or name.startswith("LC_")
    }
    os.environ.clear()
    os.environ.update(kept)
    os.environ[processes.MARKER] = processes.marker(job_id=job.id, attempt=job.attempt)
    os.environ["TMPDIR"] = str(tmpdir_of(job_id=job.id, attempt=job.attempt))
    tempfile.tempdir = None
    workdir = workdir_of(job_id=job.id, attempt=job.attempt)
    workdir.mkdir(parents=True, exist_ok=True, mode=0o700)
    os.chdir(workdir)
