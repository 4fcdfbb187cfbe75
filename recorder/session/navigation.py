"""Where a tab goes, and which tabs there are."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import TYPE_CHECKING, Any

from playwright.async_api import Error, Page

from jobs.egress import EgressRefused
from recorder.adapter import shown_in_trace
from recorder.session.addresses import as_url
from recorder.session.making import Answer, CommandFailed, Making
from recorder.session.marks import patient
from recorder.steps import Action

if TYPE_CHECKING:
    from recorder.session.live import LiveSession

_LOADS_S = 15.0
_PATIENT: dict[str, Any] = {"wait_until": "commit", "timeout": 15_000}


class Navigation:
    """Addresses, history and tabs; each move is a step."""

    def __init__(self, live: LiveSession, making: Making) -> None:
        self._live = live
        self._making = making

    async def do_navigate(self, values: Mapping[str, Any]) -> Answer:
        url = self._allowed(values["url"])
        page = self._making.page
        self._making.step(page, Action.NAVIGATE, params={"url": url}, url=url)
        await self._goto(page, url)
        return {"url": page.url}

    async def do_newPage(self, values: Mapping[str, Any]) -> Answer:
        url = self._allowed(values["url"]) if values.get("url") else ""
        if self._live.pages.full:
            raise CommandFailed("too_many_pages", "Too many tabs are open; close one first.")
        tab = await self._live.stage.new_page(self._live.context)
        self._making.step(tab.page, Action.OPEN_PAGE, params={"url": url})
        if url:
            await self._goto(tab.page, url)
        return {"page": tab.alias}

    async def do_selectPage(self, values: Mapping[str, Any]) -> Answer:
        await self._live.stage.bring_to_front(self._live.pages.get(values["page"]))
        return None

    async def do_closePage(self, values: Mapping[str, Any]) -> Answer:
        page = self._live.pages.get(values["page"]).page
        self._making.step(page, Action.CLOSE_PAGE, picture=False)
        await page.close(run_before_unload=False)
        return None

    async def do_back(self, values: Mapping[str, Any]) -> Answer:
        return await self._history(Action.GO_BACK, lambda page: page.go_back(**_PATIENT))

    async def do_forward(self, values: Mapping[str, Any]) -> Answer:
        return await self._history(Action.GO_FORWARD, lambda page: page.go_forward(**_PATIENT))

    async def do_reload(self, values: Mapping[str, Any]) -> Answer:
        return await self._history(Action.RELOAD, lambda page: page.reload(**_PATIENT))

    def _allowed(self, typed: str) -> str:
        url = as_url(typed)
        if url == "about:blank":
            return url
        try:
            self._live.policy.check_url(url)
        except EgressRefused as refused:
            self._live.news.refused(url, refused.code, refused.message)
            raise CommandFailed("url_refused", refused.message) from refused
        return url

    async def _goto(self, page: Page, url: str) -> None:
        await open_url(page, url)
        await patient(page.wait_for_load_state("domcontentloaded"), timeout_s=_LOADS_S)

    async def _history(self, action: Action, go: Callable[[Page], Awaitable[Any]]) -> Answer:
        page = self._making.page
        before = page.url
        self._making.step(page, action, picture=False)
        try:
            try:
                with shown_in_trace():
                    await go(page)
            except Error as error:
                # Chromium says so while it still swaps the page of the step before.
                if "Not attached to an active page" not in error.message:
                    raise
                await asyncio.sleep(0.3)
                await go(page)
        except Error as error:
            raise CommandFailed("url_unreachable", error.message.splitlines()[0]) from error
        await patient(page.wait_for_load_state("domcontentloaded"), timeout_s=_LOADS_S)
        self._live.picture_last(page)
        return {"url": page.url, "changed": page.url != before}


async def open_url(page: Page, url: str) -> None:
    """Go to `url` and wait until its answer begins.

    :raises CommandFailed: url_refused or url_unreachable, by the proxy's or the browser's word.
    """
    try:
        with shown_in_trace():
            answer = await page.goto(url, wait_until="commit", timeout=30_000)
    except Error as error:
        why = error.message.splitlines()[0].removeprefix("Page.goto: ")
        raise CommandFailed("url_unreachable", why) from error
    code = answer.headers.get("x-tapedeck-refused") if answer else None
    if answer is not None and code:
        said = await patient(page.locator("p").first.inner_text(timeout=2_000)) or code
        refused = answer.status == 403
        raise CommandFailed("url_refused" if refused else "url_unreachable", said[:500])
