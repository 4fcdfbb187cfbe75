"""The live view's way through the console, against a stand-in for the session process."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from channels.db import database_sync_to_async
from channels.routing import URLRouter
from channels.testing import WebsocketCommunicator
from django.contrib.auth.models import AnonymousUser, User
from django.utils import timezone
from websockets.asyncio.server import ServerConnection, serve

from jobs.models import Job, Status
from jobs.secrets import seal
from recorder import consumers
from recorder.models import RecordingSession
from recorder.routing import websocket_urlpatterns
from recorder.session.tickets import TicketGate
from tests.recorder import recordings

pytestmark = pytest.mark.django_db(transaction=True)

KEY = "the session's key"


class Upstream:
    """Admits by ticket, answers `echo`, sends what is asked of it."""

    def __init__(self) -> None:
        self.gate = TicketGate(key=KEY)
        self.claims: list[Any] = []
        self.sockets: list[ServerConnection] = []
        self.got: list[str] = []
        self.reading = asyncio.Event()
        self.reading.set()
        self.address = ""

    async def __call__(self, socket: ServerConnection) -> None:
        assert socket.request is not None
        header = socket.request.headers["Authorization"]
        self.claims.append(self.gate.admit(header=header, now=timezone.now().timestamp()))
        self.sockets.append(socket)
        await socket.send(json.dumps({"type": "welcome"}))
        while True:
            await self.reading.wait()
            message = await socket.recv()
            assert isinstance(message, str)
            self.got.append(message)
            if message == "end":
                await socket.close(1000)
                return
            await socket.send(message)


@asynccontextmanager
async def upstream() -> AsyncIterator[Upstream]:
    running = Upstream()
    async with serve(running, "127.0.0.1", 0, max_queue=2) as server:
        port = server.sockets[0].getsockname()[1]
        running.address = f"ws://127.0.0.1:{port}"
        yield running


def viewer(session: RecordingSession | str, user: Any) -> WebsocketCommunicator:
    key = session if isinstance(session, str) else session.pk
    communicator = WebsocketCommunicator(
        URLRouter(websocket_urlpatterns), f"/ws/recorder/sessions/{key}/live"
    )
    communicator.scope["user"] = user
    return communicator


async def closed_with(communicator: WebsocketCommunicator) -> int:
    message = await communicator.receive_output(timeout=5)
    assert message["type"] == "websocket.close", message
    return int(message["code"])


def _user(name: str, **flags: Any) -> User:
    return User.objects.create_user(name, password="pw", **{"is_staff": True, **flags})


make_user = database_sync_to_async(_user)


@database_sync_to_async
def live_session(owner: User, address: str) -> RecordingSession:
    return recordings.running(owner, live_address=address, live_key=seal(KEY))


@database_sync_to_async
def update(session: RecordingSession, **fields: Any) -> None:
    RecordingSession.objects.filter(pk=session.pk).update(**fields)


@database_sync_to_async
def end(session: RecordingSession) -> None:
    Job.objects.filter(pk=session.job_id).update(
        status=Status.SUCCEEDED, finished_at=timezone.now(), lease_until=None
    )


async def test_text_and_pictures_pass_unchanged() -> None:
    ada = await make_user("ada")
    async with upstream() as process:
        session = await live_session(ada, process.address)
        socket = viewer(session, ada)
        assert (await socket.connect())[0]
        assert await socket.receive_json_from() == {"type": "welcome"}
        text = '{"type":  "text", "text": "ü 🔋"}'
        await socket.send_to(text_data=text)
        assert await socket.receive_from() == text
        frame = bytes(range(256)) * 400
        await process.sockets[0].send(frame)
        assert await socket.receive_from() == frame
        claims = process.claims[0]
        assert (claims.user, claims.control) == ("ada", True)
        await socket.disconnect()
        await asyncio.wait_for(process.sockets[0].wait_closed(), 5)


async def test_each_viewer_is_another() -> None:
    ada = await make_user("ada")
    async with upstream() as process:
        session = await live_session(ada, process.address)
        sockets = [viewer(session, ada) for _ in range(2)]
        for socket in sockets:
            await socket.connect()
            await socket.receive_json_from()
        assert len({claims.viewer for claims in process.claims}) == 2
        for socket in sockets:
            await socket.disconnect()


async def test_who_may_not_watch_is_told_by_code() -> None:
    ada, bob = await make_user("ada"), await make_user("bob")
    guest = await make_user("guest", is_staff=False)
    admin = await make_user("admin", is_superuser=True)
    async with upstream() as process:
        session = await live_session(ada, process.address)
        unknown = "01890000-0000-7000-8000-000000000000"
        for key, user, code in [
            (session, AnonymousUser(), 4401),
            (session, guest, 4403),
            (session, bob, 4404),
            (unknown, ada, 4404),
        ]:
            socket = viewer(key, user)
            assert (await socket.connect())[0]  # accepted first: a browser sees the code
            assert await closed_with(socket) == code
        assert process.claims == []
        socket = viewer(session, admin)
        await socket.connect()
        assert await socket.receive_json_from() == {"type": "welcome"}
        await socket.disconnect()


async def test_an_ended_recording_is_not_live() -> None:
    ada = await make_user("ada")
    session = await database_sync_to_async(recordings.ended)(ada)
    socket = viewer(session, ada)
    await socket.connect()
    assert await closed_with(socket) == 4409


async def test_it_waits_while_the_session_is_starting() -> None:
    ada = await make_user("ada")
    async with upstream() as process:
        session = await live_session(ada, "")
        socket = viewer(session, ada)
        await socket.connect()
        assert await socket.receive_nothing(0.5)
        await update(session, live_address=process.address)
        assert await socket.receive_json_from(timeout=5) == {"type": "welcome"}
        await socket.disconnect()


async def test_a_process_that_is_gone_ends_when_its_job_does() -> None:
    ada = await make_user("ada")
    session = await live_session(ada, "ws://127.0.0.1:1")
    socket = viewer(session, ada)
    await socket.connect()
    assert await socket.receive_nothing(0.5)
    await end(session)
    assert await closed_with(socket) == 4409


async def test_the_viewer_is_closed_as_the_session_closes() -> None:
    ada = await make_user("ada")
    async with upstream() as process:
        session = await live_session(ada, process.address)
        socket = viewer(session, ada)
        await socket.connect()
        await socket.receive_json_from()
        await socket.send_to(text_data="end")
        assert await closed_with(socket) == 1000


async def test_a_session_process_that_dies_asks_the_viewer_to_come_back() -> None:
    ada = await make_user("ada")
    async with upstream() as process:
        session = await live_session(ada, process.address)
        socket = viewer(session, ada)
        await socket.connect()
        await socket.receive_json_from()
        process.sockets[0].transport.abort()
        assert await closed_with(socket) == consumers.GOING_AWAY


async def test_who_loses_the_right_is_cut_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(consumers, "RECHECK_S", 0.1)
    ada = await make_user("ada")
    async with upstream() as process:
        session = await live_session(ada, process.address)
        socket = viewer(session, ada)
        await socket.connect()
        await socket.receive_json_from()
        await database_sync_to_async(User.objects.filter(pk=ada.pk).update)(is_active=False)
        assert await closed_with(socket) == 4401
        await asyncio.wait_for(process.sockets[0].wait_closed(), 5)


async def test_a_flood_that_nobody_takes_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(consumers, "WAITING_BYTES", 2_000_000)
    ada = await make_user("ada")
    async with upstream() as process:
        session = await live_session(ada, process.address)
        socket = viewer(session, ada)
        await socket.connect()
        await socket.receive_json_from()
        process.reading.clear()
        try:
            for _ in range(200):
                await socket.send_to(text_data="x" * 100_000)
            # One message was being read already, and comes back first.
            assert len(await socket.receive_from()) == 100_000
            assert await closed_with(socket) == consumers.TOO_BIG
        finally:
            process.reading.set()


async def test_pictures_from_a_viewer_are_refused() -> None:
    ada = await make_user("ada")
    async with upstream() as process:
        session = await live_session(ada, process.address)
        socket = viewer(session, ada)
        await socket.connect()
        await socket.receive_json_from()
        await socket.send_to(bytes_data=b"x")
        assert await closed_with(socket) == consumers.UNSUPPORTED
