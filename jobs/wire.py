"""One TCP connection: read on demand, written with backpressure, or joined to another at full speed.

asyncio's streams copy each byte twice more than this does; a browser's downloads pass here.
"""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import Callable

# The selector transports read at most this much at once.
READ_BYTES = 256 * 1024
WRITE_BUFFER_BYTES = 512 * 1024
# Enough of an unread connection; more stays with the kernel, and so with the sender.
UNREAD_BYTES = 512 * 1024
LINGER_S = 2


class WireClosed(ConnectionError):
    """The other side closed or lost the connection before all was read or written."""


class HeadTooLarge(Exception):
    """The head of this message is longer than allowed."""


class Wire(asyncio.Protocol):
    """One connection. Only one reader (a `read_…` or a `pipe`) at a time.

    `gone` is done as soon as the other side sends no more: it closed, half-closed or was lost.
    """

    def __init__(self, *, on_connected: Callable[[Wire], None] | None = None) -> None:
        loop = asyncio.get_running_loop()
        self.gone: asyncio.Future[None] = loop.create_future()
        self.closed: asyncio.Future[None] = loop.create_future()
        self._loop = loop
        self._on_connected = on_connected
        self._transport: asyncio.Transport | None = None
        self._unread = bytearray()
        self._reader: asyncio.Future[None] | None = None
        self._target: Wire | None = None
        self._left: int | None = None
        self._writable: asyncio.Future[None] | None = None
        self._source: Wire | None = None
        self._reading_paused = False
        self._discarding = False
        self._broke = False

    # What asyncio calls.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        transport.set_write_buffer_limits(high=WRITE_BUFFER_BYTES)
        # A tunnel may be silent for hours; a peer that vanished must still be noticed.
        transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        if self._on_connected:
            self._on_connected(self)

    def data_received(self, data: bytes) -> None:
        if self._discarding:
            return
        if self._target is not None:
            data = self._forward(data)
            if not data:
                return
        self._unread += data
        if len(self._unread) > UNREAD_BYTES:
            self._pause_reading()
        self._wake_reader()

    def eof_received(self) -> bool:
        self._end_of_input()
        return True  # we may still have something to say

    def connection_lost(self, exc: Exception | None) -> None:
        self._broke = self._broke or exc is not None
        self._end_of_input()
        if not self.closed.done():
            self.closed.set_result(None)
        if self._writable is not None and not self._writable.done():
            self._writable.set_result(None)
        if self._source is not None:
            self._source._wake_reader()

    def pause_writing(self) -> None:
        self._writable = self._loop.create_future()
        if self._source is not None:
            self._source._pause_reading()

    def resume_writing(self) -> None:
        if self._writable is not None and not self._writable.done():
            self._writable.set_result(None)
        self._writable = None
        if self._source is not None:
            self._source._resume_reading()

    # Reading.

    async def read_head(self, *, limit_bytes: int) -> bytes | None:
        """Everything up to and with the first empty line; None when the connection ends before any byte.

        :raises HeadTooLarge: no empty line within `limit_bytes`.
        :raises WireClosed: the connection ended within the head.
        """
        searched = 0
        while True:
            while (
                self._unread[:2] == b"\r\n"
            ):  # RFC 9112, 2.2: empty lines before a message are ignored
                del self._unread[:2]
            ends = [
                found + len(mark)
                for mark in (b"\n\r\n", b"\n\n")
                if (found := self._unread.find(mark, max(0, searched - 3), limit_bytes)) >= 0
            ]
            if ends:
                return self._take(min(ends))
            searched = len(self._unread)
            if searched >= limit_bytes:
                raise HeadTooLarge
            if not await self._more():
                if self._unread:
                    raise WireClosed("The connection ended within a message's head.")
                return None

    async def readable(self) -> bool:
        """Wait for anything to read; False: nothing more will come."""
        return bool(self._unread) or await self._more()

    async def read_line(self, *, limit_bytes: int) -> bytes:
        """One line with its line feed.

        :raises HeadTooLarge: no line feed within `limit_bytes`.
        :raises WireClosed: the connection ended before it.
        """
        while (end := self._unread.find(b"\n", 0, limit_bytes)) < 0:
            if len(self._unread) >= limit_bytes:
                raise HeadTooLarge
            if not await self._more():
                raise WireClosed("The connection ended within a line.")
        return self._take(end + 1)

    def take(self, most: int) -> bytes:
        """Up to `most` bytes that are here already."""
        return self._take(min(most, len(self._unread)))

    async def pipe(self, target: Wire, *, length: int | None = None) -> None:
        """Pass the next `length` bytes on to `target`; None: all until this side ends.

        :raises WireClosed: this side ended too early, or `target` is closed.
        """
        if self._unread and length != 0:
            head = self._take(
                len(self._unread) if length is None else min(length, len(self._unread))
            )
            target.write(head)
            length = None if length is None else length - len(head)
        if length == 0:
            return
        self._target, self._left = target, length
        target._source = self
        if target._writable is not None:
            self._pause_reading()
        else:
            self._resume_reading()
        try:
            while self._target is not None and not self.gone.done():
                if target.closed.done():
                    raise WireClosed("The receiving side closed the connection.")
                await self._wait()
            if self._target is not None and (length is not None or self._broke):
                raise WireClosed("The connection ended within a message's body.")
        finally:
            self._target = target._source = None
            self._resume_reading()

    # Writing.

    def write(self, data: bytes) -> None:
        """:raises WireClosed: nothing can be written any more."""
        if self._transport is None or self._transport.is_closing():
            raise WireClosed("The connection is closed.")
        self._transport.write(data)

    async def drain(self) -> None:
        """Return when more may be written."""
        while self._writable is not None and not self.closed.done():
            await asyncio.shield(self._writable)

    def write_eof(self) -> None:
        if self._transport is not None and not self._transport.is_closing():
            self._transport.write_eof()

    async def linger(self) -> None:
        """End what we say, and listen for a moment: closing with input unread would destroy the answer."""
        await self.drain()
        self.write_eof()
        self._unread.clear()
        self._discarding = True
        self._resume_reading()
        await asyncio.wait({self.gone}, timeout=LINGER_S)

    def close(self) -> None:
        """Close after everything written has left."""
        if self._transport is not None:
            self._transport.close()

    def abort(self) -> None:
        """Close at once; what is still unsent is dropped."""
        if self._transport is not None:
            self._transport.abort()

    def reset(self) -> None:
        """Close at once, in a way that the other side takes for an error and not for an end."""
        if self._transport is not None and not self._transport.is_closing():
            own = self._transport.get_extra_info("socket")
            own.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self._transport.abort()

    @property
    def is_idle(self) -> bool:
        """Whether a new message may start here: open, and nothing unasked arrived."""
        return not self.gone.done() and not self._unread

    # Inside.

    def _forward(self, data: bytes) -> bytes:
        target = self._target
        assert target is not None
        rest = b""
        if self._left is not None:
            data, rest = data[: self._left], data[self._left :]
            self._left -= len(data)
        try:
            target.write(data)
        except WireClosed:
            self._wake_reader()
            return b""
        if self._left == 0:
            self._target = None
            self._wake_reader()
        return rest

    def _take(self, count: int) -> bytes:
        taken = bytes(self._unread[:count])
        del self._unread[:count]
        if len(self._unread) <= UNREAD_BYTES // 2:
            self._resume_reading()
        return taken

    async def _more(self) -> bool:
        """Wait for unread bytes beyond those that are here; False: there will be none."""
        before = len(self._unread)
        while len(self._unread) == before:
            if self.gone.done():
                return False
            await self._wait()
        return True

    async def _wait(self) -> None:
        self._reader = self._loop.create_future()
        try:
            await self._reader
        finally:
            self._reader = None

    def _wake_reader(self) -> None:
        if self._reader is not None and not self._reader.done():
            self._reader.set_result(None)

    def _end_of_input(self) -> None:
        if not self.gone.done():
            self.gone.set_result(None)
        self._wake_reader()

    def _pause_reading(self) -> None:
        if self._transport is not None and not self._reading_paused:
            self._reading_paused = True
            self._transport.pause_reading()

    def _resume_reading(self) -> None:
        if self._transport is not None and self._reading_paused:
            self._reading_paused = False
            self._transport.resume_reading()
