"""The browser of a session: its tabs, what they do by themselves, and what is seen of them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from time import monotonic
from typing import Any

from playwright.async_api import (
    BrowserContext,
    Dialog,
    Download,
    Error,
    FileChooser,
    Frame,
    Page,
    Request,
)

from recorder.session.gestures import Gesture, Ledger
from recorder.session.marks import patient
from recorder.session.pages import Pages, Tab
from recorder.session.requests import Requests
from recorder.session.screencast import Screencast
from recorder.session.stepbook import StepBook
from recorder.session.viewers import Audience
from recorder.steps import Signal

# A browser with many tabs takes this long to make one more.
_OPENS_S = 3.0
# Where a tab may be without having come through the proxy.
_LOCAL = ("about:", "blob:", "data:", "http:", "https:", "chrome-error:")


class Stage:
    """`notice(level, code, text)` tells operators; `refused(url, code, message)` the job as well;
    `gone(tab)` hears of tabs that close."""

    def __init__(
        self,
        *,
        pages: Pages,
        ledger: Ledger,
        book: StepBook,
        audience: Audience,
        screencast: Screencast,
        notice: Callable[[str, str, str], None],
        refused: Callable[[str, str, str], None],
        gone: Callable[[Tab], None],
        clean: Callable[[Any], Any],
    ) -> None:
        self._pages = pages
        self._ledger = ledger
        self._book = book
        self._audience = audience
        self._screencast = screencast
        self._notice = notice
        self._refused = refused
        self._gone = gone
        self._clean = clean
        self._background: set[asyncio.Task[Any]] = set()
        self._expected: set[Page] = set()
        self._popups_refused = 0
        self._switching = asyncio.Lock()
        self._opened_at = float("-inf")
        self.requests: Requests | None = None
        self.ending = False

    async def adopt(self, context: BrowserContext) -> None:
        context.on("page", lambda page: self._run(self._opened(page)))

    async def new_page(self, context: BrowserContext) -> Tab:
        """Open a tab for the operator and bring it to the front."""
        page = await context.new_page()
        tab = self._pages.of(page) or self._register(page, opener=None)
        await self.bring_to_front(tab)
        return tab

    async def bring_to_front(self, tab: Tab) -> None:
        if self._pages.of(tab.page) is None:
            return  # it closed itself meanwhile
        self._pages.front = tab.alias
        self.tell_pages()
        async with self._switching:
            if self._pages.front != tab.alias:
                # Another one is wanted by now: of many that open at once only the last is shown.
                return
            await patient(tab.page.bring_to_front())
            try:
                await self._screencast.show(tab.page, alias=tab.alias)
            except Error as error:
                if not tab.page.is_closed():
                    self._notice(
                        "warning", "no_frames", f"No picture of {tab.alias}: {error.message}"
                    )

    def tell_pages(self) -> None:
        self._audience.say("pages", pages=self.pages_json())

    def pages_json(self) -> list[dict[str, Any]]:
        cleaned: list[dict[str, Any]] = self._clean(self._pages.as_json())
        return cleaned

    def effect(self, page: Page, signal: Signal) -> None:
        """Note what a gesture set off, at its step, or at the gesture until it has one."""
        gesture = self._ledger.latest(page)
        if gesture is None:
            return
        if gesture.step_key is None:
            gesture.signals.append(signal)
            return
        entry = self._book.get(gesture.step_key)
        if signal not in entry.step.signals:
            self._book.change(entry.step.key, signals=(*entry.step.signals, signal))

    def _register(self, page: Page, *, opener: Tab | None) -> Tab:
        tab = self._pages.add(page, opener=opener.alias if opener else None)
        page.on("close", lambda _: self._run(self._closed(tab)))
        page.on("crash", lambda _: self._run(self._crashed(tab)))
        page.on("dialog", lambda dialog: self._dialog(page, dialog))
        page.on("filechooser", lambda chooser: self._run(self._chooser(page, chooser)))
        page.on("download", lambda download: self._download(page, download))
        page.on("framenavigated", lambda frame: self._navigated(tab, frame))
        page.on("request", lambda request: self._requested(tab, request))
        page.on("domcontentloaded", lambda _: self._run(self._titled(tab)))
        page.on("load", lambda _: self._run(self._loaded(tab)))
        return tab

    @property
    def opening(self) -> bool:
        """Whether a tab opened just now: its opener stands still until the browser has made it."""
        return monotonic() - self._opened_at < _OPENS_S

    async def _opened(self, page: Page) -> None:
        self._opened_at = monotonic()
        if self._pages.of(page) is not None or self.ending:
            return
        # Registered before anything is awaited: aliases count tabs in the order of opening.
        if self._pages.full:
            self._popups_refused += 1
            if self._popups_refused == 1:
                self._notice(
                    "warning",
                    "too_many_popups",
                    f"The site opens more than {len(self._pages)} tabs; further ones are closed at once.",
                )
            await patient(page.close())
            return
        tab = self._register(page, opener=None)
        # It may have gone somewhere before anyone listened.
        self._keep_in_bounds(tab, page.url)
        opener_page = await patient(page.opener())
        opener = self._pages.of(opener_page)
        if opener is not None:
            tab.opener = opener.alias
            self.effect(opener.page, Signal(name="popup", params={"page": tab.alias}))
            await self.bring_to_front(tab)
        else:
            self.tell_pages()

    async def _closed(self, tab: Tab) -> None:
        if self.requests is not None:
            self.requests.forget(tab.page)
        self._gone(tab)
        front = self._pages.remove(tab.alias)
        if self.ending:
            return
        if front is not None:
            await self.bring_to_front(front)
        elif not len(self._pages):
            await self._screencast.stop()
            self.tell_pages()
            self._notice(
                "warning",
                "page_closed",
                "The last tab is closed. Open a new tab, or stop and save.",
            )
        else:
            self.tell_pages()

    async def _crashed(self, tab: Tab) -> None:
        tab.crashed = True
        self._notice(
            "error", "page_crashed", f"The page in {tab.alias} crashed; its tab is closed."
        )
        self.effect(tab.page, Signal(name="crash"))
        await patient(tab.page.close(), timeout_s=5)
        # A crashed page may never say that it closed.
        await asyncio.sleep(0.2)
        if self._pages.of(tab.page) is not None:
            await self._closed(tab)

    def _dialog(self, page: Page, dialog: Dialog) -> None:
        if self.ending or self.requests is None:
            self._run(dialog.dismiss())
            return
        self.requests.open_dialog(page, dialog)

    async def _chooser(self, page: Page, chooser: FileChooser) -> None:
        accept = await patient(chooser.element.get_attribute("accept")) or ""
        if self.requests is not None and not self.ending:
            self.requests.open_upload(page, chooser, accept)

    def _download(self, page: Page, download: Download) -> None:
        name = download.suggested_filename[:200]
        self.effect(page, Signal(name="download", params={"filename": name}))
        self._notice("info", "download", f"The page offered a download: {name}")

    def _requested(self, tab: Tab, request: Request) -> None:
        try:
            main = request.is_navigation_request() and request.frame == tab.page.main_frame
        except Error:
            return
        if main and not tab.loading:
            tab.loading = True
            self.tell_pages()

    def _navigated(self, tab: Tab, frame: Frame) -> None:
        if frame.parent_frame is not None:
            return
        url = frame.url
        if not self._keep_in_bounds(tab, url):
            return
        if url != "about:blank":
            self.effect(tab.page, Signal(name="navigation", params={"url": url[:2_000]}))
        self._run(self._titled(tab))

    def _keep_in_bounds(self, tab: Tab, url: str) -> bool:
        """Whether a tab may be at `url`; if not, it is led away and everyone is told."""
        if not url or url.startswith(_LOCAL):
            return True
        kind = url.split(":")[0]
        self._refused(url, "scheme_refused", f"Pages of the kind {kind}: are refused.")
        self._run(tab.page.goto("about:blank"))
        return False

    async def _titled(self, tab: Tab) -> None:
        tab.title = (await patient(tab.page.title()) or "")[:300]
        self.tell_pages()

    async def _loaded(self, tab: Tab) -> None:
        tab.loading = False
        await self._titled(tab)

    def _run(self, work: Coroutine[Any, Any, Any]) -> None:
        running = asyncio.ensure_future(self._quiet(work))
        self._background.add(running)
        running.add_done_callback(self._background.discard)

    async def _quiet(self, work: Coroutine[Any, Any, Any]) -> None:
        try:
            await work
        except Error as error:
            # A tab may be gone by the time its event is looked at.
            if "closed" not in error.message and "crashed" not in error.message.lower():
                self._notice("warning", "browser", error.message.splitlines()[0][:300])


def console_gesture(page: Page, key: str) -> Gesture:
    """A gesture for a step that the session made itself: its effects become that step's signals."""
    return Gesture(kind="console", page=page, words="", expects=False, step_key=key)
