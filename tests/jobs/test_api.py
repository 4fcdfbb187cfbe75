"""The jobs API and logging in: shapes, roles, errors, downloads."""

from __future__ import annotations

import json
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from rest_framework.test import APIClient

from config.models import LoginFailure
from jobs import events
from jobs.models import Job, Status
from tests.jobs.conftest import bearer, stored_artifact, stored_job

pytestmark = pytest.mark.django_db


def client_of(user: User | None) -> APIClient:
    client = APIClient()
    if user is not None:
        client.credentials(HTTP_AUTHORIZATION=bearer(user))
    return client


def problem_of(response: Any) -> dict[str, Any]:
    assert response["Content-Type"] == "application/problem+json"
    body: dict[str, Any] = json.loads(response.content)
    assert body["status"] == response.status_code
    assert {"type", "title", "detail", "code"} <= body.keys()
    return body


ROUTES = [
    ("get", "/api/jobs/{id}", 200),
    ("get", "/api/jobs/{id}/", 200),
    ("get", "/api/jobs/{id}/events", 200),
    ("get", "/api/jobs/{id}/artifacts", 200),
    ("get", "/api/jobs/{id}/artifacts/a.txt", 200),
    ("post", "/api/jobs/{id}/cancel", 200),
    ("get", "/api/jobs/events?job={id}", 200),
]


@pytest.mark.parametrize(("method", "path", "expected"), ROUTES)
@pytest.mark.parametrize(
    ("role", "refusal"),
    [(None, 401), ("nobody", 403), ("other", 404), ("owner", 0), ("superuser", 0)],
)
def test_each_route_serves_the_owner_and_administrators_alone(
    people: dict[str, User], method: str, path: str, expected: int, role: str | None, refusal: int
) -> None:
    job = stored_job(owner=people["owner"])
    stored_artifact(job, path="a.txt", body=b"hello", content_type="text/plain")
    client = client_of(people[role] if role else None)
    response = getattr(client, method)(path.format(id=job.pk))
    assert response.status_code == (refusal or expected)
    if refusal:
        problem_of(response)
    if refusal == 401:
        assert response["WWW-Authenticate"].startswith("Bearer")


def test_the_list_shows_only_what_one_may_see(people: dict[str, User]) -> None:
    mine = stored_job(owner=people["owner"])
    theirs = stored_job(owner=people["other"])

    def ids(who: str) -> list[str]:
        return [row["id"] for row in client_of(people[who]).get("/api/jobs").json()["results"]]

    assert ids("owner") == [str(mine.pk)]
    assert ids("superuser") == [str(theirs.pk), str(mine.pk)]
    assert client_of(None).get("/api/jobs").status_code == 401
    assert client_of(people["nobody"]).get("/api/jobs").status_code == 403


def test_a_job_reads_as_its_events_carry_it(people: dict[str, User]) -> None:
    job = stored_job(owner=people["owner"])
    shown = client_of(people["owner"]).get(f"/api/jobs/{job.pk}").json()
    assert shown == json.loads(json.dumps(events.job_dto(job)))
    assert shown["ownerName"] == "alice"
    assert shown["lastSeq"] == 1


def test_the_list_filters_and_pages_without_losing_a_job(people: dict[str, User]) -> None:
    client = client_of(people["owner"])
    jobs = [stored_job(owner=people["owner"], status=status) for status in Status for _ in range(3)]
    failed = client.get("/api/jobs?status=failed,cancelled").json()["results"]
    assert {row["status"] for row in failed} == {"failed", "cancelled"}
    assert len(failed) == 6
    assert client.get("/api/jobs?kind=test.other").json()["results"] == []
    seen: list[str] = []
    page = client.get("/api/jobs?limit=4").json()
    while True:
        seen += [row["id"] for row in page["results"]]
        if page["next"] is None:
            break
        stored_job(owner=people["owner"])  # what is added meanwhile moves no page
        page = client.get(page["next"]).json()
    assert seen == [str(job.pk) for job in reversed(jobs)]
    assert "status" in problem_of(client.get("/api/jobs?status=lost"))["errors"]


@pytest.mark.parametrize("count", [1, 50])
def test_the_list_costs_the_same_however_long(people: dict[str, User], count: int) -> None:
    for _ in range(count):
        stored_job(owner=people["owner"])
    client = client_of(people["owner"])
    with CaptureQueriesContext(
        connection,
    ) as queries:
        assert len(client.get("/api/jobs").json()["results"]) == count
    # User, role, the ids of one's own and of shared ones, the page.
    assert len(queries) == 5, [query["sql"] for query in queries]


def test_events_come_in_pages_by_number(people: dict[str, User]) -> None:
    job = stored_job(owner=people["owner"])
    for number in range(5):
        events.emit(job_id=job.pk, type="page.read", data={"number": number})
    client = client_of(people["owner"])
    first = client.get(f"/api/jobs/{job.pk}/events?after=1&limit=3").json()
    assert [row["seq"] for row in first["results"]] == [2, 3, 4]
    assert first["results"][0].keys() == {"jobId", "seq", "type", "data", "at", "attempt"}
    rest = client.get(f"/api/jobs/{job.pk}/events?after={first['nextAfter']}").json()
    assert [row["seq"] for row in rest["results"]] == [5, 6]
    assert rest["nextAfter"] is None
    assert "after" in problem_of(client.get(f"/api/jobs/{job.pk}/events?after=x"))["errors"]


def test_a_queued_job_is_cancelled_once_with_its_reason(people: dict[str, User]) -> None:
    job = stored_job(owner=people["owner"])
    client = client_of(people["owner"])
    shown = client.post(f"/api/jobs/{job.pk}/cancel", {"reason": "wrong page"}).json()
    assert (shown["status"], shown["cancelReason"]) == ("cancelled", "wrong page")
    again = client.post(f"/api/jobs/{job.pk}/cancel")
    assert again.status_code == 409
    assert problem_of(again)["code"] == "not_cancellable"
    assert Job.objects.get(pk=job.pk).cancel_reason == "wrong page"


def test_a_running_job_is_asked_to_end_and_says_so(people: dict[str, User]) -> None:
    job = stored_job(owner=people["owner"], status=Status.RUNNING)
    shown = client_of(people["superuser"]).post(f"/api/jobs/{job.pk}/cancel").json()
    assert shown["status"] == "running"
    assert shown["cancelRequestedAt"]
    too_long = client_of(people["owner"]).post(f"/api/jobs/{job.pk}/cancel", {"reason": "x" * 201})
    assert problem_of(too_long)["errors"].keys() == {"reason"}


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("get", "/api/jobs/not-a-uuid", 404),
        ("get", "/api/jobs/00000000-0000-7000-8000-000000000000", 404),
        ("get", "/api/nowhere", 404),
        ("delete", "/api/jobs", 405),
        ("post", "/api/jobs/events", 405),
        ("get", "/api/jobs/events", 400),
        ("get", "/api/jobs/events?job=x", 400),
        ("get", "/api/jobs/events?job=*&after=x", 400),
        ("get", "/api/jobs/events?job=00000000-0000-7000-8000-000000000000", 404),
        ("get", "/api/jobs?limit=5&cursor=a", 400),
    ],
)
def test_every_error_is_a_problem(
    people: dict[str, User], method: str, path: str, status: int
) -> None:
    response = getattr(client_of(people["owner"]), method)(path)
    assert response.status_code == status
    problem_of(response)


def test_a_crash_is_a_problem_that_tells_nothing(
    people: dict[str, User], monkeypatch: pytest.MonkeyPatch
) -> None:
    def crash(_job: Job) -> None:
        raise RuntimeError("the password is hunter2")

    monkeypatch.setattr("jobs.api.views.job_dto", crash)
    client = APIClient(
        raise_request_exception=False, headers={"authorization": bearer(people["owner"])}
    )
    response = client.get(f"/api/jobs/{stored_job(owner=people['owner']).pk}")
    assert response.status_code == 500
    assert "hunter2" not in json.dumps(problem_of(response))


# Logging in


def login(username: str, password: str, address: str = "192.0.2.1") -> Any:
    return APIClient().post(
        "/api/auth/login", {"username": username, "password": password}, REMOTE_ADDR=address
    )


def test_tokens_are_given_refreshed_and_ended(people: dict[str, User]) -> None:
    given = login("alice", "pw-of-alice").json()
    assert given.keys() == {"access", "refresh"}
    client = APIClient(headers={"authorization": f"Bearer {given['access']}"})
    assert client.get("/api/jobs").status_code == 200
    renewed = client.post("/api/auth/refresh", {"refresh": given["refresh"]}).json()
    used = client.post("/api/auth/refresh", {"refresh": given["refresh"]})
    assert problem_of(used)["status"] == 401
    assert client.post("/api/auth/logout", {"refresh": renewed["refresh"]}).status_code == 204
    assert client.post("/api/auth/refresh", {"refresh": renewed["refresh"]}).status_code == 401


def test_a_changed_password_ends_tokens(people: dict[str, User]) -> None:
    client = client_of(people["owner"])
    assert client.get("/api/jobs").status_code == 200
    people["owner"].set_password("another one")
    people["owner"].save()
    assert client.get("/api/jobs").status_code == 401


def test_guessing_locks_the_account_at_that_address_alone(people: dict[str, User]) -> None:
    for _ in range(5):
        assert login("alice", "guess").status_code == 401
    locked = login("alice", "pw-of-alice")
    assert locked.status_code == 429
    assert 0 < int(locked["Retry-After"]) <= 15 * 60 + 1
    assert problem_of(locked)["code"] == "login_locked"
    form = Client().post(
        "/admin/login/", {"username": "alice", "password": "pw-of-alice"}, REMOTE_ADDR="192.0.2.1"
    )
    assert b"Too many failed logins" in form.content
    assert login("alice", "pw-of-alice", "192.0.2.2").status_code == 200
    assert login("bob", "pw-of-bob").status_code == 200
    LoginFailure.objects.all().delete()
    assert login("alice", "pw-of-alice").status_code == 200


def test_one_address_may_not_try_account_after_account(people: dict[str, User]) -> None:
    for number in range(50):
        login(f"user{number}", "guess")
    assert login("alice", "pw-of-alice").status_code == 429


def test_a_missing_field_is_named(db: None) -> None:
    assert problem_of(APIClient().post("/api/auth/login", {}))["errors"].keys() == {
        "username",
        "password",
    }


# Downloads


HTML = b"<script>document.title = 'ran'</script>"


def test_an_artifact_is_listed_and_downloaded(people: dict[str, User]) -> None:
    job = stored_job(owner=people["owner"], status=Status.SUCCEEDED)
    artifact = stored_artifact(
        job, path="steps/0001 ä.txt", body=b"0123456789", content_type="text/plain"
    )
    stored_artifact(job, path="hidden.txt", body=b"x", content_type="text/plain", visible=False)
    client = client_of(people["owner"])
    (listed,) = client.get(f"/api/jobs/{job.pk}/artifacts").json()["results"]
    assert (listed["path"], listed["sizeBytes"], listed["sha256"]) == (
        "steps/0001 ä.txt",
        10,
        artifact.sha256,
    )
    whole = client.get(listed["url"])
    assert b"".join(whole.streaming_content) == b"0123456789"
    assert whole["ETag"] == f'"{artifact.sha256}"'
    assert whole["Content-Length"] == "10"
    assert client.get(f"/api/jobs/{job.pk}/artifacts/hidden.txt").status_code == 404
    assert client.get(f"/api/jobs/{job.pk}/artifacts/steps/../hidden.txt").status_code == 404


@pytest.mark.parametrize(
    ("asked", "status", "body", "said"),
    [
        ("bytes=2-4", 206, b"234", "bytes 2-4/10"),
        ("bytes=7-", 206, b"789", "bytes 7-9/10"),
        ("bytes=-3", 206, b"789", "bytes 7-9/10"),
        ("bytes=-30", 206, b"0123456789", "bytes 0-9/10"),
        ("bytes=8-99", 206, b"89", "bytes 8-9/10"),
        ("bytes=10-", 416, b"", "bytes */10"),
        ("bytes=5-2", 200, b"0123456789", None),
        ("bytes=0-1,4-5", 200, b"0123456789", None),
        ("lines=1-2", 200, b"0123456789", None),
    ],
)
def test_a_range_is_served(
    people: dict[str, User], asked: str, status: int, body: bytes, said: str | None
) -> None:
    job = stored_job(owner=people["owner"])
    stored_artifact(job, path="a.txt", body=b"0123456789", content_type="text/plain")
    response = client_of(people["owner"]).get(
        f"/api/jobs/{job.pk}/artifacts/a.txt", headers={"range": asked}
    )
    assert response.status_code == status
    assert response.get("Content-Range") == said
    if status == 416:
        problem_of(response)
    else:
        assert b"".join(response.streaming_content) == body
        assert response["Content-Length"] == str(len(body))


def test_validators_save_the_transfer(people: dict[str, User]) -> None:
    job = stored_job(owner=people["owner"])
    artifact = stored_artifact(job, path="a.txt", body=b"0123456789", content_type="text/plain")
    client = client_of(people["owner"])
    url = f"/api/jobs/{job.pk}/artifacts/a.txt"
    etag = f'"{artifact.sha256}"'
    unchanged = client.get(url, headers={"if-none-match": f'"other", {etag}'})
    assert (unchanged.status_code, unchanged.content, unchanged["ETag"]) == (304, b"", etag)
    assert client.get(url, headers={"if-range": etag, "range": "bytes=0-1"}).status_code == 206
    assert client.get(url, headers={"if-range": '"old"', "range": "bytes=0-1"}).status_code == 200
    head = client.head(url)
    assert (head.status_code, head["Content-Length"], head.content) == (200, "10", b"")


@pytest.mark.parametrize(
    ("content_type", "inline"),
    [
        ("image/png", True),
        ("text/plain", True),
        ("video/webm", True),
        ("text/html", False),
        ("image/svg+xml", False),
        ("application/xhtml+xml", False),
        ("text/xml", False),
        ("application/pdf", False),
        ("text/html\r\nX-Evil: 1", False),
    ],
)
def test_what_can_carry_script_is_a_download(
    people: dict[str, User], content_type: str, inline: bool
) -> None:
    job = stored_job(owner=people["owner"])
    stored_artifact(job, path="page.html", body=HTML, content_type=content_type)
    client = client_of(people["owner"])
    response = client.get(f"/api/jobs/{job.pk}/artifacts/page.html")
    assert response["Content-Disposition"].startswith("inline" if inline else "attachment")
    assert response["X-Content-Type-Options"] == "nosniff"
    # A player needs the origin to load its video; nothing gets to run scripts.
    sandbox = "sandbox allow-same-origin" if content_type == "video/webm" else "sandbox"
    assert response["Content-Security-Policy"].startswith(f"{sandbox}; default-src 'none'")
    assert "X-Evil" not in response
    asked = client.get(f"/api/jobs/{job.pk}/artifacts/page.html?download")
    assert asked["Content-Disposition"].startswith("attachment")


@pytest.mark.parametrize("content_type", ["application/x-ndjson", "text/x-python"])
def test_text_that_is_opened_is_shown_and_programs_get_its_type(
    people: dict[str, User], content_type: str
) -> None:
    job = stored_job(owner=people["owner"])
    stored_artifact(job, path="lines", body=b"{}", content_type=content_type)
    client = client_of(people["owner"])
    url = f"/api/jobs/{job.pk}/artifacts/lines"

    def told(query: str = "", **headers: str) -> tuple[str, str]:
        response = client.get(url + query, headers=headers)
        assert "Sec-Fetch-Dest" in response["Vary"]
        kind, _, _ = response["Content-Type"].partition(";")
        disposition, _, _ = response["Content-Disposition"].partition(";")
        return kind, disposition

    assert told(**{"sec-fetch-dest": "document"}) == ("text/plain", "inline")
    assert told() == (content_type, "attachment")
    assert told("?download", **{"sec-fetch-dest": "document"}) == (content_type, "attachment")


def test_a_file_that_is_gone_is_a_problem(people: dict[str, User]) -> None:
    job = stored_job(owner=people["owner"])
    artifact = stored_artifact(job, path="a.txt", body=b"x", content_type="text/plain")
    artifact.storage_name = "jobs/gone"
    artifact.save()
    response = client_of(people["owner"]).get(f"/api/jobs/{job.pk}/artifacts/a.txt")
    assert problem_of(response)["code"] == "artifact_missing"


def test_s3_redirects_programs_and_passes_through_what_our_pages_fetch(
    people: dict[str, User], s3_bucket: Any
) -> None:
    import httpx

    job = stored_job(owner=people["owner"])
    stored_artifact(job, path="page.html", body=HTML, content_type="text/html")
    client = client_of(people["owner"])
    url = f"/api/jobs/{job.pk}/artifacts/page.html"
    redirect = client.get(url)
    assert redirect.status_code == 302
    signed = httpx.get(redirect["Location"])
    assert signed.content == HTML
    assert signed.headers["content-disposition"].startswith("attachment")
    assert "Signature=" in redirect["Location"]
    assert redirect["Cache-Control"] == "no-store"
    fetched = client.get(url, headers={"sec-fetch-mode": "cors", "range": "bytes=1-6"})
    assert b"".join(fetched.streaming_content) == b"script"
