"""How attempts end, and what is kept of them: on both databases, with a real worker each."""

from itertools import pairwise
from pathlib import Path

import psutil
import pytest
from django.conf import settings
from django.contrib.auth.models import User
from django.utils import timezone

from jobs.models import Attempt, Job
from tests.fixtures.database import stored_files
from tests.fixtures.jobs import RunJob

pytestmark = pytest.mark.usefixtures("database")


def types(job: Job) -> list[str]:
    return list(job.events.order_by("seq").values_list("type", flat=True))


def paths(job: Job) -> list[str]:
    return list(job.artifacts.filter(visible=True).values_list("path", flat=True))


def lines(job: Job, stream: str) -> list[str]:
    batches = job.events.filter(type="log", data__stream=stream).order_by("seq")
    return [line for batch in batches for line in batch.data["lines"]]


def test_a_job_runs_once_and_says_so(run_job: RunJob) -> None:
    job = run_job("test.noop")
    assert (job.status, job.reason, job.attempt) == ("succeeded", "", 1)
    assert job.started_at is not None
    assert job.finished_at is not None
    assert job.created_at <= job.started_at <= job.finished_at
    assert types(job) == [
        "job.created",
        "attempt.started",
        "job.state_changed",
        "attempt.ended",
        "job.state_changed",
    ]
    assert [event.data["status"] for event in job.events.filter(type="job.state_changed")] == [
        "running",
        "succeeded",
    ]
    attempt = job.attempts.get()
    assert attempt.outcome == Attempt.Outcome.SUCCEEDED
    assert attempt.ended_at is not None


def test_everything_a_body_reports_is_kept(run_job: RunJob) -> None:
    job = run_job("test.reports", text="hi", secret="s3cret")
    assert job.status == "succeeded"
    assert job.result == {"text": "hi", "secret": 6}
    assert job.metrics == {"pages": 5}
    assert (job.progress_done, job.progress_total, job.progress_unit) == (5, 5, "pages")
    assert lines(job, "log") == ["one"]
    assert lines(job, "detail") == ["two"]
    assert job.events.get(type="page.read").data == {"number": 1, "text": "a\ufffdb"}
    assert paths(job) == ["b.json", "notes/a.txt"]
    assert [*job.events.order_by("seq").values_list("seq", flat=True)] == [
        *range(1, job.last_seq + 1)
    ]
    assert "s3cret" not in str([*job.events.values_list("data", flat=True), job.options])
    assert not (settings.DATA_DIR / "work" / str(job.id)).exists()


def test_a_known_failure_keeps_code_message_result_and_artifacts(run_job: RunJob) -> None:
    job = run_job("test.refuses")
    assert (job.status, job.reason, job.error) == ("failed", "too_blue", "It is too blue.")
    assert job.result == {"blue": 7}
    assert paths(job) == ["why.txt"]


def test_an_error_is_tried_again_as_often_as_the_kind_says(run_job: RunJob) -> None:
    job = run_job("test.errs")
    assert (job.status, job.reason, job.error) == ("failed", "error", "ZeroDivisionError: by zero")
    assert (job.attempt, job.errors, job.crashes) == (3, 3, 0)
    assert [attempt.outcome for attempt in job.attempts.all()] == ["errored"] * 3
    waits = [later.started_at - earlier.ended_at for earlier, later in _pairs(job)]
    assert 0.07 <= waits[0].total_seconds() < waits[1].total_seconds()
    assert "ZeroDivisionError: by zero" in lines(job, "traceback")
    # Only what the last attempt left is kept.
    assert [(artifact.attempt, artifact.visible) for artifact in job.artifacts.all()] == [(3, True)]
    assert [name for name in stored_files() if str(job.id) in name] == [
        job.artifacts.get().storage_name
    ]


def _pairs(job: Job) -> list[tuple[Attempt, Attempt]]:
    attempts = list(job.attempts.order_by("number"))
    return list(pairwise(attempts))


def test_a_retry_that_succeeds_shows_its_own_artifacts_only(run_job: RunJob) -> None:
    job = run_job("test.recovers")
    assert (job.status, job.reason, job.result) == ("succeeded", "", {"attempt": 2})
    assert [(artifact.attempt, artifact.visible) for artifact in job.artifacts.all()] == [(2, True)]


@pytest.mark.parametrize("kind", ["test.hurries", "test.isolated_hurries"])
def test_an_attempt_that_takes_too_long_is_ended(run_job: RunJob, kind: str) -> None:
    job = run_job(kind)
    assert (job.status, job.reason) == ("failed", "timed_out")
    assert job.attempts.get().outcome == Attempt.Outcome.TIMED_OUT
    assert job.finished_at is not None
    assert job.started_at is not None
    assert 1 <= (job.finished_at - job.started_at).total_seconds() < 4


def test_a_full_disk_fails_the_job_and_shows_nothing_half_written(run_job: RunJob) -> None:
    job = run_job("test.full")
    assert (job.status, job.reason) == ("failed", "storage_full")
    assert paths(job) == ["small.txt"]
    assert [name for name in stored_files() if str(job.id) in name] == [
        job.artifacts.get().storage_name
    ]
    assert list((settings.DATA_DIR / "incoming").iterdir()) == []


def test_an_isolated_body_sees_no_secret_and_leaves_no_process(run_job: RunJob) -> None:
    job = run_job("test.isolated", seconds=0.1)
    assert job.status == "succeeded"
    started = job.events.get(type="body.started").data
    assert not psutil.pid_exists(started["program"])
    assert not psutil.pid_exists(started["pid"])
    assert not {"SECRET_KEY", "ENCRYPTION_KEY", "DATABASE_URL", "ADMIN_PASSWORD"} & set(
        started["environment"]
    )
    assert {"PATH", "TMPDIR", "TAPEDECK_ATTEMPT"} <= set(started["environment"])
    assert lines(job, "stdout") == ["to stdout"]
    assert lines(job, "stderr") == ["to stderr"]
    assert lines(job, "log") == ["to the log"]


def test_a_body_that_dies_is_a_crash_seen_at_once(run_job: RunJob) -> None:
    job = run_job("test.isolated_dies")
    assert (job.status, job.reason) == ("failed", "crashed")
    assert job.error == "The body's process was killed by SIGSEGV."
    assert (job.attempt, job.crashes, job.errors) == (2, 2, 0)
    assert paths(job) == ["before.txt"]
    for attempt in job.attempts.all():
        assert attempt.ended_at is not None
        assert (attempt.ended_at - attempt.started_at).total_seconds() < 2


def test_memory_is_limited(run_job: RunJob) -> None:
    job = run_job("test.isolated_hungry")
    assert (job.status, job.error) == ("failed", "MemoryError: ")


def test_a_flood_of_output_is_cut(run_job: RunJob) -> None:
    job = run_job("test.isolated_floods")
    assert job.status == "succeeded"
    kept = lines(job, "stdout")
    assert kept[-1].startswith("[the log ends here")
    assert sum(map(len, kept)) < 1_000_000


def test_a_kind_that_is_gone_fails_its_jobs(run_job: RunJob, owner: User) -> None:
    gone = Job.objects.create(kind="test.gone", owner=owner, created_at=timezone.now(), last_seq=0)
    run_job("test.noop")
    gone.refresh_from_db()
    assert (gone.status, gone.reason) == ("failed", "unknown_kind")


def test_work_folders_lie_in_the_data_folder(run_job: RunJob, installation: Path) -> None:
    job = run_job("test.isolated_fast")
    assert not list((installation / "work").glob(f"{job.id}/*"))
