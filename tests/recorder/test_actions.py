"""A recording's own actions, its reruns and its presets: by the same way as any job's."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client

from jobs import services
from jobs.models import Job, Status
from jobs.registry import ActionRefused
from recorder.models import RecordingSession
from tests.recorder import recordings

pytestmark = pytest.mark.django_db


@pytest.fixture
def ada() -> User:
    return User.objects.create_superuser("ada")


def act(session: RecordingSession, type: str, by: User, **payload: Any) -> services.ActionResult:
    job = Job.objects.get(pk=session.job_id)
    return services.act(job=job, type=type, payload=payload, by=by)


def test_stop_asks_a_running_recording_to_save(ada: User) -> None:
    session = recordings.running(ada)
    assert "stop and save" in act(session, "stop", ada).message
    session.refresh_from_db()
    assert session.stop_requested_at is not None
    assert act(session, "stop", ada).success  # twice is one request


def test_replay_queues_a_child_and_only_of_an_ended_recording(ada: User) -> None:
    with pytest.raises(ActionRefused, match="must be"):
        act(recordings.running(ada), "replay", ada)
    session = recordings.ended(ada)
    said = act(session, "replay", ada)
    child = Job.objects.get(kind="recorder.replay")
    assert str(child.id) in said.message
    assert child.parent_id == session.job_id
    with pytest.raises(ActionRefused):
        act(session, "stop", ada)


def test_a_recording_without_a_test_has_nothing_to_replay(ada: User) -> None:
    session = recordings.ended(ada)
    RecordingSession.objects.filter(pk=session.pk).update(code="")
    with pytest.raises(ActionRefused, match="no generated test"):
        act(session, "replay", ada)


def test_recording_again_makes_a_session_of_the_same_page(ada: User) -> None:
    session = recordings.ended(ada)
    child = services.rerun(job=session.job, by=ada, overrides={"slowMo": 20}, name="Log in, slowly")
    again = RecordingSession.objects.get(job=child)
    assert (again.url, again.flow_name) == (session.url, "Log in, slowly")
    assert (child.options["slow_mo"], child.status) == (20, Status.QUEUED)


def test_a_page_that_may_not_be_opened_any_more_is_not_recorded_again(
    ada: User, settings: Any
) -> None:
    session = recordings.ended(ada)
    RecordingSession.objects.filter(pk=session.pk).update(url="http://127.0.0.1:8099/")
    settings.EGRESS_PRIVATE = False
    with pytest.raises(ActionRefused, match=r"127\.0\.0\.1"):
        services.rerun(job=session.job, by=ada)
    assert RecordingSession.objects.count() == 1


def test_a_recording_is_made_by_its_own_route_only(ada: User) -> None:
    with pytest.raises(services.NotSubmittable, match="/api/recorder/sessions"):
        services.submit(kind="recorder.record", options={}, by=ada)


def test_a_preset_is_used_by_name_in_the_api(ada: User, client: Client) -> None:
    services.save_preset(
        kind="recorder.record", name="Phone", options={"locale": "de-DE", "video": False}, by=ada
    )
    client.force_login(ada)

    def start(**more: Any) -> Any:
        body = {"url": "https://shop.example/", "flowName": "Buy", **more}
        return client.post("/api/recorder/sessions", body, content_type="application/json")

    started = start(preset="Phone", options={"video": True})
    assert started.status_code == 202
    job = Job.objects.get(pk=started.json()["jobId"])
    assert (job.preset, job.options["locale"], job.options["video"]) == ("Phone", "de-DE", True)
    unknown = start(preset="Tablet")
    assert (unknown.status_code, unknown.json()["code"]) == (400, "unknown_preset")
    assert "It has: Phone" in unknown.json()["detail"]
