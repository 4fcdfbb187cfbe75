"""A small client of the live protocol (docs/live-protocol.md); tests and benches record with it."""

from __future__ import annotations

import asyncio
import base64
import itertools
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from time import monotonic
from typing import Any, Self

from websockets.asyncio.client import ClientConnection, connect

Message = dict[str, Any]
# How long an element may take to come.
PATIENCE_S = 20.0


class LiveError(Exception):
    """The session answered with an error."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code


@dataclass(frozen=True, kw_only=True)
class Picture:
    number: int
    page: str
    width: int
    height: int
    at_ms: int
    jpeg: bytes
    received_s: float


class LiveClient:
    """`async with LiveClient(url, headers={…}) as live: await live.call("navigate", url=…)`."""

    def __init__(
        self, url: str, *, headers: Mapping[str, str] | None = None, auto_ack: bool = True
    ) -> None:
        self._url = url
        self._headers = dict(headers or {})
        self._auto_ack = auto_ack
        self._refs = itertools.count(1)
        self._answers: dict[int, asyncio.Future[Message]] = {}
        self._news = asyncio.Condition()
        self.messages: list[Message] = []
        self.pictures: list[Picture] = []
        self.steps: dict[str, Message] = {}
        self.pages: list[Message] = []
        self.welcome: Message = {}
        self.closed = False
        self.close_code: int | None = None
        self._forgotten = 0

    async def __aenter__(self) -> Self:
        self._socket: ClientConnection = await connect(
            self._url, additional_headers=self._headers, max_size=None, open_timeout=20
        )
        self._reading = asyncio.create_task(self._read())
        self.welcome = await self.wait_for(lambda one: one["type"] == "welcome")
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self._socket.close()
        self._reading.cancel()
        await asyncio.gather(self._reading, return_exceptions=True)

    async def send(self, type: str, **fields: Any) -> None:
        await self._socket.send(json.dumps({"type": type, **fields}))

    async def send_raw(self, text: str | bytes) -> None:
        await self._socket.send(text)

    async def call(self, type: str, *, timeout_s: float = 30, **fields: Any) -> Message:
        """Send and wait for the answer. :raises LiveError: it was an error."""
        ref = next(self._refs)
        answer = self._answers[ref] = asyncio.get_running_loop().create_future()
        await self.send(type, ref=ref, **fields)
        message = await asyncio.wait_for(answer, timeout_s)
        if message["type"] == "error":
            raise LiveError(message["code"], message["message"])
        return message

    async def click(self, x: float, y: float, **fields: Any) -> None:
        await self.call("mouse", kind="click", x=x, y=y, **fields)

    async def at(self, selector: str) -> tuple[float, float]:
        """The middle of the first element found by `selector`, scrolled into view."""
        rect = (await self._located(selector))["rect"]
        return rect["x"] + rect["width"] / 2, rect["y"] + rect["height"] / 2

    async def _located(self, selector: str) -> Message:
        """A session looks for a few seconds; where all of the machine is busy that is not long."""
        deadline = monotonic() + PATIENCE_S
        while True:
            try:
                return await self.call("locate", selector=selector)
            except LiveError as error:
                if error.code != "no_element" or monotonic() > deadline:
                    raise

    async def click_on(self, selector: str, **fields: Any) -> None:
        x, y = await self.at(selector)
        await self.click(x, y, **fields)

    async def type(self, text: str) -> None:
        for char in text:
            await self.call("key", kind="press", key=char)

    async def press(self, key: str, *modifiers: str) -> None:
        await self.call("key", kind="press", key=key, modifiers=list(modifiers))

    async def upload(self, request_id: str, *files: tuple[str, str, bytes]) -> None:
        await self.call(
            "upload",
            requestId=request_id,
            files=[
                {"name": name, "contentType": kind, "base64": base64.b64encode(content).decode()}
                for name, kind, content in files
            ],
        )

    async def wait_for(
        self, fits: Callable[[Message], bool], *, timeout_s: float = 10, after: int = 0
    ) -> Message:
        """The first message from index `after` on that fits, waiting for it if need be."""
        deadline, seen = monotonic() + timeout_s, after
        while True:
            for message in self.messages[seen:]:
                if fits(message):
                    return message
            seen = max(seen, len(self.messages))
            if self.closed or monotonic() > deadline:
                raise AssertionError(
                    f"No such message. Came: {[one['type'] for one in self.messages[after:]][-20:]}"
                )
            async with self._news:
                try:
                    await asyncio.wait_for(
                        self._news.wait(), min(0.5, deadline - monotonic() + 0.01)
                    )
                except TimeoutError:
                    continue

    async def until(self, holds: Callable[[], Any], *, timeout_s: float = 10) -> Any:
        """Wait until `holds()` is true after some message or picture; its value."""
        deadline = monotonic() + timeout_s
        while not (found := holds()):
            assert monotonic() < deadline, f"Not in time; steps: {self.actions()}"
            await asyncio.sleep(0.02)
        return found

    async def step(self, action: str, *, timeout_s: float = 10, **fields: Any) -> Message:
        """The newest kept step with this action and these fields (of the step or its params)."""

        def find() -> Message | None:
            for step in reversed(self.kept()):
                known = {**step, **step["params"]}
                if step["action"] == action and all(known.get(k) == v for k, v in fields.items()):
                    return step
            return None

        found: Message = await self.until(find, timeout_s=timeout_s)
        return found

    def forget(self) -> None:
        """Begin anew: what was said and recorded until now is no longer known here."""
        self._forgotten = max((one["position"] for one in self.steps.values()), default=0)
        self.steps, self.messages = {}, []

    def kept(self) -> list[Message]:
        return [one["step"] for one in self.steps.values() if not one.get("deleted")]

    def actions(self) -> list[str]:
        return [step["action"] for step in self.kept()]

    def of_type(self, type: str) -> list[Message]:
        return [one for one in self.messages if one["type"] == type]

    async def _read(self) -> None:
        try:
            async for raw in self._socket:
                if isinstance(raw, bytes):
                    await self._picture(raw)
                else:
                    self._take(json.loads(raw))
                async with self._news:
                    self._news.notify_all()
        finally:
            self.closed = True
            self.close_code = self._socket.close_code
            async with self._news:
                self._news.notify_all()

    async def _picture(self, raw: bytes) -> None:
        length = int.from_bytes(raw[:4], "big")
        header = json.loads(raw[4 : 4 + length])
        self.pictures.append(
            Picture(
                number=header["id"],
                page=header["page"],
                width=header["width"],
                height=header["height"],
                at_ms=header["at"],
                jpeg=raw[4 + length :],
                received_s=monotonic(),
            )
        )
        if self._auto_ack:
            await self.send("ack", id=header["id"])

    def _take(self, message: Message) -> None:
        self.messages.append(message)
        match message["type"]:
            case "welcome":
                self.pages = message["pages"]
                self.steps = {one["step"]["key"]: one for one in message["steps"]}
            case "pages":
                self.pages = message["pages"]
            case "step" if message["position"] > self._forgotten:
                known = self.steps.get(message["step"]["key"], {})
                deleted = {"removed": True, "restored": False}.get(
                    message["op"], known.get("deleted", False)
                )
                self.steps[message["step"]["key"]] = {**message, "deleted": deleted}
        ref = message.get("ref")
        if message["type"] in {"ok", "error", "inspected"} and ref in self._answers:
            answer = self._answers.pop(ref)
            if not answer.done():
                answer.set_result(message)
