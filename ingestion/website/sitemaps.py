"""Sitemaps: the pages that a site lists itself, and when it says that they changed."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import dataclass
from io import BytesIO

from lxml import etree

from ingestion.http import Client, FetchFailed, Limits

# https://www.sitemaps.org/protocol.html: 50,000 addresses and 50 MB unpacked in one file.
MOST_ADDRESSES = 50_000
MAX_BYTES = 50 * 1024 * 1024
MOST_FILES = 200
MOST_DEEP = 3
LIMITS = Limits(max_bytes=MAX_BYTES, total_s=120, max_redirects=5)


class SitemapUnreadable(Exception):
    """This is no sitemap; the message says why."""


@dataclass(frozen=True, kw_only=True)
class Entry:
    """One page of a sitemap; `lastmod` as it is written there."""

    url: str
    lastmod: str = ""


async def listed(
    client: Client,
    places: list[str],
    *,
    wanted: Callable[[str], bool],
    turn: Callable[[str], Awaitable[None]],
    note: Callable[[str], None],
) -> AsyncIterator[Entry]:
    """Every page that the sitemaps at `places`, and those that they lead to, list.

    `wanted` says whether a sitemap that an index names may be fetched, `turn` waits until the
    host may be asked, `note` hears what could not be read.
    """
    waiting = [(place, 1) for place in dict.fromkeys(places)]
    seen = {place for place, _ in waiting}
    files = 0
    while waiting:
        place, depth = waiting.pop(0)
        files += 1
        if files > MOST_FILES:
            note(f"More than {MOST_FILES} sitemaps: the others were not read.")
            return
        try:
            await turn(place)
            answer = await client.get(place, limits=LIMITS)
            if answer.status in (404, 410):
                continue
            answer.check()
            entries, inner = parse(answer.body)
        except (FetchFailed, SitemapUnreadable) as error:
            note(f"The sitemap {place} could not be read: {error}")
            continue
        for entry in entries:
            yield entry
        for found in inner:
            if found.url in seen or not wanted(found.url):
                continue
            if depth >= MOST_DEEP:
                note(f"The sitemap {found.url} lies too deep in others and was not read.")
                continue
            seen.add(found.url)
            waiting.append((found.url, depth + 1))


def parse(data: bytes) -> tuple[list[Entry], list[Entry]]:
    """The pages, and the further sitemaps, that a sitemap names: XML, packed or not, or text.

    :raises SitemapUnreadable: it is none of these.
    """
    data = _unpacked(data)
    head = data[:1000].lstrip(b"\xef\xbb\xbf \t\r\n")
    if not head.startswith(b"<"):
        lines = data[: 2 * MAX_BYTES].decode("utf-8", "replace").split()
        if not lines or not all(line.startswith(("http://", "https://")) for line in lines):
            raise SitemapUnreadable("it is neither XML nor a list of addresses.")
        return [Entry(url=line) for line in lines[:MOST_ADDRESSES]], []
    pages: list[Entry] = []
    inner: list[Entry] = []
    try:
        for kind, entry in _entries(data):
            found = pages if kind == "url" else inner
            if len(found) < MOST_ADDRESSES:
                found.append(entry)
    except etree.XMLSyntaxError as error:
        # A list that is cut, or damaged further on, is better than none.
        if not pages and not inner:
            raise SitemapUnreadable(f"it is damaged XML ({error.msg}).") from error
    return pages, inner


def _entries(data: bytes) -> Iterator[tuple[str, Entry]]:
    # No entities: none are needed, and a few lines of them unfold to gigabytes.
    events = etree.iterparse(
        BytesIO(data.lstrip()),
        events=("end",),
        resolve_entities=False,
        no_network=True,
        load_dtd=False,
        huge_tree=False,
    )
    for _, element in events:
        kind = etree.QName(element).localname if isinstance(element.tag, str) else ""
        if kind not in ("url", "sitemap"):
            continue
        texts = {
            etree.QName(child).localname: (child.text or "").strip()
            for child in element
            if isinstance(child.tag, str)
        }
        if texts.get("loc"):
            yield kind, Entry(url=texts["loc"], lastmod=texts.get("lastmod", "")[:64])
        element.clear()


def _unpacked(data: bytes) -> bytes:
    if not data.startswith(b"\x1f\x8b"):
        return data
    try:
        with gzip.GzipFile(fileobj=BytesIO(data)) as packed:
            whole = packed.read(MAX_BYTES + 1)
    except (OSError, EOFError, zlib.error) as error:
        raise SitemapUnreadable(f"it is damaged gzip ({error}).") from error
    if len(whole) > MAX_BYTES:
        raise SitemapUnreadable(f"it unpacks to more than {MAX_BYTES >> 20} MB.")
    return whole
