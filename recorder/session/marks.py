"""Finding the element at a point, describing it, and naming it by locators.

Scripts here run in the page's world, so a hostile page can lie to them; it can thereby only
describe itself wrongly. What they return is cut to size and used as text.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Mapping
from dataclasses import dataclass, field
from secrets import token_hex
from typing import Any, TypeVar

from playwright.async_api import ElementHandle, Error, Frame, Locator, Page

from recorder.adapter import selector_of
from recorder.selectors import rank

T = TypeVar("T")
_PATIENCE_S = 2.0
_ENTER = " >> internal:control=enter-frame >> "

_AT_POINT = """([x, y]) => {
  let found = document.elementFromPoint(x, y);
  while (found && found.shadowRoot) {
    const inner = found.shadowRoot.elementFromPoint(x, y);
    if (!inner || inner === found) break;
    found = inner;
  }
  return found;
}"""

# What a person who points there sees: not an empty, transparent element that lies above a text.
_SEEN_AT_POINT = f"""([x, y]) => {{
  const hit = ({_AT_POINT})([x, y]);
  if (!hit) return hit;
  const within = (box) => x >= box.left && x <= box.right && y >= box.top && y <= box.bottom;
  const shows = (found) => {{
    if (['IMG', 'SVG', 'CANVAS', 'VIDEO', 'INPUT', 'SELECT', 'TEXTAREA', 'BUTTON', 'IFRAME', 'FRAME'].includes(found.tagName.toUpperCase()) || found.ownerSVGElement) return true;
    const range = document.createRange();
    return [...found.childNodes].some((node) => node.nodeType === 3 && node.data.trim()
      && (range.selectNodeContents(node), [...range.getClientRects()].some(within)));
  }};
  const opaque = (found) => {{
    const style = getComputedStyle(found);
    return style.backgroundImage !== 'none' || !/^(transparent|rgba\\(.*, 0\\))$/.test(style.backgroundColor);
  }};
  if (shows(hit) || opaque(hit)) return hit;
  for (const found of hit.getRootNode().elementsFromPoint(x, y)) {{
    if (found !== hit && !found.contains(hit) && shows(found)) return found;
    if (opaque(found)) return hit;
  }}
  return hit;
}}"""

# Below the hand: not what it carries, nor a picture of that which the page moves along with it.
_CARRIED_ONTO = """(carried, [x, y]) => {
  const words = carried.textContent.trim();
  const picture = (found) => {
    for (let node = found; node && node.nodeType === 1; node = node.parentElement)
      if (node !== carried && node.textContent.trim() === words && ['fixed', 'absolute'].includes(getComputedStyle(node).position)) return true;
    return false;
  };
  for (const found of carried.ownerDocument.elementsFromPoint(x, y)) {
    if (picture(found)) continue;
    return carried.contains(found) ? 'carried' : found.contains(carried) ? null : found;
  }
  return null;
}"""

_ACTIVE = """() => {
  let found = document.activeElement;
  while (found && found.shadowRoot && found.shadowRoot.activeElement) found = found.shadowRoot.activeElement;
  return found;
}"""

# What the session must know of an element: what it is, where it is, what a native widget would offer.
DESCRIBE = """(found) => {
  const tag = found.tagName.toLowerCase();
  const type = (tag === 'input' ? found.type : '') || '';
  const cut = (text, longest) => String(text ?? '').replace(/\\s+/g, ' ').trim().slice(0, longest);
  const worded = (label) => { const copy = label.cloneNode(true); for (const control of copy.querySelectorAll('select, textarea, datalist')) control.remove(); return copy.textContent; };
  const label = found.labels && found.labels.length ? worded(found.labels[0]) : '';
  const labelled = (found.getAttribute('aria-labelledby') || '').split(/\\s+/).filter(Boolean)
    .map((id) => found.getRootNode().getElementById?.(id)?.textContent || '').join(' ');
  const implied = { a: found.hasAttribute('href') ? 'link' : '', button: 'button', select: found.multiple || found.size > 1 ? 'listbox' : 'combobox',
    textarea: 'textbox', option: 'option', img: 'img', nav: 'navigation', main: 'main', table: 'table', li: 'listitem', ul: 'list', ol: 'list',
    h1: 'heading', h2: 'heading', h3: 'heading', h4: 'heading', h5: 'heading', h6: 'heading', dialog: 'dialog', tr: 'row', td: 'cell', th: 'columnheader' }[tag]
    || (tag === 'input' ? { checkbox: 'checkbox', radio: 'radio', button: 'button', submit: 'button', reset: 'button', image: 'button',
      range: 'slider', number: 'spinbutton', search: 'searchbox' }[type] || (['hidden', 'password', 'file', 'color', 'date', 'time', 'datetime-local', 'month', 'week'].includes(type) ? '' : 'textbox') : '');
  const text = tag === 'input' || tag === 'textarea' || tag === 'select' ? '' : cut(found.innerText ?? found.textContent, 200);
  const name = cut(found.getAttribute('aria-label') || labelled || label || found.getAttribute('alt') || found.getAttribute('placeholder')
    || found.getAttribute('title') || (['submit', 'button', 'reset'].includes(type) ? found.value : '') || text, 120);
  const rect = found.getBoundingClientRect();
  const autocomplete = (found.getAttribute('autocomplete') || '').toLowerCase().split(/\\s+/);
  const secret = type === 'password' || autocomplete.some((one) => ['current-password', 'new-password', 'one-time-code'].includes(one) || one.startsWith('cc-'));
  return {
    element: { role: cut(found.getAttribute('role') || implied, 40), name, tag, text },
    type, secret, editable: found.isContentEditable || tag === 'textarea' || (tag === 'input' && !['checkbox', 'radio', 'button', 'submit', 'reset', 'image', 'file', 'range', 'color', 'hidden'].includes(type)),
    rect: { x: rect.x, y: rect.y, width: rect.width, height: rect.height },
    inner: { x: found.clientLeft + parseFloat(getComputedStyle(found).paddingLeft || 0), y: found.clientTop + parseFloat(getComputedStyle(found).paddingTop || 0),
      scaleX: found.offsetWidth ? rect.width / found.offsetWidth : 1, scaleY: found.offsetHeight ? rect.height / found.offsetHeight : 1 },
    frame: tag === 'iframe' || tag === 'frame',
    dropdown: tag === 'select' && !found.multiple && found.size <= 1 && !found.disabled,
    picker: tag === 'input' && ['date', 'time', 'datetime-local', 'month', 'week', 'color'].includes(type) && !found.disabled && !found.readOnly,
    disabled: !!found.disabled,
    checkable: type === 'checkbox' || type === 'radio',
  };
}"""

# How the element that the recorder names stands to the one pressed. A click on a part of a
# button, or on a label, is rightly named after the button or the field.
RELATION = """(named, pressed) => {
  if (!pressed.isConnected) return 'gone';
  const holds = (outer, inner) => { for (let node = inner; node; node = node.parentNode || node.host) if (node === outer) return true; return false; };
  const meant = pressed.closest('button, select, input, textarea, a, [role=button], [role=checkbox], [role=radio], [role=link]') || pressed;
  if (named === pressed || named === meant || (holds(named, pressed) && holds(meant, named))) return 'same';
  if ([...(named.labels || [])].some((label) => holds(label, pressed))) return 'same';
  if (holds(pressed, named)) return 'inside';
  return 'other';
}"""

# Whether Playwright can press it: its middle is its own, as `check()` and `click()` want it. Of what
# lies outside the view that is not known here.
PRESSABLE = """(found) => {
  const rect = found.getBoundingClientRect();
  if (!rect.width || !rect.height || getComputedStyle(found).visibility !== 'visible') return false;
  const hit = found.getRootNode().elementFromPoint(rect.x + rect.width / 2, rect.y + rect.height / 2);
  for (let node = hit; node; node = node.assignedSlot || node.parentNode || node.host) if (node === found) return true;
  return !hit;
}"""

_WIDGET = """(found) => ({
  value: String(found.value ?? ''), min: found.min || '', max: found.max || '', step: found.step || '',
  multiple: !!found.multiple, accept: found.accept || '',
  options: found.tagName === 'SELECT' ? [...found.options].slice(0, 2000).map((option) => ({
    value: option.value, label: option.label || option.text, selected: option.selected,
    disabled: option.disabled || (option.parentElement.tagName === 'OPTGROUP' && option.parentElement.disabled),
    group: option.parentElement.tagName === 'OPTGROUP' ? option.parentElement.label : '' })) : [],
})"""

# Other selectors of the element, each found to fit it alone. What a click on a part of a button is
# recorded as is the button; texts are compared as Playwright does: innermost, any case.
_CANDIDATES = """(found) => {
  const quote = (text) => JSON.stringify(String(text));
  const cut = (text) => String(text ?? '').replace(/\\s+/g, ' ').trim();
  const roots = [];
  const collect = (root) => {
    roots.push(root);
    for (const one of root.querySelectorAll('*')) if (one.shadowRoot) collect(one.shadowRoot);
  };
  collect(found.ownerDocument);
  const everywhere = (css) => roots.flatMap((root) => [...root.querySelectorAll(css)]);
  const alone = (all) => all.length === 1 && all[0] === found;
  const out = [];
  const css = (selector, told = selector) => { if (alone(everywhere(selector))) out.push(told); };
  for (const name of ['data-testid', 'data-test-id', 'data-test']) {
    const value = found.getAttribute(name);
    if (value) css(`[${name}=${quote(value)}]`, name === 'data-testid' ? `internal:testid=[data-testid=${quote(value)}s]` : `[${name}=${quote(value)}]`);
  }
  const holds = (text, part) => cut(text).toLowerCase().includes(part.toLowerCase());
  const label = found.labels && found.labels.length ? cut(found.labels[0].innerText) : cut(found.getAttribute('aria-label'));
  if (label && !found.getAttribute('aria-labelledby')) {
    const labelled = everywhere('*').filter((one) => holds(one.getAttribute('aria-label'), label)
      || [...(one.labels || [])].some((other) => holds(other.textContent, label)));
    if (alone(labelled) && !everywhere('[aria-labelledby]').length) out.push(`internal:label=${quote(label)}i`);
  }
  for (const name of ['placeholder', 'alt', 'title']) {
    const value = cut(found.getAttribute(name));
    if (value && alone(everywhere(`[${name}]`).filter((one) => holds(one.getAttribute(name), value)))) out.push(`internal:attr=[${name}=${quote(value)}i]`);
  }
  const text = cut(found.innerText);
  if (text && text.length <= 80 && !['INPUT', 'SELECT', 'TEXTAREA'].includes(found.tagName)) {
    const innermost = (node) => {
      if (['SCRIPT', 'STYLE', 'NOSCRIPT'].includes(node.nodeName) || !holds(node.textContent, text)) return [];
      const inner = [...node.children].flatMap(innermost);
      return inner.length || node.nodeType !== 1 ? inner : [node];
    };
    const named = everywhere('input[type=button], input[type=submit], input[type=reset]').some((one) => holds(one.value, text));
    if (!named && alone(roots.flatMap((root) => [...root.children].flatMap(innermost)))) out.push(`internal:text=${quote(text)}i`);
  }
  if (found.id) css(`#${CSS.escape(found.id)}`);
  if (found.getAttribute('name')) css(`${found.tagName.toLowerCase()}[name=${quote(found.getAttribute('name'))}]`);
  const path = [];
  for (let node = found; node && node.nodeType === 1 && path.length < 12; node = node.parentElement) {
    if (node.id && node !== found) { path.unshift(`#${CSS.escape(node.id)}`); break; }
    const tag = node.tagName.toLowerCase();
    const same = node.parentElement ? [...node.parentElement.children].filter((one) => one.tagName === node.tagName) : [];
    path.unshift(same.length > 1 ? `${tag}:nth-of-type(${same.indexOf(node) + 1})` : tag);
  }
  css(path.join(' > '));
  return out;
}"""
_MEANT = "(found) => found.closest('button, select, input, textarea, a, [role=button], [role=checkbox], [role=radio], [role=link]') || found"
_SURVEY = f"""(found) => {{
  const meant = ({_MEANT})(found);
  return {{ ...({DESCRIBE})(found), meant: ({DESCRIBE})(meant).element, alternatives: ({_CANDIDATES})(meant) }};
}}"""
_SURVEY_AT = f"""(at) => {{
  const found = ({_AT_POINT})(at);
  return found && ({_SURVEY})(found);
}}"""
_SURVEY_SEEN = f"""(at) => {{
  const found = ({_SEEN_AT_POINT})(at);
  return found && ({_SURVEY})(found);
}}"""
_SURVEY_ACTIVE = f"""() => {{
  const found = ({_ACTIVE})();
  return found && ({_SURVEY})(found);
}}"""


@dataclass(frozen=True, kw_only=True)
class Target:
    """An element that a gesture met."""

    frame: Frame
    handle: ElementHandle
    info: Mapping[str, Any]
    rect: Mapping[str, float] = field(default_factory=dict)  # in the page's viewport

    @property
    def element(self) -> dict[str, str]:
        return described(self.info)


def described(info: Mapping[str, Any]) -> dict[str, str]:
    element = info.get("element")
    if not isinstance(element, Mapping):
        return {}
    return {name: str(element.get(name, ""))[:200] for name in ("role", "name", "tag", "text")}


async def patient(call: Awaitable[T], *, timeout_s: float = _PATIENCE_S) -> T | None:
    """The result, or None where the page is gone, busy or behind a dialog for too long."""
    try:
        return await asyncio.wait_for(call, timeout_s)
    except (Error, TimeoutError, AssertionError):
        return None


async def at_point(page: Page, x: float, y: float, *, seen: bool = False) -> Target | None:
    """The element that a click at this point of the viewport would meet, through frames and shadow
    roots; `seen`: the one that a person sees there, where an empty one lies above it."""
    find, survey = (_SEEN_AT_POINT, _SURVEY_SEEN) if seen else (_AT_POINT, _SURVEY_AT)
    frame, left, top = page.main_frame, 0.0, 0.0
    for _ in range(12):
        # Both at once, not one after the other: the operator's hand waits for this.
        info, held = await asyncio.gather(
            frame.evaluate(survey, [x, y]), frame.evaluate_handle(find, [x, y])
        )
        element = held.as_element()
        if element is None or info is None:
            return None
        rect = info["rect"]
        if info["frame"] and (child := await element.content_frame()) is not None:
            inner = info["inner"]
            origin_x = rect["x"] + inner["x"] * inner["scaleX"]
            origin_y = rect["y"] + inner["y"] * inner["scaleY"]
            x, y = (x - origin_x) / (inner["scaleX"] or 1), (y - origin_y) / (inner["scaleY"] or 1)
            left, top, frame = left + origin_x, top + origin_y, child
            continue
        return Target(
            frame=frame,
            handle=element,
            info=info,
            rect={**rect, "x": rect["x"] + left, "y": rect["y"] + top},
        )
    return None


def alternatives_of(
    target: Target, *, selector: str, element: Mapping[str, str]
) -> tuple[str, ...]:
    """The target's other selectors as they were when it was met, if `selector` means the same element."""
    meant = target.info.get("meant")
    if not isinstance(meant, Mapping) or described({"element": meant}) != dict(element):
        return ()
    return within(selector, target.info.get("alternatives"))


async def carried_onto(carried: Target, x: float, y: float) -> Target | None:
    """What lies below the hand that carries this element, in the same document."""
    found = (await carried.handle.evaluate_handle(_CARRIED_ONTO, [x, y])).as_element()
    if found is None:
        return None
    info = await found.evaluate(DESCRIBE)
    return Target(frame=carried.frame, handle=found, info=info, rect=info["rect"])


async def follows_the_hand(carried: Target, x: float, y: float) -> bool:
    """Whether the element has been put where the hand is, as lists do that sort themselves."""
    return bool(
        await carried.handle.evaluate(
            f"(one, at) => ({_CARRIED_ONTO})(one, at) === 'carried'", [x, y]
        )
    )


async def stands(target: Target) -> bool:
    """Whether the element is still in its document."""
    return bool(await target.handle.evaluate("(found) => found.isConnected"))


async def goes_nowhere(carried: Target, end: Target) -> bool:
    """Whether a drag that ends on `end` ends on the carried element or what holds it: a slider."""
    if carried.info.get("element", {}).get("role") == "slider":
        return True
    return carried.frame is end.frame and bool(
        await end.handle.evaluate(
            "(end, carried) => end.contains(carried) || carried.contains(end)", carried.handle
        )
    )


async def active(page: Page) -> Target | None:
    """The element that has the focus, through frames and shadow roots."""
    frame = page.main_frame
    for _ in range(12):
        info, held = await asyncio.gather(
            frame.evaluate(_SURVEY_ACTIVE), frame.evaluate_handle(_ACTIVE)
        )
        element = held.as_element()
        if element is None or info is None:
            return None
        if info["frame"] and (child := await element.content_frame()) is not None:
            frame = child
            continue
        return Target(frame=frame, handle=element, info=info, rect=info["rect"])
    return None


async def widget(target: Target) -> Mapping[str, Any]:
    found = await target.handle.evaluate(_WIDGET)
    return found if isinstance(found, Mapping) else {}


async def describe(locator: Locator) -> Mapping[str, Any] | None:
    found = await patient(locator.first.evaluate(DESCRIBE, timeout=1_000))
    return found if isinstance(found, Mapping) else None


async def selector_for(target: Target) -> str:
    """The selector that codegen would give this element, from the page down."""
    mark = f"data-tapedeck-{token_hex(6)}"
    await target.handle.evaluate("(found, mark) => found.setAttribute(mark, '')", mark)
    try:
        return selector_of(await target.frame.locator(f"[{mark}]").normalize())
    finally:
        await patient(target.handle.evaluate("(found, mark) => found.removeAttribute(mark)", mark))


async def alternatives(page: Page, selector: str) -> tuple[str, ...]:
    """Other selectors that find the same single element, best first; `selector` itself not among them."""
    locator = page.locator(selector)
    if await patient(locator.count()) != 1:
        return ()
    return within(selector, await patient(locator.evaluate(_CANDIDATES, timeout=1_000)))


def within(selector: str, found: Any) -> tuple[str, ...]:
    """The selectors `found` in the frame of `selector`, from the page down, best first."""
    parts = selector.split(_ENTER)
    prefix = "".join(f"{part}{_ENTER}" for part in parts[:-1])
    raw = found if isinstance(found, list) else []
    full = [prefix + str(one) for one in raw[:12]]
    return tuple(rank(one for one in dict.fromkeys(full) if one != selector and len(one) <= 1_000))
