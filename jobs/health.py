"""Is the installation able to work? One check per part, each with what it found and what to do.

`fail`: something that people rely on does not work now. `warn`: it works, and somebody should look.
"""

import hashlib
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cache
from typing import Literal
from uuid import uuid4

from django.conf import settings
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.db import DatabaseError, connection, connections
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.recorder import MigrationRecorder

from jobs import system
from jobs.queue import processes, turn

# As long as a check waits for other writers before it says that nothing can be written.
WRITE_WAIT_S = 2.0
State = Literal["ok", "warn", "fail"]


@dataclass(frozen=True, kw_only=True)
class Check:
    """What one check found. `todo` is empty while there is nothing to do."""

    name: str
    status: State
    detail: str
    todo: str = ""
    took_ms: float = 0


class UnknownCheck(ValueError):
    """There is no check of this name."""


def checks(names: Iterable[str] | None = None) -> list[Check]:
    """Run the checks (all, or those named), in a fixed order; none of them raises.

    :raises UnknownCheck: the message lists those that there are.
    """
    wanted = list(CHECKS) if names is None else list(names)
    if unknown := [name for name in wanted if name not in CHECKS]:
        raise UnknownCheck(
            f"There is no check {', '.join(map(repr, unknown))}. Known: {', '.join(CHECKS)}."
        )
    found: list[Check] = []
    for name in CHECKS:
        if name in wanted:
            if any(check.name == "database" and check.status == "fail" for check in found) and (
                name in _NEED_DATABASE
            ):
                found.append(
                    Check(
                        name=name,
                        status="fail",
                        detail="Not known: the database could not be read.",
                        todo="See the check of the database.",
                    )
                )
            else:
                found.append(_run(name))
    return found


def is_ready(found: Iterable[Check]) -> bool:
    return all(check.status != "fail" for check in found)


def _run(name: str) -> Check:
    began = time.perf_counter()
    try:
        check = CHECKS[name]()
    except Exception as error:  # noqa: BLE001
        # A check that breaks is a finding of its own; the others still have to run.
        if isinstance(error, DatabaseError):
            connections.close_all()
        check = Check(
            name=name,
            status="fail",
            detail=f"The check itself failed: {type(error).__name__}: {error}",
            todo="Read the log of the web process.",
        )
    took_ms = round((time.perf_counter() - began) * 1000, 1)
    return Check(
        name=name, status=check.status, detail=check.detail, todo=check.todo, took_ms=took_ms
    )


def _database() -> Check:
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
            cursor.fetchone()
    except DatabaseError as error:
        connections.close_all()
        return Check(
            name="database",
            status="fail",
            detail=f"The database does not answer: {str(error).strip()}",
            todo="Start the database, and compare DATABASE_URL with where it listens.",
        )
    lock_file = turn.path_of(connection)
    if lock_file is not None:
        try:
            turn.begin(lock_file, limit_s=WRITE_WAIT_S)
        except turn.TurnNotGiven as error:
            return Check(
                name="database",
                status="fail",
                detail=f"Nothing can be written: {error}",
                todo="Let the process that writes go on, or end it: its changes are taken back.",
            )
        turn.end()
    versions = system.versions()
    product = "sqlite" if connection.vendor == "sqlite" else "postgresql"
    return Check(name="database", status="ok", detail=f"{product} {versions[product]} answers.")


@cache
def _migrations_on_disk() -> frozenset[tuple[str, str]]:
    return frozenset(MigrationLoader(None).disk_migrations)


def _migrations() -> Check:
    applied = set(MigrationRecorder(connection).applied_migrations())
    missing = sorted(f"{app}.{name}" for app, name in _migrations_on_disk() - applied)
    if missing:
        return Check(
            name="migrations",
            status="fail",
            detail=f"Not applied: {', '.join(missing[:10])}{' …' if len(missing) > 10 else ''}.",
            todo="Run `python manage.py migrate`, then restart.",
        )
    return Check(name="migrations", status="ok", detail="All migrations are applied.")


def _storage() -> Check:
    written = f"tapedeck {uuid4().hex}".encode()
    name = ""
    try:
        name = default_storage.save(f"health/{uuid4().hex}.txt", ContentFile(written))
        with default_storage.open(name, "rb") as stored:
            read = stored.read()
        default_storage.delete(name)
    except Exception as error:  # noqa: BLE001
        # Whatever a storage's client raises: the finding is that files can not be kept.
        return Check(
            name="storage",
            status="fail",
            detail=f"A file could not be written and read: {type(error).__name__}: {error}",
            todo="Check the disk's space and rights below DATA_DIR, or the bucket and its credentials.",
        )
    if hashlib.sha256(read).digest() != hashlib.sha256(written).digest():
        return Check(
            name="storage",
            status="fail",
            detail="What was read is not what was written.",
            todo="Do not trust this storage; check the disk or the S3 service.",
        )
    facts = system.storage()
    detail = f"Writes and reads in {facts.place}."
    if facts.quota_bytes and facts.artifact_bytes >= 0.9 * facts.quota_bytes:
        share = round(100 * facts.artifact_bytes / facts.quota_bytes)
        return Check(
            name="storage",
            status="warn",
            detail=f"{detail} Artifacts take {share} % of ARTIFACT_QUOTA_MB; jobs whose files do not "
            "fit fail with storage_full.",
            todo="Shorten the retention, delete jobs, or raise ARTIFACT_QUOTA_MB.",
        )
    if facts.free_bytes is not None and facts.free_bytes < settings.DISK_WARN_MB * 1024 * 1024:
        return Check(
            name="storage",
            status="warn",
            detail=f"{detail} Only {facts.free_bytes // 1024**2} MB are free on its disk.",
            todo="Free space on the disk of DATA_DIR, or shorten the retention.",
        )
    return Check(name="storage", status="ok", detail=detail)


def _redis() -> Check:
    if not settings.REDIS_URL:
        return Check(name="redis", status="ok", detail="Not used: REDIS_URL is not set.")
    import redis

    try:
        client = redis.Redis.from_url(
            settings.REDIS_URL, socket_timeout=2, socket_connect_timeout=2
        )
        try:
            client.ping()
        finally:
            client.close()
    except redis.RedisError as error:
        return Check(
            name="redis",
            status="fail",
            detail=f"Redis does not answer: {error}",
            todo="Start Redis, and compare REDIS_URL with where it listens. Jobs run meanwhile, "
            "with delays of up to a quarter of a second.",
        )
    return Check(name="redis", status="ok", detail="Redis answers.")


def _browser() -> Check:
    facts = system.browser()
    if facts.found:
        detail = f"Chromium {facts.version} ({facts.source}), sandbox {facts.sandbox}"
        if facts.sandboxed:
            return Check(name="browser", status="ok", detail=detail)
        return Check(name="browser", status="warn", detail=detail, todo=_SANDBOX)
    hosts = {
        worker.host for worker in system.workers() if worker.alive and worker.queue == "browser"
    }
    if hosts and processes.host_name() not in hosts:
        return Check(
            name="browser",
            status="warn",
            detail=f"None on this machine. Browser jobs run on {len(hosts)} other machine(s), whose "
            "browsers can not be seen from here.",
            todo="Run `python manage.py browser` on the machines that serve the queue `browser`.",
        )
    return Check(name="browser", status="fail", detail=facts.problem, todo=_INSTALL_BROWSER)


_SANDBOX = (
    "Mend what the line above names. Until then record and replay only sites that you trust: a page "
    "that breaks out of Chromium's renderer has all the rights of the worker."
)
_INSTALL_BROWSER = "Run `python manage.py browser --install`."


def _workers() -> Check:
    found = system.workers()
    missing, drained = [], []
    for queue in settings.QUEUES:
        alive = [worker for worker in found if worker.queue == queue and worker.alive]
        if not alive:
            missing.append(queue)
        elif all(worker.state in {"draining", "drained"} for worker in alive):
            drained.append(queue)
    alive_count = sum(worker.alive for worker in found)
    if missing:
        return Check(
            name="workers",
            status="fail",
            detail=f"Nobody serves: {', '.join(missing)}. No heartbeat within {system.ALIVE_S} s.",
            todo="Start `python manage.py up`, or on a worker's machine "
            f"`python manage.py up --only workers --queue {missing[0]}`.",
        )
    if drained:
        return Check(
            name="workers",
            status="warn",
            detail=f"Drained, so that no job starts there: {', '.join(drained)}.",
            todo="Resume them on the page of workers once you are done.",
        )
    return Check(
        name="workers", status="ok", detail=f"{alive_count} worker(s) alive on all queues."
    )


def _queues() -> Check:
    late = [
        fact
        for fact in system.queues()
        if fact.oldest_age_s is not None and fact.oldest_age_s > settings.QUEUE_WARN_S
    ]
    if late:
        words = ", ".join(
            f"{fact.queue} ({fact.ready} ready, the oldest for {fact.oldest_age_s:.0f} s)"
            for fact in late
        )
        return Check(
            name="queues",
            status="warn",
            detail=f"Jobs wait longer than {settings.QUEUE_WARN_S} s: {words}.",
            todo="Add workers (WORKERS, BROWSER_WORKERS, or another machine), or look for jobs that "
            "hold a kind's limit.",
        )
    return Check(
        name="queues",
        status="ok",
        detail=f"No job has been ready for longer than {settings.QUEUE_WARN_S} s.",
    )


CHECKS: dict[str, Callable[[], Check]] = {
    "database": _database,
    "migrations": _migrations,
    "storage": _storage,
    "redis": _redis,
    "browser": _browser,
    "workers": _workers,
    "queues": _queues,
}
_NEED_DATABASE = frozenset({"migrations", "workers", "queues"})
