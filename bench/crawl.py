"""Crawling measured: pages a second beside Scrapy, and a recrawl of a site that changed by 1 %.

    python -m bench.crawl [--pages 1000] [--rounds 3] [--concurrency 16]

Both crawl the same generated site (bench/crawl_site.py) in the same run, in turns, each in a
process of its own, politeness off, the same number of requests at a time. Both heed robots.txt,
follow every link and redirect, parse each page, take its title, headings with ids, and the text of
its main part, and keep each text once. Tapedeck besides resolves and judges each connection,
reads the sitemap, places every block at offsets in the text (which Scrapy's spider here does not),
looks for traps and canonical links, and notes ETags. Neither writes to a database:
bench/ingest.py measures that. The clock runs from the crawl's begin to its end, without the
interpreter's start.

The recrawl asks for every page again with If-None-Match; then once more trusting the sitemap's
dates (the setting trustLastmod), which spares the requests.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.request import urlopen
from uuid import uuid4

AIM = 3.0
RECRAWL_AIM = 0.1


@contextmanager
def site(pages: int) -> Iterator[str]:
    command = [sys.executable, "-m", "bench.crawl_site", "--pages", str(pages)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        yield server.stdout.readline().strip()
        server.terminate()


def ours(url: str, pages: int, concurrency: int) -> dict[str, Any]:
    """The first crawl, two recrawls, and what they did."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
    import django

    django.setup()
    from ingestion.content import Found, Known, SyncRun, Unchanged
    from ingestion.website.connector import WebsiteConnector
    from ingestion.website.settings import Settings
    from jobs.egress import Policy

    def crawl(documents: dict[str, Known], cursor: Any, **more: Any) -> tuple[dict[str, Any], Any]:
        settings = Settings(
            data={
                "url": url, "max_depth": 5, "max_pages": 10 * pages, "delay_s": 0,
                "concurrency": concurrency, "render": "never", **more,
            }
        )  # fmt: skip
        settings.is_valid(raise_exception=True)
        with tempfile.TemporaryDirectory() as folder:
            run = SyncRun(
                source_id=uuid4(),
                owner_id=0,
                settings=settings.validated_data,
                policy=Policy(private=True),
                workdir=Path(folder),
                cursor=cursor,
                documents=dict(documents),
            )
            said = {"kept": 0, "changed": 0, "chars": 0, "headings": 0}
            began = time.perf_counter()
            for item in WebsiteConnector().sync(run=run):
                said["kept"] += 1
                if isinstance(item, Found):
                    said["changed"] += 1
                    said["chars"] += len(item.structure.text)
                    said["headings"] += sum(1 for _ in item.structure.headings())
                    documents[item.key] = Known(
                        fetched_with=item.fetched_with, content_hash="", state="indexed"
                    )
                elif isinstance(item, Unchanged) and item.fetched_with is not None:
                    documents[item.key] = Known(
                        fetched_with=item.fetched_with, content_hash="", state="indexed"
                    )
            seconds = time.perf_counter() - began
        return {"seconds": seconds, **said}, run.next_cursor

    documents: dict[str, Known] = {}
    first, cursor = crawl(documents, {})
    urlopen(f"{url}version/2", timeout=60).close()
    again, cursor = crawl(documents, cursor)
    urlopen(f"{url}version/1", timeout=60).close()
    trusting, _ = crawl(documents, cursor, trust_lastmod=True)
    return {"first": first, "again": again, "trusting": trusting}


def in_process(*arguments: str) -> dict[str, Any]:
    done = subprocess.run(
        [sys.executable, "-m", *arguments], capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise SystemExit(f"{' '.join(arguments)} failed:\n{done.stderr[-3000:]}")
    return dict(json.loads(done.stdout.splitlines()[-1]))


def measure(pages: int, rounds: int, concurrency: int) -> int:
    mine: list[dict[str, Any]] = []
    theirs: list[dict[str, Any]] = []
    for _ in range(rounds):
        with site(pages) as url:
            theirs.append(in_process("bench.peers.crawl_scrapy", url, str(concurrency)))
        with site(pages) as url:
            mine.append(
                in_process(
                    "bench.crawl",
                    "--ours",
                    url,
                    "--pages",
                    str(pages),
                    "--concurrency",
                    str(concurrency),
                )
            )

    def rate(runs: list[dict[str, Any]]) -> float:
        return statistics.median(run["kept"] / run["seconds"] for run in runs)

    first = [run["first"] for run in mine]
    print(f"{pages} pages, {concurrency} requests at a time, {rounds} rounds in turns, medians\n")
    print("| crawler | pages kept | pages/s | headings | characters |")
    print("|---|---|---|---|---|")
    for name, runs in (("Tapedeck", first), ("Scrapy", theirs)):
        last = runs[-1]
        print(
            f"| {name} | {last['kept']} | {rate(runs):.0f} | {last['headings']} | {last['chars']:,} |"
        )
    times = rate(first) / rate(theirs)
    print(f"\nTapedeck / Scrapy: {times:.1f} (aim {AIM:g})")
    began = statistics.median(run["seconds"] for run in first)
    ratios = {}
    for name, words in (("again", "asking for each page"), ("trusting", "trusting the sitemap")):
        seconds = statistics.median(run[name]["seconds"] for run in mine)
        ratios[name] = seconds / began
        changed = mine[-1][name]["changed"]
        print(
            f"recrawl, {words}: {seconds:.2f} s of {began:.2f} s = {ratios[name]:.3f}, "
            f"{changed} of {mine[-1][name]['kept']} changed (aim {RECRAWL_AIM:g})"
        )
    return 0 if times >= AIM and min(ratios.values()) < RECRAWL_AIM else 1


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--pages", type=int, default=1000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--concurrency", type=int, default=16)
    parser.add_argument("--ours", default="", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.ours:
        print(json.dumps(ours(given.ours, given.pages, given.concurrency)))
        return 0
    return measure(given.pages, given.rounds, given.concurrency)


if __name__ == "__main__":
    sys.exit(main())
