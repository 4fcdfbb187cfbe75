"""Pictures of the page that is in front: the newest wins, none waits in line."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import time
from collections.abc import Coroutine, Mapping
from typing import Any

from playwright.async_api import CDPSession, Error, Page

from recorder.session.viewers import Audience, Frame

QUALITY = 60
# With nobody watching, or nobody keeping up, Chromium still draws this often.
_IDLE_S = 0.25
# Each frame is read back and compressed: a dozen milliseconds or two of a core. While gesture follows
# gesture, a frame for each is enough, and the page gets the rest.
_HURRY_S = 0.3
_HURRIED_FRAME_S = 0.1


class Screencast:
    """Frames of one page at a time to all viewers.

    `filmed`: the context keeps a video in the page's own size, and the view shows the video's
    frames. Each stream is drawn, read back and compressed by itself: a second one would cost what
    the first does.
    """

    def __init__(self, *, audience: Audience, filmed: bool) -> None:
        self._audience = audience
        self._filmed = filmed
        self._page: Page | None = None
        self._cdp: CDPSession | None = None
        self._alias = ""
        self._size = (0, 0)
        self._number = 0
        self._held: int | None = None
        self._held_timer: asyncio.TimerHandle | None = None
        self._hurried_until = 0.0
        self._background: set[asyncio.Task[None]] = set()
        self.last: Frame | None = None

    async def show(self, page: Page, *, alias: str) -> None:
        """Switch to `page`; its first frame is sent whether or not anything on it changes."""
        await self.stop()
        self._page, self._alias = page, alias
        size = page.viewport_size or await _inner_size(page)
        self._size = (size["width"], size["height"])
        before = self._number
        if self._filmed:
            await page.screencast.start(on_frame=lambda frame: self._filmed_frame(page, frame))
        else:
            await self._start_own(page)
        self._run(self._first_frame(page, before))

    async def _start_own(self, page: Page) -> None:
        cdp = self._cdp = await page.context.new_cdp_session(page)
        cdp.on("Page.screencastFrame", lambda event: self._drawn(cdp, event))
        await cdp.send(
            "Page.startScreencast",
            {
                "format": "jpeg",
                "quality": QUALITY,
                "maxWidth": self._size[0],
                "maxHeight": self._size[1],
                "everyNthFrame": 1,
            },
        )

    async def stop(self) -> None:
        cdp, self._cdp = self._cdp, None
        page, self._page = self._page, None
        self._held = None
        with contextlib.suppress(Error, TimeoutError):
            if cdp is not None:
                await asyncio.wait_for(cdp.detach(), 2)
            elif page is not None and self._filmed and not page.is_closed():
                await asyncio.wait_for(page.screencast.stop(), 2)

    def hurry(self) -> None:
        """A press or a key goes to the page, and others may follow at once."""
        self._hurried_until = time.monotonic() + _HURRY_S

    def sent(self, frame: Frame) -> None:
        """A viewer got this frame: Chromium may draw the next."""
        if self.last is frame:
            self._release()

    @property
    def _pause_s(self) -> float:
        return _HURRIED_FRAME_S if time.monotonic() < self._hurried_until else 0.0

    async def _first_frame(self, page: Page, before: int) -> None:
        await asyncio.sleep(0.4)
        if self._page is not page or self._number != before:
            return
        with contextlib.suppress(Error):
            jpeg = await page.screenshot(type="jpeg", quality=QUALITY, animations="allow")
            if self._page is page and self._number == before:
                self._publish(jpeg, int(time.time() * 1000))

    async def _filmed_frame(self, page: Page, frame: Mapping[str, Any]) -> None:
        """The next frame comes when this returns."""
        if self._page is page:
            self._publish(frame["data"], int(frame["timestamp"]))
            await asyncio.sleep(self._pause_s)

    def _drawn(self, cdp: CDPSession, event: dict[str, Any]) -> None:
        if self._cdp is not cdp:
            return
        self._release()
        self._held = event["sessionId"]
        meta = event["metadata"]
        at_ms = int(float(meta.get("timestamp") or time.time()) * 1000)
        self._publish(base64.b64decode(event["data"]), at_ms)
        loop = asyncio.get_running_loop()
        self._held_timer = loop.call_later(_IDLE_S, self._release)

    def _publish(self, jpeg: bytes, at_ms: int) -> None:
        self._number += 1
        self.last = Frame(
            number=self._number,
            page=self._alias,
            width=self._size[0],
            height=self._size[1],
            at_ms=at_ms,
            jpeg=jpeg,
        )
        for viewer in self._audience:
            viewer.show(self.last)

    def _release(self) -> None:
        if self._held_timer is not None:
            self._held_timer.cancel()
            self._held_timer = None
        held, self._held = self._held, None
        if held is not None and self._cdp is not None:
            self._run(self._ack(self._cdp, held))

    async def _ack(self, cdp: CDPSession, session_id: int) -> None:
        await asyncio.sleep(self._pause_s)
        with contextlib.suppress(Error):
            await cdp.send("Page.screencastFrameAck", {"sessionId": session_id})

    def _run(self, work: Coroutine[Any, Any, None]) -> None:
        running = asyncio.ensure_future(work)
        self._background.add(running)
        running.add_done_callback(self._background.discard)


async def _inner_size(page: Page) -> Mapping[str, int]:
    """The size of a page that has no fixed viewport."""
    found = await page.evaluate("() => ({width: innerWidth, height: innerHeight})")
    return {name: int(found[name]) for name in ("width", "height")}
