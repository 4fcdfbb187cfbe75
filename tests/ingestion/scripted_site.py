"""A loopback web server whose every page a test writes, however badly it is to behave."""

from __future__ import annotations

import ssl
import threading
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ipaddress import ip_address
from types import TracebackType
from typing import Self

from jobs.addresses import Address
from jobs.egress import Allowed, Policy

HTML = "text/html; charset=utf-8"


@dataclass(frozen=True, kw_only=True)
class Asked:
    """One request as it arrived."""

    path: str
    host: str
    headers: Mapping[str, str]


@dataclass(frozen=True, kw_only=True)
class Reply:
    """What to answer. `parts` (instead of `body`) are sent as they come, without a length."""

    status: int = 200
    body: bytes | str = b""
    type: str = HTML
    headers: Mapping[str, str] = field(default_factory=dict)
    parts: Iterable[bytes] | None = None
    # Close the connection after this many bytes of the body.
    cut_at: int | None = None


Script = Reply | str | Callable[[Asked], Reply]


class ScriptedSite:
    """`pages` maps paths (with their query) to what is answered; `seen` is what was asked for.

    `fallback` answers what is in no page; without it that is a 404.
    """

    def __init__(
        self, pages: Mapping[str, Script] | None = None, *, tls: ssl.SSLContext | None = None
    ):
        self.pages: dict[str, Script] = dict(pages or {})
        self.fallback: Callable[[Asked], Reply] | None = None
        self.seen: list[Asked] = []
        self.stopping = threading.Event()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._visit())
        self._server.daemon_threads = True
        self._server.block_on_close = False
        self._server.handle_error = lambda *_: None  # type: ignore[method-assign]
        if tls is not None:
            self._server.socket = tls.wrap_socket(
                self._server.socket, server_side=True, do_handshake_on_connect=False
            )
        self.port = self._server.server_port
        self.scheme = "https" if tls else "http"
        self.url = f"{self.scheme}://127.0.0.1:{self.port}"

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stopping.set()
        self._server.shutdown()
        self._server.server_close()

    def named(self, name: str) -> str:
        """The site's address under another name (`names` resolves it)."""
        return f"{self.scheme}://{name}:{self.port}"

    @property
    def paths(self) -> list[str]:
        """What was asked for, in order, robots.txt and sitemaps left out."""
        own = {"/robots.txt", "/sitemap.xml"}
        return [asked.path for asked in self.seen if asked.path not in own]

    def _visit(site) -> type[BaseHTTPRequestHandler]:
        class Visit(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *_: object) -> None:
                """Tests read `seen`."""

            def do_GET(self) -> None:
                headers = {name.lower(): value for name, value in self.headers.items()}
                asked = Asked(path=self.path, host=headers.get("host", ""), headers=headers)
                site.seen.append(asked)
                self._send(site._answer(asked))

            def do_POST(self) -> None:
                self.rfile.read(int(self.headers.get("Content-Length") or 0))
                self.do_GET()

            def _send(self, reply: Reply) -> None:
                body = reply.body.encode() if isinstance(reply.body, str) else reply.body
                self.send_response(reply.status)
                names = {name.lower() for name in reply.headers}
                if reply.type and "content-type" not in names:
                    self.send_header("Content-Type", reply.type)
                if reply.parts is None and "content-length" not in names:
                    self.send_header("Content-Length", str(len(body)))
                for name, value in reply.headers.items():
                    self.send_header(name, value)
                if reply.parts is not None or reply.cut_at is not None:
                    self.send_header("Connection", "close")
                    self.close_connection = True
                self.end_headers()
                for part in [body[: reply.cut_at]] if reply.parts is None else reply.parts:
                    if site.stopping.is_set():
                        break
                    self.wfile.write(part)

        return Visit

    def _answer(self, asked: Asked) -> Reply:
        found = self.pages.get(asked.path)
        if found is None:
            return self.fallback(asked) if self.fallback else Reply(status=404, body="<h1>No</h1>")
        if isinstance(found, str):
            return Reply(body=found)
        return found if isinstance(found, Reply) else found(asked)


def names(
    *, private: bool = True, allow: Iterable[str] = (), **known: str | list[list[str]]
) -> Policy:
    """A policy in whose network the names (`_` for `.`) have these addresses.

    A list of lists gives another answer each time: the first, the second, …
    """
    answers = {
        name.replace("_", "."): iter(value)
        for name, value in known.items()
        if not isinstance(value, str)
    }
    fixed = {
        name.replace("_", "."): value for name, value in known.items() if isinstance(value, str)
    }

    async def resolver(host: str, port: int) -> list[Address]:
        found = [fixed[host]] if host in fixed else next(answers[host])
        return [ip_address(each) for each in found]

    return Policy(
        private=private, allow=tuple(Allowed.parse(each) for each in allow), resolver=resolver
    )
