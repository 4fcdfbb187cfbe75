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

_AT_POINT = """([x, y]) => {
  let found = document.elementFromPoint(x, y);
  while (found && found.shadowRoot) {
    const inner = found.shadowRoot.elementFromPoint(x, y);
    if (!inner || inner === found) break;
    found = inner;
  }
  return found;
}"""

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
_DESCRIBE = """(found) => {
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

_WIDGET = """(found) => ({
  value: String(found.value ?? ''), min: found.min || '', max: found.max || '', step: found.step || '',
  multiple: !!found.multiple, accept: found.accept || '',
  options: found.tagName === 'SELECT' ? [...found.options].slice(0, 2000).map((option) => ({
    value: option.value, label: option.label || option.text, selected: option.selected,
    disabled: option.disabled || (option.parentElement.tagName === 'OPTGROUP' && option.parentElement.disabled),
    group: option.parentElement.tagName === 'OPTGROUP' ? option.parentElement.label : '' })) : [],
})"""

_CANDIDATES = """(found) => {
  const quote = (text) => JSON.stringify(String(text));
  const out = [];
  const cut = (text) => String(text ?? '').replace(/\\s+/g, ' ').trim();
  for (const name of ['data-testid', 'data-test-id', 'data-test'])
    if (found.getAttribute(name)) out.push(name === 'data-testid'
      ? `internal:testid=[data-testid=${quote(found.getAttribute(name))}s]` : `[${name}=${quote(found.getAttribute(name))}]`);
  const label = found.labels && found.labels.length ? cut(found.labels[0].innerText) : cut(found.getAttribute('aria-label'));
  if (label) out.push(`internal:label=${quote(label)}i`);
  for (const name of ['placeholder', 'alt', 'title'])
    if (found.getAttribute(name)) out.push(`internal:attr=[${name}=${quote(found.getAttribute(name))}i]`);
  const text = cut(found.innerText);
  if (text && text.length <= 80 && !['INPUT', 'SELECT', 'TEXTAREA'].includes(found.tagName)) out.push(`internal:text=${quote(text)}i`);
  const ident = (value) => CSS.escape(value);
  if (found.id) out.push(`#${ident(found.id)}`);
  if (found.getAttribute('name')) out.push(`${found.tagName.toLowerCase()}[name=${quote(found.getAttribute('name'))}]`);
  const path = [];
  for (let node = found; node && node.nodeType === 1 && path.length < 12; node = node.parentElement) {
    if (node.id && node !== found) { path.unshift(`#${ident(node.id)}`); break; }
    const tag = node.tagName.toLowerCase();
    const same = node.parentElement ? [...node.parentElement.children].filter((one) => one.tagName === node.tagName) : [];
    path.unshift(same.length > 1 ? `${tag}:nth-of-type(${same.indexOf(node) + 1})` : tag);
  }
  out.push(path.join(' > '));
  return out;
}"""


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


async def at_point(page: Page, x: float, y: float) -> Target | None:
    """The element that a click at this point of the viewport would meet, through frames and shadow roots."""
    frame, left, top = page.main_frame, 0.0, 0.0
    for _ in range(12):
        element = (await frame.evaluate_handle(_AT_POINT, [x, y])).as_element()
        if element is None:
            return None
        info = await element.evaluate(_DESCRIBE)
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


async def carried_onto(carried: Target, x: float, y: float) -> Target | None:
    """What lies below the hand that carries this element, in the same document."""
    found = (await carried.handle.evaluate_handle(_CARRIED_ONTO, [x, y])).as_element()
    if found is None:
        return None
    info = await found.evaluate(_DESCRIBE)
    return Target(frame=carried.frame, handle=found, info=info, rect=info["rect"])


async def follows_the_hand(carried: Target, x: float, y: float) -> bool:
    """Whether the element has been put where the hand is, as lists do that sort themselves."""
    return bool(
        await carried.handle.evaluate(
            f"(one, at) => ({_CARRIED_ONTO})(one, at) === 'carried'", [x, y]
        )
    )


async def active(page: Page) -> Target | None:
    """The element that has the focus, through frames and shadow roots."""
    frame = page.main_frame
    for _ in range(12):
        element = (await frame.evaluate_handle(_ACTIVE)).as_element()
        if element is None:
            return None
        info = await element.evaluate(_DESCRIBE)
        if info["frame"] and (child := await element.content_frame()) is not None:
            frame = child
            continue
        return Target(frame=frame, handle=element, info=info, rect=info["rect"])
    return None


async def widget(target: Target) -> Mapping[str, Any]:
    found = await target.handle.evaluate(_WIDGET)
    return found if isinstance(found, Mapping) else {}


async def describe(locator: Locator) -> Mapping[str, Any] | None:
    found = await patient(locator.first.evaluate(_DESCRIBE, timeout=1_000))
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
    parts = selector.split(" >> internal:control=enter-frame >> ")
    prefix = "".join(f"{part} >> internal:control=enter-frame >> " for part in parts[:-1])
    locator = page.locator(selector)
    if await patient(locator.count()) != 1:
        return ()
    wanted = await patient(locator.element_handle(timeout=1_000))
    raw = await patient(wanted.evaluate(_CANDIDATES)) if wanted else None
    if wanted is None or not isinstance(raw, list):
        return ()
    kept = []
    for candidate in dict.fromkeys(str(one) for one in raw[:12]):
        full = prefix + candidate
        if full == selector or len(full) > 1_000:
            continue
        found = await patient(page.locator(full).element_handles())
        if (
            found
            and len(found) == 1
            and await patient(wanted.evaluate("(one, other) => one === other", found[0]))
        ):
            kept.append(full)
    return tuple(rank(kept))
