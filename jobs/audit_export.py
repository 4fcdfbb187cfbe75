"""The audit trail as a file: CSV for people, JSON lines for programs; written as it is read."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import AsyncIterator, Iterator
from datetime import datetime
from typing import Any

from asgiref.sync import sync_to_async
from django.core.handlers.asgi import ASGIRequest
from django.http import HttpRequest, StreamingHttpResponse

from jobs.events import time_dto
from jobs.models import AuditEntry
from jobs.trail import AuditQuerySet

PAGE = 500
FORMATS = {"csv": "text/csv", "jsonl": "application/x-ndjson"}
# What makes a spreadsheet take a cell for a formula; full-width ones too.
_FORMULA = tuple("=+-@\t\r\n＝＋－＠")
COLUMNS = (
    "id",
    "at",
    "action",
    "outcome",
    "actorId",
    "actorName",
    "targetType",
    "targetId",
    "targetName",
    "jobId",
    "via",
    "address",
    "userAgent",
    "requestId",
    "data",
)


def entry_dto(entry: AuditEntry) -> dict[str, Any]:
    """An entry as the API and the exports show it."""
    return {
        "id": entry.pk,
        "at": time_dto(entry.at),
        "action": entry.action,
        "outcome": str(entry.outcome),
        "actorId": entry.actor_id,
        "actorName": entry.actor_name,
        "targetType": entry.target_type,
        "targetId": entry.target_id,
        "targetName": entry.target_name,
        "jobId": str(entry.job_id) if entry.job_id else None,
        "via": entry.via,
        "address": entry.address,
        "userAgent": entry.user_agent,
        "requestId": entry.request_id,
        "data": entry.data,
    }


def export_response(
    request: HttpRequest, *, entries: AuditQuerySet, form: str, now: datetime
) -> StreamingHttpResponse:
    """A download of `entries`, oldest first, as `csv` or `jsonl`; a page at a time in memory."""
    pages = _pages(entries, form)
    # Each server's own kind of iterator: Django would read the other kind into memory whole.
    body = _in_threads(pages) if isinstance(request, ASGIRequest) else pages
    name = f"audit-{now:%Y%m%d-%H%M%S}.{form}"
    return StreamingHttpResponse(
        body,
        content_type=f"{FORMATS[form]}; charset=utf-8",
        headers={
            "Content-Disposition": f'attachment; filename="{name}"',
            "Cache-Control": "no-store",
            "X-Content-Type-Options": "nosniff",
        },
    )


def _pages(entries: AuditQuerySet, form: str) -> Iterator[bytes]:
    if form == "csv":
        yield _csv_lines([list(COLUMNS)])
    last = 0
    while page := list(entries.filter(id__gt=last).order_by("id")[:PAGE]):
        last = page[-1].pk
        rows = [entry_dto(entry) for entry in page]
        if form == "csv":
            yield _csv_lines([[_cell(row[name]) for name in COLUMNS] for row in rows])
        else:
            yield "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows).encode()


def _csv_lines(rows: list[list[str]]) -> bytes:
    out = io.StringIO()
    csv.writer(out).writerows(rows)
    return out.getvalue().encode()


def _cell(value: Any) -> str:
    """`value` as text that no spreadsheet runs."""
    if isinstance(value, dict):
        value = json.dumps(value, ensure_ascii=False, sort_keys=True)
    text = "" if value is None else str(value)
    return f"'{text}" if text.lstrip().startswith(_FORMULA) or text.startswith(_FORMULA) else text


async def _in_threads(pages: Iterator[bytes]) -> AsyncIterator[bytes]:
    def step() -> bytes:
        return next(pages, b"")

    while data := await sync_to_async(step)():
        yield data
