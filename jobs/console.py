"""How the admin words and draws jobs."""

from __future__ import annotations

from collections import ChainMap
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.db.models import QuerySet
from django.urls import NoReverseMatch, reverse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString

from jobs.deep_pages import CAP
from jobs.deep_pages import CappedPaginator as CappedPaginator
from jobs.models import Job, Status, Worker
from jobs.reasons import Reason
from jobs.registry import all_kinds
from jobs.sight import counts_up_to

# A worker that was not seen for this long is not counted as alive.
ALIVE_S = 30

STATUS_WORDS = {
    Status.QUEUED: "Queued",
    Status.RUNNING: "Running",
    Status.SUCCEEDED: "Succeeded",
    Status.FAILED: "Failed",
    Status.CANCELLED: "Cancelled",
}

REASON_WORDS: dict[str, str] = {
    Reason.RETRYING: "An attempt ended badly; another one follows.",
    Reason.CANCELLED_BY_USER: "Cancelled by an operator.",
    Reason.ERROR: "The job raised an unexpected error.",
    Reason.CRASHED: "The process that ran the job died.",
    Reason.WORKER_LOST: "The worker that ran the job was lost.",
    Reason.TIMED_OUT: "The job ran longer than it may.",
    Reason.STORAGE_FULL: "No space was left for the job's files.",
    Reason.UNKNOWN_KIND: "This installation does not know this kind of job any more.",
    Reason.INVALID_OPTIONS: "The stored options could not be opened.",
    Reason.QUEUE_TIMED_OUT: "It waited in the queue longer than its kind may.",
}


def known_reasons() -> dict[str, str]:
    """Every reason code that has a sentence of its own, those of the kinds among them."""
    return dict(_reasons())


def reason_words(reason: str) -> str:
    """A reason code as a sentence; one that its kind does not word is spelled out."""
    if not reason:
        return ""
    return _reasons().get(reason) or f"{reason.replace('_', ' ').capitalize()}."


def _reasons() -> Mapping[str, str]:
    """Read where they stand, not copied: a list asks for one twice a row."""
    of_kinds = [kind.reasons for kind in reversed(all_kinds())]
    return ChainMap(*of_kinds, REASON_WORDS)  # type: ignore[arg-type]  # nobody writes to it


def chip(job: Job) -> SafeString:
    """The state as a coloured word; `<job-status>` keeps it true while the page is open."""
    stopping = job.status == Status.RUNNING and job.cancel_requested_at is not None
    return format_html(
        '<job-status data-job="{}" status="{}"{} title="{}">{}</job-status>',
        job.pk,
        job.status,
        SafeString(" stopping") if stopping else "",
        reason_words(job.reason),
        "Stopping" if stopping else STATUS_WORDS[Status(job.status)],
    )


def when(at: datetime | None) -> SafeString:
    """A relative time that ages on the page, with the absolute one on hover."""
    if at is None:
        return SafeString("–")
    absolute = timezone.localtime(at).strftime("%Y-%m-%d %H:%M:%S %Z")
    return format_html(
        '<td-time datetime="{}" title="{}">{}</td-time>', at.isoformat(), absolute, ago(at)
    )


def ago(at: datetime) -> str:
    seconds = (timezone.now() - at).total_seconds()
    word = spell(abs(seconds))
    return f"in {word}" if seconds < -1 else f"{word} ago"


def spell(seconds: float) -> str:
    """`4 s`, `3 min`, `5 h`, `2 d`: the largest unit that fits."""
    for unit, size in (("d", 86_400), ("h", 3_600), ("min", 60)):
        if seconds >= size:
            return f"{int(seconds // size)} {unit}"
    return f"{int(seconds)} s"


def duration(job: Job) -> SafeString:
    """How long the job ran; counts on while it runs."""
    if job.started_at is None:
        return format_html('<td-duration data-job="{}">–</td-duration>', job.pk)
    end = job.finished_at or timezone.now()
    return format_html(
        '<td-duration data-job="{}" start="{}" end="{}">{}</td-duration>',
        job.pk,
        job.started_at.isoformat(),
        job.finished_at.isoformat() if job.finished_at else "",
        clock(end - job.started_at),
    )


def clock(span: timedelta) -> str:
    """`0.8 s`, `42 s`, `3:07`, `1:02:03`."""
    seconds = max(span.total_seconds(), 0)
    if seconds < 10:
        return f"{seconds:.1f} s"
    if seconds < 60:
        return f"{int(seconds)} s"
    hours, rest = divmod(int(seconds), 3600)
    return f"{hours}:{rest // 60:02}:{rest % 60:02}" if hours else f"{rest // 60}:{rest % 60:02}"


def capped_counts(lists: Sequence[QuerySet[Any]]) -> list[str]:
    """How many rows each has, in words once there are more than the cap."""
    return [f"{CAP:,}+" if found > CAP else f"{found:,}" for found in counts_up_to(lists, CAP + 1)]


def counts_by_status(jobs: QuerySet[Job]) -> dict[str, str]:
    """How many of `jobs` are in each state, up to the cap."""
    found = capped_counts([jobs.filter(status=status) for status in STATUS_WORDS])
    return dict(zip(map(str, STATUS_WORDS), found, strict=True))


def summary(user: Any, *, now: datetime) -> dict[str, Any]:
    """The dashboard's figures, of the jobs that `user` may see; workers of all queues."""
    jobs = Job.objects.visible_to(user)
    day = now - timedelta(days=1)
    alive = Worker.objects.filter(seen_at__gte=now - timedelta(seconds=ALIVE_S))
    queued, running, failed = capped_counts(
        [
            jobs.filter(status=Status.QUEUED),
            jobs.filter(status=Status.RUNNING),
            # By id: a UUIDv7 begins with its time, and (status, -id) is an index.
            jobs.filter(status=Status.FAILED, id__gte=id_at(day)),
        ]
    )
    return {
        "queued": queued,
        "running": running,
        "failedToday": failed,
        "workers": alive.count(),
        "workersBusy": alive.filter(job__isnull=False).count(),
    }


def id_at(at: datetime) -> UUID:
    """The lowest id that a job made at `at` can have."""
    return UUID(int=int(at.timestamp() * 1000) << 80)


def recording_url() -> str | None:
    """Where a new recording starts; None where the recorder's pages are not installed."""
    try:
        return reverse("admin:recorder_recordingsession_add")
    except NoReverseMatch:
        return None
