"""Websites as a source: the settings' crawl, its report, and the test of a connection."""

from __future__ import annotations

import hashlib
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import AsyncExitStack, closing
from typing import Any
from urllib.parse import urlsplit

from ingestion.connectors import Report, connector
from ingestion.content import Seen, SyncFailed, SyncRun
from ingestion.models import SourceKind
from ingestion.website import login
from ingestion.website.connection import site_browser, site_client, try_site
from ingestion.website.crawl import Crawl, Memory
from ingestion.website.plan import Plan
from ingestion.website.rendering import Browser
from ingestion.website.settings import Settings
from ingestion.website.thread import crawled
from ingestion.website.visit import Visitor
from jobs.egress import Policy


@connector(SourceKind.WEBSITE)
class WebsiteConnector:
    """A website: every page that can be reached from its start page, within bounds."""

    settings = Settings
    identity = ("url",)

    def name_for(self, settings: Mapping[str, Any]) -> str:
        parts = urlsplit(settings["url"])
        return f"{parts.netloc}{parts.path.rstrip('/')}"[:200]

    def sync(self, *, run: SyncRun) -> Iterator[Seen]:
        """:raises SyncFailed: the start page can not be had, or robots.txt forbids it."""
        plan = Plan.of(run.settings)
        try:
            state = login.state_of(run.settings, owner_id=run.owner_id)
        except login.StateUnusable as error:
            raise SyncFailed(error.code, str(error)) from error
        memory = Memory(
            known=run.known,
            keys=run.known_keys(),
            incremental=not run.full and run.cursor.get("reach") == _digest(plan.reach),
            only=run.only,
        )
        crawls: list[Crawl] = []

        async def crawl(
            emit: Callable[[Seen], Awaitable[None]], note: Callable[[str], None]
        ) -> None:
            async with AsyncExitStack() as stack:
                client = await stack.enter_async_context(
                    site_client(plan, run.settings, run.policy, state)
                )
                browser = Browser(
                    make=lambda: site_browser(plan, run.settings, run.policy, state, run.workdir),
                    note=note,
                )
                stack.push_async_callback(browser.stop)
                visitor = Visitor(
                    plan=plan, client=client, renderer=browser, folder=run.workdir / "files"
                )
                crawls.append(
                    Crawl(
                        plan=plan,
                        memory=memory,
                        client=client,
                        visitor=visitor,
                        emit=emit,
                        note=note,
                    )
                )
                await crawls[0].run()

        found = crawled(crawl, note=run.log, check_cancelled=run.check_cancelled)
        with closing(found):
            for done, item in enumerate(found, 1):
                yield item
                run.progress(done, None, "pages")
        if run.only is not None:
            return
        run.left_out = crawls[0].frontier.left_out.as_json()
        run.set_cursor({"reach": _digest(plan.reach)})
        run.complete = True

    def test(self, *, settings: Mapping[str, Any], policy: Policy, owner_id: int) -> Report:
        """Fetch robots.txt and the start page, as a sync would; with a browser where that needs one."""
        return try_site(plan=Plan.of(settings), settings=settings, policy=policy, owner_id=owner_id)


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:16]
