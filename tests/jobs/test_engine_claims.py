"""Claiming, numbering, fencing: several processes and one table."""

import os
import threading
import time
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import connection, connections
from django.utils import timezone

from jobs import artifacts, events, policies, services
from jobs.models import Artifact, Job, Status
from jobs.queue.claim import claim, claimable
from jobs.queue.outcome import Asked, Ended, Outcome, end_attempt, lease
from jobs.queue.reaper import reap
from jobs.running import RunningJob, Superseded

pytestmark = pytest.mark.usefixtures("database")


def at_once(count: int, work: Callable[[int], Any]) -> list[Any]:
    """Run `work` in `count` threads that start together; what each returned."""
    barrier = threading.Barrier(count)
    results: list[Any] = [None] * count

    def run(number: int) -> None:
        barrier.wait()
        try:
            results[number] = work(number)
        finally:
            connections.close_all()

    threads = [threading.Thread(target=run, args=(number,)) for number in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return results


def submit(owner: User, kind: str = "test.noop", **more: Any) -> Job:
    return services.submit(kind=kind, options={}, by=owner, **more)


def running(job: Job) -> RunningJob:
    return RunningJob(job=job, options={}, report=lambda message: None)


def claimed(worker: str = "w") -> Job:
    job = claim(queue="default", worker=worker)
    assert job is not None
    return job


def test_the_best_job_first(owner: User) -> None:
    low, high, higher_later = (submit(owner, priority=priority) for priority in (0, 5, 5))
    assert [claimed().id for _ in range(3)] == [high.id, higher_later.id, low.id]
    assert claim(queue="default", worker="w") is None


def test_a_job_for_later_waits(owner: User) -> None:
    submit(owner, run_after=timezone.now() + timedelta(seconds=0.4))
    assert not claimable(queue="default")
    assert claim(queue="default", worker="w") is None
    time.sleep(0.45)
    assert claimed().run_after is None


def test_eight_claimers_never_share_a_job(owner: User) -> None:
    for _ in range(24):
        submit(owner)

    def take(number: int) -> list[Any]:
        taken = []
        while job := claim(queue="default", worker=f"w{number}"):
            taken.append(job.id)
        return taken

    taken = [job_id for each in at_once(8, take) for job_id in each]
    assert len(taken) == len(set(taken)) == 24


def test_a_limit_holds_against_eight_claimers(owner: User) -> None:
    for _ in range(16):
        submit(owner, "test.limited")
    submit(owner)
    peaks: list[int] = []

    def take_and_end(number: int) -> None:
        for _ in range(6):
            job = claim(queue="default", worker=f"w{number}")
            if job is None or job.kind != "test.limited":
                continue
            peaks.append(Job.objects.filter(kind="test.limited", status=Status.RUNNING).count())
            time.sleep(0.01)
            end_attempt(
                job_id=job.id,
                attempt=job.attempt,
                outcome=Outcome(ended=Ended.SUCCEEDED),
                kind=None,
            )

    at_once(8, take_and_end)
    assert len(peaks) >= 6
    assert max(peaks) == 2
    # The limit of one kind does not hold back another.
    assert Job.objects.get(kind="test.noop").status == Status.RUNNING


def test_numbers_have_no_gap_under_contention(owner: User) -> None:
    job = submit(owner)
    at_once(
        6,
        lambda number: [
            events.emit(job_id=job.id, type="x.done", data={"n": n}) for n in range(15)
        ],
    )
    job.refresh_from_db()
    assert list(job.events.order_by("seq").values_list("seq", flat=True)) == list(range(1, 92))
    assert job.last_seq == 91


def test_a_rolled_back_event_takes_its_number_back(owner: User) -> None:
    from django.db import transaction

    job = submit(owner)
    with pytest.raises(ZeroDivisionError), transaction.atomic():  # noqa: PT012
        events.emit(job_id=job.id, type="x.done", data={})
        raise ZeroDivisionError
    assert events.emit(job_id=job.id, type="x.done", data={}).seq == 2


def test_an_event_of_no_job_is_refused() -> None:
    from uuid import uuid4

    with pytest.raises(Job.DoesNotExist):
        events.emit(job_id=uuid4(), type="x", data={})


@pytest.mark.parametrize("value", ["\0", "\ud800", "a\udfff b", "\\u0000", "😀", "\u2028"])
def test_any_text_can_be_told(owner: User, value: str) -> None:
    job = submit(owner)
    events.emit(job_id=job.id, type="x", data={"text": value, value: [value]})
    stored = job.events.get(type="x").data["text"]
    assert stored == (value if value.isprintable() or value == "\u2028" else stored)
    assert "\0" not in stored


def test_what_is_not_json_is_refused(owner: User) -> None:
    job = submit(owner)
    for data in ({"x": float("nan")}, {"x": object()}):
        with pytest.raises((TypeError, ValueError)):
            events.emit(job_id=job.id, type="x", data=data)
    assert job.events.count() == 1


def superseded(owner: User) -> tuple[RunningJob, Job]:
    """A first attempt that lost its lease to a second."""
    submit(owner)
    first = claimed("first")
    Job.objects.filter(pk=first.pk).update(lease_until=timezone.now() - timedelta(minutes=1))
    assert reap() == 1
    Job.objects.filter(pk=first.pk).update(run_after=None)
    second = claimed("second")
    assert (second.id, second.attempt) == (first.id, 2)
    return running(first), second


def test_a_superseded_attempt_writes_nothing(owner: User) -> None:
    old, second = superseded(owner)
    before = second.events.count()
    for write in (
        lambda: old.event("x.done"),
        lambda: old.progress(1, 1),
        lambda: old.artifact("a.txt", b"x", kind="text"),
        lambda: old.fenced().__enter__(),
    ):
        with pytest.raises(Superseded):
            write()
    old._looked_at = 0
    with pytest.raises(Superseded):
        old.check_cancelled()
    assert lease(job_id=old.id, attempt=1) is None
    done = Outcome(ended=Ended.SUCCEEDED, result={"by": "first"})
    assert end_attempt(job_id=old.id, attempt=1, outcome=done, kind=None) is None
    second.refresh_from_db()
    assert (second.status, second.result, second.worker) == ("running", None, "second")
    assert second.events.count() == before
    assert not Artifact.objects.exists()
    # And the one that owns the job still can.
    running(second).event("x.done")
    assert lease(job_id=second.id, attempt=2) is Asked.NOTHING


def test_fenced_rows_commit_or_vanish_with_their_block(owner: User) -> None:
    submit(owner)
    job = running(claimed())
    with pytest.raises(ZeroDivisionError), job.fenced():  # noqa: PT012
        Job.objects.filter(pk=job.id).update(name="half")
        raise ZeroDivisionError
    with job.fenced():
        Job.objects.filter(pk=job.id).update(tags=["whole"])
    row = Job.objects.get(pk=job.id)
    assert (row.name != "half", row.tags) == (True, ["whole"])


def test_reaping_is_idempotent_and_leaves_the_living_alone(owner: User) -> None:
    from jobs.queue.processes import process_name

    submit(owner)
    submit(owner)
    mine = claimed(process_name(os.getpid()))
    lost = claimed(process_name(os.getpid()).rpartition(":")[0] + ":1")
    assert reap() == 1
    assert reap() == 0
    lost.refresh_from_db()
    mine.refresh_from_db()
    assert (lost.status, lost.reason, lost.crashes, lost.worker) == ("queued", "retrying", 1, "")
    assert lost.run_after is not None
    assert mine.status == "running"
    assert [a.outcome for a in lost.attempts.all()] == ["crashed"]
    assert lost.attempts.get().reason == "worker_lost"


def test_two_reapers_end_an_attempt_once(owner: User) -> None:
    for _ in range(5):
        submit(owner)
        job = claimed("other-host:1:1")
        Job.objects.filter(pk=job.pk).update(lease_until=timezone.now() - timedelta(minutes=1))
    assert sum(at_once(4, lambda _: reap())) == 5
    assert list(Job.objects.values_list("crashes", flat=True)) == [1] * 5


def test_a_worker_of_another_host_is_given_its_lease(owner: User) -> None:
    submit(owner)
    claimed("other-host:1:1")
    assert reap() == 0


def test_deaths_are_capped(owner: User) -> None:
    job = submit(owner)
    Job.objects.filter(pk=job.pk).update(max_attempts=2)
    for _ in range(2):
        Job.objects.filter(pk=job.pk).update(run_after=None)
        attempt = claimed("other:1:1")
        artifacts.add(job_id=job.id, attempt=attempt.attempt, path="a", source=b"x", kind="text")
        Job.objects.filter(pk=job.pk).update(lease_until=timezone.now() - timedelta(minutes=1))
        reap()
    job.refresh_from_db()
    assert (job.status, job.reason, job.crashes, job.errors) == ("failed", "worker_lost", 2, 0)
    assert list(job.artifacts.filter(visible=True).values_list("attempt", flat=True)) == [2]


def test_a_lost_job_that_was_to_end_is_cancelled(owner: User) -> None:
    submit(owner)
    job = claimed("other:1:1")
    services.cancel(job=job, by=owner, reason="enough")
    Job.objects.filter(pk=job.pk).update(lease_until=timezone.now() - timedelta(minutes=1))
    reap()
    job.refresh_from_db()
    assert (job.status, job.reason, job.cancel_reason) == (
        "cancelled",
        "cancelled_by_user",
        "enough",
    )


def test_cancelling_a_waiting_job_is_immediate_and_final(owner: User) -> None:
    job = services.cancel(job=submit(owner), by=owner, reason="no need")
    assert (job.status, job.reason, job.cancel_reason) == (
        "cancelled",
        "cancelled_by_user",
        "no need",
    )
    assert job.finished_at is not None
    assert [*job.events.order_by("seq").values_list("type", flat=True)] == [
        "job.created",
        "job.cancel_requested",
        "job.state_changed",
    ]
    assert claim(queue="default", worker="w") is None
    with pytest.raises(services.JobNotCancellable):
        services.cancel(job=job, by=owner)


def test_asking_a_running_job_twice_is_one_request(owner: User) -> None:
    submit(owner)
    job = claimed()
    first = services.cancel(job=job, by=owner, reason="one")
    second = services.cancel(job=job, by=owner, reason="two")
    assert first.cancel_requested_at == second.cancel_requested_at
    assert second.cancel_reason == "one"
    assert job.events.filter(type="job.cancel_requested").count() == 1
    assert job.events.get(type="job.cancel_requested").data == {"by": "owner", "reason": "one"}


def test_a_submission_commits_or_rolls_back_with_its_caller(owner: User) -> None:
    from django.db import transaction

    with pytest.raises(ZeroDivisionError), transaction.atomic():  # noqa: PT012
        submit(owner)
        raise ZeroDivisionError
    assert not Job.objects.exists()
    with pytest.raises(services.UnknownKind):
        submit(owner, "test.unheard")
    with pytest.raises(services.InvalidOptions):
        services.submit(kind="test.noop", options={"colour": "red"}, by=owner)


def test_a_claim_is_cheap(owner: User, django_assert_max_num_queries: Any) -> None:
    # BEGIN, the job, the attempt, the events, COMMIT; where a kind of the queue is limited, what
    # runs, and on PostgreSQL the lock; once a second the policies.
    submit(owner)
    policies.forget()
    with django_assert_max_num_queries(7 if connection.vendor == "sqlite" else 8):
        job = claimed()
    with django_assert_max_num_queries(5):
        done = Outcome(ended=Ended.SUCCEEDED, artifacts=False)
        end_attempt(job_id=job.id, attempt=1, outcome=done, kind=None)


def test_a_claim_uses_the_partial_index(owner: User) -> None:
    submit(owner)
    with connection.cursor() as cursor:
        if connection.vendor == "sqlite":
            cursor.execute(
                "EXPLAIN QUERY PLAN SELECT id FROM jobs_job WHERE status = 'queued' AND queue = %s "
                "AND (run_after IS NULL OR run_after <= 'x') ORDER BY priority DESC, id LIMIT 1",
                ["default"],
            )
        else:
            cursor.execute("SET enable_seqscan = off")
            cursor.execute(
                "EXPLAIN SELECT id FROM jobs_job WHERE status = 'queued' AND queue = %s "
                "AND (run_after IS NULL OR run_after <= clock_timestamp()) "
                "ORDER BY priority DESC, id LIMIT 1 FOR UPDATE SKIP LOCKED",
                ["default"],
            )
        plan = str(cursor.fetchall())
    assert "job_claimable" in plan
    assert "TEMP B-TREE" not in plan
    assert "Sort" not in plan
