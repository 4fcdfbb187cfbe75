"""Open sockets and streams end when what let them in ends: each way, within a minute."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any
from uuid import UUID

import pytest
from asgiref.sync import sync_to_async
from channels.testing import WebsocketCommunicator
from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY
from django.contrib.auth.models import User
from django.contrib.sessions.backends.db import SessionStore
from django.utils import timezone

from config import people, tickets, tokens
from config.asgi import application
from jobs import roles, sse, subscriptions
from jobs.access import Role
from jobs.logins import LOGIN_CLAIM, Login, Standing
from jobs.models import AuditEntry, Job
from recorder import consumers
from tests.jobs.conftest import stored_job
from tests.recorder import recordings

pytestmark = pytest.mark.django_db(transaction=True)
PASSWORD = "correct horse battery"


def test_a_closing_comes_within_a_minute() -> None:
    # A stream looks between two batches, and a silent one has one at each heartbeat.
    assert subscriptions.RECHECK_S + subscriptions.HEARTBEAT_S < 60
    assert consumers.RECHECK_S < 60


@pytest.fixture(autouse=True)
def _often(monkeypatch: pytest.MonkeyPatch, settings: Any) -> None:
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
    monkeypatch.setattr(subscriptions, "HEARTBEAT_S", 0.05)
    monkeypatch.setattr(subscriptions, "RECHECK_S", 0.05)
    monkeypatch.setattr(consumers, "RECHECK_S", 0.05)


def person(name: str, role: Role | None = Role.OPERATOR) -> User:
    user = User.objects.create_user(name, password=PASSWORD)
    roles.put_in(user=user, role=role)
    return user


def bearer_of(user: User) -> tuple[str, UUID]:
    from rest_framework_simplejwt.tokens import AccessToken

    pair = tokens.open_login(user=user)
    token: Any = AccessToken(pair.access)  # type: ignore[arg-type]
    return pair.access, UUID(token[LOGIN_CLAIM])


def ticket_of(user: User) -> str:
    login = UUID(int=0)
    _, login = bearer_of(user)
    standing = Standing(user_id=user.pk, login_id=login)
    return tickets.issue(user=user, standing=standing, now=timezone.now()).text


def cookie_of(user: User) -> str:
    session = SessionStore()
    session[SESSION_KEY] = str(user.pk)
    session[BACKEND_SESSION_KEY] = "config.accounts.LockingBackend"
    session[HASH_SESSION_KEY] = user.get_session_auth_hash()
    session.create()
    return f"sessionid={session.session_key}"


def socket(query: str, *, bearer: str = "", cookie: str = "") -> WebsocketCommunicator:
    headers = [(b"host", b"127.0.0.1"), (b"origin", b"http://127.0.0.1")]
    if bearer:
        headers.append((b"authorization", f"Bearer {bearer}".encode()))
    if cookie:
        headers.append((b"cookie", cookie.encode()))
    return WebsocketCommunicator(application, query, headers=headers)


async def closing_code(communicator: WebsocketCommunicator) -> int:
    while True:
        message = await communicator.receive_output(timeout=20)
        if message["type"] == "websocket.close":
            return int(message["code"])


ENDINGS: dict[str, Callable[[User, User], Any]] = {
    "deactivated": lambda user, admin: people.deactivate(user=user, by=admin),
    "role taken": lambda user, admin: people.set_role(user=user, role=None, by=admin),
    "password changed": lambda user, admin: people.change_own_password(
        by=user, current=PASSWORD, new="another good one"
    ),
    "logged out": lambda user, admin: _log_out(user),
}


def _log_out(user: User) -> None:
    Login.objects.filter(user=user).end(now=timezone.now(), why="logged_out")
    from django.contrib.sessions.models import Session

    Session.objects.all().delete()


@pytest.mark.parametrize("ending", ENDINGS)
@pytest.mark.parametrize("way", ["bearer", "ticket", "cookie"])
async def test_an_open_socket_ends_with_what_let_it_in(way: str, ending: str) -> None:
    user, admin = (
        await sync_to_async(person)("ann"),
        await sync_to_async(person)("root", Role.ADMIN),
    )
    job = await sync_to_async(stored_job)(owner=user)
    query = f"/ws/jobs/?job={job.pk}"
    if way == "bearer":
        token, _ = await sync_to_async(bearer_of)(user)
        communicator = socket(query, bearer=token)
    elif way == "ticket":
        communicator = socket(f"{query}&ticket={await sync_to_async(ticket_of)(user)}")
    else:
        communicator = socket(query, cookie=await sync_to_async(cookie_of)(user))
    assert (await communicator.connect())[0]
    assert json.loads(await communicator.receive_from(timeout=20))["seq"] == 1
    await sync_to_async(ENDINGS[ending])(user, admin)
    assert await closing_code(communicator) == 4403
    assert await Job.objects.acount() == 1


@pytest.mark.parametrize("ending", ENDINGS)
async def test_an_open_stream_ends_as_well(ending: str) -> None:
    user, admin = (
        await sync_to_async(person)("ann"),
        await sync_to_async(person)("root", Role.ADMIN),
    )
    _, login_id = await sync_to_async(bearer_of)(user)
    standing = Standing(user_id=user.pk, login_id=login_id)
    selection = await sync_to_async(subscriptions.select)(user=user, job="*", standing=standing)
    stream = sse._stream(selection)
    assert await anext(stream) == b"retry: 1000\n\n"
    await sync_to_async(ENDINGS[ending])(user, admin)
    assert [part async for part in stream if part != b": heartbeat\n\n"] == []


async def test_a_stream_that_is_busy_with_what_it_does_not_want_ends_too() -> None:
    from jobs import events

    user = await sync_to_async(person)("ann")
    job = await sync_to_async(stored_job)(owner=user)
    selection = await sync_to_async(subscriptions.select)(user=user, job=str(job.pk), types="none")
    batches = subscriptions.deliveries(selection)
    await sync_to_async(roles.put_in)(user=user, role=None)

    async def read_on() -> None:
        for _ in range(200):
            await sync_to_async(events.emit)(job_id=job.pk, type="page.read", data={})
            assert await anext(batches) == []

    with pytest.raises(subscriptions.AccessEnded):
        await read_on()


async def test_a_ticket_opens_one_socket_and_says_nothing_of_who_may_not() -> None:
    user = await sync_to_async(person)("ann")
    other = await sync_to_async(person)("bob")
    job = await sync_to_async(stored_job)(owner=user)
    text = await sync_to_async(ticket_of)(user)
    first, second = (socket(f"/ws/jobs/?job={job.pk}&ticket={text}") for _ in range(2))
    assert (await first.connect())[0]
    await second.connect()
    assert await closing_code(second) == 4401
    await first.disconnect()
    text = await sync_to_async(ticket_of)(other)
    foreign = socket(f"/ws/jobs/?job={job.pk}&ticket={text}")
    await foreign.connect()
    assert await closing_code(foreign) == 4404
    forged = socket(f"/ws/jobs/?job={job.pk}&ticket=made-up")
    await forged.connect()
    assert await closing_code(forged) == 4401
    # A ticket whose login has ended since opens nothing.
    text = await sync_to_async(ticket_of)(user)
    await sync_to_async(_log_out)(user)
    late = socket(f"/ws/jobs/?job={job.pk}&ticket={text}")
    await late.connect()
    assert await closing_code(late) == 4401


async def test_the_live_view_lets_viewers_of_a_shared_recording_watch_and_nothing_else() -> None:
    from tests.recorder.test_console_relay import upstream

    owner = await sync_to_async(person)("ann")
    others = {
        "operator": await sync_to_async(person)("bob"),
        "viewer": await sync_to_async(person)("vera", Role.VIEWER),
    }
    async with upstream() as process:
        from jobs.secrets import seal
        from tests.recorder.test_console_relay import KEY

        session = await sync_to_async(recordings.running)(
            owner, live_address=process.address, live_key=seal(KEY)
        )
        path = f"/ws/recorder/sessions/{session.pk}/live"
        for user in others.values():
            private = socket(f"{path}?ticket={await sync_to_async(ticket_of)(user)}")
            await private.connect()
            assert await closing_code(private) == 4404
        await Job.objects.filter(pk=session.job_id).aupdate(shared=True)
        for user in (owner, *others.values()):
            watching = socket(f"{path}?ticket={await sync_to_async(ticket_of)(user)}")
            assert (await watching.connect())[0]
            assert await watching.receive_json_from(timeout=20) == {"type": "welcome"}
            claims = process.claims[-1]
            assert (claims.user, claims.control) == (user.username, user == owner)
            if user == owner:
                # Whoever had control and may no longer is put out, and may come back to watch.
                await sync_to_async(roles.put_in)(user=owner, role=Role.VIEWER)
                assert await closing_code(watching) == 4403
            else:
                await watching.disconnect()


async def test_a_socket_knows_where_it_comes_from() -> None:
    user = await sync_to_async(person)("ann")
    await sync_to_async(ticket_of)(user)
    entry = await AuditEntry.objects.filter(action="account.login").afirst()
    assert entry is not None
    assert (entry.via, entry.address) == ("program", "")
