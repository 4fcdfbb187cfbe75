"""One visit: fetch an address, and say what came of it."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any

from documents import media, readers
from ingestion.content import Failed, Found, Gone, Seen
from ingestion.http import REDIRECTS, Answer, Client, FetchFailed, join
from ingestion.http_errors import REFUSED, status_problem
from ingestion.website.files import NotRead, file_name, read_file
from ingestion.website.hosts import Host
from ingestion.website.page import Page, read_page, with_warning
from ingestion.website.plan import Plan
from ingestion.website.rendering import Renderer, RenderFailed
from ingestion.website.urls import canonical

ATTEMPTS = 3
FIRST_WAIT_S = 0.5
_PAGES = frozenset({"text/html", "application/xhtml+xml"})
_TEXTS = frozenset({"text/plain", "text/markdown", "text/x-markdown"})
# What servers say of files that they know nothing of: the content decides.
_ANYTHING = frozenset({"", "application/octet-stream", "binary/octet-stream", "unknown/unknown"})


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What came of a visit: something to report (`seen`), or a reason why there is nothing.

    `moved_to` is where a redirect leads, `canonical` the page that is named as the one to index.
    """

    url: str
    seen: Seen | None = None
    unchanged: bool = False
    links: tuple[str, ...] = ()
    moved_to: str = ""
    canonical: str = ""
    left_out: str = ""
    # Why the egress policy refuses it, where it does.
    refusal: FetchFailed | None = None


class Visitor:
    """Fetches and reads pages. Knows nothing of other pages."""

    def __init__(self, *, plan: Plan, client: Client, renderer: Renderer, folder: Path) -> None:
        self._plan = plan
        self._client = client
        self._renderer = renderer
        self._folder = folder
        # Parsers of files are not made for several threads.
        self._reading = asyncio.Lock()

    async def visit(self, host: Host, url: str, *, had: Mapping[str, Any], known: bool) -> Outcome:
        """Fetch `url`; `had` is what may stand where it has not changed (empty: nothing may)."""
        if host.down is not None:
            return _failed(url, host.down)
        try:
            answer = await self._fetch(host, url, had)
        except FetchFailed as error:
            host.failed(error)
            if error.code == "not_a_page":
                return Outcome(url=url, left_out=error.code)
            if error.code in REFUSED and not known:
                return Outcome(url=url, left_out="refused", refusal=error)
            return _failed(url, error)
        host.answered()
        if answer.status == 304 and had:
            return Outcome(url=url, unchanged=True)
        if answer.status in REDIRECTS and "location" in answer.headers:
            return self._moved(url, answer)
        if answer.status in (404, 410):
            return Outcome(url=url, seen=Gone(key=url) if known else None, left_out="broken_link")
        if answer.status >= 300 or answer.status == 204:
            if answer.status < 400:
                return Outcome(url=url, left_out="not_a_page")
            return _failed(
                url, status_problem(url, answer.status, retry_after_s=answer.retry_after_s)
            )
        digest = hashlib.sha256(answer.body).hexdigest()[:32]
        if had and digest == had.get("body"):
            return Outcome(url=url, unchanged=True)
        try:
            return await self._read(url, answer, digest)
        except (readers.Unreadable, NotRead) as error:
            return Outcome(
                url=url,
                seen=Failed(
                    key=url, url=url, code=error.code, message=error.message, retryable=False
                ),
            )

    async def _fetch(self, host: Host, url: str, had: Mapping[str, Any]) -> Answer:
        headers = {"Accept": "text/html,application/xhtml+xml;q=0.9,*/*;q=0.5"}
        if had.get("etag"):
            headers["If-None-Match"] = had["etag"]
        if had.get("modified"):
            headers["If-Modified-Since"] = had["modified"]
        for attempt in range(1, ATTEMPTS + 1):
            last = attempt == ATTEMPTS
            await host.turn()
            try:
                answer = await self._client.get(
                    url, headers=headers, follow=False, accept=self._accept
                )
            except FetchFailed as error:
                if last or not error.retryable or error.code == "timed_out":
                    raise
                await asyncio.sleep(FIRST_WAIT_S * 2 ** (attempt - 1))
                continue
            if answer.status in (429, 503) and not last:
                asked = answer.retry_after_s
                host.pause(FIRST_WAIT_S * 2**attempt if asked is None else asked)
                continue
            if answer.status in (500, 502, 504) and not last:
                await asyncio.sleep(FIRST_WAIT_S * 2 ** (attempt - 1))
                continue
            # A page that sets a cookie and sends back to itself: now the cookie is there.
            if answer.status in REDIRECTS and not last and _target(answer) == url:
                continue
            return answer
        raise AssertionError("the last attempt returns or raises")

    def _accept(self, head: Answer) -> int | None:
        if head.status != 200:
            return None
        said = head.content_type
        if said in _PAGES or said in _TEXTS or said in _ANYTHING:
            return self._plan.max_file_bytes if self._plan.files and said in _ANYTHING else None
        by_name = media.by_name(file_name(head.url, head.headers))
        if self._plan.files and (readers.can_read(said) or (by_name and readers.can_read(by_name))):
            return self._plan.max_file_bytes
        raise FetchFailed("not_a_page", f"{head.url} is {said}.")

    def _moved(self, url: str, answer: Answer) -> Outcome:
        target = _target(answer)
        if not target or target == url:
            return Outcome(url=url, left_out="redirect_loop" if target else "refused")
        return Outcome(url=url, moved_to=target)

    async def _read(self, url: str, answer: Answer, digest: str) -> Outcome:
        fetched_with: dict[str, Any] = {"body": digest}
        for name, header in (("etag", "etag"), ("modified", "last-modified")):
            value = answer.headers.get(header, "")
            # What can not be sent back as it came is of no use.
            if value and len(value) <= 300 and value.isascii() and value.isprintable():
                fetched_with[name] = value
        if not _is_page(answer):
            return await self._file(url, answer, fetched_with)
        page = read_page(answer.body, url=url, headers=answer.headers)
        plan = self._plan
        if plan.render == "always" or (plan.render == "auto" and page.needs_scripts):
            page = await self._rendered(page, answer)
            # The answer alone says nothing of what scripts make of it: ask and render anew each time.
            fetched_with = {"rendered": True}
        if page.noindex:
            return Outcome(url=url, links=page.links, left_out="noindex")
        fetched_with["hash"] = page.digest
        own = canonical(page.canonical) or ""
        found = Found(
            key=url,
            kind="page",
            title=page.title,
            url=url,
            structure=page.structure,
            changed_at=page.changed_at or _changed_at(answer),
            fetched_with=fetched_with,
        )
        return Outcome(url=url, seen=found, links=page.links, canonical=own if own != url else "")

    async def _rendered(self, page: Page, answer: Answer) -> Page:
        try:
            made = await self._renderer.render(page.url)
            again = read_page(
                made.html.encode("utf-8", "replace"),
                url=page.url,
                headers={**answer.headers, "content-type": "text/html; charset=utf-8"},
            )
        except RenderFailed as error:
            warned = with_warning(page.structure, "not_rendered", str(error))
            return replace(page, structure=warned)
        if not again.structure.has_text:
            words = "The page shows no text, neither as it was sent nor after its scripts had run."
            return replace(again, structure=with_warning(again.structure, "no_text", words))
        return again

    async def _file(self, url: str, answer: Answer, fetched_with: dict[str, Any]) -> Outcome:
        text = answer.content_type in _TEXTS
        if not (self._plan.files or text):
            return Outcome(url=url, left_out="not_a_page")
        name = file_name(url, answer.headers)
        async with self._reading:
            structure = await asyncio.to_thread(
                read_file, answer.body, name=name, folder=self._folder, text=text
            )
        if structure is None:
            return Outcome(url=url, left_out="not_a_page")
        found = Found(
            key=url,
            kind="page" if text else "document",
            title=structure.metadata.get("title") or name or url,
            url=url,
            structure=structure,
            changed_at=_changed_at(answer),
            fetched_with={
                **fetched_with,
                "hash": hashlib.sha256(structure.text.encode()).hexdigest(),
            },
        )
        return Outcome(url=url, seen=found)


def _failed(url: str, error: FetchFailed) -> Outcome:
    return Outcome(
        url=url,
        seen=Failed(
            key=url, url=url, code=error.code, message=error.message, retryable=error.retryable
        ),
    )


def _target(answer: Answer) -> str:
    """Where a redirect leads, in its one spelling; empty: nowhere that may be gone to."""
    try:
        return canonical(join(answer.url, answer.headers["location"])) or ""
    except FetchFailed:
        return ""


def _is_page(answer: Answer) -> bool:
    if answer.content_type in _PAGES:
        # A PDF is a PDF, whatever the server says.
        return not answer.body.startswith((b"%PDF-", b"PK\x03\x04"))
    head = answer.body[:1000].lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    return answer.content_type in _ANYTHING and head.startswith((b"<!doctype html", b"<html"))


def _changed_at(answer: Answer) -> datetime | None:
    try:
        at = parsedate_to_datetime(answer.headers.get("last-modified", ""))
    except (ValueError, TypeError):
        return None
    return at if at.tzinfo else at.replace(tzinfo=UTC)
