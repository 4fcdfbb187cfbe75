"""Which selector a click is kept under: the recorder's, or the one of the element that was pressed.

Playwright's recorder names what it last saw hovered *or focused*. A press that moves the focus (a
calendar around its arrow, the first option of a list that opens) or that rebuilds what was
pressed leaves it with a name of something else. What the operator pressed is marked before the
press reaches the page, so that decides.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from playwright.async_api import Page

from recorder.session.gestures import Gesture
from recorder.session.marks import (
    PRESSABLE,
    RELATION,
    Target,
    describe,
    described,
    patient,
    selector_for,
    within,
)

_ACTED_ON = """(pressed) => {
  for (let node = pressed; node; node = node.parentNode || node.host)
    if (node.nodeType === 1 && /^(button|link|option|menuitem(radio|checkbox)?|tab|treeitem|gridcell|switch|radio|checkbox)$/.test(node.getAttribute('role') || '')) return node;
  return pressed;
}"""


# What a person would say was pressed, where it is a part without a name: the label around a drawn
# box, or the component whose own tree the part is in. A slot has no box to press.
_AS_SEEN = """(pressed) => {
  let found = pressed;
  for (let node = pressed; node; node = node.parentNode || node.host) if (node.localName === 'label') { found = node; break; }
  while (found.getRootNode().host && !found.textContent.trim()) found = found.getRootNode().host;
  return found;
}"""


async def click_selector(page: Page, selector: str, gesture: Gesture) -> str:
    """`selector`, or a better one where it does not name what the gesture pressed."""
    target = gesture.target
    if target is None:
        return selector
    named = page.locator(selector).first
    look = gesture.looked_at(selector)
    if look is not None:
        relation: Any = look.relation
    else:
        relation = await patient(named.evaluate(RELATION, target.handle, timeout=1_000))
    if look is not None and described(look.info).get("tag") == "slot":
        return await seen_selector(target) or selector
    if relation == "other":
        return await patient(_pressed_selector(target)) or _kept(selector, gesture) or selector
    if relation == "gone":
        now = look.info if look else await describe(named)
        then = described({"element": target.info.get("meant")})
        alike = now and described(now).get("tag") == then.get("tag")
        return selector if alike else _kept(selector, gesture) or selector
    return selector


async def drawn_over(page: Page, selector: str, gesture: Gesture) -> bool:
    """Whether a replay could not press what `selector` names, because what the operator pressed is
    drawn in its place: the input inside a component that draws its own box."""
    if gesture.kind != "pointer" or gesture.target is None:
        return False
    if (look := gesture.looked_at(selector)) is not None:
        return not look.pressable
    named = page.locator(selector).first
    return await patient(named.evaluate(PRESSABLE, timeout=1_000)) is False


async def seen_selector(target: Target) -> str:
    """The selector of what was pressed as a person sees it, if a replay could press it."""
    found = await patient(target.handle.evaluate_handle(_AS_SEEN))
    seen = found.as_element() if found else None
    if seen is None or await patient(seen.evaluate(PRESSABLE)) is not True:
        return ""
    return await patient(selector_for(replace(target, handle=seen))) or ""


async def _pressed_selector(target: Target) -> str:
    """The selector of what a press here acts on: the option around its words, say."""
    found = (await target.handle.evaluate_handle(_ACTED_ON)).as_element()
    return await selector_for(replace(target, handle=found) if found else target)


def _kept(selector: str, gesture: Gesture) -> str:
    """The best of the selectors that fitted the pressed element alone, before the press."""
    found = within(selector, gesture.target.info.get("alternatives")) if gesture.target else ()
    return found[0] if found else ""
