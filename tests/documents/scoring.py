"""How well columns are mapped, counted against what they truly are."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any

from documents.configurations.checking import definition_of
from documents.configurations.services import EXAMPLES
from documents.extraction.definition import Definition
from documents.extraction.grids import Row, Sheet
from documents.extraction.layout import find_tables
from documents.extraction.mapping import Mapper
from tests.documents.layouts import Layout


class Cells:
    """Rows in memory as a grid."""

    def __init__(self, rows: list[list[Any]]) -> None:
        self.warnings: list[str] = []
        self._rows = rows

    def sheets(self) -> list[Sheet]:
        return [Sheet(name="Sheet1")]

    def rows(self, sheet: Sheet) -> Iterator[Row]:
        for number, cells in enumerate(self._rows, 1):
            yield Row(number, list(cells))


@dataclass(kw_only=True)
class Score:
    right: int = 0
    wrong: int = 0
    missed: int = 0
    tables_lost: int = 0
    rows_wrong: int = 0
    named: int = 0
    reasons: Counter[tuple[str, str]] = field(default_factory=Counter)
    mistakes: list[str] = field(default_factory=list)

    @property
    def precision(self) -> float:
        mapped = self.right + self.wrong
        return self.right / mapped if mapped else 1.0

    @property
    def recall(self) -> float:
        there = self.right + self.missed
        return self.right / there if there else 1.0

    @property
    def recall_of_named(self) -> float:
        """Of the columns whose header says something: the others are to stay unmapped but for clear values."""
        return self.right / self.named if self.named else 1.0


def definitions() -> dict[str, Definition]:
    found = (definition_of(file.read_text()) for file in sorted(EXAMPLES.glob("*.yaml")))
    return {definition.name: definition for definition in found}


def scored(layouts: list[Layout], *, threshold: float | None = None) -> Score:
    """Find, map and count. A wrong field for a column is wrong, and its true one is missed."""
    score = Score()
    mappers = {
        name: Mapper(definition if threshold is None else replace(definition, threshold=threshold))
        for name, definition in definitions().items()
    }
    for layout in layouts:
        mapper = mappers[layout.configuration]
        grid = Cells(layout.rows)
        sheet = grid.sheets()[0]
        tables, _ = find_tables(grid, sheet, mapper.definition.tables, mapper.vocabulary)
        table = max(tables, key=lambda each: each.rows, default=None)
        mapped = {each.column.number: each for each in mapper.map(table.columns)} if table else {}
        score.tables_lost += table is None
        if table is not None and (len(tables) > 1 or table.rows != layout.body):
            score.rows_wrong += 1
            score.mistakes.append(
                f"rows: {len(tables)} tables, {table.rows} rows for {layout.body}: {layout.variants}"
            )
        for position, truth in enumerate(layout.truth):
            kind = layout.kinds[position]
            score.named += truth is not None and kind in {"plain", "typo"}
            each = mapped.get(layout.first_column + position)
            said = each.field if each else None
            if said is not None and said == truth:
                score.right += 1
                continue
            if said is not None:
                score.wrong += 1
                score.mistakes.append(
                    f"{layout.configuration}: {each.column.header!r} is {truth or kind}, not {said} ({each.score:.2f})"  # type: ignore[union-attr]
                )
            elif each is not None:
                score.reasons[(kind, each.reason or "")] += 1
            score.missed += truth is not None
    return score
