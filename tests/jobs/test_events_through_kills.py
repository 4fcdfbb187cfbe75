"""Readers of both transports while their server is killed again and again: all events, in order, once."""

import json
import threading
import time
from collections.abc import Callable
from typing import Any

import httpx
from django.contrib.auth.models import User
from websockets.exceptions import ConnectionClosed, InvalidStatus

from jobs import events
from jobs.models import Job, Status
from tests.fixtures.jobs import wait_for
from tests.fixtures.web import Web
from tests.jobs.conftest import end_job, stored_job
from tests.jobs.test_events_sse import read_stream
from tests.jobs.test_events_ws import socket_of

Events = list[dict[str, Any]]
EVENTS = 400
KILLED_AT = {100, 200, 300}


def follow_stream(web: Web, user: User, job: str, got: Events, over: threading.Event) -> None:
    """As an EventSource does: reconnect with the last id until 204 (or the test is over)."""
    while not over.is_set():
        before = len(got)
        try:
            for event in read_stream(web, user, job, got[-1]["id"] if got else ""):
                got.append(event)
        except httpx.HTTPError:
            time.sleep(0.1)
            continue
        if len(got) == before:
            return


def follow_socket(web: Web, user: User, job: str, got: Events) -> None:
    """As the console's page does: reconnect with the last cursor until the server says goodbye."""
    while True:
        try:
            after = got[-1]["cursor"] if got else ""
            with socket_of(web, f"job={job}&after={after}", user) as socket:
                while True:
                    got.append(json.loads(socket.recv()))
        except ConnectionClosed as closed:
            if closed.rcvd is not None and closed.rcvd.code == 1000:
                return
        except (OSError, EOFError, TimeoutError, InvalidStatus):
            pass
        time.sleep(0.05)


def reading(follow: Callable[..., None], *arguments: Any) -> threading.Thread:
    thread = threading.Thread(target=follow, args=arguments, daemon=True)
    thread.start()
    return thread


def seqs(got: Events, job: Job) -> list[int]:
    return [event["seq"] for event in got if event["jobId"] == str(job.pk)]


def test_nothing_is_lost_or_repeated_while_the_server_is_killed(web: Web, owner: User) -> None:
    jobs = [stored_job(owner=owner, status=Status.RUNNING) for _ in range(4)]
    named: Events = []
    # From a known position: all that is committed after it.
    everything: Events = [{"id": "0", "jobId": "", "seq": 0}]
    by_socket: Events = []
    over = threading.Event()
    ids = ",".join(str(job.pk) for job in jobs)
    endless = reading(follow_stream, web, owner, "*", everything, over)
    ending = [
        reading(follow_stream, web, owner, ids, named, threading.Event()),
        reading(follow_socket, web, owner, str(jobs[0].pk), by_socket),
    ]
    for number in range(EVENTS):
        job = jobs[number % 4]
        events.emit(job_id=job.pk, type="page.read", data={"number": number}, attempt=1)
        time.sleep(0.003)
        if number in KILLED_AT:
            web.kill()
            if number == min(KILLED_AT):
                time.sleep(0.3)
            web.start()
    for job in jobs:
        end_job(job)
    # Those of named jobs end with them; the one of all jobs never does.
    wait_for(lambda: not any(thread.is_alive() for thread in ending), timeout_s=20)
    each = EVENTS // 4 + 2
    wait_for(lambda: len(everything) > 4 * each, timeout_s=20)
    over.set()
    web.kill()
    endless.join(timeout=10)
    assert not endless.is_alive()
    wanted = list(range(1, each + 1))
    for job in jobs:
        assert seqs(named, job) == wanted
        assert seqs(everything, job) == wanted
    assert seqs(by_socket, jobs[0]) == wanted
    assert len(everything) == 4 * each + 1
    assert len(named) == 4 * each
    assert len(by_socket) == each
