"""What a viewer may say: each message's fields, checked before anything acts on them."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

MODIFIERS = ("Alt", "Control", "Meta", "Shift")


class BadMessage(Exception):
    """This message is not one of the protocol's."""

    def __init__(self, text: str, ref: Any = None) -> None:
        super().__init__(text)
        self.ref = ref


@dataclass(frozen=True)
class Field:
    kind: str  # text, number, whole, flag, names, point, files, values
    required: bool = True
    choices: tuple[str, ...] = ()
    longest: int = 10_000


@dataclass(frozen=True)
class Form:
    """`control`: only its holder may send it. `queued`: acts in the order of input."""

    fields: Mapping[str, Field] = field(default_factory=dict)
    control: bool = True
    queued: bool = True


@dataclass(frozen=True)
class Command:
    type: str
    ref: Any
    values: Mapping[str, Any]
    form: Form


_X_Y = {"x": Field("number"), "y": Field("number")}
_MODIFIERS = {"modifiers": Field("names", required=False, choices=MODIFIERS)}
_KEY = {"key": Field("text", longest=80)}
_PAGE = {"page": Field("text", longest=40)}
_REQUEST = {"requestId": Field("text", longest=40)}

FORMS: dict[str, Form] = {
    "hello": Form(control=False, queued=False),
    "ack": Form({"id": Field("whole")}, control=False, queued=False),
    "mouse": Form(
        {
            **_X_Y,
            **_MODIFIERS,
            "kind": Field("text", choices=("move", "down", "up", "click", "dblclick")),
            "button": Field("text", required=False, choices=("left", "middle", "right")),
            "clickCount": Field("whole", required=False),
        }
    ),
    "wheel": Form({**_X_Y, **_MODIFIERS, "dx": Field("number"), "dy": Field("number")}),
    "key": Form(
        {
            **_KEY,
            **_MODIFIERS,
            "kind": Field("text", choices=("down", "up", "press")),
            "code": Field("text", required=False, longest=80),
        }
    ),
    "text": Form({"text": Field("text", longest=200_000)}),
    "navigate": Form({"url": Field("text", longest=8_000)}),
    "back": Form(),
    "forward": Form(),
    "reload": Form(),
    "newPage": Form({"url": Field("text", required=False, longest=8_000)}),
    "selectPage": Form(_PAGE),
    "closePage": Form(_PAGE),
    "select": Form({**_REQUEST, "values": Field("values", required=False)}),
    "upload": Form({**_REQUEST, "files": Field("files", required=False)}),
    "fillPicker": Form({**_REQUEST, "value": Field("text", required=False)}),
    # Not queued: the input that opened the dialog is waiting in the queue for its answer.
    "dialog": Form(
        {**_REQUEST, "accept": Field("flag"), "text": Field("text", required=False)}, queued=False
    ),
    "hover": Form(_X_Y),
    "drag": Form({"from": Field("point"), "to": Field("point")}),
    "inspect": Form(_X_Y, control=False, queued=False),
    "picture": Form({"key": Field("text", longest=40)}, control=False, queued=False),
    "locate": Form({"selector": Field("text", longest=2_000)}),
    "assert": Form(
        {
            "kind": Field("text", choices=("visible", "text", "value", "checked", "url")),
            "x": Field("number", required=False),
            "y": Field("number", required=False),
            "expected": Field("expected", required=False),
        }
    ),
    "editStep": Form(
        {"key": Field("text", longest=40), "wording": Field("text", longest=300)}, queued=False
    ),
    "deleteStep": Form({"key": Field("text", longest=40)}, queued=False),
    "restoreStep": Form({"key": Field("text", longest=40)}, queued=False),
    "pause": Form(),
    "resume": Form(),
    "takeControl": Form(control=False, queued=False),
    "releaseControl": Form(control=False, queued=False),
    "grantControl": Form({"viewer": Field("text", longest=80)}, queued=False),
}


def parse(raw: str | bytes) -> Command:
    """:raises BadMessage: not JSON, an unknown type, or a field that is missing or does not fit."""
    if isinstance(raw, bytes):
        raise BadMessage("Binary messages are the server's.")
    try:
        message = json.loads(raw)
    except (ValueError, RecursionError) as error:
        raise BadMessage("Not JSON.") from error
    if not isinstance(message, dict):
        raise BadMessage("Not an object.")
    ref = message.get("ref")
    form = FORMS.get(message["type"]) if isinstance(message.get("type"), str) else None
    if form is None:
        raise BadMessage(f"Unknown type {str(message.get('type'))[:40]!r}.", ref)
    values: dict[str, Any] = {}
    for name, declared in form.fields.items():
        value = message.get(name)
        if value is None:
            if declared.required:
                raise BadMessage(f"{name}: is missing.", ref)
            continue
        if (why := _unfit(declared, value)) is not None:
            raise BadMessage(f"{name}: {why}.", ref)
        values[name] = value
    return Command(type=message["type"], ref=ref, values=values, form=form)


def _unfit(declared: Field, value: Any) -> str | None:
    match declared.kind:
        case "text":
            if not isinstance(value, str):
                return "must be text"
            if len(value) > declared.longest:
                return f"is longer than {declared.longest}"
            if declared.choices and value not in declared.choices:
                return f"must be one of {', '.join(declared.choices)}"
        case "number":
            if not _is_number(value):
                return "must be a number"
        case "whole":
            if isinstance(value, bool) or not isinstance(value, int) or value < 0:
                return "must be a whole number"
        case "flag":
            if not isinstance(value, bool):
                return "must be true or false"
        case "names":
            if not isinstance(value, list) or any(one not in declared.choices for one in value):
                return f"must be a list out of {', '.join(declared.choices)}"
        case "values":
            if not isinstance(value, list) or any(not isinstance(one, str) for one in value):
                return "must be a list of text"
        case "expected":
            if not isinstance(value, str | bool):
                return "must be text or true or false"
        case "point":
            if not isinstance(value, dict) or not all(_is_number(value.get(k)) for k in "xy"):
                return "must be {x, y}"
        case "files":
            if not isinstance(value, list) or not all(map(_is_file, value)):
                return "must be a list of {name, contentType, base64}"
    return None


def _is_number(value: Any) -> bool:
    return (
        isinstance(value, int | float)
        and not isinstance(value, bool)
        and math.isfinite(value)
        and abs(value) < 1e7
    )


def _is_file(value: Any) -> bool:
    return (
        isinstance(value, dict)
        and isinstance(value.get("name"), str)
        and isinstance(value.get("base64"), str)
        and isinstance(value.get("contentType", ""), str)
    )
