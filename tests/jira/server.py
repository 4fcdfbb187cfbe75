"""Jira's HTTP: two APIs over one project, scripted faults, and a host for files of Cloud."""

from __future__ import annotations

import base64
import json
import secrets
import socket
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import format_datetime
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from tests.jira import jql
from tests.jira.project import PEOPLE, Issue, Project
from tests.jira.wire import Wire

TOKEN = "token-of-ada"
PAT = "pat-of-ada"


@dataclass
class Fault:
    """What goes wrong with the next `times` requests whose path begins with `path`.

    `after` requests pass first. Without a status only `do` happens, before the answer.
    """

    path: str
    times: int = 1
    after: int = 0
    status: int = 0
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b'{"errorMessages": ["Scripted."], "errors": {}}'
    content_type: str = "application/json"
    # Ends the connection in the middle of the body.
    cut: bool = False
    # Sends nothing until the server stops.
    stall: bool = False
    do: Callable[[], object] | None = None


@dataclass(frozen=True)
class Seen:
    method: str
    path: str
    query: dict[str, list[str]]
    headers: dict[str, str]
    body: Any


class Jira:
    """Serves `project` on a free loopback port from `start` (or `with`) to `stop`.

    `accounts` maps e-mails to API tokens, `pats` are the personal access tokens that are valid.
    `strangers` lets everybody in without a login, and who has a wrong one too, as a stranger.
    """

    def __init__(
        self,
        project: Project | None = None,
        *,
        deployment: str = "cloud",
        port: int = 0,
        context: str = "",
    ) -> None:
        self.project = project or Project()
        self.cloud = deployment == "cloud"
        self.context = context
        self.accounts = {email: f"token-of-{name}" for name, (_, email) in PEOPLE.items()}
        self.pats = {f"pat-of-{name}" for name in PEOPLE}
        self.strangers = False
        self.seen: list[Seen] = []
        self.faults: list[Fault] = []
        self.tokens: dict[str, tuple[list[int], int]] = {}
        self.links: dict[str, int] = {}
        self.page_limit = 100
        self.key_page_limit = 5000 if self.cloud else 1000
        # Comments that come along with an issue; the others have a page of their own.
        self.embedded = 20
        # Keeps giving tokens for empty pages, as some sites do.
        self.endless = False
        self.clock_ms = 0
        # How long each answer takes.
        self.pause_s = 0.0
        self.lock = threading.RLock()
        self.stopping = threading.Event()
        self._servers = [self._server(port, Visit), self._server(0, FilesVisit)]
        self.host = f"http://127.0.0.1:{self._servers[0].server_port}"
        self.url = self.host + context
        self.files_url = f"http://127.0.0.1:{self._servers[1].server_port}"

    @property
    def wire(self) -> Wire:
        return Wire(cloud=self.cloud, url=self.url, embedded=self.embedded)

    def start(self) -> Jira:
        for server in self._servers:
            threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        return self

    def stop(self) -> None:
        self.stopping.set()
        for server in self._servers:
            server.shutdown()
            server.server_close()

    def __enter__(self) -> Jira:
        return self.start()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    def fail(self, path: str, **how: Any) -> Fault:
        """Have requests to `path` fail; see `Fault`."""
        fault = Fault(path, **how)
        self.faults.append(fault)
        return fault

    def asked(self, path: str) -> list[Seen]:
        """Every request to `path`, in order."""
        return [each for each in self.seen if each.path.startswith(path)]

    def expire_logins(self) -> None:
        self.accounts.clear()
        self.pats.clear()

    def expire_pages(self) -> None:
        """Page tokens that were given are not known any more."""
        self.tokens.clear()

    def fault_for(self, path: str) -> Fault | None:
        with self.lock:
            for fault in self.faults:
                if not path.startswith(fault.path) or not fault.times:
                    continue
                if fault.after:
                    fault.after -= 1
                    continue
                fault.times -= 1
                return fault
        return None

    def _server(self, port: int, visit: type[BaseHTTPRequestHandler]) -> ThreadingHTTPServer:
        return _Server(("127.0.0.1", port), partial(visit, self))


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 128

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that is killed leaves early."""


class _Refused(Exception):
    def __init__(self, status: int, *messages: str, **headers: str) -> None:
        super().__init__(*messages)
        self.status = status
        self.messages = messages
        self.headers = headers


class _Base(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def __init__(self, jira: Jira, *arguments: object) -> None:
        self.jira = jira
        super().__init__(*arguments)  # type: ignore[arg-type]

    def log_message(self, format: str, *arguments: object) -> None:
        """Tests read `Jira.seen` instead."""

    def send(
        self, status: int, body: bytes, content_type: str, headers: dict[str, str] | None = None
    ) -> None:
        self.send_response_only(status)
        at = self.jira.clock_ms / 1000 or time.time()
        self.send_header("Date", format_datetime(datetime.fromtimestamp(at, tz=UTC), usegmt=True))
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(body)))
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def broken(self, fault: Fault, body: bytes) -> None:
        """Half a body, and no more."""
        self.close_connection = True
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body) + 100))
        self.end_headers()
        self.wfile.write(body[: len(body) // 2])
        self.wfile.flush()
        self.connection.shutdown(socket.SHUT_RDWR)


class FilesVisit(_Base):
    """The other host, from which Cloud has its files fetched by links that work once."""

    def do_GET(self) -> None:
        link = urlsplit(self.path).path.strip("/")
        self.jira.seen.append(
            Seen("GET", "/files", {}, {n.lower(): v for n, v in self.headers.items()}, None)
        )
        id = self.jira.links.pop(link, None)
        for issue in self.jira.project.issues.values():
            for file in issue.files:
                if file.id == id:
                    self.send(200, file.content, file.media_type)
                    return
        self.send(403, b"The link has been used.", "text/plain")


class Visit(_Base):
    def do_GET(self) -> None:
        self._serve(None)

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self._serve(json.loads(body or b"null"))

    def _serve(self, body: Any) -> None:
        url = urlsplit(self.path)
        path = unquote(url.path).removeprefix(self.jira.context)
        query = parse_qs(url.query, keep_blank_values=True)
        self.jira.seen.append(
            Seen(self.command, path, query, {n.lower(): v for n, v in self.headers.items()}, body)
        )
        if self.jira.pause_s:
            self.jira.stopping.wait(self.jira.pause_s)
        fault = self.jira.fault_for(path)
        if fault is not None and fault.do is not None:
            with self.jira.lock:
                fault.do()
        if fault is not None and fault.stall:
            self.close_connection = True
            self.jira.stopping.wait()
            return
        if fault is not None and fault.status:
            self.send(fault.status, fault.body, fault.content_type, fault.headers)
            return
        status, headers = 200, {}
        try:
            with self.jira.lock:
                headers = self._log_in()
                said = self._answer(path, query, body)
        except _Refused as refused:
            status = refused.status
            said = {"errorMessages": list(refused.messages), "errors": {}}
            headers = {**headers, **{n.replace("_", "-"): v for n, v in refused.headers.items()}}
        if isinstance(said, tuple):
            content, content_type = said
        else:
            content, content_type = json.dumps(said).encode(), "application/json;charset=UTF-8"
        if fault is not None and fault.cut:
            self.broken(fault, content)
        else:
            self.send(status, content, content_type, headers)

    def _log_in(self) -> dict[str, str]:
        """Who asks; a wrong login is refused, or seen as a stranger's where these may come in."""
        self.who = ""
        kind, _, value = self.headers.get("Authorization", "").partition(" ")
        if kind == "Basic":
            email, _, token = base64.b64decode(value).decode().partition(":")
            if self.jira.accounts.get(email) == token:
                self.who = next(name for name, (_, mail) in PEOPLE.items() if mail == email)
        elif kind == "Bearer" and not self.jira.cloud and value in self.jira.pats:
            self.who = value.removeprefix("pat-of-")
        if kind and not self.who and not self.jira.strangers:
            raise _Refused(401, "Client must be authenticated to access this resource.")
        if kind and not self.who:
            return {"X-Seraph-LoginReason": "AUTHENTICATED_FAILED"}
        return {"X-AUSERNAME": self.who or "anonymous"}

    def _answer(self, path: str, query: dict[str, list[str]], body: Any) -> Any:
        version = "3" if self.jira.cloud else "2"
        if path == "/rest/api/2/serverInfo":
            return {
                "baseUrl": self.jira.url,
                "version": "1001.0.0-SNAPSHOT" if self.jira.cloud else "9.12.15",
                "deploymentType": "Cloud" if self.jira.cloud else "Server",
                "serverTitle": "Jira",
            }
        if not self.who and not self.jira.strangers:
            raise _Refused(401, "You are not authenticated.")
        root, _, rest = path.removeprefix("/rest/api/").partition("/")
        if path.startswith("/secure/attachment/"):
            return self._file(path.split("/")[3])
        if not path.startswith("/rest/api/") or (root == "3" and not self.jira.cloud):
            raise _Refused(404, "null for uri: " + path)
        if rest == "search/jql" and root == "3":
            return self._search_cloud(body)
        if rest == "search/approximate-count" and root == "3":
            return {"count": len(self._found(body["jql"]))}
        if rest == "search":
            if self.jira.cloud:
                raise _Refused(410, "The requested API has been removed. Please migrate to the /rest/api/3/search/jql API.")  # fmt: skip
            return self._search_server(body)
        if rest == "field":
            return self.jira.wire.fields()
        if rest == "myself":
            if not self.who:
                raise _Refused(401, "You are not authenticated.")
            return self.jira.wire.person(self.who)
        if rest.startswith("attachment/content/") and root == version:
            link = secrets.token_hex(8)
            self.jira.links[link] = int(rest.rpartition("/")[2])
            self._of_file(int(rest.rpartition("/")[2]))
            raise _Refused(303, Location=f"{self.jira.files_url}/{link}")
        parts = rest.split("/")
        if parts[0] == "issue" and len(parts) == 2:
            wanted = query.get("fields", ["*all"])[0].split(",")
            return self.jira.wire.issue(self._issue(parts[1]), self.jira.project, wanted=wanted)
        if parts[0] == "issue" and parts[2:] == ["comment"]:
            return self._comments(self._issue(parts[1]), query)
        raise _Refused(404, "null for uri: " + path)

    def _search_cloud(self, body: dict[str, Any]) -> dict[str, Any]:
        if jql.is_unbounded(body["jql"]):
            raise _Refused(400, "Unbounded JQL queries are not allowed here. Please add a search restriction to your query.")  # fmt: skip
        fields = body.get("fields") or ["id"]
        limit = self.jira.key_page_limit if fields in (["id"], ["key"]) else self.jira.page_limit
        size = min(body.get("maxResults", 50), limit)
        if token := body.get("nextPageToken"):
            if token not in self.jira.tokens:
                raise _Refused(400, "The provided next page token is invalid or expired.")
            found, start = self.jira.tokens[token]
        else:
            found, start = [issue.id for issue in self._found(body["jql"])], 0
        page = [self.jira.project.issues.get(id) for id in found[start : start + size]]
        said: dict[str, Any] = {"issues": [self._said(each, fields) for each in page if each]}
        if start + size < len(found) or self.jira.endless:
            token = secrets.token_urlsafe(12)
            self.jira.tokens[token] = (found, start + size)
            said["nextPageToken"] = token
        else:
            said["isLast"] = True
        return said

    def _search_server(self, body: dict[str, Any]) -> dict[str, Any]:
        found = self._found(body["jql"])
        fields = body.get("fields") or ["*all"]
        limit = self.jira.key_page_limit if fields == ["key"] else self.jira.page_limit
        start, size = body.get("startAt", 0), min(body.get("maxResults", 50), limit)
        page = found[start : start + size]
        return {
            "startAt": start,
            "maxResults": size,
            "total": len(found),
            "issues": [self._said(each, fields) for each in page],
        }

    def _comments(self, issue: Issue, query: dict[str, list[str]]) -> dict[str, Any]:
        start = int(query.get("startAt", ["0"])[0])
        size = min(int(query.get("maxResults", ["50"])[0]), self.jira.page_limit)
        page = issue.comments[start : start + size]
        return {
            "startAt": start,
            "maxResults": size,
            "total": len(issue.comments),
            "comments": [self.jira.wire.comment(each) for each in page],
        }

    def _found(self, text: str) -> list[Issue]:
        try:
            return jql.search(text, self.jira.project.issues.values()) if self.who else []
        except jql.BadJql as error:
            raise _Refused(400, str(error)) from error

    def _said(self, issue: Issue, fields: list[str]) -> dict[str, Any]:
        return self.jira.wire.issue(issue, self.jira.project, wanted=fields)

    def _issue(self, name: str) -> Issue:
        for issue in self.jira.project.issues.values():
            if name in (str(issue.id), issue.key):
                return issue
        raise _Refused(404, "Issue does not exist or you do not have permission to see it.")

    def _of_file(self, id: int) -> tuple[bytes, str]:
        for issue in self.jira.project.issues.values():
            for file in issue.files:
                if file.id == id:
                    return file.content, file.media_type
        raise _Refused(404, f"The attachment with id '{id}' does not exist")

    def _file(self, id: str) -> tuple[bytes, str]:
        if self.jira.cloud:
            raise _Refused(404, "Not here.")
        return self._of_file(int(id))
