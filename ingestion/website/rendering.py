"""Pages that are empty without their scripts, shown by a browser; it starts when one is met."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Protocol

from ingestion.website.urls import canonical, host_and_port
from jobs.rendering import PageRenderer, Rendered, RenderFailed

__all__ = ["Browser", "RenderFailed", "Rendered", "Renderer"]

# Tabs that are open at the same time.
MOST_TABS = 2


class Renderer(Protocol):
    """Renders pages."""

    async def render(self, url: str) -> Rendered:
        """:raises RenderFailed: it can not be shown."""


class Browser:
    """One browser for one crawl."""

    def __init__(self, *, make: Callable[[], PageRenderer], note: Callable[[str], None]) -> None:
        self._make = make
        self._note = note
        self._starting = asyncio.Lock()
        self._tabs = asyncio.Semaphore(MOST_TABS)
        self._pages: PageRenderer | None = None
        self._failed: RenderFailed | None = None

    async def render(self, url: str) -> Rendered:
        """:raises RenderFailed: no browser, the page does not load, or leads to another site."""
        pages = await self._started()
        async with self._tabs:
            made = await pages.render(url)
        if host_and_port(canonical(made.url) or "") != host_and_port(url):
            raise RenderFailed(f"In a browser the page leads away, to {made.url}.")
        return made

    async def stop(self) -> None:
        if self._pages is not None:
            await self._pages.__aexit__(None, None, None)

    async def _started(self) -> PageRenderer:
        async with self._starting:
            if self._failed is not None:
                raise self._failed
            if self._pages is None:
                try:
                    self._pages = await self._make().__aenter__()
                except RenderFailed as error:
                    self._note(f"Pages that need their scripts are read without them: {error}")
                    self._failed = error
                    raise
            return self._pages
