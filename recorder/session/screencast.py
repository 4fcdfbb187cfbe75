"""Pictures of the page that is in front: the newest wins, none waits in line."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import time
from collections.abc import Callable
from typing import Any

from playwright.async_api import CDPSession, Error, Page

from recorder.session.viewers import Audience, Frame

QUALITY = 60
# With nobody watching, or nobody keeping up, Chromium still draws this often.
_IDLE_S = 0.25


class Screencast:
    """Frames of one page at a time to all viewers."""

    def __init__(self, *, audience: Audience, on_drawn: Callable[[], None]) -> None:
        self._audience = audience
        self._on_drawn = on_drawn
        self._cdp: CDPSession | None = None
        self._alias = ""
        self._size = (0, 0)
        self._number = 0
        self._held: int | None = None
        self._held_timer: asyncio.TimerHandle | None = None
        self._background: set[asyncio.Task[None]] = set()
        self.last: Frame | None = None

    async def show(self, page: Page, *, alias: str) -> None:
        """Switch to `page`; its first frame is sent whether or not anything on it changes."""
        await self.stop()
        size = page.viewport_size
        self._alias = alias
        cdp = await page.context.new_cdp_session(page)
        self._cdp = cdp
        if size is None:
            metrics = await cdp.send("Page.getLayoutMetrics")
            box = metrics["cssLayoutViewport"]
            self._size = (int(box["clientWidth"]), int(box["clientHeight"]))
        else:
            self._size = (size["width"], size["height"])
        cdp.on("Page.screencastFrame", lambda event: self._drawn(cdp, event))
        before = self._number
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
        self._run(self._first_frame(cdp, before))

    async def stop(self) -> None:
        cdp, self._cdp = self._cdp, None
        self._held = None
        if cdp is not None:
            with contextlib.suppress(Error, TimeoutError):
                await asyncio.wait_for(cdp.detach(), 2)

    def sent(self, frame: Frame) -> None:
        """A viewer got this frame: Chromium may draw the next."""
        if self.last is frame:
            self._release()

    async def _first_frame(self, cdp: CDPSession, before: int) -> None:
        await asyncio.sleep(0.4)
        if self._cdp is not cdp or self._number != before:
            return
        with contextlib.suppress(Error):
            shot = await cdp.send("Page.captureScreenshot", {"format": "jpeg", "quality": QUALITY})
            if self._cdp is cdp and self._number == before:
                self._publish(base64.b64decode(shot["data"]), int(time.time() * 1000))

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
        self._on_drawn()

    def _release(self) -> None:
        if self._held_timer is not None:
            self._held_timer.cancel()
            self._held_timer = None
        held, self._held = self._held, None
        if held is not None and self._cdp is not None:
            self._run(self._ack(self._cdp, held))

    async def _ack(self, cdp: CDPSession, session_id: int) -> None:
        with contextlib.suppress(Error):
            await cdp.send("Page.screencastFrameAck", {"sessionId": session_id})

    def _run(self, work: Any) -> None:
        running = asyncio.ensure_future(work)
        self._background.add(running)
        running.add_done_callback(self._background.discard)
