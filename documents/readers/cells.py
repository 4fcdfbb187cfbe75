"""How a workbook's typed values are shown as text."""

from __future__ import annotations

from datetime import date, datetime, time, timedelta
from typing import Any

from documents.structure import Value


def shown(value: Any, number_format: str = "General") -> str:
    """A value as a person reads it: whole numbers without `.0`, ISO dates, percentages as such.

    Other number formats (thousands, currency, colours) are not applied: the plain number is shown.
    """
    if value is None:
        return ""
    if isinstance(value, bool):
        return "TRUE" if value else "FALSE"
    if isinstance(value, datetime):
        if value.time() == time(0):
            return value.date().isoformat()
        return value.isoformat(sep=" ", timespec="seconds")
    if isinstance(value, date | time):
        return value.isoformat()
    if isinstance(value, timedelta):
        return str(value)
    if isinstance(value, int | float):
        if number_format.rstrip().endswith("%"):
            return f"{_plain(round(value * 100, 10))}%"
        return _plain(value)
    return str(value)


def _plain(value: float) -> str:
    if isinstance(value, int):
        return str(value)
    if value == int(value) and abs(value) < 1e15:
        return str(int(value))
    return repr(value)


def typed(value: Any) -> Value:
    """The value as a structure keeps it; what it does not know becomes text."""
    if value is None or isinstance(value, bool | int | str | date | datetime | time | timedelta):
        return value
    if isinstance(value, float):
        # JSON has neither NaN nor infinity.
        return value if value == value and abs(value) != float("inf") else str(value)
    return str(value)
