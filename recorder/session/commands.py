"""What each message of the holder of control does."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Awaitable, Callable, Mapping
from time import monotonic, time
from typing import TYPE_CHECKING, Any

from playwright.async_api import Page

from recorder.session.looking import Looking
from recorder.session.making import Answer, CommandFailed, Making
from recorder.session.marks import patient
from recorder.session.navigation import Navigation
from recorder.session.pointing import Pointing
from recorder.steps import Action

if TYPE_CHECKING:
    from recorder.session.live import LiveSession

_MAKE_STEPS = frozenset(
    {"assert", "back", "closePage", "drag", "forward", "hover", "navigate", "newPage", "reload"}
)
_GROWN = """([x, y]) => {
  let height = document.documentElement.scrollHeight;
  for (let node = document.elementFromPoint(x, y); node; node = node.parentElement) height += node.scrollHeight;
  return height;
}"""


class Commands:
    """One method a message type, here or in one of the parts; values are checked by
    `messages.parse` already."""

    def __init__(self, live: LiveSession) -> None:
        self._live = live
        self._making = Making(live)
        self.pointing = Pointing(live, self._making)
        self._parts = (
            self,
            self.pointing,
            Looking(live, self._making),
            Navigation(live, self._making),
        )
        self._scroll: dict[str, Any] | None = None

    async def run(self, type: str, values: Mapping[str, Any]) -> Answer:
        """:raises CommandFailed and what Playwright raises."""
        if type not in {"picture", "wheel"}:
            await self.settle_scroll()
        moves = type == "mouse" and values["kind"] == "move"
        if type != "picture" and not moves:
            # What comes next may be looking only; the picture is taken meanwhile.
            self._live.moments.expect_next(typing=type in {"key", "text"})
        if type in _MAKE_STEPS:
            await self._making.caught_up()
            await self._live.moments.before_next()
        self._making.began_at = time()
        return await self._method(type)(values)

    def _method(self, type: str) -> Callable[[Mapping[str, Any]], Awaitable[Answer]]:
        found = (getattr(part, f"do_{type}", None) for part in self._parts)
        method: Callable[[Mapping[str, Any]], Awaitable[Answer]] = next(filter(None, found))
        return method

    async def do_mouse(self, values: Mapping[str, Any]) -> Answer:
        if values["kind"] != "move":
            self._live.screencast.hurry()
        await self._live.inputs.mouse(self._making.page, values)
        return None

    async def do_key(self, values: Mapping[str, Any]) -> Answer:
        self._live.screencast.hurry()
        await self._live.inputs.key(self._making.page, values)
        return None

    async def do_text(self, values: Mapping[str, Any]) -> Answer:
        await self._live.inputs.text(self._making.page, values["text"])
        return None

    async def do_wheel(self, values: Mapping[str, Any]) -> Answer:
        page = self._making.page
        point = [values["x"], values["y"]]
        if self._scroll is None or self._scroll["page"] is not page:
            await self.settle_scroll()
            height = await patient(page.evaluate(_GROWN, point), timeout_s=0.5)
            self._scroll = {"page": page, "point": point, "height": height, "dx": 0, "dy": 0}
        self._scroll["dx"] += values["dx"]
        self._scroll["dy"] += values["dy"]
        self._scroll["at"] = monotonic()
        await self._live.inputs.wheel(page, values)
        return None

    async def settle_scroll(self, *, idle_s: float = 0.0) -> None:
        """End a burst of scrolling; it is a step only if it made the page longer."""
        scroll = self._scroll
        if scroll is None or monotonic() - scroll["at"] < idle_s:
            return
        self._scroll = None
        page: Page = scroll["page"]
        height = await patient(page.evaluate(_GROWN, scroll["point"]), timeout_s=0.5)
        if height and scroll["height"] and height > scroll["height"] + 50:
            self._making.step(page, Action.SCROLL, params={"dx": scroll["dx"], "dy": scroll["dy"]})

    async def do_picture(self, values: Mapping[str, Any]) -> Answer:
        """The screenshot of a step: for viewers who came after it."""
        shot = self._live.book.get(values["key"]).step.screenshot
        try:
            png = await asyncio.to_thread((self._live.config.workdir / shot).read_bytes)
        except OSError as error:
            raise CommandFailed("no_picture", "There is no picture of this step.") from error
        return {"contentType": "image/png", "base64": base64.b64encode(png).decode()}

    async def do_select(self, values: Mapping[str, Any]) -> Answer:
        await self._live.requests.select(values["requestId"], values.get("values"))
        return None

    async def do_fillPicker(self, values: Mapping[str, Any]) -> Answer:
        await self._live.requests.fill_picker(values["requestId"], values.get("value"))
        return None

    async def do_upload(self, values: Mapping[str, Any]) -> Answer:
        await self._live.requests.upload(values["requestId"], values.get("files"))
        return None

    async def do_dialog(self, values: Mapping[str, Any]) -> Answer:
        await self._live.requests.answer_dialog(
            values["requestId"], values["accept"], values.get("text")
        )
        return None

    async def do_editStep(self, values: Mapping[str, Any]) -> Answer:
        self._live.book.reword(values["key"], values["wording"])
        return None

    async def do_deleteStep(self, values: Mapping[str, Any]) -> Answer:
        self._live.book.delete(values["key"])
        return None

    async def do_restoreStep(self, values: Mapping[str, Any]) -> Answer:
        self._live.book.restore(values["key"])
        return None

    async def do_pause(self, values: Mapping[str, Any]) -> Answer:
        await self._live.pause()
        return None

    async def do_resume(self, values: Mapping[str, Any]) -> Answer:
        await self._live.resume()
        return None
