"""Syncs of a Jira of either sort: what is found, what changed, what moved, what is gone."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from ingestion.content import SyncFailed
from ingestion.jira import client
from tests.documents import samples
from tests.ingestion.jira_index import Index
from tests.jira import Jira, Project
from tests.jira.texts import words

Make = Callable[..., Index]

# What does not depend on which API is spoken is tried with one.
cloud_alone = pytest.mark.parametrize("jira", ["cloud"], indirect=True)


@pytest.fixture(params=["cloud", "server"])
def jira(request: pytest.FixtureRequest) -> Iterator[Jira]:
    with Jira(Project(12), deployment=request.param) as jira:
        yield jira


@pytest.fixture
def index(jira: Jira, tmp_path: Path) -> Make:
    """`index(jql=…)`: an empty index of the Jira with these settings; attachments where asked for."""
    return lambda **more: Index(jira, tmp_path, **{"attachments": False, **more})


@pytest.fixture(autouse=True)
def _no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    """The clock: waits are asked for, and over."""
    clock = [0.0]

    def sleep(seconds: float) -> None:
        clock[0] += seconds

    monkeypatch.setattr(client, "sleep", sleep)
    monkeypatch.setattr(client, "monotonic", lambda: clock[0])


def test_every_issue_comment_and_attachment_is_found(jira: Jira, index: Make) -> None:
    there = index(attachments=True)
    issues = jira.project.issues.values()
    files = [file for issue in issues for file in issue.files]
    assert files
    assert there.sync() == {"added": len(issues) + len(files)}
    assert len(there.titles("issue")) == 12
    for issue in issues:
        text = " ".join(there.text(f"{issue.key} ").split())
        said = [*words(issue.text), *words(issue.criteria), issue.summary]
        said += [word for comment in issue.comments for word in words(comment.text)]
        for each in said:
            assert " ".join(each.split()) in text, issue.key
    log = there.documents[next(key for key in there.documents if "/attachment/" in key)]
    assert log.title.startswith("console.log (")
    assert "order 77-" in log.structure.text
    # Pages of two issues, and of one comment, lose none.
    jira.page_limit = jira.key_page_limit = 2
    jira.embedded = 1
    again = index(attachments=True)
    again.sync()
    assert {key: each.structure.text for key, each in again.documents.items()} == {
        key: each.structure.text for key, each in there.documents.items()
    }


def test_an_issue_says_its_fields_its_place_and_its_labels(jira: Jira, index: Make) -> None:
    issue = jira.project.add(
        summary="Voucher is lost",
        text=[("h", 1, "What happens"), ("p", "It is gone."), ("table", [["a", "b"], ["1", "2"]])],
    )
    jira.project.edit(
        issue.key, points=5, assignee="grace", labels=["mobile"], sprint="Sprint 9",
        blocks=[next(iter(jira.project.issues))], criteria=[("ol", ["It stays", "It prints"])],
    )  # fmt: skip
    comment = jira.project.comment(issue.key, "Still so today.")
    there = index(fields=["Story Points", "assignee", "SPRINT", "customfield_10022", "Linked Issues",
                          "created", "Acceptance criteria"])  # fmt: skip
    there.sync()
    found = there.of("SHOP-10 Voucher is lost")
    blocked = next(iter(jira.project.issues.values()))
    assert found.url == f"{jira.url}/browse/SHOP-10"
    assert found.labels == ("mobile", "project:SHOP", "type:Bug", "status:Open", "component:Cart")
    assert found.changed_at is not None
    assert int(found.changed_at.timestamp() * 1000) == comment.created_ms
    headings = [(block.level, block.text, block.anchor) for block in found.structure.headings()]
    assert headings[:5] == [
        (1, "SHOP-10 Voucher is lost", ""),
        (2, "Description", ""),
        (3, "What happens", ""),
        (2, "Acceptance criteria", ""),
        (2, "Comments", ""),
    ]
    assert headings[5][1].startswith("Grace Hopper, 20")
    assert headings[5][2] == f"comment-{comment.id}"
    facts = next(block.text for block in found.structure.blocks if block.kind == "paragraph")
    assert facts.startswith(
        "Story Points: 5\nAssignee: Grace Hopper\nSprint: Sprint 9\nTeam: Web › Cart\n"
        f"Linked Issues: blocks {blocked.key} {blocked.summary}\nCreated: 20"
    )
    assert facts.endswith(" UTC")
    assert [cell.text for cell in found.structure.tables[0].cells] == ["a", "b", "1", "2"]


def test_what_changed_is_fetched_and_the_rest_is_not(jira: Jira, index: Make) -> None:
    there = index(overlapMinutes=0, attachments=True)
    there.sync()
    n_known = len(there.known)
    jira.seen.clear()
    assert there.sync() == {"unchanged": n_known}
    bodies = [each for each in jira.asked("/rest/api/") if each.body and len(each.body.get("fields", ())) > 1]  # fmt: skip
    assert len(bodies) == 1
    assert "updated >= " in bodies[0].body["jql"]
    assert '"' not in bodies[0].body["jql"]
    jira.project.edit("SHOP-2", summary="Renamed")
    jira.project.comment("SHOP-3", "One more thing.")
    jira.project.add(summary="Brand new")
    jira.project.attach("SHOP-3", "more.txt", b"appended words", "text/plain")
    assert there.sync() == {"changed": 2, "added": 2, "unchanged": n_known - 2}
    assert there.of("SHOP-2").title == "SHOP-2 Renamed"
    assert "One more thing." in there.text("SHOP-3")
    assert there.text("more.txt").strip() == "appended words"


@cloud_alone
def test_an_overlap_sees_what_jiras_index_showed_late(jira: Jira, index: Make) -> None:
    there = index(overlapMinutes=30)
    there.sync()
    # Changed before the last sync began, but found only now.
    late = jira.project.edit("SHOP-2", summary="Late")
    late.updated_ms -= 20 * 60_000
    assert there.sync()["changed"] == 1
    without = index(overlapMinutes=0)
    without.sync()
    late = jira.project.edit("SHOP-2", summary="Later")
    late.updated_ms -= 20 * 60_000
    assert without.sync()["changed"] == 0


def test_the_cursor_goes_by_jiras_clock(jira: Jira, index: Make) -> None:
    jira.clock_ms = 1_500_000_000_000
    there = index()
    there.sync()
    assert there.cursor["updated_from"] == jira.clock_ms


def test_deleted_issues_and_attachments_go(jira: Jira, index: Make) -> None:
    issue = jira.project.add(summary="With files")
    for name in ("a.txt", "b.txt"):
        jira.project.attach(issue.key, name, b"words", "text/plain")
    there = index(overlapMinutes=0, attachments=True, jql="created >= 0 AND type = Bug")
    there.sync()
    n_known = len(there.known)
    jira.project.detach(issue.key, "a.txt")
    # The issue changed too: it names its attachments.
    assert there.sync() == {"changed": 1, "removed": 1, "unchanged": n_known - 2}
    assert f"a.txt ({issue.key})" not in there.titles("attachment")
    jira.project.delete(issue.key)
    assert there.sync() == {"removed": 2, "unchanged": n_known - 3}
    assert str(issue.id) not in there.documents
    assert there.sync() == {"unchanged": n_known - 3}


@cloud_alone
def test_a_moved_issue_keeps_its_place_under_its_new_key(jira: Jira, index: Make) -> None:
    moved = jira.project.add(summary="On the move")
    jira.project.attach(moved.key, "a.txt", b"words", "text/plain")
    there = index(overlapMinutes=0, attachments=True, jql='summary ~ "move" or project = PAY')
    shop = index(overlapMinutes=0, attachments=True, jql=f"key = {moved.key} or labels = x")
    there.sync()
    shop.sync()
    n_known = len(there.known)
    new = jira.project.move(moved.key, "PAY").key
    assert new.startswith("PAY-")
    # The attachment's text is as it was; its labels and its issue's key are not.
    assert there.sync() == {"changed": 1, "unchanged": n_known - 1}
    found = there.documents[str(moved.id)]
    assert found.title == f"{new} On the move"
    assert found.url == f"{jira.url}/browse/{new}"
    assert "project:PAY" in found.labels
    [child] = [each for each in there.documents.values() if each.parent_key == str(moved.id)]
    assert child.title == f"a.txt ({new})"
    assert "project:PAY" in child.labels
    # Out of what the JQL finds: it is gone, with what hangs on it.
    assert shop.sync() == {"removed": 2}


def test_ids_find_what_updated_does_not_tell(jira: Jira, index: Make) -> None:
    there = index(jql="labels = flaky", overlapMinutes=0)
    there.sync()
    issue = next(each for each in jira.project.issues.values() if "flaky" not in each.labels)
    # Within the JQL now, though it did not change: rights do this, and dates in a JQL.
    issue.labels.append("flaky")
    assert there.sync()["added"] == 1
    # A new key without a new `updated`.
    issue.project, issue.number = "PAY", 77
    there.sync()
    assert there.documents[str(issue.id)].title.startswith("PAY-77 ")
    # What goes while the ids are counted is not fetched, and not kept.
    other = next(each for each in jira.project.issues.values() if "flaky" not in each.labels)
    other.labels.append("flaky")
    jira.fail(f"/rest/api/{'3' if jira.cloud else '2'}/issue/{other.id}",
              do=lambda: jira.project.delete(other.key))  # fmt: skip
    assert there.sync()["added"] == 0


def test_an_issue_added_while_ids_are_read_is_not_taken_for_gone(jira: Jira, index: Make) -> None:
    there = index(overlapMinutes=0)
    there.sync()
    before = len(there.titles("issue"))
    path = "/rest/api/3/search/jql" if jira.cloud else "/rest/api/2/search"
    jira.fail(path, after=1, do=lambda: jira.project.add(summary="In between"))
    assert there.sync()["removed"] == 0
    assert len(there.titles("issue")) == before + 1


def test_issues_that_go_between_pages_hide_no_other(jira: Jira, index: Make) -> None:
    jira.page_limit = jira.key_page_limit = 3
    path = "/rest/api/3/search/jql" if jira.cloud else "/rest/api/2/search"
    first = sorted(jira.project.issues.values(), key=lambda each: (each.project, each.number))[:3]

    def delete() -> None:
        for issue in first:
            jira.project.delete(issue.key)

    # The first page has been given (after the count, which Server answers at the same path).
    jira.fail(path, after=1 if jira.cloud else 2, do=delete)
    there = index()
    there.sync()
    left = {str(id) for id in jira.project.issues}
    assert left <= set(there.documents)
    # Those that went after they were seen go with the next sync.
    there.sync()
    assert set(there.documents) == left


def test_a_sync_that_was_cut_off_goes_on(jira: Jira, index: Make) -> None:
    there = index()
    there.sync(stop_after=7)
    assert len(there.known) == 7
    assert there.cursor == {}
    jira.seen.clear()
    counts = there.sync()
    assert counts["unchanged"] == 7
    assert counts["changed"] == counts["removed"] == 0
    whole = index()
    whole.sync()
    assert there.known == whole.known


@cloud_alone
def test_full_fetches_everything_again(jira: Jira, index: Make) -> None:
    there = index(attachments=True)
    there.sync()
    files = sum(len(issue.files) for issue in jira.project.issues.values())
    jira.seen.clear()
    there.known.clear()  # as SyncRun.known answers in a full sync
    there.sync(full=True)
    path = "/rest/api/3/attachment/content/" if jira.cloud else "/secure/attachment/"
    assert len(jira.asked(path)) == files


def test_a_failed_attachment_fails_alone_and_is_retried_alone(jira: Jira, index: Make) -> None:
    issue = jira.project.add(summary="With files")
    for name, content in (("a.txt", b"first words"), ("b.txt", b"second words")):
        jira.project.attach(issue.key, name, content, "text/plain")
    broken = issue.files[0].id
    path = f"/rest/api/3/attachment/content/{broken}" if jira.cloud else f"/secure/attachment/{broken}/"  # fmt: skip
    fault = jira.fail(path, times=99, status=500)
    there = index(attachments=True, jql=f"key = {issue.key}")
    assert there.sync()["failed"] == 1
    [failed] = there.failures.values()
    assert (failed.title, failed.retryable, failed.code) == (
        f"a.txt ({issue.key})",
        True,
        "server_failed",
    )
    assert failed.parent_key == str(issue.id)
    assert there.text("b.txt").strip() == "second words"
    assert "a.txt" in there.text(issue.key)
    fault.times = 0
    jira.seen.clear()
    assert there.sync(only={failed.key}) == {"added": 1}
    assert there.text("a.txt").strip() == "first words"
    assert len(jira.asked(path)) == 1
    assert not jira.asked("/rest/api/3/search") + jira.asked("/rest/api/2/search")
    # Of what is not there any more a retry says so.
    jira.project.delete(issue.key)
    assert there.sync(only={failed.key}) == {"removed": 1}


@cloud_alone
def test_attachments_are_what_they_contain(jira: Jira, index: Make) -> None:
    issue = jira.project.add(summary="Files")
    attach = jira.project.attach
    attach(issue.key, "plan", samples.docx())
    attach(issue.key, "notes", b"just words of a text")
    attach(issue.key, "broken.pdf", b"%PDF-1.7 and then nothing of it", "application/pdf")
    attach(issue.key, "fake.pdf", samples.picture(), "application/pdf")
    attach(issue.key, "locked.pdf", samples.pdf(password="secret"), "application/pdf")
    attach(issue.key, "film.mp4", b"\0\0\0 ftyp", "video/mp4")
    attach(issue.key, "blob", bytes(range(256)))
    attach(issue.key, "empty.txt", b"", "text/plain")
    attach(issue.key, "odd ñäme ?#%.txt", b"found by an odd name", "text/plain")
    there = index(attachments=True, jql=f"key = {issue.key}")
    counts = there.sync()
    assert counts == {"added": 1 + 6, "failed": 3}
    assert "Log in twice" in there.text("plan")
    assert there.text("notes").strip() == "just words of a text"
    assert there.text("odd ").strip() == "found by an odd name"
    codes = {
        each.title.partition(" (")[0]: (each.code, each.retryable)
        for each in there.failures.values()
    }
    assert codes["fake.pdf"] == ("content_mismatch", False)
    assert codes["locked.pdf"] == ("password", False)
    assert codes["broken.pdf"] == ("damaged", False)
    for name in ("film.mp4", "blob"):
        [warning] = there.of(name).structure.warnings
        assert warning.code == "no_reader"
        assert not there.of(name).structure.has_text
    assert not jira.asked(f"/secure/attachment/{issue.files[5].id}")
    assert not list(there.folder.iterdir())


@cloud_alone
def test_how_much_is_taken_is_set(jira: Jira, index: Make) -> None:
    big = jira.project.attach("SHOP-2", "big.txt", b"x" * 1_200_000, "text/plain")
    jira.project.comment("SHOP-2", "For agents only.", role="Agents")
    jira.project.comment("SHOP-2", "For everybody.")
    there = index(attachmentMaxMb=1, attachments=True, jql="key = SHOP-2")
    there.sync()
    [failed] = there.failures.values()
    assert (failed.key.endswith(str(big.id)), failed.code, failed.retryable) == (True, "too_large", False)  # fmt: skip
    assert "attachmentMaxMb" in failed.message
    text = there.text("SHOP-2")
    assert "For everybody." in text
    assert "For agents only." not in text
    assert there.of("SHOP-2").structure.metadata["restrictedCommentsLeftOut"] == "1"
    assert "For agents only." in _synced(index(restrictedComments=True)).text("SHOP-2")
    silent = _synced(index(comments=False))
    assert "For everybody." not in silent.text("SHOP-2")
    assert silent.titles("attachment") == []
    assert "Priority: " in there.text("SHOP-2")
    assert "Priority: " not in _synced(index(fields=[])).text("SHOP-2")
    few = _synced(index(maxIssues=3, jql="project = SHOP order by key desc"))
    assert [title.split()[0] for title in few.titles("issue")] == ["SHOP-7", "SHOP-8", "SHOP-9"]
    assert few.left_out == {"issue_limit": 6}
    jira.project.add(summary="The newest")
    assert few.sync() == {"added": 1, "unchanged": 2, "removed": 1}


@cloud_alone
def test_a_size_that_jira_understates_is_noticed(jira: Jira, index: Make) -> None:
    made = jira.project.attach("SHOP-2", "lies.txt", b"x" * 1_200_000, "text/plain")
    made.said_size = 10
    there = _synced(index(attachmentMaxMb=1, attachments=True, jql="key = SHOP-2"))
    [failed] = there.failures.values()
    assert (failed.title, failed.code, failed.retryable) == (
        "lies.txt (SHOP-2)",
        "too_large",
        False,
    )
    assert "attachmentMaxMb" in failed.message


@cloud_alone
def test_ocr_reads_pictures_when_it_is_asked_for(jira: Jira, index: Make) -> None:
    jira.project.attach("SHOP-2", "shot.png", samples.picture("TOTAL 42"), "image/png")
    there = _synced(index(jql="key = SHOP-2", attachments=True))
    found = there.of("shot.png")
    assert not found.structure.has_text
    assert [warning.code for warning in found.structure.warnings] == ["ocr_off"]
    there.more["ocr"] = True
    there.cursor = {}  # as a change of settings leaves it
    there.sync()
    found = there.of("shot.png")
    assert "42" in found.structure.text or found.structure.warnings[0].code == "ocr_unavailable"


@cloud_alone
def test_settings_that_change_the_text_fetch_all_again(jira: Jira, index: Make) -> None:
    there = index(comments=False)
    there.sync()
    there.more["comments"] = True
    commented = sum(bool(issue.comments) for issue in jira.project.issues.values())
    assert there.sync()["changed"] == commented
    there.more["fields"] = ["Story Points"]
    assert there.sync()["changed"] == 12


def _synced(index: Index) -> Index:
    index.sync()
    return index


def test_a_login_that_ends_in_the_middle_removes_nothing(jira: Jira, index: Make) -> None:
    jira.strangers = True
    there = index(overlapMinutes=0)
    there.sync()
    n_known = len(there.known)
    path = "/rest/api/3/search/jql" if jira.cloud else "/rest/api/2/search"
    jira.fail(path, do=jira.expire_logins)
    with pytest.raises(SyncFailed) as failed:
        there.sync()
    assert failed.value.code == "login_refused"
    assert len(there.known) == n_known


def test_cancel_ends_a_wait(jira: Jira, index: Make) -> None:
    class Cancelled(Exception):
        pass

    path = "/rest/api/3/search/jql" if jira.cloud else "/rest/api/2/search"
    jira.fail(path, times=99, status=429, headers={"Retry-After": "200"})
    there = index()
    looks: list[int] = []

    def check() -> None:
        looks.append(1)
        if there.log and len(looks) > 20:
            raise Cancelled

    with pytest.raises(Cancelled):
        there.sync(check=check)
    assert len(looks) == 21


def pages(jira: Jira) -> Any:
    return jira.asked("/rest/api/3/search/jql")


def test_page_tokens_that_expire_or_never_end(tmp_path: Path) -> None:
    with Jira(Project(12)) as jira:
        jira.page_limit = jira.key_page_limit = 5
        jira.fail("/rest/api/3/search/jql", after=1, do=jira.expire_pages)
        there = Index(jira, tmp_path, attachments=False)
        assert there.sync() == {"added": 12}
        jira.endless = True
        jira.seen.clear()
        assert Index(jira, tmp_path, attachments=False).sync() == {"added": 12}
        # Three pages with issues, and the empty one that ends it.
        assert len(pages(jira)) == 4
