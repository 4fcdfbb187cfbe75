"""What only the worker writes down of a running attempt: log lines in batches, and metrics."""

import time
from collections.abc import Mapping
from threading import Lock
from typing import Any
from uuid import UUID

from jobs import events

FLUSH_EVERY_S = 0.25
MAX_LINES = 200
MAX_LINE_CHARS = 4000
# Per attempt: a body that floods its output must not fill the database.
MAX_CHARS = 4_000_000


class Capture:
    """Collects reports of one attempt. `flush` may be called by another thread than `report`."""

    def __init__(self, *, job_id: UUID, attempt: int) -> None:
        self._job_id = job_id
        self._attempt = attempt
        self._lock = Lock()
        self._batches: list[tuple[str, list[str]]] = []
        self._lines = 0
        self._chars = 0
        self._flushed_at = time.monotonic()
        self.metrics: dict[str, Any] = {}
        self.artifacts = False
        self.folder = False

    def report(self, message: Mapping[str, Any]) -> None:
        """Take a message of `RunningJob`."""
        if "log" in message:
            self.add_line(str(message["log"]), str(message["line"]))
        elif "metric" in message:
            self.metrics[str(message["metric"])] = message["value"]
        elif "artifact" in message:
            self.artifacts = True
        elif "folder" in message:
            self.folder = True

    def add_line(self, stream: str, line: str) -> None:
        with self._lock:
            if self._chars > MAX_CHARS:
                return
            self._chars += len(line) + 1
            if self._chars > MAX_CHARS:
                line = f"[the log ends here: this attempt wrote more than {MAX_CHARS} characters]"
            elif len(line) > MAX_LINE_CHARS:
                line = f"{line[:MAX_LINE_CHARS]} [{len(line) - MAX_LINE_CHARS} more characters]"
            if (
                not self._batches
                or self._batches[-1][0] != stream
                or len(self._batches[-1][1]) >= MAX_LINES
            ):
                self._batches.append((stream, []))
            self._batches[-1][1].append(line)
            self._lines += 1

    @property
    def due(self) -> bool:
        """Whether there are lines, and they have waited long enough or are many."""
        waited = time.monotonic() - self._flushed_at >= FLUSH_EVERY_S
        return bool(self._lines) and (waited or self._lines >= MAX_LINES)

    def flush(self) -> None:
        """Write what has collected, as `log` events.

        :raises Superseded: another attempt owns the job.
        """
        with self._lock:
            batches, self._batches, self._lines = self._batches, [], 0
            self._flushed_at = time.monotonic()
        for stream, lines in batches:
            events.emit(
                job_id=self._job_id,
                type=events.LOG,
                data={"stream": stream, "lines": lines},
                attempt=self._attempt,
                fence=True,
            )
