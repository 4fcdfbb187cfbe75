"""How issues, comments and attachments of a Jira are had."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import urlsplit

from ingestion.connectors import Problem, Report, connector
from ingestion.content import Seen, SyncFailed, SyncRun
from ingestion.jira import api, jql
from ingestion.jira.choosing import choose
from ingestion.jira.client import Client
from ingestion.jira.problems import JiraError
from ingestion.jira.settings import JiraSettings
from ingestion.jira.sync import JiraSync
from ingestion.models import SourceKind
from ingestion.reading import FileReader
from jobs.egress import Policy

_WORDS = {"cloud": "Jira Cloud", "server": "Jira Server or Data Center"}


@connector(SourceKind.JIRA)
class JiraConnector:
    settings = JiraSettings
    identity = ("base_url", "jql")

    def name_for(self, settings: Mapping[str, Any]) -> str:
        host = urlsplit(settings["base_url"]).netloc
        asked = " ".join(settings.get("jql", "").split())
        return f"Jira {host}: {asked or 'all issues'}"

    def test(self, *, settings: Mapping[str, Any], policy: Policy, owner_id: int) -> Report:
        """What was reached, as whom, and how many issues the JQL finds, or what is in the way."""
        facts: dict[str, str] = {}
        notes: list[str] = []
        try:
            with self._client(settings, policy) as client:
                found = api.connect(client, wanted=settings["deployment"])
                site = found.site
                facts["Jira"] = f"{_WORDS[site.deployment]} {site.version}"
                facts["Address"] = site.url
                account = found.account()
                facts["Account"] = _account(account)
                count = found.count(jql.counted(settings["jql"]))
                facts["Issues"] = f"{count:,}"
                chosen = choose(settings["fields"], found.fields())
                facts["Fields"] = ", ".join(field.name for field in chosen) or "none"
        except JiraError as error:
            problem = Problem(code=error.code, message=error.message, field=error.field)
            return Report(summary="Jira can not be synced so.", facts=facts, problems=(problem,))
        if account is None:
            notes.append("Without a login only what everybody may see is found.")
        if not count:
            notes.append("The JQL finds no issue that this account may see.")
        if count > settings["max_issues"]:
            notes.append(f"Only {settings['max_issues']:,} of these issues are taken (maxIssues).")
        if settings["base_url"].startswith("http:") and account is not None:
            notes.append("The address begins with http: the login is sent without encryption.")
        who = f"as {account.name}" if account else "without a login"
        return Report(
            summary=f"{facts['Jira']} answers {who}; the JQL finds {count:,} issues.",
            facts=facts,
            notes=tuple(notes),
        )

    def sync(self, *, run: SyncRun) -> Iterator[Seen]:
        try:
            with (
                self._client(run.settings, run.policy, run) as client,
                FileReader() as reader,
            ):
                connected = api.connect(client, wanted=run.settings["deployment"])
                yield from JiraSync(run=run, api=connected, reader=reader).report()
        except JiraError as error:
            raise SyncFailed(error.code, error.message, retry=error.retryable) from error

    def _client(
        self, settings: Mapping[str, Any], policy: Policy, run: SyncRun | None = None
    ) -> Client:
        return Client(
            base_url=settings["base_url"],
            policy=policy,
            email=settings["email"],
            token=settings["token"],
            pat=settings["pat"],
            check=run.check_cancelled if run else lambda: None,
            log=run.log if run else lambda line: None,
        )


def _account(account: api.Account | None) -> str:
    if account is None:
        return "none (anonymous)"
    return f"{account.name} ({account.email})" if account.email else account.name
