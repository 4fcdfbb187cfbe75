"""Schedules: due, missed and overlapping runs; broken ones; API and admin; real clusters, killed ones."""

from __future__ import annotations

import json
import signal
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from threading import Barrier, Thread
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import connections
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from jobs import access, scheduler, schedules, services
from jobs.models import AuditEntry, Job, Schedule, ScheduleRun, Status
from jobs.roles import put_in
from jobs.secrets import MASK, is_sealed
from jobs.services.refusals import (
    InvalidFields,
    InvalidOptions,
    ScheduleBroken,
    ScheduleBusy,
    ScheduleNotPaused,
)
from tests.fixtures.jobs import Cluster, wait_for
from tests.jobs.conftest import end_job

EVERY_MINUTE = "* * * * *"


def _make(owner: User, **fields: Any) -> Schedule:
    given = {"name": "Nightly", "kind": "test.noop", "cron_expression": EVERY_MINUTE, **fields}
    return schedules.save(by=owner, **given)


def _minute() -> datetime:
    """The newest minute that has begun: a time at which `EVERY_MINUTE` was due."""
    return timezone.now().replace(second=0, microsecond=0)


def _due(schedule: Schedule, *, minutes_ago: int = 0) -> None:
    """As though the clocks of all workers had stood still since then."""
    Schedule.objects.filter(pk=schedule.pk).update(
        next_at=_minute() - timedelta(minutes=minutes_ago)
    )


def _history(schedule: Schedule) -> list[tuple[str, str]]:
    return list(schedule.runs.order_by("id").values_list("trigger", "outcome"))


def test_a_due_time_submits_one_job_that_carries_its_schedule(database: str, owner: User) -> None:
    schedule = _make(owner, tags=["night"], priority=7, kind="test.reports", options={"text": "x"})
    _due(schedule)
    assert scheduler.tick() == 1
    assert scheduler.tick() == 0
    job = Job.objects.get()
    assert (job.schedule_id, job.owner, job.name) == (schedule.pk, owner, "Nightly")
    assert (job.tags, job.priority, job.options["text"]) == (["night"], 7, "x")
    assert job.events.get(type="job.created").data["scheduleId"] == str(schedule.pk)
    run = schedule.runs.get()
    assert (run.trigger, run.outcome, run.job) == ("time", "submitted", job)
    schedule.refresh_from_db()
    assert schedule.next_at is not None
    assert schedule.next_at > timezone.now()


def test_many_schedulers_at_once_submit_each_time_once(database: str, owner: User) -> None:
    made = [_make(owner, name=f"Schedule {number}") for number in range(5)]
    for schedule in made:
        _due(schedule)
    together = Barrier(4)

    def run() -> None:
        try:
            together.wait()
            for _ in range(3):
                scheduler.tick()
        finally:
            connections.close_all()

    threads = [Thread(target=run) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert Job.objects.count() == 5
    assert ScheduleRun.objects.count() == 5


def test_a_scheduler_that_dies_before_it_commits_has_done_nothing(
    database: str, owner: User
) -> None:
    """`kill -9` between the UPDATE and the commit: the process is really killed there."""
    import os

    from django.db import connection, transaction

    schedule = _make(owner)
    _due(schedule)
    connections.close_all()
    pid = os.fork()
    if pid == 0:
        try:
            transaction.on_commit(lambda: None)
            with transaction.atomic():
                assert scheduler._handle_due(schedule.pk) == 1
                assert Job.objects.count() == 1
                os.kill(os.getpid(), signal.SIGKILL)
        finally:
            os._exit(1)
    _, status = os.waitpid(pid, 0)
    assert os.WTERMSIG(status) == signal.SIGKILL
    connection.close()
    assert Job.objects.count() == 0
    assert scheduler.tick() == 1
    assert Job.objects.count() == 1


@pytest.mark.parametrize(
    ("missed", "jobs", "history"),
    [
        ("skip", 1, [("missed", "skipped"), ("time", "submitted")]),
        ("once", 1, [("missed", "skipped"), ("time", "submitted")]),
        (
            "all",
            4,
            [("missed", "skipped"), *[("missed", "submitted")] * 3, ("time", "submitted")],
        ),
    ],
)
def test_times_missed_before_one_on_time(
    database: str, owner: User, missed: str, jobs: int, history: list[tuple[str, str]]
) -> None:
    schedule = _make(owner, missed=missed, missed_most=3, overlap="allow")
    _due(schedule, minutes_ago=10)
    scheduler.tick()
    assert Job.objects.count() == jobs
    assert _history(schedule) == history
    first = schedule.runs.order_by("id")[0]
    assert first.note.startswith("10 times" if missed != "all" else "7 times")


@pytest.mark.parametrize(
    ("missed", "history"),
    [
        ("skip", [("missed", "skipped")]),
        ("once", [("missed", "skipped"), ("missed", "submitted")]),
        ("all", [*[("missed", "submitted")] * 3]),
    ],
)
def test_only_missed_times(
    database: str, owner: User, missed: str, history: list[tuple[str, str]]
) -> None:
    """The last due time is hours ago: nothing is on time."""
    now = timezone.now()
    hours = ",".join(str((now - timedelta(hours=back)).hour) for back in (2, 3, 4))
    schedule = _make(
        owner, missed=missed, overlap="allow", cron_expression=f"0 {hours} * * *", time_zone="UTC"
    )
    since = now.replace(minute=0, second=0, microsecond=0) - timedelta(hours=4)
    Schedule.objects.filter(pk=schedule.pk).update(next_at=since)
    scheduler.tick()
    assert _history(schedule) == history
    if missed == "all":
        due = list(schedule.runs.order_by("id").values_list("due_at", flat=True))
        assert due == sorted(due)


def test_a_year_of_missed_minutes_is_told_and_bounded(database: str, owner: User) -> None:
    schedule = _make(owner, missed="all", missed_most=2, overlap="allow")
    _due(schedule, minutes_ago=60 * 24 * 365)
    scheduler.tick()
    assert Job.objects.count() == 3
    assert "more than" not in _history(schedule)
    note = schedule.runs.order_by("id")[0].note
    assert "only the newest 2" in note


def test_overlap_skip(database: str, owner: User) -> None:
    schedule = _make(owner, overlap="skip")
    _due(schedule, minutes_ago=1)
    scheduler.tick()
    _due(schedule)
    ScheduleRun.objects.update(trigger="hand")  # the very same time comes once more
    scheduler.tick()
    assert Job.objects.count() == 1
    assert schedule.runs.order_by("-id")[0].note == "The last run has not ended."


def test_overlap_queue_one_waits_for_the_end(database: str, owner: User) -> None:
    schedule = _make(owner, overlap="queue_one")
    first = schedules.run_now(schedule=schedule, by=owner)
    waiting = schedules.run_now(schedule=schedule, by=owner)
    assert (first.outcome, waiting.outcome) == ("submitted", "waiting")
    with pytest.raises(ScheduleBusy, match="waits already"):
        schedules.run_now(schedule=schedule, by=owner)
    assert scheduler.tick() == 0
    assert Job.objects.count() == 1
    assert first.job is not None
    end_job(first.job)
    assert scheduler.tick() == 1
    waiting.refresh_from_db()
    assert waiting.outcome == "submitted"
    assert waiting.job is not None
    assert waiting.job.status == Status.QUEUED


def test_overlap_cancel_previous_starts_when_it_has_ended(database: str, owner: User) -> None:
    schedule = _make(owner, overlap="cancel_previous")
    queued = schedules.run_now(schedule=schedule, by=owner).job
    second = schedules.run_now(schedule=schedule, by=owner)
    assert queued is not None
    queued.refresh_from_db()
    assert (queued.status, second.outcome) == ("cancelled", "submitted")
    Job.objects.filter(pk=second.job_id).update(
        status="running", attempt=1, lease_until=timezone.now() + timedelta(hours=1)
    )
    third = schedules.run_now(schedule=schedule, by=owner)
    assert third.outcome == "waiting"
    fourth = schedules.run_now(schedule=schedule, by=owner)
    third.refresh_from_db()
    assert (third.outcome, third.note) == ("skipped", "A newer run took its place.")
    running = Job.objects.get(pk=second.job_id)
    assert running.cancel_requested_at is not None
    assert "Nightly" in running.cancel_reason
    assert scheduler.tick() == 0
    end_job(running)
    scheduler.tick()
    fourth.refresh_from_db()
    assert fourth.outcome == "submitted"


def test_allow_lets_them_run_beside_each_other(database: str, owner: User) -> None:
    schedule = _make(owner, overlap="allow")
    for _ in range(3):
        schedules.run_now(schedule=schedule, by=owner)
    assert Job.objects.filter(status="queued").count() == 3


def test_pausing_takes_back_what_waits_and_resuming_makes_up_for_nothing(
    database: str, owner: User
) -> None:
    schedule = _make(owner, overlap="queue_one")
    first = schedules.run_now(schedule=schedule, by=owner)
    waiting = schedules.run_now(schedule=schedule, by=owner)
    paused = schedules.pause(schedule=schedule, by=owner, reason="Release day")
    assert (paused.paused, paused.next_at, paused.pause_reason) == (True, None, "Release day")
    waiting.refresh_from_db()
    assert waiting.outcome == "skipped"
    assert first.job is not None
    end_job(first.job)
    assert scheduler.tick() == 0
    resumed = schedules.resume(schedule=schedule, by=owner)
    assert resumed.next_at is not None
    assert resumed.next_at > timezone.now()
    assert resumed.pause_reason == ""
    with pytest.raises(ScheduleNotPaused):
        schedules.resume(schedule=schedule, by=owner)
    actions = list(AuditEntry.objects.order_by("id").values_list("action", flat=True))
    assert [name for name in actions if name.startswith("schedule.")] == [
        *("schedule.create", "schedule.run", "schedule.run", "schedule.pause", "schedule.resume")
    ]


def test_a_schedule_that_can_not_submit_pauses_and_says_why(database: str, owner: User) -> None:
    preset = services.save_preset(kind="test.reports", name="Long", options={"text": "a"}, by=owner)
    by_preset = _make(owner, name="By preset", kind="test.reports", preset="Long")
    gone = _make(owner, name="Gone kind")
    leaver = User.objects.create_user("leaver", is_staff=True)
    put_in(user=leaver, role=access.Role.OPERATOR)
    of_leaver = _make(leaver, name="Of a leaver")
    options = _make(owner, name="Options", kind="test.reports", options={"text": "a"})
    services.delete_preset(preset=preset, by=owner)
    Schedule.objects.filter(pk=gone.pk).update(kind="test.removed")
    Schedule.objects.filter(pk=options.pk).update(options={"colour": "red"})
    leaver.is_active = False
    leaver.save()
    expected = {
        by_preset: "no preset 'Long'",
        gone: "does not know the kind 'test.removed'",
        of_leaver: "leaver was deactivated",
        options: "not valid (any more): colour",
    }
    for schedule, said in expected.items():
        assert said in schedules.problem_of(Schedule.objects.get(pk=schedule.pk))
        _due(schedule)
    scheduler.tick()
    assert Job.objects.count() == 0
    for schedule, said in expected.items():
        row = Schedule.objects.get(pk=schedule.pk)
        assert row.paused, said
        assert said in row.pause_reason
        assert _history(row) == [("time", "refused")]
        with pytest.raises(ScheduleBroken):
            schedules.resume(schedule=row, by=owner)
    leaver.delete()
    of_leaver.refresh_from_db()
    assert "deleted" in schedules.problem_of(of_leaver)


def test_an_options_secret_is_sealed_and_kept_behind_its_dots(database: str, owner: User) -> None:
    schedule = _make(owner, kind="test.reports", options={"secret": "hush"})
    assert is_sealed(schedule.options["secret"])
    shown = schedules.schedule_dto(schedule)["options"]
    assert "hush" not in json.dumps(shown)
    changed = _make(owner, schedule=schedule, kind="test.reports", options=shown)
    assert is_sealed(changed.options["secret"])
    schedules.run_now(schedule=changed, by=owner)
    assert is_sealed(Job.objects.get().options["secret"])


@pytest.mark.parametrize(
    ("fields", "field", "said"),
    [
        ({"cron_expression": "0 0 30 2 *"}, "cron", "never fires"),
        ({"time_zone": "Mars/Base"}, "timeZone", "no time zone"),
        ({"kind": "no.kind"}, "kind", "no kind"),
        ({"kind": "recorder.record"}, "kind", "needs more than options"),
        ({"preset": "none"}, "preset", "no preset"),
        ({"name": " "}, "name", "1 to 120"),
        ({"overlap": "perhaps"}, "overlap", "One of"),
        ({"missed": "perhaps"}, "missed", "One of"),
        ({"missed_most": 0}, "missedMost", "1 to 1000"),
        ({"tags": ["x"] * 10_000}, "tags", "At most"),
        ({"priority": 10**6}, "priority", "whole number"),
    ],
)
@pytest.mark.django_db
def test_bad_fields_are_named(owner: User, fields: dict[str, Any], field: str, said: str) -> None:
    with pytest.raises(InvalidFields) as refused:
        _make(owner, **fields)
    assert said in str(refused.value.errors[field])
    assert not Schedule.objects.exists()


@pytest.mark.django_db
def test_bad_options_and_a_taken_name(owner: User) -> None:
    with pytest.raises(InvalidOptions) as refused:
        _make(owner, options={"colour": "red"})
    assert "colour" in refused.value.errors
    _make(owner)
    with pytest.raises(InvalidFields, match="already"):
        _make(owner)


def test_two_clusters_submit_and_run_what_is_due(
    database: str, owner: User, cluster: Callable[..., Cluster]
) -> None:
    schedule = _make(owner, overlap="allow")
    running = [cluster(workers=1), cluster(workers=1)]
    for turn in range(3):
        ScheduleRun.objects.update(trigger="hand")  # the very same time comes once more
        _due(schedule)
        wait_for(lambda turn=turn: Job.objects.filter(status="succeeded").count() == turn + 1)
        if turn == 0:
            running[0].process.kill()
    assert Job.objects.count() == 3
    assert schedule.runs.filter(outcome="submitted").count() == 3


@pytest.mark.django_db
def test_the_api_from_creation_to_deletion(client: Client, owner: User) -> None:
    client.force_login(owner)
    given = {
        "name": "Morgens früh <b>",
        "kind": "test.noop",
        "cron": "30 6 * * MON-FRI",
        "timeZone": "Europe/Berlin",
        "missed": "skip",
        "overlap": "queue_one",
        "tags": ["a"],
    }
    made = client.post("/api/schedules", given, content_type="application/json")
    assert made.status_code == 201, made.content
    body = made.json()
    url = f"/api/schedules/{body['id']}"
    assert body["cronWords"] == "At 06:30 on Monday through Friday"
    assert len(body["upcoming"]) == 5
    assert all("T06:30:00+0" in at for at in body["upcoming"])
    assert body["problem"] == ""
    assert client.get("/api/schedules/").json()["results"] == [body]
    changed = client.patch(url, {"cron": "0 7 * * *"}, content_type="application/json").json()
    assert "T07:00:00" in changed["upcoming"][0]
    assert (changed["overlap"], changed["tags"]) == ("queue_one", ["a"])
    paused = client.post(f"{url}/pause", {"reason": "why"}, content_type="application/json").json()
    assert (paused["paused"], paused["pauseReason"], paused["upcoming"]) == (True, "why", [])
    assert client.post(f"{url}/resume").json()["paused"] is False
    run = client.post(f"{url}/run")
    assert (run.status_code, run.json()["outcome"]) == (201, "submitted")
    assert client.post(f"{url}/run").json()["outcome"] == "waiting"
    busy = client.post(f"{url}/run")
    assert (busy.status_code, busy.json()["code"]) == (422, "schedule_busy")
    again = client.post(f"{url}/resume")
    assert (again.status_code, again.json()["code"]) == (422, "schedule_not_paused")
    assert [row["outcome"] for row in client.get(f"{url}/runs").json()["results"]] == [
        *("waiting", "submitted")
    ]
    assert client.delete(url).status_code == 204
    assert client.get(url).status_code == 404
    assert Job.objects.count() == 1


@pytest.mark.django_db
def test_the_api_names_bad_fields(client: Client, owner: User) -> None:
    client.force_login(owner)

    def errors(**fields: Any) -> dict[str, list[str]]:
        given = {"name": "x", "kind": "test.noop", "cron": EVERY_MINUTE, **fields}
        answer = client.post("/api/schedules", given, content_type="application/json")
        assert answer.status_code == 400
        assert answer["Content-Type"] == "application/problem+json"
        found: dict[str, list[str]] = answer.json()["errors"]
        return found

    assert "never fires" in errors(cron="0 0 30 2 *")["cron"][0]
    assert "no time zone" in errors(timeZone="X")["timeZone"][0]
    assert "Unknown field" in errors(crom="x")["crom"][0]
    assert "Unknown option" in errors(options={"x": 1})["x"][0]
    assert client.get("/api/schedules/none").status_code == 404


@pytest.mark.django_db
def test_whose_schedules_are_whose(client: Client, owner: User) -> None:
    schedule = _make(owner)
    operator = User.objects.create_user("operator", is_staff=True)
    put_in(user=operator, role=access.Role.OPERATOR)
    viewer = User.objects.create_user("viewer", is_staff=True)
    put_in(user=viewer, role=access.Role.VIEWER)
    url = f"/api/schedules/{schedule.pk}"
    assert client.get("/api/schedules").status_code == 401
    client.force_login(operator)
    assert client.get("/api/schedules").json()["results"] == []
    for method in (client.get, client.patch, client.delete):
        assert method(url).status_code == 404
    for verb in ("run", "pause", "resume"):
        assert client.post(f"{url}/{verb}").status_code == 404
    mine = client.post(
        "/api/schedules",
        {"name": "Mine", "kind": "test.noop", "cron": EVERY_MINUTE},
        content_type="application/json",
    )
    assert mine.status_code == 201
    client.force_login(viewer)
    assert client.get("/api/schedules").json()["results"] == []
    assert client.post("/api/schedules", {}, content_type="application/json").status_code == 403


@pytest.mark.django_db
def test_the_admin_makes_runs_and_pauses_schedules(client: Client, owner: User) -> None:
    client.force_login(owner)
    add = reverse("admin:jobs_schedule_add")
    form = {
        "name": "Nightly",
        "kind": "test.reports",
        "option.text": "x",
        "option.secret": "hush",
        "cron": "0 0 30 2 *",
        "time_zone": "UTC",
        "overlap": "queue_one",
        "missed": "once",
        "missed_most": "10",
        "tags": "a, b",
    }
    refused = client.post(add, form)
    assert refused.status_code == 200
    assert b"never fires" in refused.content
    form["cron"] = "0 3 * * *"
    assert b"of which kind?" in client.get(add).content
    wrong = client.post(add, {**form, "option.secret": MASK})
    assert b"type it in" in wrong.content
    assert not Schedule.objects.exists()
    assert client.post(add, form).status_code == 302
    schedule = Schedule.objects.get()
    assert (schedule.tags, schedule.owner) == (["a", "b"], owner)
    changing = reverse("admin:jobs_schedule_change", args=[schedule.pk])
    page = client.get(changing)
    assert b"Next five runs" in page.content
    assert b"03:00 (UTC+0000)" in page.content
    assert b"Run now" in page.content
    assert b"hush" not in page.content
    again = client.post(changing, {**form, "option.secret": "", "cron": "0 4 * * *"})
    assert again.status_code == 302
    schedule.refresh_from_db()
    assert schedule.cron == "0 4 * * *"
    assert is_sealed(schedule.options["secret"])
    listing = reverse("admin:jobs_schedule_changelist")
    do = {v: reverse("admin:jobs_schedule_do", args=[schedule.pk, v]) for v in ("pause", "resume")}
    assert do["pause"].encode() in client.get(listing).content
    assert client.get(do["pause"]).status_code == 405
    assert client.post(do["pause"]).status_code == 302
    paused = client.get(listing).content
    assert do["resume"].encode() in paused
    assert do["pause"].encode() not in paused
    assert b"By hand; nothing is submitted." in paused
    client.post(do["resume"])
    assert client.post(f"{do['resume'][:-7]}explode/").status_code == 404
    chosen = {"_selected_action": [str(schedule.pk)]}
    client.post(listing, {**chosen, "action": "run_now"})
    job = Job.objects.get()
    assert job.schedule == schedule
    shown = client.get(reverse("admin:jobs_job_change", args=[job.pk])).content
    assert reverse("admin:jobs_schedule_change", args=[schedule.pk]).encode() in shown
    client.post(listing, {**chosen, "action": "pause"})
    schedule.refresh_from_db()
    assert schedule.paused
    client.post(listing, {**chosen, "action": "resume"})
    schedule.refresh_from_db()
    assert not schedule.paused
    said = client.post(listing, {**chosen, "action": "resume"}, follow=True)
    assert b"not paused" in said.content
    assert client.get(listing).status_code == 200
    runs = client.get(reverse("admin:jobs_schedulerun_changelist"))
    assert b"Nightly" in runs.content
    assert (
        client.post(
            reverse("admin:jobs_schedule_delete", args=[schedule.pk]), {"post": "yes"}
        ).status_code
        == 302
    )
    assert not Schedule.objects.exists()


def test_times_are_the_databases_and_utc_inside(database: str, owner: User) -> None:
    schedule = _make(owner, cron_expression="30 2 * * *", time_zone="America/New_York")
    assert schedule.next_at is not None
    local = schedule.next_at.astimezone(UTC)
    assert local.minute == 30
    assert local.hour in {6, 7}


@pytest.mark.django_db
def test_the_lists_cost_the_same_for_one_schedule_and_for_many(
    client: Client, owner: User, django_assert_max_num_queries: Any
) -> None:
    """Of an admin, without presets: each other owner's role and each preset is asked for by itself."""
    client.force_login(owner)

    def costs(url: str) -> int:
        with django_assert_max_num_queries(40) as spent:
            assert client.get(url).status_code == 200
        return len(spent)

    urls = ("/api/schedules", reverse("admin:jobs_schedule_changelist"))
    schedules.run_now(schedule=_make(owner), by=owner)
    before = [costs(url) for url in urls]
    for number in range(10):
        schedule = _make(owner, name=f"Schedule {number}", overlap="allow")
        schedules.run_now(schedule=schedule, by=owner)
        schedules.run_now(schedule=schedule, by=owner)
    assert [costs(url) for url in urls] == before
