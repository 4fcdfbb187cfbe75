"""Job events over a real websocket: order, resuming, restarts, and who may connect."""

from __future__ import annotations

import json
from typing import Any

import httpx
import pytest
from django.contrib.auth.models import User
from django.contrib.sessions.backends.db import SessionStore
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import ClientConnection, connect

from jobs import events, services
from jobs.models import Job, Status
from tests.fixtures.web import Web
from tests.jobs.conftest import bearer, end_job, stored_job


def socket_of(web: Web, query: str, user: User | None = None, **headers: str) -> ClientConnection:
    if user is not None:
        headers["Authorization"] = bearer(user)
    return connect(
        f"ws://127.0.0.1:{web.port}/ws/jobs/?{query}", additional_headers=headers, proxy=None
    )


def closing_code(socket: ClientConnection) -> int:
    """The code with which the server closes, whatever it sends before."""
    return rest_of(socket)[1]


def rest_of(socket: ClientConnection) -> tuple[list[dict[str, Any]], int]:
    """All that still comes, and the code of the end."""
    got: list[dict[str, Any]] = []
    try:
        while True:
            got.append(json.loads(socket.recv(timeout=10)))
    except ConnectionClosed as closed:
        return got, closed.rcvd.code if closed.rcvd else 1006


def session_cookie(user: User) -> str:
    from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY

    session = SessionStore()
    session[SESSION_KEY] = str(user.pk)
    session[BACKEND_SESSION_KEY] = "config.accounts.LockingBackend"
    session[HASH_SESSION_KEY] = user.get_session_auth_hash()
    session.save()
    return f"sessionid={session.session_key}"


def test_both_transports_tell_the_same_and_end(web: Web, owner: User) -> None:
    from tests.jobs.test_events_sse import read_stream

    job = stored_job(owner=owner, status=Status.RUNNING)
    with socket_of(web, f"job={job.pk}", owner) as socket:
        got = [json.loads(socket.recv(timeout=10))]
        events.emit(job_id=job.pk, type="page.read", data={"number": 1}, attempt=1)
        got.append(json.loads(socket.recv(timeout=10)))
        end_job(job)
        got.append(json.loads(socket.recv(timeout=10)))
        assert closing_code(socket) == 1000
    streamed = [{**event} for event in read_stream(web, owner, str(job.pk))]
    for event in streamed:
        event.pop("id")
    assert got == streamed
    with socket_of(web, f"job={job.pk}&after=2", owner) as socket:
        assert json.loads(socket.recv(timeout=10))["seq"] == 3


def test_a_late_reader_of_a_long_job_gets_all_of_it(web: Web, owner: User) -> None:
    from django.utils import timezone

    from jobs.models import Job, JobEvent

    job = stored_job(owner=owner, status=Status.RUNNING)
    JobEvent.objects.bulk_create(
        JobEvent(job=job, seq=seq, type="page.read", data={"seq": seq}, at=timezone.now())
        for seq in range(2, 3001)
    )
    Job.objects.filter(pk=job.pk).update(last_seq=3000)
    end_job(job)
    with socket_of(web, f"job={job.pk}", owner) as socket:
        got, code = rest_of(socket)
    assert [event["seq"] for event in got] == list(range(1, 3002))
    assert code == 1000


def test_a_client_that_does_not_read_costs_the_server_little(web: Web, owner: User) -> None:
    """The server stops sending to it; it still gets all, and another one is not held up.

    (The client library stops reading from the network when 16 messages wait to be received.)
    """
    import psutil

    job = stored_job(owner=owner, status=Status.RUNNING)
    with (
        socket_of(web, f"job={job.pk}", owner) as slow,
        socket_of(web, f"job={job.pk}", owner) as quick,
    ):
        assert web._process is not None
        server = psutil.Process(web._process.pid)
        before = server.memory_info().rss
        filler = "x" * 100_000
        for number in range(300):
            events.emit(
                job_id=job.pk, type="page.read", data={"number": number, "text": filler}, attempt=1
            )
        seqs = [json.loads(quick.recv(timeout=20))["seq"] for _ in range(301)]
        assert seqs == list(range(1, 302))
        grown = server.memory_info().rss - before
        assert grown < 20_000_000, f"{grown / 1e6:.0f} MB for 30 MB unread"
        late = [json.loads(slow.recv(timeout=20))["seq"] for _ in range(301)]
        assert late == list(range(1, 302))


def test_who_may_connect(web: Web, owner: User) -> None:
    operator = User.objects.create_user("operator", is_staff=True)
    nobody = User.objects.create_user("nobody")
    job = stored_job(owner=owner)
    query = f"job={job.pk}"
    with socket_of(web, query, nobody) as socket:
        assert closing_code(socket) == 4403
    with socket_of(web, query, operator) as socket:
        assert closing_code(socket) == 4404
    with socket_of(web, query, Authorization="Bearer forged") as socket:
        assert closing_code(socket) == 4401
    for bad in ("job=x", "", f"{query}&after=-1", "job=*&after=1.2"):
        with socket_of(web, bad, owner) as socket:
            assert closing_code(socket) == 4400
    with connect(f"ws://127.0.0.1:{web.port}/ws/nowhere", proxy=None, origin=web.url) as socket:  # type: ignore[arg-type]
        assert closing_code(socket) == 4404


def test_cursors_that_cannot_be_are_refused_the_same_over_both_transports(
    web: Web, owner: User
) -> None:
    job, gone = stored_job(owner=owner), stored_job(owner=owner)
    events.emit(job_id=job.pk, type="page.read", data={"number": 1})
    services.delete(job=end_of(gone), by=owner)
    cases = {
        f"job={job.pk}&after=999": "ahead",  # from the future
        f"job={job.pk}&after=-1": 400,
        f"job={job.pk}&after=x": 400,
        f"job={gone.pk}&after=1": 404,  # of a deleted job
        f"job={job.pk},{gone.pk}": 404,
        "job=*&after=99999999": 400,
    }
    for query, expected in cases.items():
        answer = httpx.get(
            f"{web.url}/api/jobs/events?{query}", headers={"Authorization": bearer(owner)}
        )
        assert answer.headers["content-type"] == "application/problem+json", query
        assert answer.json()["detail"], query
        with socket_of(web, query, owner) as socket:
            got, code = rest_of(socket)
        assert got == []
        assert code == 4000 + answer.status_code, (query, code, answer.status_code)
        if expected == "ahead":
            assert answer.status_code in {400, 409, 422}, answer.text
        else:
            assert answer.status_code == expected, (query, answer.text)


def test_a_job_that_is_deleted_ends_both_streams(web: Web, owner: User) -> None:
    job = end_of(stored_job(owner=owner))
    # Watched along with one that goes on: the stream of the deleted one alone would be over.
    other = stored_job(owner=owner)
    with socket_of(web, f"job={job.pk},{other.pk}", owner) as socket:
        first = json.loads(socket.recv(timeout=10))
        assert first["jobId"] in {str(job.pk), str(other.pk)}
        services.delete(job=job, by=owner)
        events.emit(job_id=other.pk, type="page.read", data={"number": 1})
        end_job(other)
        got, code = rest_of(socket)
    assert code == 1000
    assert any(event["type"] == "page.read" for event in got)


def end_of(job: Job) -> Job:
    end_job(job)
    job.refresh_from_db()
    return job


def test_a_session_counts_on_our_own_pages_alone(web: Web, owner: User) -> None:
    job = stored_job(owner=owner)
    cookie = session_cookie(owner)
    with socket_of(web, f"job={job.pk}", Cookie=cookie, Origin=web.url) as socket:
        assert json.loads(socket.recv(timeout=10))["seq"] == 1
    with socket_of(web, f"job={job.pk}", Origin=web.url) as socket:
        assert closing_code(socket) == 4401
    # Another port of the same host also sends the cookie.
    for origin in ("http://127.0.0.1:9", "http://evil.example", "null", ""):
        headers = {"Cookie": cookie} | ({"Origin": origin} if origin else {})
        with pytest.raises(InvalidStatus) as refused, socket_of(web, f"job={job.pk}", **headers):
            pass
        assert refused.value.response.status_code == 403


def test_the_socket_takes_nothing(web: Web, owner: User) -> None:
    job = stored_job(owner=owner)
    with socket_of(web, f"job={job.pk}", owner) as socket:
        socket.recv(timeout=10)
        socket.send("hello")
        assert closing_code(socket) == 4400
