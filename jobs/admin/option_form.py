"""Forms for the options of a kind, made from its declaration alone."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.http import QueryDict
from django.utils import timezone
from django.utils.dateparse import parse_datetime
from rest_framework import serializers

from jobs.option_schema import FormField, form_fields
from jobs.secrets import MASK

PREFIX = "option."
CLEAR = "clear."
_EMPTY: tuple[Any, ...] = (None, "", [], {})


@dataclass
class Input:
    """One input as it is drawn: what it holds, and what is wrong with it."""

    field: FormField
    value: Any
    errors: list[str] = dataclasses.field(default_factory=list)
    # A secret that was just typed, for the same form to hold while something else is mended.
    typed: str = ""

    @property
    def name(self) -> str:
        return f"{PREFIX}{self.field.name}"

    @property
    def clear_name(self) -> str:
        return f"{CLEAR}{self.field.name}"

    @property
    def id(self) -> str:
        return f"option-{self.field.name.replace('.', '-')}"

    @property
    def text(self) -> str:
        """The value as the text of its input."""
        return _as_text(self.field, self.value)

    @property
    def has_secret(self) -> bool:
        return self.field.secret and self.value not in _EMPTY

    @property
    def step(self) -> str:
        return "1" if self.field.type == "integer" else "any"

    @property
    def chosen(self) -> list[str]:
        return [str(each) for each in self.value or []]

    @property
    def choices(self) -> list[tuple[str, str, bool]]:
        """(value, label, whether it is the chosen one)."""
        held = self.chosen if self.field.type == "choices" else [_as_text(self.field, self.value)]
        return [(str(value), label, str(value) in held) for value, label in self.field.choices]


class OptionForm:
    """The inputs for one declaration, holding `base`: a mapping as on the wire, secrets as dots."""

    def __init__(
        self, declared: type[serializers.Serializer[Any]], *, base: Mapping[str, Any]
    ) -> None:
        self.fields = form_fields(declared)
        self.base = base
        self.inputs = [Input(each, _at(base, each.name)) for each in self.fields]
        self.errors: list[str] = []

    @property
    def groups(self) -> list[tuple[str, list[Input]]]:
        """The inputs, those of one nested option together under its label."""
        groups: list[tuple[str, list[Input]]] = []
        for each in self.inputs:
            if not groups or groups[-1][0] != each.field.group:
                groups.append((each.field.group, []))
            groups[-1][1].append(each)
        return groups

    def read(self, posted: QueryDict, *, keep: bool = False) -> dict[str, Any]:
        """The options that were filled in, as on the wire; what does not fit stays as it was typed.

        A blank input is left out, or clears what `base` held. A blank secret leaves the old one;
        with `keep`, the blanks of a nested secret stand for the old ones too.
        """
        options: dict[str, Any] = {}
        for each in self.inputs:
            held = _at(self.base, each.field.name)
            value = _posted(each, posted)
            if each.field.secret:
                each.typed = str(value or "")
                if each.clear_name in posted:
                    value = None if each.field.nullable else ""
                elif value in _EMPTY:
                    continue
            elif value in _EMPTY:
                each.value = value
                if held in _EMPTY and not each.field.required:
                    continue
                value = _cleared(each.field)
            else:
                each.value = value
            _put(options, each.field.name, value)
        if keep:
            self._keep_secrets(options)
        return options

    def changed(self, posted: QueryDict) -> dict[str, Any]:
        """Of what `read` reads, the options that differ from `base`: a rerun's overrides."""
        read = self.read(posted, keep=True)
        return {name: value for name, value in read.items() if value != self.base.get(name)}

    def refuse(self, errors: Mapping[str, Any]) -> None:
        """Put what is wrong at its input; what belongs to none, on top."""
        for name, problem in errors.items():
            self._place(str(name), problem)

    def _place(self, name: str, problem: Any) -> None:
        if isinstance(problem, Mapping):
            for inner, each in problem.items():
                self._place(f"{name}.{inner}", each)
            return
        words = [str(each) for each in problem] if isinstance(problem, list) else [str(problem)]
        at = next(
            (one for one in self.inputs if one.field.name == name),
            next(
                (
                    one
                    for one in self.inputs
                    if one.field.name.startswith(f"{name}.")
                    or name.startswith(f"{one.field.name}.")
                ),
                None,
            ),
        )
        if at is None:
            self.errors += [f"{name}: {each}" for each in words]
        else:
            at.errors += words

    def _keep_secrets(self, options: dict[str, Any]) -> None:
        for each in self.inputs:
            head, dot, _ = each.field.name.partition(".")
            blank = dot and head in options and _at(options, each.field.name) is None
            if blank and each.field.secret and _at(self.base, each.field.name):
                _put(options, each.field.name, MASK)


def _posted(each: Input, posted: QueryDict) -> Any:
    field, text = each.field, str(posted.get(each.name, ""))
    if field.type == "boolean":
        return each.name in posted
    if field.type == "choices":
        return posted.getlist(each.name)
    if field.type in {"list", "map"}:
        return _structured(field.type, text)
    if field.type == "choice":
        return next((value for value, _ in field.choices if str(value) == text), text)
    if field.type == "datetime":
        return _moment(text)
    if field.type in {"integer", "number"}:
        return _number(text)
    if isinstance(each.value, list | dict):
        return _structured("list", text)
    return text if field.secret else text.strip()


def _structured(type: str, text: str) -> Any:
    """A list one a line, a map as `name: value` lines; or either as JSON."""
    text = text.strip()
    if text[:1] in {"[", "{"}:
        try:
            return json.loads(text)
        except ValueError:
            return text  # the declaration says what it should have been
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    if type == "list":
        return lines
    pairs = [line.partition(":") for line in lines]
    if not all(colon for _, colon, _ in pairs):
        return text
    return {name.strip(): value.strip() for name, _, value in pairs}


def _number(text: str) -> Any:
    text = text.strip()
    for read in (int, float):
        try:
            return read(text)
        except ValueError:
            continue
    return text


def _moment(text: str) -> Any:
    """What an input of date and time sends has no zone: it is the installation's."""
    at = parse_datetime(text.strip()) if text.strip() else None
    if at is None:
        return text.strip()
    return (timezone.make_aware(at) if timezone.is_naive(at) else at).isoformat()


def _cleared(field: FormField) -> Any:
    if field.nullable:
        return None
    return {"list": [], "choices": [], "map": {}}.get(field.type, "")


def _as_text(field: FormField, value: Any) -> str:
    if value is None:
        return ""
    if field.type == "datetime" and (at := parse_datetime(str(value))):
        return timezone.localtime(at).strftime("%Y-%m-%dT%H:%M:%S") if at.tzinfo else str(value)
    if isinstance(value, list) and all(isinstance(each, str | int | float) for each in value):
        return "\n".join(str(each) for each in value)
    if isinstance(value, Mapping) and all(isinstance(each, str) for each in value.values()):
        return "\n".join(f"{name}: {each}" for name, each in value.items())
    if isinstance(value, list | Mapping):
        return json.dumps(value, indent=2, ensure_ascii=False)
    return str(value)


def _at(values: Mapping[str, Any], way: str) -> Any:
    held: Any = values
    for name in way.split("."):
        if not isinstance(held, Mapping):
            return None
        held = held.get(name)
    return held


def _put(values: dict[str, Any], way: str, value: Any) -> None:
    *groups, name = way.split(".")
    for group in groups:
        inner = values.setdefault(group, {})
        if not isinstance(inner, dict):
            return
        values = inner
    values[name] = value


def local_text(at: datetime | None) -> str:
    """A moment as an input of date and time holds it, in the installation's zone."""
    return timezone.localtime(at).strftime("%Y-%m-%dT%H:%M") if at else ""
