"""Steps of the hand that the recorder does not tell of: hover, drag, right click, shortcuts."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import TYPE_CHECKING, Any

from playwright.async_api import Error, Page

from recorder.adapter import shown_in_trace
from recorder.session.gestures import Gesture
from recorder.session.inputs import Drag
from recorder.session.making import Answer, Making
from recorder.session.marks import Target, patient, selector_for
from recorder.steps import Action

if TYPE_CHECKING:
    from recorder.session.live import LiveSession


class Pointing:
    """Each notes in its step what it met before the page could change."""

    def __init__(self, live: LiveSession, making: Making) -> None:
        self._live = live
        self._making = making

    async def do_hover(self, values: Mapping[str, Any]) -> Answer:
        page = self._making.page
        target = await self._making.target(page, values)
        selector = await selector_for(target)
        with shown_in_trace("Point"):
            await page.mouse.move(values["x"], values["y"])
        entry = self._making.step(page, Action.HOVER, selector=selector, element=target.element)
        return {"key": entry.step.key} if entry else None

    async def do_drag(self, values: Mapping[str, Any]) -> Answer:
        page, start, end = self._making.page, values["from"], values["to"]
        source = await self._making.target(page, start)
        target = await self._making.target(page, end)
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
        entry = self._making.step(
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
        self._making.step(
            drag.page, Action.DRAG, selector=source, params=params, element=drag.start.element
        )

    async def pressed(
        self, page: Page, gesture: Gesture, press: Callable[[], Awaitable[None]]
    ) -> None:
        """A letter outside any field, a shortcut of the page: the recorder tells of none."""
        await self._making.caught_up()
        moments, target = self._live.moments, gesture.target
        await moments.before_next()
        entry = self._making.step(
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
        self._making.step(
            page,
            Action.CLICK,
            selector=selector,
            params={"button": "right", "click_count": 1, "modifiers": []},
            element=target.element,
        )


def _rounded(point: Mapping[str, float]) -> dict[str, float]:
    return {axis: round(number, 1) for axis, number in point.items()}
