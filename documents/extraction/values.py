"""Reading one value as a type. What can be read in two ways is never decided silently.

A reader returns the value, or raises `ValueIssue` with a stable code. Numbers come back as int
or Decimal, dates as date.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal, InvalidOperation
from functools import lru_cache
from typing import Any

from documents.extraction.definition import Field
from documents.extraction.grids import text_of

# The order of issues in a report, worst first, is by severity and then by code.
ERROR, WARNING = "error", "warning"


class ValueIssue(Exception):
    """A value that can not be taken as it stands: `code` for programs, `message` for people."""

    def __init__(self, code: str, message: str, *, severity: str = ERROR) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.severity = severity


_MONTHS = {
    name: number
    for number, names in enumerate(
        (
            "jan january januar januari janvier enero gennaio janeiro janv ene gen",
            "feb february februar februari février fevrier febrero febbraio fevereiro févr fev",
            "mar march märz maerz maart mars marzo março marco mrz mär mrt",
            "apr april avril abril aprile avr abr",
            "may mai mei mayo maggio maio mag",
            "jun june juni juin junio giugno junho giu",
            "jul july juli juillet julio luglio julho juil lug",
            "aug august augustus août aout agosto ago",
            "sep september sept septembre septiembre settembre setembro set",
            "oct october oktober octobre octubre ottobre outubro okt ott out",
            "nov november novembre noviembre novembro",
            "dec december dezember décembre decembre diciembre dicembre dezembro dez dic déc",
        ),
        1,
    )
    for name in names.split()
}
_NUMERIC_DATE = re.compile(r"(\d{1,4})\s?([./\-\s])\s?(\d{1,2})\s?\2\s?(\d{1,4})")
_COMPACT_DATE = re.compile(r"(?:19|20)\d{6}")
_NAMED_DATE = re.compile(
    r"(?:[^\W\d_]+,?\s+)?(\d{1,2})(?:st|nd|rd|th)?[.\s\-]*(?:de\s+)?([^\W\d_]+)\.?[\s\-,]*(?:de\s+)?(\d{4}|\d{2})"
)
_NAMED_FIRST = re.compile(r"([^\W\d_]+)\.?\s+(\d{1,2})(?:st|nd|rd|th)?,?\s+(\d{4})")
_ISO_TIME = re.compile(
    r"[T\s]\s*(\d{1,2}):(\d{2})(?::(\d{2})(?:\.\d+)?)?\s*(am|pm|AM|PM)?\s*(Z|[+-]\d{2}:?\d{2})?$"
)
_TIME = re.compile(r"(\d{1,2})[:.](\d{2})(?:[:.](\d{2}))?\s*(am|pm|a\.m\.|p\.m\.)?", re.I)
_CURRENCY = re.compile(
    r"[$€£¥₹₽₺₩]|\b(?:EUR|USD|GBP|CHF|JPY|CNY|SEK|NOK|DKK|PLN|CZK|CAD|AUD|INR|BRL|RUB|TRY|kr|zł|Fr\.|Kč)(?![^\W\d_])|(?<=\d)(?:EUR|USD|GBP|CHF)\b",
    re.I,
)
_PLAIN_NUMBER = re.compile(r"[+-]?\d+(?:\.\d+)?", re.A)
_GROUPED = re.compile(r"\d{1,3}(?:([ \u00a0\u202f'’.,])\d{3})(?:\1\d{3})*", re.A)
_EMAIL = re.compile(r"[^@\s,;<>()\[\]\"]+@[^@\s,;<>()\[\]\"]+\.[^@\s,;<>()\[\]\".]{2,}")
_URL = re.compile(r"(?:https?://|www\.)[^\s<>\"]+\.[^\s<>\"]+", re.I)
_TRUE = {
    "true",
    "yes",
    "y",
    "1",
    "x",
    "ja",
    "oui",
    "si",
    "sí",
    "sim",
    "да",
    "wahr",
    "vrai",
    "on",
    "✓",
    "✔",
    "☑",
}
_FALSE = {
    "false",
    "no",
    "n",
    "0",
    "nein",
    "non",
    "nao",
    "não",
    "нет",
    "falsch",
    "faux",
    "off",
    "☐",
    "✗",
}
_EXCEL_EPOCH = date(1899, 12, 30)


def read_text(raw: Any) -> str:
    return text_of(raw).strip()


def _day(year: int, month: int, day: int) -> date | None:
    try:
        return date(year, month, day)
    except ValueError:
        return None


def _full_year(text: str) -> int:
    year = int(text)
    if len(text) > 2:
        return year
    # POSIX's rule for %y.
    return year + (2000 if year < 69 else 1900)


@lru_cache(maxsize=65_536)
def readings(text: str) -> tuple[tuple[str, date], ...]:
    """Every way to read `text` as a date: (order, date). Order is "" where there is no question."""
    text = text.strip().strip(".,")
    if _COMPACT_DATE.fullmatch(text):
        found = _day(int(text[:4]), int(text[4:6]), int(text[6:]))
        return (("", found),) if found else ()
    if match := _NUMERIC_DATE.fullmatch(text):
        first, mark, middle, last = match.groups()
        ways: list[tuple[str, date | None]] = []
        if len(first) >= 3:
            ways = [("", _day(int(first), int(middle), int(last)))] if len(last) <= 2 else []
        elif len(last) in {2, 4}:
            year = _full_year(last)
            ways = [
                ("dmy", _day(year, int(middle), int(first))),
                ("mdy", _day(year, int(first), int(middle))),
            ]
            if len(last) == 2 and len(first) == 2 and mark != ".":
                ways.append(("ymd", _day(_full_year(first), int(middle), int(last))))
        return tuple((order, day) for order, day in ways if day is not None)
    for pattern, place in ((_NAMED_DATE, (1, 2, 3)), (_NAMED_FIRST, (2, 1, 3))):
        if match := pattern.fullmatch(text):
            month = _MONTHS.get(match.group(place[1]).casefold(), 0)
            year, day = _full_year(match.group(place[2])), int(match.group(place[0]))
            found = _day(year, month, day)  # no month 0: no date
            if found:
                return (("", found),)
    return ()


def read_date(raw: Any, order: str) -> date:
    """:raises ValueIssue: `not_a_date`, or `ambiguous_date` where nothing decides the order."""
    if isinstance(raw, datetime):
        return raw.date()
    if isinstance(raw, date):
        return raw
    if isinstance(raw, int | float) and not isinstance(raw, bool):
        # A spreadsheet's own day number, of 1954 to 2119: others are no dates that anybody writes.
        if 20_000 <= raw <= 80_000:
            return _EXCEL_EPOCH + timedelta(days=int(raw))
        raise ValueIssue("not_a_date", f"{text_of(raw)} is no date.")
    text = text_of(raw).strip()
    ways = readings(text)
    if not ways and (match := _ISO_TIME.search(text)):
        ways = readings(text[: match.start()])
    if not ways:
        raise ValueIssue("not_a_date", f"{text[:80]!r} is no date.")
    return _decided(text, ways, order)


def _decided(text: str, ways: tuple[tuple[str, date], ...], order: str) -> date:
    if len(ways) == 1:
        return ways[0][1]
    for name, day in ways:
        if name == order:
            return day
    days = sorted({day for _, day in ways})
    if len(days) == 1:
        return days[0]
    likely = [day for name, day in ways if name != "ymd"]
    shown = " or ".join(dict.fromkeys(day.isoformat() for day in likely or days))
    raise ValueIssue(
        "ambiguous_date",
        f"{text!r} can be {shown}, and no value of this column decides it. "
        "Set date_order of the field.",
    )


def read_datetime(raw: Any, order: str) -> datetime:
    """:raises ValueIssue: `not_a_date`, `ambiguous_date`. A zone is turned into UTC and left off."""
    if isinstance(raw, datetime):
        return (
            raw.replace(tzinfo=None)
            if raw.tzinfo is None
            else raw.astimezone(UTC).replace(tzinfo=None)
        )
    text = text_of(raw).strip()
    if isinstance(raw, float):
        day = read_date(raw, order)
        seconds = round((raw % 1) * 86_400)
        return datetime(day.year, day.month, day.day) + timedelta(seconds=seconds)  # noqa: DTZ001
    match = _ISO_TIME.search(text) if isinstance(raw, str) else None
    day = read_date(text[: match.start()] if match else raw, order)
    at = time()
    if match:
        at = _time(match.group(1), match.group(2), match.group(3), match.group(4), text)
    moment = datetime.combine(day, at)
    zone = match.group(5) if match else None
    if zone and zone != "Z":
        sign = -1 if zone[0] == "+" else 1
        moment += sign * timedelta(hours=int(zone[1:3]), minutes=int(zone[-2:]))
    return moment


def _clock(seconds: int) -> time:
    return time(seconds // 3600, seconds // 60 % 60, seconds % 60)


def read_time(raw: Any) -> time:
    """:raises ValueIssue: `not_a_time`."""
    if isinstance(raw, datetime):
        return raw.time()
    if isinstance(raw, time):
        return raw
    if isinstance(raw, timedelta):
        seconds = int(raw.total_seconds())
        if 0 <= seconds < 86_400:
            return _clock(seconds)
    if isinstance(raw, float) and 0 <= raw < 1:
        return _clock(min(86_399, round(raw * 86_400)))
    text = text_of(raw).strip()
    if match := _TIME.fullmatch(text):
        return _time(match.group(1), match.group(2), match.group(3), match.group(4), text)
    raise ValueIssue("not_a_time", f"{text[:80]!r} is no time of day.")


def _time(hour: str, minute: str, second: str | None, half: str | None, text: str) -> time:
    hours = int(hour)
    if half:
        if not 1 <= hours <= 12:
            raise ValueIssue("not_a_time", f"{text[:80]!r} is no time of day.")
        hours = hours % 12 + (12 if half.lower().startswith("p") else 0)
    try:
        return time(hours, int(minute), int(second or 0))
    except ValueError as error:
        raise ValueIssue("not_a_time", f"{text[:80]!r} is no time of day.") from error


def number_shape(text: str) -> str:
    """What `text` says about its decimal sign: `point`, `comma`, `plain` (says nothing), `both`
    (one sign before three digits: can be either), or "" for no number.
    """
    bare = _bare_number(text)
    if _PLAIN_NUMBER.fullmatch(bare) and "." not in bare:
        return "plain"
    body = bare.lstrip("+-")
    points, commas = body.count("."), body.count(",")
    if points and commas:
        last = "point" if body.rfind(".") > body.rfind(",") else "comma"
        return last if (points if last == "point" else commas) == 1 and _reads(bare, last) else ""
    if not points and not commas:
        return "plain" if _GROUPED.fullmatch(body) else ""
    mark, other = ("point", "comma") if points else ("comma", "point")
    if (points or commas) > 1:
        return other if _GROUPED.fullmatch(body) else ""
    whole, _, rest = body.partition("." if points else ",")
    if (
        len(rest) == 3
        and rest.isdigit()
        and whole.isdigit()
        and 1 <= len(whole) <= 3
        and whole != "0"
    ):
        return "both"
    return mark if _reads(bare, mark) else ""


def _reads(bare: str, sign: str) -> bool:
    return _number(bare, sign) is not None


def _bare_number(text: str) -> str:
    """Without currency, percent sign, grouping blanks; parentheses and a trailing minus as a sign."""
    text = text.strip()
    if text.startswith("(") and text.endswith(")"):
        text = "-" + text[1:-1]
    text = text.replace("−", "-").replace("–", "-")
    if not text.isascii() or not text.replace(".", "").replace(",", "").isdigit():
        text = _CURRENCY.sub("", text).strip().removesuffix("%").strip()
        text = "".join(
            str(int(char)) if char.isdigit() and not char.isascii() and char.isdecimal() else char
            for char in text
        )
    if text.endswith("-"):
        text = "-" + text[:-1].strip()
    if text.startswith("- "):
        text = "-" + text[2:].strip()
    return text


def _number(bare: str, sign: str) -> Decimal | None:
    negative = bare.startswith("-")
    body = bare.lstrip("+-")
    mark, group = (".", ",") if sign == "point" else (",", ".")
    whole, found, rest = body.partition(mark)
    if not whole and not rest:
        return None
    if not whole.isdigit():
        if not (match := _GROUPED.fullmatch(whole)) and whole:
            return None
        if match and match.group(1) not in {group, " ", "\u00a0", "\u202f", "'", "’"}:
            return None
        whole = re.sub(r"\D", "", whole)
    if found and not rest.isdigit():
        return None
    try:
        value = Decimal(f"{whole or '0'}.{rest or '0'}" if rest else whole or "0")
    except InvalidOperation:
        return None
    return -value if negative else value


def read_decimal(raw: Any, sign: str) -> Decimal | int | float:
    """`sign` is `point`, `comma`, or "" where no value of the column decides.

    :raises ValueIssue: `not_a_number`, `ambiguous_number`.
    """
    if isinstance(raw, bool):
        raise ValueIssue("not_a_number", f"{text_of(raw)} is no number.")
    if isinstance(raw, int | float | Decimal):
        return raw
    text = text_of(raw).strip()
    shape = number_shape(text)
    if not shape:
        raise ValueIssue("not_a_number", f"{text[:80]!r} is no number.")
    if shape == "both" and not sign:
        bare = _bare_number(text)
        one, two = _number(bare, "point"), _number(bare, "comma")
        raise ValueIssue(
            "ambiguous_number",
            f"{text!r} can be {one} or {two}, and no value of this column decides it. "
            "Set decimal_sign of the field.",
        )
    wanted = sign if shape == "both" else ("point" if shape == "plain" else shape)
    value = _number(_bare_number(text), wanted)
    if value is None:
        raise ValueIssue("not_a_number", f"{text[:80]!r} is no number.")
    return value


def read_integer(raw: Any, sign: str) -> int:
    """:raises ValueIssue: `not_a_number`, `not_whole`, `ambiguous_number`."""
    value = read_decimal(
        raw, sign or ("point" if isinstance(raw, str) and "." not in raw else sign)
    )
    if value != int(value):
        raise ValueIssue("not_whole", f"{text_of(raw)[:80]} is no whole number.")
    return int(value)


def read_boolean(raw: Any) -> bool:
    """:raises ValueIssue: `not_yes_or_no`."""
    if isinstance(raw, bool):
        return raw
    text = text_of(raw).strip().casefold()
    if text in _TRUE:
        return True
    if text in _FALSE:
        return False
    raise ValueIssue("not_yes_or_no", f"{text_of(raw)[:80]!r} is neither yes nor no.")


def read_email(raw: Any) -> str:
    """:raises ValueIssue: `not_an_email`."""
    text = read_text(raw).removeprefix("mailto:")
    if _EMAIL.fullmatch(text):
        return text
    raise ValueIssue("not_an_email", f"{text[:80]!r} is no e-mail address.")


def read_url(raw: Any) -> str:
    """:raises ValueIssue: `not_a_url`."""
    text = read_text(raw)
    if _URL.fullmatch(text):
        return text
    raise ValueIssue("not_a_url", f"{text[:80]!r} is no web address.")


def reader_of(
    field: Field, *, date_order: str = "", decimal_sign: str = ""
) -> Callable[[Any], Any]:
    """What reads this field's values; the hints are what the column's values decided."""
    order = date_order if field.date_order == "auto" else field.date_order
    sign = decimal_sign if field.decimal_sign == "auto" else field.decimal_sign
    readers: dict[str, Callable[[Any], Any]] = {
        "text": read_text,
        "integer": lambda raw: read_integer(raw, sign),
        "decimal": lambda raw: read_decimal(raw, sign),
        "date": lambda raw: read_date(raw, order),
        "datetime": lambda raw: read_datetime(raw, order),
        "time": read_time,
        "boolean": read_boolean,
        "email": read_email,
        "url": read_url,
    }
    return readers[field.type]
