"""From a raw cell to a value and its issues: one pipeline for each mapped column."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, datetime, time
from decimal import Decimal
from functools import lru_cache
from typing import Any

from documents.extraction.definition import Field
from documents.extraction.evidence import Evidence
from documents.extraction.rules import transform_of, validator_of
from documents.extraction.values import ERROR, ValueIssue, reader_of

Issues = list[tuple[str, str, str]]  # (code, severity, message)
Pipeline = Callable[[Any], tuple[Any, "Issues | None"]]
# Repeated values are worked out once; this many of them are remembered for a column.
REMEMBERED = 20_000


def required_issue(field: Field) -> tuple[str, str, str]:
    return ("required_missing", ERROR, f"{field.label} is required, and this cell is empty.")


class Column:
    """Reads, transforms and checks the values of one field; validators see the whole result's values."""

    def __init__(self, field: Field) -> None:
        self.field = field
        pairs = [transform_of(call) for call in field.transforms]
        self._early = [transform for transform, early in pairs if early]
        self._late = [transform for transform, early in pairs if not early]
        self._checks = [
            (call.name, validator_of(call)) for call in field.validators if call.name != "unique"
        ]
        self._unique = [validator_of(call) for call in field.validators if call.name == "unique"]
        self._default = any(call.name == "default" for call in field.transforms)
        self._missing: tuple[Any, Issues | None] = (
            (None, [required_issue(field)]) if field.required else (None, None)
        )
        # A number that is not a number of this field's own type is text to it.
        self._plain_numbers = (
            field.type in {"decimal", "integer"} and not pairs and not self._checks
        )

    def pipeline(self, evidence: Evidence) -> Pipeline:
        """What turns a raw cell of one table's column into (value, issues or None)."""
        read = reader_of(
            self.field, date_order=evidence.date_order, decimal_sign=evidence.decimal_sign
        )
        convert = lru_cache(maxsize=REMEMBERED, typed=True)(lambda raw: self._converted(raw, read))
        unique = self._unique
        missing = self._missing
        has_default = self._default

        def run(raw: Any) -> tuple[Any, Issues | None]:
            if (raw is None or raw == "") and not has_default:
                return missing
            value, issues = convert(raw)
            if unique and value is not None and (said := unique[0](value)):
                return value, [*(issues or ()), ("unique", ERROR, said)]
            return value, issues

        return run

    def _converted(self, raw: Any, read: Callable[[Any], Any]) -> tuple[Any, Issues | None]:
        try:
            for transform in self._early:
                raw = transform(raw)
            if raw is None or (isinstance(raw, str) and not raw.strip()):
                return self._missing
            value = read(raw)
            for transform in self._late:
                value = transform(value)
        except ValueIssue as issue:
            return None, [(issue.code, issue.severity, issue.message)]
        value = storable(value)
        issues: Issues = []
        for name, check in self._checks:
            try:
                if (said := check(value)) is not None:
                    issues.append((name, ERROR, said))
            except ValueIssue as issue:
                issues.append((issue.code, issue.severity, issue.message))
        return value, issues or None


def storable(value: Any) -> Any:
    """Numbers as int or float (float only where nothing is lost that a workbook keeps)."""
    if isinstance(value, Decimal):
        return (
            int(value)
            if value == value.to_integral_value() and abs(value) < 10**15
            else float(value)
        )
    if isinstance(value, float) and value.is_integer() and abs(value) < 1e15:
        return int(value)
    return value


def json_value(value: Any) -> Any:
    """A value as JSON has it: dates and times in ISO form."""
    if isinstance(value, date | datetime | time):
        return value.isoformat()
    return value
