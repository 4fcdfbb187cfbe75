"""Passing on bodies, heads of answers, and answers of our own."""

from __future__ import annotations

from html import escape
from http import HTTPStatus

from jobs.http1 import BadMessage, Framing, Response, chunk_size, end_to_end, head_of, values
from jobs.wire import Wire

CHUNK_LINE_BYTES = 4096
MOST_TRAILERS = 100


async def send_body(
    source: Wire, target: Wire, framing: int | Framing, *, strict: bool, chunked: bool = True
) -> None:
    """Pass a body on; chunks are written anew, trailers dropped. `chunked` False: only their content.

    :raises BadMessage: a chunk is malformed. `strict`: lines must end in CR LF.
    :raises WireClosed: the connection ended within the body.
    """
    if isinstance(framing, int):
        await source.pipe(target, length=framing)
    elif framing is Framing.UNTIL_CLOSE:
        await source.pipe(target)
    else:
        await _send_chunks(source, target, strict=strict, chunked=chunked)


async def _send_chunks(source: Wire, target: Wire, *, strict: bool, chunked: bool) -> None:
    while size := chunk_size(await source.read_line(limit_bytes=CHUNK_LINE_BYTES), strict=strict):
        if chunked:
            # With its content in one packet where that is here already.
            head = b"%x\r\n" % size
            taken = source.take(size)
            target.write(head + taken)
            size -= len(taken)
        await source.pipe(target, length=size)
        end = await source.read_line(limit_bytes=CHUNK_LINE_BYTES)
        if end != b"\r\n" and (strict or end != b"\n"):
            raise BadMessage("A chunk is longer than it says.")
        if chunked:
            target.write(b"\r\n")
        await target.drain()
    for _ in range(MOST_TRAILERS):
        if await source.read_line(limit_bytes=CHUNK_LINE_BYTES) in (b"\r\n", b"\n"):
            break
    else:
        raise BadMessage("The body has too many trailers.")
    if chunked:
        target.write(b"0\r\n\r\n")


def page(status: int, code: str, message: str, *, with_body: bool = True) -> bytes:
    """A whole answer of our own, with a small page that a person can read."""
    title = {403: "Not allowed", 502: "Not reachable"}.get(status, "Not possible")
    body = (
        f"<!doctype html><html lang=en><meta charset=utf-8><title>{title}</title>"
        "<style>body{font:16px/1.6 system-ui,sans-serif;max-width:36rem;margin:15vh auto;padding:0 1rem}"
        "code{color:#666}@media(prefers-color-scheme:dark){body{background:#111;color:#ddd}}</style>"
        f"<h1>{title}</h1><p>{escape(message)}</p><p><code>{escape(code)}</code></p></html>\n"
    ).encode()
    headers = [
        ("Content-Type", "text/html; charset=utf-8"),
        ("Content-Length", str(len(body))),
        ("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'"),
        ("Cache-Control", "no-store"),
        ("X-Tapedeck-Refused", code),
        ("Connection", "close"),
    ]
    line = f"HTTP/1.1 {status} {HTTPStatus(status).phrase}"
    return head_of(line, headers) + (body if with_body else b"")


def answer_head(answer: Response, framing: int | Framing, *, minor: int, keeps: bool) -> bytes:
    headers = end_to_end(answer.headers)
    if framing is Framing.CHUNKED:
        headers = [each for each in headers if each[0].lower() != "content-length"]
        if minor == 1:
            headers.append(("Transfer-Encoding", "chunked"))
    elif isinstance(framing, int) and len(values(headers, "content-length")) > 1:
        headers = [each for each in headers if each[0].lower() != "content-length"]
        headers.append(("Content-Length", str(framing)))
    if not keeps:
        headers.append(("Connection", "close"))
    elif minor == 0:
        headers.append(("Connection", "keep-alive"))
    return head_of(f"HTTP/1.1 {answer.status} {answer.phrase}", headers)
