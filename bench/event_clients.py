"""Many websocket clients in one process, cheap enough not to be what is measured.

    python -m bench.event_clients --port 8000 --path '/ws/jobs/?job=…' --token … --clients 500

Says `ready` once all are connected; after a line `stop <last>` on standard input it waits until
every client has event number <last> (or nothing came for a while) and prints its figures as JSON.
"""

import argparse
import asyncio
import json
import random
import re
import sys
import time

EVENT = re.compile(rb'"seq":(\d+),.{0,400}?"sent":\s?([\d.]+)')
SILENCE_S = 3.0
# Of a flood every so many latencies are kept.
KEEP_EVERY = 20
KEEP_ALL_BELOW = 200_000


class Link(asyncio.Protocol):
    """One connection of a client; what comes by an old one is not the client's any more."""

    def __init__(self, client: "Client") -> None:
        self._client = client
        self._rest = b""
        self.open = False
        self.transport: asyncio.Transport | None = None
        self.opened_or_lost = asyncio.Event()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        transport.write(self._client.request())

    def data_received(self, data: bytes) -> None:
        data = self._rest + data
        if not self.open:
            head, separator, data = data.partition(b"\r\n\r\n")
            if not separator:
                self._rest = head
                return
            if b" 101 " not in head.partition(b"\r\n")[0]:
                self.close()
                return
            self.open = True
            self.opened_or_lost.set()
        end = 0
        for match in EVENT.finditer(data):
            end = match.end()
            self._client.heard(self, int(match.group(1)), float(match.group(2)))
        self._rest = data[end:][-2_000:]

    def connection_lost(self, error: Exception | None) -> None:
        self.open = False
        self.opened_or_lost.set()
        self._client.lost_link(self)

    def close(self) -> None:
        if self.transport is not None:
            self.transport.abort()


class Client:
    """Reads numbers and times from what the server sends; frames are not taken apart."""

    def __init__(self, crowd: "Crowd", first: int) -> None:
        self._crowd = crowd
        self._link: Link | None = None
        self.last = first
        self.lost = self.repeated = self.received = 0

    def request(self) -> bytes:
        options = self._crowd.options
        path = options.path
        if options.resume and self.last:
            path += f"&after={self.last}"
        authorization = f"Authorization: Bearer {options.token}\r\n" if options.token else ""
        return (
            f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{options.port}\r\nUpgrade: websocket\r\n"
            f"Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n{authorization}"
            "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
        ).encode()

    async def connect(self) -> None:
        """Until it works: the server may be starting again."""
        loop = asyncio.get_running_loop()
        while True:
            link = Link(self)
            try:
                await loop.create_connection(lambda: link, "127.0.0.1", self._crowd.options.port)  # noqa: B023
                await asyncio.wait_for(link.opened_or_lost.wait(), 60)
            except (OSError, TimeoutError):
                link.close()
            if link.open:
                self._link = link
                return
            await asyncio.sleep(0.1)

    def heard(self, link: Link, seq: int, sent: float) -> None:
        if self._link not in (None, link):
            return
        self.received += 1
        if seq <= self.last:
            self.repeated += 1
            return
        if self.last and seq > self.last + 1:
            self.lost += seq - self.last - 1
        self.last = seq
        self._crowd.heard(time.time() - sent)

    def lost_link(self, link: Link) -> None:
        if link is self._link and not self._crowd.over:
            self._link = None
            self._crowd.reconnect(self)

    def drop(self) -> None:
        """Cut this client off, if it is connected."""
        if self._link is not None:
            self._link.close()


class Crowd:
    def __init__(self, options: argparse.Namespace) -> None:
        self.options = options
        self.over = False
        self.latencies: list[float] = []
        self.total = 0
        self.first_at = self.last_at = 0.0
        self.reconnects = 0
        self.clients = [Client(self, options.first) for _ in range(options.clients)]
        self._tasks: set[asyncio.Task[None]] = set()

    def heard(self, latency_s: float) -> None:
        self.total += 1
        self.last_at = time.monotonic()
        self.first_at = self.first_at or self.last_at
        if self.total < KEEP_ALL_BELOW or self.total % KEEP_EVERY == 0:
            self.latencies.append(latency_s)

    def reconnect(self, client: Client) -> None:
        self.reconnects += 1
        task = asyncio.get_running_loop().create_task(client.connect())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def run(self) -> None:
        for client in self.clients:
            await client.connect()
        print("ready", flush=True)
        stop = asyncio.get_running_loop().run_in_executor(None, sys.stdin.readline)
        while not stop.done():
            await asyncio.wait([stop], timeout=self.options.drop_every or 0.2)
            if self.options.drop_every and not stop.done():
                random.choice(self.clients).drop()
        wanted = int((await stop).split()[1])
        quiet_since = time.monotonic()
        seen = self.total
        while not all(client.last >= wanted for client in self.clients):
            await asyncio.sleep(0.05)
            if self.total != seen:
                seen, quiet_since = self.total, time.monotonic()
            if time.monotonic() - quiet_since > SILENCE_S:
                break
        self.over = True
        self._report(wanted)

    def _report(self, wanted: int) -> None:
        ordered = sorted(self.latencies) or [float("nan")]
        took = self.last_at - self.first_at
        figures = {
            "received": self.total,
            "p50_ms": ordered[len(ordered) // 2] * 1e3,
            "p95_ms": ordered[int(len(ordered) * 0.95)] * 1e3,
            "per_s": self.total / took if took > 0 else 0.0,
            "lost": sum(client.lost + max(0, wanted - client.last) for client in self.clients),
            "repeated": sum(client.repeated for client in self.clients),
            "reconnects": self.reconnects,
        }
        print(json.dumps(figures), flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--path", required=True)
    parser.add_argument("--token", default="")
    parser.add_argument("--clients", type=int, default=1)
    parser.add_argument("--first", type=int, default=0, help="number of the last event before")
    parser.add_argument("--resume", action="store_true", help="reconnect with after=<last>")
    parser.add_argument("--drop-every", type=float, default=0, help="drop one client every … s")
    asyncio.run(Crowd(parser.parse_args()).run())


if __name__ == "__main__":
    main()
