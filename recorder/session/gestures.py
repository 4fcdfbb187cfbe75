"""The ledger of forwarded input: a recorded action counts only if a gesture in here explains it."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from time import monotonic, time
from typing import Any, Literal

from playwright.async_api import Page

from recorder.adapter import RecordedAction
from recorder.session.marks import DESCRIBE, PRESSABLE, RELATION, Target, patient
from recorder.session.moments import Moment
from recorder.steps import Signal


@dataclass(frozen=True, kw_only=True)
class Look:
    """What the page says of the element that a report names: `info` describes it; `pressable`: a
    replay could press it; `relation` is how it stands to what the gesture pressed."""

    selector: str
    info: Mapping[str, Any]
    pressable: bool
    relation: str


Kind = Literal["pointer", "press", "text", "select", "picker", "upload", "console"]

# How long after its gesture an action may come: a click waits 0.5 s in the recorder.
MATCHES_FOR_S = 6.0
UNRECORDED_AFTER_S = 3.0
EFFECTS_FOR_S = 8.0
_DROP_CLICKS_FOR_S = 1.5

_SAME = """(found, target) => {
  const climbs = (from, to) => { for (let node = from; node; node = node.parentNode || node.host) if (node === to) return true; return false; };
  return climbs(target, found) || climbs(found, target) || [...(found.labels || [])].some((label) => climbs(target, label));
}"""
_ANY_SAME = f"(all, target) => target.isConnected && all.slice(0, 20).some((found) => ({_SAME})(found, target))"
# All that is asked of a reported selector, in one call: a call through a locator takes a dozen
# milliseconds of the browser's time, and the operator's next gesture waits for that browser.
_LOOK = f"""(all, targets) => {{
  if (!all.length) return null;
  const some = all.slice(0, 20);
  return {{
    info: ({DESCRIBE})(all[0]),
    pressable: ({PRESSABLE})(all[0]),
    targets: targets.map((target) => ({{
      same: target.isConnected ? some.some((found) => ({_SAME})(found, target)) : null,
      relation: ({RELATION})(all[0], target),
    }})),
  }};
}}"""
_UNDER = """(all, [x, y]) => all.slice(0, 20).some((found) => {
  const box = found.getBoundingClientRect();
  return x >= box.left && x <= box.right && y >= box.top && y <= box.bottom;
})"""
_TAKES_TEXT = """(found) => {
  const root = found.getRootNode();
  return root.activeElement === found || found.ownerDocument.activeElement === found || found.contains(root.activeElement);
}"""
# Or more: a report of the first letters is looked at when the others are there.
_HOLDS = """(found, text) => {
  const held = String((found.isContentEditable ? found.innerText : found.value) ?? '');
  return held === text || (!!text && held.startsWith(text));
}"""


@dataclass(eq=False, kw_only=True)
class Gesture:
    """One thing the operator did. `expects`: the recorder should report it."""

    kind: Kind
    page: Page
    words: str
    expects: bool = True
    key: str = ""
    # It has its step: a click that the recorder reports of it is no other (drags).
    told: bool = False
    # A click reported on something else that was taken for this one: see `Ledger._assumed`.
    assumed: str = ""
    contradicted: bool = False
    click_count: int = 0
    target: Target | None = None
    # Of a drag: where it ended, in the page's viewport.
    ended: tuple[float, float] | None = None
    files: tuple[str, ...] = ()
    at: float = field(default_factory=monotonic)
    made_at: float = field(default_factory=monotonic)
    admitted: set[str] = field(default_factory=set)
    step_key: str | None = None
    signals: list[Signal] = field(default_factory=list)
    began_at: float = field(default_factory=time)
    # Where its page may be gone before it is told of: the selector, found in time.
    selector: str = ""
    # The page right after it.
    moment: Moment | None = None
    # At what was last reported of it.
    look: Look | None = None

    def looked_at(self, selector: str) -> Look | None:
        return self.look if self.look is not None and self.look.selector == selector else None


class Ledger:
    """Recent gestures, oldest first."""

    def __init__(self) -> None:
        self._gestures: deque[Gesture] = deque(maxlen=400)
        self._typed_into: set[tuple[Page, str]] = set()

    def add(self, gesture: Gesture) -> Gesture:
        self._gestures.append(gesture)
        return gesture

    def latest(self, page: Page) -> Gesture | None:
        """The gesture that what happens on `page` now is most likely an effect of."""
        for gesture in reversed(self._gestures):
            if gesture.page is page:
                return gesture if monotonic() - gesture.at < EFFECTS_FOR_S else None
        return None

    def newest(self) -> Gesture | None:
        return self._gestures[-1] if self._gestures else None

    async def explain(self, page: Page, action: RecordedAction) -> Gesture | None:
        """The gesture behind `action`, marked as recorded; None: there is none."""
        match action.name:
            case "click" | "check" | "uncheck":
                return await self._pointer(page, action)
            case "press":
                return self._press(page, str(action.params["key"]))
            case "fill":
                return await self._fill(page, action)
            case "select":
                return await self._widget(page, action, ("select", "press", "text", "pointer"))
            case "setInputFiles":
                return await self._widget(page, action, ("upload",))
        return None

    def late(self) -> list[Gesture]:
        """Gestures that should have been reported by now."""
        now = monotonic()
        return [
            one
            for one in self._gestures
            if one.expects and not one.admitted and now - one.at > UNRECORDED_AFTER_S
        ]

    def unrecorded(self) -> list[Gesture]:
        """The late ones; each is returned once."""
        late = self.late()
        for gesture in late:
            gesture.expects = False
        return late

    def lost(self, page: Page) -> list[Gesture]:
        """Clicks whose tab closed before the recorder told of them; each is returned once."""
        found = [
            one
            for one in self._gestures
            if one.page is page and one.expects and not one.admitted and one.selector
        ]
        for gesture in found:
            gesture.admitted.add("click")
        return found

    def awaited(self) -> bool:
        """Whether a report of something that the operator did is still to come."""
        now = monotonic()
        return any(
            one.expects and not one.admitted and now - one.at <= UNRECORDED_AFTER_S
            for one in self._gestures
        )

    def forgive(self, *, for_s: float = math.inf) -> None:
        """Something holds everything up: count from now on; for gestures younger than `for_s`."""
        now = monotonic()
        for gesture in self._gestures:
            if gesture.expects and not gesture.admitted and now - gesture.made_at < for_s:
                gesture.at = now

    def excuse(self) -> None:
        """What was done while the recorder was off on purpose will not be reported."""
        for gesture in self._gestures:
            gesture.expects = False

    def _recent(self, page: Page, kinds: Iterable[Kind]) -> list[Gesture]:
        oldest = monotonic() - MATCHES_FOR_S
        wanted = set(kinds)
        return [
            one
            for one in self._gestures
            if one.page is page and one.kind in wanted and one.at > oldest
        ]

    async def _pointer(self, page: Page, action: RecordedAction) -> Gesture | None:
        if action.name != "click":
            for gesture in self._recent(page, ("press", "text")):
                if gesture.key == "Space" and not gesture.admitted:
                    gesture.admitted.add(action.name)
                    return gesture
        count = int(action.params.get("click_count", 1))
        unclear: Gesture | None = None
        candidates = [
            one
            for one in self._recent(page, ("pointer",))
            if not one.told
            and action.name not in one.admitted
            and (action.name != "click" or one.click_count == count)
        ]
        met = await self._met(page, action.selector, candidates)
        for gesture in candidates:
            if gesture in met:
                same: bool | None = met[gesture]
            else:
                same = await self._meets(page, action.selector, gesture)
            # What double clicks began with is told of already: rather one that is still awaited.
            if (
                same is None
                and not gesture.admitted
                and (unclear is None or (gesture.expects and not unclear.expects))
            ):
                unclear = gesture
            if same:
                return self._admit_click(gesture, action.name)
        if unclear is not None:
            return self._admit_click(unclear, action.name)
        return (
            await self._byproduct(page, action)
            or self._assumed(page, action, count)
            or await self._contradicted(page, action, count)
            or await self._byproduct(page, action, surely=False)
        )

    async def _byproduct(
        self, page: Page, action: RecordedAction, *, surely: bool = True
    ) -> Gesture | None:
        """The drag that a click may have come of, on what was dragged or just below the hand. Each
        explains one, and none becomes a step."""
        for gesture in self._recent(page, ("pointer",)):
            if not gesture.told or "click" in gesture.admitted:
                continue
            if surely:
                fits = await self._meets(page, action.selector, gesture)
            else:
                recent = monotonic() - gesture.at < _DROP_CLICKS_FOR_S
                fits = recent and await self._ended_on(page, action.selector, gesture)
            if fits:
                gesture.admitted.add("click")
                return gesture
        return None

    async def _ended_on(self, page: Page, selector: str, gesture: Gesture) -> bool:
        """Whether a drag ended on what `selector` names; a page that is gone can not be asked."""
        in_frame = gesture.target is not None and gesture.target.frame is not page.main_frame
        if gesture.ended is None or in_frame or " internal:control=enter-frame " in selector:
            return True
        found = await patient(page.locator(selector).evaluate_all(_UNDER, list(gesture.ended)))
        return found is not False

    def _assumed(self, page: Page, action: RecordedAction, count: int) -> Gesture | None:
        """The click that this must be about although it names another element.

        When a press moves the focus, Playwright's recorder names the element that got it: the
        first option of a list that opens, the calendar around an arrow. What the step acts on is
        taken from the gesture, so a page that forges this can move nothing; and once the true
        report arrives, the false one is flagged.
        """
        if action.name != "click":
            return None
        for gesture in self._recent(page, ("pointer",)):
            waits = gesture.expects and not gesture.admitted and gesture.target is not None
            if waits and gesture.click_count == count:
                gesture.assumed = f"click on {action.selector[:200]}"
                return self._admit_click(gesture, action.name)
        return None

    async def _contradicted(self, page: Page, action: RecordedAction, count: int) -> Gesture | None:
        """The click that this truly is about, where another report was taken for it."""
        for gesture in self._recent(page, ("pointer",)):
            if gesture.assumed and gesture.click_count == count:
                gesture.contradicted = bool(await self._meets(page, action.selector, gesture))
                if gesture.contradicted:
                    return gesture
        return None

    def _admit_click(self, gesture: Gesture, name: str) -> Gesture:
        gesture.admitted.add(name)
        for other in self._recent(gesture.page, ("pointer",)):
            # The clicks that a double click began with are told of with it.
            if other.click_count < gesture.click_count and other.at <= gesture.at < other.at + 1.5:
                other.expects = False
        return gesture

    async def _met(
        self, page: Page, selector: str, candidates: list[Gesture]
    ) -> dict[Gesture, bool]:
        """Which of these gestures met what `selector` names, in one call.

        Those whose element is gone, or in another document, are left out: `_meets` looks closer.
        """
        asked = [
            (one, one.target.handle)
            for one in candidates
            if one.target is not None and one.target.frame is page.main_frame
        ]
        if not asked:
            return {}
        handles = [handle for _, handle in asked]
        answer: Any = await patient(page.locator(selector).evaluate_all(_LOOK, handles))
        told = answer.get("targets") if isinstance(answer, Mapping) else None
        if not isinstance(told, list) or len(told) != len(asked):
            return {}
        met: dict[Gesture, bool] = {}
        for (gesture, _), one in zip(asked, told, strict=True):
            gesture.look = Look(
                selector=selector,
                info=answer["info"],
                pressable=bool(answer["pressable"]),
                relation=str(one["relation"]),
            )
            if isinstance(one["same"], bool):
                met[gesture] = one["same"]
        return met

    async def _meets(self, page: Page, selector: str, gesture: Gesture) -> bool | None:
        """Whether `selector` names the element that was pointed at; None: no longer to be told."""
        if gesture.target is None:
            return None
        # One call where nothing is odd; what is gone, or in another frame, is looked at closely.
        if await patient(page.locator(selector).evaluate_all(_ANY_SAME, gesture.target.handle)):
            return True
        attached = await patient(gesture.target.handle.evaluate("(found) => found.isConnected"))
        if not attached:
            return None
        found = await patient(page.locator(selector).element_handles())
        if not found:
            # Its page still stands: a name that fits nothing there may come from a changed text.
            return None if found is not None and not _points_elsewhere(selector) else False
        for one in found[:20]:
            if await patient(one.evaluate(_SAME, gesture.target.handle)):
                return True
        return False

    def _press(self, page: Page, key: str) -> Gesture | None:
        for gesture in self._recent(page, ("press", "text")):
            if gesture.key == key and not gesture.admitted:
                gesture.admitted.add("press")
                return gesture
        return None

    async def _fill(self, page: Page, action: RecordedAction) -> Gesture | None:
        gestures = self._recent(page, ("text", "press", "picker", "pointer"))
        # Of pointer gestures only sliders change a value.
        gestures = [
            one
            for one in gestures
            if one.kind != "pointer" or (one.target and one.target.info.get("type") == "range")
        ]
        if not gestures:
            return None
        where = (page, action.selector)
        if where not in self._typed_into:
            if await self._fits(page, action, gestures) is False:
                return None
            self._typed_into.add(where)
        for gesture in gestures:
            if gesture.kind != "press":
                gesture.admitted.add("fill")
        return gestures[-1]

    async def _fits(
        self, page: Page, action: RecordedAction, gestures: list[Gesture]
    ) -> bool | None:
        """Whether the field named takes, or took, what was typed; None: it is gone, or busy."""
        focused = {id(one.target): one for one in gestures if one.target is not None}
        met = await self._met(page, action.selector, list(focused.values()))
        for gesture in focused.values():
            same = met.get(gesture)
            if same or (same is None and await self._meets(page, action.selector, gesture)):
                return True
        locator = page.locator(action.selector).first
        if not await patient(locator.count(), timeout_s=4):
            return None
        takes = await patient(locator.evaluate(_TAKES_TEXT, timeout=3_000), timeout_s=4)
        if takes:
            return True
        text = action.params["text"]
        return await patient(locator.evaluate(_HOLDS, text, timeout=3_000), timeout_s=4)

    async def _widget(
        self, page: Page, action: RecordedAction, kinds: tuple[Kind, ...]
    ) -> Gesture | None:
        for gesture in reversed(self._recent(page, kinds)):
            if action.name in gesture.admitted and gesture.kind == kinds[0]:
                continue
            if gesture.target is not None and (
                await self._meets(page, action.selector, gesture) is False
            ):
                continue
            gesture.admitted.add(action.name)
            return gesture
        return None


def _points_elsewhere(selector: str) -> bool:
    """A css or id selector that finds nothing never fitted; a text may have changed since."""
    last = selector.split(" >> ")[-1]
    return not last.startswith("internal:")
