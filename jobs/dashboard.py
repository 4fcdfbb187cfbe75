"""What the start page shows. Every statement is bounded, so a million jobs cost what ten do."""

from __future__ import annotations

import shutil
from collections import Counter
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlencode
from uuid import UUID

from django.conf import settings
from django.db import connection
from django.db.models import Q
from django.urls import reverse

from jobs import access, console
from jobs.events import time_dto
from jobs.models import Job, Schedule, Status, Worker

HOURS = 24
# Of one state in one hour; where there are more, the chart says "2,000+".
BUCKET_CAP = 2_000
# Failed jobs that are grouped, and groups that are shown.
FAILED_READ = 500
FAILED_GROUPS = 5
# Due jobs that are looked at to find which queue waits for how long.
QUEUED_READ = 1_000
WORKERS_SHOWN = 24
PAUSED_SHOWN = 5


def overview(user: Any, *, now: datetime) -> dict[str, Any]:
    """Figures, the day's chart, what needs attention and who works; of the jobs `user` may see."""
    workers = list(
        Worker.objects.filter(seen_at__gte=now - timedelta(seconds=console.ALIVE_S))
        .select_related("job")
        .order_by("queue", "name")[: WORKERS_SHOWN + 1]
    )
    seen = set(
        Job.objects.visible_to(user)
        .filter(pk__in=[worker.job_id for worker in workers if worker.job_id])
        .values_list("pk", flat=True)
    )
    waits = _waits(user, now)
    oldest = min(waits.values(), default=None)
    return {
        "figures": {**console.summary(user, now=now), "oldestQueuedAt": time_dto(oldest)},
        "chart": chart(user, now=now),
        "attention": [*_installation(waits, now), *_failures(user, now), *_paused(user)],
        "workers": [_worker(worker, worker.job_id in seen) for worker in workers[:WORKERS_SHOWN]],
        "moreWorkers": len(workers) > WORKERS_SHOWN,
    }


def chart(user: Any, *, now: datetime) -> dict[str, Any]:
    """Jobs by the hour in which they were queued and by what became of them: 24 whole hours."""
    last = now.replace(minute=0, second=0, microsecond=0)
    begins = [last - timedelta(hours=back) for back in reversed(range(HOURS))]
    counts = iter(_counts(user, begins))
    hours = []
    for begin in begins:
        found = {str(status): next(counts) for status in Status}
        hours.append({"at": time_dto(begin), **found})
    return {"hours": hours, "cap": BUCKET_CAP}


def _counts(user: Any, begins: list[datetime]) -> list[int]:
    """For each hour and state how many, at most `BUCKET_CAP`: one statement of index ranges."""
    # By id: a UUIDv7 begins with its time, and (status, -id) is an index.
    low, high = UUID(int=1), UUID(int=2)
    asked = Job.objects.visible_to(user).filter(status="?", id__gte=low, id__lt=high)
    sql, params = asked.order_by().values("status")[:BUCKET_CAP].query.sql_with_params()
    prepare = Job._meta.pk.get_db_prep_value
    marks = {prepare(low, connection): 0, prepare(high, connection): 1, "?": 2}
    parts, values = [], []
    for begin in begins:
        ends = (console.id_at(begin), console.id_at(begin + timedelta(hours=1)))
        for status in Status:
            chosen = (prepare(ends[0], connection), prepare(ends[1], connection), str(status))
            parts.append(f"(SELECT COUNT(*) FROM ({sql}) AS bucket)")
            values += [chosen[marks[each]] if each in marks else each for each in params]
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT {', '.join(parts)}", values)
        row = cursor.fetchone()
    return [int(count) for count in row or ()]


def _waits(user: Any, now: datetime) -> dict[str, datetime]:
    """Each queue with jobs that could start: since when its longest waiting one could have."""
    due = Q(run_after__isnull=True) | Q(run_after__lte=now)
    rows = Job.objects.visible_to(user).filter(due, status=Status.QUEUED).order_by("id")
    waits: dict[str, datetime] = {}
    for queue, created_at, run_after in rows.values_list("queue", "created_at", "run_after")[
        :QUEUED_READ
    ]:
        since = max(created_at, run_after or created_at)
        waits[queue] = min(since, waits.get(queue, since))
    return waits


def _installation(waits: dict[str, datetime], now: datetime) -> Iterator[dict[str, Any]]:
    alive = set(
        Worker.objects.filter(seen_at__gte=now - timedelta(seconds=console.ALIVE_S))
        .values_list("queue", flat=True)
        .distinct()
        .order_by("queue")
    )
    for queue in settings.QUEUES:
        if queue not in alive:
            yield _note(
                "bad",
                f"No worker serves the queue {queue}, so its jobs do not start.",
                todo="Start them with ./run, or look at what it prints.",
                url=reverse("console-system"),
                link="System",
            )
    for queue, since in sorted(waits.items()):
        if queue in alive and (now - since).total_seconds() > settings.QUEUE_WARN_S:
            yield _note(
                "warn",
                f"The queue {queue} is behind: a job has been waiting for "
                f"{console.spell((now - since).total_seconds())}.",
                todo="Add workers, or look for jobs that hold a kind's limit.",
                url=f"{reverse('admin:jobs_job_changelist')}?status__exact=queued",
                link="Queued jobs",
            )
    free = shutil.disk_usage(settings.DATA_DIR).free
    if free < settings.DISK_WARN_MB * 1024 * 1024:
        yield _note(
            "bad",
            f"Only {free // 1_000_000:,} MB are free where files are kept.",
            todo="Free space, or delete jobs that are not needed; jobs fail when it runs out.",
        )


def _failures(user: Any, now: datetime) -> Iterator[dict[str, Any]]:
    day = now - timedelta(days=1)
    failed = Job.objects.visible_to(user).filter(status=Status.FAILED, id__gte=console.id_at(day))
    groups: Counter[tuple[str, str]] = Counter()
    newest: dict[tuple[str, str], datetime | None] = {}
    for kind, reason, at in failed.order_by("-id").values_list("kind", "reason", "finished_at")[
        :FAILED_READ
    ]:
        groups[kind, reason] += 1
        newest.setdefault((kind, reason), at)
    whole = sum(groups.values())
    for (kind, reason), count in groups.most_common(FAILED_GROUPS):
        query = urlencode({"status__exact": "failed", "kind": kind, "reason": reason})
        more = "at least " if whole == FAILED_READ else ""
        yield _note(
            "warn",
            f"{kind} failed {more}{count:,} time{'s' if count > 1 else ''} in 24 hours: "
            f"{console.reason_words(reason) or 'no reason given.'}",
            at=newest[kind, reason],
            url=f"{reverse('admin:jobs_job_changelist')}?{query}",
            link="Show them" if count > 1 else "Show it",
        )


def _paused(user: Any) -> Iterator[dict[str, Any]]:
    paused = Schedule.objects.filter(paused=True).order_by("id")
    if not access.is_admin(user):
        paused = paused.filter(owner_id=user.pk)
    found = list(paused.values_list("name", flat=True)[: PAUSED_SHOWN + 1])
    if found:
        more = " and more" if len(found) > PAUSED_SHOWN else ""
        word = "Paused schedules" if len(found) > 1 else "Paused schedule"
        yield _note(
            "info",
            f"{word}: {', '.join(found[:PAUSED_SHOWN])}{more}.",
            url=f"{reverse('admin:jobs_schedule_changelist')}?paused__exact=1",
            link="Show",
        )


def _note(
    level: str,
    text: str,
    *,
    todo: str = "",
    url: str = "",
    link: str = "",
    at: datetime | None = None,
) -> dict[str, Any]:
    return {
        "level": level,
        "text": text,
        "todo": todo,
        "url": url,
        "link": link,
        "at": time_dto(at),
    }


def _worker(worker: Worker, seen: bool) -> dict[str, Any]:
    job = worker.job
    return {
        "name": worker.name,
        "queue": worker.queue,
        "startedAt": time_dto(worker.started_at),
        "busy": job is not None,
        "job": str(job) if job is not None and seen else "",
        "url": reverse("admin:jobs_job_change", args=[job.pk]) if job is not None and seen else "",
        "since": time_dto(job.started_at) if job is not None else None,
    }
