"""Steps that the session makes itself, of what its operator asked for."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from time import monotonic, time
from typing import TYPE_CHECKING, Any

from playwright.async_api import Page

from recorder.session.gestures import UNRECORDED_AFTER_S
from recorder.session.marks import Target, at_point, patient
from recorder.session.stage import console_gesture
from recorder.session.stepbook import Entry
from recorder.steps import Action

if TYPE_CHECKING:
    from recorder.session.live import LiveSession

# What a command answers beside "done".
Answer = Mapping[str, Any] | None


class CommandFailed(Exception):
    """The command can not be done now; `code` is stable."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


class Making:
    """What the commands of one session share. `began_at`: when the one under way began, in
    seconds since 1970."""

    def __init__(self, live: LiveSession) -> None:
        self._live = live
        self.began_at = time()

    @property
    def page(self) -> Page:
        """The tab in front. :raises UnknownPage: every tab is closed."""
        return self._live.pages.current().page

    async def caught_up(self) -> None:
        """Wait for the reports of earlier gestures: a click is told of half a second late, and a
        check of what it did must not become a step before it."""
        ends_at = monotonic() + UNRECORDED_AFTER_S
        while self._live.ledger.awaited() and monotonic() < ends_at:
            if self._live.paused or self._live.requests.dialog_open:
                return
            await asyncio.sleep(0.03)
        await patient(self._live.reports.drained())

    async def target(self, page: Page, point: Mapping[str, Any], *, seen: bool = False) -> Target:
        """:raises CommandFailed: nothing is at this point of the page."""
        target = await patient(at_point(page, point["x"], point["y"], seen=seen))
        if target is None:
            raise CommandFailed("no_element", "There is no element at this point.")
        return target

    def step(
        self,
        page: Page,
        action: Action,
        *,
        selector: str = "",
        params: Mapping[str, Any] | None = None,
        element: Mapping[str, str] | None = None,
        url: str = "",
        picture: bool = True,
    ) -> Entry | None:
        """A step that the session makes itself; none while paused."""
        if self._live.paused:
            return None
        tab = self._live.pages.of(page)
        entry = self._live.book.add(
            action=action,
            page=tab.alias if tab else "page",
            url=url or page.url,
            selector=selector,
            params=params,
            element=element,
            source="console",
            began_at=self.began_at,
        )
        self._live.ledger.add(console_gesture(page, entry.step.key))
        if picture:
            self._live.moments.attach(entry, self._live.moments.begin(page))
        return entry
