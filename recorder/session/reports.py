"""From the recorder's reports to steps: explained, merged, secrets taken out, or flagged."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from playwright.async_api import Page

from recorder.adapter import Recorded, RecordedAction, UntrustedAction
from recorder.selectors import SelectorRefused, parse_selector
from recorder.session.gestures import Gesture, Ledger
from recorder.session.marks import alternatives, describe, described, patient, within
from recorder.session.naming import click_selector, drawn_over, seen_selector
from recorder.session.pages import Pages, Tab
from recorder.session.stepbook import Entry, StepBook
from recorder.session.typed_secrets import TypedSecrets
from recorder.steps import Action

# The session records these itself, from what the operator asked for.
_NOT_STEPS = {"navigate", "openPage", "closePage"}
_ACTIONS = {
    "click": Action.CLICK,
    "press": Action.PRESS,
    "fill": Action.FILL,
    "check": Action.CHECK,
    "uncheck": Action.UNCHECK,
    "select": Action.SELECT,
    "setInputFiles": Action.UPLOAD,
}
_SHOWN_FORGED = 20


class Reports:
    """Takes reports in order; `on_step` hears of each step that is new or changed."""

    def __init__(
        self,
        *,
        pages: Pages,
        ledger: Ledger,
        book: StepBook,
        vault: TypedSecrets,
        on_step: Callable[[Page, Entry, Gesture], None],
        on_forged: Callable[[str], None],
    ) -> None:
        self._pages = pages
        self._ledger = ledger
        self._book = book
        self._vault = vault
        self._on_step = on_step
        self._on_forged = on_forged
        self._waiting: asyncio.Queue[Recorded] = asyncio.Queue()
        self._secret_fields: set[tuple[str, str]] = set()
        self._forged = 0
        self.listening = False

    def take(self, report: Recorded) -> None:
        if self.listening:
            self._waiting.put_nowait(report)

    async def run(self) -> None:
        while True:
            report = await self._waiting.get()
            try:
                await self._digest(report)
            finally:
                self._waiting.task_done()

    @property
    def behind(self) -> bool:
        """Whether reports wait: a gesture is not lost as long as its own may be among them."""
        return not self._waiting.empty()

    async def drained(self) -> None:
        await self._waiting.join()

    def vanished(self, gesture: Gesture) -> None:
        """Record a click whose element was rebuilt at the press: browsers report none. Its selector
        is one that fitted before; of an element in a frame there is none from the page down."""
        tab, target = self._pages.of(gesture.page), gesture.target
        found = within("", target.info.get("alternatives")) if target else ()
        if tab is None or target is None or not found or target.frame.parent_frame:
            return
        if not self.listening or not gesture.expects or gesture.admitted:
            return
        meant = target.info.get("meant")
        entry = self._book.add(
            action=Action.CLICK,
            page=tab.alias,
            url=gesture.page.url,
            selector=found[0],
            params={"button": "left", "click_count": gesture.click_count, "modifiers": []},
            element=described({"element": meant}),
            signals=tuple(gesture.signals),
            source="console",
            began_at=gesture.began_at,
        )
        self._book.change(entry.step.key, alternatives=found[1:])
        gesture.step_key, gesture.told, gesture.expects = entry.step.key, True, False
        self._on_step(gesture.page, entry, gesture)

    def closed(self, tab: Tab) -> None:
        """Record the click that closed its tab: the recorder died with the page before it told."""
        for gesture in self._ledger.lost(tab.page):
            if not self.listening or gesture.target is None:
                continue
            entry = self._book.add(
                action=Action.CLICK,
                page=tab.alias,
                url=tab.page.url,
                selector=gesture.selector,
                params={"button": "left", "click_count": gesture.click_count, "modifiers": []},
                element=gesture.target.element,
                signals=tuple(gesture.signals),
                source="console",
                began_at=gesture.began_at,
            )
            gesture.step_key = entry.step.key

    async def _digest(self, report: Recorded) -> None:
        tab = self._pages.of(report.page)
        action = report.action
        if tab is None:
            return
        if isinstance(action, UntrustedAction):
            self._flag(tab.alias, report.page, str(action))
            return
        if action.name in _NOT_STEPS:
            return
        try:
            parse_selector(action.selector)
        except SelectorRefused as refused:
            self._flag(tab.alias, report.page, f"{action.name}: {refused}")
            return
        gesture = await self._ledger.explain(report.page, action)
        if gesture is None:
            self._flag(tab.alias, report.page, f"{action.name} on {action.selector[:200]}")
            return
        if gesture.told:
            return
        if gesture.contradicted:
            self._flag(tab.alias, report.page, gesture.assumed)
            gesture.assumed, gesture.contradicted = "", False
            return
        if action.name == "click" and gesture.kind == "pointer":
            named = await click_selector(report.page, action.selector, gesture)
            action = replace(action, selector=named)
        elif action.name in {"check", "uncheck"} and await drawn_over(
            report.page, action.selector, gesture
        ):
            await self._pressed(tab.alias, report.page, action, gesture)
            return
        await self._record(tab.alias, report.page, action, gesture)

    async def _pressed(
        self, alias: str, page: Page, action: RecordedAction, gesture: Gesture
    ) -> None:
        """Record a click on what was pressed, where the recorder saw what came of it further in."""
        assert gesture.target is not None
        selector = await seen_selector(gesture.target)
        if gesture.step_key is not None:
            step = self._book.get(gesture.step_key).step
            if selector and selector != step.selector:
                self._book.change(
                    step.key,
                    selector=selector,
                    alternatives=await patient(alternatives(page, selector)) or (),
                    element=described(await describe(page.locator(selector)) or {}),
                )
            return
        params = {"button": "left", "click_count": gesture.click_count, "modifiers": []}
        if selector:
            action = replace(action, name="click", selector=selector, params=params)
            # The click itself may be told of yet.
            gesture.told = True
        await self._record(alias, page, action, gesture)

    async def _record(
        self, alias: str, page: Page, action: RecordedAction, gesture: Gesture
    ) -> None:
        info = await self._info(page, action, gesture)
        params = self._params(alias, action, gesture, info)
        merged = self._merge(alias, action, params, gesture)
        if merged is not None:
            self._on_step(page, merged, gesture)
            return
        entry = self._book.add(
            action=_ACTIONS[action.name],
            page=alias,
            url=page.url,
            selector=action.selector,
            params=params,
            element=described(info),
            signals=tuple(gesture.signals),
            began_at=gesture.began_at,
        )
        gesture.step_key = entry.step.key
        self._on_step(page, entry, gesture)

    async def _info(
        self, page: Page, action: RecordedAction, gesture: Gesture
    ) -> Mapping[str, Any]:
        last = self._book.last()
        if (
            action.name == "fill"
            and last is not None
            and last.step.action is Action.FILL
            and last.step.selector == action.selector
        ):
            # Only the text changes while one types.
            return {"element": last.step.element}
        if (look := gesture.looked_at(action.selector)) is not None:
            return look.info
        if action.name == "press" and gesture.target is not None:
            # What had the focus: the press may have been the end of it.
            return gesture.target.info
        found = await describe(page.locator(action.selector))
        return found or (gesture.target.info if gesture.target else {})

    def _params(
        self, alias: str, action: RecordedAction, gesture: Gesture, info: Mapping[str, Any]
    ) -> dict[str, Any]:
        params = dict(action.params)
        if action.name == "setInputFiles":
            return {"files": list(gesture.files)}
        if action.name == "fill":
            where = (alias, action.selector)
            # Once secret, always: pages have buttons that show the password.
            if info.get("secret") or (not info and _sounds_secret(action.selector)):
                self._secret_fields.add(where)
            if where in self._secret_fields and params["text"]:
                name = described(info).get("name") or "password"
                params["text"] = self._sealed(where, str(params["text"]), name)
        return params

    def _sealed(self, where: tuple[str, str], text: str, field: str) -> dict[str, str]:
        """One name for what grows letter by letter, a new one for another fill of the field."""
        last = self._book.last()
        if last is not None and last.step.action is Action.FILL:
            held = last.step.params.get("text")
            if (last.step.page, last.step.selector) == where and isinstance(held, Mapping):
                self._vault.replace(held, text)
                return dict(held)
        return self._vault.hold(text, field=field)

    def _merge(
        self, alias: str, action: RecordedAction, params: dict[str, Any], gesture: Gesture
    ) -> Entry | None:
        last = self._book.last()
        if last is None or last.step.page != alias or last.step.source != "recorder":
            return None
        step, key = last.step, last.step.key
        same = step.selector == action.selector
        if action.name == "fill" and step.action is Action.FILL and same:
            gesture.step_key = gesture.step_key or key
            return self._book.change(key, params=params)
        if (
            action.name == "click"
            and step.action is Action.CLICK
            and same
            and params["click_count"] == int(step.params.get("click_count", 1)) + 1
        ):
            gesture.step_key = key
            return self._book.change(key, params=params)
        if action.name in {"check", "uncheck"} and gesture.step_key == key:
            # The click on the label and the change of its box are one thing the operator did.
            return self._book.change(
                key, action=_ACTIONS[action.name], selector=action.selector, params={}
            )
        return None

    def _flag(self, alias: str, page: Page, what: str) -> None:
        self._forged += 1
        if self._forged > _SHOWN_FORGED:
            return
        self._book.add(
            action=Action.UNRECORDED,
            page=alias,
            url=page.url,
            params={"gesture": what[:300]},
            flags=("forged",),
        )
        self._on_forged(what[:300])


def _sounds_secret(selector: str) -> bool:
    lower = selector.lower()
    return any(word in lower for word in ("passw", "pwd", "secret", "card", "cvc", "otp"))
