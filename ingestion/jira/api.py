"""Jira's two APIs, Cloud (v3) and Server or Data Center (v2), with the same calls."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import quote

from ingestion.http import Answer
from ingestion.jira import problems
from ingestion.jira.client import Client
from ingestion.jira.problems import JiraError

Issue = Mapping[str, Any]

PAGE = 100
# When nothing but keys is asked for, Cloud gives up to 5,000 at a time, Server what it is set to.
PAGE_OF_KEYS = {"cloud": 5000, "server": 1000}
# How many pages may follow each other: more is a server that goes in circles.
MAX_PAGES = 20_000
MAX_RESTARTS = 3


@dataclass(frozen=True, kw_only=True)
class Site:
    """The Jira that answered. `url` is its address for people; `at` the time on its clock."""

    deployment: str
    version: str
    title: str
    url: str
    at: datetime


@dataclass(frozen=True, kw_only=True)
class Account:
    """As whom we are logged in; without a login there is no name."""

    id: str
    name: str
    email: str = ""


@dataclass(frozen=True, kw_only=True)
class FieldInfo:
    """A field of issues. `multiline`: a custom one that holds a rich text."""

    id: str
    name: str
    custom: bool = False
    multiline: bool = False


class Api(ABC):
    """What is asked of a Jira. Every call raises `JiraError`."""

    version = ""

    def __init__(self, client: Client, site: Site) -> None:
        self.client = client
        self.site = site

    @abstractmethod
    def search(self, jql: str, *, fields: Sequence[str], page: int) -> Iterator[Issue]:
        """Every issue that `jql` finds, once, as pages come in."""

    @abstractmethod
    def count(self, jql: str) -> int:
        """How many issues `jql` finds, as well as Jira knows."""

    @abstractmethod
    def attachment_path(self, attachment: Mapping[str, Any]) -> str: ...

    def keys(self, jql: str) -> Iterator[tuple[str, str]]:
        """Id and key of every issue that `jql` finds."""
        for issue in self.search(jql, fields=["key"], page=PAGE_OF_KEYS[self.site.deployment]):
            yield str(issue["id"]), str(issue.get("key") or "")

    def issue(self, id: str, *, fields: Sequence[str]) -> Issue | None:
        """One issue by id or key; None where Jira has none, or none for this account."""
        try:
            found = self.client.get(
                f"/rest/api/{self.version}/issue/{quote(id, safe='')}", fields=",".join(fields)
            )
        except JiraError as error:
            if error.status == 404:
                return None
            raise
        return found if isinstance(found, Mapping) and found.get("id") else None

    def comments(self, id: str) -> Iterator[Mapping[str, Any]]:
        """Every comment of an issue, the oldest first."""
        path = f"/rest/api/{self.version}/issue/{quote(id, safe='')}/comment"
        start = 0
        for _ in range(MAX_PAGES):
            data = self.client.get(path, startAt=start, maxResults=PAGE, orderBy="created")
            found = _list(data, "comments")
            yield from found
            start += len(found)
            if not found or start >= _number(data, "total"):
                return

    def account(self) -> Account | None:
        """As whom we are logged in; None without a login."""
        if self.client.how == "anonymous":
            return None
        said = self.client.get(f"/rest/api/{self.version}/myself")
        said = said if isinstance(said, Mapping) else {}
        id = said.get("accountId") or said.get("key") or said.get("name") or ""
        name = said.get("displayName") or said.get("name") or id
        return Account(id=str(id), name=str(name), email=str(said.get("emailAddress") or ""))

    def fields(self) -> list[FieldInfo]:
        """Every field that issues have here."""
        said = self.client.get(f"/rest/api/{self.version}/field")
        found = []
        for each in said if isinstance(said, list) else ():
            if isinstance(each, Mapping) and each.get("id"):
                schema = each.get("schema")
                custom = schema.get("custom", "") if isinstance(schema, Mapping) else ""
                found.append(
                    FieldInfo(
                        id=str(each["id"]),
                        name=str(each.get("name") or each["id"]),
                        custom=bool(each.get("custom")),
                        multiline=str(custom).endswith(":textarea"),
                    )
                )
        return found


class CloudApi(Api):
    version = "3"

    def search(self, jql: str, *, fields: Sequence[str], page: int) -> Iterator[Issue]:
        body = {"jql": jql, "fields": list(fields), "maxResults": page}
        token, restarts = "", 0
        seen: set[str] = set()
        tokens: set[str] = set()
        while True:
            try:
                data = _search(self.client, "/rest/api/3/search/jql", jql, body, token)
            except JiraError as error:
                # Page tokens live for a while only. From the beginning, then; what was seen is seen.
                if error.code != "page_expired" or restarts == MAX_RESTARTS:
                    raise
                token, restarts = "", restarts + 1
                tokens.clear()
                continue
            found = _list(data, "issues")
            for issue in found:
                if (id := str(issue.get("id") or "")) and id not in seen:
                    seen.add(id)
                    yield issue
            token = str(data.get("nextPageToken") or "")
            # The last page has no token; some sites give one for ever, with nothing on the page.
            if not token or not found:
                return
            if token in tokens:
                raise _circles(self.site)
            tokens.add(token)

    def count(self, jql: str) -> int:
        body = {"jql": jql}
        data = _search(self.client, "/rest/api/3/search/approximate-count", jql, body, "")
        return _number(data, "count")

    def attachment_path(self, attachment: Mapping[str, Any]) -> str:
        return f"/rest/api/3/attachment/content/{quote(str(attachment['id']), safe='')}"


class ServerApi(Api):
    version = "2"

    def search(self, jql: str, *, fields: Sequence[str], page: int) -> Iterator[Issue]:
        """Pages by offset, each beginning with the last issue of the one before.

        Where a page has none of the one before, issues in front of it have gone meanwhile, and all
        behind them moved up: then we go back until it has, so that none is passed over.
        """
        seen: set[str] = set()
        before: set[str] = set()
        start, back = 0, 1
        for _ in range(MAX_PAGES):
            data = self._page(jql, fields, start, page)
            found = _list(data, "issues")
            ids = [str(issue.get("id") or "") for issue in found]
            if before and start and before.isdisjoint(ids):
                start = max(0, start - back)
                back *= 2
                continue
            for id, issue in zip(ids, found, strict=True):
                if id and id not in seen:
                    seen.add(id)
                    yield issue
            end = start + len(found)
            if not found or end >= _number(data, "total"):
                return
            # Pages of one can not overlap.
            overlap = min(1, len(found) - 1)
            before, start, back = set(ids) if overlap else set(), end - overlap, 1
        raise _circles(self.site)

    def _page(self, jql: str, fields: Sequence[str], start: int, page: int) -> Mapping[str, Any]:
        body = {"jql": jql, "fields": list(fields), "startAt": start, "maxResults": page}
        return _search(self.client, "/rest/api/2/search", jql, body, "")

    def count(self, jql: str) -> int:
        return _number(self._page(jql, ["key"], 0, 0), "total")

    def attachment_path(self, attachment: Mapping[str, Any]) -> str:
        # Not its own `content`: a Jira behind a proxy may call itself by a name that is not ours.
        id = quote(str(attachment["id"]), safe="")
        return f"/secure/attachment/{id}/{quote(str(attachment.get('filename') or id), safe='')}"


def connect(client: Client, *, wanted: str = "auto") -> Api:
    """The API of the Jira at this address: the one that is `wanted`, or else what it says it is.

    :raises JiraError: there is none, or it lets us in nowhere.
    """
    # Both answer this one at v2, Cloud too.
    said, head = client.get_with_head("/rest/api/2/serverInfo")
    if not isinstance(said, Mapping) or not (said.get("version") or said.get("deploymentType")):
        raise JiraError(
            "no_jira_here",
            "Something answers at this address, but it is not Jira: it does not say its version.",
            field="base_url",
        )
    found = "cloud" if str(said.get("deploymentType", "")).lower() == "cloud" else "server"
    deployment = found if wanted == "auto" else wanted
    site = Site(
        deployment=deployment,
        version=str(said.get("version") or "unknown"),
        title=str(said.get("serverTitle") or ""),
        url=str(said.get("baseUrl") or client.base_url).rstrip("/"),
        at=_clock(said, head),
    )
    return CloudApi(client, site) if deployment == "cloud" else ServerApi(client, site)


def _clock(said: Mapping[str, Any], head: Answer) -> datetime:
    """The time there: ours may differ, and theirs is what `updated` goes by."""
    for read, value in (
        (datetime.fromisoformat, str(said.get("serverTime") or "")),
        (parsedate_to_datetime, str(head.headers.get("date") or "")),
    ):
        try:
            at = read(value)
        except (ValueError, TypeError):
            continue
        if at.tzinfo is not None:
            return at.astimezone(UTC)
    return datetime.now(UTC)


def _search(
    client: Client, path: str, jql: str, body: Mapping[str, Any], token: str
) -> Mapping[str, Any]:
    try:
        data = client.post(path, {**body, "nextPageToken": token} if token else body)
    except JiraError as error:
        if error.status == 400 and token:
            # Page tokens live for a while only: the same question, from its beginning, works.
            raise JiraError(
                "page_expired",
                f"Jira does not know its own next page any more. {error.said}".strip(),
                retryable=True,
            ) from error
        if error.status == 400:
            raise problems.of_jql(error, jql) from error
        raise
    return data if isinstance(data, Mapping) else {}


def _list(data: Any, name: str) -> list[Mapping[str, Any]]:
    found = data.get(name) if isinstance(data, Mapping) else None
    if not isinstance(found, list):
        raise JiraError(
            "answer_damaged",
            f'Jira\'s answer has no list "{name}"; without it nothing is known.',
            retryable=True,
        )
    return [each for each in found if isinstance(each, Mapping)]


def _number(data: Any, name: str) -> int:
    value = data.get(name) if isinstance(data, Mapping) else None
    return value if isinstance(value, int) and not isinstance(value, bool) else 0


def _circles(site: Site) -> JiraError:
    return JiraError(
        "pages_repeat",
        f"{site.url} gives the same page of results again and again.",
        retryable=True,
    )
