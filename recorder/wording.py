"""A step in a person's words, one line, safe to show and to put into a comment."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from recorder.grammar import ByText, HasText, Role, TestId
from recorder.selectors import SelectorRefused, parse_selector, shorten, to_python
from recorder.steps import Action, Step
from recorder.vault import secret_name

_CLICKS = {2: "Double-click", 3: "Triple-click"}
_BUTTONS = {"right": "Right-click", "middle": "Middle-click"}
_KINDS = {
    "text": "text",
    "label": "field",
    "placeholder": "field",
    "alt": "image",
    "title": "element",
}


def wording(step: Step) -> str:
    """What `step` does, as `Click button "Save"`."""
    words = _words(step)
    if "forged" in step.flags:
        words = f"Not done by the operator: {words}"
    return shorten(words, 200)


def _words(step: Step) -> str:
    params = step.params
    match step.action:
        case Action.OPEN_PAGE:
            return f"Open a tab{_at(params.get('url'))}"
        case Action.CLOSE_PAGE:
            return "Close the tab"
        case Action.NAVIGATE:
            return f"Open {_text(params.get('url'))}"
        case Action.GO_BACK:
            return "Go back"
        case Action.GO_FORWARD:
            return "Go forward"
        case Action.RELOAD:
            return "Reload the page"
        case Action.CLICK:
            return f"{_click(params)} {_element(step)}"
        case Action.HOVER:
            return f"Point at {_element(step)}"
        case Action.DRAG:
            by = params.get("by")
            if isinstance(by, Mapping):
                return f"Drag {_element(step)} by {_text(by.get('x'))}, {_text(by.get('y'))}"
            return f"Drag {_element(step)} to {_locator_words(params.get('target'))}"
        case Action.FILL:
            return f"Fill {_element(step)} with {_value(params.get('text'))}"
        case Action.PRESS:
            where = f" in {_element(step)}" if step.selector else ""
            return f"Press {_text(params.get('key'))}{where}"
        case Action.CHECK:
            return f"Check {_element(step)}"
        case Action.UNCHECK:
            return f"Uncheck {_element(step)}"
        case Action.SELECT:
            return f"Select {_list(params.get('options'))} in {_element(step)}"
        case Action.UPLOAD:
            return f"Upload {_list(params.get('files'))} to {_element(step)}"
        case Action.SCROLL:
            return f"Scroll by {_text(params.get('dx', 0))}, {_text(params.get('dy', 0))}"
        case Action.ASSERT_VISIBLE:
            return f"Expect {_element(step)} to be visible"
        case Action.ASSERT_TEXT:
            verb = "contain" if params.get("substring") else "read"
            return f"Expect {_element(step)} to {verb} {_value(params.get('text'))}"
        case Action.ASSERT_VALUE:
            return f"Expect {_element(step)} to hold {_value(params.get('text'))}"
        case Action.ASSERT_CHECKED:
            state = "checked" if params.get("checked", True) else "not checked"
            return f"Expect {_element(step)} to be {state}"
        case Action.ASSERT_URL:
            return f"Expect the address {_text(params.get('url'))}"
        case Action.UNRECORDED:
            return f"Not recorded: {_text(params.get('gesture')) or 'a gesture'}"


def _click(params: Mapping[str, object]) -> str:
    count = params.get("click_count", 1)
    words = _CLICKS.get(count, "Click") if isinstance(count, int) else "Click"
    if words == "Click":
        words = _BUTTONS.get(str(params.get("button")), "Click")
    modifiers = params.get("modifiers")
    if isinstance(modifiers, Sequence) and not isinstance(modifiers, str) and modifiers:
        words = f"{'+'.join(_text(name) for name in modifiers)}+{words.lower()}"
    return words


def _element(step: Step) -> str:
    role, name = step.element.get("role", ""), step.element.get("name", "")
    if role and name:
        return f'{shorten(role, 30)} "{shorten(name)}"'
    if step.selector:
        named = _named_by(step.selector)
        if named:
            return named
    tag, text = step.element.get("tag", ""), step.element.get("text", "")
    if (role or tag) and text:
        return f'{shorten(role or tag, 30)} "{shorten(text)}"'
    return _locator_words(step.selector) if step.selector else "the page"


def _locator_words(selector: object) -> str:
    try:
        chain = parse_selector(selector)
    except SelectorRefused:
        return "an element"
    return _named_by(chain.source) or shorten(to_python(chain))


def _named_by(selector: str) -> str:
    """The element by the last part of its selector that names it."""
    try:
        chain = parse_selector(selector)
    except SelectorRefused:
        return ""
    for part in reversed(chain.parts):
        if isinstance(part, Role):
            return f'{part.role} "{shorten(part.name.text)}"' if part.name else ""
        if isinstance(part, ByText):
            return f'{_KINDS[part.kind]} "{shorten(part.match.text)}"'
        if isinstance(part, TestId):
            return f'element "{shorten(part.match.text)}"'
        if isinstance(part, HasText):
            return f'element with text "{shorten(part.match.text)}"'
    return ""


def _value(value: object) -> str:
    name = secret_name(value)
    if name:
        return f"the secret {name}"
    return f'"{_text(value)}"'


def _at(url: object) -> str:
    return f" at {_text(url)}" if url else ""


def _list(values: object) -> str:
    if not isinstance(values, Sequence) or isinstance(values, str):
        return _value(values)
    return ", ".join(_value(value) for value in values[:5]) + (" …" if len(values) > 5 else "")


def _text(value: object) -> str:
    return shorten(str(value)) if isinstance(value, str | int | float) else ""
