"""Whether a configuration's text is right; what is wrong is told by path, why, and what to do."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from documents.extraction import plugins
from documents.extraction.definition import Call, Definition
from documents.extraction.rules import (
    TRANSFORMS,
    VALIDATORS,
    BadArguments,
    transform_of,
    validator_of,
)

if TYPE_CHECKING:
    import jsonschema

SCHEMA_FILE = Path(__file__).parent / "schema.json"
MAX_CHARS = 500_000
MAX_PROBLEMS = 50


@dataclass(frozen=True, kw_only=True)
class Flaw:
    """One thing that is wrong: where (`fields[2].type`), why, and what to do about it."""

    path: str
    why: str
    do: str

    def __str__(self) -> str:
        return f"{self.path}: {self.why} {self.do}".strip()


class InvalidConfiguration(Exception):
    """The text is no configuration; `flaws` says what is wrong with it."""

    def __init__(self, flaws: list[Flaw]) -> None:
        super().__init__(" ".join(str(flaw) for flaw in flaws))
        self.flaws = flaws

    def by_path(self) -> dict[str, list[str]]:
        """As the API's problem details have it."""
        found: dict[str, list[str]] = {}
        for flaw in self.flaws:
            found.setdefault(flaw.path, []).append(f"{flaw.why} {flaw.do}".strip())
        return found


@cache
def schema() -> dict[str, Any]:
    """The published JSON Schema of configurations."""
    loaded: dict[str, Any] = json.loads(SCHEMA_FILE.read_text())
    return loaded


def checked(text: str) -> dict[str, Any]:
    """The configuration's body as JSON has it.

    :raises InvalidConfiguration: it is no YAML, or breaks the schema, or names what is not there.
    """
    body = _loaded(text)
    # Here: the processes that check no configuration do without.
    import jsonschema

    # The draft class is fixed: nothing is ever fetched, whatever the text refers to.
    validator = jsonschema.Draft202012Validator(schema())
    errors = sorted(
        validator.iter_errors(body), key=lambda error: (list(map(str, error.path)), error.message)
    )
    flaws = [_flaw(error, body) for error in errors]
    if not flaws:
        flaws = list(_senses(body))
    if flaws:
        raise InvalidConfiguration(flaws[:MAX_PROBLEMS])
    return body


def definition_of(text: str) -> Definition:
    """:raises InvalidConfiguration: see `checked`."""
    return Definition.of(checked(text))


def _loaded(text: str) -> dict[str, Any]:
    def refuse(path: str, why: str, do: str) -> InvalidConfiguration:
        return InvalidConfiguration([Flaw(path=path, why=why, do=do)])

    if len(text) > MAX_CHARS:
        raise refuse("(text)", f"It has more than {MAX_CHARS:,} characters.", "Split it.")
    try:
        # Aliases make few bytes into many values; a configuration needs none.
        for event in yaml.parse(text, Loader=yaml.SafeLoader):
            if isinstance(event, yaml.AliasEvent):
                raise refuse(
                    f"line {event.start_mark.line + 1}" if event.start_mark else "(text)",
                    "It uses an alias (*name).",
                    "Write the value out; aliases are not read.",
                )
        body = yaml.safe_load(text)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        where = f"line {mark.line + 1}, column {mark.column + 1}" if mark else "(text)"
        raise refuse(
            where,
            f"This is no YAML: {error.problem or error.context}.",
            "Check the indentation and quotation marks there.",
        ) from error
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise refuse(
            "(text)", f"This is no YAML: {error}.", "Paste a configuration as YAML."
        ) from error
    if not isinstance(body, dict):
        raise refuse(
            "(text)",
            "A configuration is a mapping of names to values.",
            "Begin with `tapedeck: 1`, `name: …` and `fields:`.",
        )
    return body


def _path(parts: Any) -> str:
    text = ""
    for part in parts:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else str(part)
    return text or "(text)"


def _flaw(error: jsonschema.ValidationError, body: Any) -> Flaw:
    path = _path(error.absolute_path)
    value: Any = error.instance
    rule = error.validator
    expected: Any = error.validator_value
    inside: Any = error.schema
    known_here = inside.get("properties", {}) if isinstance(inside, dict) else {}
    if rule == "additionalProperties":
        known = ", ".join(sorted(known_here))
        extra = sorted(set(map(str, value)) - set(known_here))
        return Flaw(
            path=path, why=f"There is no setting {', '.join(extra)} here.", do=f"Known: {known}."
        )
    if rule == "required":
        missing = [name for name in expected if name not in value]
        return Flaw(path=path, why=f"{', '.join(missing)} is missing.", do="Add it.")
    if rule == "type":
        hint = "Give a value of that type."
        if expected == "string" and isinstance(value, bool | int | float | date):
            hint = "Put it in quotation marks: YAML reads it as something else than text."
        return Flaw(path=path, why=f"{_shown(value)} is no {expected}.", do=hint)
    if rule == "enum":
        return Flaw(
            path=path,
            why=f"{_shown(value)} is not known here.",
            do=f"One of: {', '.join(map(str, expected))}.",
        )
    if rule == "pattern":
        return Flaw(
            path=path,
            why=f"{_shown(value)} does not match {expected}.",
            do="Begin with a small letter; use small letters, digits and the separator shown.",
        )
    if rule == "anyOf":
        return Flaw(
            path=path,
            why=f"{_shown(value)} is neither a name nor one name with its arguments.",
            do="Write `trim`, or `max_length: 40`.",
        )
    if rule == "const":
        return Flaw(path=path, why=f"{_shown(value)} is not {expected}.", do=f"Write {expected}.")
    return Flaw(path=path, why=f"{error.message}.", do="Change it to fit.")


def _shown(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= 60 else text[:57] + "…"


def _senses(body: Mapping[str, Any]) -> Iterator[Flaw]:
    """What a schema can not say: names that must be known, expressions that must compile."""
    seen: dict[str, int] = {}
    for index, field in enumerate(body["fields"]):
        path = f"fields[{index}]"
        if field["name"] in seen:
            yield Flaw(
                path=f"{path}.name",
                why=f"{field['name']!r} is the name of fields[{seen[field['name']]}] too.",
                do="Give each field a name of its own.",
            )
        seen.setdefault(field["name"], index)
        for number, pattern in enumerate(field.get("patterns", ())):
            yield from _expression(f"{path}.patterns[{number}]", pattern)
        for number, name in enumerate(field.get("detectors", ())):
            if name not in plugins.names("detectors"):
                yield Flaw(
                    path=f"{path}.detectors[{number}]",
                    why=f"No installed package registers the detector {name!r}.",
                    do="Install it, or take it out.",
                )
        yield from _calls(path, "transforms", field, TRANSFORMS, transform_of)
        yield from _calls(path, "validators", field, VALIDATORS, validator_of)
        rules = field.get("values", {})
        for low, high in (("minimum", "maximum"), ("min_length", "max_length")):
            if low in rules and high in rules and rules[low] > rules[high]:
                yield Flaw(
                    path=f"{path}.values",
                    why=f"{low} is greater than {high}, so no value fits.",
                    do="Exchange them.",
                )
    for number, name in enumerate(body.get("output", {}).get("columns", ())):
        if name not in seen:
            yield Flaw(
                path=f"output.columns[{number}]",
                why=f"There is no field {name!r}.",
                do=f"One of: {', '.join(seen)}.",
            )
    for number, pattern in enumerate(body.get("tables", {}).get("stop_at", ())):
        yield from _expression(f"tables.stop_at[{number}]", pattern)


def _expression(path: str, pattern: str) -> Iterator[Flaw]:
    try:
        re.compile(pattern)
    except re.error as error:
        yield Flaw(
            path=path,
            why=f"{pattern!r} is no regular expression: {error}.",
            do="Mend it; a backslash before ( [ . * + ? means the character itself.",
        )


def _calls(
    path: str, part: str, field: Mapping[str, Any], known: Mapping[str, Any], make: Any
) -> Iterator[Flaw]:
    for number, raw in enumerate(field.get(part, ())):
        call = Call.of(raw)
        where = f"{path}.{part}[{number}]"
        try:
            make(call)
        except BadArguments as error:
            yield Flaw(path=where, why=f"{call.name}: {error}", do=known[call.name].doc)
        except plugins.UnknownPlugin:
            yield Flaw(
                path=where,
                why=f"There is no {part[:-1]} {call.name!r}.",
                do=f"Known: {', '.join(sorted({*known, *plugins.names(part)}))}.",
            )
        except plugins.BrokenPlugin as error:
            yield Flaw(path=where, why=f"{error}.", do="Mend or remove that package.")
