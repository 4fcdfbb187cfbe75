"""What a connector reports to the sync that runs it, and what the sync tells the connector."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Set
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import UUID

if TYPE_CHECKING:
    from documents.structure import Structure
    from jobs.egress import Policy


@dataclass(frozen=True, kw_only=True)
class Found:
    """A document of the source, fetched and read. `key` is what the source itself calls it.

    `kind` is one of `ingestion.models.DocumentKind`. `fetched_with` comes back next time, as
    `SyncRun.known`. A text of nothing but white space is kept as "no text found", with the
    structure's first warning as the reason.
    """

    key: str
    kind: str
    title: str
    url: str
    structure: Structure
    labels: tuple[str, ...] = ()
    changed_at: datetime | None = None
    # The document that this one hangs on (an attachment's issue); report that one first.
    parent_key: str = ""
    fetched_with: Mapping[str, Any] = field(default_factory=dict)
    # The documents.Document that it is, if it is one.
    stored_id: UUID | None = None
    # Asked within the transaction that keeps it: False drops it, for something newer came by.
    still_true: Callable[[], bool] = lambda: True


@dataclass(frozen=True, kw_only=True)
class Unchanged:
    """Seen, and as it was: not fetched again (304, the same `updated`).

    `fetched_with` replaces what was noted, where it is given.
    """

    key: str
    fetched_with: Mapping[str, Any] | None = None


@dataclass(frozen=True, kw_only=True)
class Failed:
    """This one could not be had; the sync goes on. `code` for programs, `message` for people.

    What is indexed of it stays, and is not pruned. `retryable`: fetching it again may help.
    """

    key: str
    code: str
    message: str
    retryable: bool
    url: str = ""
    title: str = ""
    kind: str = "page"
    parent_key: str = ""


@dataclass(frozen=True, kw_only=True)
class Gone:
    """The source says that it does not exist any more (404, deleted, not in the JQL any more)."""

    key: str


Seen = Found | Unchanged | Failed | Gone


class SyncFailed(Exception):
    """The sync can not go on: `code` for programs, `message` for people (what, why, what to do).

    With `retry` the job tries again later; what was put stays, the cursor stays as it was.
    """

    def __init__(self, code: str, message: str, *, retry: bool = False) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code
        self.message = message
        self.retry = retry


@dataclass(frozen=True, kw_only=True)
class Known:
    """What is known of a document from before. `state` as in `ingestion.models.DocumentState`.

    `done`: this very sync had it before it was interrupted, so it needs no second visit.
    """

    fetched_with: Mapping[str, Any]
    content_hash: str
    state: str
    url: str = ""
    done: bool = False


def _nothing(*_: Any, **__: Any) -> None:
    return None


@dataclass(kw_only=True)
class SyncRun:
    """One sync, as its connector sees it.

    `only`: the keys of a retry of failures (None: everything); report these and no others.
    Set `complete` once everything that there is was reported: what was not is then removed.
    `log`, `event` and `progress` are the job's; they and `check_cancelled` raise
    `jobs.running.Cancelled` when the job is to end: let it pass.
    """

    source_id: UUID
    owner_id: int
    # As the connector's `settings` validated them, secrets opened.
    settings: Mapping[str, Any]
    policy: Policy
    # A folder of this attempt, on local disk.
    workdir: Path
    cursor: Mapping[str, Any] = field(default_factory=dict)
    # Everything is to be fetched again.
    full: bool = False
    only: Set[str] | None = None
    log: Callable[[str], None] = _nothing
    event: Callable[..., None] = _nothing
    progress: Callable[..., None] = _nothing
    check_cancelled: Callable[[], None] = _nothing
    documents: Mapping[str, Known] = field(default_factory=dict)

    complete: bool = False
    next_cursor: Mapping[str, Any] | None = None
    # What there is and was not taken, by reason: `count`, `why` in words, up to five `examples`.
    left_out: dict[str, Any] = field(default_factory=dict)

    def known(self, key: str) -> Known | None:
        """What may spare fetching `key` again; in a full sync only what this sync itself had."""
        found = self.documents.get(key)
        if found is None or (self.full and not found.done):
            return None
        return found

    def known_keys(self) -> Set[str]:
        """Every key that the source has here, as of the start of the sync."""
        return self.documents.keys()

    def set_cursor(self, cursor: Mapping[str, Any]) -> None:
        """What the next incremental sync shall begin with; kept only when this one ends well."""
        self.next_cursor = dict(cursor)


def reported(items: Iterator[Seen]) -> Iterator[Seen]:
    """`items`, as a connector should report them: what its tests look through.

    :raises ValueError: a key is empty, or longer than can be kept. A sync would keep such a
        document as failed, under another key.
    """
    from ingestion.models import KEY_MAX

    for item in items:
        if not item.key or len(item.key) > KEY_MAX or "\0" in item.key:
            raise ValueError(f"A connector reported a key that can not be kept: {item.key[:80]!r}")
        yield item
