"""What each message of the holder of control does."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Awaitable, Callable, Mapping
from time import monotonic, time
from typing import TYPE_CHECKING, Any

from playwright.async_api import Error, FloatRect, Page

from jobs.egress import EgressRefused
from recorder.adapter import shown_in_trace
from recorder.selectors import SelectorRefused, parse_selector, python_for
from recorder.session.addresses import as_url
from recorder.session.gestures import UNRECORDED_AFTER_S, Gesture
from recorder.session.inputs import Drag
from recorder.session.marks import Target, at_point, described, patient, selector_for
from recorder.session.stage import console_gesture
from recorder.session.stepbook import Entry
from recorder.steps import Action

if TYPE_CHECKING:
    from recorder.session.live import LiveSession

Answer = Mapping[str, Any] | None
_LOADS_S = 15.0
_MAKE_STEPS = frozenset(
    {"assert", "back", "closePage", "drag", "forward", "hover", "navigate", "newPage", "reload"}
)
_GROWN = """([x, y]) => {
  let height = document.documentElement.scrollHeight;
  for (let node = document.elementFromPoint(x, y); node; node = node.parentElement) height += node.scrollHeight;
  return height;
}"""
_WHERE = """(found) => {
  const rect = found.getBoundingClientRect();
  const met = found.getRootNode().elementFromPoint(rect.x + rect.width / 2, rect.y + rect.height / 2);
  return { shown: !!met && found.contains(met), top: window === window.top, rect: { x: rect.x, y: rect.y, width: rect.width, height: rect.height } };
}"""


class CommandFailed(Exception):
    """The command can not be done now; `code` is stable."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


class Commands:
    """One method a message type; values are checked by `messages.parse` already."""

    def __init__(self, live: LiveSession) -> None:
        self._live = live
        self._scroll: dict[str, Any] | None = None
        self._began_at = time()

    async def run(self, type: str, values: Mapping[str, Any]) -> Answer:
        """:raises CommandFailed and what Playwright raises."""
        if type not in {"picture", "wheel"}:
            await self.settle_scroll()
        moves = type == "mouse" and values["kind"] == "move"
        if type != "picture" and not moves:
            # What comes next may be looking only; the picture is taken meanwhile.
            self._live.moments.expect_next(typing=type in {"key", "text"})
        if type in _MAKE_STEPS:
            await self._caught_up()
            await self._live.moments.before_next()
        self._began_at = time()
        done: Callable[[Mapping[str, Any]], Awaitable[Answer]] = getattr(self, f"do_{type}")
        return await done(values)

    async def _caught_up(self) -> None:
        """Wait for the reports of earlier gestures: a click is told of half a second late, and a
        check of what it did must not become a step before it."""
        ends_at = monotonic() + UNRECORDED_AFTER_S
        while self._live.ledger.awaited() and monotonic() < ends_at:
            if self._live.paused or self._live.requests.dialog_open:
                return
            await asyncio.sleep(0.03)
        await patient(self._live.reports.drained())

    @property
    def _page(self) -> Page:
        return self._live.pages.current().page

    async def do_mouse(self, values: Mapping[str, Any]) -> Answer:
        await self._live.inputs.mouse(self._page, values)
        return None

    async def do_key(self, values: Mapping[str, Any]) -> Answer:
        await self._live.inputs.key(self._page, values)
        return None

    async def do_text(self, values: Mapping[str, Any]) -> Answer:
        await self._live.inputs.text(self._page, values["text"])
        return None

    async def do_wheel(self, values: Mapping[str, Any]) -> Answer:
        page = self._page
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
            self._step(page, Action.SCROLL, params={"dx": scroll["dx"], "dy": scroll["dy"]})

    async def do_navigate(self, values: Mapping[str, Any]) -> Answer:
        url = self._allowed(values["url"])
        page = self._page
        self._step(page, Action.NAVIGATE, params={"url": url}, url=url)
        await self._goto(page, url)
        return {"url": page.url}

    async def do_newPage(self, values: Mapping[str, Any]) -> Answer:
        url = self._allowed(values["url"]) if values.get("url") else ""
        if self._live.pages.full:
            raise CommandFailed("too_many_pages", "Too many tabs are open; close one first.")
        tab = await self._live.stage.new_page(self._live.context)
        self._step(tab.page, Action.OPEN_PAGE, params={"url": url})
        if url:
            await self._goto(tab.page, url)
        return {"page": tab.alias}

    async def do_selectPage(self, values: Mapping[str, Any]) -> Answer:
        await self._live.stage.bring_to_front(self._live.pages.get(values["page"]))
        return None

    async def do_closePage(self, values: Mapping[str, Any]) -> Answer:
        page = self._live.pages.get(values["page"]).page
        self._step(page, Action.CLOSE_PAGE, picture=False)
        await page.close(run_before_unload=False)
        return None

    async def do_back(self, values: Mapping[str, Any]) -> Answer:
        return await self._history(Action.GO_BACK, lambda page: page.go_back(**_PATIENT))

    async def do_forward(self, values: Mapping[str, Any]) -> Answer:
        return await self._history(Action.GO_FORWARD, lambda page: page.go_forward(**_PATIENT))

    async def do_reload(self, values: Mapping[str, Any]) -> Answer:
        return await self._history(Action.RELOAD, lambda page: page.reload(**_PATIENT))

    async def do_hover(self, values: Mapping[str, Any]) -> Answer:
        page = self._page
        target = await self._target(page, values)
        selector = await selector_for(target)
        with shown_in_trace("Point"):
            await page.mouse.move(values["x"], values["y"])
        entry = self._step(page, Action.HOVER, selector=selector, element=target.element)
        return {"key": entry.step.key} if entry else None

    async def do_drag(self, values: Mapping[str, Any]) -> Answer:
        page, start, end = self._page, values["from"], values["to"]
        source = await self._target(page, start)
        target = await self._target(page, end)
        names = await selector_for(source), await selector_for(target)
        await page.mouse.move(start["x"], start["y"])
        await self._live.recording.stop()
        try:
            await page.mouse.down()
            # Two moves at least: drag and drop starts with the first that leaves its place.
            await page.mouse.move((start["x"] + end["x"]) / 2, (start["y"] + end["y"]) / 2, steps=3)
            await page.mouse.move(end["x"], end["y"], steps=3)
            with shown_in_trace("Drop"):
                await page.mouse.up()
        finally:
            await self._live.listen()
        entry = self._step(
            page,
            Action.DRAG,
            selector=names[0],
            params={"target": names[1]},
            element=source.element,
        )
        return {"key": entry.step.key} if entry else None

    async def dragged(self, drag: Drag) -> None:
        """A drag made by hand is over."""
        try:
            source = drag.source or await selector_for(drag.start)
            if drag.names:
                source, onto = drag.names
            else:
                onto = await selector_for(drag.onto) if drag.onto else ""
        except Error:
            self._live.unrecorded("drag")
            return
        params: dict[str, Any] = {"target": onto}
        if not onto or onto == source:
            params = {"by": _rounded(drag.by), "source_position": _rounded(drag.grabbed)}
        self._step(
            drag.page, Action.DRAG, selector=source, params=params, element=drag.start.element
        )

    async def pressed(
        self, page: Page, gesture: Gesture, press: Callable[[], Awaitable[None]]
    ) -> None:
        """A letter outside any field, a shortcut of the page: the recorder tells of none."""
        await self._caught_up()
        moments, target = self._live.moments, gesture.target
        await moments.before_next()
        entry = self._step(
            page,
            Action.PRESS,
            params={"key": gesture.key},
            element=target.element if target else None,
            picture=False,
        )
        gesture.step_key = entry.step.key if entry else None
        async with moments.making(page, title=f"Press {gesture.key}") as moment:
            await press()
        if entry is not None:
            moments.attach(entry, moment)

    async def right_clicked(
        self, page: Page, target: Target | None, click: Callable[[], Awaitable[None]]
    ) -> None:
        """The recorder would swallow a right click to draw a menu of its own."""
        selector = await patient(selector_for(target)) if target is not None else None
        await self._live.recording.stop()
        try:
            with shown_in_trace("Click"):
                await click()
        finally:
            await self._live.listen()
        if target is None or selector is None:
            self._live.unrecorded("right click")
            return
        self._step(
            page,
            Action.CLICK,
            selector=selector,
            params={"button": "right", "click_count": 1, "modifiers": []},
            element=target.element,
        )

    async def do_inspect(self, values: Mapping[str, Any]) -> Answer:
        target = await self._target(self._page, values, seen=True)
        selector = await selector_for(target)
        return {
            "rect": dict(target.rect),
            "selector": selector,
            "python": _python(selector),
            "element": target.element,
        }

    async def do_picture(self, values: Mapping[str, Any]) -> Answer:
        """The screenshot of a step: for viewers who came after it."""
        shot = self._live.book.get(values["key"]).step.screenshot
        try:
            png = await asyncio.to_thread((self._live.config.workdir / shot).read_bytes)
        except OSError as error:
            raise CommandFailed("no_picture", "There is no picture of this step.") from error
        return {"contentType": "image/png", "base64": base64.b64encode(png).decode()}

    async def do_locate(self, values: Mapping[str, Any]) -> Answer:
        """Where an element is, scrolled into view: for programs, which have no eyes."""
        page = self._page
        try:
            parse_selector(values["selector"])
        except SelectorRefused as refused:
            raise CommandFailed("bad_message", f"selector: {refused}") from refused
        locator = page.locator(values["selector"]).first
        try:
            found = await locator.evaluate(_WHERE, timeout=5_000)
            # In a frame the rectangle is the frame's: Playwright knows where that is.
            rect = found["rect"] if found["top"] else await locator.bounding_box(timeout=5_000)
            if not found["shown"] or rect is None or not _in_view(rect, page):
                # Waits for two frames of the page; most elements are in sight already.
                await locator.scroll_into_view_if_needed(timeout=5_000)
                rect = await locator.bounding_box(timeout=5_000)
        except Error as error:
            raise CommandFailed(
                "no_element", f"Nothing is found by this selector: {error.message[:300]}"
            ) from error
        if rect is None:
            raise CommandFailed("no_element", "The element is not visible.")
        return {"rect": dict(rect)}

    async def do_assert(self, values: Mapping[str, Any]) -> Answer:
        page, kind, expected = self._page, values["kind"], values.get("expected")
        if kind == "url":
            entry = self._step(
                page, Action.ASSERT_URL, params={"url": str(expected or page.url)}, picture=True
            )
            return {"key": entry.step.key} if entry else None
        if "x" not in values or "y" not in values:
            raise CommandFailed("bad_message", "x, y: are missing.")
        target = await self._target(page, values, seen=True)
        action, params = await self._assertion(kind, expected, target)
        entry = self._step(
            page,
            action,
            selector=await selector_for(target),
            params=params,
            element=target.element,
        )
        return {"key": entry.step.key} if entry else None

    async def _assertion(
        self, kind: str, expected: Any, target: Target
    ) -> tuple[Action, dict[str, Any]]:
        if kind == "visible":
            return Action.ASSERT_VISIBLE, {}
        if kind == "text":
            shown = expected if isinstance(expected, str) else str(described(target.info)["text"])
            return Action.ASSERT_TEXT, {"text": shown, "substring": True}
        state = await target.handle.evaluate(
            "(one) => ({value: 'value' in one ? String(one.value) : null, checked: 'checked' in one ? !!one.checked : one.getAttribute('aria-checked') === 'true'})"
        )
        if kind == "checked":
            checked = expected if isinstance(expected, bool) else bool(state["checked"])
            return Action.ASSERT_CHECKED, {"checked": checked}
        if state["value"] is None:
            raise CommandFailed("no_value", "This element has no value; assert its text instead.")
        value: Any = expected if isinstance(expected, str) else str(state["value"])
        if target.info.get("secret"):
            value = self._live.vault.seal(value, field=target.element.get("name") or "password")
        return Action.ASSERT_VALUE, {"text": value}

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

    def _allowed(self, typed: str) -> str:
        url = as_url(typed)
        if url == "about:blank":
            return url
        try:
            self._live.policy.check_url(url)
        except EgressRefused as refused:
            self._live.refused(url, refused.code, refused.message)
            raise CommandFailed("url_refused", refused.message) from refused
        return url

    async def _goto(self, page: Page, url: str) -> None:
        await open_url(page, url)
        await patient(page.wait_for_load_state("domcontentloaded"), timeout_s=_LOADS_S)

    async def _history(self, action: Action, go: Callable[[Page], Awaitable[Any]]) -> Answer:
        page = self._page
        before = page.url
        self._step(page, action, picture=False)
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

    async def _target(self, page: Page, point: Mapping[str, Any], *, seen: bool = False) -> Target:
        target = await patient(at_point(page, point["x"], point["y"], seen=seen))
        if target is None:
            raise CommandFailed("no_element", "There is no element at this point.")
        return target

    def _step(
        self,
        page: Page,
        action: Action,
        *,
        selector: str = "",
        params: Mapping[str, Any] | None = None,
        element: Mapping[str, str] | None = None,
        url: str = "",
        picture: bool = True,
    ) -> Entry | None:
        """A step that the session makes itself; none while paused."""
        if self._live.paused:
            return None
        tab = self._live.pages.of(page)
        entry = self._live.book.add(
            action=action,
            page=tab.alias if tab else "page",
            url=url or page.url,
            selector=selector,
            params=params,
            element=element,
            source="console",
            began_at=self._began_at,
        )
        self._live.ledger.add(console_gesture(page, entry.step.key))
        if picture:
            self._live.moments.attach(entry, self._live.moments.begin(page))
        return entry


def _in_view(rect: FloatRect, page: Page) -> bool:
    size = page.viewport_size or {"width": 0, "height": 0}
    return (
        rect["x"] >= 0
        and rect["y"] >= 0
        and rect["x"] + rect["width"] <= size["width"]
        and rect["y"] + rect["height"] <= size["height"]
    )


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


_PATIENT: dict[str, Any] = {"wait_until": "commit", "timeout": 15_000}


def _python(selector: str) -> str:
    try:
        return python_for(selector, page="page")
    except SelectorRefused:
        return ""


def _rounded(point: Mapping[str, float]) -> dict[str, float]:
    return {axis: round(number, 1) for axis, number in point.items()}
