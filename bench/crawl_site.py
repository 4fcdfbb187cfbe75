"""The site that bench/crawl.py crawls: 1,000 pages, made from a seed, served by a process of its own.

    python -m bench.crawl_site [--pages 1000]      prints its address; `GET /version/2` changes 1 % of it

Every page has a menu, a table and sections with anchors, about 7 KB, and an ETag. Around every
twentieth link leads over a redirect, every twentieth page is there twice, and twenty are slow.
"""

from __future__ import annotations

import argparse
import asyncio
import hashlib
import random

WORDS = [
    "order",
    "invoice",
    "customer",
    "delivery",
    "report",
    "account",
    "search",
    "filter",
    "export",
    "import",
    "release",
    "test",
    "browser",
    "session",
    "error",
    "retry",
    "limit",
    "queue",
    "worker",
    "report",
    "field",
    "value",
    "table",
    "column",
    "login",
    "role",
]
REDIRECT_EVERY = 20
TWICE_EVERY = 20
SLOW = 20
SLOW_S = 0.3
LINKS = 12


def page(number: int, pages: int, version: int) -> str:
    """Page `number`; one in a hundred says something else in version 2."""
    chance = random.Random(number)
    edition = version if number % 100 == 7 else 1

    def prose(count: int) -> str:
        return " ".join(chance.choice(WORDS) for _ in range(count))

    links = []
    # A tree, so that everything is reached, and links across it.
    for child in range(number * LINKS + 1, min(number * LINKS + 1 + LINKS, pages)):
        way = "old" if child % REDIRECT_EVERY == 3 else "page"
        links.append(f"/{way}/{child}")
        if child % TWICE_EVERY == 5:
            links.append(f"/copy/{child}")
    links += [f"/page/{chance.randrange(pages)}#s{chance.randrange(6)}" for _ in range(8)]
    menu = "".join(f'<li><a href="/page/{at}">Part {at}</a></li>' for at in range(15))
    sections = "".join(
        f'<h2 id="s{at}">{prose(4).title()}</h2><p>{prose(60)}. See <a href="{link}">{prose(2)}</a>.</p>'
        f"<ul><li>{prose(6)}</li><li>{prose(5)}</li></ul>"
        for at, link in enumerate(links)
    )
    rows = "".join(f"<tr><td>{prose(1)}</td><td>{prose(2)}</td></tr>" for _ in range(6))
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Page {number}</title>'
        f'<link rel="stylesheet" href="/style.css"></head><body><header><nav><ul>{menu}</ul></nav>'
        f'</header><main><h1 id="top">Page {number}, edition {edition}</h1>{sections}'
        f"<table><tr><th>Name</th><th>Value</th></tr>{rows}</table></main>"
        "<footer>All rights reserved</footer></body></html>"
    )


class Site:
    """Answers by path, made beforehand: the server must not be what is measured."""

    def __init__(self, pages: int) -> None:
        self.pages = pages
        self.port = 0
        self.requests = 0
        self.answers: dict[str, tuple[str, bytes, bytes]] = {}

    def make(self, version: int) -> None:
        for number in range(self.pages):
            body = page(number, self.pages, version).encode()
            for way in ("page", "copy"):
                self._put(f"/{way}/{number}", body, "text/html; charset=utf-8")
            head = f"HTTP/1.1 301 Moved\r\nLocation: /page/{number}\r\nContent-Length: 0\r\n\r\n"
            self.answers[f"/old/{number}"] = ("", head.encode(), b"")
        self.answers["/"] = self.answers["/page/0"]
        entries = "".join(
            f"<url><loc>http://127.0.0.1:{self.port}/page/{number}</loc><lastmod>"
            f"2026-0{version if number % 100 == 7 else 1}-01</lastmod></url>"
            for number in range(self.pages)
        )
        self._put("/sitemap.xml", f"<urlset>{entries}</urlset>".encode(), "application/xml")
        self._put("/robots.txt", b"User-agent: *\nDisallow: /private/\n", "text/plain")

    def _put(self, path: str, body: bytes, kind: str) -> None:
        etag = f'"{hashlib.sha256(body).hexdigest()[:16]}"'
        head = f"Content-Type: {kind}\r\nETag: {etag}\r\nContent-Length: {len(body)}\r\n\r\n"
        same = f"HTTP/1.1 304 Not Modified\r\nETag: {etag}\r\n\r\n".encode()
        self.answers[path] = (etag, b"HTTP/1.1 200 OK\r\n" + head.encode() + body, same)


class Visit(asyncio.Protocol):
    """One connection."""

    def __init__(self, site: Site) -> None:
        self._site = site
        self._data = b""
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport  # type: ignore[assignment]

    def data_received(self, data: bytes) -> None:
        self._data += data
        while (end := self._data.find(b"\r\n\r\n")) >= 0:
            head, self._data = self._data[:end].decode("latin-1"), self._data[end + 4 :]
            path = head.split(" ", 2)[1]
            self._site.requests += 1
            number = path.rpartition("/")[2]
            if path.startswith("/page/") and int(number) % (self._site.pages // SLOW) == 9:
                asyncio.get_running_loop().call_later(SLOW_S, self._answer, path, head)
            else:
                self._answer(path, head)

    def _answer(self, path: str, head: str) -> None:
        assert self._transport is not None
        if path.startswith("/version/"):
            self._site.make(int(path.rpartition("/")[2]))
            self._transport.write(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
            return
        etag, whole, same = self._site.answers.get(
            path, ("", b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n", b"")
        )
        self._transport.write(same if etag and etag in head else whole)


async def serve(pages: int) -> None:
    site = Site(pages)
    server = await asyncio.get_running_loop().create_server(lambda: Visit(site), "127.0.0.1", 0)
    site.port = server.sockets[0].getsockname()[1]
    site.make(1)
    print(f"http://127.0.0.1:{site.port}/", flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pages", type=int, default=1000)
    asyncio.run(serve(parser.parse_args().pages))
