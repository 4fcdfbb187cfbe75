"""How well columns are mapped, on layouts that a seeded generator makes: docs/extraction.md."""

from __future__ import annotations

import pytest

from tests.documents.layouts import layouts
from tests.documents.scoring import Score, scored

# Of the whole set that bench/extraction.py measures; other seeds, so that neither is tuned to the other.
COUNT, SEED = 300, 20260


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
    for (kind, reason), count in score.reasons.items():
        allowed = {
            "placeholder": {"empty_or_placeholder_header"},
            # Two columns under one header; where that header means nothing, it says so.
            "duplicate": {"duplicate_field", "no_signal", "below_threshold"},
            "noise": {
                "no_signal",
                "below_threshold",
                "empty_or_placeholder_header",
                "duplicate_field",
            },
            "plain": {
                "no_signal",
                "below_threshold",
                "ambiguous_top_candidates",
                "duplicate_field",
                "empty_or_placeholder_header",
            },
            "typo": {
                "no_signal",
                "below_threshold",
                "ambiguous_top_candidates",
                "duplicate_field",
                "empty_or_placeholder_header",
            },
        }[kind]
        assert reason in allowed, (kind, reason, count)


def test_a_lower_threshold_maps_more_and_a_higher_one_less() -> None:
    some = layouts(60, 5)
    mapped = [scored(some, threshold=at) for at in (0.4, 0.75, 0.95)]
    counts = [each.right + each.wrong for each in mapped]
    assert counts == sorted(counts, reverse=True)
    assert mapped[2].precision >= mapped[0].precision
