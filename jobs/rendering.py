"""Pages as a browser shows them: what is left in the document once its scripts have run.

For crawlers. The browser is the one that records (`jobs.browser`), with the same way out: every
connection through the filtering proxy, each judged by the egress policy.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self
from urllib.parse import urlsplit

from jobs.browser import BrowserNotFound, launch
from jobs.egress import EgressRefused, Policy
from jobs.proxy import FilteringProxy

if TYPE_CHECKING:
    from types import TracebackType

    from playwright.async_api import BrowserContext, Route

# What no text comes from is not fetched.
_LEFT = frozenset({"image", "media", "font"})
# How long a page that goes on asking its server is waited for, once it was loaded.
QUIET_S = 5
MOST_HTML = 20_000_000


class RenderFailed(Exception):
    """The browser can not show this page; the message says why and what to do."""


@dataclass(frozen=True, kw_only=True)
class Rendered:
    """`url` is where the page was at the end."""

    url: str
    html: str


class PageRenderer:
    """`async with PageRenderer(…) as pages: await pages.render(url)`; the browser starts with it.

    `storage_state` is Playwright's. `headers` go to the origin `home` alone.

    :raises RenderFailed: no browser is installed, or it does not start.
    """

    def __init__(
        self,
        *,
        policy: Policy,
        scratch: Path,
        timeout_s: float = 30,
        user_agent: str = "",
        storage_state: Mapping[str, Any] | None = None,
        home: str = "",
        headers: Mapping[str, str] | None = None,
    ) -> None:
        self._policy = policy
        self._scratch = scratch
        self._timeout_s = timeout_s
        self._user_agent = user_agent
        self._state = storage_state
        self._home = urlsplit(home)[:2]
        self._headers = dict(headers or {})
        self._stack = AsyncExitStack()
        self._context: BrowserContext | None = None

    async def __aenter__(self) -> Self:
        from playwright.async_api import Error, async_playwright

        async with AsyncExitStack() as stack:
            proxy = FilteringProxy(self._policy)
            proxy_url = await proxy.start()
            stack.push_async_callback(proxy.stop)
            try:
                playwright = await stack.enter_async_context(async_playwright())
                launched = await launch(playwright, proxy_url=proxy_url, scratch=self._scratch)
                stack.push_async_callback(launched.browser.close)
                options: dict[str, Any] = {"service_workers": "block", "accept_downloads": False}
                if self._state is not None:
                    options["storage_state"] = dict(self._state)
                if self._user_agent:
                    options["user_agent"] = self._user_agent
                self._context = await launched.browser.new_context(**options)
                await self._context.route("**/*", self._route)
            except (BrowserNotFound, Error) as error:
                raise RenderFailed(f"No browser can be started: {error}") from error
            self._stack = stack.pop_all()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self._stack.aclose()

    async def render(self, url: str) -> Rendered:
        """The page at `url`, once it is quiet or has been waited for long enough.

        :raises RenderFailed: it may not be gone to, does not load, or is too large.
        """
        from playwright.async_api import Error
        from playwright.async_api import TimeoutError as NotQuiet

        assert self._context is not None
        try:
            self._policy.check_url(url)
        except EgressRefused as refused:
            raise RenderFailed(refused.message) from refused
        try:
            async with asyncio.timeout(2 * self._timeout_s + QUIET_S):
                page = await self._context.new_page()
                try:
                    await page.goto(
                        url, wait_until="domcontentloaded", timeout=self._timeout_s * 1000
                    )
                    with suppress(NotQuiet):
                        await page.wait_for_load_state("networkidle", timeout=QUIET_S * 1000)
                    html = await page.content()
                    at = page.url
                finally:
                    await page.close()
        except TimeoutError as error:
            raise RenderFailed(f"The browser did not finish {url} in time.") from error
        except Error as error:
            raise RenderFailed(f"The browser can not show {url}: {error.message[:300]}") from error
        if len(html) > MOST_HTML:
            raise RenderFailed(f"{url} grows to more than {MOST_HTML:,} characters.")
        return Rendered(url=at, html=html)

    async def _route(self, route: Route) -> None:
        request = route.request
        if request.resource_type in _LEFT:
            await route.abort()
        elif self._headers and urlsplit(request.url)[:2] == self._home:
            await route.continue_(headers={**request.headers, **self._headers})
        else:
            await route.continue_()
