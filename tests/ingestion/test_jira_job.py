"""A Jira source in the console's own hands: by the API, in a real worker, killed in the middle."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from django.contrib.auth.models import User

from ingestion import sources
from ingestion.models import Chunk, Source, SourceDocument
from jobs.models import Job, Status
from tests.fixtures.jobs import end_worker, fork_worker, wait_until_ended
from tests.ingestion.jira_index import login
from tests.ingestion.killing import assert_whole, sync_and_kill
from tests.jira import Jira, Project
from tests.jobs.test_api import client_of


@pytest.fixture
def jira() -> Iterator[Jira]:
    with Jira(Project(30)) as jira:
        yield jira


def made(jira: Jira, owner: User, **more: Any) -> Source:
    given = {"baseUrl": jira.url, **login(jira), "jql": "project in (SHOP, PAY)", **more}
    return sources.create(kind="jira", settings=given, by=owner)


def run(job: Job) -> Job:
    worker = fork_worker()
    try:
        return wait_until_ended(job, timeout_s=60)
    finally:
        end_worker(worker)


def test_one_request_makes_issues_findable(database: str, jira: Jira, owner: User) -> None:
    body = {"baseUrl": jira.url, **login(jira), "jql": "project = SHOP"}
    answer = client_of(owner).post("/api/ingest/jira", body, format="json")
    assert answer.status_code == 202, answer.json()
    ended = run(Job.objects.get(pk=answer.json()["jobId"]))
    assert ended.status == Status.SUCCEEDED, ended.error
    source = Source.objects.get()
    issues = [each for each in jira.project.issues.values() if each.project == "SHOP"]
    files = [file for each in issues for file in each.files]
    assert source.last_added == len(issues) + len(files)
    assert "token-of-ada" not in str(source.settings)
    first = next(each for each in issues if each.comments and each.type == "Bug")
    document = SourceDocument.objects.get(key=str(first.id))
    assert document.title.startswith(f"{first.key} ")
    [comment] = Chunk.objects.filter(document=document, anchor=f"comment-{first.comments[0].id}")
    assert comment.heading_path[-2] == "Comments"
    child = SourceDocument.objects.filter(kind="attachment").select_related("parent").first()
    assert child is not None
    assert child.parent is not None
    assert child.key.startswith(f"{child.parent.key}/attachment/")
    # The same request means the same source: what did not change is not fetched again.
    jira.project.comment(first.key, "A word that was not there: quixotry.")
    again = client_of(owner).post("/api/ingest/jira", body, format="json")
    assert run(Job.objects.get(pk=again.json()["jobId"])).status == Status.SUCCEEDED
    source = Source.objects.get()
    assert (source.last_added, source.last_changed) == (0, 1)
    assert Chunk.objects.filter(document=document, text__contains="quixotry").exists()


def test_a_wrong_jql_fails_the_job_in_jiras_words(jira: Jira, owner: User) -> None:
    source = made(jira, owner, jql="project = NOPE")
    ended = run(sources.sync(source=source, by=owner))
    assert (ended.status, ended.reason) == (Status.FAILED, "jql_refused")
    assert "The value 'NOPE' does not exist for the field 'project'." in ended.error
    report = sources.try_connection(kind="jira", settings={}, by=owner, source=source)
    assert [each.field for each in report.problems] == ["jql"]


def test_a_killed_worker_loses_and_doubles_nothing(
    database: str, jira: Jira, owner: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    jira.page_limit = 5
    jira.pause_s = 0.05
    source = made(jira, owner)
    job = sync_and_kill(source=source, by=owner, monkeypatch=monkeypatch, after=12)
    assert job.status == Status.SUCCEEDED, job.error
    keys = [str(each) for each in jira.project.issues]
    keys += [
        f"{n}/attachment/{f.id}" for n, each in jira.project.issues.items() for f in each.files
    ]
    assert_whole(source=source, job=job, keys=keys)
    source.refresh_from_db()
    assert source.cursor["updated_from"]
    # Going on does not mean beginning again: what was kept was not downloaded twice.
    files = [each.path for each in jira.asked("/rest/api/3/attachment/content/")]
    assert len(files) < 2 * len(set(files))
