"""The filtering proxy, byte by byte: what it passes on, what it refuses, what it never merges or splits."""

import asyncio
import hashlib
import socket
import struct
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from ipaddress import ip_address

import pytest
from websockets.asyncio.client import connect
from websockets.asyncio.server import serve

from jobs.egress import Allowed, Policy
from jobs.proxy import FilteringProxy, Upstream

Speak = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


class Origin:
    """A server that keeps what it receives and answers as it is told."""

    def __init__(self, answer: bytes = OK, *, then_close: bool = False) -> None:
        self.received: list[bytes] = []
        self.connections = 0
        self.lost = asyncio.Event()
        self._answer, self._then_close = answer, then_close

    async def speak(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        self.received.append(b"")
        with suppress(ConnectionError):
            while data := await reader.read(1 << 16):
                self.received[-1] += data
                if self._answer and b"\r\n\r\n" in data:
                    writer.write(self._answer)
                    await writer.drain()
                    if self._then_close:
                        break
        self.lost.set()
        writer.close()


@asynccontextmanager
async def listening(speak: Speak) -> AsyncIterator[int]:
    server = await asyncio.start_server(speak, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()


@asynccontextmanager
async def proxied(
    policy: Policy | None = None, **options: object
) -> AsyncIterator[tuple[FilteringProxy, int]]:
    proxy = FilteringProxy(policy or Policy(private=True), **options)  # type: ignore[arg-type]
    url = await proxy.start()
    try:
        yield proxy, int(url.rpartition(":")[2])
    finally:
        await proxy.stop()


async def ask(port: int, said: bytes, *, timeout_s: float = 5) -> bytes:
    """Everything that comes back until the connection ends, or nothing comes for a while."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(said)
    heard = b""
    try:
        with suppress(TimeoutError, ConnectionError):
            while data := await asyncio.wait_for(reader.read(1 << 16), timeout_s):
                heard += data
    finally:
        writer.close()
    return heard


def get(port: int, path: str = "/", *lines: str, end: str = "Connection: close") -> bytes:
    head = [f"GET http://127.0.0.1:{port}{path} HTTP/1.1", f"Host: 127.0.0.1:{port}", *lines, end]
    return ("\r\n".join(filter(None, head)) + "\r\n\r\n").encode("latin-1")


async def test_a_request_is_written_anew_for_the_server():
    origin = Origin()
    async with listening(origin.speak) as there, proxied() as (_, here):
        heard = await ask(
            here,
            get(
                there,
                "/a?b=\\c|d",
                "X-Kept: caf\xe9",
                "X-Private: 1",
                "Proxy-Authorization: Basic eDp5",
                "Proxy-Connection: keep-alive",
                "TE: trailers",
                end="Connection: close, X-Private, Content-Length, Host",
            ),
        )
    assert heard.endswith(b"\r\n\r\nok")
    assert origin.received == [
        f"GET /a?b=\\c|d HTTP/1.1\r\nHost: 127.0.0.1:{there}\r\nX-Kept: caf\xe9\r\n\r\n".encode(
            "latin-1"
        )
    ]


async def test_host_is_made_from_the_address_whatever_the_client_says():
    origin = Origin()
    async with listening(origin.speak) as there, proxied() as (_, here):
        said = f"GET http://localhost:{there} HTTP/1.1\r\nHost: victim.example\r\nConnection: close\r\n\r\n"
        await ask(here, said.encode())
    assert origin.received == [f"GET / HTTP/1.1\r\nHost: localhost:{there}\r\n\r\n".encode()]


async def test_requests_to_one_place_share_a_connection():
    origin = Origin()
    async with listening(origin.speak) as there, proxied() as (_, here):
        heard = await ask(here, get(there, "/1", end="") + get(there, "/2"))
    assert heard.count(b"ok") == 2
    assert origin.connections == 1


async def test_a_kept_connection_that_ended_is_replaced_unnoticed_for_a_safe_request():
    origin = Origin(then_close=True)
    async with listening(origin.speak) as there, proxied() as (_, here):
        heard = await ask(here, get(there, "/1", end="") + get(there, "/2"))
    assert heard.count(b"ok") == 2
    assert origin.connections == 2


@pytest.mark.parametrize(
    ("lines", "status"),
    [
        ("Content-Length: 4\r\nTransfer-Encoding: chunked", 400),
        ("Content-Length: 4\r\nContent-Length: 5", 400),
        ("Content-Length: 4\r\nContent-Length: 4", 400),
        ("Content-Length: 4, 4", 400),
        *((f"Content-Length: {length}", 400) for length in ("+4", "-4", "0x4", "4 4", "", "９")),
        *(
            (f"Transfer-Encoding: {name}", 501)
            for name in ("gzip, chunked", "xchunked", "chunked, chunked", "")
        ),
        ("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked", 501),
        ("Transfer-Encoding : chunked", 400),
        (" Transfer-Encoding: chunked", 400),
        ("X: y\r\n Transfer-Encoding: chunked", 400),
        ("X: y\nTransfer-Encoding: chunked", 400),
        ("X: y\rTransfer-Encoding: chunked", 400),
        ("X: y\0z", 400),
        ("no colon", 400),
        (": no name", 400),
        ("Host: other.example", 400),
        ("\r\n".join(f"X{n}: y" for n in range(300)), 431),
        ("X: " + "y" * 200_000, 431),
    ],
)
async def test_a_request_that_could_be_read_in_two_ways_reaches_nobody(lines, status):
    origin = Origin()
    async with listening(origin.speak) as there, proxied() as (_, here):
        head = f"POST http://127.0.0.1:{there}/ HTTP/1.1\r\nHost: x\r\n{lines}\r\n\r\n"
        heard = await ask(here, head.encode("utf-8") + b"0\r\n\r\nGET /smuggled HTTP/1.1\r\n\r\n")
    assert heard.startswith(f"HTTP/1.1 {status} ".encode())
    assert heard.count(b"HTTP/1.1") == 1
    assert origin.received == []


@pytest.mark.parametrize(
    "first",
    [
        *("GET / HTTP/1.1", "GET http://127.0.0.1/ HTTP/1.1 x", "GET  http://127.0.0.1/ HTTP/1.1"),
        *(
            "GET http://127.0.0.1/ HTTP/2.0",
            "GET http://127.0.0.1/",
            "G\tT http://127.0.0.1/ HTTP/1.1",
        ),
        *(
            "GET http://127.0.0.1/#x HTTP/1.1",
            "GET https://127.0.0.1/ HTTP/1.1",
            "\x16\x03\x01 hello",
        ),
    ],
)
async def test_what_is_no_proxy_request_is_answered_with_400(first):
    async with proxied() as (_, here):
        heard = await ask(here, f"{first}\r\nHost: 127.0.0.1\r\n\r\n".encode())
    assert heard.startswith(b"HTTP/1.1 400 ")


@pytest.mark.parametrize(
    "body",
    [
        *(
            b"5\r\nhello6\r\n world\r\n0\r\n\r\n",
            b"4\r\nhello\r\n0\r\n\r\n",
            b"g\r\n",
            b"-1\r\n",
            b" 5\r\nhello\r\n",
        ),
        *(
            b"5\nhello\r\n0\r\n\r\n",
            b"5\r\nhello\n0\r\n\r\n",
            b"0x5\r\nhello\r\n",
            b"f" * 16 + b"\r\n",
            b"5;" + b"x" * 9000,
        ),
        b"0\r\n" + b"X: y\r\n" * 200 + b"\r\n",
    ],
)
async def test_a_malformed_chunk_never_ends_the_request_at_the_server(body):
    origin = Origin(answer=b"")
    async with listening(origin.speak) as there, proxied() as (_, here):
        head = f"POST http://127.0.0.1:{there}/ HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
        heard = await ask(here, head.encode() + body)
        await asyncio.wait_for(origin.lost.wait(), 5)
    assert heard.startswith((b"HTTP/1.1 400 ", b"HTTP/1.1 431 "))
    assert not origin.received[0].endswith(b"0\r\n\r\n")


async def test_chunks_are_written_anew_and_trailers_dropped():
    origin = Origin(answer=b"")

    async def speak(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        origin.received.append(await reader.readuntil(b"0\r\n\r\n"))
        writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: Chunked\r\nTrailer: X\r\n\r\n")
        writer.write(b"3 ;a=b\r\nabc\r\n2\nde\n0\r\nX: y\r\n\r\n")
        writer.close()

    async with listening(speak) as there, proxied() as (_, here):
        head = f"POST http://127.0.0.1:{there}/ HTTP/1.1\r\nHost: x\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n"
        heard = await ask(here, head.encode() + b"00A;x=y\r\n0123456789\r\n0\r\nX-Late: 1\r\n\r\n")
    assert origin.received[0].endswith(
        b"Transfer-Encoding: chunked\r\n\r\na\r\n0123456789\r\n0\r\n\r\n"
    )
    head, _, body = heard.partition(b"\r\n\r\n")
    assert b"Trailer" not in head
    assert body == b"3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n"


@pytest.mark.parametrize(
    ("answer", "status", "body"),
    [
        (b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 2\r\n\r\nok", b"200", b"ok"),
        (b"HTTP/1.0 200 OK\r\n\r\nuntil the end", b"200", b"until the end"),
        (b"HTTP/1.1 200\nX: y\nContent-Length: 2\n\nok", b"200", b"ok"),
        (b"HTTP/1.1 204 No Content\r\nContent-Length: 9\r\n\r\n", b"204", b""),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n", b"200", b"2\r\nok\r\n0\r\n\r\n"),
        (b"HTTP/1.1 103 Early\r\nLink: x\r\n\r\n" + OK, b"103", b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nok", b"502", None),
        (b"HTTP/1.1 200 OK\r\nContent-Length : 2\r\n\r\nok", b"502", None),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\nok", b"502", None),
        (b"HTTP/1.1 407 Who\r\nContent-Length: 0\r\n\r\n", b"502", None),
        (b"HTTP/1.1 101 Switching\r\nUpgrade: x\r\n\r\n", b"502", None),
        (b"SSH-2.0-OpenSSH\r\n\r\n", b"502", None),
        (b"HTTP/1.1 200 OK\r\nX: " + b"y" * 200_000, b"502", None),
        (b"HTTP/1.1 200 OK\r\nX", b"502", None),
    ],
)  # fmt: skip
async def test_answers_are_tidied_or_refused_but_never_of_doubtful_length(answer, status, body):
    origin = Origin(answer, then_close=True)
    async with listening(origin.speak) as there, proxied() as (_, here):
        heard = await ask(here, get(there))
    head, _, rest = heard.partition(b"\r\n\r\n")
    assert head.split(b" ")[1] == status
    assert body is None or rest == body
    assert not (b"content-length" in head.lower() and b"transfer-encoding" in head.lower())


async def test_a_cut_answer_does_not_look_complete():
    origin = Origin(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nshort", then_close=True)
    async with listening(origin.speak) as there, proxied() as (_, here):
        heard = await ask(here, get(there))
    assert b"Content-Length: 100\r\n" in heard
    assert heard.endswith(b"\r\n\r\nshort")


async def test_a_tunnel_that_breaks_does_not_look_ended():
    async def speak(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1)
        own = writer.get_extra_info("socket")
        own.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        writer.transport.abort()

    async with listening(speak) as there, proxied() as (_, here):
        reader, writer = await asyncio.open_connection("127.0.0.1", here)
        writer.write(f"CONNECT 127.0.0.1:{there} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"x")
        with pytest.raises(ConnectionResetError):
            await asyncio.wait_for(reader.read(), 5)


async def test_the_server_hears_that_the_browser_left():
    origin = Origin(answer=b"")
    async with listening(origin.speak) as there, proxied() as (_, here):
        _, writer = await asyncio.open_connection("127.0.0.1", here)
        writer.write(get(there))
        while not origin.received or not origin.received[0]:
            await asyncio.sleep(0.01)
        writer.close()
        await asyncio.wait_for(origin.lost.wait(), 5)


@pytest.mark.parametrize("how", ["absolute", "connect"])
async def test_large_transfers_arrive_whole_both_ways_with_little_kept_in_between(how):
    size = 64 << 20
    block = bytes(range(256)) * 4096
    wanted = hashlib.sha256(block * (size // len(block))).hexdigest()
    received = hashlib.sha256()

    async def speak(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        left = size
        while left:
            data = await reader.read(1 << 18)
            received.update(data)
            left -= len(data)
        writer.write(f"HTTP/1.1 200 OK\r\nContent-Length: {size}\r\n\r\n".encode())
        for _ in range(size // len(block)):
            writer.write(block)
            await writer.drain()
        writer.close()

    async with listening(speak) as there, proxied() as (_, here):
        reader, writer = await asyncio.open_connection("127.0.0.1", here, limit=1 << 20)
        target = f"http://127.0.0.1:{there}/"
        if how == "connect":
            writer.write(f"CONNECT 127.0.0.1:{there} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
            assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 200 ")
            target = "/"
        writer.write(
            f"POST {target} HTTP/1.1\r\nHost: x\r\nContent-Length: {size}\r\n\r\n".encode()
        )
        for _ in range(size // len(block)):
            writer.write(block)
            await writer.drain()
        await reader.readuntil(b"\r\n\r\n")
        got, left = hashlib.sha256(), size
        while left:
            data = await reader.read(1 << 18)
            got.update(data)
            left -= len(data)
        writer.close()
    assert received.hexdigest() == wanted
    assert got.hexdigest() == wanted


async def test_a_browser_that_reads_slowly_slows_the_server_down():
    sent = 0

    async def speak(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal sent
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
        with suppress(ConnectionError):
            while True:
                writer.write(bytes(1 << 16))
                await writer.drain()
                sent += 1 << 16

    async with listening(speak) as there, proxied() as (_, here):
        _, writer = await asyncio.open_connection("127.0.0.1", here, limit=1 << 16)
        writer.write(get(there))
        await asyncio.sleep(0.5)
        stalled_at = sent
        await asyncio.sleep(0.5)
        assert sent == stalled_at > 0
        writer.transport.abort()


async def test_refusals_are_told_and_shown():
    told: list[tuple[str, str, str]] = []
    async with proxied(on_refused=lambda *refusal: told.append(refusal)) as (_, here):
        page = await ask(here, b"GET http://169.254.169.254/<x> HTTP/1.1\r\nHost: x\r\n\r\n")
        tunnel = await ask(
            here, b"CONNECT metadata.google.internal:443 HTTP/1.1\r\nHost: x\r\n\r\n"
        )
        missing = await ask(here, b"GET http://nothing.invalid/ HTTP/1.1\r\nHost: x\r\n\r\n")
    assert page.startswith(b"HTTP/1.1 403 ")
    assert b"no setting opens it" in page
    assert tunnel.startswith(b"HTTP/1.1 403 ")
    assert missing.startswith(b"HTTP/1.1 502 ")
    assert [(url, code) for url, code, _ in told] == [
        ("http://169.254.169.254/<x>", "metadata_refused"),
        ("https://metadata.google.internal:443", "metadata_refused"),
        ("http://nothing.invalid/", "name_not_found"),
    ]


async def test_nobody_listening_is_502_and_the_proxy_itself_is_refused():
    async with listening(Origin().speak) as there:
        pass
    async with proxied() as (_, here):
        assert (await ask(here, get(there))).startswith(b"HTTP/1.1 502 ")
        heard = await ask(here, get(here))
    assert heard.startswith(b"HTTP/1.1 403 ")
    assert b"own_port_refused" in heard


async def test_private_addresses_are_refused_where_they_are_closed():
    origin = Origin()
    async with listening(origin.speak) as there:
        async with proxied(Policy(private=False)) as (_, here):
            assert b"private_refused" in await ask(here, get(there))
            tunnel = f"CONNECT localhost:{there} HTTP/1.1\r\nHost: x\r\n\r\n".encode()
            assert (await ask(here, tunnel)).startswith(b"HTTP/1.1 403 ")
        allowing = Policy(private=False, allow=(Allowed.parse(f"127.0.0.1:{there}"),))
        async with proxied(allowing) as (_, here):
            assert (await ask(here, get(there))).endswith(b"ok")
    assert origin.connections == 1


async def test_a_name_that_changes_its_mind_is_connected_to_where_it_was_judged():
    """DNS rebinding: allowed when asked first, a forbidden address when asked again."""
    asked = 0

    async def resolver(host: str, port: int) -> list[object]:
        nonlocal asked
        asked += 1
        return [ip_address("127.0.0.1" if asked == 1 else "169.254.169.254")]

    origin = Origin()
    policy = Policy(private=True, resolver=resolver)  # type: ignore[arg-type]
    async with listening(origin.speak) as there, proxied(policy) as (proxy, here):
        said = (
            f"GET http://rebind.example:{there}/ HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
        )
        assert (await ask(here, said.encode())).endswith(b"ok")
        assert asked == 1
        proxy._resolved.clear()
        assert b"metadata_refused" in await ask(here, said.encode())
    assert origin.connections == 1


@pytest.mark.parametrize(
    "target", ["127.0.0.1", "127.0.0.1:", ":80", "http://127.0.0.1:80", "a@b:80", "[::1:80"]
)
async def test_a_tunnel_needs_a_host_and_a_port(target):
    async with proxied() as (_, here):
        heard = await ask(here, f"CONNECT {target} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
    assert heard.startswith(b"HTTP/1.1 403 ")


async def test_a_tunnel_passes_on_one_sides_end_and_the_others_rest():
    async def speak(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heard = await reader.read()  # until the browser's side ended
        writer.write(heard.upper())
        writer.close()

    async with listening(speak) as there, proxied() as (_, here):
        reader, writer = await asyncio.open_connection("127.0.0.1", here)
        # The first words right behind the head: they belong to the tunnel.
        writer.write(f"CONNECT 127.0.0.1:{there} HTTP/1.1\r\nHost: x\r\n\r\nhello ".encode())
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"there")
        writer.write_eof()
        assert await asyncio.wait_for(reader.read(), 5) == b"HELLO THERE"
        writer.close()


async def test_websockets_through_a_tunnel():
    async def echo(socket) -> None:  # type: ignore[no-untyped-def]
        async for message in socket:
            await socket.send(message)

    async with serve(echo, "127.0.0.1", 0) as server, proxied() as (_, here):
        there = server.sockets[0].getsockname()[1]
        async with connect(f"ws://127.0.0.1:{there}", proxy=f"http://127.0.0.1:{here}") as socket:
            await socket.send("x" * 500_000)
            assert await socket.recv() == "x" * 500_000


async def test_an_upgrade_becomes_a_tunnel():
    async def speak(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        assert b"Connection: Upgrade\r\nUpgrade: echo" in head
        writer.write(
            b"HTTP/1.1 101 Switching\r\nConnection: upgrade\r\nUpgrade: echo\r\nX: y\r\n\r\n"
        )
        writer.write(await reader.read(100))
        writer.close()

    async with listening(speak) as there, proxied() as (_, here):
        heard = await ask(
            here, get(there, "/", "Upgrade: echo", end="Connection: Upgrade") + b"ping"
        )
    assert heard.endswith(b"X: y\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\nping")


async def test_an_upstream_proxy_gets_whole_addresses_and_credentials():
    upstream_proxy = Origin()
    async with listening(upstream_proxy.speak) as there:
        upstream = Upstream.parse(
            server=f"http://127.0.0.1:{there}",
            username="ada",
            password="pw",
            bypass="direct.localhost",
        )
        async with proxied(upstream=upstream) as (_, here):
            said = (
                "GET http://only.known.invalid/a HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
            )
            assert (await ask(here, said.encode())).endswith(b"ok")
            assert b"metadata_refused" in await ask(
                here, said.replace("only.known.invalid", "169.254.169.254").encode()
            )
            tunnel = await ask(
                here, b"CONNECT only.known.invalid:443 HTTP/1.1\r\nHost: x\r\n\r\n", timeout_s=0.5
            )
            direct = said.replace("only.known.invalid", f"direct.localhost:{there}")
            await ask(here, direct.encode())
    assert upstream_proxy.received[0].startswith(b"GET http://only.known.invalid/a HTTP/1.1\r\n")
    assert b"Proxy-Authorization: Basic YWRhOnB3\r\n" in upstream_proxy.received[0]
    assert upstream_proxy.received[1].startswith(b"CONNECT only.known.invalid:443 HTTP/1.1\r\n")
    assert b"Proxy-Authorization: Basic YWRhOnB3\r\n" in upstream_proxy.received[1]
    assert tunnel.startswith(b"HTTP/1.1 200 ")
    assert upstream_proxy.received[2].startswith(b"GET /a HTTP/1.1\r\n")
    assert b"Proxy-Authorization" not in upstream_proxy.received[2]


async def test_an_upstream_proxy_that_refuses_is_told():
    refusing = Origin(b"HTTP/1.1 407 Who are you\r\nContent-Length: 0\r\n\r\n")
    told: list[str] = []
    async with listening(refusing.speak) as there:
        upstream = Upstream.parse(server=f"127.0.0.1:{there}")
        async with proxied(upstream=upstream, on_refused=lambda _, code, __: told.append(code)) as (
            _,
            here,
        ):
            plain = await ask(here, b"GET http://a.invalid/ HTTP/1.1\r\nHost: x\r\n\r\n")
            tunnel = await ask(here, b"CONNECT a.invalid:443 HTTP/1.1\r\nHost: x\r\n\r\n")
    assert plain.startswith(b"HTTP/1.1 502 ")
    assert tunnel.startswith(b"HTTP/1.1 502 ")
    assert told == ["proxy_refused", "proxy_refused"]


async def test_an_upstream_proxy_obeys_the_policy_too():
    async with proxied(upstream=Upstream.parse(server="http://169.254.169.254:80")) as (_, here):
        assert b"metadata_refused" in await ask(
            here, b"GET http://a.invalid/ HTTP/1.1\r\nHost: x\r\n\r\n"
        )
    for server in ("socks5://127.0.0.1:1", "https://127.0.0.1:1", "http://", "http://u:p@host:1"):
        with pytest.raises(ValueError, match="prox"):
            Upstream.parse(server=server)


async def test_stopping_ends_every_connection():
    origin = Origin(answer=b"")
    async with listening(origin.speak) as there:
        async with proxied() as (_, here):
            reader, writer = await asyncio.open_connection("127.0.0.1", here)
            writer.write(get(there))
            while not origin.connections:
                await asyncio.sleep(0.01)
        with suppress(ConnectionResetError):
            assert await asyncio.wait_for(reader.read(), 5) == b""
        await asyncio.wait_for(origin.lost.wait(), 5)
        writer.close()
        with pytest.raises(ConnectionRefusedError):
            await asyncio.open_connection("127.0.0.1", here)
