"""Server-sent events from a real web server: order, resuming, restarts, silence."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from django.contrib.auth.models import User

from jobs import events, subscriptions
from jobs.models import Job, Status
from tests.fixtures.web import Web
from tests.jobs.conftest import bearer, end_job, stored_job


def read_stream(
    web: Web, user: User, job: str, last_id: str = "", **params: str
) -> Iterator[dict[str, Any]]:
    """The events of one connection; each with its `id` line."""
    headers = {"Authorization": bearer(user)} | ({"Last-Event-ID": last_id} if last_id else {})
    url = f"{web.url}/api/jobs/events"
    with httpx.stream(
        "GET", url, params={"job": job, **params}, headers=headers, timeout=30
    ) as answer:
        if answer.status_code == 204:
            return
        assert answer.status_code == 200, answer.read()
        assert answer.headers["content-type"] == "text/event-stream"
        assert answer.headers["x-accel-buffering"] == "no"
        event_id = ""
        for line in answer.iter_lines():
            if line.startswith("id: "):
                event_id = line[4:]
            elif line.startswith("data: "):
                yield {**json.loads(line[6:]), "id": event_id}


def test_a_job_is_told_to_its_end_and_no_further(web: Web, owner: User) -> None:
    job = stored_job(owner=owner, status=Status.RUNNING)
    events.emit(job_id=job.pk, type="page.read", data={"number": 1, "text": "ä\n\u2028"}, attempt=1)
    stream = read_stream(web, owner, str(job.pk))
    got = [next(stream), next(stream)]
    events.emit(job_id=job.pk, type="page.read", data={"number": 2}, attempt=1)
    got.append(next(stream))
    end_job(job)
    got += list(stream)
    assert [event["seq"] for event in got] == [1, 2, 3, 4]
    assert [event["id"] for event in got] == ["1", "2", "3", "4"]
    assert got[1]["data"] == {"number": 1, "text": "ä\n\u2028"}
    for event, row in zip(got, job.events.order_by("seq"), strict=True):
        assert {**event, "id": None, "cursor": None} == {
            **events.event_dto(row),
            "id": None,
            "cursor": None,
        }
    assert list(read_stream(web, owner, str(job.pk), "4")) == []
    assert [event["seq"] for event in read_stream(web, owner, str(job.pk), "2")] == [3, 4]


def test_star_shows_only_what_one_may_see(web: Web, owner: User) -> None:
    operator = User.objects.create_user("operator", is_staff=True)
    mine = stored_job(owner=operator, status=Status.RUNNING)
    theirs = stored_job(owner=owner, status=Status.RUNNING)
    stream = read_stream(web, operator, "*", after="0", type="page.read")
    for number in range(3):
        events.emit(job_id=theirs.pk, type="page.read", data={})
        events.emit(job_id=mine.pk, type="page.skipped", data={})
        events.emit(job_id=mine.pk, type="page.read", data={"number": number})
    got = [next(stream) for _ in range(3)]
    assert {event["jobId"] for event in got} == {str(mine.pk)}
    assert [event["data"]["number"] for event in got] == [0, 1, 2]


async def test_silence_is_broken_by_a_comment(
    transactional_db: None, monkeypatch: pytest.MonkeyPatch, owner: User
) -> None:
    from asgiref.sync import sync_to_async

    from jobs.sse import _stream

    monkeypatch.setattr(subscriptions, "HEARTBEAT_S", 0.05)
    job = await sync_to_async(stored_job)(owner=owner)
    selection = await sync_to_async(subscriptions.select)(user=owner, job=str(job.pk), after="1")
    stream = _stream(selection)
    assert await anext(stream) == b"retry: 1000\n\n"
    assert await anext(stream) == b": heartbeat\n\n"
    await stream.aclose()  # type: ignore[attr-defined]


async def test_who_loses_the_right_is_cut_off(
    transactional_db: None, monkeypatch: pytest.MonkeyPatch, owner: User
) -> None:
    from asgiref.sync import sync_to_async

    monkeypatch.setattr(subscriptions, "HEARTBEAT_S", 0.02)
    monkeypatch.setattr(subscriptions, "RECHECK_S", 0.02)
    job = await sync_to_async(stored_job)(owner=owner)
    selection = await sync_to_async(subscriptions.select)(user=owner, job=str(job.pk))
    batches = subscriptions.deliveries(selection)
    assert [delivery.line.seq for delivery in await anext(batches)] == [1]
    await User.objects.filter(pk=owner.pk).aupdate(is_active=False)
    with pytest.raises(subscriptions.AccessEnded):
        _ = [batch async for batch in batches]
    assert await Job.objects.acount() == 1
