"""One typed step as the Playwright statements that repeat it."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import Any
from urllib.parse import urlsplit

from recorder.selectors import SelectorRefused, python_for, quote, shorten
from recorder.steps import Action, Signal, Step
from recorder.vault import secret_name

ALIAS = re.compile(r"page[0-9]{0,3}")
MAX_TEXT = 100_000
_KEY = re.compile(
    r"(?:(?:Alt|Control|ControlOrMeta|Meta|Shift)\+)*(?:[A-Za-z][A-Za-z0-9]{0,30}|\S| )"
)
_MODIFIERS = frozenset({"Alt", "Control", "ControlOrMeta", "Meta", "Shift"})
# Tuples where the value may be anything: a set would need it to be hashable.
_WAIT_UNTIL = ("commit", "domcontentloaded", "load", "networkidle")


class StepRefused(ValueError):
    """This step can not become code; the message says why, in words."""


@dataclass(kw_only=True)
class Flow:
    """What the statements so far have made: open pages, used secrets, needed imports."""

    pages: set[str] = field(default_factory=lambda: {"page"})
    secrets: set[str] = field(default_factory=set)
    downloads: int = 0
    boxes: int = 0


def statements(step: Step, *, position: int, flow: Flow) -> list[str]:
    """The lines (unindented, nested ones by four blanks) that repeat `step`.

    :raises StepRefused: nothing that could be run describes this step.
    """
    page = step.page
    if not ALIAS.fullmatch(page):
        raise StepRefused("The step names no known tab.")
    if step.action == Action.OPEN_PAGE:
        lines = _open_page(step, flow)
    else:
        if page not in flow.pages:
            raise StepRefused(f"The tab {page} is not open: no step before this one opens it.")
        lines = _ACTIONS[step.action](step, flow)
    return _with_signals(lines, step, position=position, flow=flow)


def _open_page(step: Step, flow: Flow) -> list[str]:
    lines = []
    if step.page not in flow.pages:
        flow.pages.add(step.page)
        # Any open page leads to the context; the first is always there.
        lines.append(f"{step.page} = page.context.new_page()")
    url = step.params.get("url")
    if url and url != "about:blank":
        lines.append(_goto(step))
    return lines


def _close_page(step: Step, flow: Flow) -> list[str]:
    if step.page != "page":
        flow.pages.discard(step.page)
    return [f"{step.page}.close()"]


def _goto(step: Step) -> str:
    wait_until = step.params.get("wait_until")
    if wait_until is not None and wait_until not in _WAIT_UNTIL:
        raise StepRefused("The step waits for an unknown state.")
    waiting = f", wait_until={quote(wait_until)}" if wait_until and wait_until != "load" else ""
    return f"{step.page}.goto({quote(web_url(step.params.get('url')))}{waiting})"


def web_url(url: object) -> str:
    """`url` where it is one a test may open.

    :raises StepRefused: not http(s) and not about:blank.
    """
    text = _string(url, "address")
    try:
        parts = urlsplit(text)
    except ValueError as error:
        raise StepRefused("The address is malformed.") from error
    if text != "about:blank" and not (parts.scheme in {"http", "https"} and parts.netloc):
        raise StepRefused(f"Only http and https addresses can be opened, not {shorten(text)}.")
    return text


def _click(step: Step, flow: Flow) -> list[str]:
    params = step.params
    count = params.get("click_count", 1)
    if not isinstance(count, int) or isinstance(count, bool) or not 1 <= count <= 3:
        raise StepRefused("The number of clicks is not 1 to 3.")
    button = params.get("button") or "left"
    if button not in ("left", "middle", "right"):
        raise StepRefused("The mouse button is unknown.")
    arguments = [f"button={quote(button)}"] if button != "left" else []
    if not step.selector:
        x, y = _point(params.get("position"))
        if count > 1:
            arguments.append(f"click_count={count}")
        return [f"{step.page}.mouse.click({', '.join([x, y, *arguments])})"]
    if count == 3:
        arguments.append("click_count=3")
    modifiers = _strings(params.get("modifiers") or [], "modifiers")
    if set(modifiers) - _MODIFIERS:
        raise StepRefused("A modifier key is unknown.")
    if modifiers:
        arguments.append(f"modifiers=[{', '.join(quote(name) for name in modifiers)}]")
    if params.get("position") is not None:
        arguments.append(f"position={_position(params['position'])}")
    return [_call(step, "dblclick" if count == 2 else "click", *arguments)]


def _hover(step: Step, flow: Flow) -> list[str]:
    position = step.params.get("position")
    return [_call(step, "hover", *([f"position={_position(position)}"] if position else []))]


def _drag(step: Step, flow: Flow) -> list[str]:
    if step.params.get("by") is not None:
        return _drag_by(step, flow)
    arguments = [_locator(step.params.get("target"), step.page)]
    for name in ("source_position", "target_position"):
        if step.params.get(name):
            arguments.append(f"{name}={_position(step.params[name])}")
    return [_call(step, "drag_to", *arguments)]


def _drag_by(step: Step, flow: Flow) -> list[str]:
    """By a distance and onto nothing: a slider's handle, a splitter, a map."""
    by = step.params["by"]
    _point(by)
    grabbed = step.params.get("source_position")
    flow.boxes += 1
    box = f"box{flow.boxes}"
    ends = []
    for axis, size in (("x", "width"), ("y", "height")):
        if grabbed is None:
            ends.append(f'{box}["{axis}"] + {box}["{size}"] / 2 + {_number(by[axis])}')
        else:
            _point(grabbed)
            ends.append(f'{box}["{axis}"] + {_number(grabbed[axis] + by[axis])}')
    position = [f"position={_position(grabbed)}"] if grabbed else []
    mouse = f"{step.page}.mouse"
    return [
        _call(step, "hover", *position),
        f"{box} = {_call(step, 'bounding_box')}",
        f"{mouse}.down()",
        f"{mouse}.move({', '.join(ends)}, steps=10)",
        f"{mouse}.up()",
    ]


def _fill(step: Step, flow: Flow) -> list[str]:
    return [_call(step, "fill", _text_or_secret(step.params.get("text"), flow))]


def _press(step: Step, flow: Flow) -> list[str]:
    key = step.params.get("key")
    if not isinstance(key, str) or not _KEY.fullmatch(key):
        raise StepRefused("The key is unknown.")
    if not step.selector:
        return [f"{step.page}.keyboard.press({quote(key)})"]
    return [_call(step, "press", quote(key))]


def _select(step: Step, flow: Flow) -> list[str]:
    values = [quote(value) for value in _strings(step.params.get("options"), "options")]
    return [
        _call(step, "select_option", values[0] if len(values) == 1 else f"[{', '.join(values)}]")
    ]


def _upload(step: Step, flow: Flow) -> list[str]:
    files = [
        f"HERE / {quote(upload_path(path))}" for path in _strings(step.params.get("files"), "files")
    ]
    return [
        _call(step, "set_input_files", files[0] if len(files) == 1 else f"[{', '.join(files)}]")
    ]


def upload_path(path: str) -> str:
    """`path` as it lies beside the test: below uploads/, never outside.

    :raises StepRefused: it leads elsewhere.
    """
    parts = PurePosixPath(path).parts
    if parts[:1] != ("uploads",):
        parts = ("uploads", *parts)
    if len(parts) < 2 or any(
        part in {"..", "/"} or "\\" in part or not part.isprintable() for part in parts
    ):
        raise StepRefused(f"The uploaded file lies outside uploads/: {shorten(path)}")
    return "/".join(parts)


def _scroll(step: Step, flow: Flow) -> list[str]:
    over = [_call(step, "hover")] if step.selector else []
    distance = f"{_number(step.params.get('dx', 0))}, {_number(step.params.get('dy', 0))}"
    return [*over, f"{step.page}.mouse.wheel({distance})"]


def _assert_text(step: Step, flow: Flow) -> list[str]:
    check = "to_contain_text" if step.params.get("substring") else "to_have_text"
    return [_expect(step, check, _text_or_secret(step.params.get("text"), flow))]


def _assert_value(step: Step, flow: Flow) -> list[str]:
    return [_expect(step, "to_have_value", _text_or_secret(step.params.get("text"), flow))]


def _assert_checked(step: Step, flow: Flow) -> list[str]:
    checked = step.params.get("checked", True)
    if not isinstance(checked, bool):
        raise StepRefused("Checked is neither true nor false.")
    return [_expect(step, "to_be_checked" if checked else "not_to_be_checked")]


def _assert_url(step: Step, flow: Flow) -> list[str]:
    return [f"expect({step.page}).to_have_url({quote(web_url(step.params.get('url')))})"]


def _unrecorded(step: Step, flow: Flow) -> list[str]:
    raise StepRefused("This gesture was not recorded.")


_ACTIONS: Mapping[Action, Callable[[Step, Flow], list[str]]] = {
    Action.CLOSE_PAGE: _close_page,
    Action.NAVIGATE: lambda step, flow: [_goto(step)],
    Action.GO_BACK: lambda step, flow: [f"{step.page}.go_back()"],
    Action.GO_FORWARD: lambda step, flow: [f"{step.page}.go_forward()"],
    Action.RELOAD: lambda step, flow: [f"{step.page}.reload()"],
    Action.CLICK: _click,
    Action.HOVER: _hover,
    Action.DRAG: _drag,
    Action.FILL: _fill,
    Action.PRESS: _press,
    Action.CHECK: lambda step, flow: [_call(step, "check")],
    Action.UNCHECK: lambda step, flow: [_call(step, "uncheck")],
    Action.SELECT: _select,
    Action.UPLOAD: _upload,
    Action.SCROLL: _scroll,
    Action.ASSERT_VISIBLE: lambda step, flow: [_expect(step, "to_be_visible")],
    Action.ASSERT_TEXT: _assert_text,
    Action.ASSERT_VALUE: _assert_value,
    Action.ASSERT_CHECKED: _assert_checked,
    Action.ASSERT_URL: _assert_url,
    Action.UNRECORDED: _unrecorded,
}


def _with_signals(lines: list[str], step: Step, *, position: int, flow: Flow) -> list[str]:
    """`lines` inside whatever waits for what the step set off: downloads, popups, dialogs."""
    for _ in _signals(step, "download"):
        flow.downloads += 1
        name = f"download{flow.downloads}"
        # A download that never arrives is a failure of this step, not silence.
        lines = [
            *_within(f"{step.page}.expect_download() as {name}_info", lines),
            f"assert {name}_info.value.failure() is None",
        ]
    lines = _with_popups(lines, step, position=position, flow=flow)
    return _with_dialogs(lines, step, position=position)


def _with_popups(lines: list[str], step: Step, *, position: int, flow: Flow) -> list[str]:
    aliases = [signal.params.get("page") for signal in _signals(step, "popup")]
    if not aliases:
        return lines
    for alias in aliases:
        if not isinstance(alias, str) or not ALIAS.fullmatch(alias) or alias in flow.pages:
            raise StepRefused("The step opens a tab that has no name of its own.")
        flow.pages.add(alias)
    page = step.page
    if len(aliases) == 1:
        return [
            *_within(f"{page}.expect_popup() as {aliases[0]}_info", lines),
            f"{aliases[0]} = {aliases[0]}_info.value",
        ]
    popups = f"popups_{position}"
    waiting = f"{page}.expect_popup(lambda popup: len({popups}) == {len(aliases)})"
    return [
        f"{popups} = []",
        f'{page}.on("popup", {popups}.append)',
        *_within(waiting, lines),
        f"{', '.join(str(alias) for alias in aliases)} = {popups}",
    ]


def _with_dialogs(lines: list[str], step: Step, *, position: int) -> list[str]:
    dialogs = _signals(step, "dialog")
    if not dialogs or step.action == Action.CLOSE_PAGE:
        return lines  # page.close() asks nothing
    source = step.page
    if any(signal.params.get("page", source) != source for signal in dialogs):
        source = f"{step.page}.context"
    before: list[str] = []
    # Each answer, once given, makes way for the next: two listeners would both take the first.
    for number in range(len(dialogs), 1, -1):
        following = f"answer_{position}_{number + 1}" if number < len(dialogs) else ""
        before += [
            f"def answer_{position}_{number}(dialog: Dialog) -> None:",
            *([f'    {source}.once("dialog", {following})'] if following else []),
            f"    {_answer(dialogs[number - 1])}",
            "",
        ]
    if len(dialogs) == 1:
        before.append(f'{source}.once("dialog", lambda dialog: {_answer(dialogs[0])})')
    else:
        before += [
            f"def answer_{position}_1(dialog: Dialog) -> None:",
            f'    {source}.once("dialog", answer_{position}_2)',
            f"    {_answer(dialogs[0])}",
            "",
            f'{source}.once("dialog", answer_{position}_1)',
        ]
    return [*before, *_within(f'{source}.expect_event("dialog")', lines)]


def _answer(signal: Signal) -> str:
    if not signal.params.get("accepted"):
        return "dialog.dismiss()"
    text = signal.params.get("text")
    if signal.params.get("kind") == "prompt" and text is not None:
        return f"dialog.accept({quote(_string(text, 'answer'))})"
    return "dialog.accept()"


def _signals(step: Step, name: str) -> list[Signal]:
    return [signal for signal in step.signals if signal.name == name]


def _within(context: str, lines: Sequence[str]) -> list[str]:
    return [f"with {context}:", *(f"    {line}" if line else "" for line in lines or ["pass"])]


def _locator(selector: object, page: str) -> str:
    try:
        return python_for(selector, page=page)
    except SelectorRefused as error:
        raise StepRefused(str(error)) from error


def _call(step: Step, method: str, *arguments: str) -> str:
    return f"{_locator(step.selector, step.page)}.{method}({', '.join(arguments)})"


def _expect(step: Step, check: str, *arguments: str) -> str:
    return f"expect({_locator(step.selector, step.page)}).{check}({', '.join(arguments)})"


def _text_or_secret(value: object, flow: Flow) -> str:
    name = secret_name(value)
    if name:
        flow.secrets.add(name)
        return name
    return quote(_string(value, "text"))


def _string(value: object, what: str) -> str:
    if not isinstance(value, str):
        raise StepRefused(f"The {what} is not a text.")
    if len(value) > MAX_TEXT:
        raise StepRefused(f"The {what} is longer than {MAX_TEXT} characters.")
    return value


def _strings(values: object, what: str) -> list[str]:
    if not isinstance(values, Sequence) or isinstance(values, str):
        raise StepRefused(f"The {what} are not a list.")
    return [_string(value, what) for value in values]


def _number(value: Any) -> str:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise StepRefused("A coordinate is not a number.")
    if abs(value) > 1_000_000:
        raise StepRefused("A coordinate is out of range.")
    rounded = round(value, 2)
    return str(int(rounded)) if rounded == int(rounded) else str(rounded)


def _point(position: object) -> tuple[str, str]:
    if not isinstance(position, Mapping) or set(position) != {"x", "y"}:
        raise StepRefused("The position has no x and y.")
    return _number(position["x"]), _number(position["y"])


def _position(position: object) -> str:
    x, y = _point(position)
    return f'{{"x": {x}, "y": {y}}}'
