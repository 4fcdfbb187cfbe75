"""One live session: the parts wired together, and its way from starting to saved."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Awaitable
from time import monotonic
from typing import Any

from playwright.async_api import BrowserContext, Error, Page, Playwright

from jobs.browser import BrowserNotFound, Launched, launch
from jobs.egress import EgressRefused, Policy
from jobs.proxy import FilteringProxy, Upstream
from recorder.adapter import Recording
from recorder.session.channel import Channel
from recorder.session.commands import CommandFailed, Commands, open_url
from recorder.session.config import BadConfig, Config, context_options
from recorder.session.evidence import Evidence
from recorder.session.gestures import Gesture, Ledger
from recorder.session.inputs import Inputs
from recorder.session.marks import patient
from recorder.session.pages import Pages
from recorder.session.redaction import Redaction
from recorder.session.reports import Reports
from recorder.session.requests import Requests
from recorder.session.saving import write_steps
from recorder.session.screencast import Screencast
from recorder.session.stage import Stage, console_gesture
from recorder.session.stepbook import Entry, Op, StepBook
from recorder.session.typed_secrets import TypedSecrets
from recorder.session.viewers import Audience
from recorder.steps import Action
from recorder.vault import secret_name

# The recorder draws on the page what it would pick; nobody may see that, nor frames change for it.
_HIDE_RECORDER = """(() => {
  const sheet = new CSSStyleSheet();
  sheet.replaceSync('x-pw-glass { display: none !important }');
  document.adoptedStyleSheets = [...document.adoptedStyleSheets, sheet];
})()"""
_SAVE_S = 8.0
_NOT_POLICY = {"name_not_found", "cannot_connect", "no_answer", "proxy_unreachable"}
log = logging.getLogger(__name__)


class SessionFailed(Exception):
    """The session ends without its user's asking; `reason` is a stable code."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason


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
        self.book = StepBook(tell=self._tell_step, clean=self.clean)
        self.screencast = Screencast(audience=self.audience, filmed=config.wants("video"))
        self.stage = Stage(
            pages=self.pages,
            ledger=self.ledger,
            book=self.book,
            audience=self.audience,
            screencast=self.screencast,
            notice=self.notice,
            refused=self.refused,
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
            warn=lambda code, text: self.notice("warning", code, text),
        )
        self.moments = self.evidence.moments
        self.reports = Reports(
            pages=self.pages,
            ledger=self.ledger,
            book=self.book,
            vault=self.vault,
            on_step=self._stepped,
            on_forged=lambda what: self.notice(
                "warning", "forged", f"The page reported an action nobody made: {what}"
            ),
        )
        self.commands = Commands(self)
        self.inputs = Inputs(
            ledger=self.ledger,
            moments=self.moments,
            on_widget=self.requests.open_widget,
            on_drag=self.commands.dragged,
            on_shortcut=self.commands.pressed,
            on_right_click=self.commands.right_clicked,
            on_vanished=self.reports.vanished,
            may_close=lambda page: len(self.pages) > 1,
        )
        self.warnings: list[dict[str, str]] = []
        self.launched: Launched | None = None
        self.last_input_at = monotonic()
        self._proxy: FilteringProxy | None = None
        self._loops: list[asyncio.Task[None]] = []
        self._settled: asyncio.Task[None] | None = None
        self._died: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    async def start(self, playwright: Playwright) -> None:
        """Browser, context, recorder, first page.

        :raises SessionFailed: with what stopped it.
        """
        options = self.config.options
        try:
            self.policy.check_url(self.config.url)
            proxy_url = await self._start_proxy()
            self.launched = await launch(
                playwright,
                name=str(options.get("browser") or "chromium"),
                proxy_url=proxy_url,
                headless=not options.get("headed"),
                slow_mo_ms=float(options.get("slow_mo") or 0),
                scratch=self.config.scratch,
            )
            self.launched.browser.on("disconnected", lambda _: self._lost())
            self.context = await self._context(playwright)
        except EgressRefused as refused:
            raise SessionFailed("url_refused", refused.message) from refused
        except BrowserNotFound as error:
            raise SessionFailed("browser_not_found", str(error)) from error
        except BadConfig as error:
            raise SessionFailed("bad_options", str(error)) from error
        except Error as error:
            raise SessionFailed("browser_not_started", error.message[:1_000]) from error
        await self._first_page()

    async def _start_proxy(self) -> str:
        given = self.config.options.get("proxy")
        try:
            upstream = Upstream.parse(**given) if given else None
        except ValueError as error:
            raise BadConfig(f"proxy: {error}") from error
        self._proxy = FilteringProxy(self.policy, upstream=upstream, on_refused=self.refused)
        return await self._proxy.start()

    async def _context(self, playwright: Playwright) -> BrowserContext:
        assert self.launched is not None
        context = await self.launched.browser.new_context(
            **context_options(self.config, playwright), service_workers="allow"
        )
        context.set_default_timeout(10_000)
        await context.add_init_script(_HIDE_RECORDER)
        await self.evidence.start(context)
        await self.stage.adopt(context)
        return context

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
        self.channel.send("phase", phase=phase)
        self.audience.say("phase", phase=phase)

    def notice(self, level: str, code: str, text: str) -> None:
        text = self.clean(text)
        if level != "info":
            self.warnings.append({"code": code, "text": text})
        self.channel.send("log", level=level, code=code, text=text)
        self.audience.say("notice", level=level, code=code, text=text)

    def refused(self, url: str, code: str, message: str) -> None:
        if code in _NOT_POLICY:
            # Nothing was refused: nobody is there. The page itself shows that.
            log.debug("%s: %s", url, message)
            return
        url, message = self.clean(url), self.clean(message)
        self.channel.send("refused", url=url[:2_000], code=code, message=message)
        self.audience.say("notice", level="warning", code=code, text=f"{url[:300]}: {message}")

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
        while not self._died.done():
            await asyncio.wait({self._died}, timeout=0.5)
            if self.launched is not None and not self.launched.browser.is_connected():
                # The driver's death is told by nothing else.
                break
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
        await self._stop(self.screencast.stop())
        if self.launched is not None and self.launched.browser.is_connected():
            await self.evidence.finish(timeout_s=_SAVE_S)
        write_steps(self)

    async def close(self) -> None:
        """End the browser and the proxy; safe at any time."""
        self.stage.ending = True
        for loop in self._loops:
            loop.cancel()
        if self.launched is not None and not self._died.done():
            await self._stop(self.launched.browser.close())
        if self._proxy is not None:
            await self._stop(self._proxy.stop())

    async def _stop(self, closing: Awaitable[Any]) -> None:
        # Ending must end, whatever state the browser is in.
        with contextlib.suppress(Error, TimeoutError):
            await asyncio.wait_for(closing, _SAVE_S)

    async def _watch(self) -> None:
        """Tell of gestures that left nothing, free the lease of holders who are gone."""
        while True:
            await asyncio.sleep(0.25)
            if self.audience.expire():
                self.audience.say("control", **self.audience.as_json())
            with contextlib.suppress(Error):
                await self.commands.settle_scroll(idle_s=0.7)
            if self.requests.dialog_open or self.paused or self.reports.behind:
                self.ledger.forgive()
                continue
            late = self.ledger.unrecorded()
            for gesture in late:
                self.unrecorded(gesture.words, gesture.page)
            if late:
                # A page can switch the recorder off; a gesture lost is the sign of it.
                await patient(self.recording.rearm())

    def _stepped(self, page: Page, entry: Entry, gesture: Gesture) -> None:
        moment = gesture.moment or self.moments.begin(page)
        self.moments.attach(entry, moment, target=gesture.target)

    def _tell_step(self, op: Op, entry: Entry) -> None:
        if any(secret_name(value) for value in entry.step.params.values()):
            # Now and not at the end: whoever salvages must know what to scrub.
            with contextlib.suppress(OSError):
                self.vault.write(self.config.workdir / "vault", key=self.config.vault_key)
        self.channel.send("step", op=op, **entry.as_json())
        self.audience.say(
            "step",
            op=op,
            step=entry.step.as_json(),
            position=entry.position,
            wording=entry.words,
            locator=entry.locator,
        )

    def _lost(self) -> None:
        if not self.stage.ending and not self._died.done():
            self._died.set_result(None)
