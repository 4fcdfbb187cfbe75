"""One sync of a Jira source: what changed, what moved, what is gone.

Documents are known by Jira's numbers (`10042`, and `10042/attachment/20001` for its attachments):
an issue that moves to another project keeps its number, and so its place in the index, while its
key changes.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Generator, Iterator, Mapping, Set
from typing import Any

from documents.readers import Unreadable
from ingestion.content import Failed, Found, Gone, Seen, SyncFailed, SyncRun, Unchanged
from ingestion.jira import attachments, issue, jql
from ingestion.jira.api import PAGE, Account, Api, FieldInfo, Issue
from ingestion.jira.attachments import TooLarge
from ingestion.jira.choosing import choose
from ingestion.jira.problems import JiraError
from ingestion.jira.values import moment
from ingestion.reading import FileReader

# Counts up when the same issue would be told differently: then everything is fetched again.
FORMAT = 1
ALWAYS = ("summary", "description", "project", "issuetype", "status", "labels", "components", "created", "updated")  # fmt: skip
MB = 1_000_000


class JiraSync:
    """Reports what one sync finds, through an `api` that is connected."""

    def __init__(self, *, run: SyncRun, api: Api, reader: FileReader) -> None:
        self.run = run
        self.api = api
        self.reader = reader
        self.settings = run.settings
        self.fields: list[FieldInfo] = choose(self.settings["fields"], api.fields())
        self.asked = [*ALWAYS, *(field.id for field in self.fields)]
        if self.settings["comments"]:
            self.asked.append("comment")
        if self.settings["attachments"]:
            self.asked.append("attachment")
        self.asked = list(dict.fromkeys(self.asked))
        self.shape = self._shape()
        # Issues that were reported in this sync, and every key that was seen with them.
        self.reported: set[str] = set()
        self.seen: set[str] = set()
        self.done = 0

    def report(self) -> Iterator[Seen]:
        """:raises JiraError: it can not go on."""
        if self.run.only is not None:
            yield from self._again(self.run.only)
            return
        # Before anything is asked: what is added meanwhile must not look deleted.
        before = frozenset(self.run.known_keys())
        account = self.api.account()
        started_ms = int(self.api.site.at.timestamp() * 1000)
        cursor = self.run.cursor
        if not self.run.full and cursor.get("shape") == self.shape:
            since = int(cursor["updated_from"]) - self.settings["overlap_minutes"] * 60_000
            there = yield from self._incremental(before, max(since, 0))
        else:
            there = yield from self._everything()
        yield from self._gone(before, there, account)
        self.run.set_cursor({"updated_from": started_ms, "shape": self.shape})

    def _everything(self) -> Generator[Seen, None, frozenset[str]]:
        """Report all there is; the ids of all there is."""
        asked = jql.everything(self.settings["jql"])
        counted = self.api.count(jql.counted(self.settings["jql"]))
        total = min(counted, self.settings["max_issues"])
        for each in self._limited(self.api.search(asked, fields=self.asked, page=PAGE)):
            yield from self._issue(each)
            self._progress(total)
        return frozenset(self.reported)

    def _incremental(
        self, before: frozenset[str], since_ms: int
    ) -> Generator[Seen, None, frozenset[str]]:
        """Report what changed; the ids of all there is, changed or not.

        What Jira's `updated` does not tell is found by its ids alone: issues that the JQL finds
        now though they did not change, and those that moved.
        """
        limit = self.settings["max_issues"]
        asked = jql.everything(self.settings["jql"])
        there = dict(self._limited(self.api.keys(asked)))
        changed = jql.changed_since(self.settings["jql"], since_ms)
        for each in self.api.search(changed, fields=self.asked, page=PAGE):
            if str(each["id"]) in there or len(there) < limit:
                there.setdefault(str(each["id"]), str(each.get("key")))
                yield from self._issue(each)
                self._progress(len(there))
        children = self._children(before)
        for id, key in there.items():
            if id in self.reported:
                continue
            known = self.run.known(id)
            if known is None or (key and known.fetched_with.get("key") != key):
                yield from self._fetched(id)
            else:
                for name in (id, *children.get(id, ())):
                    if self.run.documents[name].state != "failed":
                        yield Unchanged(key=name)
            self._progress(len(there))
        return frozenset(there)

    def _again(self, only: Set[str]) -> Iterator[Seen]:
        """Report these keys, and no others."""
        for id in sorted({key.partition("/")[0] for key in only}):
            found = list(self._fetched(id, only=only))
            yield from (each for each in found if each.key in only)
            told = {each.key for each in found}
            for key in sorted(only):
                if key.partition("/")[0] == id and key not in told:
                    yield Gone(key=key)

    def _fetched(self, id: str, *, only: Set[str] | None = None) -> Iterator[Seen]:
        found = self.api.issue(id, fields=self.asked)
        if found is None:
            yield Gone(key=id)
        else:
            yield from self._issue(found, only=only)

    def _issue(self, found: Issue, *, only: Set[str] | None = None) -> Iterator[Seen]:
        """One issue, then its attachments."""
        id = str(found["id"])
        self.reported.add(id)
        self.seen.add(id)
        fetched_with = {
            "updated": str(issue.fields_of(found).get("updated") or ""),
            "key": str(found.get("key") or ""),
            "shape": self.shape,
        }
        if self._is_known(id, fetched_with):
            yield Unchanged(key=id)
        else:
            yield self._told(found, id, fetched_with)
        if self.settings["attachments"]:
            for each in issue.attachments_of(found):
                if only is None or self._file_key(id, each) in only:
                    yield self._attachment(found, id, each)

    def _told(self, found: Issue, id: str, fetched_with: Mapping[str, Any]) -> Seen:
        place: dict[str, Any] = {
            "key": id,
            "kind": "issue",
            "title": issue.title_of(found),
            "url": self._url(found),
        }
        try:
            structure = issue.structure_of(
                found,
                fields=self.fields,
                comments=self._comments(found, id) if self.settings["comments"] else (),
                restricted=self.settings["restricted_comments"],
            )
        except Unreadable as error:
            return Failed(**place, code=error.code, message=error.message, retryable=False)
        except JiraError as error:
            # Only what is about this one issue: with Jira itself away nothing else would work.
            if error.status not in {403, 404}:
                raise
            return Failed(**place, code=error.code, message=error.message, retryable=True)
        return Found(
            **place,
            structure=structure,
            labels=issue.labels_of(found),
            changed_at=moment(issue.fields_of(found).get("updated")),
            fetched_with=fetched_with,
        )

    def _comments(self, found: Issue, id: str) -> Iterator[Mapping[str, Any]]:
        """The issue's comments: those that came with it, or all where these are not all."""
        there = issue.fields_of(found).get("comment")
        there = there if isinstance(there, Mapping) else {}
        here = [each for each in there.get("comments") or () if isinstance(each, Mapping)]
        total = there.get("total")
        if isinstance(total, int) and total > len(here):
            return self.api.comments(id)
        return iter(here)

    def _attachment(self, found: Issue, id: str, attachment: Mapping[str, Any]) -> Seen:
        key = self._file_key(id, attachment)
        self.seen.add(key)
        fetched_with = {"issue": str(found.get("key") or ""), "ocr": self._ocr()}
        if self._is_known(key, fetched_with):
            return Unchanged(key=key)
        place: dict[str, Any] = {
            "key": key,
            "kind": "attachment",
            # A name such as console.log says nothing without its issue.
            "title": f"{attachments.name_of(attachment)} ({found.get('key') or id})",
            "url": self.api.site.url + self.api.attachment_path(attachment),
            "parent_key": id,
        }
        try:
            structure = attachments.read(
                attachment,
                api=self.api,
                reader=self.reader,
                folder=self.run.workdir,
                max_bytes=self.settings["attachment_max_mb"] * MB,
                ocr=self.settings["ocr"],
                ocr_languages=self.settings["ocr_languages"],
            )
        except TooLarge as error:
            return Failed(**place, code="too_large", message=str(error), retryable=False)
        except Unreadable as error:
            return Failed(**place, code=error.code, message=error.message, retryable=False)
        except JiraError as error:
            if error.code == "login_refused":
                raise
            return Failed(**place, code=error.code, message=error.message, retryable=True)
        return Found(
            **place,
            structure=structure,
            labels=issue.labels_of(found),
            changed_at=moment(attachment.get("created")),
            fetched_with=fetched_with,
        )

    def _gone(
        self, before: frozenset[str], there: frozenset[str], account: Account | None
    ) -> Iterator[Seen]:
        """What was known and is not there any more."""
        gone = [
            key
            for key in sorted(before)
            if (
                key not in self.seen
                if (id := key.partition("/")[0]) in self.reported
                else id not in there
            )
        ]
        if gone and self.api.account() != account:
            # A login that ended in the middle sees less, which must not pass for deletion.
            raise SyncFailed(
                "login_changed",
                "Jira took us for somebody else at the end than at the beginning; what it does not "
                "show any more was not removed. Sync again.",
                retry=True,
            )
        yield from (Gone(key=key) for key in gone)

    def _is_known(self, key: str, fetched_with: Mapping[str, Any]) -> bool:
        known = self.run.known(key)
        return (
            known is not None
            and known.state in {"indexed", "empty"}
            and dict(known.fetched_with) == dict(fetched_with)
        )

    def _limited(self, found: Iterator[Any]) -> Iterator[Any]:
        """As many as the settings allow; how many more there are is noted."""
        limit = self.settings["max_issues"]
        for number, each in enumerate(found):
            if number == limit:
                counted = self.api.count(jql.counted(self.settings["jql"]))
                self.run.left_out["issue_limit"] = {
                    "count": max(counted - limit, 1),
                    "why": f"beyond the first {limit:,} issues of the JQL: raise maxIssues",
                    "examples": [str(each.get("key")) if isinstance(each, Mapping) else each[1]],
                }
                return
            yield each

    def _children(self, keys: frozenset[str]) -> dict[str, list[str]]:
        children: dict[str, list[str]] = {}
        for key in sorted(keys):
            if "/" in key:
                children.setdefault(key.partition("/")[0], []).append(key)
        return children

    def _progress(self, total: int) -> None:
        self.done += 1
        self.run.progress(self.done, max(total, self.done), "issues")

    def _file_key(self, id: str, attachment: Mapping[str, Any]) -> str:
        return f"{id}/attachment/{attachment['id']}"

    def _url(self, found: Issue) -> str:
        return f"{self.api.site.url}/browse/{found.get('key') or found['id']}"

    def _ocr(self) -> str:
        return self.settings["ocr_languages"] if self.settings["ocr"] else ""

    def _shape(self) -> str:
        """What an issue's text depends on besides the issue."""
        told = [
            FORMAT,
            [[field.id, field.name, field.multiline] for field in self.fields],
            [self.settings[name] for name in ("comments", "restricted_comments", "attachments")],
        ]
        return hashlib.sha256(json.dumps(told).encode()).hexdigest()[:16]
