"""A job's log as plain text: what its attempts wrote, line by line, to the end or as it grows."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field

from asgiref.sync import sync_to_async
from django.http import StreamingHttpResponse
from rest_framework import serializers

from jobs import events
from jobs.logins import Standing
from jobs.models import Job, JobEvent
from jobs.subscriptions import AccessEnded, Selection, deliveries

_PAGE = 100


class LogQuery(serializers.Serializer[None]):
    follow = serializers.BooleanField(
        default=False, help_text="1: go on as the log grows, until the job has ended."
    )
    attempt = serializers.IntegerField(
        min_value=1, max_value=2**31 - 1, required=False, help_text="Lines of this attempt alone."
    )
    stream = serializers.CharField(
        max_length=40, required=False, help_text="Lines of this stream alone, such as `stderr`."
    )
    after = serializers.IntegerField(
        min_value=0,
        max_value=2**53,
        default=0,
        help_text="Leave out this many lines: as many as you have, to go on where it broke off.",
    )
    download = serializers.BooleanField(default=False, help_text="1: as a file.")


@dataclass
class Log:
    """The lines that one reader wants, from where it left off."""

    job: Job
    attempt: int | None = None
    stream: str | None = None
    skip: int = 0
    seq: int = field(default=0, init=False)

    def page(self) -> tuple[str, bool]:
        """The next lines as text, and whether there may be more already."""
        rows = JobEvent.objects.filter(job_id=self.job.pk, type=events.LOG, seq__gt=self.seq)
        if self.attempt is not None:
            rows = rows.filter(attempt=self.attempt)
        found = list(rows.order_by("seq").values_list("seq", "attempt", "data")[:_PAGE])
        text = "".join(self._lines(attempt, data) for _, attempt, data in found)
        if found:
            self.seq = found[-1][0]
        return text, len(found) == _PAGE

    def add(self, event_text: str) -> str:
        """The lines of one event that was delivered as JSON."""
        event = json.loads(event_text)
        self.seq = event["seq"]
        return self._lines(event["attempt"], event["data"])

    def _lines(self, attempt: int, data: dict[str, object]) -> str:
        if self.attempt not in {None, attempt} or self.stream not in {None, data.get("stream")}:
            return ""
        written = data.get("lines")
        text = "".join(f"{line}\n" for line in written) if isinstance(written, list) else ""
        if self.skip:
            lines = text.split("\n")[:-1]
            left = lines[self.skip :]
            self.skip = max(0, self.skip - len(lines))
            text = "".join(f"{line}\n" for line in left)
        return text


def log_response(
    *, log: Log, standing: Standing, follow: bool, download: bool, served_async: bool
) -> StreamingHttpResponse:
    """The log as `text/plain`; with `follow` it ends when the job has ended."""
    body = _followed(log, standing, follow) if served_async or follow else _read(log)
    response = StreamingHttpResponse(body, content_type="text/plain; charset=utf-8")
    response["X-Content-Type-Options"] = "nosniff"
    response["X-Accel-Buffering"] = "no"
    response["Cache-Control"] = "no-store"
    if download:
        response["Content-Disposition"] = f'attachment; filename="job-{log.job.pk}.log"'
    return response


def _read(log: Log) -> Iterator[bytes]:
    more = True
    while more:
        text, more = log.page()
        yield text.encode()


async def _followed(log: Log, standing: Standing, follow: bool) -> AsyncIterator[bytes]:
    more = True
    while more:
        text, more = await sync_to_async(log.page)()
        yield text.encode()
    if not follow:
        return
    selection = Selection(
        standing.user_id, {log.job.pk: log.seq}, None, frozenset({events.LOG}), standing
    )
    try:
        async for batch in deliveries(selection):
            if text := "".join(log.add(delivery.text) for delivery in batch):
                yield text.encode()
    except AccessEnded:
        return
