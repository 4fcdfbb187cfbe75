"""One crawl: the site's pages, level by level, many at a time.

Levels are finished one after the other, so that a page's depth is the shortest way to it. What a
page leads to is kept with the page (`next` in `fetched_with`): a page that has not changed is not
read again, and a crawl that was killed goes on without fetching again what it had.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Set
from dataclasses import dataclass, replace
from typing import Any

from ingestion.content import Failed, Found, Gone, Known, Seen, SyncFailed, Unchanged
from ingestion.http import Client
from ingestion.website.duplicates import Pages
from ingestion.website.frontier import REASONS, Frontier
from ingestion.website.hosts import Host, Hosts
from ingestion.website.plan import Plan
from ingestion.website.sitemaps import listed
from ingestion.website.visit import Outcome, Visitor

# How many hosts are crawled at the same time.
MOST_HOSTS = 16
# Pages that are fetched for one that may be kept: a site of duplicates ends some time.
MOST_FETCHED = 5


@dataclass(frozen=True, kw_only=True)
class Memory:
    """What is known from crawls before.

    `incremental`: what was fetched then may stand, where the site says that it has not changed.
    `only`: the addresses that are tried again, and no others.
    """

    known: Callable[[str], Known | None]
    keys: Set[str]
    incremental: bool
    only: Set[str] | None = None


class Crawl:
    """`emit` takes each finding, and waits while there are too many; `note` takes lines for people."""

    def __init__(
        self,
        *,
        plan: Plan,
        memory: Memory,
        client: Client,
        visitor: Visitor,
        emit: Callable[[Seen], Awaitable[None]],
        note: Callable[[str], None],
    ) -> None:
        self.plan = plan
        self.frontier = Frontier(scope=plan.scope, max_depth=plan.max_depth, files=plan.files)
        self.kept = 0
        self.fetched = 0
        self._hosts = Hosts(delay_s=plan.delay_s, concurrency=plan.concurrency)
        self._memory = memory
        self._client = client
        self._visitor = visitor
        self._emit = emit
        self._note = note
        self._pages: Pages[Outcome] = Pages()
        self._lastmod: dict[str, str] = {}
        self._flying = 0
        self._landed = asyncio.Event()
        # What became of the start page, as long as it is not a page.
        self._start_problem: SyncFailed | None = None

    async def run(self) -> None:
        """:raises SyncFailed: the start page can not be had, or may not be."""
        if self._memory.only is not None:
            for key in sorted(self._memory.only):
                self.frontier.start(key)
            await self._level(0)
            return
        await self._ask_leave(self.plan.start)
        self.frontier.start(self.plan.start)
        await self._level(0)
        if self._start_problem is not None:
            raise self._start_problem
        await self._read_sitemaps()
        for key in sorted(self._memory.keys):
            known = self._memory.known(key)
            if known is not None and (self._memory.incremental or known.done):
                self.frontier.offer(key, max(1, _depth(known)), trusted=True)
        for depth in range(1, self.plan.max_depth + 1):
            await self._level(depth)

    async def _ask_leave(self, start: str) -> None:
        if not self.plan.obey_robots:
            return
        rules = await self._hosts.of(start).learn_rules(self._client, start)
        if rules.problem:
            raise SyncFailed("robots_unreachable", rules.problem, retry=True)
        if not rules.allows(start):
            raise SyncFailed(
                "robots_forbid",
                f"The site's robots.txt forbids {start} to crawlers. Ask whoever runs it to allow "
                "the user agent Tapedeck; if it is your own, switch “obey robots.txt” off.",
            )

    async def _read_sitemaps(self) -> None:
        if not self.plan.sitemap:
            return
        start = self.frontier.scope.start
        root = "/".join(start.split("/")[:3])
        named = [each for each in self._hosts.of(start).rules.sitemaps if self._near(each)]
        async for entry in listed(
            self._client,
            [*named, f"{root}/sitemap.xml"],
            wanted=self._near,
            turn=lambda url: self._hosts.of(url).turn(),
            note=self._note,
        ):
            url = self.frontier.spelled(entry.url)
            if url is not None:
                self._lastmod[url] = entry.lastmod
                self.frontier.offer(url, 1, trusted=True)

    def _near(self, url: str) -> bool:
        found = self.frontier.spelled(url)
        same = found is not None and self.frontier.scope.same_site(found)
        return same or (found is not None and not self.plan.same_domain_only)

    async def _level(self, depth: int) -> None:
        """Visit everything at this depth, and what redirects add to it."""
        while urls := list(self.frontier.take(depth)):
            # What is known goes first: a new page must not push an old one over the limit.
            urls.sort(key=lambda url: url not in self._memory.keys)
            hosts: dict[int, Host] = {}
            for url in urls:
                host = self._hosts.of(url)
                host.waiting.append(url)
                hosts[id(host)] = host
            limit = asyncio.Semaphore(MOST_HOSTS)
            async with asyncio.TaskGroup() as group:
                for host in hosts.values():
                    group.create_task(self._ask(host, depth, limit))
        for outcome, itself in self._pages.settled():
            if itself:
                await self._report(outcome)
            else:
                self.frontier.left_out.add("canonical", outcome.url)

    async def _ask(self, host: Host, depth: int, limit: asyncio.Semaphore) -> None:
        """Visit all that waits of one host."""
        async with limit, asyncio.TaskGroup() as group:
            if self.plan.obey_robots:
                await host.learn_rules(self._client, host.waiting[0])
            for _ in range(min(host.concurrency, len(host.waiting))):
                group.create_task(self._work(host, depth))

    async def _work(self, host: Host, depth: int) -> None:
        while host.waiting:
            room = await self._room()
            if not host.waiting:
                return
            url = host.waiting.popleft()
            if not room:
                self.frontier.left_out.add("page_limit", url)
                continue
            self._flying += 1
            try:
                await self._visit(host, url, depth)
            finally:
                self._flying -= 1
                self._landed.set()

    async def _room(self) -> bool:
        """Whether another page may be fetched; waits for those under way where they decide it."""
        if self._memory.only is not None:
            return True
        while self.kept < self.plan.max_pages:
            if self.fetched >= MOST_FETCHED * self.plan.max_pages + 100:
                return False
            if self.kept + self._flying < self.plan.max_pages:
                return True
            self._landed.clear()
            await self._landed.wait()
        return False

    async def _visit(self, host: Host, url: str, depth: int) -> None:
        known = self._memory.known(url)
        had = dict(known.fetched_with) if known is not None else {}
        if self.plan.obey_robots and not host.rules.allows(url):
            await self._forbidden(host, url, first=depth == 0, known=known is not None)
            return
        # Without knowing what a page leads to, it has to be read again.
        whole = bool(had.get("followed")) or depth >= self.plan.max_depth
        if known is not None and known.done and whole:
            # This very sync had it, before it was cut short.
            self.kept += known.state != "failed"
            self._stands(url, had, depth)
            return
        fit = known is not None and known.state in ("indexed", "empty")
        may_stand = fit and whole and self._memory.incremental and self._memory.only is None
        lastmod = self._lastmod.get(url, "")
        if may_stand and self.plan.trust_lastmod and lastmod and had.get("lastmod") == lastmod:
            outcome = Outcome(url=url, unchanged=True)
        else:
            self.fetched += 1
            outcome = await self._visitor.visit(
                host, url, had=had if may_stand else {}, known=known is not None
            )
        noted: dict[str, Any] = {"depth": depth, **({"lastmod": lastmod} if lastmod else {})}
        if outcome.unchanged:
            self._stands(url, had, depth)
            self.kept += 1
            changed = had if noted.items() <= had.items() else {**had, **noted}
            await self._emit(Unchanged(key=url, fetched_with=None if changed is had else changed))
        elif self._memory.only is not None:
            # What it led to is not looked at: the next sync reads it again for that.
            noted = {"depth": _depth(known) if known else 1}
            await self._take(
                outcome if outcome.seen else replace(outcome, seen=Gone(key=url)), noted
            )
        else:
            if depth == 0:
                self._begun(outcome)
            if outcome.moved_to:
                self.frontier.offer(outcome.moved_to, depth)
            if outcome.canonical:
                self.frontier.offer(outcome.canonical, depth)
            if depth < self.plan.max_depth:
                offered = (self.frontier.offer(link, depth + 1) for link in outcome.links)
                noted |= {"followed": True, "next": [url for url in offered if url]}
            await self._take(outcome, noted)

    async def _forbidden(self, host: Host, url: str, *, first: bool, known: bool) -> None:
        problem = host.rules.problem
        if first and self._memory.only is None:
            # The start page was redirected to where crawlers may not go.
            code = "robots_unreachable" if problem else "robots_forbid"
            words = problem or f"The site's robots.txt forbids {url} to crawlers."
            self._start_problem = SyncFailed(code, words, retry=bool(problem))
        elif problem and known:
            # Nobody knows whether it still may be: it stays as it is.
            await self._emit(
                Failed(key=url, url=url, code="robots_unreachable", message=problem, retryable=True)
            )
        else:
            self.frontier.left_out.add("robots", url)

    def _begun(self, outcome: Outcome) -> None:
        """Look at the start page: without it there is no crawl."""
        self._start_problem = None
        url = outcome.url
        if outcome.moved_to:
            if not self.frontier.scope.same_site(outcome.moved_to):
                self._note(
                    f"{url} is redirected to {outcome.moved_to}: the site is taken to be there."
                )
                self.frontier.move_to(outcome.moved_to)
            if outcome.moved_to in self.frontier:
                words = f"{url} is redirected in a circle."
                self._start_problem = SyncFailed("redirect_loop", words)
            else:
                self.frontier.start(outcome.moved_to)
        elif isinstance(outcome.seen, Failed):
            failed = outcome.seen
            words = f"The start page can not be had. {failed.message}"
            self._start_problem = SyncFailed(failed.code, words, retry=failed.retryable)
        elif outcome.left_out == "broken_link":
            words = f"{url} does not exist (HTTP 404). Correct the address of the source."
            self._start_problem = SyncFailed("not_found", words)
        elif outcome.refusal is not None:
            self._start_problem = SyncFailed(outcome.refusal.code, outcome.refusal.message)
        elif outcome.left_out in ("not_a_page", "redirect_loop", "refused"):
            words = f"{url}: {REASONS[outcome.left_out]}. Begin at a page of HTML."
            self._start_problem = SyncFailed(outcome.left_out, words)

    async def _take(self, outcome: Outcome, noted: Mapping[str, Any]) -> None:
        """Keep a page that was read, unless another says the same."""
        found = outcome.seen
        if outcome.left_out and found is None:
            self.frontier.left_out.add(outcome.left_out, outcome.url)
        if not isinstance(found, Found):
            await self._report(outcome)
            return
        if self._memory.only is None and not self.frontier.scope.keeps(outcome.url):
            # Only the start page comes this far: it is read for what it leads to.
            self.frontier.left_out.add("not_included", outcome.url)
            return
        known = outcome.url in self._memory.keys
        outcome = replace(
            outcome, seen=replace(found, fetched_with={**found.fetched_with, **noted})
        )
        if self._memory.only is not None or not found.structure.has_text:
            await self._report(outcome)
        elif outcome.canonical:
            self._pages.hold(
                outcome,
                url=outcome.url,
                canonical=outcome.canonical,
                structure=found.structure,
                known=known,
            )
        else:
            await self._report(outcome)

    async def _report(self, outcome: Outcome) -> None:
        found = outcome.seen
        if isinstance(found, Found):
            digest = str(found.fetched_with["hash"])
            if self._memory.only is None and self._pages.is_duplicate(
                found.key, digest, found.structure
            ):
                self.frontier.left_out.add("duplicate", found.key)
                return
            self.kept += 1
        if found is not None:
            await self._emit(found)

    def _stands(self, url: str, had: Mapping[str, Any], depth: int) -> None:
        """A page that is not read again: what it says, and led to, is as it was."""
        self._pages.remember(url, str(had.get("hash", "")))
        if depth < self.plan.max_depth:
            for each in had.get("next", ()):
                self.frontier.offer(each, depth + 1)


def _depth(known: Known) -> int:
    depth = known.fetched_with.get("depth", 1)
    return depth if isinstance(depth, int) else 1
