"""How well columns are mapped, on layouts that a seeded generator makes: docs/extraction.md."""

from __future__ import annotations

import pytest

from tests.documents.held_out_words import HELD_OUT
from tests.documents.layouts import layouts
from tests.documents.scoring import Score, scored

# Of the whole set that bench/extraction.py measures; other seeds, so that neither is tuned to the other.
COUNT, SEED = 300, 20260
HELD_OUT_COUNT = 120


@pytest.fixture(scope="module")
def score() -> Score:
    return scored(layouts(COUNT, SEED))


def test_what_is_mapped_is_right(score: Score) -> None:
    assert score.right > 1000
    assert score.precision >= 0.99, score.mistakes


def test_columns_with_names_are_found(score: Score) -> None:
    assert score.recall_of_named >= 0.8


def test_every_table_is_found_and_nothing_else_counts_as_a_row(score: Score) -> None:
    assert score.tables_lost == 0
    assert score.rows_wrong == 0, score.mistakes


def test_what_is_not_mapped_says_the_right_reason(score: Score) -> None:
    assert score.reasons.total() > 100
    assert score.wrong_reasons == []


def test_tables_of_other_trades_are_mapped_as_surely() -> None:
    """On words and configurations that nothing was tuned on."""
    score = scored(layouts(HELD_OUT_COUNT, SEED, HELD_OUT))
    assert score.right > 300
    assert score.precision >= 0.99, score.mistakes
    assert score.wrong_reasons == []


def test_a_lower_threshold_maps_more_and_a_higher_one_less() -> None:
    some = layouts(60, 5)
    mapped = [scored(some, threshold=at) for at in (0.4, 0.75, 0.95)]
    counts = [each.right + each.wrong for each in mapped]
    assert counts == sorted(counts, reverse=True)
    assert mapped[2].precision >= mapped[0].precision
