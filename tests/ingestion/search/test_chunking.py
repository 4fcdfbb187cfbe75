"""Chunks hold all text, in order, within the model's bound, each at its place."""

from __future__ import annotations

import itertools
import random

import pytest

from documents.structure import Block, Cell, Page, Place, Structure, Table, TextBuilder
from ingestion.chunking import Span, embedded_text, header, split
from ingestion.embedding import tokens

WORDS = [
    "alpha",
    "beta",
    "gamma,",
    "delta.",
    "Electromagnetic,",
    "supercalifragilistic",
    "naïve",
    "東京都に行く",
    "straße",
    "foo_bar",
    "ABC-123",
    "x",
    "the",
    "end!",
    "really?",
    "(yes)",
    "🚀",
    "שלום",
]


def built(*blocks: tuple[str, str, int, str]) -> Structure:
    """Blocks of (kind, text, level, anchor), all of one page."""
    text = TextBuilder()
    made = []
    for kind, words, level, anchor in blocks:
        start, end = text.add(words, then="\n\n")
        made.append(Block(kind, words, Place(start, end), level=level, anchor=anchor))  # type: ignore[arg-type]
    return Structure("text/html", text.text(), blocks=tuple(made))


def texts(structure: Structure, spans: list[Span]) -> list[str]:
    return [structure.text[span.start : span.end] for span in spans]


@pytest.mark.parametrize("seed", range(40))
def test_every_word_lies_in_a_chunk_and_no_chunk_is_too_long(seed: int) -> None:
    chance = random.Random(seed)
    text, blocks = TextBuilder(), []
    for n in range(chance.randint(1, 25)):
        kind = chance.choice(["heading", "paragraph", "paragraph", "list_item"])
        count = chance.choice([1, 5, 90] if kind == "heading" else [1, 8, 40, 300, 900])
        words = " ".join(chance.choice(WORDS) for _ in range(count))
        if chance.random() < 0.1:
            words = chance.choice(
                ["x" * 5000, "".join(chance.choice("abc012+/\x01🚀") for _ in range(4000))]
            )
        start, end = text.add(words, then=chance.choice(["\n\n", "\n", " not in a block \n\n"]))
        place = Place(start, end, page=1 + n // 4)
        if seed % 5:
            blocks.append(Block(kind, words, place, level=chance.randint(1, 3)))  # type: ignore[arg-type]
    structure = Structure("text/plain", text.text(), blocks=tuple(blocks))
    spans = split(structure)
    held = set()
    for span in spans:
        part = structure.text[span.start : span.end]
        assert part == part.strip() != ""
        assert span.tokens == tokens.count(part)
        whole = embedded_text(span.heading_path, part)
        assert tokens.count(whole) + tokens.SPECIALS <= tokens.MAX_TOKENS
        held.update(range(span.start, span.end))
    assert [span.start for span in spans] == sorted(span.start for span in spans)
    missing = [
        at for at, char in enumerate(structure.text) if not char.isspace() and at not in held
    ]
    assert missing == []
    assert split(structure) == spans


def test_a_section_is_a_chunk_with_its_headings_and_anchor() -> None:
    structure = built(
        ("heading", "Payments", 1, "pay"),
        ("heading", "Refunds", 2, "refunds"),
        ("paragraph", "A refund takes three days.", 0, ""),
        ("list_item", "Cards at once.", 1, ""),
        ("heading", "Fees", 2, ""),
        ("paragraph", "None.", 0, ""),
        ("heading", "Support", 1, "support"),
        ("paragraph", "Call.", 0, "call"),
    )
    spans = split(structure)
    assert [(span.heading_path, span.anchor) for span in spans] == [
        (("Payments", "Refunds"), "pay"),
        (("Payments", "Fees"), "pay"),
        (("Support",), "support"),
    ]
    assert texts(structure, spans)[0].endswith("Cards at once.")


def test_a_long_paragraph_is_cut_between_sentences_without_overlap() -> None:
    sentence = "The quick brown fox jumps over the lazy dog near the river bank. "
    structure = built(("paragraph", (sentence * 60).strip(), 0, ""))
    spans = split(structure)
    assert len(spans) > 2
    assert all(part.endswith("bank.") for part in texts(structure, spans))
    assert all(a.end <= b.start for a, b in itertools.pairwise(spans))


def test_only_a_sentence_that_does_not_fit_overlaps_and_no_word_is_cut() -> None:
    words = " ".join(f"word{n}" for n in range(600))
    structure = built(("paragraph", words, 0, ""))
    spans = split(structure)
    assert all(a.end > b.start for a, b in itertools.pairwise(spans))
    assert all(word.startswith("word") for part in texts(structure, spans) for word in part.split())


def test_a_table_is_whole_where_it_fits_and_cut_between_rows_where_not() -> None:
    def table(rows: int) -> Structure:
        text, cells = TextBuilder(), []
        for row in range(rows):
            for col in range(3):
                words = f"cell {row} {col}"
                start, end = text.add(words, then="\t" if col < 2 else "\n")
                cells.append(Cell(row, col, words, Place(start, end)))
        whole = text.text().rstrip("\n")
        return Structure(
            "text/csv",
            whole,
            tables=(Table(1, tuple(cells), rows, 3, Place(0, len(whole))),),
        )

    small, large = table(8), table(80)
    assert len(split(small)) == 1
    parts = texts(large, split(large))
    assert len(parts) > 2
    assert all(part.endswith(" 2") and part.startswith("cell ") for part in parts)
    assert all(part.split("\t")[0].endswith(" 0") for part in parts)


def test_chunks_end_where_pages_do_and_know_theirs() -> None:
    text, blocks, pages = TextBuilder(), [], []
    for number in (1, 2, 3):
        start, end = text.add(f"Text of page {number}.", then="\n\n")
        blocks.append(Block("paragraph", f"Text of page {number}.", Place(start, end, page=number)))
        pages.append(Page(number, start, end))
    structure = Structure("application/pdf", text.text(), tuple(pages), tuple(blocks))
    assert [span.page for span in split(structure)] == [1, 2, 3]
    bare = Structure("application/pdf", text.text(), tuple(pages))
    assert [span.page for span in split(bare)] == [1, 2, 3]


def test_headings_are_read_before_the_text_unless_it_begins_with_them() -> None:
    assert header(("A", "B"), "text") == "A › B\n"
    assert header(("A", "B"), "B is this") == "A\n"
    assert header((), "text") == ""
    long = header(tuple("heading " * 30 for _ in range(3)), "x")
    assert tokens.count(long) <= 40


def test_no_room_for_text_is_an_error_and_not_an_endless_loop() -> None:
    with pytest.raises(ValueError, match="room"):
        split(built(("paragraph", "text", 0, "")), max_tokens=2)
