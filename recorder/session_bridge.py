"""The job's side of a session process: starts it, turns its lines into rows and events, ends it."""

from __future__ import annotations

import base64
import hashlib
import json
import logging
import os
import selectors
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from django.conf import settings
from django.utils import timezone

from jobs.running import Cancelled, RunningJob
from jobs.secrets import seal
from recorder.models import RecordingSession, Step

log = logging.getLogger(__name__)

_WRITE_EVERY_S = 0.3
_LOOK_EVERY_S = 0.3
# Saving is bounded inside the process; this is for a process that hangs.
_SAVES_WITHIN_S = 120.0
_CANCELS_WITHIN_S = 35.0


def vault_key(live_key: str) -> str:
    """The key of the secrets' file, from the session's key: whoever salvages finds it there."""
    digest = hashlib.sha256(b"vault:" + live_key.encode()).digest()
    return base64.urlsafe_b64encode(digest).decode()


class SessionProcess:
    """One `python -m recorder.session`. `watch` returns when it has ended."""

    def __init__(self, *, job: RunningJob, session: RecordingSession, live_key: str) -> None:
        self._job = job
        self._session = session
        self._live_key = live_key
        self._pending: dict[str, dict[str, Any]] = {}
        self._known: set[str] = set()
        self._rest = b""
        self._written_at = self._looked_at = 0.0
        self._asked: str | None = None
        self._kill_at = float("inf")
        self.failure: tuple[str, str] | None = None
        self.saved = False
        self.ended_by = ""
        self.artifacts: list[tuple[str, str]] = []
        self.cancelled = False

    def start(self, *, storage_state: str) -> None:
        config = {
            "session": str(self._session.pk),
            "url": self._session.url,
            "workdir": str(self._job.workdir),
            "scratch": tempfile.gettempdir(),
            "key": self._live_key,
            "vaultKey": vault_key(self._live_key),
            "storageState": storage_state,
            "options": {
                name: value for name, value in self._job.options.items() if value is not None
            },
        }
        self._process = subprocess.Popen(
            [sys.executable, "-m", "recorder.session"],
            cwd=settings.BASE_DIR,
            env=session_environment(),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        self._tell(config)

    def watch(self) -> int:
        """Follow the process to its end; its exit code.

        :raises Superseded: another attempt owns the job; the process is ended.
        """
        assert self._process.stdout is not None
        out = self._process.stdout.fileno()
        os.set_blocking(out, False)
        try:
            with selectors.DefaultSelector() as selector:
                selector.register(out, selectors.EVENT_READ)
                while True:
                    if selector.select(timeout=0.1) and not self._read(out):
                        break
                    self._look()
            self._write()
            return self._process.wait(timeout=30)
        finally:
            if self._process.poll() is None:
                self._process.kill()
                self._process.wait()

    def _read(self, out: int) -> bool:
        try:
            data = os.read(out, 1 << 20)
        except BlockingIOError:
            return True
        if not data:
            return False
        *lines, self._rest = (self._rest + data).split(b"\n")
        for line in lines:
            try:
                message = json.loads(line)
            except ValueError:
                log.warning("Session %s wrote a line that is not JSON.", self._session.pk)
                continue
            self._take(message)
        return True

    def _look(self) -> None:
        now = time.monotonic()
        if now - self._written_at >= _WRITE_EVERY_S:
            self._written_at = now
            self._write()
        if now > self._kill_at:
            self.failure = self.failure or ("session_lost", "The session did not end in time.")
            self._process.kill()
        if now - self._looked_at < _LOOK_EVERY_S:
            return
        self._looked_at = now
        if self._asked != "cancel" and (self.cancelled or self._job.cancel_requested):
            self.cancelled = True
            self._ask("cancel", within_s=_CANCELS_WITHIN_S)
        elif self._asked is None and self._stop_requested():
            self._ask("stop", within_s=_SAVES_WITHIN_S)

    def _stop_requested(self) -> bool:
        return RecordingSession.objects.filter(
            pk=self._session.pk, stop_requested_at__isnull=False
        ).exists()

    def _ask(self, command: str, *, within_s: float) -> None:
        self._asked = command
        self._kill_at = min(self._kill_at, time.monotonic() + within_s)
        self._tell({"type": command})

    def _tell(self, line: Mapping[str, Any]) -> None:
        assert self._process.stdin is not None
        # A process that is gone already says so by the end of its output.
        with suppress(BrokenPipeError):
            self._process.stdin.write(json.dumps(line).encode() + b"\n")
            self._process.stdin.flush()

    def _take(self, message: Mapping[str, Any]) -> None:
        match message.get("type"):
            case "step":
                self._pending[message["step"]["key"]] = dict(message)
                return
            case "artifact":
                self.artifacts.append((message["path"], message["kind"]))
                return
        self._write()
        match message.get("type"):
            case "started":
                self._update(live_address=message["address"], live_key=seal(self._live_key))
                self._event("session.started", sessionId=str(self._session.pk))
            case "phase":
                self._phase(message)
            case "refused":
                self._event(
                    "url.refused",
                    url=message["url"],
                    code=message["code"],
                    message=message["message"],
                )
            case "log":
                self._job.log(f"{message['level']}: {message['text']}")
                if message["level"] != "info":
                    self._event("session.warned", code=message["code"], text=message["text"])
            case "failed":
                self.failure = (message["reason"], message["message"])

    def _phase(self, message: Mapping[str, Any]) -> None:
        if message["phase"] == "saved":
            self.saved, self.ended_by = True, message.get("endedBy", "")
            return
        if message["phase"] == "saving":
            self._kill_at = min(self._kill_at, time.monotonic() + _SAVES_WITHIN_S)
        self._update(phase=message["phase"])
        self._event("session.phase_changed", phase=message["phase"])

    def _update(self, **fields: Any) -> None:
        with self._job.fenced():
            RecordingSession.objects.filter(pk=self._session.pk).update(**fields)

    def _write(self) -> None:
        """Rows for the steps that changed since, then the events that tell of them."""
        if not self._pending:
            return
        changed, self._pending = list(self._pending.values()), {}
        with self._job.fenced():
            for message in changed:
                step = message["step"]
                Step.objects.update_or_create(
                    session=self._session,
                    key=step["key"],
                    defaults={
                        "position": message["position"],
                        "action": step["action"],
                        "data": step,
                        "wording": message.get("ownWords", ""),
                        "deleted_at": timezone.now() if message.get("deleted") else None,
                    },
                )
        for message in changed:
            key = message["step"]["key"]
            op = message["op"]
            if key not in self._known:
                self._known.add(key)
                self._event(_STEP_EVENTS["added"], **_told(message))
                if op == "removed":
                    self._event(_STEP_EVENTS["removed"], **_told(message))
            else:
                self._event(_STEP_EVENTS[op], **_told(message))

    def _event(self, type: str, **data: Any) -> None:
        try:
            self._job.event(type, **data)
        except Cancelled:
            # The process is told at the next look; what it saves is still to come.
            self.cancelled = True


_STEP_EVENTS = {
    "added": "step.recorded",
    "updated": "step.updated",
    "removed": "step.removed",
    "restored": "step.restored",
}


def _told(message: Mapping[str, Any]) -> dict[str, Any]:
    step = message["step"]
    return {
        "key": step["key"],
        "position": message["position"],
        "action": step["action"],
        "wording": message["wording"],
        "page": step["page"],
        "flags": list(step["flags"]),
    }


def session_environment() -> dict[str, str]:
    """The job's environment is scrubbed already; the egress policy must be the installation's own."""
    return {
        **os.environ,
        "HOST": settings.HOST,
        "PORT": str(settings.PORT),
        "DATA_DIR": str(settings.DATA_DIR),
        "CHROMIUM_PATH": settings.CHROMIUM_PATH,
        "EGRESS_ALLOW": ",".join(settings.EGRESS_ALLOW),
        "EGRESS_PRIVATE": "1" if settings.EGRESS_PRIVATE else "0",
        # The process has no use for keys; naming them keeps it from reading the files.
        "SECRET_KEY": "not-used-by-a-session-process",
        "ENCRYPTION_KEY": "not-used-by-a-session-process",
        "DJANGO_SETTINGS_MODULE": "config.settings",
        "PYTHONPATH": os.pathsep.join(
            one for one in (str(settings.BASE_DIR), os.environ.get("PYTHONPATH", "")) if one
        ),
    }
