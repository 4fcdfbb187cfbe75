"""The index: the same questions, the same answers, on both databases."""

from __future__ import annotations

import random
import subprocess
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from django.contrib.auth.models import User
from django.db import connection, transaction

from ingestion.index import (
    BadQuery,
    Filters,
    Query,
    Results,
    analysis,
    erased,
    filling,
    postings,
    search,
    settle,
    tables,
    vectors,
    words,
)
from ingestion.index.allowed import Allowed
from ingestion.models import Chunk, EmbeddingModel, Source, SourceDocument
from tests.factories import SourceFactory
from tests.ingestion.search.conftest import add
from tests.ingestion.search.embeddings_server import EmbeddingsServer


def found(user: Any, text: str = "", **options: Any) -> list[str]:
    return [hit.chunk.text for hit in ask(user, text, **options).hits]


def ask(user: Any, text: str = "", **options: Any) -> Results:
    return search(query=Query(text=text, **options), user=user)


def test_any_word_finds_and_rare_words_count_more(
    no_model: None, searcher: User, source: Source
) -> None:
    both = add("Refunds of payments take days", source=source)
    for n in range(8):
        add(f"Payments are listed on page {n}", source=source)
    add("Nothing of it", source=source)
    texts = found(searcher, "payment refunded quickly")
    assert texts[0] == both.text
    assert len(texts) == 9
    assert "Nothing of it" not in texts


@pytest.mark.parametrize(
    ("distinct", "common_from", "without"),
    [(90, 60, {"w1x"}), (90, 61, set()), (30, 60, set())],
    ids=["one is common", "few passages", "all are common"],
)
def test_scores_are_those_of_bm25(
    no_model: None,
    searcher: User,
    source: Source,
    distinct: int,
    common_from: int,
    without: set[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(words, "COMMON_FROM", common_from)
    chance = random.Random(3)
    vocabulary = [f"w{n}x" for n in range(distinct)] + ["w1x"] * 5
    rows = [
        add(
            " ".join(chance.choices(vocabulary, k=chance.randint(3, 40))) + f" n{n}",
            source=source,
            title="",
        )
        for n in range(60)
    ]
    bags = {row.pk: analysis.terms(row.text) for row in rows}
    average = sum(map(len, bags.values())) / len(bags)
    asked = analysis.terms("w1x w2x w3x")
    expected = {}
    common: set[str] = set()
    for pk, bag in bags.items():
        score = 0.0
        for term in asked:
            df = sum(term in other for other in bags.values())
            common.update({term} if df > words.COMMON * len(bags) else ())
            if term in without:
                continue
            tf = bag.count(term)
            norm = words.K1 * (1 - words.B + words.B * len(bag) / average)
            score += (
                np.log(1 + (len(bags) - df + 0.5) / (df + 0.5)) * tf * (words.K1 + 1) / (tf + norm)
            )
        if score:
            expected[pk] = score
    results = words.find(asked)
    assert common == ({"w1x"} if distinct == 90 else set(asked))
    assert results.counted == set(asked) - without
    ids, scores = results.best(100)
    assert set(ids.tolist()) == set(expected)
    assert np.allclose(scores, [expected[pk] for pk in ids.tolist()], rtol=0.02)
    assert list(scores) == sorted(scores, reverse=True)


def test_blocks_of_any_age_give_the_same_scores(
    no_model: None, searcher: User, source: Source, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(postings, "SMALL_BITS", 2)
    monkeypatch.setattr(postings, "LARGE_BITS", 4)
    monkeypatch.setattr(postings, "BULK", 8)
    rows = [add(f"apple {'pear ' * (n % 3)}plum{n}", source=source) for n in range(40)]
    # Not the newest: alone in its region, wherever the ids stand, it would leave no small block.
    SourceDocument.objects.filter(
        pk__in=[rows[n].document_id for n in (0, 5, 6, 7, 21, 38)]
    ).delete()
    settle()
    with connection.cursor() as cursor:
        cursor.execute("SELECT block, chunks, words FROM ingestion_postingblock ORDER BY block")
        grown = cursor.fetchall()
    assert any(block & 1 for block, _, _ in grown)
    assert any(not block & 1 for block, _, _ in grown)
    before = words.find(["appl", "pear"]).best(100)
    postings.renew(connection)
    assert settle() == 34
    after = words.find(["appl", "pear"]).best(100)
    assert len(before[0]) == 34
    assert before[0].tolist() == after[0].tolist()
    assert np.allclose(before[1], after[1])


def test_what_is_deleted_is_found_no_more_and_leaves_nothing(
    no_model: None, searcher: User, source: Source
) -> None:
    gone = add("The launch code is swordfish-7781", source=source)
    add("Something else", source=source)
    with transaction.atomic():
        SourceDocument.objects.filter(pk=gone.document_id).delete()
        settle()
    assert found(searcher, "swordfish") == []
    with connection.cursor() as cursor:
        number = analysis.number("swordfish")
        cursor.execute("SELECT count(*) FROM ingestion_posting WHERE term = %s", [number])
        assert cursor.fetchone() == (0,)
        cursor.execute("SELECT sum(chunks) FROM ingestion_postingblock")
        assert cursor.fetchone() == (1,)
    assert postings.pending() == 0


def test_a_delete_that_is_undone_leaves_the_index_as_it_was(
    no_model: None, searcher: User, source: Source
) -> None:
    kept = add("A swordfish swims", source=source)
    with transaction.atomic():
        SourceDocument.objects.filter(pk=kept.document_id).delete()
        settle()
        assert found(searcher, "swordfish") == []
        transaction.set_rollback(True)
    assert found(searcher, "swordfish") == [kept.text]


def test_a_deleted_passage_is_never_shown_though_nobody_settled(
    endpoint: EmbeddingsServer, searcher: User, source: Source
) -> None:
    gone = add("A swordfish swims", source=source)
    filling.catch_up()
    SourceDocument.objects.filter(pk=gone.document_id).delete()
    assert postings.pending() == 1
    assert found(searcher, "swordfish") == []


def test_a_new_title_finds_its_passages(no_model: None, searcher: User, source: Source) -> None:
    row = add("Some text", source=source, title="Old name")
    assert found(searcher, "old") == [row.text]
    with transaction.atomic():
        document = row.document
        document.title = "Fresh name"
        document.save()
        settle()
    assert found(searcher, "old") == []
    assert found(searcher, "fresh") == [row.text]


def test_ids_and_phrases(no_model: None, searcher: User, source: Source) -> None:
    exact = add("Fixed in ABC-123 yesterday", source=source)
    add("ABC has 123 things, and ABC", source=source)
    add("password reset and password", source=source)
    phrase = add("Please reset your password now", source=source)
    assert found(searcher, "abc-123")[0] == exact.text
    assert found(searcher, '"ABC-123"')[0] == exact.text
    assert found(searcher, '"reset your password"') == [phrase.text]
    assert found(searcher, '"your password" "please reset"') == [phrase.text]
    assert found(searcher, '"password your"') == []


@pytest.mark.parametrize(
    "query",
    ['"', '" OR *', "NEAR(a b)", "col:x AND -y", "a'; DROP TABLE ingestion_chunk; --", "%s %(x)s",
     "🚀", "שלום", "\\", "(((", "\x00nul", "a" * 1999, "!!!", "۩ ﷽"],
)  # fmt: skip
def test_no_query_fails(no_model: None, searcher: User, source: Source, query: str) -> None:
    add("A rocket 🚀 and שלום", source=source)
    texts = found(searcher, query)
    assert texts == (
        ["A rocket 🚀 and שלום"]
        if query
        in ("🚀", "שלום", "NEAR(a b)", "col:x AND -y", "a'; DROP TABLE ingestion_chunk; --")
        else []
    )


@pytest.mark.parametrize(
    ("options", "field"),
    [({"text": " "}, "query"), ({"text": "x" * 1_000_000}, "query"), ({"text": "a", "limit": 51}, "limit"),
     ({"text": "a", "offset": 501}, "offset"), ({"like": 10**12}, "like"), ({"text": "a", "per_document": 0}, "perDocument")],
)  # fmt: skip
def test_bad_queries_say_what_is_wrong(searcher: User, options: dict[str, Any], field: str) -> None:
    with pytest.raises(BadQuery) as refused:
        search(query=Query(**options), user=searcher)
    assert refused.value.field == field


def test_filters(endpoint: EmbeddingsServer, searcher: User, source: Source) -> None:
    other = SourceFactory(owner=searcher, kind="jira")
    day = datetime(2026, 3, 1, tzinfo=UTC)
    one = add("apple one", source=source, labels=["red", "big"], changed_at=day, kind="page")
    two = add("apple two", source=source, labels=["green"], kind="document")
    three = add(
        "apple three", source=other, labels=["red"], changed_at=day.replace(month=5), kind="issue"
    )
    filling.catch_up()

    def narrowed(**filters: Any) -> set[str]:
        return set(found(searcher, "apple", filters=Filters(**filters)))

    assert narrowed() == {one.text, two.text, three.text}
    assert narrowed(sources=(source.pk,)) == {one.text, two.text}
    assert narrowed(source_kinds=("jira",)) == {three.text}
    assert narrowed(kinds=("page", "issue")) == {one.text, three.text}
    assert narrowed(labels=("red",)) == {one.text, three.text}
    assert narrowed(labels=("red",), sources=(source.pk,)) == {one.text}
    assert narrowed(labels=("re",)) == set()
    assert narrowed(documents=(two.document_id,)) == {two.text}
    assert narrowed(changed_from=day) == {one.text, three.text}
    assert narrowed(changed_until=day.replace(month=4)) == {one.text}
    # What is kept of a filter is not older than the documents.
    SourceDocument.objects.filter(pk=two.document_id).update(labels=["red"])
    assert narrowed(labels=("red",)) == {one.text, two.text, three.text}


def test_everybody_finds_what_they_may_see(
    endpoint: EmbeddingsServer, searcher: User, source: Source
) -> None:
    add("apple of the admin", source=source)
    operator = User.objects.create_user("op", is_staff=True)
    own = add("apple of my own", source=SourceFactory(owner=operator))
    shared = add("apple for all", source=SourceFactory(owner=searcher, shared=True))
    going = add("apple that goes", source=SourceFactory(owner=searcher, shared=True, deleting=True))
    filling.catch_up()
    assert set(found(operator, "apple")) == {own.text, shared.text}
    assert len(found(searcher, "apple")) == 3
    assert going.text not in found(searcher, "apple")
    assert found(operator, "apple", filters=Filters(sources=(source.pk,))) == []
    assert set(found(operator, like=own.pk)) == {shared.text}
    with pytest.raises(BadQuery):
        ask(operator, like=Chunk.objects.get(source=source).pk)


def test_words_and_meaning_together_rank_above_each_alone(
    endpoint: EmbeddingsServer, searcher: User, source: Source
) -> None:
    for n in range(20):
        add(f"filler {n} text about rivers", source=source)
    best = add("swordfish swims in rivers", source=source)
    filling.catch_up()
    results = ask(searcher, "swordfish rivers")
    assert results.mode == "hybrid"
    assert results.notice == ""
    top = results.hits[0]
    assert top.chunk.text == best.text
    assert top.words is not None
    assert top.meaning is not None
    assert (top.words.rank, top.meaning.rank) == (1, 1)
    assert top.score == pytest.approx(2 / 61)
    assert [top.chunk.text[a:b] for a, b in top.highlights] == ["swordfish", "rivers"]
    assert ask(searcher, "swordfish", mode="words").hits[0].meaning is None
    assert ask(searcher, "swordfish", mode="meaning").hits[0].words is None


def test_pages_do_not_repeat_and_end(
    endpoint: EmbeddingsServer, searcher: User, source: Source
) -> None:
    for n in range(23):
        add(f"apple number{n}", source=source)
    filling.catch_up()
    pages = [ask(searcher, "apple", limit=10, offset=at) for at in (0, 10, 20)]
    texts = [hit.chunk.text for page in pages for hit in page.hits]
    assert len(texts) == len(set(texts)) == 23
    assert [page.more for page in pages] == [True, True, False]


def test_passages_of_one_document_are_bounded(
    no_model: None, searcher: User, source: Source
) -> None:
    first = add("apple zero", source=source)
    for n in range(5):
        Chunk.objects.create(
            document=first.document, source=source, position=n + 1, text=f"apple {n}", start=0, end=7,
            tokens=1, digest=f"{n}",
        )  # fmt: skip
    settle()
    assert len(found(searcher, "apple", per_document=2)) == 2
    assert len(found(searcher, "apple", per_document=6)) == 6


def test_without_a_model_it_says_why(no_model: None, searcher: User, source: Source) -> None:
    add("apple", source=source)
    results = ask(searcher, "apple")
    assert results.mode == "words"
    assert "EMBEDDINGS=off" in results.notice
    assert len(results.hits) == 1


def test_when_the_endpoint_fails_words_are_searched_and_it_says_so(
    endpoint: EmbeddingsServer, searcher: User, source: Source
) -> None:
    from tests.ingestion.search.embeddings_server import send

    add("apple", source=source)
    filling.catch_up()
    endpoint.script = [lambda handler, _: send(handler, 401, {"error": {"message": "no"}})]
    results = ask(searcher, "apple pie")
    assert results.mode == "words"
    assert "EMBEDDINGS_KEY" in results.notice
    assert len(results.hits) == 1
    assert ask(searcher, "apple pie").mode == "hybrid"


def test_more_like_this(endpoint: EmbeddingsServer, searcher: User, source: Source) -> None:
    one = add("boundary layer transition on wings", source=source)
    near = add("wings and boundary layer transition measured", source=source)
    add("cooking pasta with tomatoes", source=source)
    filling.catch_up()
    texts = found(searcher, like=one.pk)
    assert texts[0] == near.text
    assert one.text not in texts


def test_neighbours_are_the_exact_ones(
    endpoint: EmbeddingsServer,
    searcher: User,
    source: Source,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    model = EmbeddingModel.objects.create(
        name="m", dimension=32, state="active", created_at=datetime.now(UTC)
    )
    chance = np.random.default_rng(5)
    centres = chance.normal(size=(20, 32))
    rows = centres[chance.integers(0, 20, 600)] + 0.4 * chance.normal(size=(600, 32))
    rows = (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)
    document = add("x", source=source).document
    other = SourceFactory(owner=searcher)
    far = add("y", source=other).document
    made = Chunk.objects.bulk_create(
        Chunk(
            document=document if n % 10 else far, source=source if n % 10 else other, position=n,
            text=f"t{n}", start=0, end=1, tokens=1, digest=f"d{n}",
        )
        for n in range(600)
    )  # fmt: skip
    ids = np.asarray([row.pk for row in made])
    assert vectors.write(model, ids.tolist(), rows) == 600
    assert vectors.write(model, ids.tolist(), rows) == 0
    vectors.ready(model)
    for among in (None, Allowed(filters=Filters(sources=(other.pk,)), user=searcher).ids()):
        hits = 0
        for question in rows[:40] + 0.1:
            question = (question / np.linalg.norm(question)).astype(np.float32)
            near, cosines = vectors.nearest(model, question, 10, among=among)
            where = np.arange(600) if among is None else np.flatnonzero(np.isin(ids, among))
            assert len(set(near.tolist())) == len(near) == 10
            exact = ids[where[np.argsort(-(rows[where] @ question))[:10]]]
            hits += len(set(near.tolist()) & set(exact.tolist()))
            assert list(cosines) == sorted(cosines, reverse=True)
        assert hits / 400 >= 0.99
    # In memory, where a graph is not needed yet: the very same, but for float16's rounding.
    monkeypatch.setattr(vectors, "MATRIX_MOST", 10_000)
    assert vectors.method(model) == "matrix"
    for question in rows[:40]:
        near, _ = vectors.nearest(model, question, 10)
        assert len({*near.tolist()} & {*ids[np.argsort(-(rows @ question))[:10]].tolist()}) >= 9
    # Deleted ones are neighbours no more, also of what a process keeps in memory.
    question = rows[7]
    assert vectors.nearest(model, question, 1)[0].tolist() == [ids[7]]
    Chunk.objects.filter(pk=ids[7]).delete()
    assert vectors.nearest(model, question, 1)[0].tolist() != [ids[7]]
    assert vectors.count(model) == 599


def test_the_tables_mend_themselves(no_model: None, searcher: User, source: Source) -> None:
    add("apple", source=source)
    with connection.cursor() as cursor:
        if connection.vendor == "sqlite":
            cursor.execute("DROP TRIGGER ingestion_index_chunk_came")
        else:
            cursor.execute("DROP TRIGGER ingestion_index_chunk_came ON ingestion_chunk")
    tables.install(connection)
    add("pear", source=source)
    assert found(searcher, "pear") == ["pear"]
    with connection.cursor() as cursor:
        cursor.execute("UPDATE ingestion_indexversion SET version = 'older'")
    tables.install(connection)
    assert postings.pending() == 2
    settle()
    assert len(found(searcher, "apple pear")) == 2


def test_deleted_text_leaves_the_file(
    no_model: None, searcher: User, source: Source, database: str
) -> None:
    if connection.vendor != "sqlite":
        # PostgreSQL has no such switch: its vacuum reuses the space.
        return
    secret = "xylophonequartz"
    gone = add(f"The {secret} is here", source=source)
    posting = analysis.number(analysis.terms(secret)[0]).to_bytes(8, "big")
    path = Path(database.removeprefix("sqlite:///"))

    def holds(part: bytes) -> bool:
        with connection.cursor() as cursor:
            cursor.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        # By another process: when this one closes the file, its connections lose their locks
        # (POSIX), and the next process that writes makes it malformed.
        return part in subprocess.run(["cat", path], capture_output=True, check=True).stdout

    assert holds(secret.encode())
    assert holds(posting)
    with transaction.atomic(), erased():
        SourceDocument.objects.filter(pk=gone.document_id).delete()
        settle()
    assert not holds(secret.encode())
    assert not holds(posting)
