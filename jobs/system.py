"""What the installation consists of right now: clusters and workers, queues, storage, versions.

Every time is judged by the database's clock, so that hosts that disagree about the time change nothing.
"""

import platform
import shutil
import sqlite3
import tomllib
from dataclasses import dataclass, field
from datetime import datetime
from functools import cache
from importlib.metadata import version
from typing import Any

from django.conf import settings
from django.core.files.storage import FileSystemStorage, default_storage
from django.db import connection
from django.db.models import BooleanField, Count, Min, OuterRef, Q, QuerySet, Subquery, Sum
from django.db.models.expressions import RawSQL

from jobs.browser import BrowserNotFound, find_chromium, sandbox_for
from jobs.models import Artifact, Drain, Job, Status, Worker
from jobs.queue import processes
from jobs.queue.clock import now_sql

# A worker that was not seen for this long is not counted as alive.
ALIVE_S = 30


@dataclass(frozen=True, kw_only=True)
class WorkerFact:
    """A worker process. `alive`: it was seen within the last `ALIVE_S` seconds.

    `state`: idle, busy, draining (it was asked to take no more, and is still at a job or has not
    heard of it), drained (it has said that it takes none), resuming (it has not heard yet that it
    may go on), silent. `drain_id` names the drain that holds for it.
    """

    id: int
    name: str
    queue: str
    host: str
    pid: int
    started_at: datetime
    seen_at: datetime
    alive: bool
    state: str
    job_id: str | None
    job_name: str
    drain_id: int | None = None
    drained_at: datetime | None = None


@dataclass(frozen=True, kw_only=True)
class ClusterFact:
    """The workers of one queue on one host. `alive` counts those that were seen lately.

    `drain_id`: the drain that holds for all of it; `drained`: how many of the living have said so.
    """

    queue: str
    host: str
    workers: list[WorkerFact]
    alive: int
    busy: int
    seen_at: datetime | None
    here: bool
    drained: int = 0
    drain_id: int | None = None


@dataclass(frozen=True, kw_only=True)
class QueueFact:
    """One queue. `ready` jobs could start now, `delayed` ones wait for their time.

    `oldest_age_s`: how long the oldest ready job has been ready; None: there is none.
    """

    queue: str
    ready: int
    delayed: int
    running: int
    oldest_age_s: float | None
    workers_alive: int


@dataclass(frozen=True, kw_only=True)
class StorageFact:
    """Where artifacts are kept and how much they take; `free_bytes` None: the storage does not say."""

    place: str
    artifacts: int
    artifact_bytes: int
    free_bytes: int | None
    total_bytes: int | None
    quota_bytes: int | None
    quota_user_bytes: int | None


@dataclass(frozen=True, kw_only=True)
class BrowserFact:
    """The Chromium of this machine (not of other workers' machines); None: none was found."""

    found: str | None
    version: str
    source: str
    sandbox: str
    problem: str
    sandboxed: bool = False


@dataclass(frozen=True, kw_only=True)
class System:
    clusters: list[ClusterFact]
    queues: list[QueueFact]
    storage: StorageFact
    browser: BrowserFact
    versions: dict[str, str]
    database: str = field(default="")


def facts() -> System:
    """All of it, read now; a handful of statements whatever the number of jobs."""
    found = workers()
    return System(
        clusters=clusters(found),
        queues=queues(found),
        storage=storage(),
        browser=browser(),
        versions=versions(),
        database=connection.vendor,
    )


def workers() -> list[WorkerFact]:
    """Every worker that has a row, the silent ones too."""
    return [worker_fact(row) for row in worker_rows().select_related("job")]


def worker_rows() -> QuerySet[Worker]:
    """The rows with what `worker_fact` needs besides; one statement."""
    alive = RawSQL(f"seen_at > {now_sql(plus_s=-ALIVE_S)}", [], output_field=BooleanField())
    covering = Drain.objects.filter(
        Q(host="") | Q(host=OuterRef("host")),
        Q(worker="") | Q(worker=OuterRef("name")),
        queue=OuterRef("queue"),
    )
    # The widest first.
    drain = Subquery(covering.order_by("worker", "host").values("pk")[:1])
    return Worker.objects.annotate(is_alive=alive, drain_pk=drain).order_by("queue", "host", "name")


def worker_fact(row: Worker) -> WorkerFact:
    """A row of `worker_rows` as it is told."""
    alive, drain = bool(getattr(row, "is_alive")), getattr(row, "drain_pk")  # noqa: B009
    state = "busy" if row.job_id else "idle"
    if drain is not None:
        state = "drained" if row.drained_at and not row.job_id else "draining"
    elif row.drained_at:
        state = "resuming"
    return WorkerFact(
        id=row.pk,
        name=row.name,
        queue=row.queue,
        host=row.host,
        pid=row.pid,
        started_at=row.started_at,
        seen_at=row.seen_at,
        alive=alive,
        state=state if alive else "silent",
        job_id=str(row.job_id) if row.job_id else None,
        job_name=str(row.job) if row.job else "",
        drain_id=drain,
        drained_at=row.drained_at,
    )


def covering(*, queue: str, host: str, worker: str, drains: list[Drain]) -> Drain | None:
    """The widest of these drains that holds for this worker (or, with an empty name, the cluster)."""
    for row in sorted(drains, key=lambda row: (bool(row.worker), bool(row.host))):
        if row.queue == queue and row.host in ("", host) and row.worker in ("", worker):
            return row
    return None


def clusters(found: list[WorkerFact] | None = None) -> list[ClusterFact]:
    """Workers by queue and host; a queue that nobody serves has none, `queues` names it all the same."""
    found = workers() if found is None else found
    drains = list(Drain.objects.filter(worker=""))
    groups: dict[tuple[str, str], list[WorkerFact]] = {}
    for worker in found:
        groups.setdefault((worker.queue, worker.host), []).append(worker)
    return [
        ClusterFact(
            queue=queue,
            host=host,
            workers=rows,
            alive=sum(row.alive for row in rows),
            busy=sum(row.alive and row.job_id is not None for row in rows),
            seen_at=max(row.seen_at for row in rows),
            here=host == processes.host_name(),
            drained=sum(row.alive and row.state == "drained" for row in rows),
            drain_id=found_drain.pk if found_drain else None,
        )
        for (queue, host), rows in sorted(groups.items())
        for found_drain in [covering(queue=queue, host=host, worker="", drains=drains)]
    ]


def queues(found: list[WorkerFact] | None = None) -> list[QueueFact]:
    """The configured queues, and any other that open jobs name."""
    found = workers() if found is None else found
    counted = {row["queue"]: row for row in _waiting("queue")}
    running = dict(
        Job.objects.filter(status=Status.RUNNING)
        .values("queue")
        .annotate(n=Count("id"))
        .values_list("queue", "n")
        .order_by("queue")
    )
    names = [*settings.QUEUES, *sorted({*counted, *running} - set(settings.QUEUES))]
    return [
        QueueFact(
            queue=name,
            ready=counted.get(name, {}).get("ready", 0),
            delayed=counted.get(name, {}).get("delayed", 0),
            running=running.get(name, 0),
            oldest_age_s=counted.get(name, {}).get("oldest_age_s"),
            workers_alive=sum(row.alive and row.queue == name for row in found),
        )
        for name in names
    ]


def _waiting(*columns: str) -> list[dict[str, Any]]:
    """Queued jobs by `columns`: how many are ready and delayed, and the age of the oldest ready one."""
    later = Q(run_after__isnull=False) & Q(is_late=True)
    rows = (
        Job.objects.filter(status=Status.QUEUED)
        .annotate(is_late=RawSQL(f"COALESCE(run_after > {now_sql()}, FALSE)", []))
        .values(*columns)
        .annotate(
            delayed=Count("id", filter=later),
            ready=Count("id", filter=~later),
            # A job is ready since it was submitted, or since its time came.
            oldest_plain=Min("created_at", filter=Q(run_after__isnull=True)),
            oldest_due=Min("run_after", filter=Q(run_after__isnull=False) & ~later),
        )
        .order_by(*columns)
    )
    now = database_now()
    found = []
    for row in rows:
        oldest = [at for at in (row.pop("oldest_plain"), row.pop("oldest_due")) if at is not None]
        age = max(0.0, (now - min(oldest)).total_seconds()) if oldest else None
        found.append({**row, "oldest_age_s": age})
    return found


def waiting_by_kind() -> list[dict[str, Any]]:
    """Queued jobs by queue and kind: `ready`, `delayed`, `oldest_age_s`."""
    return _waiting("queue", "kind")


def database_now() -> datetime:
    """The database's clock."""
    from jobs.queue.rows import to_time

    with connection.cursor() as cursor:
        cursor.execute(f"SELECT {now_sql()}", [])  # with parameters, or `%%` stays doubled
        return to_time(cursor.fetchone()[0])


def storage() -> StorageFact:
    sums = Artifact.objects.aggregate(n=Count("id"), size=Sum("size_bytes"))
    free = total = None
    if isinstance(default_storage, FileSystemStorage):
        place = str(default_storage.location)
        settings.DATA_DIR.mkdir(parents=True, exist_ok=True)
        disk = shutil.disk_usage(settings.DATA_DIR)
        free, total = disk.free, disk.total
    else:
        place = f"S3 bucket {getattr(default_storage, 'bucket_name', '?')}"
    return StorageFact(
        place=place,
        artifacts=sums["n"],
        artifact_bytes=sums["size"] or 0,
        free_bytes=free,
        total_bytes=total,
        quota_bytes=settings.ARTIFACT_QUOTA_MB * 1024 * 1024 or None,
        quota_user_bytes=settings.ARTIFACT_QUOTA_USER_MB * 1024 * 1024 or None,
    )


def browser() -> BrowserFact:
    try:
        found = find_chromium()
    except BrowserNotFound as error:
        return BrowserFact(found=None, version="", source="", sandbox="", problem=str(error))
    sandbox = sandbox_for(browser=found)
    return BrowserFact(
        found=str(found.executable),
        version=found.version,
        source=found.source,
        sandbox=f"{'on' if sandbox.on else 'off'}: {sandbox.reason}",
        problem="",
        sandboxed=sandbox.on,
    )


def versions() -> dict[str, str]:
    """Versions of what matters when something goes wrong, by name."""
    name = "sqlite" if connection.vendor == "sqlite" else "postgresql"
    return {**program_versions(), name: _database_version()}


@cache
def program_versions() -> dict[str, str]:
    """Of our own and of the packages; the database is not asked."""
    project = tomllib.loads((settings.BASE_DIR / "pyproject.toml").read_text())["project"]
    packages = ("django", "djangorestframework", "django-q2", "channels", "daphne", "playwright")
    return {
        "tapedeck": project["version"],
        "python": platform.python_version(),
        **{name: version(name) for name in packages},
    }


def _database_version() -> str:
    if connection.vendor == "sqlite":
        return sqlite3.sqlite_version
    with connection.cursor() as cursor:
        cursor.execute("SHOW server_version")
        return str(cursor.fetchone()[0])
