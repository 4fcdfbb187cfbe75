"""Job events over a websocket: /ws/jobs/?job=<id>[,<id>…]|*&after=<cursor>&type=<type>,…"""

from __future__ import annotations

import asyncio
import logging
from contextlib import suppress
from typing import Any
from urllib.parse import parse_qs

from channels.db import database_sync_to_async
from channels.generic.websocket import AsyncWebsocketConsumer

from jobs import access
from jobs.api.problem import Problem
from jobs.frames import EXTENSION
from jobs.logins import standing_of
from jobs.subscriptions import AccessEnded, Selection, deliveries, select

log = logging.getLogger(__name__)

# Close codes: 1000 every job has ended; otherwise 4000 + the HTTP status of the same refusal.
DONE = 1000


class JobEvents(AsyncWebsocketConsumer):
    """Sends events, takes nothing; a client resumes with the `cursor` of its last event."""

    _pump: asyncio.Task[None] | None = None

    async def connect(self) -> None:
        await self.accept()  # refused before accept, a browser sees only code 1006
        user = self.scope["user"]
        if not user.is_authenticated:
            return await self._refuse(4401, "Log in first.")
        if not await database_sync_to_async(access.may_see)(user):
            return await self._refuse(4403, "Your account has no role.")
        query = {
            name: values[-1]
            for name, values in parse_qs(self.scope["query_string"].decode()).items()
        }
        try:
            selection = await database_sync_to_async(select)(
                user=user,
                job=query.get("job", ""),
                after=query.get("after", ""),
                types=query.get("type", ""),
                standing=standing_of(self.scope),
            )
        except Problem as problem:
            return await self._refuse(4000 + problem.status_code, str(problem.detail))
        self._pump = asyncio.create_task(self._send_events(selection))
        return None

    async def _send_events(self, selection: Selection) -> None:
        framed = EXTENSION in (self.scope.get("extensions") or {})
        try:
            async for batch in deliveries(selection):
                if framed:
                    frames = b"".join([delivery.frame for delivery in batch])
                    if frames:
                        await self.base_send({"type": EXTENSION, "bytes": frames})
                    continue
                for delivery in batch:
                    await self.send(text_data=delivery.text)
            await self.close(DONE)
        except AccessEnded:
            await self._refuse(4403, "You may not see this any more.")
        except Exception:
            # Logged here, for nobody awaits this before the socket closes; the client resumes.
            log.exception("Sending job events failed.")
            await self._refuse(4500, "Failed; connect again.")

    async def _refuse(self, code: int, reason: str) -> None:
        await self.close(code, reason[:100])

    async def receive(self, text_data: str | None = None, bytes_data: bytes | None = None) -> None:
        await self._refuse(4400, "This socket takes no messages.")

    async def disconnect(self, code: Any) -> None:
        if self._pump is not None:
            self._pump.cancel()
            with suppress(asyncio.CancelledError):
                await self._pump
