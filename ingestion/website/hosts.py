"""Politeness: how often and how many at a time each host is asked, and when it is left alone."""

from __future__ import annotations

import asyncio
import time
from collections import deque

from ingestion.http import Client, FetchFailed
from ingestion.website.robots import OPEN, Rules, fetch_rules
from ingestion.website.urls import host_and_port

# So many in a row that can not be connected to: the host is down, the rest need not be tried.
MOST_UNREACHABLE = 8
LONGEST_PAUSE_S = 120
_UNREACHABLE = frozenset({"cannot_connect", "timed_out", "name_not_found", "connection_broken"})


class Host:
    """One host of a crawl."""

    def __init__(self, *, delay_s: float, concurrency: int) -> None:
        self.delay_s = delay_s
        self.concurrency = concurrency
        self.rules: Rules = OPEN
        self.waiting: deque[str] = deque()
        self.down: FetchFailed | None = None
        self._next_at = 0.0
        self._unreachable = 0
        self._rules_asked: asyncio.Future[Rules] | None = None

    async def learn_rules(self, client: Client, url: str) -> Rules:
        """Fetch robots.txt once, and heed the delay that it asks for."""
        if self._rules_asked is None:
            self._rules_asked = asyncio.ensure_future(fetch_rules(client, url))
        self.rules = await self._rules_asked
        if self.rules.delay_s > self.delay_s:
            self.delay_s, self.concurrency = self.rules.delay_s, 1
        return self.rules

    async def turn(self) -> None:
        """Wait until this host may be asked once more."""
        while (wait := self._next_at - time.monotonic()) > 0:
            if not self.delay_s:
                await asyncio.sleep(wait)
                continue
            self._next_at += self.delay_s
            await asyncio.sleep(wait)
            return
        if self.delay_s:
            self._next_at = time.monotonic() + self.delay_s

    def pause(self, seconds: float) -> None:
        """Ask nothing of it for so long."""
        self._next_at = max(self._next_at, time.monotonic() + min(seconds, LONGEST_PAUSE_S))

    def answered(self) -> None:
        self._unreachable = 0

    def failed(self, error: FetchFailed) -> None:
        """Count what could not be reached; after several in a row the host is down."""
        if error.code not in _UNREACHABLE:
            return
        self._unreachable += 1
        if self._unreachable >= MOST_UNREACHABLE:
            self.down = FetchFailed(
                "host_unreachable",
                f"Not tried: {MOST_UNREACHABLE} addresses of this host in a row could not be "
                f"reached, the last one because: {error.message}",
                retryable=True,
            )


class Hosts:
    """The hosts of one crawl, made as they are met."""

    def __init__(self, *, delay_s: float, concurrency: int) -> None:
        self._delay_s = delay_s
        self._concurrency = concurrency
        self._hosts: dict[str, Host] = {}

    def of(self, url: str) -> Host:
        name = host_and_port(url)
        if (found := self._hosts.get(name)) is None:
            found = Host(delay_s=self._delay_s, concurrency=self._concurrency)
            self._hosts[name] = found
        return found
