"""The page as it was right after each gesture: its picture and its DOM, kept for the step to come.

The recorder tells of a click up to half a second late; by then the next page may be there. So
what is pictured is the gesture: before the next one reaches the page, or once all is quiet.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from time import monotonic
from weakref import WeakKeyDictionary

from playwright.async_api import CDPSession, Error, Page

from recorder.adapter import shown_in_trace
from recorder.session.marks import Target, alternatives, alternatives_of, patient
from recorder.session.stepbook import Entry, StepBook

# After this long without another gesture the page shows what the last one did. Short, so that
# the picture is done when a person presses next: taking it then costs that press 40 ms.
_QUIET_S = 0.15
# The next gesture waits for a picture no longer than this.
_HURRY_S = 2.5
_GLANCE_S = 0.02
# What could not be had, picture or DOM, is tried again after these pauses.
_AGAIN_S = (0.1, 0.5)


@dataclass(eq=False, kw_only=True)
class Moment:
    """A gesture's effect on `page`. `typed_into`: letters into one field are one moment."""

    page: Page
    typed_into: Target | None = None
    at: float = field(default_factory=monotonic)
    png: bytes | None = None
    html: str | None = None
    keys: set[str] = field(default_factory=set)
    taking: asyncio.Task[None] | None = None
    # Picture and DOM are there; the taking may go on for the trace.
    taken: bool = False
    # A dialog holds up the call that made the gesture, and every picture too.
    made: bool = True

    @property
    def over(self) -> bool:
        return self.taking is not None and self.taking.done()


class Moments:
    """`write(path, content)` keeps a file below the work folder and says whether it is whole."""

    def __init__(
        self,
        *,
        book: StepBook,
        write: Callable[[str, bytes], bool],
        screenshots: bool,
        dom: bool,
        traced: Callable[[], bool],
    ) -> None:
        self._book = book
        self._write = write
        self._screenshots = screenshots
        self._dom = dom
        self._traced = traced
        self._newest: Moment | None = None
        self._cdp: WeakKeyDictionary[Page, CDPSession] = WeakKeyDictionary()
        self._naming: set[asyncio.Task[None]] = set()
        self._named: set[str] = set()

    @contextlib.asynccontextmanager
    async def making(
        self, page: Page, *, title: str = "", typed_into: Target | None = None
    ) -> AsyncIterator[Moment]:
        """What is awaited inside makes a gesture; with a title it is a row of the trace."""
        moment = self.begin(page, typed_into=typed_into)
        moment.made = False
        try:
            with shown_in_trace(title) if title else contextlib.nullcontext():
                yield moment
        finally:
            moment.made, moment.at = True, monotonic()

    def begin(self, page: Page, *, typed_into: Target | None = None) -> Moment:
        """A gesture has just been made on `page`."""
        newest = self._newest
        if (
            newest is not None
            and newest.taking is None
            and newest.page is page
            and typed_into is not None
            and newest.typed_into is typed_into
        ):
            newest.at = monotonic()
            return newest
        self._newest = Moment(page=page, typed_into=typed_into)
        return self._newest

    def attach(self, entry: Entry, moment: Moment, *, target: Target | None = None) -> None:
        """`entry` is what the gesture of this moment became; `target` is what it met."""
        step = entry.step
        if "forged" in step.flags:
            return
        moment.keys.add(step.key)
        if moment.taken or moment.over:
            self._store(moment)
        if not step.selector or step.key in self._named:
            return
        self._named.add(step.key)
        # As they were when the element was met: a click may have been the end of it.
        found = target and alternatives_of(target, selector=step.selector, element=step.element)
        if found:
            self._book.change(step.key, alternatives=found)
        else:
            naming = asyncio.ensure_future(self._name(moment.page, entry))
            self._naming.add(naming)
            naming.add_done_callback(self._naming.discard)

    @property
    def begun(self) -> bool:
        """Whether any gesture has been made yet."""
        return self._newest is not None

    def expect_next(self, *, typing: bool) -> None:
        """Begin with the picture of the last gesture, unless what comes may be more of the same typing."""
        if self._newest is not None and not (typing and self._newest.typed_into):
            self.hasten()

    def hasten(self) -> asyncio.Task[None] | None:
        """Begin to picture the newest gesture now: something else is about to happen."""
        moment = self._newest
        if moment is None or not moment.made:
            return None
        if moment.taking is None:
            moment.taking = asyncio.ensure_future(self._take(moment))
        return moment.taking

    async def before_press(self) -> None:
        """As `before_next`, for what seldom changes a page: the rest is waited for at its release."""
        taking = self.hasten()
        if taking is not None:
            await asyncio.wait({taking}, timeout=_GLANCE_S)

    async def before_next(self, *, typing_into: Target | None = None) -> None:
        """Let the picture of the last gesture be taken before another one changes the page."""
        moment = self._newest
        if moment is None or moment.over:
            return
        if typing_into is not None and moment.typed_into is typing_into and not moment.taking:
            return
        taking = self.hasten()
        if taking is not None:
            await asyncio.wait({taking}, timeout=_HURRY_S)
            if not taking.done():
                # What would come of it later is no picture of this moment.
                taking.cancel()

    async def run(self) -> None:
        """Picture what nothing follows."""
        while True:
            await asyncio.sleep(0.05)
            moment = self._newest
            if (
                moment
                and moment.made
                and moment.taking is None
                and monotonic() - moment.at > _QUIET_S
            ):
                self.hasten()

    async def drained(self) -> None:
        """Everything is pictured and written."""
        taking = self.hasten()
        if taking is not None:
            await asyncio.wait({taking})
        if self._naming:
            await asyncio.wait(set(self._naming))

    async def _take(self, moment: Moment) -> None:
        page = moment.page
        if page.is_closed():
            return
        pictured, told = await asyncio.gather(self._picture(page), self._told(page))
        for pause_s in _AGAIN_S:
            # A page on its way to another has neither; what comes next ends this in time.
            lacking = (self._screenshots and pictured is None) or (self._dom and told is None)
            if not lacking or page.is_closed():
                break
            await asyncio.sleep(pause_s)
            pictured = pictured or await self._picture(page)
            told = told or await self._told(page)
        moment.png, moment.html, moment.taken = pictured, told, True
        self._store(moment)
        if moment.typed_into is not None and self._traced():
            # Letters are no rows of the trace; the field as it ends up is one.
            with shown_in_trace("Text"):
                await patient(page.evaluate("0"), timeout_s=2)

    async def _told(self, page: Page) -> str | None:
        return await patient(page.content(), timeout_s=5) if self._dom else None

    async def _picture(self, page: Page) -> bytes | None:
        return await patient(self._shot(page), timeout_s=5) if self._screenshots else None

    async def _shot(self, page: Page) -> bytes:
        cdp = self._cdp.get(page)
        if cdp is None:
            try:
                cdp = self._cdp[page] = await page.context.new_cdp_session(page)
            except Error:
                # Firefox and WebKit have none.
                return await page.screenshot(animations="allow", caret="initial", timeout=5_000)
        shot = await cdp.send("Page.captureScreenshot", {"format": "png", "optimizeForSpeed": True})
        return base64.b64decode(shot["data"])

    def _store(self, moment: Moment) -> None:
        for key in sorted(moment.keys):
            entry = self._book.get(key)
            number = f"{entry.position:04}"
            if moment.html is not None:
                self._write(f"dom/{number}.html", moment.html.encode())
            if moment.png is not None and self._write(f"steps/{number}.png", moment.png):
                self._book.change(key, screenshot=f"steps/{number}.png")
        moment.keys.clear()

    async def _name(self, page: Page, entry: Entry) -> None:
        with contextlib.suppress(Error):
            found = await patient(alternatives(page, entry.step.selector), timeout_s=4)
            if found:
                self._book.change(entry.step.key, alternatives=found)
