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
from documents.extraction.headers import is_placeholder
from documents.extraction.layout import find_tables
from documents.extraction.mapping import (
    AMBIGUOUS,
    BELOW_THRESHOLD,
    DUPLICATE,
    FLOOR,
    NO_SIGNAL,
    PLACEHOLDER,
    Mapped,
    Mapper,
)
from tests.documents.held_out_words import CONFIGURATIONS
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
    wrong_reasons: list[str] = field(default_factory=list)

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
    texts = [file.read_text() for file in sorted(EXAMPLES.glob("*.yaml"))]
    found = (definition_of(text) for text in [*texts, *CONFIGURATIONS.split("---\n")])
    return {definition.name: definition for definition in found}


def wrong_reason(each: Mapped, kind: str, others: list[Mapped], definition: Definition) -> str:
    """What is wrong with the reason that a column stayed unmapped for; empty where it is right.

    Told from what the generator knows of the column, and from the scores that are shown with it.
    """
    top = each.candidates[0].score if each.candidates else 0.0
    # A header of one letter or number says as little as none.
    says_nothing = kind == "placeholder" or len(each.column.header.strip(" :")) <= 1
    if each.reason == PLACEHOLDER:
        right = says_nothing and is_placeholder(each.column.header) and top < definition.threshold
    elif each.reason == NO_SIGNAL:
        right = not says_nothing and top < FLOOR and not each.candidates
    elif each.reason == BELOW_THRESHOLD:
        right = not says_nothing and FLOOR <= top < definition.threshold
    elif each.reason == AMBIGUOUS:
        near = [c.field for c in each.candidates if c.score >= top - definition.margin]
        right = len(near) >= 2 and len(each.ties) >= 2 and set(near) & set(each.ties) != set()
    elif each.reason == DUPLICATE:
        # Another column of the table is, or may be, this very field, and is named.
        fields = {c.field for c in each.candidates if c.score >= definition.threshold}
        named = [o for o in others if f"column {o.column.letters}" in each.ties]
        right = bool(named) and all(
            o.field in fields or fields & {c.field for c in o.candidates} for o in named
        )
    else:
        right = False
    if kind == "duplicate" and top >= definition.threshold and each.reason != DUPLICATE:
        right = False  # one header twice, and it would have been mapped were it there once
    return "" if right else f"{kind} {each.column.header!r}: {each.reason}, {top:.2f}, {each.ties}"


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
                others = [other for other in mapped.values() if other is not each]
                if said_wrong := wrong_reason(each, kind, others, mapper.definition):
                    score.wrong_reasons.append(f"{layout.configuration}: {said_wrong}")
            score.missed += truth is not None
    return score
