"""Which selector a click is kept under: the recorder's, or the one of the element that was pressed.

Playwright's recorder names what it last saw hovered *or focused*. A press that moves the focus (a
calendar around its arrow, the first option of a list that opens) or that rebuilds what was
pressed leaves it with a name of something else. What the operator pressed is marked before the
press reaches the page, so that decides.
"""

from __future__ import annotations

from dataclasses import replace

from playwright.async_api import Page

from recorder.session.gestures import Gesture
from recorder.session.marks import Target, describe, described, patient, selector_for, within

# How the element that the recorder names stands to the one pressed. A click on a part of a
# button, or on a label, is rightly named after the button or the field.
_RELATION = """(named, pressed) => {
  if (!pressed.isConnected) return 'gone';
  const holds = (outer, inner) => { for (let node = inner; node; node = node.parentNode || node.host) if (node === outer) return true; return false; };
  const meant = pressed.closest('button, select, input, textarea, a, [role=button], [role=checkbox], [role=radio], [role=link]') || pressed;
  if (named === pressed || named === meant || (holds(named, pressed) && holds(meant, named))) return 'same';
  if ([...(named.labels || [])].some((label) => holds(label, pressed))) return 'same';
  if (holds(pressed, named)) return 'inside';
  return 'other';
}"""


_ACTED_ON = """(pressed) => {
  for (let node = pressed; node; node = node.parentNode || node.host)
    if (node.nodeType === 1 && /^(button|link|option|menuitem(radio|checkbox)?|tab|treeitem|gridcell|switch|radio|checkbox)$/.test(node.getAttribute('role') || '')) return node;
  return pressed;
}"""


async def click_selector(page: Page, selector: str, gesture: Gesture) -> str:
    """`selector`, or a better one where it does not name what the gesture pressed."""
    target = gesture.target
    if target is None:
        return selector
    named = page.locator(selector).first
    relation = await patient(named.evaluate(_RELATION, target.handle, timeout=1_000))
    if relation == "other":
        return await patient(_named(target)) or _kept(selector, gesture) or selector
    if relation == "gone":
        now, then = await describe(named), described({"element": target.info.get("meant")})
        alike = now and described(now).get("tag") == then.get("tag")
        return selector if alike else _kept(selector, gesture) or selector
    return selector


async def _named(target: Target) -> str:
    """The selector of what a press here acts on: the option around its words, say."""
    found = (await target.handle.evaluate_handle(_ACTED_ON)).as_element()
    return await selector_for(replace(target, handle=found) if found else target)


def _kept(selector: str, gesture: Gesture) -> str:
    """The best of the selectors that fitted the pressed element alone, before the press."""
    found = within(selector, gesture.target.info.get("alternatives")) if gesture.target else ()
    return found[0] if found else ""
