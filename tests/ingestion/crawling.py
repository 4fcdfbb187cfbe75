"""Syncing a scripted site by the website connector, as the sync engine does it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import uuid4

from ingestion.content import Failed, Found, Gone, Known, SyncRun, Unchanged
from ingestion.website.connector import WebsiteConnector
from ingestion.website.settings import Settings
from jobs.egress import Policy

OPEN = Policy(private=True)


def html(title: str = "A page", *links: str, text: str = "", head: str = "") -> str:
    """A page of its own text, with links."""
    anchors = "".join(f'<li><a href="{link}">to {link}</a></li>' for link in links)
    said = text or f"This is what the page called {title} says, in a sentence of its own."
    return (
        f"<!doctype html><html lang=en><head><title>{title}</title>{head}</head>"
        f"<body><main><h1 id=top>{title}</h1><p>{said}</p></main><ul>{anchors}</ul></body></html>"
    )


@dataclass
class Synced:
    """What one sync reported, by path and query; `documents` as the engine would know them now."""

    base: str
    run: SyncRun
    found: dict[str, Found] = field(default_factory=dict)
    unchanged: set[str] = field(default_factory=set)
    gone: set[str] = field(default_factory=set)
    failed: dict[str, Failed] = field(default_factory=dict)
    log: list[str] = field(default_factory=list)
    events: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    documents: dict[str, Known] = field(default_factory=dict)

    @property
    def pages(self) -> set[str]:
        """What is in the index afterwards."""
        return {
            self._short(key) for key, known in self.documents.items() if known.state == "indexed"
        }

    @property
    def left_out(self) -> dict[str, int]:
        """How many were left out, by reason."""
        return {reason: said["count"] for reason, said in self.run.left_out.items()}

    def _short(self, key: str) -> str:
        return key.removeprefix(self.base) or "/"

    def take(self, item: object) -> None:
        """As the engine keeps it."""
        key = item.key  # type: ignore[attr-defined]
        short = self._short(key)
        if isinstance(item, Found):
            assert short not in self.found, f"{short} was reported twice"
            item.structure.check()
            self.found[short] = item
            state = "indexed" if item.structure.has_text else "empty"
            self.documents[key] = _known(item.fetched_with, state)
        elif isinstance(item, Unchanged):
            self.unchanged.add(short)
            had = self.documents[key]
            with_now = had.fetched_with if item.fetched_with is None else item.fetched_with
            self.documents[key] = _known(with_now, had.state)
        elif isinstance(item, Failed):
            self.failed[short] = item
            had_with = self.documents[key].fetched_with if key in self.documents else {}
            self.documents[key] = _known(had_with, "failed")
        elif isinstance(item, Gone):
            self.gone.add(short)
            del self.documents[key]


def _known(fetched_with: Mapping[str, Any], state: str) -> Known:
    return Known(fetched_with=dict(fetched_with), content_hash="", state=state, done=True)


def cleaned(**settings: Any) -> dict[str, Any]:
    """Validated settings; quick ones where a test says nothing else."""
    given = {"delay_s": 0, "render": "never", "timeout_s": 5, **settings}
    serializer = Settings(data=given)
    serializer.is_valid(raise_exception=True)
    return dict(serializer.validated_data)


def sync(
    url: str,
    *,
    workdir: Path,
    before: Synced | None = None,
    resumed: bool = False,
    full: bool = False,
    only: Iterable[str] | None = None,
    policy: Policy = OPEN,
    owner_id: int = 0,
    stop_after: int | None = None,
    check_cancelled: Callable[[], None] = lambda: None,
    **settings: Any,
) -> Synced:
    """One sync. `resumed`: `before` was this very sync, cut short."""
    known = dict(before.documents) if before else {}
    if not resumed:
        known = {key: _not_done(each) for key, each in known.items()}
    run = SyncRun(
        source_id=uuid4(),
        owner_id=owner_id,
        settings=cleaned(url=url, **settings),
        policy=policy,
        workdir=workdir,
        cursor=(before.run.next_cursor or before.run.cursor) if before and not full else {},
        full=full,
        only=None if only is None else frozenset(only),
        check_cancelled=check_cancelled,
        documents=dict(known),
    )
    base = "/".join(url.split("/")[:3])
    synced = Synced(base=base, run=run, documents=known)
    run.log = synced.log.append
    run.event = lambda name, **data: synced.events.append((name, data))
    items = WebsiteConnector().sync(run=run)
    for number, item in enumerate(items, 1):
        synced.take(item)
        if number == stop_after:
            items.close()  # type: ignore[attr-defined]
            return synced
    if run.complete:
        seen = {*synced.found, *synced.unchanged, *synced.failed}
        done = {key for key, each in known.items() if resumed and each.done}
        for key in set(synced.documents) - done:
            if synced._short(key) not in seen:
                del synced.documents[key]
    return synced


def _not_done(known: Known) -> Known:
    return Known(fetched_with=known.fetched_with, content_hash="", state=known.state)
