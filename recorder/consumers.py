"""The live view's way through the console: one viewer's socket, relayed to the session process."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from dataclasses import dataclass
from secrets import token_hex
from uuid import UUID

from channels.db import database_sync_to_async
from channels.generic.websocket import AsyncWebsocketConsumer
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake

from jobs import access
from jobs.logins import Standing, standing_of
from jobs.models import Status
from jobs.secrets import unseal
from recorder.models import RecordingSession
from recorder.session.tickets import issue

log = logging.getLogger(__name__)

UNAUTHENTICATED, FORBIDDEN, NOT_FOUND, NOT_LIVE = 4401, 4403, 4404, 4409
GOING_AWAY, UNSUPPORTED, TOO_BIG, TRY_AGAIN = 1001, 1003, 1009, 1013
POLL_S = 0.2
RECHECK_S = 20.0
# What a viewer may have sent and the session not yet taken. An upload is one message of 64 MiB.
WAITING_MESSAGES = 2000
WAITING_BYTES = 65 * 1024 * 1024
FRAME_MAX_BYTES = 16 * 1024 * 1024
OVER = {
    RecordingSession.Phase.SAVING,
    RecordingSession.Phase.VERIFYING,
    RecordingSession.Phase.ENDED,
}


@dataclass(frozen=True)
class Place:
    """Where a session's process listens, as its row says now."""

    address: str
    key: str
    over: bool
    control: bool


class _Close(Exception):
    def __init__(self, code: int) -> None:
        super().__init__(str(code))
        self.code = code


class LiveConsumer(AsyncWebsocketConsumer):
    """Relays both ways, text and binary, unread. The database is asked on joining and every
    `RECHECK_S`, never for a message.

    Closes with 4401 (not logged in), 4403 (no role), 4404 (no such recording, or not yours),
    4409 (not live any more), 1013 (the viewer sends faster than the browser can follow).
    """

    session_id: UUID
    viewer: str
    may_control = False
    relay: asyncio.Task[None] | None = None

    async def connect(self) -> None:
        await self.accept()  # refused before accept, a browser sees only code 1006
        user = self.scope.get("user")
        if user is None or not user.is_authenticated:
            await self.close(UNAUTHENTICATED)
            return
        if not await database_sync_to_async(access.may_see)(user):
            await self.close(FORBIDDEN)
            return
        try:
            self.session_id = UUID(self.scope["url_route"]["kwargs"]["session_id"])
        except ValueError:
            await self.close(NOT_FOUND)
            return
        self.viewer = token_hex(6)
        # Bounded by hand below: a put that waits would only move the backlog into the web server.
        self.backlog: asyncio.Queue[str] = asyncio.Queue()
        self.backlog_bytes = 0
        self.relay = asyncio.create_task(self._run())

    async def receive(self, text_data: str | None = None, bytes_data: bytes | None = None) -> None:
        if self.relay is None or self.relay.done():
            return  # closing already
        if text_data is None:
            await self._end(UNSUPPORTED)
            return
        self.backlog_bytes += len(text_data)
        if self.backlog_bytes > WAITING_BYTES:
            await self._end(TOO_BIG)
        elif self.backlog.qsize() >= WAITING_MESSAGES:
            await self._end(TRY_AGAIN)
        else:
            self.backlog.put_nowait(text_data)

    async def disconnect(self, code: int) -> None:
        if self.relay is not None and self.relay is not asyncio.current_task():
            self.relay.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self.relay

    async def _end(self, code: int) -> None:
        if self.relay is not None:
            self.relay.cancel()
        await self.close(code)

    async def _run(self) -> None:
        code = GOING_AWAY
        try:
            upstream = await self._reach()
            try:
                code = await self._pump(upstream)
            finally:
                await upstream.close()
        except _Close as asked:
            code = asked.code
        except asyncio.CancelledError:
            raise
        except (
            Exception
        ):  # The task's own top: an unexpected error must reach the log and the viewer.
            log.exception("The live view of session %s broke.", self.session_id)
            code = 1011
        await self.close(code)

    async def _reach(self) -> ClientConnection:
        """A connection to the session process, waiting for as long as it is starting."""
        while True:
            place = await self._place()
            if place.address:
                self.may_control = place.control
                ticket = issue(
                    key=place.key,
                    viewer=self.viewer,
                    user=self.scope["user"].get_username(),
                    control=place.control,
                )
                try:
                    return await connect(
                        place.address,
                        additional_headers={"Authorization": ticket},
                        # Loopback or the cluster's own network: never by way of a web proxy.
                        proxy=None,
                        compression=None,
                        max_size=FRAME_MAX_BYTES,
                        max_queue=4,
                        open_timeout=5,
                        close_timeout=2,
                    )
                except (OSError, TimeoutError, InvalidHandshake, ConnectionClosed) as error:
                    log.info("Session %s did not answer: %s", self.session_id, error)
                    if place.over:
                        raise _Close(NOT_LIVE) from error
            elif place.over:
                raise _Close(NOT_LIVE)
            await asyncio.sleep(POLL_S)

    async def _pump(self, upstream: ClientConnection) -> int:
        """Relay until one side ends; the code to close the viewer's socket with."""
        pumps = [
            asyncio.create_task(self._to_session(upstream)),
            asyncio.create_task(self._to_viewer(upstream)),
            asyncio.create_task(self._recheck()),
        ]
        try:
            done, _ = await asyncio.wait(pumps, return_when=asyncio.FIRST_COMPLETED)
            for pump in done:
                pump.result()
        finally:
            for pump in pumps:
                pump.cancel()
            await asyncio.gather(*pumps, return_exceptions=True)
        # The code the session closed with: 1000 after `ended`, 1009 for a message too long.
        code = upstream.close_code
        return code if code in {1000, 1008, TOO_BIG} else GOING_AWAY

    async def _to_session(self, upstream: ClientConnection) -> None:
        with contextlib.suppress(ConnectionClosed):
            while True:
                message = await self.backlog.get()
                await upstream.send(message)
                self.backlog_bytes -= len(message)

    async def _to_viewer(self, upstream: ClientConnection) -> None:
        with contextlib.suppress(ConnectionClosed):
            while True:
                message = await upstream.recv()
                # Waits while the viewer does not read; the session then sees no acknowledgement.
                if isinstance(message, bytes):
                    await self.send(bytes_data=message)
                else:
                    await self.send(text_data=message)

    async def _recheck(self) -> None:
        while True:
            await asyncio.sleep(RECHECK_S)
            place = await self._place()
            # The session's process was told once whether this viewer may take control.
            if self.may_control and not place.control:
                raise _Close(FORBIDDEN)

    async def _place(self) -> Place:
        place: Place = await _find(self.session_id, standing=standing_of(self.scope))
        return place


@database_sync_to_async
def _find(session_id: UUID, *, standing: Standing) -> Place:
    """:raises _Close: this user may not watch it (any more), or it has ended."""
    user = standing.user()
    if user is None:
        raise _Close(UNAUTHENTICATED)
    if not access.may_see(user):
        raise _Close(FORBIDDEN)
    session = (
        RecordingSession.objects.visible_to(user)
        .select_related("job")
        .filter(pk=session_id)
        .first()
    )
    if session is None:
        raise _Close(NOT_FOUND)
    if session.job.is_terminal:
        raise _Close(NOT_LIVE)
    running = session.job.status == Status.RUNNING
    return Place(
        address=session.live_address if running else "",
        key=str(unseal(session.live_key) or ""),
        over=running and session.phase in OVER,
        control=access.may_do(user) and (session.owner_id == user.pk or access.is_admin(user)),
    )
