"""A website's sync as a job: a worker that is killed costs neither a page nor a second fetch of all."""

from __future__ import annotations

import time
from typing import Any

import pytest
from django.contrib.auth.models import User

from ingestion import sources
from jobs.models import Status
from tests.ingestion.crawling import html
from tests.ingestion.killing import assert_whole, sync_and_kill
from tests.ingestion.scripted_site import Asked, Reply, ScriptedSite

PAGES = 60


def test_a_killed_crawl_goes_on(
    database: str, owner: User, monkeypatch: pytest.MonkeyPatch, settings: Any
) -> None:
    settings.EGRESS_PRIVATE = True

    def slowly(body: str) -> object:
        def answer(asked: Asked) -> Reply:
            time.sleep(0.03)
            return Reply(body=body)

        return answer

    links = [f"/p{n}" for n in range(PAGES)]
    pages = {f"/p{n}": slowly(html(f"Page {n}", f"/p{(n + 1) % PAGES}")) for n in range(PAGES)}
    with ScriptedSite({"/": html("Start", *links), **pages}) as site:  # type: ignore[arg-type]
        source = sources.create(
            kind="website",
            settings={"url": f"{site.url}/", "maxDepth": 2, "maxPages": 500, "delayS": 0},
            by=owner,
        )
        job = sync_and_kill(source=source, by=owner, monkeypatch=monkeypatch, after=10)
        assert job.status == Status.SUCCEEDED, job.error
        keys = [f"{site.url}/", *(f"{site.url}{link}" for link in links)]
        assert_whole(source=source, job=job, keys=keys)
