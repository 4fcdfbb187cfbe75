"""Log lines that say for which request and job they were written, as text or as JSON."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from jobs import context

_attempt: ContextVar[tuple[str, int] | None] = ContextVar("tapedeck_attempt", default=None)


@contextmanager
def working_on(*, job_id: UUID, attempt: int) -> Iterator[None]:
    """While entered, this thread's log lines bear the job's id and attempt."""
    before = _attempt.set((str(job_id), attempt))
    try:
        yield
    finally:
        _attempt.reset(before)


def origin() -> dict[str, Any]:
    """`requestId`, `jobId`, `attempt` of what is being done here, as far as there is one."""
    found: dict[str, Any] = {}
    if request_id := context.current().request_id:
        found["requestId"] = request_id
    if (attempt := _attempt.get()) is not None:
        found["jobId"], found["attempt"] = attempt
    return found


class LineFormatter(logging.Formatter):
    """One line: time, level, logger, ids in brackets where there are any, message."""

    def format(self, record: logging.LogRecord) -> str:
        ids = origin()
        said = "".join(
            f"[{name} {ids[key]}] "
            for name, key in (("request", "requestId"), ("job", "jobId"))
            if key in ids
        )
        record.ids = said
        return super().format(record)


class JsonFormatter(logging.Formatter):
    """One JSON object a line: at, level, logger, message, ids, and the exception where there is one."""

    def format(self, record: logging.LogRecord) -> str:
        return json_line(
            level=record.levelname,
            logger=record.name,
            message=record.getMessage(),
            at=datetime.fromtimestamp(record.created, UTC),
            **origin(),
            **({"exception": self.formatException(record.exc_info)} if record.exc_info else {}),
        )


def json_line(*, level: str, logger: str, message: str, at: datetime, **more: Any) -> str:
    """A line as `JsonFormatter` writes it."""
    body = {
        "at": at.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        "level": level,
        "logger": logger,
        "message": message,
        **more,
    }
    # ASCII: no character of a message can end the line or confuse who reads it.
    return json.dumps(body, default=str)
