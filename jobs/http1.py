"""HTTP/1.1 messages as a proxy must read them (RFC 9110, RFC 9112): strictly where two readers could differ.

A request that could be split in two ways is refused. Responses of sloppy servers are tidied
as browsers do, but never where their length is in doubt.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum

Headers = list[tuple[str, str]]

_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_REQUEST_LINE = re.compile(r"([!#$%&'*+.^_`|~0-9A-Za-z-]+) ([^\x00-\x20\x7f]+) HTTP/1\.([01])")
_STATUS_LINE = re.compile(r"HTTP/1\.([01]) ([1-9][0-9][0-9])(?: (.*))?")
_CONTROL = re.compile(r"[\x00\r\n]")
_LENGTH = re.compile(r"[0-9]{1,18}")
_CHUNK = re.compile(rb"([0-9A-Fa-f]{1,15})[ \t]*(?:;[^\r\n]*)?(\r?\n)")
MOST_HEADERS = 200
# RFC 9110, 7.6.1, and what proxies have always kept to themselves.
HOP_BY_HOP = frozenset(
    {
        *("connection", "proxy-connection", "keep-alive", "te", "trailer", "transfer-encoding"),
        *("upgrade", "proxy-authenticate", "proxy-authorization", "proxy-authentication-info"),
    }
)


class BadMessage(Exception):
    """This is not an HTTP/1.1 message that can be passed on; `status` fits it as an answer."""

    def __init__(self, message: str, status: int = 400) -> None:
        super().__init__(message)
        self.message = message
        self.status = status


class Framing(Enum):
    """How a body ends, where it is not a number of bytes."""

    CHUNKED = "chunked"
    UNTIL_CLOSE = "until_close"


@dataclass(frozen=True, kw_only=True)
class Request:
    method: str
    target: str
    minor: int
    headers: Headers

    def body(self) -> int | Framing:
        """:raises BadMessage: where the body ends can be read in two ways."""
        coded, lengths = (
            values(self.headers, "transfer-encoding"),
            values(self.headers, "content-length"),
        )
        if coded and lengths:
            raise BadMessage("The request has both Content-Length and Transfer-Encoding.")
        if coded:
            if self.minor == 0 or [each.lower() for each in coded] != ["chunked"]:
                raise BadMessage("Transfer-Encoding may only be chunked, and only once.", 501)
            return Framing.CHUNKED
        return _length(lengths) or 0

    def keeps_alive(self) -> bool:
        tokens = connection_tokens(self.headers)
        return "close" not in tokens and (self.minor == 1 or "keep-alive" in tokens)

    def upgrades(self) -> bool:
        return "upgrade" in connection_tokens(self.headers) and self.minor == 1


@dataclass(frozen=True, kw_only=True)
class Response:
    minor: int
    status: int
    phrase: str
    headers: Headers

    def body(self, *, method: str) -> int | Framing:
        """:raises BadMessage: where the body ends can be read in two ways."""
        if method == "HEAD" or self.status in (204, 304) or self.status < 200:
            return 0
        coded = values(self.headers, "transfer-encoding")
        if coded:
            if [each.lower() for each in coded] != ["chunked"] or self.minor == 0:
                raise BadMessage("The server used a Transfer-Encoding other than chunked.", 502)
            # RFC 9112, 6.3: chunked wins over a Content-Length; the connection is not used again.
            return Framing.CHUNKED
        length = _length(values(self.headers, "content-length"), status=502, merge=True)
        return Framing.UNTIL_CLOSE if length is None else length

    def keeps_alive(self) -> bool:
        tokens = connection_tokens(self.headers)
        doubtful = values(self.headers, "transfer-encoding") and values(
            self.headers, "content-length"
        )
        return self.minor == 1 and "close" not in tokens and not doubtful


def parse_request(head: bytes) -> Request:
    """:raises BadMessage: anything that another reader could take for something else."""
    text = head.decode("latin-1")
    if not text.endswith("\r\n\r\n") or "\n" in text.replace("\r\n", ""):
        raise BadMessage("Lines of a request end in CR LF.")
    first, *lines = text[:-4].split("\r\n")
    matched = _REQUEST_LINE.fullmatch(first)
    if not matched:
        raise BadMessage("This is not an HTTP/1.1 request line.")
    headers: Headers = []
    for line in lines:
        name, colon, value = line.partition(":")
        if not colon or not _TOKEN.fullmatch(name) or _CONTROL.search(value):
            raise BadMessage("The request has a malformed header line.")
        headers.append((name, value.strip(" \t")))
    if len(headers) > MOST_HEADERS:
        raise BadMessage("The request has too many headers.", 431)
    minor = int(matched[3])
    hosts = values(headers, "host")
    if len(hosts) > 1 or (minor == 1 and not hosts):
        raise BadMessage("A request has exactly one Host header.")
    return Request(method=matched[1], target=matched[2], minor=minor, headers=headers)


def parse_response(head: bytes) -> Response:
    """:raises BadMessage: it does not start like an HTTP/1 response, or is unfit to pass on."""
    first, *lines = head.decode("latin-1").replace("\r\n", "\n").rstrip("\n").split("\n")
    matched = _STATUS_LINE.fullmatch(first.rstrip("\r"))
    if not matched:
        raise BadMessage("The server's answer is not HTTP/1.1.", 502)
    headers: Headers = []
    for line in lines:
        if line[:1] in (" ", "\t") and headers:  # RFC 9112, 5.2: a folded line becomes a space
            name, value = headers[-1]
            headers[-1] = (name, f"{value} {line.strip()}")
            continue
        name, colon, value = line.partition(":")
        if not colon or not _TOKEN.fullmatch(name):
            if name.strip(" \t").lower() in ("transfer-encoding", "content-length"):
                raise BadMessage("The server's answer has a malformed length.", 502)
            continue  # browsers drop such lines too
        headers.append((name, re.sub(r"[\x00\r\n]", " ", value).strip(" \t")))
    if len(headers) > MOST_HEADERS:
        raise BadMessage("The server's answer has too many headers.", 502)
    return Response(
        minor=int(matched[1]), status=int(matched[2]), phrase=matched[3] or "", headers=headers
    )


def head_of(first: str, headers: Iterable[tuple[str, str]]) -> bytes:
    lines = "".join(f"{name}: {value}\r\n" for name, value in headers)
    return f"{first}\r\n{lines}\r\n".encode("latin-1")


def end_to_end(headers: Headers) -> Headers:
    """`headers` without those that concern one connection only."""
    named = connection_tokens(headers)
    # A client must not make us drop what says how long the message is, or for whom.
    named -= {"host", "content-length", "cookie", "authorization"}
    return [each for each in headers if each[0].lower() not in HOP_BY_HOP | named]


def values(headers: Headers, name: str) -> list[str]:
    return [value for each, value in headers if each.lower() == name]


def connection_tokens(headers: Headers) -> set[str]:
    listed = values(headers, "connection") + values(headers, "proxy-connection")
    return {token.strip().lower() for value in listed for token in value.split(",")} - {""}


def chunk_size(line: bytes, *, strict: bool) -> int:
    """The size that a chunk's first line states; `strict`: it ends in CR LF.

    :raises BadMessage: it is not one.
    """
    matched = _CHUNK.fullmatch(line)
    if not matched or (strict and matched[2] != b"\r\n"):
        raise BadMessage("The body has a malformed chunk.")
    return int(matched[1], 16)


def _length(lengths: list[str], *, status: int = 400, merge: bool = False) -> int | None:
    if merge:  # RFC 9112, 6.3: servers do repeat the same length
        lengths = list(dict.fromkeys(part.strip() for each in lengths for part in each.split(",")))
    if not lengths:
        return None
    if len(lengths) > 1 or not _LENGTH.fullmatch(lengths[0]):
        raise BadMessage("Content-Length is not one number.", status)
    return int(lengths[0])
