"""The tabs of the session: their aliases, which is in front, and what each shows."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from playwright.async_api import Page

MOST_PAGES = 20


class UnknownPage(Exception):
    """There is no such tab."""


@dataclass(kw_only=True)
class Tab:
    alias: str
    page: Page
    opener: str | None = None
    title: str = ""
    loading: bool = False
    crashed: bool = False


class Pages:
    """Aliases are page, page1, page2… in the order of opening, as the recorder counts them."""

    def __init__(self) -> None:
        self._tabs: dict[str, Tab] = {}
        self._made = 0
        self.front: str | None = None

    def __iter__(self) -> Iterator[Tab]:
        return iter(list(self._tabs.values()))

    def __len__(self) -> int:
        return len(self._tabs)

    @property
    def full(self) -> bool:
        return len(self._tabs) >= MOST_PAGES

    def add(self, page: Page, *, opener: str | None = None) -> Tab:
        alias = f"page{self._made}" if self._made else "page"
        self._made += 1
        tab = self._tabs[alias] = Tab(alias=alias, page=page, opener=opener)
        return tab

    def remove(self, alias: str) -> Tab | None:
        """Forget a closed tab; the one that comes to the front, if it was in front."""
        gone = self._tabs.pop(alias, None)
        if gone is None or self.front != alias:
            return None
        if gone.opener in self._tabs:
            self.front = gone.opener
        else:
            self.front = next(reversed(self._tabs), None)
        return self._tabs[self.front] if self.front is not None else None

    def get(self, alias: str) -> Tab:
        """:raises UnknownPage: see its docstring."""
        try:
            return self._tabs[alias]
        except KeyError as error:
            raise UnknownPage(f"There is no tab {alias!r}.") from error

    def current(self) -> Tab:
        """:raises UnknownPage: every tab is closed."""
        if self.front is None:
            raise UnknownPage("Every tab is closed; open a new one.")
        return self._tabs[self.front]

    def of(self, page: Page | None) -> Tab | None:
        return next((tab for tab in self._tabs.values() if tab.page is page), None)

    def as_json(self) -> list[dict[str, Any]]:
        return [
            {
                "alias": tab.alias,
                "url": tab.page.url,
                "title": tab.title,
                "active": tab.alias == self.front,
                "loading": tab.loading,
            }
            for tab in self._tabs.values()
        ]
