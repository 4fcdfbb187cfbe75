"""Elements looked at: described, found, and asserted."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from time import monotonic
from typing import TYPE_CHECKING, Any

from playwright.async_api import Error, FloatRect, Locator, Page

from recorder.selectors import SelectorRefused, parse_selector, python_for
from recorder.session.making import Answer, CommandFailed, Making
from recorder.session.marks import Target, described, selector_for
from recorder.steps import Action

if TYPE_CHECKING:
    from recorder.session.live import LiveSession

_FOUND_WITHIN_S = 5.0
# What Playwright says of a page that goes elsewhere while it is asked.
_MOVING_ON = ("context was destroyed", "Cannot find context", "navigat", "frame was detached")
_WHERE = """(all) => {
  const found = all[0];
  if (!found) return null;
  const rect = found.getBoundingClientRect();
  const met = found.getRootNode().elementFromPoint(rect.x + rect.width / 2, rect.y + rect.height / 2);
  return { shown: !!met && found.contains(met), top: window === window.top, rect: { x: rect.x, y: rect.y, width: rect.width, height: rect.height } };
}"""


class Looking:
    """Where it acts at a point, it means what a person sees there."""

    def __init__(self, live: LiveSession, making: Making) -> None:
        self._live = live
        self._making = making

    async def do_inspect(self, values: Mapping[str, Any]) -> Answer:
        target = await self._making.target(self._making.page, values, seen=True)
        selector = await selector_for(target)
        return {
            "rect": dict(target.rect),
            "selector": selector,
            "python": _python(selector),
            "element": target.element,
        }

    async def do_locate(self, values: Mapping[str, Any]) -> Answer:
        """Where an element is, scrolled into view: for programs, which have no eyes."""
        page = self._making.page
        try:
            parse_selector(values["selector"])
        except SelectorRefused as refused:
            raise CommandFailed("bad_message", f"selector: {refused}") from refused
        locator = page.locator(values["selector"]).first
        try:
            found = await _where(page.locator(values["selector"]))
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
        page, kind, expected = self._making.page, values["kind"], values.get("expected")
        if kind == "url":
            entry = self._making.step(
                page, Action.ASSERT_URL, params={"url": str(expected or page.url)}, picture=True
            )
            return {"key": entry.step.key} if entry else None
        if "x" not in values or "y" not in values:
            raise CommandFailed("bad_message", "x, y: are missing.")
        target = await self._making.target(page, values, seen=True)
        action, params = await self._assertion(kind, expected, target)
        entry = self._making.step(
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


async def _where(locator: Locator) -> Mapping[str, Any]:
    """Where the first of these elements is, as soon as there is one.

    Playwright's own waiting looks after 20, 50, 100, 100 and then each 500 ms: a program that waits
    for a page of 300 ms would wait for 770.

    :raises CommandFailed: there is none within 5 s.
    """
    until, pause_s = monotonic() + _FOUND_WITHIN_S, 0.02
    while True:
        try:
            found = await locator.evaluate_all(_WHERE)
        except Error as error:
            if not any(word in error.message for word in _MOVING_ON):
                raise
            found = None
        if isinstance(found, Mapping):
            return found
        if monotonic() > until:
            raise CommandFailed("no_element", "Nothing is found by this selector.")
        await asyncio.sleep(pause_s)
        pause_s = min(pause_s * 1.1, 0.1)


def _in_view(rect: FloatRect, page: Page) -> bool:
    size = page.viewport_size or {"width": 0, "height": 0}
    return (
        rect["x"] >= 0
        and rect["y"] >= 0
        and rect["x"] + rect["width"] <= size["width"]
        and rect["y"] + rect["height"] <= size["height"]
    )


def _python(selector: str) -> str:
    try:
        return python_for(selector, page="page")
    except SelectorRefused:
        return ""
