"""Rates: counted for all processes together, on both databases and on Redis."""

from __future__ import annotations

import multiprocessing
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.exceptions import ImproperlyConfigured
from django.db import connection, connections
from django.test.utils import CaptureQueriesContext
from rest_framework.test import APIClient

from config.env import env_networks, env_rate
from jobs import throttling
from jobs.models import ThrottleWindow
from jobs.throttling import Rate, wait_s


@pytest.fixture(autouse=True)
def _nothing_taken() -> Iterator[None]:
    throttling.forget()
    yield
    throttling.forget()


def passed(limit: int, callers: int) -> int:
    return sum(wait_s(scope="login", caller="address:192.0.2.1") == 0 for _ in range(callers))


def _ask(queue: Any, limit: int) -> None:
    connections.close_all()
    throttling.forget()
    queue.put(passed(limit, limit))
    connections.close_all()


def together(limit: int, processes: int) -> int:
    """How many of `limit` requests in each of several web processes are let through in all."""
    connections.close_all()
    fork = multiprocessing.get_context("fork")
    queue = fork.Queue()
    asking = [fork.Process(target=_ask, args=(queue, limit)) for _ in range(processes)]
    for each in asking:
        each.start()
    counts = [queue.get(timeout=60) for _ in asking]
    for each in asking:
        each.join(timeout=60)
        assert each.exitcode == 0
    return sum(counts)


@pytest.mark.parametrize("limit", [10, 100])
def test_several_processes_together_let_through_no_more(
    database: str, settings: Any, limit: int
) -> None:
    settings.RATES = {"login": (limit, 3600)}
    settings.REDIS_URL = ""
    assert together(limit, 3) == limit
    assert ThrottleWindow.objects.get().used >= limit
    left = wait_s(scope="login", caller="address:192.0.2.1")
    assert 3000 < left <= 3600
    assert wait_s(scope="login", caller="address:192.0.2.2") == 0


def test_the_same_on_redis(database: str, settings: Any, redis_url: str) -> None:
    settings.RATES = {"login": (10, 3600)}
    settings.REDIS_URL = redis_url
    throttling._redis.cache_clear()
    throttling._redis(redis_url).flushdb()
    assert together(10, 3) == 10
    assert 3000 < wait_s(scope="login", caller="address:192.0.2.1") <= 3600
    assert not ThrottleWindow.objects.exists()


@pytest.mark.django_db
def test_without_redis_the_database_counts(settings: Any, caplog: pytest.LogCaptureFixture) -> None:
    settings.RATES = {"login": (2, 3600)}
    settings.REDIS_URL = "redis://127.0.0.1:1/0"
    throttling._redis.cache_clear()
    assert passed(2, 5) == 2
    assert "database does meanwhile" in caplog.text


@pytest.mark.django_db
def test_a_window_ends(settings: Any) -> None:
    settings.RATES = {"login": (2, 3600)}
    assert passed(2, 4) == 2
    ThrottleWindow.objects.update(since=0.0)
    throttling.forget()
    assert passed(2, 4) == 2


@pytest.mark.django_db
def test_most_requests_cost_no_statement(settings: Any) -> None:
    settings.RATES = {"read": (1000, 3600), "login": (2, 3600)}
    with CaptureQueriesContext(connection) as queries:
        assert all(wait_s(scope="read", caller="user:1") == 0 for _ in range(1000))
    assert len(queries) == 20
    passed(2, 2)
    wait_s(scope="login", caller="address:192.0.2.1")
    with CaptureQueriesContext(connection) as queries:
        assert passed(2, 50) == 0
    assert len(queries) == 0  # who was refused is refused again without asking


@pytest.mark.django_db
def test_the_api_answers_429_with_the_time_to_wait(settings: Any) -> None:
    settings.RATES = {"read": (3, 3600), "login": (1, 3600)}
    root = User.objects.create_superuser("root", password="correct horse battery")
    client = APIClient()
    client.force_login(root)
    answers = [client.get("/api/auth/me").status_code for _ in range(4)]
    assert answers == [200, 200, 200, 429]
    refused = client.get("/api/jobs")
    assert refused["Content-Type"] == "application/problem+json"
    assert 3000 < int(refused["Retry-After"]) <= 3600
    assert client.get("/api/jobs/events?job=*").status_code == 429

    def login(address: str) -> int:
        body = {"username": "nobody", "password": "x"}
        return APIClient().post("/api/auth/login", body, REMOTE_ADDR=address).status_code

    assert [login("192.0.2.1"), login("192.0.2.1"), login("192.0.2.2")] == [401, 429, 401]


@pytest.mark.parametrize(
    ("text", "rate"),
    [("300/min", (300, 60)), ("5/h", (5, 3600)), ("10/30s", (10, 30)), ("off", None)],
)
def test_rates_are_read(text: str, rate: Rate | None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RATE_LOGIN", text)
    assert env_rate("RATE_LOGIN", "1/s") == rate


@pytest.mark.parametrize("text", ["many", "0/min", "5", "5/0s", "-1/h", "5/week"])
def test_what_is_no_rate_names_its_variable(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RATE_LOGIN", text)
    with pytest.raises(ImproperlyConfigured, match="RATE_LOGIN"):
        env_rate("RATE_LOGIN", "1/s")
    monkeypatch.setenv("TRUSTED_PROXIES", text)
    if text != "5":
        with pytest.raises(ImproperlyConfigured, match="TRUSTED_PROXIES"):
            env_networks("TRUSTED_PROXIES")


def test_every_rate_is_in_the_example_file() -> None:
    text = (Path(__file__).parents[2] / ".env.example").read_text()
    for name in ("LOGIN", "REGISTER", "SUBMIT", "WRITE", "READ"):
        assert f"#RATE_{name}=" in text
