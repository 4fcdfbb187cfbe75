"""The kind recorder.record: from a queued job to verified evidence, and every way to end."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import psutil
import pytest
from django.contrib.auth.models import User
from django.db import connections

from jobs import registry, services
from jobs.models import Job
from jobs.registry import InvalidOptions
from jobs.secrets import is_sealed, unseal
from recorder.models import RecordingSession
from recorder.services import request_stop, start_session
from recorder.session.tickets import issue
from tests.fixtures.jobs import end_worker, fork_worker, wait_for, wait_until_ended
from tests.recorder.live_client import LiveClient
from tests.sites import Sites
from tests.sites.server import PASSWORD, SESSION_COOKIE, USERNAME

pytestmark = pytest.mark.browser
Drive = Callable[[LiveClient], Awaitable[None]]
LIGHT = {"trace": False, "har": False, "video": False}


@pytest.fixture
def worker(owner: User) -> Iterator[int]:
    pid = fork_worker(queue="browser")
    yield pid
    if psutil.pid_exists(pid):
        end_worker(pid)


def begin(owner: User, url: str, **options: Any) -> RecordingSession:
    return start_session(url=url, flow_name="Sign up", options=options, by=owner)


def recording(session: RecordingSession) -> RecordingSession:
    """Wait until it records."""

    def looks() -> RecordingSession | None:
        session.refresh_from_db()
        assert not session.job.is_terminal, (session.job.reason, session.job.error)
        return session if session.live_address and session.phase == "recording" else None

    found: RecordingSession = wait_for(looks, timeout_s=60)
    return found


def drive(session: RecordingSession, actions: Drive) -> None:
    """Connect as the console's relay does, and do `actions`."""
    recording(session)
    address, key = session.live_address, str(unseal(session.live_key))

    async def connected() -> None:
        ticket = issue(key=key, viewer="v1", user="owner", control=True)
        async with LiveClient(address, headers={"Authorization": ticket}) as live:
            await actions(live)

    asyncio.run(connected())
    connections.close_all()


def paths(job: Job) -> set[str]:
    return set(job.artifacts.filter(visible=True).values_list("path", flat=True))


def types(job: Job) -> list[str]:
    return list(job.events.order_by("seq").values_list("type", flat=True))


async def sign_in(live: LiveClient) -> None:
    await live.click_on('input[name="email"]')
    await live.call("text", text="ada@example.com")
    await live.click_on('input[type="password"]')
    await live.call("text", text="correct horse 🔋 & <staple>")
    await live.step("fill", timeout_s=20, text={"secret": "PASSWORD_1"})
    await live.press("Enter")
    await live.step("press", key="Enter")
    x, y = await live.at("h1")
    await live.call("assert", kind="visible", x=x, y=y)


def test_recorded_saved_scrubbed_and_verified(sites: Sites, owner: User, worker: int) -> None:
    session = begin(owner, sites.page("login"))
    drive(session, sign_in)
    request_stop(session=session, by=owner)
    job = wait_until_ended(session.job, timeout_s=110)
    session = RecordingSession.objects.get(pk=session.pk)
    assert (job.status, job.reason) == ("succeeded", ""), job.error
    assert session.state == "verified"
    assert session.phase == "ended"
    kept = paths(job)
    assert {
        "trace.zip",
        "network.har",
        "console.jsonl",
        "storage_state.json",
        "metadata.json",
        "steps.json",
        "test_sign_up.py",
        "steps/0001.png",
        "dom/0001.html",
        "video/01.webm",
        "replay/result.json",
    } <= kept
    assert list(session.steps.values_list("action", flat=True)) == [
        "navigate", "click", "fill", "click", "fill", "press", "assert_visible"]  # fmt: skip
    assert "correct horse" not in session.code
    assert "correct horse" not in str(list(session.steps.values_list("data", flat=True)))
    assert unseal(session.secrets) == {"PASSWORD_1": "correct horse 🔋 & <staple>"}
    for artifact in job.artifacts.filter(visible=True):
        from jobs.artifacts import open_artifact

        with open_artifact(artifact) as content:
            assert b"correct horse" not in content.read(), artifact.path
    seen = types(job)
    assert {"session.started", "step.recorded", "step.updated", "replay.finished"} <= set(seen)
    phases = [
        one.data["phase"] for one in job.events.filter(type="session.phase_changed").order_by("seq")
    ]
    assert phases == ["recording", "saving", "verifying", "ended"]
    assert job.result["steps"] == 7
    _have_their_documented_shapes(job)


STEP = {"key": str, "position": int, "action": str, "wording": str, "page": str, "flags": list}
SHAPES: dict[str, dict[str, type]] = {
    "session.started": {"sessionId": str},
    "session.phase_changed": {"phase": str},
    "step.recorded": STEP,
    "step.updated": STEP,
}


def _have_their_documented_shapes(job: Job) -> None:
    documented = (Path(__file__).parents[2] / "docs/event-types.md").read_text()
    for type, shape in SHAPES.items():
        assert f"`{type}`" in documented
        event = job.events.filter(type=type).first()
        assert event is not None, type
        assert {name: value.__class__ for name, value in event.data.items()} == shape


def test_what_does_not_replay_is_no_success(sites: Sites, owner: User, worker: int) -> None:
    async def wrong(live: LiveClient) -> None:
        x, y = await live.at("h1")
        await live.call("assert", kind="text", x=x, y=y, expected="This was never there")

    session = begin(owner, sites.page("form"), **LIGHT)
    drive(session, wrong)
    request_stop(session=session, by=owner)
    job = wait_until_ended(session.job, timeout_s=110)
    session = RecordingSession.objects.get(pk=session.pk)
    assert (job.status, job.reason) == ("failed", "not_verified")
    assert session.state == "not_verified"
    assert session.failing_step == 2
    assert "never there" in session.verdict_reason
    assert "test_sign_up.py" in paths(job)


def test_cancel_keeps_what_there_was(sites: Sites, owner: User, worker: int) -> None:
    async def click(live: LiveClient) -> None:
        await live.click_on("h1")
        step = await live.step("click")
        await live.until(lambda: live.steps[step["key"]]["step"]["screenshot"])

    session = begin(owner, sites.page("form"), har=False, video=False)
    drive(session, click)
    services.cancel(job=Job.objects.get(pk=session.job_id), by=owner)
    job = wait_until_ended(session.job, timeout_s=60)
    assert (job.status, job.reason) == ("cancelled", "cancelled_by_user")
    assert {"steps.json", "steps/0002.png", "trace.zip", "metadata.json"} <= paths(job)


def test_two_people_press_stop(sites: Sites, owner: User, worker: int) -> None:
    session = begin(owner, sites.page("second"), verify=False, **LIGHT)
    recording(session)
    other = User.objects.create_superuser(username="other", password="battery staple")
    first = request_stop(session=session, by=owner)
    second = request_stop(session=session, by=other)
    assert first.stop_requested_at == second.stop_requested_at
    assert second.stop_requested_by == owner
    job = wait_until_ended(session.job, timeout_s=60)
    assert (job.status, job.reason) == ("succeeded", "")
    assert request_stop(session=session, by=other).stop_requested_by == owner
    assert types(job).count("session.phase_changed") == 3


def _kill(name: str, session: RecordingSession) -> None:
    body = [
        one
        for one in psutil.process_iter(["cmdline"])
        if name in " ".join(one.info["cmdline"] or []) and session.pk is not None and _descends(one)
    ]
    assert body, name
    body[0].kill()


def _descends(process: psutil.Process) -> bool:
    return os.getpid() in {parent.pid for parent in process.parents()}


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("recorder.session", "session_lost"),
        ("--type=renderer", ""),
        ("--remote-debugging", "browser_crashed"),
    ],
)
def test_a_killed_process_ends_it_truthfully(
    sites: Sites, owner: User, worker: int, name: str, reason: str
) -> None:
    async def click(live: LiveClient) -> None:
        await live.click_on("h1")
        step = await live.step("click")
        await live.until(lambda: live.steps[step["key"]]["step"]["screenshot"])
        await asyncio.sleep(0.5)

    session = begin(owner, sites.page("form"), verify=False, **LIGHT)
    drive(session, click)
    _kill(name, session)
    if not reason:
        request_stop(session=session, by=owner)
    job = wait_until_ended(session.job, timeout_s=60)
    assert job.reason == reason, job.error
    assert job.status == ("failed" if reason else "succeeded")
    assert {"steps.json", "steps/0002.png", "test_sign_up.py"} <= paths(job)
    assert session.steps.count() >= 2
    wait_for(
        lambda: (
            not [
                one for one in psutil.Process().children(recursive=True) if "chromium" in one.name()
            ]
        )
    )


def test_a_killed_worker_ends_it_truthfully(sites: Sites, owner: User, worker: int) -> None:
    async def click(live: LiveClient) -> None:
        await live.click_on("h1")
        step = await live.step("click")
        await live.until(lambda: live.steps[step["key"]]["step"]["screenshot"])
        await asyncio.sleep(0.5)

    session = begin(owner, sites.page("form"), **LIGHT)
    drive(session, click)
    os.kill(worker, signal.SIGKILL)
    os.waitpid(worker, 0)
    from jobs.queue.reaper import reap

    wait_for(
        lambda: reap() or Job.objects.get(pk=session.job_id).is_terminal, timeout_s=30, every_s=0.3
    )
    job = wait_until_ended(session.job, timeout_s=20)
    assert (job.status, job.reason) == ("failed", "worker_lost")
    assert {"steps.json", "steps/0002.png", "dom/0002.html"} <= paths(job)
    assert RecordingSession.objects.get(pk=session.pk).live_address == ""


def test_unknown_and_unfit_options_name_each_field() -> None:
    kind = registry.get("recorder.record")
    with pytest.raises(InvalidOptions) as refused:
        kind.clean(
            {
                "colour": "red",
                "viewport": {"width": 3},
                "timezone": "Mars/Base",
                "device": "Abacus",
                "locale": "!",
                "permissions": ["fly"],
                "proxy": {"server": "socks5://x:1"},
                "extraHeaders": {"a b": "c"},
                "timeoutS": 1,
            }
        )
    assert set(refused.value.errors) == {
        "colour", "viewport", "timezone", "device", "locale", "permissions", "proxy", "extraHeaders", "timeoutS"}  # fmt: skip


def test_secrets_among_the_options_are_sealed() -> None:
    options = registry.get("recorder.record").clean(
        {
            "httpCredentials": {"username": "a", "password": "b"},
            "extraHeaders": {"X-Key": "v"},
            "proxy": {"server": "http://127.0.0.1:3128", "password": "p"},
        }
    )
    assert is_sealed(options["http_credentials"]["password"])
    assert is_sealed(options["extra_headers"]["X-Key"])
    assert is_sealed(options["proxy"]["password"])


def test_a_second_recording_starts_from_the_firsts_state(
    sites: Sites, owner: User, worker: int
) -> None:
    async def signs_in(live: LiveClient) -> None:
        await live.click_on('input[name="email"]')
        await live.call("text", text=USERNAME)
        await live.click_on('input[type="password"]')
        await live.call("text", text=PASSWORD)
        await live.press("Enter")
        await live.until(lambda: live.pages[0]["url"].endswith("/account"), timeout_s=20)

    first = begin(owner, sites.page("login"), verify=False, **LIGHT)
    drive(first, signs_in)
    request_stop(session=first, by=owner)
    assert wait_until_ended(first.job, timeout_s=60).status == "succeeded"
    before = len(sites.seen)
    second = begin(owner, sites.page("account"), authState=str(first.pk), **LIGHT)
    recording(second)
    request_stop(session=second, by=owner)
    job = wait_until_ended(second.job, timeout_s=110)
    second = RecordingSession.objects.get(pk=second.pk)
    assert (job.status, second.state) == ("succeeded", "verified"), job.error
    # The recording and its verification were both signed in from their first request on.
    pages = [one for one in sites.seen[before:] if one.path == "/account"]
    assert len(pages) == 2
    assert all(SESSION_COOKIE in one.headers.get("cookie", "") for one in pages)


def test_stopped_before_its_page_came(sites: Sites, owner: User, worker: int) -> None:
    session = begin(owner, sites.page("second"), **LIGHT)
    wait_for(lambda: Job.objects.get(pk=session.job_id).status == "running", timeout_s=30)
    request_stop(session=session, by=owner)
    job = wait_until_ended(session.job, timeout_s=110)
    session = RecordingSession.objects.get(pk=session.pk)
    assert list(session.steps.values_list("action", flat=True)) == ["navigate"]
    assert (job.status, session.state) == ("succeeded", "verified"), job.error


def test_nothing_recorded_is_never_verified(sites: Sites, owner: User, worker: int) -> None:
    async def delete_all(live: LiveClient) -> None:
        for step in live.kept():
            await live.call("deleteStep", key=step["key"])

    session = begin(owner, sites.page("second"), **LIGHT)
    drive(session, delete_all)
    request_stop(session=session, by=owner)
    job = wait_until_ended(session.job, timeout_s=60)
    session = RecordingSession.objects.get(pk=session.pk)
    assert (job.status, job.reason) == ("failed", "nothing_recorded")
    assert session.state == "failed"
    assert session.verified_at is None


def test_another_owners_auth_state_is_refused(sites: Sites, owner: User, worker: int) -> None:
    session = begin(owner, sites.page("second"), authState=str(uuid4()), **LIGHT)
    job = wait_until_ended(session.job, timeout_s=30)
    assert (job.status, job.reason) == ("failed", "auth_state_missing")
