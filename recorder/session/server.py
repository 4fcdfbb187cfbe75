"""The session's websocket: admits viewers by ticket, takes their messages, answers them."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import Mapping
from http import HTTPStatus
from time import monotonic
from typing import Any

from playwright.async_api import Error
from websockets.asyncio.server import Server, ServerConnection, serve
from websockets.exceptions import ConnectionClosed
from websockets.http11 import Request, Response

from recorder.session.live import LiveSession
from recorder.session.making import CommandFailed
from recorder.session.messages import BadMessage, Command, parse
from recorder.session.pages import UnknownPage
from recorder.session.requests import UnfitAnswer, UnknownRequest
from recorder.session.stepbook import UnknownStep
from recorder.session.tickets import BadTicket, Claims, TicketGate
from recorder.session.viewers import Viewer, control_for

log = logging.getLogger(__name__)

LONGEST_MESSAGE = 96 * 1024 * 1024
_LONGEST_QUEUE = 1_000
# A page that does not take an input in this time is passed over; a dialog may hold it longer.
_UNRESPONSIVE_S = 8.0
# And this much longer while it opens tabs, each of which the browser makes before the page goes on.
_OPENING_S = 60.0
_SLOW = {"navigate": 50.0, "newPage": 50.0, "back": 30.0, "forward": 30.0, "reload": 30.0,
         "upload": 30.0, "select": 15.0, "fillPicker": 15.0, "drag": 20.0}  # fmt: skip
_CODES: dict[type[Exception], str] = {
    UnknownPage: "unknown_page",
    UnknownRequest: "unknown_request",
    UnknownStep: "unknown_step",
    UnfitAnswer: "unfit_answer",
}


class LiveServer:
    """Serves one session on a loopback port until `close`."""

    def __init__(self, *, live: LiveSession) -> None:
        self._live = live
        self._gate = TicketGate(key=live.config.key)
        self._queue: asyncio.Queue[tuple[Viewer, Command]] = asyncio.Queue(_LONGEST_QUEUE)
        self._last_move: tuple[Viewer, Command] | None = None
        self._aside: set[asyncio.Task[None]] = set()
        self._server: Server | None = None
        self._worker: asyncio.Task[None] | None = None
        self._claims: dict[ServerConnection, Claims] = {}

    async def start(self) -> str:
        """The address that tickets are good for."""
        self._server = await serve(
            self._serve,
            "127.0.0.1",
            0,
            process_request=self._admit,
            max_size=LONGEST_MESSAGE,
            compression=None,  # frames are JPEG already
            write_limit=64 * 1024,
        )
        self._worker = asyncio.create_task(self._work())
        port = next(iter(self._server.sockets)).getsockname()[1]
        return f"ws://127.0.0.1:{port}"

    async def close(self, reason: str) -> None:
        """Tell every viewer that the session has ended, and stop."""
        if self._worker is not None:
            self._worker.cancel()
        for viewer in self._live.audience:
            viewer.finish(reason)
        deadline = monotonic() + 3
        while len(self._live.audience) and monotonic() < deadline:
            await asyncio.sleep(0.02)
        if self._server is not None:
            self._server.close()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._server.wait_closed(), 3)

    def _admit(self, connection: ServerConnection, request: Request) -> Response | None:
        header = request.headers.get("Authorization", "")
        try:
            self._claims[connection] = self._gate.admit(header=header, now=time.time())
        except BadTicket as error:
            return connection.respond(HTTPStatus.UNAUTHORIZED, f"{error}\n")
        return None

    async def _serve(self, connection: ServerConnection) -> None:
        viewer = Viewer(connection=connection, claims=self._claims.pop(connection))
        audience = self._live.audience
        replaced = audience.join(viewer)
        if replaced is not None:
            replaced.finish("replaced")
        self._welcome(viewer)
        audience.say("control", **audience.as_json())
        if self._live.screencast.last is not None:
            viewer.show(self._live.screencast.last)
        pump = asyncio.create_task(viewer.pump(on_frame_sent=self._live.screencast.sent))
        try:
            async for raw in connection:
                await self._take(viewer, raw)
        except ConnectionClosed:
            pass
        finally:
            pump.cancel()
            audience.leave(viewer)
            audience.say("control", **audience.as_json())

    def _welcome(self, viewer: Viewer) -> None:
        live = self._live
        viewer.say(
            "welcome",
            session=live.config.session,
            viewer=viewer.id,
            control=control_for(live.audience, viewer),
            phase=live.phase,
            pages=live.stage.pages_json(),
            steps=[{**entry.as_json(), "locator": entry.locator} for entry in live.book],
            url=live.clean(live.pages.current().page.url) if live.pages.front else "",
            requests=live.requests.as_json(),
        )

    async def _take(self, viewer: Viewer, raw: str | bytes) -> None:
        try:
            command = parse(raw)
        except BadMessage as error:
            viewer.say("error", ref=error.ref, code="bad_message", message=str(error))
            return
        if command.form.control and not self._live.audience.controls(viewer):
            _refuse(viewer, command, "not_in_control", "Another viewer is in control.")
            return
        if command.form.control:
            self._live.last_input_at = monotonic()
        if self._live.phase not in {"recording", "paused"} and command.form.control:
            _refuse(viewer, command, "not_recording", f"The session is {self._live.phase}.")
            return
        if command.form.queued:
            await self._enqueue(viewer, command)
        elif command.type in {"dialog", "inspect", "picture"}:
            # They may take a while, and nothing may wait for them.
            aside = asyncio.create_task(self._perform(viewer, command))
            self._aside.add(aside)
            aside.add_done_callback(self._aside.discard)
        elif command.form.control and command.type != "grantControl":
            await self._perform(viewer, command)
        else:
            self._govern(viewer, command)

    def _govern(self, viewer: Viewer, command: Command) -> None:
        """Messages about the viewers themselves."""
        audience, done = self._live.audience, True
        match command.type:
            case "ack":
                viewer.acked(command.values["id"])
                return
            case "hello":
                self._welcome(viewer)
                return
            case "takeControl":
                done = audience.take(viewer)
            case "releaseControl":
                done = audience.release(viewer)
            case "grantControl":
                done = audience.grant(command.values["viewer"])
        if not done:
            _refuse(viewer, command, "control_refused", "Control can not change hands like this.")
            return
        audience.say("control", **audience.as_json())
        _answer(viewer, command, {})

    async def _enqueue(self, viewer: Viewer, command: Command) -> None:
        moves = command.type == "mouse" and command.values["kind"] == "move"
        if moves and self._last_move is not None and command.ref is None:
            # The move that still waits has not happened yet: it happens to here instead.
            waiting = self._last_move[1]
            if waiting.ref is None and isinstance(waiting.values, dict):
                waiting.values.update(command.values)
                return
        self._last_move = (viewer, command) if moves else None
        await self._queue.put((viewer, command))

    async def _work(self) -> None:
        while True:
            viewer, command = await self._queue.get()
            if self._last_move is not None and self._last_move[1] is command:
                self._last_move = None
            await self._perform(viewer, command)

    async def _perform(self, viewer: Viewer, command: Command) -> None:
        try:
            result = await self._in_time(command)
        except (CommandFailed, UnknownPage, UnknownRequest, UnknownStep, UnfitAnswer) as error:
            code = error.code if isinstance(error, CommandFailed) else _CODES[type(error)]
            _refuse(viewer, command, code, str(error))
        except TimeoutError:
            _refuse(viewer, command, "page_unresponsive", "The page does not respond.")
            self._live.news.notice("warning", "page_unresponsive", "The page does not respond.")
        except Error as error:
            _refuse(viewer, command, "browser", error.message.splitlines()[0][:500])
        # A defect in one command must not end a recording; the log says where it is.
        except Exception:
            log.exception("Command %s failed.", command.type)
            _refuse(viewer, command, "internal", "The session could not do this.")
        else:
            if command.type == "inspect":
                viewer.say("inspected", ref=command.ref, **(result or {}))
            else:
                _answer(viewer, command, result or {})

    async def _in_time(self, command: Command) -> Mapping[str, Any] | None:
        doing = asyncio.ensure_future(self._live.commands.run(command.type, command.values))
        left, opening = _SLOW.get(command.type, _UNRESPONSIVE_S), _OPENING_S
        try:
            while left > 0 or self._live.requests.dialog_open:
                started = monotonic()
                done, _ = await asyncio.wait({doing}, timeout=0.5)
                if done:
                    return doing.result()
                if self._live.requests.dialog_open:
                    continue
                if self._live.stage.opening and opening > 0:
                    opening -= monotonic() - started
                else:
                    left -= monotonic() - started
            raise TimeoutError
        finally:
            doing.cancel()


def _answer(viewer: Viewer, command: Command, result: Mapping[str, Any]) -> None:
    if command.ref is not None:
        viewer.say("ok", ref=command.ref, **result)


def _refuse(viewer: Viewer, command: Command, code: str, message: str) -> None:
    viewer.say("error", ref=command.ref, code=code, message=message)
