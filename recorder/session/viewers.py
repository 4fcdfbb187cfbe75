"""Who watches, who controls, and what each viewer is still to be sent."""

from __future__ import annotations

import asyncio
import json
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from time import monotonic
from typing import Any

from websockets.asyncio.server import ServerConnection
from websockets.exceptions import ConnectionClosed

from recorder.session.tickets import Claims

IN_FLIGHT = 2
GRACE_S = 15.0
_LONGEST_QUEUE = 5_000


@dataclass(frozen=True, kw_only=True)
class Frame:
    """One picture of a page; `number` rises by one from frame to frame of the session."""

    number: int
    page: str
    width: int
    height: int
    at_ms: int
    jpeg: bytes

    def encoded(self) -> bytes:
        header = json.dumps(
            {
                "type": "frame",
                "id": self.number,
                "page": self.page,
                "width": self.width,
                "height": self.height,
                "at": self.at_ms,
            }
        ).encode()
        return len(header).to_bytes(4, "big") + header + self.jpeg


class Viewer:
    """One connection. Texts queue up in order; of frames only the newest waits."""

    def __init__(self, *, connection: ServerConnection, claims: Claims) -> None:
        self.id = claims.viewer
        self.user = claims.user
        self.may_control = claims.control
        self._connection = connection
        self._texts: deque[str] = deque()
        self._frame: Frame | None = None
        self._unacked: set[int] = set()
        self._wake = asyncio.Event()
        self._last: str | None = None

    def say(self, type: str, **fields: Any) -> None:
        if len(self._texts) < _LONGEST_QUEUE:
            self._texts.append(json.dumps({"type": type, **fields}))
        self._wake.set()

    def show(self, frame: Frame) -> None:
        self._frame = frame
        self._wake.set()

    def acked(self, number: int) -> None:
        # Acknowledging a frame says that those before it are drawn or skipped.
        self._unacked = {one for one in self._unacked if one > number}
        self._wake.set()

    @property
    def ready(self) -> bool:
        return len(self._unacked) < IN_FLIGHT

    def finish(self, reason: str) -> None:
        self._last = reason
        self._wake.set()

    async def pump(self, *, on_frame_sent: Any) -> None:
        """Send what waits until the connection or the session ends."""
        try:
            while True:
                await self._wake.wait()
                self._wake.clear()
                while self._texts:
                    await self._connection.send(self._texts.popleft())
                if self._last is not None:
                    await self._connection.send(json.dumps({"type": "ended", "reason": self._last}))
                    await self._connection.close(1000)
                    return
                if len(self._texts) >= _LONGEST_QUEUE:
                    await self._connection.close(1013, "too slow")
                    return
                if self._frame is not None and self.ready:
                    frame, self._frame = self._frame, None
                    self._unacked.add(frame.number)
                    await self._connection.send(frame.encoded())
                    on_frame_sent(frame)
        except ConnectionClosed:
            return


class Audience:
    """All viewers of a session, and the one lease of control among them."""

    def __init__(self) -> None:
        self._viewers: dict[str, Viewer] = {}
        self._holder: str | None = None
        self._holder_user = ""
        self._gone_at: float | None = None

    def __iter__(self) -> Any:
        return iter(list(self._viewers.values()))

    def __len__(self) -> int:
        return len(self._viewers)

    def join(self, viewer: Viewer) -> Viewer | None:
        """Add a viewer; the connection it replaces, if the same viewer returns before its old one ended."""
        replaced = self._viewers.pop(viewer.id, None)
        self._viewers[viewer.id] = viewer
        if not viewer.may_control:
            return replaced
        returns = self._gone_at is not None and self._holder_user == viewer.user
        if self._is_free() or returns or self._holder == viewer.id:
            self._give(viewer)
        return replaced

    def leave(self, viewer: Viewer) -> None:
        if self._viewers.get(viewer.id) is not viewer:
            return
        del self._viewers[viewer.id]
        if self._holder == viewer.id:
            self._gone_at = monotonic()

    def controls(self, viewer: Viewer) -> bool:
        return self._holder == viewer.id and self._gone_at is None

    def take(self, viewer: Viewer) -> bool:
        if not viewer.may_control:
            return False
        returns = self._gone_at is not None and self._holder_user == viewer.user
        if self._holder != viewer.id and not self._is_free() and not returns:
            return False
        self._give(viewer)
        return True

    def release(self, viewer: Viewer) -> bool:
        if self._holder != viewer.id:
            return False
        self._holder, self._holder_user, self._gone_at = None, "", None
        return True

    def grant(self, viewer_id: str) -> bool:
        viewer = self._viewers.get(viewer_id)
        if viewer is None or not viewer.may_control:
            return False
        self._give(viewer)
        return True

    def expire(self) -> bool:
        """Free the lease of a holder who did not come back; True if it was freed just now."""
        if self._gone_at is None or not self._is_free():
            return False
        self._holder, self._holder_user, self._gone_at = None, "", None
        return True

    def as_json(self) -> dict[str, Any]:
        return {
            "holder": self._holder if self._gone_at is None else None,
            "viewers": [
                {"viewer": one.id, "user": one.user, "control": one.may_control} for one in self
            ],
        }

    def say(self, type: str, **fields: Any) -> None:
        for viewer in self:
            viewer.say(type, **fields)

    def _give(self, viewer: Viewer) -> None:
        self._holder, self._holder_user, self._gone_at = viewer.id, viewer.user, None

    def _is_free(self) -> bool:
        if self._holder is None:
            return True
        return self._gone_at is not None and monotonic() - self._gone_at > GRACE_S


def control_for(audience: Audience, viewer: Viewer) -> Mapping[str, Any]:
    return {
        **audience.as_json(),
        "mine": audience.controls(viewer),
        "allowed": viewer.may_control,
    }
