"""What counts as a word, and which words are the same."""

from __future__ import annotations

import pytest

from ingestion.index import analysis
from ingestion.index.porter import stem
from ingestion.index.query import has_phrase, parse, run_of


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("connections", "connected"),
        ("Straße", "STRASSE"),
        ("naïve", "naive"),
        ("e\u0301te\u0301", "été"),
        ("ＡＢＣ", "abc"),
        ("payments", "Payment"),
        ("שָׁלוֹם", "שלום"),
    ],
)
def test_the_same_word(one: str, other: str) -> None:
    assert analysis.terms(one) == analysis.terms(other)


# The examples of Porter's paper, step by step.
@pytest.mark.parametrize(
    ("word", "wanted"),
    [
        ("caresses", "caress"), ("ponies", "poni"), ("cats", "cat"), ("feed", "feed"),
        ("agreed", "agre"), ("plastered", "plaster"), ("motoring", "motor"), ("sing", "sing"),
        ("conflated", "conflat"), ("hopping", "hop"), ("falling", "fall"), ("filing", "file"),
        ("happy", "happi"), ("sky", "sky"), ("relational", "relat"), ("conditional", "condit"),
        ("rational", "ration"), ("vietnamization", "vietnam"), ("operator", "oper"),
        ("triplicate", "triplic"), ("hopeful", "hope"), ("goodness", "good"),
        ("revival", "reviv"), ("adjustable", "adjust"), ("replacement", "replac"),
        ("adoption", "adopt"), ("probate", "probat"), ("rate", "rate"), ("cease", "ceas"),
        ("controll", "control"), ("roll", "roll"), ("generalizations", "gener"),
    ],
)  # fmt: skip
def test_stems(word: str, wanted: str) -> None:
    assert stem(word) == wanted


def test_ids_and_addresses_are_found_whole_and_by_their_parts() -> None:
    assert {"=abc-123", "abc", "123"} <= set(analysis.terms("see ABC-123."))
    assert "=app.example/login" in analysis.terms("at app.example/login")
    assert "=user_name" in analysis.terms("user_name")
    # A hyphen between plain words makes no name of them.
    assert analysis.terms("well-known") == analysis.terms("well known")


def test_scripts_without_spaces_are_found_by_their_parts() -> None:
    assert {"東", "京", "東京"} <= set(analysis.terms("東京都"))
    assert set(analysis.terms("京都")) <= set(analysis.terms("東京都"))


def test_emoji_and_right_to_left_words() -> None:
    assert analysis.terms("🚀 שלום עולם") == ["🚀", "שלום", "עולם"]


def test_words_keep_their_vowel_signs() -> None:
    assert len(analysis.terms("हिन्दी भाषा")) == 2


def test_places_of_words_are_those_of_the_text() -> None:
    text = "Die STRASSE, naïve ABC-12 東京 🚀"
    assert [text[word.start : word.end] for word in analysis.words(text)] == [
        "Die", "STRASSE", "naïve", "ABC-12", "ABC", "12", "東", "東京", "京", "🚀",
    ]  # fmt: skip


def test_nothing_in_a_query_is_an_operator() -> None:
    asked = parse('NEAR(a b) OR "broken AND col:x* -y ^2 (')
    assert asked.phrases == ()
    assert {"near", "or", "broken", "and"} <= set(asked.terms)


@pytest.mark.parametrize("query", ['"reset password"', "“reset password”", "«Resets passwords»"])
def test_phrases(query: str) -> None:
    assert parse(query).phrases == (("reset", "password"),)


def test_a_phrase_is_a_run_of_words() -> None:
    run = run_of("How to reset the password of ABC-123")
    assert has_phrase(run, run_of("ABC 123"))
    assert has_phrase(run, run_of("reset THE passwords"))
    assert not has_phrase(run, run_of("reset password"))
