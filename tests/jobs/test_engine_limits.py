"""Concurrency, rates, queue time-outs and retries: what operators set is what claims do."""

from __future__ import annotations

import time
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.utils import timezone

from jobs import policies, services
from jobs.models import Job, KindPolicy, Start, Status
from jobs.queue import limits
from jobs.queue.claim import claim, claimable
from jobs.queue.outcome import Ended, Outcome, backoff_s, end_attempt
from jobs.queue.reaper import end_overdue
from jobs.reasons import Reason
from jobs.registry import get
from jobs.waiting import held_back, waiting_for
from tests.fixtures.jobs import wait_until_ended
from tests.jobs.test_engine_claims import at_once
from tests.jobs.test_verbs import person

pytestmark = pytest.mark.usefixtures("database")


@pytest.fixture
def other(owner: User) -> User:
    return person("other")


def submit(by: User, kind: str = "test.noop", **more: Any) -> Job:
    return services.submit(kind=kind, options={}, by=by, **more)


def take() -> Job | None:
    return claim(queue="default", worker="w")


def set_policy(by: User, kind: str = "test.noop", **values: Any) -> KindPolicy:
    return services.set_policy(kind=kind, values=values, by=by)


def finish(job: Job, **outcome: Any) -> Job:
    ended = end_attempt(
        job_id=job.id,
        attempt=job.attempt,
        outcome=Outcome(**{"ended": Ended.SUCCEEDED, **outcome}),
        kind=get(job.kind),
    )
    assert ended is not None
    return ended


def codes(job: Job) -> list[str]:
    return [each.code for each in waiting_for(job=job, now=timezone.now())]


def test_a_policy_overrides_the_kinds_concurrency_and_a_cleared_one_gives_it_back(
    owner: User,
) -> None:
    for _ in range(4):
        submit(owner, "test.limited")
    policy = set_policy(owner, "test.limited", concurrency=1)
    first = take()
    assert first is not None
    assert (take(), claimable(queue="default")) == (None, False)
    services.clear_policy(policy=policy, by=owner)
    assert take() is not None  # its own limit is two
    assert take() is None
    finish(first)
    assert take() is not None


def test_one_users_jobs_leave_room_for_anothers(owner: User, other: User) -> None:
    set_policy(owner, user_concurrency=1)
    mine = [submit(owner) for _ in range(3)]
    theirs = submit(other)
    taken = [take() for _ in range(3)]
    assert [job and job.id for job in taken] == [mine[0].id, theirs.id, None]
    assert codes(mine[1]) == ["no_worker", "waiting_for_user_slot"]


def test_all_kinds_together_have_limits_too(owner: User, other: User) -> None:
    set_policy(owner, "*", concurrency=2, user_concurrency=1)
    submit(owner)
    waits = submit(owner, "test.sleeps")
    submit(other, "test.sleeps")
    submit(person("third"))
    first, second = take(), take()
    assert first is not None
    assert second is not None
    assert (first.owner_id, second.owner_id) == (owner.pk, other.pk)
    assert take() is None
    assert [hold.code for hold in held_back(job=waits)] == [
        "all_waiting_for_slot",
        "all_waiting_for_user_slot",
    ]
    finish(first)
    third = take()
    assert third is not None
    assert third.id == waits.id


def test_a_concurrency_of_nothing_stands_a_kind_still(owner: User) -> None:
    set_policy(owner, concurrency=0)
    submit(owner)
    assert (take(), claimable(queue="default")) == (None, False)
    set_policy(owner, concurrency=None)
    assert take() is not None


def test_a_rate_counts_starts_not_ends(owner: User, other: User) -> None:
    set_policy(owner, rate_starts=3, rate_window_s=3600, user_rate_starts=2, user_rate_window_s=60)
    jobs = [submit(owner) for _ in range(4)] + [submit(other) for _ in range(2)]
    started = []
    while job := take():
        started.append(job.owner_id)
        finish(job)
    assert started == [owner.pk, owner.pk, other.pk]
    assert [hold.code for hold in held_back(job=jobs[2])] == ["rate", "user_rate"]
    assert [hold.code for hold in held_back(job=jobs[5])] == ["rate"]
    assert "3 in 3600 s" in held_back(job=jobs[5])[0].message
    # Deleting what ran buys no new start.
    services.delete_many(ids=[job.pk for job in Job.objects.filter(status="succeeded")], by=owner)
    assert take() is None
    # An hour later there is room again; what nothing counts is forgotten.
    Start.objects.update(at=timezone.now() - timedelta(seconds=3601))
    assert limits.forget_starts() == 3
    assert take() is not None


def test_a_rate_of_all_kinds_counts_each_kind(owner: User) -> None:
    set_policy(owner, "*", rate_starts=2, rate_window_s=60)
    submit(owner)
    submit(owner, "test.sleeps")
    last = submit(owner, "test.errs")
    assert [bool(take()) for _ in range(3)] == [True, True, False]
    assert [hold.code for hold in held_back(job=last)] == ["all_rate"]


def test_kinds_without_a_rate_leave_no_starts(owner: User) -> None:
    submit(owner)
    submit(owner, "test.limited")
    assert [bool(take()) for _ in range(2)] == [True, True]
    assert not Start.objects.exists()


def test_a_retry_is_a_start(owner: User) -> None:
    set_policy(owner, "test.errs", rate_starts=1, rate_window_s=60, backoff_s=0)
    submit(owner, "test.errs")
    job = take()
    assert job is not None
    again = finish(job, ended=Ended.ERRORED, reason=Reason.ERROR, again=True)
    assert (again.status, take()) == (Status.QUEUED, None)


@pytest.mark.parametrize(
    ("values", "most"),
    [
        ({"rate_starts": 5, "rate_window_s": 600}, 5),
        ({"user_rate_starts": 3, "user_rate_window_s": 600}, 6),
        ({"user_concurrency": 2}, 4),
        ({"concurrency": 3}, 3),
    ],
)
def test_a_limit_holds_against_eight_claimers(
    owner: User, other: User, values: dict[str, Any], most: int
) -> None:
    set_policy(owner, **values)
    for _ in range(8):
        submit(owner)
        submit(other)

    def grab(number: int) -> int:
        return sum(claim(queue="default", worker=f"w{number}") is not None for _ in range(3))

    assert sum(at_once(8, grab)) == most
    assert Job.objects.filter(status=Status.RUNNING).count() == most


def test_a_limited_kind_holds_back_no_other(owner: User) -> None:
    set_policy(owner, rate_starts=1, rate_window_s=60)
    for _ in range(3):
        submit(owner, priority=9)
    unlimited = submit(owner, "test.errs")
    first, second = take(), take()
    assert first is not None
    assert second is not None
    assert second.id == unlimited.id


def test_an_edited_policy_reaches_a_running_cluster(owner: User, cluster: Any) -> None:
    set_policy(owner, concurrency=0)
    cluster(workers=1)
    job = submit(owner)
    # Its later neighbour runs: the worker is there, and passed over the first.
    wait_until_ended(submit(owner, "test.reports"))
    job.refresh_from_db()
    assert (job.status, codes(job)) == (Status.QUEUED, ["waiting_for_slot"])
    set_policy(owner, concurrency=None)
    assert wait_until_ended(job).status == Status.SUCCEEDED


def test_a_job_that_waits_too_long_fails_and_is_never_claimed(owner: User) -> None:
    set_policy(owner, queue_timeout_s=60)
    late, planned, fresh = (
        submit(owner),
        submit(owner, run_after=timezone.now() + timedelta(minutes=10)),
        submit(owner),
    )
    old = timezone.now() - timedelta(seconds=61)
    Job.objects.filter(pk__in=[late.pk, planned.pk]).update(created_at=old)
    taken = take()
    assert taken is not None
    assert taken.id == fresh.id
    assert take() is None
    assert (end_overdue(), end_overdue()) == (1, 0)
    late.refresh_from_db()
    planned.refresh_from_db()
    assert (late.status, late.reason) == (Status.FAILED, "queue_timed_out")
    assert "60 seconds" in late.error
    assert late.events.order_by("seq").last().data["reason"] == "queue_timed_out"
    assert planned.status == Status.QUEUED  # its time counts from when it may start


def test_two_reapers_time_a_job_out_once(owner: User) -> None:
    set_policy(owner, queue_timeout_s=1)
    job = submit(owner)
    Job.objects.filter(pk=job.pk).update(created_at=timezone.now() - timedelta(hours=1))
    assert sum(at_once(4, lambda _: end_overdue())) == 1
    assert job.events.count() == 2


def test_the_policy_decides_how_often_and_for_what_a_job_is_tried_again(owner: User) -> None:
    set_policy(owner, "test.errs", max_attempts=2, backoff_s=0, retry_on=["timed_out"])
    job = submit(owner, "test.errs")
    assert job.max_attempts == 2
    taken = take()
    assert taken is not None
    # The attempt itself thinks a time-out is not worth another; the policy does, once.
    assert finish(taken, ended=Ended.TIMED_OUT, reason=Reason.TIMED_OUT).status == Status.QUEUED
    taken = take()
    assert taken is not None
    assert finish(taken, ended=Ended.TIMED_OUT, reason=Reason.TIMED_OUT).status == Status.FAILED
    submit(owner, "test.errs")
    taken = take()
    assert taken is not None
    error = finish(taken, ended=Ended.ERRORED, reason=Reason.ERROR, again=True)
    assert (error.status, error.reason) == (Status.FAILED, "error")


def test_no_policy_repeats_what_can_not_be_repeated(owner: User) -> None:
    with pytest.raises(services.InvalidFields) as caught:
        set_policy(owner, "recorder.record", max_attempts=3)
    assert "can not be undone" in caught.value.errors["max_attempts"][0]
    set_policy(owner, "test.errs", retry_on=["unknown_kind", "invalid_options"])
    submit(owner, "test.errs")
    job = take()
    assert job is not None
    refused = finish(job, ended=Ended.FAILED, reason=Reason.INVALID_OPTIONS)
    assert refused.status == Status.FAILED


def test_backoff_doubles_up_to_its_cap_and_spreads_by_its_jitter() -> None:
    plain = policies.Policy(backoff_s=2, backoff_cap_s=10, backoff_jitter=0)
    assert [backoff_s(policy=plain, attempt=n) for n in (1, 2, 3, 4, 90)] == [2, 4, 8, 10, 10]
    spread = policies.Policy(backoff_s=8, backoff_cap_s=100, backoff_jitter=0.5)
    waits = [backoff_s(policy=spread, attempt=1) for _ in range(200)]
    assert 4 <= min(waits) < 6
    assert 10 < max(waits) <= 12


def test_a_kinds_priority_is_the_policys_and_a_submission_may_say_otherwise(owner: User) -> None:
    set_policy(owner, priority=7)
    assert submit(owner).priority == 7
    assert submit(owner, priority=-3).priority == -3
    assert submit(owner, "test.errs").priority == 0


def test_claims_stay_cheap_with_many_ended_jobs_and_a_blocked_backlog(owner: User) -> None:
    """Not a timing: neither the ended rows nor the starts are walked, by the database's own plan."""
    set_policy(owner, rate_starts=1, rate_window_s=60, user_concurrency=1)
    submit(owner)
    held = limits.Held(kinds=["test.noop"], owners=[1], pairs=["test.errs 1"])
    sql, params = held.condition(connection.vendor)
    with connection.cursor() as cursor:
        explain = "EXPLAIN" if connection.vendor == "postgresql" else "EXPLAIN QUERY PLAN"
        # On a table this small every plan is cheap: what is asked is whether the index can serve.
        ways = ("seqscan", "bitmapscan", "sort") if connection.vendor == "postgresql" else ()
        for way in ways:
            cursor.execute(f"SET enable_{way} = off")
        cursor.execute(
            f"{explain} SELECT id FROM jobs_job WHERE status = 'queued' AND queue = %s{sql} "
            "ORDER BY priority DESC, id LIMIT 1",
            ["default", *params],
        )
        plan = str(cursor.fetchall())
        for way in ways:
            cursor.execute(f"RESET enable_{way}")
    assert "job_claimable" in plan
    assert "TEMP B-TREE FOR ORDER BY" not in plan
    assert "Sort" not in plan


def test_a_job_for_later_says_until_when(owner: User) -> None:
    at = timezone.now() + timedelta(seconds=0.3)
    job = submit(owner, run_after=at)
    found = waiting_for(job=job, now=timezone.now())
    assert (found[0].code, found[0].until) == ("run_after", at)
    time.sleep(0.35)
    assert codes(job) == ["no_worker"]
    assert take() is not None
    job.refresh_from_db()
    assert codes(job) == []
