"""The browser of one session, behind its own filtering proxy: started, watched, ended."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from typing import Any

from playwright.async_api import BrowserContext, Error, Playwright

from jobs.browser import BrowserNotFound, Launched, launch
from jobs.egress import EgressRefused, Policy
from jobs.proxy import FilteringProxy, Upstream
from recorder.session.config import BadConfig, Config, context_options

# The recorder draws on the page what it would pick; nobody may see that, nor frames change for it.
_HIDE_RECORDER = """(() => {
  const sheet = new CSSStyleSheet();
  sheet.replaceSync('x-pw-glass { display: none !important }');
  document.adoptedStyleSheets = [...document.adoptedStyleSheets, sheet];
})()"""
CLOSES_WITHIN_S = 8.0


class SessionFailed(Exception):
    """The session ends without its user's asking; `reason` is a stable code."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason


class SessionBrowser:
    """`on_refused(url, code, message)` hears of what the proxy keeps out of reach."""

    def __init__(
        self, *, config: Config, policy: Policy, on_refused: Callable[[str, str, str], None]
    ) -> None:
        self._config = config
        self._policy = policy
        self._on_refused = on_refused
        self._proxy: FilteringProxy | None = None
        self._died: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._ending = False
        self.launched: Launched | None = None

    async def start(self, playwright: Playwright) -> BrowserContext:
        """:raises SessionFailed: with what stopped it."""
        options = self._config.options
        try:
            self._policy.check_url(self._config.url)
            self.launched = await launch(
                playwright,
                name=str(options.get("browser") or "chromium"),
                proxy_url=await self._start_proxy(),
                headless=not options.get("headed"),
                slow_mo_ms=float(options.get("slow_mo") or 0),
                scratch=self._config.scratch,
            )
            self.launched.browser.on("disconnected", lambda _: self._lost())
            return await self._context(playwright, self.launched)
        except EgressRefused as refused:
            raise SessionFailed("url_refused", refused.message) from refused
        except BrowserNotFound as error:
            raise SessionFailed("browser_not_found", str(error)) from error
        except BadConfig as error:
            raise SessionFailed("bad_options", str(error)) from error
        except Error as error:
            raise SessionFailed("browser_not_started", error.message[:1_000]) from error

    @property
    def connected(self) -> bool:
        return self.launched is not None and self.launched.browser.is_connected()

    async def lost(self, *, timeout_s: float) -> bool:
        """Wait this long for the browser's end; whether it came without being asked for."""
        await asyncio.wait({self._died}, timeout=timeout_s)
        # The driver's death is told by nothing else than the connection.
        return self._died.done() or (self.launched is not None and not self.connected)

    async def close(self) -> None:
        """End the browser and the proxy; safe at any time."""
        self._ending = True
        if self.launched is not None and not self._died.done():
            await stopped(self.launched.browser.close())
        if self._proxy is not None:
            await stopped(self._proxy.stop())

    async def _start_proxy(self) -> str:
        given = self._config.options.get("proxy")
        try:
            upstream = Upstream.parse(**given) if given else None
        except ValueError as error:
            raise BadConfig(f"proxy: {error}") from error
        self._proxy = FilteringProxy(self._policy, upstream=upstream, on_refused=self._on_refused)
        return await self._proxy.start()

    async def _context(self, playwright: Playwright, launched: Launched) -> BrowserContext:
        context = await launched.browser.new_context(
            **context_options(self._config, playwright), service_workers="allow"
        )
        context.set_default_timeout(10_000)
        await context.add_init_script(_HIDE_RECORDER)
        return context

    def _lost(self) -> None:
        if not self._ending and not self._died.done():
            self._died.set_result(None)


async def stopped(closing: Awaitable[Any]) -> None:
    """Wait for what ends; ending must end, whatever state the browser is in."""
    with contextlib.suppress(Error, TimeoutError):
        await asyncio.wait_for(closing, CLOSES_WITHIN_S)
