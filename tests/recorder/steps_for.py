"""Steps for tests, in few words."""

from __future__ import annotations

import itertools
from typing import Any

from recorder.codegen import generate
from recorder.steps import Action, Signal, Step

BUTTON = 'internal:role=button[name="Save"i]'
FIELD = 'internal:label="Name"i'
_keys = itertools.count(1)


def step(action: Action, selector: str = "", *, page: str = "page", **rest: Any) -> Step:
    """`signals` may be given as {name: params}."""
    signals = rest.pop("signals", ())
    if isinstance(signals, dict):
        signals = tuple(Signal(name=name, params=params) for name, params in signals.items())
    rest.setdefault("key", f"s{next(_keys)}")
    return Step(action=action, page=page, selector=selector, signals=signals, **rest)


def button(name: str) -> str:
    return f'internal:role=button[name="{name}"s]'


def label(text: str) -> str:
    return f'internal:label="{text}"s'


def goto(url: str, **params: Any) -> Step:
    return step(Action.NAVIGATE, params={"url": url, **params})


def click(selector: str, **rest: Any) -> Step:
    return step(Action.CLICK, selector, **rest)


def fill(selector: str, text: Any, **rest: Any) -> Step:
    return step(Action.FILL, selector, params={"text": text}, **rest)


def reads(selector: str, text: str, **rest: Any) -> Step:
    return step(Action.ASSERT_TEXT, selector, params={"text": text}, **rest)


def opened() -> Step:
    return step(Action.NAVIGATE, params={"url": "http://127.0.0.1/"})


def body_of(*steps: Step) -> str:
    """The statements after the opening one."""
    code = generate(steps=[opened(), *steps], flow_name="Flow", url="http://127.0.0.1/", options={})
    after = code.split('page.goto("http://127.0.0.1/")\n', 1)[1]
    return "\n".join(
        line[4:] for line in after.splitlines() if not line.startswith("    #")
    ).strip()
