"""Verbs on jobs: submitting once, running again, editing, acting, deleting, forcing an end."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import psutil
import pytest
from django.contrib.auth.models import User
from django.core.files.storage import default_storage
from django.db import connection
from django.utils import timezone

from jobs import access, artifacts, services
from jobs.models import Artifact, AuditEntry, IdempotencyKey, Job, JobEvent, Status
from jobs.queue.claim import claim
from jobs.queue.outcome import Ended, Outcome, end_attempt
from jobs.roles import put_in
from jobs.secrets import MASK, unseal
from tests.factories import RecordingSessionFactory
from tests.fixtures import database
from tests.fixtures.jobs import end_worker, fork_worker, gone, wait_for, wait_until_ended
from tests.jobs.test_engine_claims import at_once

pytestmark = pytest.mark.usefixtures("database")


def submit(by: User, kind: str = "test.noop", options: Any = None, **more: Any) -> Job:
    return services.submit(kind=kind, options=options or {}, by=by, **more)


def ended(by: User, kind: str = "test.noop", options: Any = None, **more: Any) -> Job:
    """A job that ran and succeeded, with a file."""
    job = submit(by, kind, options, **more)
    taken = claim(queue="default", worker="w")
    assert taken is not None
    artifacts.add(job_id=job.id, attempt=1, path="a.txt", source=b"12345", kind="text")
    done = Outcome(ended=Ended.SUCCEEDED, result={"n": 1})
    assert end_attempt(job_id=job.id, attempt=1, outcome=done, kind=None)
    job.refresh_from_db()
    return job


def stored_files(*jobs: Job) -> list[str]:
    """The files that the storage holds of these jobs; other tests leave theirs there."""
    folders = tuple(f"jobs/{job.id}/" for job in jobs)
    return [name for name in database.stored_files() if name.startswith(folders)]


def person(name: str, role: access.Role = access.Role.OPERATOR) -> User:
    user = User.objects.create_user(username=name)
    put_in(user=user, role=role)
    return user


@pytest.fixture
def operator(owner: User) -> User:
    return person("operator")


# --- submitting


def test_the_same_key_and_request_is_the_same_job(owner: User, operator: User) -> None:
    first = submit(owner, idempotency_key="k-1", tags=["a"])
    again = submit(owner, idempotency_key="k-1", tags=["a"])
    assert (first.was_there, again.was_there, again.id) == (False, True, first.id)
    assert submit(operator, idempotency_key="k-1", tags=["a"]).id != first.id
    assert Job.objects.count() == 2
    assert first.events.count() == 1


@pytest.mark.parametrize("other", [{"tags": ["b"]}, {"priority": 3}, {"kind": "test.sleeps"}])
def test_the_same_key_for_another_request_is_refused(owner: User, other: Any) -> None:
    submit(owner, idempotency_key="k")
    with pytest.raises(services.IdempotencyConflict, match="another request"):
        submit(owner, idempotency_key="k", **other)
    assert Job.objects.count() == 1


def test_a_key_is_forgotten_after_a_day_and_outlives_its_job(owner: User) -> None:
    job = ended(owner, idempotency_key="k")
    services.delete(job=job, by=owner)
    with pytest.raises(services.IdempotencyConflict, match="deleted"):
        submit(owner, idempotency_key="k")
    past = timezone.now() - timedelta(seconds=services.KEY_LIFE_S + 1)
    IdempotencyKey.objects.update(created_at=past)
    assert submit(owner, idempotency_key="k", tags=["new"]).was_there is False


def test_a_failed_submission_does_not_use_its_key_up(owner: User) -> None:
    with pytest.raises(services.InvalidOptions):
        submit(owner, options={"colour": "red"}, idempotency_key="k")
    assert submit(owner, idempotency_key="k").was_there is False


def test_eight_senders_with_one_key_make_one_job(owner: User) -> None:
    made = at_once(8, lambda _: submit(owner, idempotency_key="k"))
    assert len({job.id for job in made}) == 1
    assert sum(not job.was_there for job in made) == 1
    assert Job.objects.count() == 1
    assert JobEvent.objects.count() == 1


def test_what_is_kept_of_a_request_tells_no_secret(owner: User) -> None:
    submit(owner, "test.reports", {"secret": "hunter2"}, idempotency_key="k")
    assert "hunter2" not in str(list(IdempotencyKey.objects.values()))
    assert "hunter2" not in str(list(AuditEntry.objects.values()))


# --- running again


def test_a_rerun_is_a_child_with_the_same_options_and_its_secrets(owner: User) -> None:
    job = ended(owner, "test.reports", {"text": "a", "secret": "s3"}, tags=["t"], priority=4)
    before = Job.objects.filter(pk=job.pk).values().get()
    child = services.rerun(job=job, by=owner, overrides={"text": "b"})
    assert (child.parent_id, child.name, child.tags, child.priority) == (job.pk, job.name, ["t"], 4)
    assert unseal(child.options) == {"text": "b", "secret": "s3"}
    # History is not rewritten: the original only tells of its child.
    after = Job.objects.filter(pk=job.pk).values().get()
    assert {**before, "last_seq": before["last_seq"] + 1} == after
    last = job.events.order_by("seq").last()
    assert (last.type, last.data) == (
        "job.rerun_submitted",
        {"jobId": str(child.id), "by": "owner"},
    )
    renamed = services.rerun(job=child_ended(child), by=owner, name="Other", tags=[], priority=0)
    assert (renamed.parent_id, renamed.name, renamed.tags, renamed.priority) == (
        child.pk,
        "Other",
        [],
        0,
    )


def child_ended(child: Job) -> Job:
    services.cancel(job=child, by=User.objects.get(pk=child.owner_id))
    child.refresh_from_db()
    return child


def test_the_differences_of_a_rerun_come_before_it(owner: User) -> None:
    job = ended(owner, "test.reports", {"text": "a", "secret": "s3"})
    rows = services.rerun_differences(job=job, by=owner, overrides={"text": "b"})
    assert [row.as_json() for row in rows] == [
        {"option": "text", "before": "a", "after": "b", "changed": True, "secret": False},
        {"option": "secret", "before": MASK, "after": MASK, "changed": False, "secret": True},
    ]
    rows = services.rerun_differences(job=job, by=owner, overrides={"secret": "other"})
    assert [(row.option, row.changed) for row in rows] == [("secret", True), ("text", False)]
    assert "other" not in str(rows)
    assert Job.objects.count() == 1


def test_a_rerun_with_unfit_options_or_of_an_open_job_is_refused(owner: User) -> None:
    open_job = submit(owner, "test.sleeps")
    with pytest.raises(services.JobNotEnded):
        services.rerun(job=open_job, by=owner)
    services.cancel(job=open_job, by=owner)
    for overrides in ({"seconds": "soon"}, {"colour": "red"}):
        with pytest.raises(services.InvalidOptions) as caught:
            services.rerun(job=open_job, by=owner, overrides=overrides)
        assert set(caught.value.errors) == set(overrides)
    assert Job.objects.count() == 1


def test_nobody_carries_off_anothers_secrets_by_a_rerun(owner: User, operator: User) -> None:
    other = person("other")
    job = ended(other, "test.reports", {"text": "a", "secret": "s3"})
    job = services.edit_metadata(job=job, by=other, shared=True)
    for overrides in ({"text": "https://mine.test"}, {"secret": MASK}):
        with pytest.raises(services.InvalidOptions) as caught:
            services.rerun(job=job, by=operator, overrides=overrides)
        assert set(caught.value.errors) == {"secret"}
    child = services.rerun(job=job, by=operator, overrides={"secret": "my own"})
    assert (unseal(child.options)["secret"], child.owner) == ("my own", operator)
    assert unseal(services.rerun(job=job, by=owner).options)["secret"] == "s3"  # an admin


def test_a_rerun_by_key_happens_once(owner: User) -> None:
    job = ended(owner)
    made = at_once(4, lambda _: services.rerun(job=job, by=owner, idempotency_key="again"))
    assert len({child.id for child in made}) == 1
    assert job.children.count() == 1
    with pytest.raises(services.IdempotencyConflict):
        services.rerun(job=job, by=owner, idempotency_key="again", name="Other")


def test_what_the_kind_adds_to_a_rerun_commits_with_it_or_not_at_all(owner: User) -> None:
    job = ended(owner, "test.acts", {"mark": "only child"})
    with pytest.raises(services.ActionRefused, match="only one"):
        services.rerun(job=job, by=owner)
    assert (Job.objects.count(), job.events.filter(type="job.rerun_submitted").count()) == (1, 0)
    assert services.rerun(job=job, by=owner, overrides={"mark": ""}).parent_id == job.pk


# --- editing


def test_metadata_is_edited_with_one_event_that_says_what_changed(owner: User) -> None:
    job = submit(owner, tags=["a"])
    now = services.edit_metadata(job=job, by=owner, name="New", tags=["b"], priority=3, shared=True)
    assert (now.name, now.tags, now.priority, now.shared) == ("New", ["b"], 3, True)
    edited = job.events.get(type="job.metadata_edited").data
    assert edited["changes"]["tags"] == {"from": ["a"], "to": ["b"]}
    assert edited["changes"]["shared"] == {"from": False, "to": True}
    assert edited["job"]["name"] == "New"
    again = services.edit_metadata(job=job, by=owner, name="New", tags=["b"])
    assert again.last_seq == now.last_seq
    assert (
        list(AuditEntry.objects.filter(action="job.edit_metadata").values_list("outcome"))
        == [("done",)] * 2
    )


def test_options_are_edited_only_before_the_first_attempt(owner: User) -> None:
    job = submit(owner, "test.reports", {"text": "a", "secret": "s3"})
    now = services.edit_metadata(job=job, by=owner, options={"text": "b", "secret": MASK})
    assert unseal(now.options) == {"text": "b", "secret": "s3"}
    changes = job.events.get(type="job.metadata_edited").data["changes"]
    assert changes == {
        "options": {"from": {"text": "a", "secret": MASK}, "to": {"text": "b", "secret": MASK}}
    }
    with pytest.raises(services.InvalidOptions):
        services.edit_metadata(job=job, by=owner, options={"colour": 1})
    assert claim(queue="default", worker="w") is not None
    for edit in ({"options": {"text": "c"}}, {"priority": 1}):
        with pytest.raises(services.JobNotQueued):
            services.edit_metadata(job=job, by=owner, **edit)
    assert services.edit_metadata(job=job, by=owner, name="While running").name == "While running"


def test_an_edit_and_a_claim_never_both_win(owner: User) -> None:
    for _ in range(6):
        job = submit(owner, "test.reports", {"text": "before"})

        def race(number: int, job: Job = job) -> Any:
            if number:
                return claim(queue="default", worker="w")
            try:
                return services.edit_metadata(job=job, by=owner, options={"text": "after"})
            except services.JobNotQueued:
                return None

        edited, taken = at_once(2, race)
        if taken is None:
            # PostgreSQL passes a locked row over; the next look takes it.
            taken = claim(queue="default", worker="w")
        assert taken.options["text"] == ("after" if edited else "before")


# --- acting


def test_an_action_answers_in_the_agreed_shape(owner: User) -> None:
    job = submit(owner)
    said = services.act(job=job, type="cancel", payload={"reason": "no need"}, by=owner).as_json()
    assert set(said) == {"success", "message", "jobId", "actionType", "timestamp"}
    assert (said["success"], said["jobId"], said["actionType"]) == (True, str(job.id), "cancel")
    again = services.act(job=job, type="rerun", payload=None, by=owner)
    assert again.as_json()["newJobId"] == str(Job.objects.get(parent=job).id)
    job.refresh_from_db()
    edited = services.act(job=job, type="edit_metadata", payload={"tags": ["x"]}, by=owner)
    assert edited.message == "The job was changed."


def test_an_ended_job_is_not_cancelled_and_the_refusal_is_on_record(owner: User) -> None:
    job = ended(owner)
    with pytest.raises(services.ActionRefused, match="must be queued or running"):
        services.act(job=job, type="cancel", payload={}, by=owner)
    entry = AuditEntry.objects.get(action="job.cancel")
    assert (entry.outcome, entry.job_id, entry.actor_name) == ("refused", job.pk, "owner")


def test_a_kinds_own_action_runs_in_its_statuses_and_is_on_record(owner: User) -> None:
    job = ended(owner, "test.acts")
    said = services.act(job=job, type="shout", payload={"loudWord": "hi"}, by=owner)
    assert said.message == "owner: HI"
    with pytest.raises(services.ActionRefused, match="will not say no"):
        services.act(job=job, type="shout", payload={"loud_word": "no"}, by=owner)
    shouts = AuditEntry.objects.filter(action="job.shout").order_by("id")
    assert [entry.outcome for entry in shouts] == ["done", "refused"]


def test_others_may_look_and_run_again_but_not_change(owner: User, operator: User) -> None:
    job = services.edit_metadata(job=ended(owner), by=owner, shared=True)
    waiting = services.edit_metadata(job=submit(owner), by=owner, shared=True)
    for type in ("cancel", "edit_metadata"):
        with pytest.raises(access.NotAllowed):
            services.act(job=waiting, type=type, payload={}, by=operator)
    with pytest.raises(access.NotAllowed):
        services.delete_many(ids=[job.pk], by=operator)
    assert services.act(job=job, type="rerun", payload={}, by=operator).new_job_id
    viewer = person("viewer", access.Role.VIEWER)
    with pytest.raises(access.NotAllowed):
        services.act(job=job, type="rerun", payload={}, by=viewer)


# --- deleting


def test_a_deleted_job_leaves_nothing_but_its_audit(owner: User) -> None:
    job = ended(owner, name="Old")
    child = services.rerun(job=job, by=owner)
    assert len(stored_files(job)) == 1
    freed = services.delete(job=job, by=owner, reason="private data")
    assert (freed.jobs, freed.artifacts, freed.size_bytes) == (1, 1, 5)
    assert stored_files(job) == []
    assert not default_storage.exists(f"jobs/{job.id}")
    assert list(Job.objects.values_list("pk", "parent")) == [(child.pk, None)]
    for model in (JobEvent, Artifact):
        assert not model.objects.filter(job_id=job.pk).exists()
    entry = AuditEntry.objects.get(action="job.delete")
    assert (entry.job_id, entry.target_name, entry.data) == (
        job.pk,
        "Old",
        {"reason": "private data"},
    )


def test_a_job_that_has_not_ended_is_not_deleted(owner: User) -> None:
    queued = submit(owner)
    running = claim(queue="default", worker="w")
    assert running is not None
    for job in (queued, running):
        with pytest.raises(services.JobNotEnded, match="cancel it first"):
            services.delete(job=job, by=owner)
    assert services.delete_many(ids=[queued.pk, running.pk], by=owner).jobs == 0
    assert Job.objects.count() == 1


def test_a_rolled_back_deletion_keeps_the_files(owner: User) -> None:
    from django.db import transaction

    job = ended(owner)
    with pytest.raises(ZeroDivisionError), transaction.atomic():  # noqa: PT012
        services.delete(job=job, by=owner)
        raise ZeroDivisionError
    assert len(stored_files(job)) == 1
    assert Job.objects.filter(pk=job.pk).exists()


def test_many_are_deleted_in_batches_and_strangers_files_are_found(owner: User) -> None:
    jobs = [ended(owner) for _ in range(3)]
    with connection.cursor() as cursor:
        # As if a process had died after the rows went and before the files did.
        for table in ("artifact", "attempt", "jobevent"):
            cursor.execute(
                f"DELETE FROM jobs_{table} WHERE job_id = %s",
                [jobs[0].pk.hex if connection.vendor == "sqlite" else jobs[0].pk],
            )
    Job.objects.filter(pk=jobs[0].pk).delete()
    freed = services.delete_many(ids=[job.pk for job in jobs], by=None)
    assert (freed.jobs, freed.artifacts, freed.size_bytes, freed.in_use) == (2, 2, 10, ())
    assert not AuditEntry.objects.filter(action="job.delete").exists()
    assert len(stored_files(*jobs)) == 1
    kept = ended(owner)
    assert artifacts.discard_orphans() >= 1
    assert (stored_files(*jobs), len(stored_files(kept))) == ([], 1)


def test_a_recording_goes_with_its_job(owner: User) -> None:
    job = ended(owner)
    RecordingSessionFactory(job=job, owner=owner)
    services.delete(job=job, by=owner)
    assert not Job.objects.exists()


# --- forcing an end


def test_a_forced_end_kills_the_whole_group_at_once(owner: User) -> None:
    job = submit(owner, "test.isolated", {"seconds": 60})
    worker = fork_worker()
    try:
        started = wait_for(lambda: job.events.filter(type="body.started").first()).data
        told = [psutil.Process(started["pid"]), psutil.Process(started["program"])]
        services.cancel(job=job, by=owner, reason="hangs", force=True)
        now = wait_until_ended(job)
    finally:
        end_worker(worker)
    assert (now.status, now.reason, now.cancel_reason) == (
        "cancelled",
        "cancelled_by_user",
        "hangs",
    )
    # True when it is shown: nothing of it runs any more, and what it left is kept.
    assert all(gone(process) for process in told)
    assert list(now.artifacts.filter(visible=True).values_list("path", flat=True)) == ["draft.txt"]
    types = list(job.events.order_by("seq").values_list("type", flat=True))
    assert types.index("job.cancel_requested") + 1 == types.index("job.cancel_forced")


def test_patience_may_end_within_the_grace(owner: User) -> None:
    """It saves when asked, with ten seconds for it: forced, it has none."""
    job = submit(owner, "test.isolated_slow_saver", {"seconds": 60})
    worker = fork_worker()
    try:
        wait_for(lambda: job.events.filter(type="body.started").exists())
        services.cancel(job=job, by=owner, reason="please")
        wait_for(lambda: job.events.filter(type="body.saving").exists())
        services.cancel(job=job, by=owner, reason="now", force=True)
        now = wait_until_ended(job)
    finally:
        end_worker(worker)
    assert (now.status, now.cancel_reason) == ("cancelled", "please")
    assert not job.events.filter(type="body.saved").exists()
    assert job.events.filter(type="job.cancel_forced").count() == 1


def test_a_body_inside_the_worker_is_interrupted_without_grace(owner: User) -> None:
    job = submit(owner, "test.deaf", {"seconds": 60})
    worker = fork_worker()
    try:
        wait_for(lambda: Job.objects.get(pk=job.pk).status == Status.RUNNING)
        services.cancel(job=job, by=owner, force=True)
        assert wait_until_ended(job).status == Status.CANCELLED
    finally:
        end_worker(worker)


def test_forcing_twice_is_one_request(owner: User) -> None:
    submit(owner)
    job = claim(queue="default", worker="w")
    assert job is not None
    first = services.cancel(job=job, by=owner, force=True)
    second = services.cancel(job=job, by=owner, force=True)
    assert first.cancel_forced_at == second.cancel_forced_at
    assert second.last_seq == first.last_seq
    assert job.events.filter(type__startswith="job.cancel").count() == 2
