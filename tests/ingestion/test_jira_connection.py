"""A Jira that refuses, throttles, lies or breaks: what is asked again, and in what words it fails."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ingestion.connectors import Report
from ingestion.content import SyncFailed
from ingestion.http import Answer
from ingestion.jira import api, client, jql
from ingestion.jira.client import Client
from ingestion.jira.connector import JiraConnector
from ingestion.jira.problems import JiraError
from ingestion.jira.settings import JiraSettings
from jobs.egress import Policy
from jobs.options import clean_options, validated
from jobs.registry import InvalidOptions
from tests.ingestion.jira_index import POLICY, Index, login, settings
from tests.jira import Jira, Project

SEARCH = {"cloud": "/rest/api/3/search/jql", "server": "/rest/api/2/search"}


@pytest.fixture(scope="module", params=["cloud", "server"])
def served(request: pytest.FixtureRequest) -> Iterator[Jira]:
    with Jira(Project(6, files=False), deployment=request.param, context="/jira") as jira:
        yield jira


@pytest.fixture
def jira(served: Jira) -> Iterator[Jira]:
    before = (dict(served.accounts), set(served.pats))
    served.seen.clear()
    yield served
    served.faults.clear()
    served.accounts, served.pats = before
    served.strangers = False


@pytest.fixture
def slept(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The waits that were asked for; the clock goes on by itself."""
    clock: list[float] = []
    monkeypatch.setattr(client, "sleep", clock.append)
    monkeypatch.setattr(client, "monotonic", lambda: sum(clock))
    return clock


def search_of(jira: Jira) -> str:
    return SEARCH["cloud" if jira.cloud else "server"]


def tried(jira: Jira, **more: Any) -> Report:
    return JiraConnector().test(settings=settings(jira, **more), policy=POLICY, owner_id=1)


def problem(jira: Jira, **more: Any) -> Any:
    report = tried(jira, **more)
    assert not report.ok
    [found] = report.problems
    return found


def test_a_connection_says_what_was_reached_and_as_whom(jira: Jira) -> None:
    report = tried(jira, jql="project = SHOP", fields=["priority", "Story Points"])
    assert report.ok, report.problems
    assert report.facts == {
        "Jira": "Jira Cloud 1001.0.0-SNAPSHOT" if jira.cloud else "Jira Server or Data Center 9.12.15",
        "Address": jira.url,
        "Account": "Ada Byron (ada@example.com)",
        "Issues": "5",
        "Fields": "Priority, Story Points",
    }  # fmt: skip
    assert report.summary.endswith("answers as Ada Byron; the JQL finds 5 issues.")
    assert [note.split(":")[0] for note in report.notes] == ["The address begins with http"]
    sent = jira.seen[-1].headers
    assert sent["authorization"].startswith("Basic " if jira.cloud else "Bearer ")
    notes = tried(jira, jql="summary ~ nosuchword", maxIssues=1).notes
    assert any("finds no issue" in note for note in notes)
    assert any("Only 1 of these" in note for note in tried(jira, maxIssues=1).notes)


def test_a_stranger_sees_what_everybody_may(jira: Jira) -> None:
    jira.strangers = True
    clean = validated(JiraSettings, {"baseUrl": jira.url})
    report = JiraConnector().test(settings=clean, policy=POLICY, owner_id=1)
    assert report.ok
    assert report.facts["Account"] == "none (anonymous)"
    assert "Without a login" in report.notes[0]
    jira.strangers = False
    [refused] = JiraConnector().test(settings=clean, policy=POLICY, owner_id=1).problems
    assert refused.code == "login_refused"
    assert "personal access token" in refused.message


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        ("project = NOPE", "The value 'NOPE' does not exist for the field 'project'."),
        ("projekt = SHOP", "Field 'projekt' does not exist or you do not have permission to view it."),
        ("project = SHOP status = Open", "Expecting either 'OR' or 'AND' but got 'status'."),
        ("project =", "The query ends where a value was expected."),
    ],
)  # fmt: skip
def test_a_wrong_jql_is_told_in_jiras_words(
    jira: Jira, tmp_path: Path, asked: str, words: str
) -> None:
    found = problem(jira, jql=asked)
    assert (found.code, found.field) == ("jql_refused", "jql")
    assert words in found.message
    with pytest.raises(SyncFailed) as failed:
        Index(jira, tmp_path, jql=asked).sync()
    assert (failed.value.code, failed.value.retry) == ("jql_refused", False)
    assert words in failed.value.message


def test_a_field_that_does_not_exist_is_named(jira: Jira, tmp_path: Path) -> None:
    found = problem(jira, fields=["Story point"])
    assert (found.code, found.field) == ("unknown_field", "fields")
    assert "Did you mean Story Points?" in found.message
    with pytest.raises(SyncFailed, match="unknown_field"):
        Index(jira, tmp_path, fields=["Nonesuch"]).sync()


def test_a_wrong_login_is_explained(jira: Jira) -> None:
    wrong = {"token": "nonsense"} if jira.cloud else {"pat": "nonsense"}
    found = problem(jira, **wrong)
    assert (found.code, found.field) == ("login_refused", next(iter(wrong)))
    assert ("account settings" if jira.cloud else "Profile") in found.message
    # A site that lets strangers in answers 200 to a wrong login: it is noticed all the same.
    jira.strangers = True
    assert problem(jira, **wrong).code == "login_refused"


@pytest.mark.parametrize(
    ("how", "code", "says"),
    [
        ({"status": 403}, "forbidden", "Browse Projects"),
        ({"status": 403, "headers": {"X-Authentication-Denied-Reason": "CAPTCHA_CHALLENGE; login-url=x"}}, "captcha", "with a browser"),
        ({"status": 404}, "no_jira_here", "before /browse/"),
        ({"status": 410}, "api_removed", "It is Jira Cloud".lower()),
        ({"status": 418}, "http_418", "refuses this"),
        ({"status": 302, "headers": {"Location": "https://sso.example/login?x=secret"}}, "login_page", "login page"),
        ({"status": 301, "headers": {"Location": "https://new.example/jira?x=secret"}}, "redirected", "https://new.example/jira"),
        ({"status": 200, "body": b"<html>Log in</html>", "content_type": "text/html"}, "not_an_api", "web page"),
        ({"status": 200, "body": b"{}"}, "no_jira_here", "not Jira"),
    ],
)  # fmt: skip
def test_what_will_not_pass_is_explained_at_once(
    jira: Jira, how: dict[str, Any], code: str, says: str
) -> None:
    jira.fail("/rest/api/2/serverInfo", times=9, **how)
    found = problem(jira)
    assert found.code == code
    assert says in found.message.replace("it is Jira Cloud", "it is jira cloud")
    assert "secret" not in found.message
    assert len(jira.seen) == 1


@pytest.mark.parametrize(
    "how",
    [
        {"status": 500},
        {"status": 503, "headers": {"Retry-After": "0"}},
        {"status": 429, "headers": {"Retry-After": "0"}},
        {"cut": True},
        {"status": 200, "body": b'{"issues": ['},
        {"status": 200, "body": b"[" * 100_000},
    ],
)
def test_what_may_pass_is_asked_again(
    jira: Jira, tmp_path: Path, slept: list[float], how: dict[str, Any]
) -> None:
    fault = jira.fail(search_of(jira), times=2, **how)
    index = Index(jira, tmp_path)
    assert index.sync() == {"added": 6}
    assert fault.times == 0
    assert len([line for line in index.log if "Asking again in" in line]) == 2


def test_retry_after_is_kept_to(jira: Jira, tmp_path: Path, slept: list[float]) -> None:
    jira.fail(search_of(jira), times=2, status=429, headers={"Retry-After": "7"})
    Index(jira, tmp_path).sync()
    assert sum(slept) == pytest.approx(14)
    assert max(slept) <= client.LOOK_EVERY_S


def test_a_wait_that_is_too_long_ends_the_sync_for_now(
    jira: Jira, tmp_path: Path, slept: list[float]
) -> None:
    jira.fail(search_of(jira), status=429, headers={"Retry-After": "3600"})
    with pytest.raises(SyncFailed) as failed:
        Index(jira, tmp_path).sync()
    assert (failed.value.code, failed.value.retry) == ("too_many_requests", True)
    assert "wait 3600 s" in failed.value.message
    assert slept == []


def test_what_stays_broken_ends_the_sync_and_may_be_tried_later(
    jira: Jira, tmp_path: Path, slept: list[float]
) -> None:
    fault = jira.fail(search_of(jira), times=99, status=502)
    with pytest.raises(SyncFailed) as failed:
        Index(jira, tmp_path).sync()
    assert (failed.value.code, failed.value.retry) == ("server_failed", True)
    assert 99 - fault.times == client.ATTEMPTS
    # Half a second first, doubled each time, and a little chance.
    assert 15.5 <= sum(slept) <= 15.5 * 1.25


def test_a_jira_that_says_nothing_is_given_up(
    jira: Jira, monkeypatch: pytest.MonkeyPatch, slept: list[float]
) -> None:
    monkeypatch.setattr(client, "JSON_LIMITS", client.Limits(silence_s=0.2, total_s=0.5))
    monkeypatch.setattr(client, "ATTEMPTS", 2)
    jira.fail("/rest/api/2/serverInfo", times=9, stall=True)
    assert problem(jira).code == "timed_out"


def test_an_answer_without_its_list_is_no_empty_result(
    jira: Jira, tmp_path: Path, slept: list[float]
) -> None:
    index = Index(jira, tmp_path)
    index.sync()
    jira.fail(search_of(jira), times=99, status=200, body=b'{"total": 0}')
    with pytest.raises(SyncFailed, match="answer_damaged"):
        index.sync()
    assert len(index.known) == 6


def test_the_other_api_can_be_asked_for(jira: Jira) -> None:
    wanted = "server" if jira.cloud else "cloud"
    found = problem(jira, deployment=wanted)
    assert found.code == ("api_removed" if jira.cloud else "no_jira_here")
    assert tried(jira, deployment="cloud" if jira.cloud else "server").ok


def test_credentials_go_to_jira_alone(tmp_path: Path) -> None:
    with Jira(Project(1, files=False)) as jira:
        jira.project.attach("SHOP-1", "a.txt", b"words", "text/plain")
        index = Index(jira, tmp_path)
        index.sync()
        assert index.text("a.txt").strip() == "words"
        [elsewhere] = jira.asked("/files")
        assert "authorization" not in elsewhere.headers
        pair = base64.b64decode(jira.seen[0].headers["authorization"].partition(" ")[2])
        assert pair == b"ada@example.com:token-of-ada"


def test_the_egress_policy_holds(jira: Jira) -> None:
    closed = JiraConnector().test(settings=settings(jira), policy=Policy(private=False), owner_id=1)
    [found] = closed.problems
    assert (found.code, found.field) == ("private_refused", "base_url")


def test_nobody_there(jira: Jira, slept: list[float]) -> None:
    found = problem(jira, baseUrl="http://127.0.0.1:9")
    assert found.field == "base_url"
    assert "port 9" in found.message.lower() or "9" in found.message


@pytest.mark.parametrize(
    ("given", "field"),
    [
        ({}, "baseUrl"),
        ({"baseUrl": "jira.example"}, "baseUrl"),
        ({"baseUrl": "ftp://jira.example"}, "baseUrl"),
        ({"baseUrl": "https://ada:secret@jira.example"}, "baseUrl"),
        ({"baseUrl": "https://jira.example/browse/A-1"}, "baseUrl"),
        ({"baseUrl": "https://jira.example/?x=1"}, "baseUrl"),
        ({"baseUrl": "https://jira.example", "token": "t"}, "email"),
        ({"baseUrl": "https://jira.example", "email": "a@b.example"}, "token"),
        ({"baseUrl": "https://jira.example", "email": "a@b.example", "token": "t", "pat": "p"}, "pat"),
        ({"baseUrl": "https://jira.example", "pat": "bad\nline"}, "pat"),
        ({"baseUrl": "https://jira.example", "pat": "pät"}, "pat"),
        ({"baseUrl": "https://jira.example", "comments": False, "restrictedComments": True}, "restrictedComments"),
        ({"baseUrl": "https://jira.example", "maxIssues": 0}, "maxIssues"),
        ({"baseUrl": "https://jira.example", "attachmentMaxMb": 501}, "attachmentMaxMb"),
        ({"baseUrl": "https://jira.example", "ocrLanguages": "eng;rm"}, "ocrLanguages"),
        ({"baseUrl": "https://jira.example", "jqll": "x"}, "jqll"),
    ],
)  # fmt: skip
def test_settings_that_can_not_be(given: dict[str, Any], field: str) -> None:
    with pytest.raises(InvalidOptions) as refused:
        clean_options(JiraSettings, given)
    assert list(refused.value.errors) == [field]


def test_secrets_are_sealed_and_the_address_is_tidied() -> None:
    clean = clean_options(
        JiraSettings,
        {"baseUrl": " https://x.example/jira/ ", "email": "a@b.example", "token": "t0"},
    )
    assert clean["base_url"] == "https://x.example/jira"
    assert "t0" not in str(clean)
    assert JiraConnector().name_for({"base_url": "https://x.example/j", "jql": ""}) == "Jira x.example: all issues"  # fmt: skip


@pytest.mark.parametrize(
    ("asked", "everything", "changed"),
    [
        ("", "project is not EMPTY ORDER BY key ASC", "updated >= 5 ORDER BY key ASC"),
        ("a = 1", "a = 1 ORDER BY key ASC", "(a = 1) AND updated >= 5 ORDER BY key ASC"),
        ("a = 1 or b = 2", "a = 1 or b = 2 ORDER BY key ASC", "(a = 1 or b = 2) AND updated >= 5 ORDER BY key ASC"),
        ("a = 1  Order  By  rank", "a = 1 ORDER BY rank", "(a = 1) AND updated >= 5 ORDER BY rank"),
        ('text ~ "x order by y"', 'text ~ "x order by y" ORDER BY key ASC', '(text ~ "x order by y") AND updated >= 5 ORDER BY key ASC'),
        (r"text ~ 'it\'s' order by b", r"text ~ 'it\'s' ORDER BY b", r"(text ~ 'it\'s') AND updated >= 5 ORDER BY b"),
        ("ORDER BY created", "project is not EMPTY ORDER BY created", "updated >= 5 ORDER BY created"),
        ("reorder = byte", "reorder = byte ORDER BY key ASC", "(reorder = byte) AND updated >= 5 ORDER BY key ASC"),
    ],
)  # fmt: skip
def test_the_jql_is_taken_as_it_is(asked: str, everything: str, changed: str) -> None:
    assert jql.everything(asked) == everything
    assert jql.changed_since(asked, 5) == changed


def test_an_attachment_url_is_made_here_not_taken(jira: Jira) -> None:
    with Client(base_url=jira.url, policy=POLICY, **login(jira)) as connected:
        found = api.connect(connected)
        path = found.attachment_path({"id": "7/../8", "filename": "a b/../c.txt"})
        assert "/../" not in path
        assert isinstance(connected.get_with_head("/rest/api/2/serverInfo")[1], Answer)
        with pytest.raises(JiraError, match="no_jira_here"):
            connected.get("/rest/api/9/nothing")
