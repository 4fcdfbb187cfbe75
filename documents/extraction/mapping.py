"""Which column is which field: scored by header and by values, decided over the whole table."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from documents.extraction import plugins
from documents.extraction.assignment import best_assignment
from documents.extraction.definition import Definition, Field
from documents.extraction.expressions import Expression, TooSlow
from documents.extraction.found import Column
from documents.extraction.grids import text_of
from documents.extraction.headers import Vocabulary, is_placeholder, variants
from documents.extraction.values import ValueIssue, reader_of

NO_SIGNAL = "no_signal"
BELOW_THRESHOLD = "below_threshold"
AMBIGUOUS = "ambiguous_top_candidates"
DUPLICATE = "duplicate_field"
PLACEHOLDER = "empty_or_placeholder_header"
REASONS = (NO_SIGNAL, BELOW_THRESHOLD, AMBIGUOUS, DUPLICATE, PLACEHOLDER)

# Of each column against each field.
Scores = Sequence[Sequence[float]]
# Less than this is chance: words have letters in common.
FLOOR = 0.3
CANDIDATES = 3
SAMPLED = 120
# What is as common as these says little about a column; a pattern that none of them fits does.
_ORDINARY = [
    "1",
    "42",
    "137",
    "2024",
    "10045",
    "123456",
    "20240131",
    "1234567890",
    "12.50",
    "1,234.56",
    "-3",
    "0",
    "2024-01-31",
    "31/01/2024",
    "01.02.24",
    "10:30",
    "a",
    "A",
    "Ab",
    "Smith",
    "ACME",
    "hello",
    "EUR",
    "USD",
    "DE",
    "yes",
    "no",
    "true",
    "A1",
    "X12",
    "AB-12",
    "abc123",
    "Berlin",
    "100%",
    "n/a",
    "two words",
    "Acme Ltd.",
    "12 Main Street",
    "Jan 5, 2024",
    "a longer piece of text",
]
# How much values of a type tell when the type is right.
_TELLING = {
    "text": 0.0,
    "integer": 0.15,
    "decimal": 0.2,
    "date": 0.35,
    "datetime": 0.4,
    "time": 0.5,
    "boolean": 0.35,
    "email": 0.9,
    "url": 0.85,
}


@dataclass(frozen=True, kw_only=True)
class Candidate:
    """A field that a column may be. `header` and `values` are the two parts of its score, 0 to 1."""

    field: str
    score: float
    header: float
    values: float


@dataclass(frozen=True, kw_only=True)
class Mapped:
    """What became of one column. `reason` is set exactly where `field` is not."""

    column: Column
    field: str | None
    score: float
    candidates: tuple[Candidate, ...]
    reason: str | None = None
    # Other columns or fields that score as well.
    ties: tuple[str, ...] = ()
    corrected: bool = False


class Mapper:
    """Maps the columns of tables by one configuration. Holds what is worked out once."""

    def __init__(self, definition: Definition) -> None:
        self.definition = definition
        self.vocabulary = Vocabulary(definition.fields)
        # What a person should know: expressions that took too long, each once.
        self.warnings: list[str] = []
        self._patterns = {
            field.name: [Expression(pattern) for pattern in field.patterns]
            for field in definition.fields
        }
        self._telling = {field.name: self._how_telling(field) for field in definition.fields}
        self._detectors = {
            field.name: [plugins.detector(name) for name in field.detectors]
            for field in definition.fields
        }

    def map(self, columns: Sequence[Column]) -> list[Mapped]:
        """What each column is, in the order of the columns."""
        scored = [self._candidates(column, columns) for column in columns]
        scores = [[candidate.score for candidate in row] for row in scored]
        # Below the threshold nothing is mapped, so nothing there may push a sure pair aside. The same
        # whatever the order of equal sums: an earlier column prefers an earlier field.
        chosen = best_assignment(
            [
                [
                    score - 1e-9 * (row + col) if score >= self.definition.threshold else 0.0
                    for col, score in enumerate(line)
                ]
                for row, line in enumerate(scores)
            ]
        )
        return [
            self._verdict(position, column, scored[position], scores, chosen, columns)
            for position, column in enumerate(columns)
        ]

    def _verdict(
        self,
        position: int,
        column: Column,
        candidates: list[Candidate],
        scores: Scores,
        chosen: dict[int, int],
        columns: Sequence[Column],
    ) -> Mapped:
        margin = self.definition.margin
        fields = self.definition.fields
        ranked = sorted(range(len(candidates)), key=lambda index: (-candidates[index].score, index))
        shown = tuple(candidates[i] for i in ranked[:CANDIDATES] if candidates[i].score >= FLOOR)
        top = candidates[ranked[0]]

        def unmapped(reason: str, ties: tuple[str, ...] = ()) -> Mapped:
            return Mapped(
                column=column,
                field=None,
                score=top.score,
                candidates=shown,
                reason=reason,
                ties=ties,
            )

        if position in chosen:
            field = chosen[position]
            own = scores[position][field]
            # Another column that names the field as well: one of them is it, and nothing says which.
            rivals = [
                other
                for other in range(len(columns))
                if other != position
                and scores[other][field] >= max(own - margin, 0.01)
                and not self._elsewhere(other, field, scores, chosen)
            ]
            if rivals:
                return unmapped(
                    DUPLICATE, tuple(f"column {columns[other].letters}" for other in rivals)
                )
            others = [
                index
                for index in ranked
                if index != field
                and scores[position][index] >= own - margin
                and not self._taken(index, position, scores, chosen)
            ]
            if others:
                return unmapped(AMBIGUOUS, tuple(fields[index].name for index in (field, *others)))
            return Mapped(column=column, field=fields[field].name, score=own, candidates=shown)
        if top.score >= self.definition.threshold:
            return unmapped(DUPLICATE, self._holders(ranked[0], chosen, columns))
        if is_placeholder(column.header):
            return unmapped(PLACEHOLDER)
        if top.score < FLOOR:
            return unmapped(NO_SIGNAL)
        second = candidates[ranked[1]].score if len(ranked) > 1 else 0.0
        if top.score >= self.definition.threshold * 0.8 and second >= top.score - 0.01:
            return unmapped(AMBIGUOUS, (top.field, candidates[ranked[1]].field))
        return unmapped(BELOW_THRESHOLD)

    def _elsewhere(self, other: int, field: int, scores: Scores, chosen: dict[int, int]) -> bool:
        """Whether `other` is surely another field, so that it is no rival for this one."""
        taken = chosen.get(other)
        return (
            taken is not None
            and taken != field
            and scores[other][taken] >= scores[other][field] + self.definition.margin
        )

    def _taken(self, field: int, position: int, scores: Scores, chosen: dict[int, int]) -> bool:
        """Whether `field` surely is another column, so that it is no choice for this one."""
        return any(
            col == field and scores[row][field] >= scores[position][field] + self.definition.margin
            for row, col in chosen.items()
            if row != position
        )

    @staticmethod
    def _holders(field: int, chosen: dict[int, int], columns: Sequence[Column]) -> tuple[str, ...]:
        return tuple(
            f"column {columns[row].letters}" for row, col in chosen.items() if col == field
        )

    def _candidates(self, column: Column, columns: Sequence[Column]) -> list[Candidate]:
        blank = is_placeholder(column.header)
        values = column.sample[:SAMPLED]
        found = []
        for field in self.definition.fields:
            header = 0.0 if blank else self._header(column, field, columns)
            if header < 0:
                found.append(Candidate(field=field.name, score=0.0, header=0.0, values=0.0))
                continue
            fit = self._fit(field, column, values)
            score, evidence = self._combined(field, header, fit, len(values), blank)
            for detect in self._detectors[field.name]:
                said = max(0.0, min(1.0, float(detect(column.header, values, field))))
                evidence = max(evidence, said)
                score = max(score, said, 1 - (1 - header) * (1 - 0.8 * said))
            found.append(
                Candidate(
                    field=field.name,
                    score=round(score, 6),
                    header=round(header, 4),
                    values=round(evidence, 4),
                )
            )
        return found

    def _header(self, column: Column, field: Field, columns: Sequence[Column]) -> float:
        whole = self.vocabulary.score(column.header, field)
        if whole < 0 or len(column.parts) < 2:
            return whole
        # The lowest of stacked headers names a column by itself only where no other has that name.
        last = column.parts[-1]
        same = sum(1 for other in columns if other.parts and other.parts[-1] == last)
        if same > 1:
            return whole
        return max(whole, 0.9 * self.vocabulary.score(last, field))

    def _fit(self, field: Field, column: Column, values: Sequence[Any]) -> float:
        """The share of the sample that can be a value of this field."""
        if not values:
            return 1.0
        read = reader_of(
            field,
            date_order=column.evidence.date_order,
            decimal_sign=column.evidence.decimal_sign,
        )
        patterns = self._patterns[field.name]
        rules = field.values
        allowed = {text.casefold() for text in rules.one_of}
        fit = 0
        for raw in values:
            text = text_of(raw).strip()
            if patterns and not any(self._fits(pattern, text) for pattern in patterns):
                continue
            if allowed and text.casefold() not in allowed:
                continue
            if rules.min_length is not None and len(text) < rules.min_length:
                continue
            if rules.max_length is not None and len(text) > rules.max_length:
                continue
            try:
                value = read(raw)
            except ValueIssue as issue:
                # It is a date or a number; which one is another question.
                fit += issue.code.startswith("ambiguous_")
                continue
            if isinstance(value, int | float) or field.type == "decimal":
                number = float(value)
                if rules.minimum is not None and number < rules.minimum:
                    continue
                if rules.maximum is not None and number > rules.maximum:
                    continue
            fit += 1
        return fit / len(values)

    def _fits(self, pattern: Expression, text: str) -> bool:
        try:
            return pattern.fullmatch(text)
        except TooSlow as error:
            said = f"Where it took too long a value counts as none of its field: {error}"
            if said not in self.warnings:
                self.warnings.append(said)
            return False

    def _combined(
        self, field: Field, header: float, fit: float, count: int, blank: bool
    ) -> tuple[float, float]:
        """(score, what the values add): a header that values contradict counts for less."""
        telling = self._telling[field.name]
        strength = min(1.0, count / 5)
        evidence = telling * strength * max(0.0, (fit - 0.6) / 0.4)
        if blank:
            # No header contradicts the values; only what few columns look like names a field alone.
            return evidence, evidence
        shaped = header if header >= 0.45 else header * 0.5
        score = shaped
        if shaped >= 0.3:
            score = 1 - (1 - shaped) * (1 - 0.55 * evidence)
        elif evidence:
            score = max(shaped, 0.75 * evidence)
        if count >= 3 and fit < 0.7:
            score *= 0.45 + 0.55 * fit / 0.7
        return score, evidence

    def _how_telling(self, field: Field) -> float:
        """How surely values that fit are this field's, 0 to 1."""
        telling = _TELLING[field.type]
        if field.values.one_of:
            telling = max(telling, 0.6)
        for pattern in self._patterns[field.name]:
            common = sum(1 for text in _ORDINARY if self._fits(pattern, text))
            # The loosest of the patterns says how much all of them tell.
            if common:
                return max(telling, 0.3 if common <= 2 else 0.1)
        return 0.92 if self._patterns[field.name] else telling


def described(header: str) -> str:
    """A header as the mapping sees it; for explanations."""
    return variants(header)[0]
