"""The recordings' admin pages as the server renders them."""

from __future__ import annotations

import re
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from jobs import registry
from jobs.models import Job
from jobs.secrets import unseal
from recorder.models import RecordingSession
from tests.recorder import recordings

pytestmark = pytest.mark.django_db

LIST = "/admin/recorder/recordingsession/"
ADD = f"{LIST}add/"


@pytest.fixture
def ada() -> User:
    return User.objects.create_user("ada", password="pw", is_staff=True)


def client_of(user: User) -> Client:
    client = Client()
    client.force_login(user)
    return client


def page(client: Client, path: str) -> str:
    answer = client.get(path)
    assert answer.status_code == 200
    return answer.content.decode()


def text(html: str) -> str:
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", html))


def change(session: RecordingSession) -> str:
    return reverse("admin:recorder_recordingsession_change", args=[session.pk])


def test_an_empty_list_says_what_to_do_next(ada: User) -> None:
    html = page(client_of(ada), LIST)
    assert "Record your first flow" in html
    assert f'href="{ADD}"' in html
    assert "No recording matches" in page(client_of(ada), f"{LIST}?q=nothing")


def test_the_list_shows_states_and_verdicts(ada: User) -> None:
    recordings.ended(ada)
    recordings.ended(ada, verdict="failed", verdict_reason="No such button.", failing_step=3)
    recordings.running(ada)
    html = text(page(client_of(ada), LIST))
    for words in ("Verified", "Does not replay", "Step 3: No such button.", "Recording"):
        assert words in html


@pytest.mark.parametrize(
    "state", ["live", "queued", "verified", "not_verified", "saved", "failed", "cancelled"]
)
def test_each_filter_finds_its_state_alone(ada: User, state: str) -> None:
    made = {
        "live": recordings.running(ada),
        "queued": recordings.queued(ada),
        "verified": recordings.ended(ada),
        "not_verified": recordings.ended(ada, verdict="failed", status="failed"),
        "saved": recordings.ended(ada, verdict="unverified"),
        "failed": recordings.ended(ada, verdict="unverified", status="failed"),
        "cancelled": recordings.ended(ada, verdict="unverified", status="cancelled"),
    }
    for name, session in made.items():
        RecordingSession.objects.filter(pk=session.pk).update(flow_name=f"flow-{name}")
    html = page(client_of(ada), f"{LIST}?state={state}")
    assert set(re.findall(r"<strong>flow-(\w+)</strong>", html)) == {state}


def test_a_longer_list_costs_no_more_queries(ada: User) -> None:
    client = client_of(ada)
    recordings.ended(ada)
    client.get(LIST)
    with CaptureQueriesContext(
        connection,
    ) as one:
        client.get(LIST)
    for _ in range(20):
        recordings.ended(ada)
    with CaptureQueriesContext(connection) as many:
        client.get(LIST)
    assert len(many) == len(one)


def test_the_form_has_a_field_for_every_option(ada: User) -> None:
    html = page(client_of(ada), ADD)
    for name, field in registry.get("recorder.record").options().fields.items():
        inner = getattr(field, "fields", None)
        for part in [f"{name}__{key}" for key in inner] if inner else [name]:
            assert f'name="option_{part}"' in html, part


def test_starting_from_the_form_opens_the_session(ada: User) -> None:
    answer = client_of(ada).post(
        ADD,
        {
            "url": "shop.example/login",
            "flow_name": "Log in",
            "option_browser": "chromium",
            "option_viewport__width": "800",
            "option_viewport__height": "600",
            "option_permissions": ["geolocation", "camera"],
            "option_extra_headers": "X-One: 1\nX-Two: a: b\n",
            "option_http_credentials__username": "u",
            "option_http_credentials__password": " secret ",
            "option_trace": "on",
            "option_timeout_s": "60",
        },
    )
    session = RecordingSession.objects.get()
    assert (answer.status_code, answer["Location"]) == (302, change(session))
    assert session.url == "https://shop.example/login"
    options = session.job.options
    assert options["viewport"] == {"width": 800, "height": 600}
    assert set(options["permissions"]) == {"geolocation", "camera"}
    assert (options["trace"], options["video"], options["timeout_s"]) == (True, False, 60)
    assert "secret" not in str(options)
    opened = unseal(options)
    assert opened["extra_headers"] == {"X-One": "1", "X-Two": "a: b"}
    assert opened["http_credentials"] == {"username": "u", "password": " secret "}


@pytest.mark.parametrize(
    ("given", "stored"),
    [
        ("localhost:3000/x", "http://localhost:3000/x"),
        ("shop.example", "https://shop.example"),
        ("http://a.example/?next=b:c", "http://a.example/?next=b:c"),
    ],
)
def test_an_address_without_scheme_gets_one(ada: User, given: str, stored: str) -> None:
    client_of(ada).post(ADD, {"url": given, "flow_name": "x"})
    assert RecordingSession.objects.get().url == stored


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"url": ""}, "This field is required"),
        ({"url": "file:///etc/passwd"}, "Only http:// and https://"),
        ({"url": "http://169.254.169.254/"}, "where clouds hand out credentials"),
        ({"option_viewport__width": "800"}, "This field is required"),
        (
            {"option_viewport__width": "1", "option_viewport__height": "600"},
            "greater than or equal",
        ),
        ({"option_timezone": "Mars/Olympus"}, "Not a time zone"),
        ({"option_locale": "!!"}, "Not a language tag"),
        ({"option_extra_headers": "no colon"}, "is not of the form"),
        ({"option_geolocation__latitude": "99", "option_geolocation__longitude": "1"}, "less than"),
        ({"option_proxy__server": "gopher://x"}, "Only http:// proxies"),
    ],
)
def test_a_field_that_does_not_fit_says_why_and_starts_nothing(
    ada: User, fields: dict[str, Any], words: str
) -> None:
    given = {"url": "https://shop.example/", "flow_name": "x", **fields}
    answer = client_of(ada).post(ADD, given)
    assert answer.status_code == 422
    html = answer.content.decode()
    errors = re.findall(r'<[^>]*class="[^"]*(?:errors|errorlist|red)[^"]*"[^>]*>.*?</', html, re.S)
    assert words in text(html), errors[:3]
    assert "The recording was not started" in html
    assert not Job.objects.exists()


def test_a_refused_address_and_a_bad_option_are_told_of_together(ada: User) -> None:
    given = {"url": "file:///etc/passwd", "flow_name": "x", "option_timezone": "Mars/Olympus"}
    html = text(client_of(ada).post(ADD, given).content.decode())
    assert "Only http:// and https://" in html
    assert "Not a time zone" in html


def test_a_live_session_has_the_live_browser(ada: User) -> None:
    session = recordings.running(ada)
    html = page(client_of(ada), change(session))
    assert "<live-browser>" in html
    assert f"/ws/recorder/sessions/{session.pk}/live" in html


def test_a_verified_session_shows_verdict_code_and_files(ada: User) -> None:
    session = recordings.ended(ada)
    html = page(client_of(ada), change(session))
    assert "td-verdict-verified" in html
    assert "def test(): ..." in html
    assert f"/api/recorder/{session.pk}/artifacts/test_log_in.py" in html


def test_a_failed_verification_names_the_step_and_the_reason(ada: User) -> None:
    session = recordings.ended(
        ada, verdict="failed", status="failed", failing_step=3, verdict_reason="Not <found>."
    )
    html = page(client_of(ada), change(session))
    assert "Step 3 fails: Click button &quot;Sign in&quot;" in html
    assert "Not &lt;found&gt;." in html
    assert f"/api/recorder/{session.pk}/artifacts/steps/0003.png" in html
    assert "td-verdict-verified" not in html


@pytest.mark.parametrize(
    ("reason", "title"),
    [
        ("url_unreachable", "The address could not be reached"),
        ("url_refused", "The address is refused"),
        ("browser_crashed", "The browser ended unexpectedly"),
        ("worker_lost", "The worker was lost"),
        ("something_new", "The recording failed"),
    ],
)
def test_a_recording_that_broke_off_says_what_was_kept_and_what_to_do(
    ada: User, reason: str, title: str
) -> None:
    session = recordings.ended(ada, verdict="unverified", status="failed", code="")
    Job.objects.filter(pk=session.job_id).update(reason=reason, error="It said no.")
    shown = text(page(client_of(ada), change(session)))
    assert title in shown
    assert "It said no." in shown
    assert "4 steps and 2 files recorded until then are kept below" in shown


def test_recording_again_begins_with_the_same_options_and_no_secret(ada: User) -> None:
    options = {
        "viewport": {"width": 800, "height": 600},
        "locale": "de-AT",
        "video": False,
        "permissions": ["geolocation"],
        "http_credentials": {"username": "u", "password": "hunter2"},
    }
    session = recordings.queued(ada, options=options)
    html = page(client_of(ada), f"{ADD}?from={session.pk}")
    form = client_of(ada).get(f"{ADD}?from={session.pk}").context["form"]
    for name, value in {
        "url": session.url,
        "flow_name": "Log in",
        "option_viewport__width": 800,
        "option_locale": "de-AT",
        "option_video": False,
        "option_permissions": ["geolocation"],
    }.items():
        assert form[name].value() == value, name
    assert "hunter2" not in html
    other = User.objects.create_user("eve", password="pw", is_staff=True)
    theirs = client_of(other).get(f"{ADD}?from={session.pk}").context["form"]
    assert theirs["url"].value() != session.url
    assert theirs["flow_name"].value() != "Log in"


def test_hostile_text_stays_text(ada: User) -> None:
    bad = '</script><script>alert(1)</script><img src=x onerror="alert(1)">'
    session = recordings.ended(ada, flow_name=bad[:200], code=bad, verdict_reason=bad)
    session.steps.filter(key="s2").update(wording=bad)
    for path in (LIST, change(session)):
        html = page(client_of(ada), path)
        assert "<script>alert(1)" not in html
        assert "<img src=x" not in html


def test_stop_from_the_page(ada: User) -> None:
    session = recordings.running(ada)
    path = reverse("admin:recorder_recordingsession_stop", args=[session.pk])
    assert client_of(ada).get(path).status_code == 405
    assert client_of(ada).post(path).status_code == 302
    session.refresh_from_db()
    assert session.stop_requested_by == ada


def test_only_the_owner_and_administrators_see_a_session(ada: User) -> None:
    session = recordings.ended(ada)
    bob = User.objects.create_user("bob", password="pw", is_staff=True)
    guest = User.objects.create_user("guest", password="pw")
    admin = User.objects.create_superuser("admin", password="pw")
    stop = reverse("admin:recorder_recordingsession_stop", args=[session.pk])
    replay = reverse("admin:recorder_recordingsession_replay", args=[session.pk])
    assert client_of(bob).get(change(session)).status_code == 404
    assert client_of(bob).post(stop).status_code == 404
    assert client_of(bob).post(replay).status_code == 404
    assert "Log in" not in text(page(client_of(bob), LIST)).split("Recordings", 1)[1]
    assert client_of(admin).get(change(session)).status_code == 200
    for client in (Client(), client_of(guest)):
        for path in (LIST, ADD, change(session), "/trace-viewer/", "/trace-viewer/sw.bundle.js"):
            answer = client.get(path)
            assert answer.status_code == 302, path
            assert answer["Location"].startswith("/admin/login/")


def test_an_unknown_session_is_not_found(ada: User) -> None:
    assert client_of(ada).get(f"{LIST}not-an-id/change/").status_code == 404


def test_the_trace_viewer_serves_its_own_files_alone(ada: User) -> None:
    client = client_of(ada)
    index = client.get("/trace-viewer/")
    assert index.status_code == 200
    assert "script-src 'self' 'sha256-" in index["Content-Security-Policy"]
    assert "unsafe-eval" not in index["Content-Security-Policy"]
    worker = client.get("/trace-viewer/sw.bundle.js")
    assert worker["Content-Type"].startswith("text/javascript")
    assert worker["Content-Security-Policy"] == "default-src 'none'; connect-src 'self'"
    for name in ("../index.html", "uiMode.html", "assets/../../x", "nothing.js"):
        assert client.get(f"/trace-viewer/{name}").status_code == 404, name
