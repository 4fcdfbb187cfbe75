"""Real, trusted input: what the operator's hands do, done in the browser, and noted in the ledger."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

from playwright.async_api import Error, Page

from recorder.session.gestures import Gesture, Ledger
from recorder.session.marks import (
    Target,
    active,
    at_point,
    carried_onto,
    follows_the_hand,
    goes_nowhere,
    patient,
    selector_for,
    stands,
)
from recorder.session.moments import Moments

MODIFIERS = ("Alt", "Control", "Meta", "Shift")
_DRAG_PX = 6
# Keys that the recorder never reports: they show in the text they change, or not at all.
_SILENT = {"Shift", "Control", "Meta", "Alt", "AltGraph", "Process", "CapsLock", "Dead"}
_EDITING = {"Backspace", "Delete"}


@dataclass(kw_only=True)
class _Press:
    x: float
    y: float
    target: Target | None
    withheld: bool = False
    # Of a drag: what it was last carried onto, and both selectors as they were before that moved.
    onto: Target | None = None
    names: tuple[str, str] | None = None
    # Of a drag: the selector of what is carried, as it was before it moved.
    source: str | None = None
    # Whether what was pressed is still there after the press.
    stands: asyncio.Task[bool | None] | None = None
    # The selector of what is pressed, where the press may close its tab before the recorder tells.
    named: asyncio.Task[str | None] | None = None


@dataclass(frozen=True, kw_only=True)
class Drag:
    """A drag made by hand. `onto` None: it ended on nothing but itself and what holds it, so its
    distance is what counts. `names`: selectors found while it went on; distances in CSS pixels."""

    page: Page
    start: Target
    onto: Target | None
    source: str | None
    names: tuple[str, str] | None
    grabbed: Mapping[str, float]
    by: Mapping[str, float]


Opened = Callable[[Page, Target], Awaitable[bool]]
Dragged = Callable[["Drag"], Awaitable[None]]
Shortcut = Callable[[Page, Gesture, Callable[[], Awaitable[None]]], Awaitable[None]]
RightClicked = Callable[[Page, Target | None, Callable[[], Awaitable[None]]], Awaitable[None]]


class Inputs:
    """`on_widget` is asked at each press whether it opens a widget of the console's instead;
    `on_drag` hears of drags made by hand; `on_right_click` performs one while the recorder is off;
    `on_shortcut` presses letters where nothing takes text;
    `on_vanished` hears of clicks whose element the press alone removed: no click comes of them;
    `may_close` tells whether a click may be the end of its tab; `slowly`: each input waits for the
    one before, as who slows them down wants to see them."""

    def __init__(
        self,
        *,
        ledger: Ledger,
        moments: Moments,
        on_widget: Opened,
        on_drag: Dragged,
        on_right_click: RightClicked,
        on_shortcut: Shortcut,
        on_vanished: Callable[[Gesture], None],
        may_close: Callable[[Page], bool],
        slowly: bool,
    ) -> None:
        self._ledger = ledger
        self._moments = moments
        self._on_widget = on_widget
        self._on_drag = on_drag
        self._on_right_click = on_right_click
        self._on_shortcut = on_shortcut
        self._on_vanished = on_vanished
        self._may_close = may_close
        self._slowly = slowly
        self._held: dict[Page, set[str]] = {}
        self._pressed: dict[str, _Press] = {}
        self._at: tuple[Page, float, float] | None = None
        self._focus: tuple[Page, Target | None] | None = None
        # What was typed into secret fields, known here before any report of it can be late.
        self.typed_secrets: list[str] = []
        self._typing_secret = False

    async def mouse(self, page: Page, values: Mapping[str, Any]) -> None:
        kind, x, y = values["kind"], values["x"], values["y"]
        button = values.get("button", "left")
        await self._hold(page, values.get("modifiers", []))
        if kind == "move":
            await self._carry(x, y)
            await self._move(page, x, y)
        elif kind == "down":
            await self._down(page, x, y, button, values.get("clickCount") or 1)
        elif kind == "up":
            await self._up(page, x, y, button, values.get("clickCount") or 1)
        else:
            for count in range(1, (2 if kind == "dblclick" else values.get("clickCount") or 1) + 1):
                await self._down(page, x, y, button, count)
                await self._up(page, x, y, button, count)
            await self._hold(page, [])

    async def _down(self, page: Page, x: float, y: float, button: str, count: int) -> None:
        self._focus = None
        if count == 1:
            # Within a double click there is no time for a picture.
            await self._moments.before_press()
        # A move is shown with the page's next frame, a press at once and the move with it: so the
        # press does not wait for the move, only for what it is about to meet.
        moving = asyncio.ensure_future(self._move(page, x, y))
        # Whatever ends this press early, what became of the move is of no further interest.
        moving.add_done_callback(lambda moved: moved.cancelled() or moved.exception())
        target = await patient(at_point(page, x, y), timeout_s=1)
        withheld = button == "right" or (
            button == "left" and target is not None and await self._on_widget(page, target)
        )
        press = _Press(x=x, y=y, target=target, withheld=withheld)
        self._pressed[button] = press
        if target is not None and not withheld and self._may_close(page):
            press.named = asyncio.ensure_future(patient(selector_for(target), timeout_s=1))
        if target is not None and target.info.get("type") == "range":
            # A slider changes from the press on, not when it is let go.
            self._ledger.add(
                Gesture(kind="pointer", page=page, words="slider", expects=False, target=target)
            )
        if withheld or self._slowly:
            await moving
        if not withheld:
            await asyncio.gather(
                moving,
                page.mouse.down(button=button, click_count=count),  # type: ignore[arg-type]
            )
            if target is not None and button == "left":
                press.stands = asyncio.ensure_future(patient(stands(target), timeout_s=1))

    async def _up(self, page: Page, x: float, y: float, button: str, count: int) -> None:
        press = self._pressed.pop(button, None)
        if press is None:
            return
        if button == "right":

            async def click() -> None:
                await page.mouse.click(press.x, press.y, button="right")

            await self._on_right_click(page, press.target, click)
            return
        if press.withheld:
            return
        info = press.target.info if press.target else {}
        if math.hypot(x - press.x, y - press.y) > _DRAG_PX:
            await self._drop(page, press, x, y)
            return
        if count == 1:
            await self._moments.before_next()
        tag = info.get("element", {}).get("tag")
        gesture = self._ledger.add(
            Gesture(
                kind="pointer",
                page=page,
                words=f"{button} click at {round(x)}, {round(y)}",
                expects=not info.get("disabled")
                and info.get("type") not in {"range", "file"}
                and tag not in {"select", "option"},
                click_count=count,
                target=press.target,
                selector=(await press.named if press.named else None) or "",
            )
        )
        async with self._moments.making(page, title="Click") as gesture.moment:
            await page.mouse.up(button=button, click_count=count)  # type: ignore[arg-type]
        if press.stands is not None and await press.stands is False:
            self._on_vanished(gesture)

    async def _move(self, page: Page, x: float, y: float) -> None:
        if self._at != (page, x, y):
            self._at = (page, x, y)
            await page.mouse.move(x, y)

    async def _carry(self, x: float, y: float) -> None:
        """Note what a drag comes over before the page knows: a list that sorts itself under the
        hand shows the carried element there afterwards."""
        press = self._pressed.get("left")
        carried = press.target if press and not press.withheld else None
        if press is None or carried is None or carried.info.get("type") == "range":
            return
        # Points are the page's; inside a frame the end alone decides.
        if carried.frame.parent_frame or math.hypot(x - press.x, y - press.y) <= _DRAG_PX:
            return
        if press.source is None:
            press.source = await patient(selector_for(carried)) or ""
        onto = await patient(carried_onto(carried, x, y), timeout_s=1)
        if onto is None:
            return
        known = press.onto and press.onto.handle
        if known and await patient(onto.handle.evaluate("(one, other) => one === other", known)):
            return
        target = await patient(selector_for(onto))
        if press.source and target:
            press.onto, press.names = onto, (press.source, target)

    async def _drop(self, page: Page, press: _Press, x: float, y: float) -> None:
        start = press.target
        slider = start is not None and start.info.get("type") == "range"
        if slider:
            await self._move(page, x, y)
            async with self._moments.making(page, title="Slide"):
                await page.mouse.up()
            return
        gesture = self._ledger.add(
            Gesture(
                kind="pointer",
                page=page,
                words=f"drag from {round(press.x)}, {round(press.y)} to {round(x)}, {round(y)}",
                expects=False,
                told=True,
                click_count=1,
                target=start,
                ended=(x, y),
            )
        )
        await self._carry(x, y)
        end, names = await patient(at_point(page, x, y), timeout_s=1), None
        if start and press.onto:
            follows = await patient(follows_the_hand(start, x, y), timeout_s=1)
            end, names = (press.onto, press.names) if follows else (end, None)
        nowhere = goes_nowhere(start, end) if start and end else None
        if nowhere is not None and await patient(nowhere, timeout_s=1):
            end, names = None, None
        await self._move(page, x, y)
        async with self._moments.making(page, title="Drop") as gesture.moment:
            await page.mouse.up()
        if start is None:
            return
        chosen = await patient(start.frame.evaluate("() => String(getSelection() ?? '')"))
        dragged = await patient(start.handle.evaluate("(one) => !!one.closest('[draggable=true]')"))
        if not chosen or dragged:
            drag = Drag(
                page=page,
                start=start,
                onto=end,
                source=press.source,
                names=names,
                grabbed={"x": press.x - start.rect["x"], "y": press.y - start.rect["y"]},
                by={"x": x - press.x, "y": y - press.y},
            )
            await self._on_drag(drag)

    async def wheel(self, page: Page, values: Mapping[str, Any]) -> None:
        await self._hold(page, values.get("modifiers", []))
        await self._move(page, values["x"], values["y"])
        await page.mouse.wheel(values["dx"], values["dy"])

    async def key(self, page: Page, values: Mapping[str, Any]) -> None:
        kind, key = values["kind"], _named(values["key"])
        wanted = values.get("modifiers", [])
        if key in MODIFIERS:
            held = self._held.setdefault(page, set())
            if kind != "up" and key not in held:
                held.add(key)
                await page.keyboard.down(key)
            if kind != "down" and key in held:
                held.discard(key)
                await page.keyboard.up(key)
            return
        struck = key
        if kind == "press" and key.isascii() and not self._held.get(page):
            # In one call, not one for each modifier's way down and up.
            struck = "+".join([*(one for one in MODIFIERS if one in wanted), key])
        else:
            await self._hold(page, wanted)
        if kind == "up":
            try:
                await page.keyboard.up(key)
            except Error as error:
                # A key that the layout lacks was inserted as text, and has no up.
                if "Unknown key" not in error.message:
                    raise
            return
        gesture = await self._note_key(page, key, wanted)
        if gesture is None:
            await _strike(page, kind, struck)
        elif gesture.kind == "press" and not gesture.expects:
            await self._on_shortcut(page, gesture, lambda: _strike(page, kind, struck))
        else:
            typed = gesture.target if gesture.kind == "text" else None
            # A letter is no row of the trace: its parameters would spell a password.
            title = "" if gesture.kind == "text" else f"Press {gesture.key}"
            async with self._moments.making(page, title=title, typed_into=typed) as gesture.moment:
                await _strike(page, kind, struck)
        if kind == "press":
            await self._hold(page, [])

    async def text(self, page: Page, text: str) -> None:
        target = await self._focused(page)
        if target is not None and target.info.get("secret"):
            self._keep_secret(text)
        await self._moments.before_next(typing_into=target)
        gesture = self._ledger.add(Gesture(kind="text", page=page, words="text", target=target))
        async with self._moments.making(page, typed_into=target) as gesture.moment:
            await page.keyboard.insert_text(text)

    def forget(self, page: Page) -> None:
        self._held.pop(page, None)
        self._focus = None

    async def _note_key(self, page: Page, key: str, modifiers: list[str]) -> Gesture | None:
        if key in _SILENT:
            return None
        command = bool(set(modifiers) & {"Alt", "Control", "Meta"})
        types = (len(key) == 1 and not command) or key in _EDITING or key == "Space"
        pastes = (command and key.lower() == "v") or (key == "Insert" and "Shift" in modifiers)
        if not types:
            # A page may have moved the focus on while one typed.
            self._focus = None
        target = await self._focused(page)
        if key == "Enter" and not command:
            tag = target.info.get("element", {}).get("tag") if target else ""
            types = tag == "textarea" or bool(
                target and target.info.get("editable") and tag != "input"
            )
        editable = target is None or bool(target.info.get("editable"))
        checkable = target is not None and bool(target.info.get("checkable"))
        shown = "+".join([*(one for one in MODIFIERS if one in modifiers), key])
        tag = target.info.get("element", {}).get("tag") if target else ""
        if len(key) == 1 and types and not editable and tag not in {"select", "option"}:
            gesture = Gesture(
                kind="press",
                page=page,
                words=f"key {shown}",
                expects=False,
                key=shown,
                target=target,
            )
        elif types or pastes:
            secret = bool(target and target.info.get("secret"))
            # A key in a field of another kind (a select) shows there, or is a shortcut of the page.
            if secret and len(key) == 1:
                self._keep_secret(key)
            await self._moments.before_next(typing_into=target)
            gesture = Gesture(
                kind="text",
                page=page,
                words="typing" if editable or secret else f"key {shown}",
                expects=key not in _EDITING and not pastes,
                key=key if checkable else "",
                target=target,
            )
        else:
            await self._moments.before_next()
            gesture = Gesture(
                kind="press", page=page, words=f"key {shown}", key=shown, target=target
            )
        self._ledger.add(gesture)
        if gesture.kind == "press" or key == "Enter":
            self._focus = None
        return gesture

    async def _focused(self, page: Page) -> Target | None:
        """The focused element; asked for again only after what may move the focus."""
        if self._focus is None or self._focus[0] is not page:
            self._focus = (page, await patient(active(page), timeout_s=1.5))
            self._typing_secret = False
        return self._focus[1]

    def _keep_secret(self, text: str) -> None:
        if self._typing_secret:
            self.typed_secrets[-1] += text
        else:
            self.typed_secrets = [*self.typed_secrets[-50:], text]
            self._typing_secret = True

    async def _hold(self, page: Page, wanted: list[str]) -> None:
        held = self._held.setdefault(page, set())
        for key in MODIFIERS:
            if key in wanted and key not in held:
                held.add(key)
                await page.keyboard.down(key)
            elif key not in wanted and key in held:
                held.discard(key)
                await page.keyboard.up(key)


async def _strike(page: Page, kind: str, key: str) -> None:
    try:
        await (page.keyboard.down(key) if kind == "down" else page.keyboard.press(key))
    except Error as error:
        if "Unknown key" not in error.message or len(key) > 2:
            raise
        await page.keyboard.insert_text(key)


def _named(key: str) -> str:
    return {" ": "Space", "Esc": "Escape", "Del": "Delete"}.get(key, key)
