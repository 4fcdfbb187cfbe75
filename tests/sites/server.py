"""The sites' server: two http origins, and one https origin with a certificate nobody trusts."""

from __future__ import annotations

import json
import mimetypes
import ssl
import tempfile
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from email.message import Message
from email.parser import BytesParser
from email.policy import HTTP
from functools import partial
from html import escape
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import TracebackType
from typing import ClassVar
from urllib.parse import parse_qs, urlsplit

from tests.sites.certificate import write_certificate

PAGES = Path(__file__).parent / "pages"
USERNAME = "ada@example.com"
PASSWORD = "correct horse 🔋 & <staple>"
SESSION_COOKIE = "sites_session"
DRIP_S = 0.2


@dataclass(frozen=True, kw_only=True)
class Seen:
    """One request as it arrived. `files` maps each uploaded file's name to its content."""

    method: str
    path: str
    query: dict[str, list[str]]
    headers: dict[str, str]
    fields: dict[str, list[str]] = field(default_factory=dict)
    files: dict[str, bytes] = field(default_factory=dict)


class Sites:
    """Serves the pages on free loopback ports from `start` (or `with`) to `stop`.

    `seen` holds every request in order of arrival: what really reached the server.
    """

    def __init__(self, *, port: int = 0, other_port: int = 0, https: bool = False) -> None:
        self.seen: list[Seen] = []
        self.stopping = threading.Event()
        self._servers = [self._server(port), self._server(other_port)]
        self.url = f"http://127.0.0.1:{self._servers[0].server_port}"
        # Another host and another port: another origin, and another site too.
        self.other_url = f"http://localhost:{self._servers[1].server_port}"
        self.https_url = ""
        if https:
            secure = self._server(0)
            with tempfile.TemporaryDirectory() as folder:
                certificate, key = write_certificate(Path(folder))
                context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
                context.load_cert_chain(certificate, key)
            secure.socket = context.wrap_socket(secure.socket, server_side=True)
            self._servers.append(secure)
            self.https_url = f"https://127.0.0.1:{secure.server_port}"

    def start(self) -> Sites:
        for server in self._servers:
            threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def stop(self) -> None:
        self.stopping.set()
        for server in self._servers:
            server.shutdown()
            server.server_close()

    def __enter__(self) -> Sites:
        return self.start()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    def page(self, name: str) -> str:
        """The URL of the page called `name`."""
        return f"{self.url}/{name}"

    def posted(self, path: str) -> list[Seen]:
        """What was posted to `path`."""
        return [each for each in self.seen if each.method == "POST" and each.path == path]

    def _server(self, port: int) -> _Server:
        return _Server(("127.0.0.1", port), partial(Visit, self))


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    # A page that never ends must not keep the server from stopping.
    block_on_close = False
    request_queue_size = 128

    def handle_error(self, request: object, client_address: object) -> None:
        """A browser that leaves early is no error of this server."""


class Visit(BaseHTTPRequestHandler):
    """One connection."""

    protocol_version = "HTTP/1.1"
    routes: ClassVar[dict[str, Callable[[Visit, Seen], None]]] = {}

    def __init__(self, sites: Sites, *arguments: object) -> None:
        self.sites = sites
        super().__init__(*arguments)  # type: ignore[arg-type]

    def log_message(self, format: str, *arguments: object) -> None:
        """Tests read `Sites.seen` instead."""

    def do_GET(self) -> None:
        self._serve()

    def do_HEAD(self) -> None:
        self._serve()

    def do_POST(self) -> None:
        self._serve()

    def _serve(self) -> None:
        seen = self._read()
        self.sites.seen.append(seen)
        route = self.routes.get(seen.path)
        if route is not None:
            route(self, seen)
            return
        name = seen.path.strip("/") or "index"
        path = (PAGES / name).resolve()
        if not path.is_relative_to(PAGES):
            self.send(404, "Not found")
        elif path.suffix and path.is_file():
            kind = mimetypes.guess_type(path.name)[0] or "application/octet-stream"
            self.send(200, path.read_bytes(), content_type=kind)
        elif (page := path.with_suffix(".html")).is_file():
            self.html(page.read_text(encoding="utf-8"))
        else:
            self.html("<title>Not found</title><h1>Not found</h1>", status=404)

    def _read(self) -> Seen:
        url = urlsplit(self.path)
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        fields: dict[str, list[str]] = {}
        files: dict[str, bytes] = {}
        kind = self.headers.get_content_type()
        if kind == "application/x-www-form-urlencoded":
            fields = parse_qs(body.decode(), keep_blank_values=True)
        elif kind == "application/json":
            fields = {name: [str(value)] for name, value in json.loads(body or b"{}").items()}
        elif kind == "multipart/form-data":
            head = f"Content-Type: {self.headers['Content-Type']}\r\n\r\n".encode()
            for part in BytesParser(policy=HTTP).parsebytes(head + body).iter_parts():  # type: ignore[attr-defined]
                _sort_part(part, fields, files)
        return Seen(
            method=self.command,
            path=url.path.rstrip("/") or "/",
            query=parse_qs(url.query, keep_blank_values=True),
            headers={name.lower(): value for name, value in self.headers.items()},
            fields=fields,
            files=files,
        )

    def html(self, content: str, *, status: int = 200, **headers: str) -> None:
        """Send a page; `{{here}}` and `{{other}}` in it become the two origins."""
        here, other = self.sites.url, self.sites.other_url
        if self.headers.get("Host") == urlsplit(other).netloc:
            here, other = other, here
        body = content.replace("{{here}}", here).replace("{{other}}", other)
        bare = body.startswith("<!-- bare -->")
        header = "" if bare else '<header class="bar"><a href="/">Sites to record</a></header>'
        whole = (
            '<!doctype html><html lang="en"><head><meta charset="utf-8">'
            '<meta name="viewport" content="width=device-width,initial-scale=1">'
            '<link rel="icon" href="data:,"><link rel="stylesheet" href="/style.css"></head>'
            f'<body class="{"bare" if bare else ""}">{header}<main>{body}</main></body></html>'
        )
        self.send(status, whole.encode(), content_type="text/html; charset=utf-8", **headers)

    def send(
        self, status: int, body: bytes | str, *, content_type: str = "text/plain", **headers: str
    ) -> None:
        content = body.encode() if isinstance(body, str) else body
        self.send_response(status)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(content)))
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)

    def redirect(self, to: str, **headers: str) -> None:
        self.send(303, b"", Location=to, **headers)

    def drip(self, first: bytes, drop: bytes, *, content_type: str) -> None:
        """Send `first`, then `drop` again and again until the browser leaves or the sites stop."""
        self.close_connection = True
        self.send_response(200)
        self.send_header("Content-Type", content_type)
        self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(first)
        while not self.sites.stopping.wait(DRIP_S):
            self.wfile.write(drop)


def _sort_part(part: Message, fields: dict[str, list[str]], files: dict[str, bytes]) -> None:
    content = part.get_payload(decode=True)
    assert isinstance(content, bytes)
    filename = part.get_filename()
    if filename:
        files[filename] = content
    elif part.get_param("filename", header="content-disposition") != "":
        name = str(part.get_param("name", header="content-disposition"))
        fields.setdefault(name, []).append(content.decode())


def route(path: str) -> Callable[[Callable[[Visit, Seen], None]], Callable[[Visit, Seen], None]]:
    """Serve `path` by the decorated function."""

    def register(function: Callable[[Visit, Seen], None]) -> Callable[[Visit, Seen], None]:
        Visit.routes[path] = function
        return function

    return register


@route("/signup")
def signup(visit: Visit, seen: Seen) -> None:
    if seen.method != "POST":
        visit.redirect("/form")
        return
    rows = "".join(
        f"<tr><th scope=row>{escape(name)}</th><td>{escape(', '.join(values))}</td></tr>"
        for name, values in seen.fields.items()
    )
    visit.html(f"<title>Signed up</title><h1>Welcome!</h1><table>{rows}</table>")


@route("/session")
def session(visit: Visit, seen: Seen) -> None:
    if seen.fields.get("email") == [USERNAME] and seen.fields.get("password") == [PASSWORD]:
        visit.redirect("/account", Set_Cookie=f"{SESSION_COOKIE}=1; Path=/; HttpOnly; SameSite=Lax")
        return
    visit.html(
        "<title>Sign in</title><h1>Sign in</h1>"
        "<p role=alert>The e-mail address or the password is wrong.</p><a href=/login>Try again</a>",
        status=401,
    )


@route("/account")
def account(visit: Visit, seen: Seen) -> None:
    if f"{SESSION_COOKIE}=1" not in seen.headers.get("cookie", ""):
        visit.redirect("/login")
        return
    visit.html(
        f"<title>Account</title><h1>Your account</h1><p>Signed in as <b>{USERNAME}</b>.</p>"
        "<form method=post action=/sign-out><button>Sign out</button></form>"
    )


@route("/sign-out")
def sign_out(visit: Visit, seen: Seen) -> None:
    visit.redirect("/login", Set_Cookie=f"{SESSION_COOKIE}=; Path=/; Max-Age=0")


@route("/repeat")
def repeat(visit: Visit, seen: Seen) -> None:
    """Say what was posted in every spelling, as careless servers do with passwords."""
    said = next(iter(seen.fields.get("password", [""])))
    visit.send(200, json.dumps({"password": said}), content_type="application/json")


@route("/files")
def files(visit: Visit, seen: Seen) -> None:
    rows = "".join(
        f"<li>{escape(name)}, {len(content)} bytes</li>" for name, content in seen.files.items()
    )
    visit.html(f"<title>Received</title><h1>Received</h1><ul aria-label=Files>{rows}</ul>")


@route("/report.csv")
def report(visit: Visit, seen: Seen) -> None:
    visit.send(
        200,
        "name,amount\nAda,3\n",
        content_type="text/csv",
        Content_Disposition='attachment; filename="report.csv"',
    )


@route("/big")
def big(visit: Visit, seen: Seen) -> None:
    """`?mb=` megabytes."""
    megabytes = int(seen.query.get("mb", ["1"])[0])
    block = bytes(1 << 20)
    visit.send_response(200)
    visit.send_header("Content-Type", "application/octet-stream")
    visit.send_header("Content-Length", str(megabytes << 20))
    visit.end_headers()
    for _ in range(megabytes):
        visit.wfile.write(block)


@route("/wait")
def wait(visit: Visit, seen: Seen) -> None:
    """A page that takes `?ms=`."""
    ms = int(seen.query.get("ms", ["1000"])[0])
    visit.sites.stopping.wait(ms / 1000)
    visit.html(f"<title>At last</title><h1>At last</h1><p>That took {ms} ms.</p>")


@route("/never")
def never(visit: Visit, seen: Seen) -> None:
    """A page whose document never ends."""
    head = (PAGES / "never_start.txt").read_bytes()
    visit.drip(head, b"<p>more</p>\n", content_type="text/html; charset=utf-8")


@route("/never.png")
def never_image(visit: Visit, seen: Seen) -> None:
    visit.drip(b"\x89PNG\r\n\x1a\n", b"\0", content_type="image/png")


@route("/silence")
def silence(visit: Visit, seen: Seen) -> None:
    """Accept the request and never answer."""
    visit.sites.stopping.wait()


@route("/ticker")
def ticker(visit: Visit, seen: Seen) -> None:
    """Server-sent events, five a second."""
    visit.drip(b"data: start\n\n", b"data: tick\n\n", content_type="text/event-stream")


@route("/private")
def private(visit: Visit, seen: Seen) -> None:
    """Basic authentication: ada / lovelace."""
    if seen.headers.get("authorization") == "Basic YWRhOmxvdmVsYWNl":
        visit.html("<title>Private</title><h1>Private page</h1>")
    else:
        visit.send(401, "Who are you?", WWW_Authenticate='Basic realm="Sites"')


@route("/redirect")
def redirect(visit: Visit, seen: Seen) -> None:
    visit.redirect(seen.query.get("to", ["/"])[0])


@route("/headers")
def headers(visit: Visit, seen: Seen) -> None:
    visit.send(200, json.dumps(seen.headers), content_type="application/json")


@route("/strict")
def strict(visit: Visit, seen: Seen) -> None:
    """A page whose policy forbids inline scripts."""
    visit.html(
        "<title>Strict</title><h1>Strict</h1><p id=said>inline script did not run</p>"
        "<script>document.getElementById('said').textContent='inline script ran'</script>",
        Content_Security_Policy="script-src 'none'",
    )


@route("/time")
def now(visit: Visit, seen: Seen) -> None:
    visit.send(200, json.dumps({"now": time.time()}), content_type="application/json")
