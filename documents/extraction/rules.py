"""The built-in transforms and validators. A transform runs on the text before it is read as its
type where it is about text, on the value where it is about numbers.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

from documents.extraction import plugins
from documents.extraction.definition import Call
from documents.extraction.expressions import Expression, TooSlow
from documents.extraction.grids import text_of
from documents.extraction.values import ValueIssue

Transform = Callable[[Any], Any]
# Takes a value; a message where something is wrong, a ValueIssue where it can not be told.
Check = Callable[[Any], "str | None"]


class BadArguments(ValueError):
    """The arguments of a transform or validator do not fit it."""


@dataclass(frozen=True, kw_only=True)
class Rule:
    """One built-in. `early` transforms run on the raw text; `arguments` names what it takes."""

    make: Callable[[Any], Any]
    doc: str
    early: bool = True


def _none(arguments: Any) -> None:
    if arguments not in (None, {}, True):
        raise BadArguments("It takes no arguments.")


def _text(arguments: Any) -> str:
    if not isinstance(arguments, str) or not arguments:
        raise BadArguments("It takes a text, such as `name: abc`.")
    return arguments


def _number(arguments: Any) -> Decimal:
    if isinstance(arguments, bool) or not isinstance(arguments, int | float):
        raise BadArguments("It takes a number, such as `name: 2`.")
    return Decimal(str(arguments))


def _count(arguments: Any) -> int:
    if (
        isinstance(arguments, bool)
        or not isinstance(arguments, int)
        or not 0 <= arguments <= 100_000
    ):
        raise BadArguments("It takes a whole number from 0 on.")
    return arguments


def _regex(arguments: Any) -> Expression:
    try:
        return Expression(_text(arguments))
    except re.error as error:
        raise BadArguments(f"This is no regular expression: {error}.") from error


def _plain(function: Callable[[str], str]) -> Callable[[Any], Transform]:
    def make(arguments: Any) -> Transform:
        _none(arguments)
        return lambda value: function(text_of(value))

    return make


def _replace(arguments: Any) -> Transform:
    if not isinstance(arguments, Mapping) or set(arguments) != {"pattern", "with"}:
        raise BadArguments("It takes {pattern: …, with: …}.")
    pattern, text = _regex(arguments["pattern"]), arguments["with"]
    if not isinstance(text, str):
        raise BadArguments("`with` is a text; put it in quotation marks.")
    try:
        re.sub(pattern.pattern, text, "")
    except (re.error, IndexError) as error:
        raise BadArguments(f"`with` does not fit the pattern: {error}.") from error

    def replace(value: Any) -> str:
        try:
            return pattern.sub(text, text_of(value))
        except TooSlow as error:
            raise ValueIssue("expression_too_slow", str(error)) from error

    return replace


def _map(arguments: Any) -> Transform:
    if not isinstance(arguments, Mapping) or not arguments:
        raise BadArguments("It takes {from: to, …}.")
    if not all(isinstance(item, str) for pair in arguments.items() for item in pair):
        raise BadArguments("Both sides are texts; put them in quotation marks.")
    table = {str(key).strip().casefold(): value for key, value in arguments.items()}
    return lambda value: table.get(text_of(value).strip().casefold(), value)


def _strip_prefix(arguments: Any) -> Transform:
    prefix = _text(arguments)
    return lambda value: text_of(value).strip().removeprefix(prefix)


def _strip_suffix(arguments: Any) -> Transform:
    suffix = _text(arguments)
    return lambda value: text_of(value).strip().removesuffix(suffix)


def _remove(arguments: Any) -> Transform:
    gone = str.maketrans("", "", _text(arguments))
    return lambda value: text_of(value).translate(gone)


def _pad_left(arguments: Any) -> Transform:
    if not isinstance(arguments, Mapping) or set(arguments) != {"length", "with"}:
        raise BadArguments("It takes {length: 10, with: '0'}.")
    length, fill = _count(arguments["length"]), _text(arguments["with"])
    if len(fill) != 1:
        raise BadArguments("`with` is one character.")
    return lambda value: text_of(value).strip().rjust(length, fill)


def _default(arguments: Any) -> Transform:
    if not isinstance(arguments, str | int | float | bool):
        raise BadArguments("It takes the value for empty cells.")
    return lambda value: arguments if value is None or text_of(value).strip() == "" else value


def _scale(arguments: Any) -> Transform:
    factor = _number(arguments)
    return lambda value: value if not _is_number(value) else Decimal(str(value)) * factor


def _round(arguments: Any) -> Transform:
    unit = Decimal(1).scaleb(-_count(arguments))
    return lambda value: (
        Decimal(str(value)).quantize(unit, ROUND_HALF_UP) if _is_number(value) else value
    )


def _negate(arguments: Any) -> Transform:
    _none(arguments)
    return lambda value: -value if _is_number(value) else value


def _absolute(arguments: Any) -> Transform:
    _none(arguments)
    return lambda value: abs(value) if _is_number(value) else value


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float | Decimal) and not isinstance(value, bool)


TRANSFORMS: dict[str, Rule] = {
    "trim": Rule(make=_plain(str.strip), doc="Without blanks around it."),
    "collapse_spaces": Rule(
        make=_plain(lambda text: " ".join(text.split())),
        doc="One blank where there are several, or line breaks.",
    ),
    "upper": Rule(make=_plain(str.upper), doc="In capitals."),
    "lower": Rule(make=_plain(str.lower), doc="In small letters."),
    "title": Rule(make=_plain(str.title), doc="Each word with a capital."),
    "digits": Rule(make=_plain(lambda text: re.sub(r"\D", "", text)), doc="Its digits alone."),
    "plain_letters": Rule(
        make=_plain(
            lambda text: "".join(
                c for c in unicodedata.normalize("NFKD", text) if not unicodedata.combining(c)
            )
        ),
        doc="Without accents.",
    ),
    "remove": Rule(make=_remove, doc="`remove: ' -'`: without these characters."),
    "replace": Rule(
        make=_replace, doc="`replace: {pattern, with}`: what a regular expression matches."
    ),
    "map": Rule(make=_map, doc="`map: {from: to}`: whole values, whatever their case."),
    "strip_prefix": Rule(make=_strip_prefix, doc="`strip_prefix: 'No. '`"),
    "strip_suffix": Rule(make=_strip_suffix, doc="`strip_suffix: ' pcs'`"),
    "pad_left": Rule(make=_pad_left, doc="`pad_left: {length: 10, with: '0'}`"),
    "default": Rule(make=_default, doc="`default: EUR`: for empty cells."),
    "scale": Rule(make=_scale, doc="`scale: 0.01`: times a number.", early=False),
    "round": Rule(make=_round, doc="`round: 2`: to so many decimals, halves up.", early=False),
    "negate": Rule(make=_negate, doc="The opposite number.", early=False),
    "absolute": Rule(make=_absolute, doc="Without its sign.", early=False),
}


def _bound(low: bool) -> Callable[[Any], Check]:
    def make(arguments: Any) -> Check:
        if isinstance(arguments, date):
            return _date_bound(arguments, low)
        limit = _number(arguments)

        def check(value: Any) -> str | None:
            if not _is_number(value):
                return None
            outside = value < limit if low else value > limit
            word = "less" if low else "more"
            return f"{value} is {word} than {limit}." if outside else None

        return check

    return make


def _date_bound(limit: date, low: bool) -> Check:
    def check(value: Any) -> str | None:
        day = value.date() if isinstance(value, datetime) else value
        if not isinstance(day, date):
            return None
        if day < limit if low else day > limit:
            return f"{day} is {'before' if low else 'after'} {limit}."
        return None

    return check


def _length(low: bool) -> Callable[[Any], Check]:
    def make(arguments: Any) -> Check:
        limit = _count(arguments)

        def check(value: Any) -> str | None:
            length = len(text_of(value))
            outside = length < limit if low else length > limit
            return (
                f"It has {length} characters; {'at least' if low else 'at most'} {limit} are allowed."
                if outside
                else None
            )

        return check

    return make


def _matches(arguments: Any) -> Check:
    pattern = _regex(arguments)

    def check(value: Any) -> str | None:
        text = text_of(value)
        try:
            fits = pattern.fullmatch(text)
        except TooSlow as error:
            raise ValueIssue("expression_too_slow", str(error)) from error
        return None if fits else f"{text[:80]!r} does not match {pattern.pattern}."

    return check


def _one_of(arguments: Any) -> Check:
    if not isinstance(arguments, list) or not arguments:
        raise BadArguments("It takes a list, such as `one_of: [EUR, USD]`.")
    allowed = {text_of(item) for item in arguments}
    shown = ", ".join(text_of(item) for item in arguments[:10])
    return lambda value: (
        None if text_of(value) in allowed else f"{text_of(value)[:80]!r} is none of: {shown}."
    )


def _unique(arguments: Any) -> Check:
    _none(arguments)
    seen: set[int] = set()

    def check(value: Any) -> str | None:
        # 64 bits of each value: a million of them in a few dozen megabytes.
        key = hash_of(text_of(value))
        if key in seen:
            return f"{text_of(value)[:80]!r} stands in an earlier row too."
        seen.add(key)
        return None

    return check


def hash_of(text: str) -> int:
    """A 64-bit hash that is the same in every process."""
    import hashlib

    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "big")


def _iban(arguments: Any) -> Check:
    _none(arguments)

    def check(value: Any) -> str | None:
        text = re.sub(r"\s", "", text_of(value)).upper()
        if not re.fullmatch(r"[A-Z]{2}\d{2}[A-Z0-9]{11,30}", text):
            return f"{text[:40]!r} does not look like an IBAN."
        # ISO 13616: moved, letters as numbers, modulo 97 is 1.
        digits = "".join(str(int(char, 36)) for char in text[4:] + text[:4])
        return None if int(digits) % 97 == 1 else f"The check digits of {text} are wrong."

    return check


def _currency(arguments: Any) -> Check:
    _none(arguments)
    return lambda value: (
        None
        if re.fullmatch(r"[A-Z]{3}", text_of(value))
        else f"{text_of(value)[:20]!r} is no three-letter currency."
    )


VALIDATORS: dict[str, Rule] = {
    "min": Rule(make=_bound(True), doc="`min: 0`, or the earliest date."),
    "max": Rule(make=_bound(False), doc="`max: 100`, or the latest date."),
    "min_length": Rule(make=_length(True), doc="`min_length: 3` characters."),
    "max_length": Rule(make=_length(False), doc="`max_length: 40` characters."),
    "matches": Rule(make=_matches, doc="`matches: '[A-Z]+'`: the whole value."),
    "one_of": Rule(make=_one_of, doc="`one_of: [EUR, USD]`"),
    "unique": Rule(make=_unique, doc="No value twice in the whole result."),
    "iban": Rule(make=_iban, doc="An IBAN with right check digits."),
    "currency": Rule(make=_currency, doc="Three capitals, such as EUR."),
}


def transform_of(call: Call) -> tuple[Transform, bool]:
    """The transform, and whether it runs before the value is read as its type.

    :raises BadArguments, plugins.UnknownPlugin, plugins.BrokenPlugin: it can not be used.
    """
    if rule := TRANSFORMS.get(call.name):
        return rule.make(call.arguments), rule.early
    function = plugins.find("transforms", call.name)

    def run(value: Any) -> Any:
        try:
            return function(value, call.arguments)
        except ValueError as error:
            raise ValueIssue("transform_failed", f"{call.name}: {error}") from error

    return run, True


def validator_of(call: Call) -> Check:
    """:raises BadArguments, plugins.UnknownPlugin, plugins.BrokenPlugin: it can not be used."""
    if rule := VALIDATORS.get(call.name):
        check: Check = rule.make(call.arguments)
        return check
    function = plugins.find("validators", call.name)
    return lambda value: function(value, call.arguments)
