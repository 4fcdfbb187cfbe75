"""The session process's two pipes to the job: JSON lines out on stdout, commands in on stdin."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import AsyncIterator
from typing import Any


class Channel:
    """Lines written here reach the job in order; nothing else may write to stdout."""

    def __init__(self) -> None:
        # Whatever prints to stdout (a library, a driver) would break a line: it gets stderr.
        self._out = os.fdopen(os.dup(1), "wb", buffering=0)
        os.dup2(2, 1)
        sys.stdout = sys.stderr
        self._reader: asyncio.StreamReader | None = None

    async def first_line(self) -> dict[str, Any]:
        """:raises ValueError: stdin ended or its first line is no JSON object."""
        loop = asyncio.get_running_loop()
        self._reader = asyncio.StreamReader(limit=16 * 1024 * 1024)
        await loop.connect_read_pipe(
            lambda: asyncio.StreamReaderProtocol(self._reader_()), sys.stdin
        )
        config = json.loads(await self._reader.readline())
        if not isinstance(config, dict):
            raise ValueError("The first line on stdin must be a JSON object.")
        return config

    async def commands(self) -> AsyncIterator[str]:
        """The types of the commands on stdin; ends when the job is gone."""
        while line := await self._reader_().readline():
            try:
                message = json.loads(line)
            except ValueError:
                continue
            if isinstance(message, dict) and isinstance(message.get("type"), str):
                yield message["type"]

    def send(self, type: str, **fields: Any) -> None:
        data = json.dumps({"type": type, **fields}).encode() + b"\n"
        view = memoryview(data)
        try:
            while view:
                view = view[self._out.write(view) :]
        except BrokenPipeError:
            # The job is gone; the end of stdin tells the session so.
            return

    def _reader_(self) -> asyncio.StreamReader:
        assert self._reader is not None
        return self._reader
