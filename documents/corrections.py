"""What people set right in a run, and how the next draft of its configuration learns it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import yaml
from django.utils import timezone

from documents.configurations.checking import InvalidConfiguration
from documents.configurations.services import save_draft
from documents.extracted_rows import rows_of
from documents.extraction.headers import is_placeholder, normalised
from documents.models import (
    ConfigurationVersion,
    Correction,
    ExtractedTable,
    ExtractionRun,
    VersionState,
)
from jobs import access, audit

if TYPE_CHECKING:
    from django.contrib.auth.models import User

MAX_VALUE_CHARS = 10_000


class NoSuchPlace(Exception):
    """The run has no such table, column, field or row."""


class NothingToPromote(Exception):
    """No correction of this run can become a part of the configuration."""


@dataclass(kw_only=True)
class Promotion:
    """What a promotion did; `left_out` says which corrections no configuration can hold, and why."""

    version: ConfigurationVersion
    promoted: list[Correction] = field(default_factory=list)
    left_out: list[tuple[Correction, str]] = field(default_factory=list)


def _table(run: ExtractionRun, number: int) -> ExtractedTable:
    table = run.tables.filter(number=number).first()
    if table is None:
        raise NoSuchPlace(f"This run has no table {number}.")
    return table


def _field_names(run: ExtractionRun) -> list[str]:
    return [column["name"] for column in run.summary["columns"]]


@audit.command("extraction.correct_mapping", target="run", says=["table", "column", "field"])
def correct_mapping(
    *, run: ExtractionRun, table: int, column: str, field: str, by: User
) -> Correction:
    """Say which field a column is; an empty `field`: it is none.

    The run's result stays what it was; the correction takes effect in the next draft.

    :raises NoSuchPlace: see there.
    """
    access.check_may_change(job=run.job, by=by)
    found = _table(run, table)
    mapped = next((each for each in found.info["mapping"] if each["column"] == column), None)
    if mapped is None:
        raise NoSuchPlace(f"Table {table} has no column {column}.")
    if field and field not in _field_names(run):
        raise NoSuchPlace(f"The configuration has no field {field!r}.")
    correction, _ = Correction.objects.update_or_create(
        run=run,
        kind=Correction.Kind.MAPPING,
        table=table,
        column=column,
        defaults={
            "header": mapped["header"][:500],
            "field": field,
            "by": by,
            "at": timezone.now(),
            "promoted_to": None,
        },
    )
    return correction


@audit.command("extraction.correct_cell", target="run", says=["table", "row", "field"])
def correct_cell(
    *, run: ExtractionRun, table: int, row: int, field: str, value: str, by: User
) -> Correction:
    """Say what a cell should be. It is shown at once; files that the run wrote stay as they are.

    :raises NoSuchPlace: see there.
    """
    access.check_may_change(job=run.job, by=by)
    found = _table(run, table)
    names = _field_names(run)
    if field not in names:
        raise NoSuchPlace(f"The configuration has no field {field!r}.")
    line = next((each for each in rows_of(found) if each.row == row), None)
    if line is None:
        raise NoSuchPlace(f"Table {table} has no row {row}.")
    raw = ""
    mapping = found.info["mapping"]
    position = next((i for i, each in enumerate(mapping) if each["field"] == field), None)
    if position is not None and line.raw is not None and position < len(line.raw):
        raw = line.raw[position]
    correction, _ = Correction.objects.update_or_create(
        run=run,
        kind=Correction.Kind.CELL,
        table=table,
        row=row,
        field=field,
        defaults={
            "raw": raw,
            "value": value[:MAX_VALUE_CHARS],
            "by": by,
            "at": timezone.now(),
            "promoted_to": None,
        },
    )
    return correction


@audit.command("extraction.withdraw_correction", says=["reason"])
def withdraw(*, correction: Correction, by: User, reason: str = "") -> ExtractionRun:
    """Take a correction back; what was promoted already stays in its draft."""
    run: ExtractionRun = correction.run
    access.check_may_change(job=run.job, by=by)
    correction.delete()
    return run


@audit.command("extraction.promote", target="run")
def promote(*, run: ExtractionRun, by: User) -> Promotion:
    """Bring the run's corrections into the next draft of its configuration.

    A mapping adds its header to the field's synonyms, and to `not_headers` of the field that the
    run took instead. A cell adds what stood there to the field's `map` transform.

    :raises NothingToPromote: see there.
    :raises InvalidConfiguration: the draft, with them, would not be right.
    """
    access.check_may_do(by=by)
    configuration = run.version.configuration
    draft = configuration.versions.filter(state=VersionState.DRAFT).first()
    base = draft or run.version
    body = yaml.safe_load(base.text)
    done: list[Correction] = []
    left: list[tuple[Correction, str]] = []
    for correction in run.corrections.filter(promoted_to=None):
        why = _apply(body, run, correction)
        if why:
            left.append((correction, why))
        else:
            done.append(correction)
    if not done:
        raise NothingToPromote(
            " ".join(why for _, why in left) or "Correct a mapping or a cell first."
        )
    text = _remarks(base.text) + yaml.safe_dump(
        body, sort_keys=False, allow_unicode=True, width=100
    )
    version = save_draft(
        configuration=configuration,
        text=text,
        by=by,
        note=f"With corrections of run {str(run.pk)[-12:]}",
    )
    Correction.objects.filter(pk__in=[each.pk for each in done]).update(promoted_to=version)
    return Promotion(version=version, promoted=done, left_out=left)


def _remarks(text: str) -> str:
    """The comments that a configuration begins with; others are lost when it is written anew."""
    kept = []
    for line in text.splitlines():
        if line.strip() and not line.startswith("#"):
            break
        kept.append(line)
    return "\n".join(kept).strip() + "\n" if any(kept) else ""


def _apply(body: dict[str, Any], run: ExtractionRun, correction: Correction) -> str:
    """Change the body; what stands in the way, or nothing."""
    fields = {each["name"]: each for each in body["fields"]}
    if correction.kind == Correction.Kind.CELL:
        target = fields.get(correction.field)
        if target is None:
            return f"The draft has no field {correction.field!r}."
        raw = correction.raw.strip()
        if not raw:
            return f"Row {correction.row}: an empty cell says nothing that a rule could go by."
        transforms = target.setdefault("transforms", [])
        if not (transforms and isinstance(transforms[0], dict) and "map" in transforms[0]):
            transforms.insert(0, {"map": {}})
        transforms[0]["map"][raw] = correction.value
        return ""
    header = correction.header.strip()
    if is_placeholder(header):
        return f"Column {correction.column}: a column without a header can not be known by it."
    table = _table(run, correction.table)
    before = next(
        (each["field"] for each in table.info["mapping"] if each["column"] == correction.column),
        None,
    )
    if correction.field and correction.field not in fields:
        return f"The draft has no field {correction.field!r}."
    if before and before != correction.field and before in fields:
        _add(fields[before], "not_headers", header)
        _drop(fields[before], "synonyms", header)
    if correction.field:
        _add(fields[correction.field], "synonyms", header)
        _drop(fields[correction.field], "not_headers", header)
    return ""


def _add(target: dict[str, Any], part: str, header: str) -> None:
    known = target.setdefault(part, [])
    if normalised(header) not in {normalised(text) for text in known}:
        known.append(header)


def _drop(target: dict[str, Any], part: str, header: str) -> None:
    if part in target:
        target[part] = [text for text in target[part] if normalised(text) != normalised(header)]
        if not target[part]:
            del target[part]


__all__ = [
    "InvalidConfiguration",
    "NoSuchPlace",
    "NothingToPromote",
    "Promotion",
    "correct_cell",
    "correct_mapping",
    "promote",
    "withdraw",
]
