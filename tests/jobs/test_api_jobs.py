"""Lists, submissions, actions and deletions over REST: every filter, key and refusal has its effect."""

from __future__ import annotations

import io
import json
import zipfile
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from rest_framework.test import APIClient

import tests.kinds.engine  # noqa: F401  (registers the test-only kinds)
from jobs import events, services
from jobs.access import Role
from jobs.models import Attempt, Job, Status
from jobs.roles import put_in
from tests.factories import AttemptFactory, ScheduleFactory
from tests.fixtures.web import Web
from tests.jobs.conftest import bearer, stored_artifact, stored_job
from tests.jobs.test_api import client_of, problem_of

pytestmark = pytest.mark.django_db


def names(response: Any) -> list[str]:
    assert response.status_code == 200, response.content
    return [row["name"] for row in response.json()["results"]]


# The list


def test_each_filter_narrows_the_list(people: dict[str, User]) -> None:
    alice, root = people["owner"], people["superuser"]
    parent = stored_job(owner=alice, name="parent", kind="test.sleeps")
    schedule = ScheduleFactory(owner=alice)
    child = stored_job(
        owner=alice, name="child", parent=parent, schedule=schedule, tags=["smoke", "nightly"]
    )
    stored_job(owner=root, name="roots", status=Status.FAILED, error="Broken pipe", tags=["smoke"])
    client = client_of(root)
    assert names(client.get("/api/jobs")) == ["roots", "child", "parent"]
    for query, expected in {
        "status=failed": ["roots"],
        "status=failed,queued": ["roots", "child", "parent"],
        "kind=test.sleeps": ["parent"],
        "owner=alice": ["child", "parent"],
        "owner=me": ["roots"],
        "owner=nobody-there": [],
        "tag=smoke": ["roots", "child"],
        "tag=smoke&tag=nightly": ["child"],
        f"parent={parent.pk}": ["child"],
        f"schedule={schedule.pk}": ["child"],
        "q=broken": ["roots"],
        "q=CHIL": ["child"],
        f"q={child.pk}": ["child"],
        "q=smoke": [],
        "q=child&status=failed": [],
    }.items():
        assert names(client.get(f"/api/jobs?{query}")) == expected, query
    assert client.get("/api/jobs?q=child").json()["searchLimited"] is False


def test_the_time_range_is_of_creation(people: dict[str, User]) -> None:
    client = client_of(people["owner"])
    job = stored_job(owner=people["owner"], name="now")
    before = (job.created_at - timedelta(seconds=1)).isoformat().replace("+", "%2B")
    after = (job.created_at + timedelta(seconds=1)).isoformat().replace("+", "%2B")
    assert names(client.get(f"/api/jobs?createdAfter={before}&createdBefore={after}")) == ["now"]
    assert names(client.get(f"/api/jobs?createdAfter={after}")) == []
    assert names(client.get(f"/api/jobs?createdBefore={before}")) == []


@pytest.mark.parametrize(
    "ordering", ["createdAt", "-createdAt", "priority", "-priority", "finishedAt", "-finishedAt"]
)
def test_every_ordering_pages_both_ways_without_loss(
    people: dict[str, User], ordering: str
) -> None:
    owner = people["owner"]
    now = timezone.now()
    for number in range(11):
        stored_job(
            owner=owner,
            name=str(number),
            status=Status.SUCCEEDED,
            priority=number % 2,
            finished_at=now - timedelta(seconds=number // 4),
        )
    stored_job(owner=owner, name="waiting", priority=5)
    client = client_of(owner)
    column = {"createdAt": "id", "priority": "priority", "finishedAt": "finished_at"}[
        ordering.strip("-")
    ]
    sign = "-" if ordering.startswith("-") else ""
    rows = Job.objects.order_by(sign + column, sign + "id")
    if column == "finished_at":
        rows = rows.filter(finished_at__isnull=False)
    expected = [job.name for job in rows]
    seen: list[list[str]] = []
    url = f"/api/jobs?ordering={ordering}&limit=4"
    pages = []
    while url:
        page = client.get(url)
        seen.append(names(page))
        pages.append(page.json())
        url = page.json()["next"]
        stored_job(owner=people["other"], name="another's")
    assert [name for page in seen for name in page] == expected
    back = []
    url = pages[-1]["previous"]
    while url:
        page = client.get(url)
        back.append(names(page))
        url = page.json()["previous"]
    assert back == seen[-2::-1]


BAD_QUERIES = {
    "status=lost": "status",
    "ordering=name": "ordering",
    "limit=0": "limit",
    "limit=201": "limit",
    "limit=x": "limit",
    "cursor=a": "cursor",
    "cursor=%00": "cursor",
    "cursor=" + "x" * 2001: "cursor",
    "cursor=W10": "cursor",
    "cursor=bnVsbA": "cursor",
    "parent=7": "parent",
    "schedule=7": "schedule",
    "createdAfter=yesterday": "createdAfter",
    "q=" + "x" * 201: "q",
    "q=%00": "q",
    "kind=" + "x" * 81: "kind",
    "stauts=failed": "stauts",
    "kind=a&kind=b": "kind",
}


def test_a_bad_query_names_its_parameter(people: dict[str, User]) -> None:
    client = client_of(people["owner"])
    for query, field in BAD_QUERIES.items():
        response = client.get(f"/api/jobs?{query}")
        assert response.status_code == 400, query
        assert problem_of(response)["errors"].keys() == {field}, query


def test_a_cursor_of_another_ordering_is_refused(people: dict[str, User]) -> None:
    client = client_of(people["owner"])
    for _ in range(3):
        stored_job(owner=people["owner"])
    following = client.get("/api/jobs?limit=1").json()["next"]
    cursor = following.partition("cursor=")[2].partition("&")[0]
    answer = client.get(f"/api/jobs?limit=1&ordering=priority&cursor={cursor}")
    assert problem_of(answer)["errors"].keys() == {"cursor"}


# Submitting


def submit(client: APIClient, *, key: str = "", **body: Any) -> Any:
    headers = {"Idempotency-Key": key} if key else {}
    return client.post("/api/jobs", {"kind": "test.noop", **body}, headers=headers)


def test_a_job_is_submitted_with_all_that_was_said(people: dict[str, User]) -> None:
    client = client_of(people["owner"])
    later = (timezone.now() + timedelta(hours=1)).replace(microsecond=0)
    answer = submit(
        client,
        kind="test.reports",
        options={"text": "hi", "secret": "hunter2"},
        name="<b>Größe</b> 日本",
        tags=["a", "b"],
        priority=3,
        runAfter=later.isoformat(),
    )
    assert answer.status_code == 202, answer.content
    shown = answer.json()
    assert answer["Location"] == f"/api/jobs/{shown['id']}"
    assert shown == client.get(answer["Location"]).json()
    assert (shown["name"], shown["tags"], shown["priority"]) == ("<b>Größe</b> 日本", ["a", "b"], 3)
    assert shown["options"]["text"] == "hi"
    assert "hunter2" not in answer.content.decode()
    assert shown["runAfter"] == later.strftime("%Y-%m-%dT%H:%M:%S.000Z")


def test_a_submission_sent_twice_is_one_job(people: dict[str, User]) -> None:
    client = client_of(people["owner"])
    first = submit(client, key="k-1", options={})
    again = submit(client, key="k-1", options={})
    assert (first.status_code, again.status_code) == (202, 200)
    assert again.json() == first.json()
    assert Job.objects.count() == 1
    other = submit(client, key="k-1", name="another")
    assert other.status_code == 422
    assert problem_of(other)["code"] == "idempotency_conflict"
    assert submit(client_of(people["other"]), key="k-1", options={}).status_code == 202


def test_a_preset_is_used_by_name(people: dict[str, User]) -> None:
    services.save_preset(
        kind="test.reports", name="greeting", options={"text": "hello"}, by=people["superuser"]
    )
    client = client_of(people["owner"])
    shown = submit(client, kind="test.reports", preset="greeting").json()
    assert (shown["options"]["text"], shown["preset"]) == ("hello", "greeting")
    unknown = submit(client, kind="test.reports", preset="none")
    assert problem_of(unknown)["code"] == "unknown_preset"


BAD_SUBMISSIONS: list[tuple[dict[str, Any], str]] = [
    ({"kind": "x" * 81}, "kind"),
    ({"options": []}, "options"),
    ({"options": "x"}, "options"),
    ({"options": None}, "options"),
    ({"options": {"nope": 1}}, "nope"),
    ({"tags": [f"t{n}" for n in range(10_000)]}, "tags"),
    ({"tags": "smoke"}, "tags"),
    ({"tags": [1]}, "tags"),
    ({"tags": ["x" * 1000]}, "tags"),
    ({"tags": ["a\0b"]}, "tags"),
    ({"name": "x" * 201}, "name"),
    ({"name": "a\0b"}, "name"),
    ({"name": {"a": 1}}, "name"),
    ({"priority": 10**20}, "priority"),
    ({"priority": "high"}, "priority"),
    ({"runAfter": "tomorrow"}, "runAfter"),
    ({"runAfter": "9999-12-31T23:59:59Z"}, "runAfter"),
    ({"pirority": 1}, "pirority"),
    ({"preset": 5 * "x" * 80}, "preset"),
]


def test_a_bad_submission_names_its_field(people: dict[str, User]) -> None:
    client = client_of(people["owner"])
    for body, field in BAD_SUBMISSIONS:
        answer = submit(client, **body)
        assert answer.status_code == 400, (body, answer.content)
        assert problem_of(answer)["errors"].keys() == {field}, body
    assert problem_of(client.post("/api/jobs", {}))["errors"].keys() == {"kind"}
    assert problem_of(submit(client, kind="no.such"))["code"] == "unknown_kind"
    assert problem_of(submit(client, key="a b"))["status"] == 400
    assert Job.objects.count() == 0


@pytest.mark.parametrize(
    ("body", "content_type", "status"),
    [
        ("{", "application/json", 400),
        ("[]", "application/json", 400),
        ("7", "application/json", 400),
        ('{"kind": NaN}', "application/json", 400),
        ('{"kind": "test.noop", "priority": 1e999}', "application/json", 400),
        ('{"kind": "\\ud800"}', "application/json", 400),
        ("[" * 100_000, "application/json", 400),
        (b"\xff\xfe", "application/json", 400),
        ("<kind/>", "application/xml", 415),
        ("kind: test.noop", "text/plain", 415),
        ('{"kind": "' + "x" * 3_000_000 + '"}', "application/json", 413),
        ("kind=" + "x" * 3_000_000, "application/x-www-form-urlencoded", 413),
        ("x", "multipart/form-data", 400),
        ("x", "multipart/form-data; boundary=y", 400),
    ],
    ids=range(14),
)
def test_a_body_that_is_none_is_a_problem(
    people: dict[str, User], body: Any, content_type: str, status: int
) -> None:
    answer = client_of(people["owner"]).generic(
        "POST", "/api/jobs", body, content_type=content_type
    )
    assert answer.status_code == status, answer.content[:300]
    problem_of(answer)


def test_a_form_submits_too(people: dict[str, User]) -> None:
    answer = client_of(people["owner"]).generic(
        "POST",
        "/api/jobs",
        "kind=test.reports&options=%7B%22text%22%3A+%22hi%22%7D&tags=%5B%22a%22%5D",
        content_type="application/x-www-form-urlencoded",
    )
    assert answer.status_code == 202, answer.content
    assert (answer.json()["options"]["text"], answer.json()["tags"]) == ("hi", ["a"])


# Actions and deletion


def act(client: APIClient, job: Job, type: str, payload: Any = None) -> Any:
    body = {"type": type} if payload is None else {"type": type, "payload": payload}
    return client.post(f"/api/jobs/{job.pk}/actions", body)


def test_actions_do_what_they_say(people: dict[str, User]) -> None:
    client = client_of(people["owner"])
    job = stored_job(owner=people["owner"], name="A")
    edited = act(client, job, "edit_metadata", {"name": "B", "tags": ["x"]})
    assert edited.status_code == 200, edited.content
    assert edited.json().keys() == {"success", "message", "jobId", "actionType", "timestamp"}
    assert names(client.get("/api/jobs?q=B&tag=x")) == ["B"]
    cancelled = act(client, job, "cancel", {"reason": "enough"}).json()
    assert (cancelled["success"], cancelled["actionType"]) == (True, "cancel")
    assert client.get(f"/api/jobs/{job.pk}").json()["status"] == "cancelled"
    rerun = act(client, job, "rerun").json()
    assert names(client.get(f"/api/jobs?parent={job.pk}")) == ["B"]
    assert client.get(f"/api/jobs/{rerun['newJobId']}").json()["parentId"] == str(job.pk)


def test_actions_that_can_not_be_are_refused(people: dict[str, User]) -> None:
    client = client_of(people["owner"])
    job = stored_job(owner=people["owner"], status=Status.SUCCEEDED)
    over = act(client, job, "cancel")
    assert (over.status_code, problem_of(over)["status"]) == (422, 422)
    unknown = act(client, job, "fly")
    assert (unknown.status_code, problem_of(unknown)["code"]) == (400, "unknown_action")
    assert problem_of(act(client, job, "rerun", [1]))["errors"].keys() == {"payload"}
    assert problem_of(act(client, job, "rerun", {"nope": 1}))["errors"].keys() == {"nope"}
    none = client.post(f"/api/jobs/{job.pk}/actions", {})
    assert problem_of(none)["errors"].keys() == {"type"}
    assert act(client_of(people["other"]), job, "rerun").status_code == 404


def test_what_is_shared_may_be_seen_and_not_touched(people: dict[str, User]) -> None:
    job = stored_job(owner=people["owner"], status=Status.SUCCEEDED, shared=True)
    other = client_of(people["other"])
    assert other.get(f"/api/jobs/{job.pk}").status_code == 200
    assert names(other.get("/api/jobs?q=job")) == ["A job"]
    for answer in (
        act(other, job, "edit_metadata", {"name": "mine now"}),
        other.delete(f"/api/jobs/{job.pk}"),
        other.post(f"/api/jobs/{job.pk}/cancel"),
    ):
        assert answer.status_code == 403
        problem_of(answer)
    # A run of one's own changes nothing of another's.
    again = act(other, job, "rerun")
    assert again.status_code == 200
    assert other.get(f"/api/jobs/{again.json()['newJobId']}").json()["ownerName"] == "bob"


def test_a_viewer_reads_and_does_nothing(people: dict[str, User]) -> None:
    put_in(user=people["owner"], role=Role.VIEWER)
    client = client_of(people["owner"])
    job = stored_job(owner=people["owner"])
    assert client.get(f"/api/jobs/{job.pk}").status_code == 200
    for answer in (
        submit(client),
        act(client, job, "cancel"),
        client.delete(f"/api/jobs/{job.pk}"),
    ):
        assert answer.status_code == 403


def test_a_job_that_ended_is_deleted_with_all_it_has(people: dict[str, User]) -> None:
    client = client_of(people["owner"])
    job = stored_job(owner=people["owner"], status=Status.SUCCEEDED)
    stored_artifact(job, path="a.txt", body=b"x", content_type="text/plain")
    waiting = stored_job(owner=people["owner"])
    refused = client.delete(f"/api/jobs/{waiting.pk}")
    assert (refused.status_code, problem_of(refused)["code"]) == (422, "job_not_ended")
    assert client.delete(f"/api/jobs/{job.pk}?reason=old").status_code == 204
    assert client.get(f"/api/jobs/{job.pk}").status_code == 404
    assert client.delete(f"/api/jobs/{job.pk}").status_code == 404


def test_what_can_be_submitted_is_described(people: dict[str, User]) -> None:
    answer = client_of(people["owner"]).get("/api/config/job-options")
    assert answer["Cache-Control"] == "private, max-age=60"
    kinds = {kind["name"]: kind for kind in answer.json()["kinds"]}
    assert "text" in kinds["test.reports"]["optionsSchema"]["properties"]
    assert {"cancel", "rerun", "edit_metadata"} <= {
        action["type"] for action in kinds["test.noop"]["supportedActions"]
    }


# Log, attempts, archive


def logged(job: Job, *lines: str, attempt: int = 1, stream: str = "stdout") -> None:
    events.emit(
        job_id=job.pk, type="log", data={"stream": stream, "lines": list(lines)}, attempt=attempt
    )


def test_the_log_is_plain_text_that_can_be_resumed(people: dict[str, User]) -> None:
    client = client_of(people["owner"])
    job = stored_job(owner=people["owner"])
    for number in range(250):
        logged(job, f"{number} a", "<b>ü</b>", attempt=1 + number // 200)
    logged(job, "oops", stream="stderr", attempt=2)

    def read(query: str = "") -> list[str]:
        response = client.get(f"/api/jobs/{job.pk}/log{query}")
        assert response["Content-Type"] == "text/plain; charset=utf-8"
        return b"".join(response.streaming_content).decode().splitlines()

    whole = read()
    assert len(whole) == 501
    assert whole[:3] == ["0 a", "<b>ü</b>", "1 a"]
    assert read("?attempt=2") == whole[400:]
    assert read("?stream=stderr") == ["oops"]
    assert read("?attempt=1&stream=stderr") == []
    for had in (0, 1, 2, 399, 401, 501, 600):
        assert read(f"?after={had}") == whole[had:]
    assert problem_of(client.get(f"/api/jobs/{job.pk}/log?attempt=0"))["errors"].keys() == {
        "attempt"
    }
    named = client.get(f"/api/jobs/{job.pk}/log?download=1")
    assert named["Content-Disposition"] == f'attachment; filename="job-{job.pk}.log"'


def test_attempts_are_listed_in_order(people: dict[str, User]) -> None:
    client = client_of(people["owner"])
    job = stored_job(owner=people["owner"])
    for number in (2, 1, 3):
        AttemptFactory(job=job, number=number, outcome=Attempt.Outcome.CRASHED, error="died")
    page = client.get(f"/api/jobs/{job.pk}/attempts?limit=2").json()
    assert [row["number"] for row in page["results"]] == [1, 2]
    assert page["results"][0]["error"] == "died"
    rest = client.get(page["next"]).json()
    assert [row["number"] for row in rest["results"]] == [3]


def test_all_artifacts_come_in_one_zip(people: dict[str, User]) -> None:
    client = client_of(people["owner"])
    job = stored_job(owner=people["owner"], name="Ä/b")
    assert client.get(f"/api/jobs/{job.pk}/artifacts.zip").status_code == 404
    big = bytes(range(256)) * 4000
    stored_artifact(job, path="pictures/ä.png", body=big, content_type="image/png")
    stored_artifact(job, path="a.txt", body=b"hello", content_type="text/plain")
    stored_artifact(job, path="hidden.txt", body=b"no", content_type="text/plain", visible=False)
    gone = stored_artifact(job, path="gone.txt", body=b"x", content_type="text/plain")
    gone.storage_name = "jobs/gone"
    gone.save()
    answer = client.get(f"/api/jobs/{job.pk}/artifacts.zip")
    assert answer["Content-Type"] == "application/zip"
    assert answer["Content-Disposition"].startswith("attachment; filename")
    chunks = list(answer.streaming_content)
    assert max(map(len, chunks)) < 300_000
    with zipfile.ZipFile(io.BytesIO(b"".join(chunks))) as archive:
        assert archive.testzip() is None
        assert archive.read("pictures/ä.png") == big
        assert archive.read("a.txt") == b"hello"
        assert sorted(archive.namelist()) == ["_missing.txt", "a.txt", "pictures/ä.png"]
        assert b"gone.txt" in archive.read("_missing.txt")


def test_lists_cost_the_same_however_long(people: dict[str, User]) -> None:
    client = client_of(people["owner"])
    job = stored_job(owner=people["owner"], tags=["t"], name="flow")
    urls = [
        "/api/jobs",
        "/api/jobs?q=flow",
        "/api/jobs?tag=t",
        "/api/jobs?status=queued&ordering=-priority",
        f"/api/jobs/{job.pk}/events",
        f"/api/jobs/{job.pk}/attempts",
        f"/api/jobs/{job.pk}/artifacts",
    ]

    def costs() -> list[int]:
        found = []
        for url in urls:
            with CaptureQueriesContext(connection) as queries:
                assert client.get(url).status_code == 200
            found.append(len(queries))
        return found

    one = costs()
    for number in range(50):
        stored_job(owner=people["owner"], tags=["t"], name="flow")
        logged(job, "x")
        AttemptFactory(job=job, number=number + 1)
        stored_artifact(job, path=f"{number}", body=b"", content_type="text/plain")
    assert costs() == one


def test_a_log_is_followed_to_the_end_of_the_job(web: Web, owner: User) -> None:
    import httpx

    job = stored_job(owner=owner, status=Status.RUNNING)
    logged(job, "one", "two")
    url = f"{web.url}/api/jobs/{job.pk}/log"
    headers = {"Authorization": bearer(owner)}
    from tests.jobs.conftest import end_job

    with httpx.stream(
        "GET", url, params={"follow": "1", "after": "1"}, headers=headers, timeout=30
    ) as answer:
        lines = answer.iter_lines()
        assert next(lines) == "two"
        events.emit(job_id=job.pk, type="page.read", data={}, attempt=1)
        logged(job, "three")
        assert next(lines) == "three"
        logged(job, "four", stream="stderr")
        end_job(job)
        assert list(lines) == ["four"]
    again = httpx.get(url, params={"follow": "1"}, headers=headers)
    assert again.text == "one\ntwo\nthree\nfour\n"
    plain = httpx.get(url, headers=headers)
    assert plain.text == again.text
    stored_artifact(job, path="a.txt", body=b"hello", content_type="text/plain")
    packed = httpx.get(f"{web.url}/api/jobs/{job.pk}/artifacts.zip", headers=headers)
    with zipfile.ZipFile(io.BytesIO(packed.content)) as archive:
        assert archive.read("a.txt") == b"hello"


# Cursors of the event streams


@pytest.mark.parametrize("cursor", ["2", "999999"])
def test_a_cursor_from_the_future_is_refused(people: dict[str, User], cursor: str) -> None:
    job = stored_job(owner=people["owner"])
    for wanted in (str(job.pk), "*"):
        if wanted == "*" and cursor == "2":
            continue
        answer = client_of(people["owner"]).get(f"/api/jobs/events?job={wanted}&after={cursor}")
        assert answer.status_code == 400
        said = problem_of(answer)
        assert (said["code"], set(said["errors"])) == ("cursor_ahead", {"after"})


def test_a_position_survives_deletions(database: str, owner: User) -> None:
    from jobs import feed, subscriptions

    job = stored_job(owner=owner, status=Status.SUCCEEDED)
    last = job.events.get().pk
    assert feed.read_last_id() >= last
    job.events.all().delete()
    assert subscriptions.select(user=owner, job="*", after=str(last)).position is not None
    with pytest.raises(subscriptions.CursorAhead):
        subscriptions.select(user=owner, job="*", after=str(last + 1000))
    assert json.dumps(feed.read_last_id())
