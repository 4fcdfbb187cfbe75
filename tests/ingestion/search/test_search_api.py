"""POST /api/vector/query and GET /api/vector/stats, and the page that shows the same."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from ingestion.index import filling, places
from ingestion.models import Chunk, Source
from jobs.access import Role
from jobs.roles import put_in
from tests.factories import SourceFactory
from tests.ingestion.search.conftest import add
from tests.ingestion.search.embeddings_server import EmbeddingsServer

pytestmark = pytest.mark.django_db


@pytest.fixture
def admin() -> User:
    return User.objects.create_superuser("root", password="pw")


@pytest.fixture
def handbook(admin: User) -> Source:
    made: Source = SourceFactory(owner=admin, name="Handbook")
    return made


def client_of(user: User) -> Client:
    client = Client()
    client.force_login(user)
    return client


def ask(client: Client, **body: Any) -> Any:
    return client.post("/api/vector/query", body, content_type="application/json")


def test_an_answer_says_what_and_where(
    endpoint: EmbeddingsServer, admin: User, handbook: Source
) -> None:
    text = "Refunds take three days. " + "More of the same. " * 30
    chunk = add(
        text,
        source=handbook,
        key="http://127.0.0.1/pay",
        title="Payments",
        url="http://127.0.0.1/pay",
        labels=["money"],
    )
    Chunk.objects.filter(pk=chunk.pk).update(anchor="refunds", heading_path=["Payments", "Refunds"])
    filling.catch_up()
    answer = ask(client_of(admin), query="refund", explain=True)
    assert answer.status_code == 200, answer.content
    body = answer.json()
    assert (body["mode"], body["notice"], body["model"], body["more"]) == (
        "hybrid",
        "",
        "bag",
        False,
    )
    [hit] = body["results"]
    assert hit["text"] == text
    assert [text[each["start"] : each["end"]] for each in hit["highlights"]] == ["Refunds"]
    snippet = hit["snippet"]
    assert snippet["text"] == text[snippet["start"] : snippet["end"]]
    assert [snippet["text"][each["start"] : each["end"]] for each in snippet["highlights"]] == [
        "Refunds"
    ]
    assert hit["url"] == "http://127.0.0.1/pay#refunds"
    assert hit["headingPath"] == ["Payments", "Refunds"]
    assert hit["document"]["labels"] == ["money"]
    assert hit["source"]["name"] == "Handbook"
    assert hit["scores"]["words"]["rank"] == hit["scores"]["meaning"]["rank"] == 1
    assert "scores" not in ask(client_of(admin), query="refund").json()["results"][0]


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "query"),
        ({"query": "  "}, "query"),
        ({"query": "x" * 1_000_000}, "query"),
        ({"query": "a", "limit": 0}, "limit"),
        ({"query": "a", "mode": "psychic"}, "mode"),
        ({"query": "a", "colour": "red"}, "colour"),
        ({"query": "a", "filters": {"kinds": ["poem"]}}, "filters"),
        ({"like": 987654}, "like"),
    ],
)
def test_bad_requests_name_the_field(no_model: None, admin: User, body: Any, field: str) -> None:
    answer = ask(client_of(admin), **body)
    assert answer.status_code == 400
    assert answer["Content-Type"] == "application/problem+json"
    assert field in answer.json()["errors"]


def test_every_role_may_ask_and_finds_its_own(
    no_model: None, admin: User, handbook: Source
) -> None:
    viewer = User.objects.create_user("viewer")
    put_in(user=viewer, role=Role.VIEWER)
    add("apple of the admin", source=handbook)
    add("apple for all", source=SourceFactory(owner=admin, shared=True))
    assert ask(Client(), query="apple").status_code in (401, 403)
    assert ask(client_of(User.objects.create_user("nobody")), query="apple").status_code == 403
    answer = ask(client_of(viewer), query="apple")
    assert [hit["text"] for hit in answer.json()["results"]] == ["apple for all"]
    assert client_of(viewer).get("/api/vector/stats").json()["chunks"] == 1
    assert Client().get("/api/vector/stats").status_code in (401, 403)
    page = client_of(admin).get("/admin/search/", {"q": "apple"}).content.decode()
    assert page.count('class="td-card find-hit"') == 2


def test_stats_say_what_there_is_and_what_is_wrong(
    endpoint: EmbeddingsServer, admin: User, handbook: Source, settings: Any
) -> None:
    add("apple", source=handbook)
    client = client_of(admin)
    before = client.get("/api/vector/stats").json()
    assert (before["chunks"], before["embedded"], before["model"]) == (1, 0, None)
    assert "Keyword only" in before["problems"][0]
    filling.catch_up()
    after = client.get("/api/vector/stats").json()
    assert after["problems"] == []
    assert after["keywordOnly"] == ""
    assert (after["embedded"], after["total"], after["pending"]) == (1, 1, 0)
    assert after["model"] == {"name": "bag", "revision": endpoint.url, "dimension": 24}
    assert after["chunksByKind"] == {"website": 1}
    assert after["wordsBytes"] > 0
    assert after["vectorsBytes"] >= 48
    Chunk.objects.create(
        document=Chunk.objects.get().document,
        source=handbook,
        position=9,
        text="new",
        start=0,
        end=3,
        tokens=1,
        digest="n",
    )
    worse = client.get("/api/vector/stats").json()
    assert worse["pending"] == 1
    assert len(worse["problems"]) == 2


def test_more_results_cost_no_more_queries(no_model: None, admin: User, handbook: Source) -> None:
    client = client_of(admin)
    add("apple 0", source=handbook)
    ask(client, query="apple")
    counts = []
    for n in range(1, 22):
        if n in (1, 21):
            with CaptureQueriesContext(
                connection,
            ) as captured:
                ask(client, query="apple", limit=50)
            counts.append(len(captured))
        add(f"apple {n}", source=handbook)
    assert counts[0] == counts[1]


def test_the_page_marks_words_escapes_text_and_says_what_to_do(
    no_model: None, admin: User, handbook: Source
) -> None:
    client = client_of(admin)
    empty = client.get("/admin/search/").content.decode()
    assert "There is nothing to search yet" in empty
    add("<script>alert(1)</script> apple & pear", source=handbook, url="javascript:alert(1)")
    page = client.get("/admin/search/", {"q": "apple", "explain": "1"}).content.decode()
    assert "&lt;script&gt;alert(1)&lt;/script&gt; <mark>apple</mark> &amp; pear" in page
    assert "javascript:alert" not in page
    assert "EMBEDDINGS=off" in page
    assert "words: 1." in page
    nothing = client.get("/admin/search/", {"q": "zebra", "label": "x"}).content.decode()
    assert "Search without filters" in nothing
    bad = client.get("/admin/search/", {"q": "x" * 2001}).content.decode()
    assert "2,000 characters" in bad
    assert (
        "is not a day" in client.get("/admin/search/", {"q": "a", "from": "soon"}).content.decode()
    )


@pytest.mark.parametrize(
    ("kind", "url", "anchor", "page", "wanted"),
    [
        ("page", "http://a/x", "top", None, "http://a/x#top"),
        ("page", "http://a/x#old", "top", None, "http://a/x#top"),
        ("page", "http://a/x", "", None, "http://a/x#:~:text=a%20well%2Dknown%20text"),
        ("issue", "http://j/browse/A-1", "comment-77", None, "http://j/browse/A-1?focusedCommentId=77#comment-77"),
        ("issue", "http://j/browse/A-1", "", None, "http://j/browse/A-1"),
        ("document", "/admin/documents/document/1/change/", "", 3, "/admin/documents/document/1/change/#page-3:5-9"),
        ("recording", "/admin/recorder/recordingsession/1/change/", "step-4", None, "/admin/recorder/recordingsession/1/change/#step-4"),
        ("page", "", "top", None, ""),
    ],
)  # fmt: skip
def test_opens_at_the_place(
    no_model: None,
    handbook: Source,
    kind: str,
    url: str,
    anchor: str,
    page: int | None,
    wanted: str,
) -> None:
    chunk = add("a well-known text", source=handbook, kind=kind, url=url)
    chunk.anchor, chunk.page, chunk.start, chunk.end = anchor, page, 5, 9
    assert places.url_of(chunk) == wanted
