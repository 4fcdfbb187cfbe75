"""Pictures of the console's pages for docs/screens/: a demo installation with real jobs.

    python -m bench.screens [--out docs/screens] [--only jobs,dashboard] [--keep]

Everything runs as it does for an operator: web server, workers, Chromium. `--keep` leaves the
installation serving until Ctrl-C, to look at by hand (admin / demo).
"""

from __future__ import annotations

import argparse
import os
import random
import time
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

from bench.installation import ROOT, Installation, wait_for

HEIGHTS = {1440: 900, 390: 844}
PASSWORD = "demo"


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--out", type=Path, default=ROOT / "docs" / "screens")
    parser.add_argument("--only", help="names of pages, with commas")
    parser.add_argument("--port", type=int, default=8105)
    parser.add_argument("--scheme", default="light,dark", help="light, dark or both")
    parser.add_argument("--width", default="1440,390", help="of the window, with commas")
    parser.add_argument("--keep", action="store_true")
    options = parser.parse_args()
    installation = Installation(
        database="sqlite",
        settings="bench.demo_settings",
        WORKERS="2",
        BROWSER_WORKERS="1",
        HOST="127.0.0.1",
        PORT=str(options.port),
    )
    try:
        url = f"http://127.0.0.1:{options.port}"
        made = furnish(installation)
        only = set(options.only.split(",")) if options.only else None
        views = [
            (scheme, int(width))
            for scheme in options.scheme.split(",")
            for width in options.width.split(",")
        ]
        shoot(url, made, out=options.out, only=only, views=views)
        if options.keep:
            print(f"{url}/admin/   (admin / {PASSWORD}; Ctrl-C ends it)", flush=True)
            while True:
                time.sleep(3600)
    except KeyboardInterrupt:
        pass
    finally:
        installation.close()


def furnish(installation: Installation) -> dict[str, Any]:
    """A day of history, running processes, and jobs in every state; the pages to show by name."""
    from django.contrib.auth.models import User
    from django.core.management import call_command
    from django.utils import timezone

    from jobs import services
    from jobs.access import Role
    from jobs.models import Job, SavedTab, Status
    from jobs.roles import put_in

    call_command("collectstatic", "--noinput", verbosity=0)
    admin = User.objects.create_superuser("admin", password=PASSWORD)
    ada = User.objects.create_user("ada", password=PASSWORD, is_staff=True)
    put_in(user=ada, role=Role.OPERATOR)
    history([admin, ada])
    up = installation.start("up")
    if not wait_for(lambda: "is ready" in installation.log(), timeout_s=60):
        raise SystemExit(installation.log())
    assert up.poll() is None
    submit = services.submit
    services.save_preset(
        kind="demo.crawl",
        name="Nightly",
        description="The whole shop, deep",
        options={"url": "https://shop.example/", "depth": 5},
        by=admin,
    )
    SavedTab.objects.bulk_create(
        [
            SavedTab(owner=admin, name=name, query=query, created_at=timezone.now())
            for name, query in [
                ("Broken today", "status__exact=failed&period=24h"),
                ("The shop", "tag=shop"),
            ]
        ]
    )
    site = {"url": "https://shop.example/", "depth": 3, "skip": ["/cart", "/admin"]}
    crawl = submit(
        kind="demo.crawl",
        options={**site, "token": "hunter2"},
        by=admin,
        name="Check the shop's links",
        tags=["nightly", "shop"],
    )
    flaky = submit(
        kind="demo.build",
        options={"suite": "checkout", "fails": 1},
        by=admin,
        name="Build checkout",
    )
    failed = submit(
        kind="demo.build",
        options={"suite": "search", "fails": 9},
        by=ada,
        name="Build <search> suite ✓ búsqueda",
        tags=["search"],
    )
    ended = [crawl, flaky, failed]
    if not wait_for(
        lambda: (
            Job.objects.filter(pk__in=[j.pk for j in ended])
            .exclude(status__in=["queued", "running"])
            .count()
            == 3
        ),
        timeout_s=60,
    ):
        raise SystemExit(installation.log())
    for name in ("Wait for staging", "Wait for production"):
        submit(kind="demo.wait", options={"seconds": 3000}, by=admin, name=name)
    for suite in ("smoke", "payments", "search"):
        submit(kind="demo.build", options={"suite": suite}, by=ada, name=f"Build {suite}")
    wait_for(lambda: Job.objects.filter(status=Status.RUNNING).count() >= 2, timeout_s=20)
    queued = Job.objects.filter(status=Status.QUEUED).order_by("id").first()
    return {"job": crawl.pk, "retried": flaky.pk, "queued": queued.pk if queued else crawl.pk}


def history(owners: list[Any]) -> None:
    """Jobs of the last 24 hours that ended, more by day than by night."""
    from django.utils import timezone

    from jobs.models import Job

    chance = random.Random(7)  # the same picture each time
    now = timezone.now()
    kinds = {
        "demo.crawl": "Crawl shop",
        "demo.build": "Build suite",
        "recorder.replay": "Replay sign in",
    }
    rows = []
    for hour in range(24):
        begin = now - timedelta(hours=hour + 1)
        for _ in range(
            int(4 + 26 * max(0.0, 1 - abs((begin.hour - 13) / 9)) + chance.random() * 6)
        ):
            at = begin + timedelta(seconds=chance.random() * 3500)
            kind = chance.choice(list(kinds))
            status, reason = chance.choices(
                [
                    ("succeeded", ""),
                    ("failed", "timed_out"),
                    ("failed", "step_failed"),
                    ("cancelled", "cancelled_by_user"),
                ],
                [88, 3, 6, 3],
            )[0]
            number = (
                (int(at.timestamp() * 1000) << 80) | (7 << 76) | (2 << 62) | chance.getrandbits(62)
            )
            rows.append(
                Job(
                    id=UUID(int=number),
                    kind=kind,
                    name=kinds[kind],
                    owner=chance.choice(owners),
                    status=status,
                    reason=reason,
                    created_at=at,
                    started_at=at + timedelta(seconds=0.2),
                    finished_at=at + timedelta(seconds=2 + chance.random() * 90),
                    attempt=1,
                )
            )
    Job.objects.bulk_create(rows)


def shoot(
    url: str,
    made: dict[str, Any],
    *,
    out: Path,
    only: set[str] | None,
    views: list[tuple[str, int]],
) -> None:
    from playwright.sync_api import sync_playwright

    from jobs.browser import find_chromium

    job = f"/admin/jobs/job/{made['job']}/change/"
    pages = {
        "dashboard": "/admin/",
        "jobs": "/admin/jobs/job/",
        "job": job,
        "job-log": f"{job}#log",
        "job-events": f"{job}#events",
        "job-files": f"{job}#artifacts",
        "job-data": f"{job}#data",
        "job-retried": f"/admin/jobs/job/{made['retried']}/change/",
        "job-queued": f"/admin/jobs/job/{made['queued']}/change/",
        "job-audit": f"{job}#audit",
        "rerun": job.replace("/change/", "/rerun/"),
        "edit": f"/admin/jobs/job/{made['queued']}/edit/",
        "kinds": "/admin/jobs/job/new/",
        "new-job": "/admin/jobs/job/new/?kind=demo.crawl&preset=Nightly",
        "system": "/admin/system/",
        "schedules": "/admin/jobs/schedule/",
        "workers": "/admin/jobs/worker/",
    }
    out.mkdir(parents=True, exist_ok=True)
    os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"] = "1"
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=str(find_chromium().executable), args=["--no-sandbox"]
        )
        for scheme in dict.fromkeys(scheme for scheme, _ in views):
            context = browser.new_context(base_url=url, color_scheme=scheme)  # type: ignore[arg-type]
            page = context.new_page()
            page.on("pageerror", lambda error: print("page error:", error))
            page.on(
                "console",
                lambda said: print(said.type, said.text) if said.type == "error" else None,
            )
            page.goto("/admin/login/")
            page.fill("[name=username]", "admin")
            page.fill("[name=password]", PASSWORD)
            page.press("[name=password]", "Enter")
            page.wait_for_url("**/admin/")
            for width in [width for each, width in views if each == scheme]:
                height = HEIGHTS.get(width, 900)
                page.set_viewport_size({"width": width, "height": height})
                for name, path in pages.items():
                    if only and name not in only:
                        continue
                    page.goto("about:blank")
                    page.goto(path)
                    page.wait_for_timeout(900)
                    page.screenshot(path=out / f"{name}-{scheme}-{width}.png")
                    overflow = page.evaluate(
                        "document.documentElement.scrollWidth - document.documentElement.clientWidth"
                    )
                    if overflow > 0:
                        print(f"{name} {scheme} {width}: {overflow} px too wide", flush=True)
            context.close()
        browser.close()


if __name__ == "__main__":
    main()
