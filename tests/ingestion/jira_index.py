"""What a sync reports, kept in memory as the sync engine keeps it: for tests of the connector."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Set
from pathlib import Path
from typing import Any

from ingestion.content import Failed, Found, Gone, Known, SyncRun, Unchanged, reported
from ingestion.jira.connector import JiraConnector
from ingestion.jira.settings import JiraSettings
from jobs.egress import Policy
from jobs.ids import uuid7
from jobs.options import validated
from tests.jira import Jira
from tests.jira.server import PAT, TOKEN

POLICY = Policy(private=True)


def login(jira: Jira) -> dict[str, Any]:
    return {"email": "ada@example.com", "token": TOKEN} if jira.cloud else {"pat": PAT}


def settings(jira: Jira, **more: Any) -> Mapping[str, Any]:
    """Settings as they are stored: validated, with every default."""
    clean: Mapping[str, Any] = validated(JiraSettings, {"baseUrl": jira.url, **login(jira), **more})
    return clean


class Index:
    """Documents of one source by key, and what each sync said of them."""

    def __init__(self, jira: Jira, folder: Path, **more: Any) -> None:
        self.jira = jira
        self.folder = folder
        self.more = more
        self.documents: dict[str, Found] = {}
        self.known: dict[str, Known] = {}
        self.failures: dict[str, Failed] = {}
        self.cursor: Mapping[str, Any] = {}
        self.log: list[str] = []
        self.left_out: dict[str, int] = {}
        self.counts: Counter[str] = Counter()

    def sync(
        self,
        *,
        full: bool = False,
        only: Set[str] | None = None,
        stop_after: int = 0,
        check: Callable[[], None] = lambda: None,
    ) -> Counter[str]:
        """One sync; how many were added, changed, unchanged, failed and removed.

        With `stop_after` it is cut off after so many reports, as by `kill -9`.
        """
        run = SyncRun(
            source_id=uuid7(),
            owner_id=1,
            settings=settings(self.jira, **self.more),
            policy=POLICY,
            workdir=self.folder,
            cursor={} if full else self.cursor,
            full=full,
            only=only,
            log=self.log.append,
            check_cancelled=check,
            documents=dict(self.known),
        )
        self.counts = Counter()
        found = JiraConnector().sync(run=run)
        for number, seen in enumerate(reported(found), 1):
            self._keep(seen)
            if number == stop_after:
                found.close()  # type: ignore[attr-defined]
                return self.counts
        if run.next_cursor is not None and only is None:
            self.cursor = run.next_cursor
        assert not run.complete
        self.left_out = {reason: said["count"] for reason, said in run.left_out.items()}
        return self.counts

    def text(self, title: str) -> str:
        return self.of(title).structure.text

    def of(self, title: str) -> Found:
        """The one document whose title begins so."""
        [found] = [each for each in self.documents.values() if each.title.startswith(title)]
        return found

    def titles(self, kind: str) -> list[str]:
        return sorted(each.title for each in self.documents.values() if each.kind == kind)

    def _keep(self, seen: Any) -> None:
        if isinstance(seen, Gone):
            if self.known.pop(seen.key, None):
                self.counts["removed"] += 1
            self.documents.pop(seen.key, None)
            self.failures.pop(seen.key, None)
        elif isinstance(seen, Unchanged):
            assert seen.key in self.known, "only what is known can be unchanged"
            self.counts["unchanged"] += 1
        elif isinstance(seen, Failed):
            self.failures[seen.key] = seen
            self.known[seen.key] = Known(fetched_with={}, content_hash="", state="failed")
            self.counts["failed"] += 1
        else:
            assert isinstance(seen, Found)
            seen.structure.check()
            assert not seen.parent_key or seen.parent_key in self.known
            before = self.documents.get(seen.key)
            same = before is not None and before.structure.text == seen.structure.text
            self.counts["added" if before is None else "unchanged" if same else "changed"] += 1
            self.documents[seen.key] = seen
            self.failures.pop(seen.key, None)
            state = "indexed" if seen.structure.has_text else "empty"
            self.known[seen.key] = Known(
                fetched_with=dict(seen.fetched_with), content_hash="x", state=state
            )
