"""The recordings' REST API: what it takes, answers and refuses, and to whom."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client
from pytest_django.asserts import assertNumQueries

from jobs.models import Job
from recorder.models import RecordingSession
from tests.recorder import recordings

pytestmark = pytest.mark.django_db

SESSIONS = "/api/recorder/sessions"


@pytest.fixture
def admin() -> User:
    return User.objects.create_superuser("admin", password="pw")


@pytest.fixture
def ada() -> User:
    return User.objects.create_user("ada", password="pw", is_staff=True)


@pytest.fixture
def bob() -> User:
    return User.objects.create_user("bob", password="pw", is_staff=True)


def client_of(user: User) -> Client:
    client = Client()
    client.force_login(user)
    return client


def send(client: Client, method: str, path: str, body: Any = None) -> Any:
    return getattr(client, method)(path, data=body, content_type="application/json")


def test_starting_queues_a_job_and_names_it(ada: User) -> None:
    body = {"url": "https://shop.example/", "flowName": "Buy", "options": {"slowMo": 5}}
    answer = send(client_of(ada), "post", SESSIONS, body)
    assert answer.status_code == 202
    session = RecordingSession.objects.get(pk=answer.json()["sessionId"])
    assert answer.json()["jobId"] == str(session.job_id)
    assert answer["Location"] == f"{SESSIONS}/{session.pk}"
    assert session.job.kind == "recorder.record"
    assert session.job.options["slow_mo"] == 5
    assert (session.flow_name, session.owner) == ("Buy", ada)


def test_every_unknown_option_is_named(ada: User) -> None:
    body = {"url": "https://a.example", "flowName": "x", "options": {"nope": 1, "alsoNope": 2}}
    answer = send(client_of(ada), "post", SESSIONS, body)
    assert answer.status_code == 400
    assert answer["Content-Type"] == "application/problem+json"
    assert set(answer.json()["errors"]) == {"nope", "alsoNope"}
    assert not Job.objects.exists()


def test_a_misspelled_field_is_named_and_required_ones_too(ada: User) -> None:
    answer = send(client_of(ada), "post", SESSIONS, {"url": "https://a.example", "flow": "x"})
    assert answer.status_code == 400
    assert "flow" in answer.json()["errors"]
    answer = send(client_of(ada), "post", SESSIONS, {})
    assert set(answer.json()["errors"]) == {"url", "flowName"}


@pytest.mark.parametrize(
    ("url", "code"),
    [
        ("file:///etc/passwd", "scheme_refused"),
        ("http://169.254.169.254/latest/meta-data/", "metadata_refused"),
        ("http://user:pw@shop.example/", "credentials_in_url"),
        ("nonsense", "url_invalid"),
    ],
)
def test_a_refused_address_is_a_problem_of_the_field_url(ada: User, url: str, code: str) -> None:
    answer = send(client_of(ada), "post", SESSIONS, {"url": url, "flowName": "x"})
    assert answer.status_code == 422
    problem = answer.json()
    assert problem["code"] == code
    assert problem["errors"] == {"url": [problem["detail"]]}
    assert not RecordingSession.objects.exists()


def test_a_refused_address_and_unknown_options_are_told_of_together(ada: User) -> None:
    body = {"url": "file:///etc/passwd", "flowName": "x", "options": {"nope": 1}}
    answer = send(client_of(ada), "post", SESSIONS, body)
    assert (answer.status_code, answer.json()["code"]) == (400, "invalid_options")
    assert set(answer.json()["errors"]) == {"url", "nope"}
    assert not Job.objects.exists()


def test_private_addresses_follow_the_setting(ada: User, settings: Any) -> None:
    settings.EGRESS_PRIVATE = False
    body = {"url": "http://10.1.2.3/", "flowName": "x"}
    assert send(client_of(ada), "post", SESSIONS, body).json()["code"] == "private_refused"
    settings.EGRESS_PRIVATE = True
    assert send(client_of(ada), "post", SESSIONS, body).status_code == 202


def test_the_detail_shows_steps_code_and_files(ada: User) -> None:
    session = recordings.ended(ada)
    detail = client_of(ada).get(f"{SESSIONS}/{session.pk}").json()
    assert detail["state"] == "verified"
    assert detail["job"]["id"] == str(session.job_id)
    assert [step["number"] for step in detail["steps"]] == [1, 2, 3, None]
    click = detail["steps"][2]
    assert click["locator"] == 'get_by_role("button", name="Sign in")'
    assert click["wording"] == 'Click button "Sign in"'
    assert click["alternatives"][0]["locator"] == 'get_by_text("Sign in")'
    assert detail["stepsCount"] == 3
    picture = client_of(ada).get(click["screenshotUrl"])
    assert picture.status_code == 200
    assert picture["Content-Security-Policy"].startswith("sandbox")
    assert {artifact["path"] for artifact in detail["artifacts"]} == {
        "steps/0003.png",
        "test_log_in.py",
    }


def test_a_queued_recording_says_what_it_waits_for(ada: User) -> None:
    recordings.queued(ada)
    second = recordings.queued(ada)
    queue = client_of(ada).get(f"{SESSIONS}/{second.pk}").json()["queue"]
    assert queue == {"name": "browser", "before": 1, "workers": 0, "busy": 0}


def test_stopping_twice_gives_the_same_answer(ada: User, admin: User) -> None:
    session = recordings.running(ada)
    first = send(client_of(ada), "post", f"{SESSIONS}/{session.pk}/stop")
    session.refresh_from_db()
    asked_at = session.stop_requested_at
    second = send(client_of(admin), "post", f"{SESSIONS}/{session.pk}/stop/")
    session.refresh_from_db()
    assert (first.status_code, second.status_code) == (202, 202)
    assert first.json() == second.json()
    assert session.stop_requested_at == asked_at
    assert session.stop_requested_by == ada


def test_stopping_before_a_worker_came_cancels(ada: User) -> None:
    session = recordings.queued(ada)
    assert send(client_of(ada), "post", f"{SESSIONS}/{session.pk}/stop").status_code == 202
    assert Job.objects.get(pk=session.job_id).status == "cancelled"
    assert send(client_of(ada), "post", f"{SESSIONS}/{session.pk}/stop").status_code == 202


def test_stopping_what_ended_by_itself_is_a_conflict(ada: User) -> None:
    session = recordings.ended(ada)
    answer = send(client_of(ada), "post", f"{SESSIONS}/{session.pk}/stop")
    assert (answer.status_code, answer.json()["code"]) == (409, "session_ended")


def test_rewording_changes_the_comment_and_keeps_the_verdict(ada: User) -> None:
    session = recordings.ended(ada)
    path = f"{SESSIONS}/{session.pk}/steps/s3"
    answer = send(client_of(ada), "patch", path, {"wording": "Press the  big button\n"})
    assert answer.status_code == 200
    assert answer.json()["step"]["wording"] == "Press the big button"
    assert answer.json()["verdict"] == "verified"
    assert "# step 3: Press the big button" in answer.json()["code"]


def test_another_locator_makes_another_test(ada: User) -> None:
    session = recordings.ended(ada)
    path = f"{SESSIONS}/{session.pk}/steps/s3"
    answer = send(client_of(ada), "patch", path, {"selector": 'internal:text="Sign in"i'}).json()
    assert answer["step"]["locator"] == 'get_by_text("Sign in")'
    assert answer["step"]["alternatives"][0]["locator"] == 'get_by_role("button", name="Sign in")'
    assert answer["verdict"] == "unverified"
    assert 'get_by_text("Sign in")' in answer["code"]
    session.refresh_from_db()
    assert (session.state, session.verified_at) == ("saved", None)


@pytest.mark.parametrize(
    ("key", "change", "field"),
    [
        ("s1", {"selector": "#x"}, "selector"),
        ("s3", {"text": "x"}, "text"),
        ("s3", {"selector": "x" * 10_000}, "selector"),
        ("s3", {"wording": "x" * 301}, "wording"),
        ("s1", {"text": "file:///etc/passwd"}, "text"),
    ],
)
def test_an_edit_that_does_not_fit_changes_nothing(
    ada: User, key: str, change: dict[str, str], field: str
) -> None:
    session = recordings.ended(ada)
    before = client_of(ada).get(f"{SESSIONS}/{session.pk}").json()
    answer = send(client_of(ada), "patch", f"{SESSIONS}/{session.pk}/steps/{key}", change)
    assert answer.status_code == 422
    assert set(answer.json()["errors"]) == {field}
    assert client_of(ada).get(f"{SESSIONS}/{session.pk}").json() == before


def test_deleting_and_restoring_a_step(ada: User) -> None:
    session = recordings.ended(ada)
    path = f"{SESSIONS}/{session.pk}/steps/s2"
    deleted = send(client_of(ada), "delete", path).json()
    assert deleted["verdict"] == "unverified"
    assert deleted["step"]["number"] is None
    assert '.fill("ada")' not in deleted["code"]
    assert send(client_of(ada), "delete", path).status_code == 200
    restored = send(client_of(ada), "post", f"{path}/restore").json()
    assert restored["step"]["number"] == 2
    assert '.fill("ada")' in restored["code"]
    assert send(client_of(ada), "delete", f"{SESSIONS}/{session.pk}/steps/none").status_code == 404


def test_the_steps_of_a_running_recording_belong_to_the_live_view(ada: User) -> None:
    session = recordings.running(ada)
    answer = send(client_of(ada), "delete", f"{SESSIONS}/{session.pk}/steps/s1")
    assert (answer.status_code, answer.json()["code"]) == (409, "session_running")
    answer = send(client_of(ada), "post", f"{SESSIONS}/{session.pk}/replay")
    assert (answer.status_code, answer.json()["code"]) == (409, "session_running")


def test_a_replay_is_a_child_job_of_the_recording(ada: User) -> None:
    session = recordings.ended(ada)
    answer = send(client_of(ada), "post", f"{SESSIONS}/{session.pk}/replay")
    assert answer.status_code == 202
    job = Job.objects.get(pk=answer.json()["jobId"])
    assert (job.kind, job.parent_id, job.owner) == ("recorder.replay", session.job_id, ada)
    assert job.options["session_id"] == str(session.pk)
    assert answer["Location"] == f"/api/jobs/{job.pk}"
    replays = client_of(ada).get(f"{SESSIONS}/{session.pk}").json()["replays"]
    assert [replay["id"] for replay in replays] == [str(job.pk)]


def test_without_a_test_there_is_nothing_to_replay(ada: User) -> None:
    session = recordings.ended(ada, code="")
    answer = send(client_of(ada), "post", f"{SESSIONS}/{session.pk}/replay")
    assert (answer.status_code, answer.json()["code"]) == (409, "nothing_to_replay")


def test_the_list_pages_and_filters(ada: User) -> None:
    sessions = [recordings.ended(ada), recordings.running(ada), recordings.queued(ada)]
    page = client_of(ada).get(f"{SESSIONS}?limit=2").json()
    rest = client_of(ada).get(page["next"]).json()
    newest_first = [str(session.pk) for session in reversed(sessions)]
    assert [row["id"] for row in page["results"] + rest["results"]] == newest_first
    found = client_of(ada).get(f"{SESSIONS}?verdict=verified").json()["results"]
    assert [row["id"] for row in found] == [str(sessions[0].pk)]
    found = client_of(ada).get(f"{SESSIONS}?status=running&q=shop").json()["results"]
    assert [row["id"] for row in found] == [str(sessions[1].pk)]
    assert client_of(ada).get(f"{SESSIONS}?verdict=maybe").json()["errors"] == {
        "verdict": ["One of: unverified, verified, failed."]
    }


def test_a_longer_list_costs_no_more_queries(ada: User) -> None:
    client = client_of(ada)
    recordings.ended(ada)
    client.get(SESSIONS)
    with assertNumQueries(4):
        client.get(SESSIONS)
    for _ in range(10):
        recordings.ended(ada)
    with assertNumQueries(4):
        assert len(client.get(SESSIONS).json()["results"]) == 11


def _endpoints(session: RecordingSession) -> list[tuple[str, str]]:
    one = f"{SESSIONS}/{session.pk}"
    return [
        ("get", one),
        ("get", f"{one}/"),
        ("get", f"{one}/steps"),
        ("post", f"{one}/stop"),
        ("post", f"{one}/replay"),
        ("patch", f"{one}/steps/s2"),
        ("delete", f"{one}/steps/s2"),
        ("post", f"{one}/steps/s2/restore"),
        ("get", f"/api/recorder/{session.pk}/artifacts/steps/0003.png"),
    ]


def test_every_endpoint_is_for_its_owner_and_administrators(
    ada: User, bob: User, admin: User
) -> None:
    outsider = User.objects.create_user("guest", password="pw")
    session = recordings.ended(ada)
    body = {"wording": "x"}
    for method, path in [*_endpoints(session), ("get", SESSIONS), ("post", SESSIONS)]:
        assert send(Client(), method, path, body).status_code == 401, path
        assert send(client_of(outsider), method, path, body).status_code == 403, path
    for method, path in _endpoints(session):
        assert send(client_of(bob), method, path, body).status_code == 404, path
        assert send(client_of(admin), method, path, body).status_code not in {401, 403, 404}, path
    assert client_of(bob).get(SESSIONS).json()["results"] == []
    assert len(client_of(admin).get(SESSIONS).json()["results"]) == 1


def test_a_file_that_is_not_there(ada: User) -> None:
    session = recordings.ended(ada)
    base = f"/api/recorder/{session.pk}/artifacts"
    assert client_of(ada).get(f"{base}/nothing.zip").status_code == 404
    assert client_of(ada).get(f"{base}/../../keys/secret_key").status_code == 404
