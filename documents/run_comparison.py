"""What is different between two extractions of the same documents."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import zip_longest
from typing import Any

from documents.extracted_rows import RowsGone, rows_of
from documents.models import ExtractedTable, ExtractionRun

MAX_SHOWN = 300
# Rows of each table that are looked at.
MAX_ROWS = 20_000


@dataclass(kw_only=True)
class Comparison:
    """From one run to another; `cut` says that there is more than is shown."""

    counts: list[tuple[str, Any, Any]] = field(default_factory=list)
    mappings: list[dict[str, Any]] = field(default_factory=list)
    cells: list[dict[str, Any]] = field(default_factory=list)
    cut: bool = False
    notes: list[str] = field(default_factory=list)


def compared(before: ExtractionRun, after: ExtractionRun) -> Comparison:
    """Tables are matched by document, sheet and order; rows by their place in the source."""
    result = Comparison()
    words = {
        "tables": "Tables",
        "rows": "Rows",
        "rowsWithErrors": "Rows with errors",
        "columnsMapped": "Columns mapped",
    }
    one, two = before.summary.get("counts", {}), after.summary.get("counts", {})
    for name, word in words.items():
        result.counts.append((word, one.get(name, 0), two.get(name, 0)))
    left, right = _tables(before), _tables(after)
    for key in dict.fromkeys((*left, *right)):
        pairs = zip_longest(left.get(key, []), right.get(key, []))
        for old, new in pairs:
            where = f"{key[0]}, {key[1]}"
            if old is None or new is None:
                result.notes.append(
                    f"{where}: a table only {'the later' if old is None else 'the earlier'} run found."
                )
                continue
            _mappings(result, where, old, new)
            _cells(result, where, old, new)
    return result


def _tables(run: ExtractionRun) -> dict[tuple[str, str], list[ExtractedTable]]:
    found: dict[tuple[str, str], list[ExtractedTable]] = {}
    for table in run.tables.select_related("document", "run"):
        found.setdefault((table.document.name, table.sheet), []).append(table)
    return found


def _mappings(result: Comparison, where: str, old: ExtractedTable, new: ExtractedTable) -> None:
    before = {each["column"]: each for each in old.info["mapping"]}
    after = {each["column"]: each for each in new.info["mapping"]}
    for column in dict.fromkeys((*before, *after)):
        one, two = before.get(column, {}), after.get(column, {})
        if one.get("field") != two.get("field"):
            result.mappings.append(
                {
                    "where": where,
                    "column": column,
                    "header": two.get("header") or one.get("header", ""),
                    "before": one.get("field") or f"– {one.get('unmappedReason') or ''}",
                    "after": two.get("field") or f"– {two.get('unmappedReason') or ''}",
                }
            )


def _cells(result: Comparison, where: str, old: ExtractedTable, new: ExtractedTable) -> None:
    names = [[c["name"] for c in table.run.summary["columns"]] for table in (old, new)]
    try:
        before = {row.row: row for row in rows_of(old, limit=MAX_ROWS)}
        after = {row.row: row for row in rows_of(new, limit=MAX_ROWS)}
    except RowsGone as gone:
        result.notes.append(f"{where}: {gone}")
        return
    if max(old.rows, new.rows) > MAX_ROWS:
        result.notes.append(f"{where}: only the first {MAX_ROWS:,} rows were compared.")
    for number in sorted({*before, *after}):
        one = dict(zip(names[0], before[number].values, strict=True)) if number in before else {}
        two = dict(zip(names[1], after[number].values, strict=True)) if number in after else {}
        for name in dict.fromkeys((*one, *two)):
            if one.get(name) != two.get(name):
                if len(result.cells) >= MAX_SHOWN:
                    result.cut = True
                    return
                result.cells.append(
                    {
                        "where": where,
                        "row": number,
                        "field": name,
                        "before": one.get(name),
                        "after": two.get(name),
                    }
                )
