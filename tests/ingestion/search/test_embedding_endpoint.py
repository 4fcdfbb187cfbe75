"""The OpenAI-compatible endpoint, against a scripted server: every answer is checked, every refusal explained."""

from __future__ import annotations

import json
import socket
import struct
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from ingestion import embedding
from ingestion.embedding.base import EmbeddingFailed
from ingestion.embedding.endpoint import Endpoint
from ingestion.http import Patience
from jobs.egress import Policy
from tests.ingestion.search.embeddings_server import EmbeddingsServer, send, serving

QUICK = Patience(attempts=3, first_wait_s=0.01, longest_wait_s=5)


@pytest.fixture
def server() -> Iterator[EmbeddingsServer]:
    with serving(EmbeddingsServer()) as started:
        yield started


def endpoint(server: EmbeddingsServer, **options: Any) -> Endpoint:
    given = {"url": server.url, "model": "bag", "patience": QUICK, **options}
    return Endpoint(policy=Policy(private=True), **given)


def test_vectors_come_in_the_order_of_the_texts_and_have_length_1(server: EmbeddingsServer) -> None:
    def shuffled(handler: Any, body: dict[str, Any]) -> None:
        answer = server.honest(body)
        answer["data"].reverse()
        send(handler, 200, answer)

    server.script = [shuffled]
    texts = ["one thing", "another", "one thing"]
    rows = endpoint(server).embed(texts)
    assert rows.shape == (3, server.dimension)
    assert np.allclose(np.linalg.norm(rows, axis=1), 1, atol=1e-5)
    assert np.allclose(rows[0], rows[2])
    assert not np.allclose(rows[0], rows[1])


def test_requests_have_the_key_the_model_and_at_most_a_batch(server: EmbeddingsServer) -> None:
    endpoint(server, key="sk-1", batch=2).embed(["a", "b", "c", " ", "e"])
    assert [len(body["input"]) for body in server.requests] == [2, 2, 1]
    # An empty text would be refused, and the batch with it.
    assert server.requests[1]["input"][1].strip()
    assert {body["model"] for body in server.requests} == {"bag"}
    assert {headers["authorization"] for headers in server.headers} == {"Bearer sk-1"}
    assert "dimensions" not in server.requests[0]


def test_a_wished_dimension_is_asked_for(server: EmbeddingsServer) -> None:
    rows = endpoint(server, dimension=8, ask_dimension=True).embed(["a"])
    assert server.requests[0]["dimensions"] == 8
    assert rows.shape == (1, 8)


def test_waits_as_long_as_retry_after_says_and_goes_on(server: EmbeddingsServer) -> None:
    waits: list[str] = []
    server.script = [
        lambda handler, _: send(handler, 429, {"error": {"message": "slow down"}}, Retry_After="1"),
        lambda handler, _: send(handler, 503, b"", Retry_After="0"),
    ]
    made = endpoint(server, on_wait=lambda left, why: waits.append(why)).embed(["a"])
    assert made.shape == (1, server.dimension)
    assert server.times[1] - server.times[0] >= 1
    assert "too often" in waits[0]


def test_gives_up_with_the_servers_own_words(server: EmbeddingsServer) -> None:
    server.script = [
        lambda handler, _: send(handler, 429, {"error": {"message": "quota spent"}})
    ] * 3
    with pytest.raises(EmbeddingFailed, match="quota spent") as failed:
        endpoint(server).embed(["a"])
    assert failed.value.retryable
    assert failed.value.code == "too_busy"


@pytest.mark.parametrize(
    ("status", "code", "said"),
    [
        (401, "key_refused", "EMBEDDINGS_KEY"),
        (404, "not_found", "EMBEDDINGS_MODEL"),
        (400, "refused", "no such thing"),
    ],
)
def test_refusals_say_what_to_do(
    server: EmbeddingsServer, status: int, code: str, said: str
) -> None:
    server.script = [
        lambda handler, _: send(handler, status, {"error": {"message": "no such thing"}})
    ]
    with pytest.raises(EmbeddingFailed, match=said) as failed:
        endpoint(server).embed(["a"])
    assert failed.value.code == code
    assert not failed.value.retryable
    assert len(server.requests) == 1


def _cut(handler: Any, body: dict[str, Any]) -> None:
    handler.send_response(200)
    handler.send_header("Content-Length", "100000")
    handler.end_headers()
    handler.wfile.write(b'{"data": [')
    handler.wfile.flush()
    handler.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    handler.connection.close()


BAD_ANSWERS: dict[str, Any] = {
    "no JSON": (lambda answer: b"<html>welcome</html>", "answer_malformed"),
    "half": (lambda answer: json.dumps(answer).encode()[:200], "answer_malformed"),
    "no data": (lambda answer: {"ok": True}, "answer_malformed"),
    "one too few": (lambda answer: {**answer, "data": answer["data"][:1]}, "answer_incomplete"),
    "an index twice": (
        lambda answer: {**answer, "data": [answer["data"][0], answer["data"][0]]},
        "answer_incomplete",
    ),
    "words for numbers": (
        lambda answer: {
            **answer,
            "data": [{**row, "embedding": ["x"] * 24} for row in answer["data"]],
        },
        "answer_malformed",
    ),
    "NaN": (
        lambda answer: json.dumps(
            {
                **answer,
                "data": [{**row, "embedding": [float("nan")] * 24} for row in answer["data"]],
            }
        ).encode(),
        "answer_malformed",
    ),
    "lengths that differ": (
        lambda answer: {
            **answer,
            "data": [answer["data"][0], {**answer["data"][1], "embedding": [1.0]}],
        },
        "answer_malformed",
    ),
}


@pytest.mark.parametrize("what", BAD_ANSWERS)
def test_a_bad_answer_is_asked_for_again_and_never_used(
    server: EmbeddingsServer, what: str
) -> None:
    spoil, code = BAD_ANSWERS[what]

    def bad(handler: Any, body: dict[str, Any]) -> None:
        send(handler, 200, spoil(server.honest(body)))

    server.script = [bad]
    assert endpoint(server).embed(["a", "b"]).shape == (2, 24)
    server.script = [bad] * 3
    with pytest.raises(EmbeddingFailed) as failed:
        endpoint(server).embed(["a", "b"])
    assert failed.value.code == code


def test_a_cut_answer_is_asked_for_again(server: EmbeddingsServer) -> None:
    server.script = [_cut]
    assert endpoint(server, timeout_s=1).embed(["a"]).shape == (1, 24)
    assert len(server.requests) == 2


def test_a_wrong_dimension_is_refused_at_once(server: EmbeddingsServer) -> None:
    with pytest.raises(EmbeddingFailed, match="24 numbers for bag, not 7") as failed:
        endpoint(server, dimension=7).embed(["a"])
    assert failed.value.code == "dimension_wrong"
    assert len(server.requests) == 1


def test_too_large_a_batch_is_halved(server: EmbeddingsServer) -> None:
    server.script = [lambda handler, _: send(handler, 413, {"error": "too large"})]
    rows = endpoint(server).embed(["a b", "c", "d"])
    assert [len(body["input"]) for body in server.requests] == [3, 1, 2]
    assert np.allclose(rows, endpoint(server).embed(["a b", "c", "d"]))


def test_a_silent_server_is_not_waited_for_for_ever(server: EmbeddingsServer) -> None:
    server.script = [lambda handler, _: handler.connection.settimeout(5) or handler.rfile.read(1)]
    patience = Patience(attempts=1)
    with pytest.raises(EmbeddingFailed) as failed:
        endpoint(server, timeout_s=0.3, patience=patience).embed(["a"])
    assert failed.value.retryable


def test_requests_keep_to_the_rate(server: EmbeddingsServer) -> None:
    waits: list[str] = []
    made = endpoint(server, batch=1, rate=(2, 1), on_wait=lambda left, why: waits.append(why))
    made.embed(["a", "b"])
    assert waits == ["EMBEDDINGS_RATE"]
    assert len(server.requests) == 2


def test_goes_nowhere_that_the_policy_forbids(server: EmbeddingsServer) -> None:
    made = Endpoint(url=server.url, model="bag", policy=Policy(private=False), patience=QUICK)
    with pytest.raises(EmbeddingFailed, match="EGRESS_ALLOW"):
        made.embed(["a"])
    assert server.requests == []


def test_the_key_goes_to_the_address_in_the_settings_alone(settings: Any) -> None:
    settings.EMBEDDINGS = "endpoint"
    settings.EMBEDDINGS_URL, settings.EMBEDDINGS_MODEL = "http://new.example/v1", "new"
    assert embedding.named("old", "http://new.example/v1", 24) is not None
    assert embedding.named("old", "http://old.example/v1", 24) is None


def test_switched_off_says_so(settings: Any) -> None:
    settings.EMBEDDINGS = "off"
    assert embedding.active() is None
    assert "EMBEDDINGS=off" in embedding.status().why
