"""One live session: the parts wired together, and its way from starting to saved."""

from __future__ import annotations

import asyncio
import contextlib
from time import monotonic

from playwright.async_api import Error, Page, Playwright

from jobs.egress import Policy
from recorder.adapter import Recording
from recorder.session.channel import Channel
from recorder.session.commands import Commands
from recorder.session.config import Config
from recorder.session.evidence import Evidence
from recorder.session.gestures import Gesture, Ledger
from recorder.session.inputs import Inputs
from recorder.session.making import CommandFailed
from recorder.session.marks import patient
from recorder.session.navigation import open_url
from recorder.session.news import News
from recorder.session.pages import Pages
from recorder.session.redaction import Redaction
from recorder.session.reports import Reports
from recorder.session.requests import Requests
from recorder.session.saving import write_steps
from recorder.session.screencast import Screencast
from recorder.session.session_browser import SessionBrowser, SessionFailed, stopped
from recorder.session.stage import Stage, console_gesture
from recorder.session.stepbook import Entry, StepBook
from recorder.session.typed_secrets import TypedSecrets
from recorder.session.viewers import Audience
from recorder.steps import Action

_SAVE_S = 8.0
# A loop that comes back this much late, or a page that answers half as late, says that the machine or
# the page has other things to do: reports of gestures may be on their way, for a minute at most.
_HELD_UP_S = 0.5
_HELD_UP_FOR_S = 60.0


class LiveSession:
    """Made in `start`, ended by `save`; in between `commands` act and `run` watches."""

    def __init__(self, *, config: Config, channel: Channel, policy: Policy) -> None:
        self.config = config
        self.policy = policy
        self.channel = channel
        self.phase = "starting"
        self.audience = Audience()
        self.pages = Pages()
        self.ledger = Ledger()
        self.vault = TypedSecrets()
        self.clean = Redaction(
            secrets=lambda: {*self.vault.values.values(), *self.inputs.typed_secrets}
        ).clean
        self.news = News(
            config=config,
            channel=channel,
            audience=self.audience,
            vault=self.vault,
            clean=self.clean,
        )
        self.browser = SessionBrowser(config=config, policy=policy, on_refused=self.news.refused)
        self.book = StepBook(tell=self.news.step, clean=self.clean)
        self.screencast = Screencast(audience=self.audience, filmed=config.wants("video"))
        self.stage = Stage(
            pages=self.pages,
            ledger=self.ledger,
            book=self.book,
            audience=self.audience,
            screencast=self.screencast,
            notice=self.news.notice,
            refused=self.news.refused,
            gone=lambda tab: self.reports.closed(tab),
            clean=self.clean,
        )
        self.requests = Requests(
            audience=self.audience,
            ledger=self.ledger,
            uploads=config.workdir / "uploads",
            on_signal=self.stage.effect,
            alias=lambda page: tab.alias if (tab := self.pages.of(page)) else "",
        )
        self.stage.requests = self.requests
        self.evidence = Evidence(
            config=config,
            book=self.book,
            warn=self.news.warn,
        )
        self.moments = self.evidence.moments
        self.reports = Reports(
            pages=self.pages,
            ledger=self.ledger,
            book=self.book,
            vault=self.vault,
            on_step=self._stepped,
            on_forged=self.news.forged,
        )
        self.commands = Commands(self)
        self.inputs = Inputs(
            ledger=self.ledger,
            moments=self.moments,
            on_widget=self.requests.open_widget,
            on_drag=self.commands.pointing.dragged,
            on_shortcut=self.commands.pointing.pressed,
            on_right_click=self.commands.pointing.right_clicked,
            on_vanished=self.reports.vanished,
            may_close=lambda page: len(self.pages) > 1,
            slowly=bool(config.options.get("slow_mo")),
        )
        self.last_input_at = monotonic()
        self._loops: list[asyncio.Task[None]] = []
        self._settled: asyncio.Task[None] | None = None

    async def start(self, playwright: Playwright) -> None:
        """Browser, context, recorder, first page.

        :raises SessionFailed: with what stopped it.
        """
        self.context = await self.browser.start(playwright)
        try:
            await self.evidence.start(self.context)
        except Error as error:
            raise SessionFailed("browser_not_started", error.message[:1_000]) from error
        await self.stage.adopt(self.context)
        await self._first_page()

    async def _first_page(self) -> None:
        self.recording = Recording(context=self.context, sink=self.reports.take)
        tab = await self.stage.new_page(self.context)
        await self.recording.prime(tab.page)
        self._loops = [
            asyncio.create_task(loop) for loop in (self.reports.run(), self.moments.run())
        ]
        url = self.config.url
        entry = self.book.add(
            action=Action.NAVIGATE, page=tab.alias, url=url, params={"url": url}, source="console"
        )
        self.ledger.add(console_gesture(tab.page, entry.step.key))
        try:
            await open_url(tab.page, url)
        except CommandFailed as failed:
            raise SessionFailed(failed.code, str(failed)) from failed
        await self.listen()
        self.set_phase("recording")
        self._settled = asyncio.create_task(self._settle_first(tab.page, entry))
        self._loops.append(asyncio.create_task(self._watch()))

    async def _settle_first(self, page: Page, entry: Entry) -> None:
        await patient(page.wait_for_load_state("domcontentloaded"), timeout_s=10)
        if not self.moments.begun:
            self.moments.attach(entry, self.moments.begin(page))

    @property
    def paused(self) -> bool:
        return self.phase == "paused"

    async def listen(self) -> None:
        """(Re)start the recorder, unless the operator paused it."""
        self.reports.listening = True
        if not self.paused:
            await self.recording.start()

    async def pause(self) -> None:
        if self.phase == "recording":
            await self.recording.stop()
            await self.reports.drained()
            self.reports.listening = False
            self.set_phase("paused")

    async def resume(self) -> None:
        if self.phase == "paused":
            self.ledger.excuse()
            self.set_phase("recording")
            await self.listen()

    def set_phase(self, phase: str) -> None:
        self.phase = phase
        self.news.phase(phase)

    def unrecorded(self, gesture: str, page: Page | None = None) -> None:
        tab = self.pages.of(page) if page else None
        self.audience.say("unrecorded", gesture=gesture)
        self.book.add(
            action=Action.UNRECORDED,
            page=tab.alias if tab else (self.pages.front or "page"),
            url=page.url if page else "",
            params={"gesture": gesture},
            source="console",
            flags=("unrecorded",),
        )

    def picture_last(self, page: Page) -> None:
        last = self.book.last()
        if last is not None:
            self.moments.attach(last, self.moments.begin(page))

    async def ended(self) -> str:
        """Wait for an end that nobody asked for: idle, timeout. :raises SessionFailed: browser lost."""
        started = monotonic()
        while not await self.browser.lost(timeout_s=0.5):
            now = monotonic()
            if now - started > self.config.timeout_s:
                return "timeout"
            if now - self.last_input_at > self.config.idle_timeout_s:
                return "idle"
        raise SessionFailed("browser_crashed", "The browser ended unexpectedly.")

    async def save(self) -> None:
        """Flush, write all evidence, close the browser. Call once."""
        self.set_phase("saving")
        with contextlib.suppress(Error):
            await self.commands.settle_scroll()
        await self.requests.dismiss_all()
        if hasattr(self, "recording"):
            await patient(self.recording.stop())
            # What the page still had under way reaches us after the recorder's own flush.
            await asyncio.sleep(0.1)
            await patient(self.reports.drained(), timeout_s=_SAVE_S)
        if self._settled is not None:
            # Stopped at once: the first page is pictured all the same.
            await asyncio.wait({self._settled}, timeout=2)
            self._settled.cancel()
        self.stage.ending = True
        await stopped(self.screencast.stop())
        if self.browser.connected:
            await self.evidence.finish(timeout_s=_SAVE_S)
        write_steps(self)

    async def close(self) -> None:
        """End the browser and the proxy; safe at any time."""
        self.stage.ending = True
        for loop in self._loops:
            loop.cancel()
        await self.browser.close()

    async def _watch(self) -> None:
        """Tell of gestures that left nothing, free the lease of holders who are gone."""
        while True:
            slept_at = monotonic()
            await asyncio.sleep(0.25)
            held_up = monotonic() - slept_at > _HELD_UP_S
            if self.audience.expire():
                self.audience.say("control", **self.audience.as_json())
            with contextlib.suppress(Error):
                await self.commands.settle_scroll(idle_s=0.7)
            if self.requests.dialog_open or self.paused or self.reports.behind:
                self.ledger.forgive()
                continue
            late = self.ledger.late()
            if held_up or (late and await self._busy(late)):
                self.ledger.forgive(for_s=_HELD_UP_FOR_S)
                continue
            late = self.ledger.unrecorded()
            for gesture in late:
                self.unrecorded(gesture.words, gesture.page)
            if late:
                # A page can switch the recorder off; a gesture lost is the sign of it.
                await patient(self.recording.rearm())

    async def _busy(self, late: list[Gesture]) -> bool:
        """Whether a page of late gestures, or the machine, has other things to do than to report."""
        asked_at = monotonic()
        pages = {gesture.page for gesture in late if not gesture.page.is_closed()}
        await asyncio.gather(*(patient(page.evaluate("0"), timeout_s=1) for page in pages))
        return monotonic() - asked_at > _HELD_UP_S / 2

    def _stepped(self, page: Page, entry: Entry, gesture: Gesture) -> None:
        moment = gesture.moment or self.moments.begin(page)
        self.moments.attach(entry, moment, target=gesture.target)
