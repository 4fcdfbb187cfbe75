"""Kinds that do a little real work in every way a job can: for looking at the console."""

from __future__ import annotations

import random
import struct
import time
import zlib
from typing import Any

from django.apps import AppConfig
from rest_framework import serializers

GREEN, RED, DIM, BOLD, CYAN, END = (f"\x1b[{code}m" for code in (32, 31, 2, 1, 36, 0))


class DemoConfig(AppConfig):
    name = "bench"
    label = "demo"

    def ready(self) -> None:
        register()


class Crawl(serializers.Serializer[Any]):
    """A choice, a number, a nested value, a list and a secret: one of each for the form."""

    url = serializers.URLField(help_text="Where to begin.")
    depth = serializers.IntegerField(
        min_value=1, max_value=10, default=2, help_text="Links to follow from the first page."
    )
    colour_scheme = serializers.ChoiceField(choices=["light", "dark"], default="light")
    ignore_robots = serializers.BooleanField(
        default=False, help_text="Visit what robots.txt hides."
    )
    skip = serializers.ListField(
        child=serializers.CharField(), default=list, help_text="Paths that are left out."
    )
    token = serializers.CharField(
        default="", allow_blank=True, write_only=True, help_text="Sent as a bearer token."
    )


class Build(serializers.Serializer[Any]):
    suite = serializers.CharField(default="smoke", help_text="Name of the suite to build.")
    fails = serializers.IntegerField(default=0, help_text="Attempts that end badly.")


class Wait(serializers.Serializer[Any]):
    seconds = serializers.FloatField(default=60, min_value=0)


def register() -> None:
    """Each kind once; they come with the app."""
    from jobs.registry import job_kind
    from jobs.running import JobFailed, RunningJob

    @job_kind("demo.crawl", options=Crawl, max_attempts=2)
    def crawl(job: RunningJob) -> dict[str, Any]:
        """Crawl a site and check its links."""
        pages = [
            "/",
            "/pricing",
            "/docs",
            "/docs/install",
            "/blog",
            "/careers",
            "/login",
            "/imprint",
        ]
        job.event("crawl.phase_changed", phase="reading")
        broken = 0
        for number, path in enumerate(pages, 1):
            job.event("crawl.page_started", number=number, wording=f"Visit {path}")
            time.sleep(random.uniform(0.15, 0.5))
            bad = path == "/careers"
            broken += bad
            word = f"{RED}404{END}" if bad else f"{GREEN}200{END}"
            job.log(f"{DIM}{time.strftime('%H:%M:%S')}{END} {word} {BOLD}{path}{END}")
            if bad:
                job.log(f"    {RED}broken link{END} from {CYAN}/{END}", stream="stderr")
                job.event("crawl.page_failed", number=number, error="404 Not Found")
            else:
                job.event("crawl.page_passed", number=number)
            job.progress(number, len(pages), "pages")
        job.event("crawl.phase_changed", phase="reporting")
        time.sleep(0.4)
        job.artifact("report.json", b'{"broken": ["/careers"], "pages": 8}', kind="report")
        job.artifact("pages/home.png", picture(), kind="screenshot")
        job.artifact("summary.txt", b"8 pages, 1 broken link: /careers\n", kind="text")
        job.metric("pages", len(pages))
        job.metric("brokenLinks", broken)
        return {"pages": len(pages), "broken": [{"path": "/careers", "status": 404, "from": "/"}]}

    @job_kind("demo.build", options=Build, max_attempts=3, backoff_s=1.5)
    def build(job: RunningJob) -> dict[str, Any]:
        """Build a suite; the first attempts may fail."""
        for number, name in enumerate(("Collect cases", "Resolve fixtures", "Write suite"), 1):
            job.event("build.stage_started", number=number, name=name)
            time.sleep(0.35)
            if number == 2 and job.attempt <= job.options["fails"]:
                job.log(f"{RED}fixture server did not answer{END}")
                job.event("build.stage_failed", number=number, error="connection refused")
                raise JobFailed(
                    "fixtures_unreachable", "The fixture server did not answer.", retry=True
                )
            job.event("build.stage_passed", number=number)
        return {"suite": job.options["suite"], "cases": 42}

    @job_kind("demo.wait", options=Wait, timeout_s=3600, max_attempts=1)
    def wait(job: RunningJob) -> None:
        """Wait for a deployment."""
        until = time.monotonic() + job.options["seconds"]
        while time.monotonic() < until:
            job.check_cancelled()
            time.sleep(0.05)


def picture() -> bytes:
    """A PNG of 320 × 180 that looks like a page."""
    rows = []
    for y in range(180):
        row = bytearray(b"\x00")
        for x in range(320):
            head, block = y < 28, 40 < y < 150 and (x // 96) % 1 == 0 and 16 < x % 104 < 96
            row += b"\x7c\x3a\xed" if head else b"\xe2\xe8\xf0" if block else b"\xff\xff\xff"
        rows.append(bytes(row))

    def chunk(kind: bytes, data: bytes) -> bytes:
        body = kind + data
        return struct.pack(">I", len(data)) + body + struct.pack(">I", zlib.crc32(body))

    size = struct.pack(">IIBBBBB", 320, 180, 8, 2, 0, 0, 0)
    pixels = zlib.compress(b"".join(rows), 9)
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", size) + chunk(b"IDAT", pixels) + chunk(b"IEND", b"")
    )
