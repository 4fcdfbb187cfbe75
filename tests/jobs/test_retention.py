"""Retention, quotas and the sweep: what goes, what stays, and that it says so."""

from __future__ import annotations

import os
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from jobs import access, orphans, quotas, retention, schedules
from jobs.models import AuditEntry, Job, RetentionRule, Schedule, ScheduleRun
from jobs.roles import put_in
from jobs.services.refusals import InvalidFields
from tests.factories import RecordingSessionFactory, ScheduleFactory, ScheduleRunFactory
from tests.fixtures.database import stored_files
from tests.fixtures.jobs import RunJob
from tests.jobs.conftest import stored_artifact, stored_job

pytestmark = pytest.mark.usefixtures("empty_storage")


def _old(owner: User, *, days: int, size: int = 0, **fields: Any) -> Job:
    job = stored_job(owner=owner, status=fields.pop("status", "succeeded"), **fields)
    Job.objects.filter(pk=job.pk).update(finished_at=timezone.now() - timedelta(days=days))
    if size:
        stored_artifact(job, path="a.bin", body=b"x" * size, content_type="text/plain")
    return job


def _left() -> set[Any]:
    return set(Job.objects.exclude(kind="jobs.sweep").values_list("pk", flat=True))


def test_the_sweep_deletes_what_is_over_and_says_what_it_freed(
    database: str, owner: User, run_job: RunJob, settings: Any
) -> None:
    settings.RETENTION_DAYS = 30
    gone = [_old(owner, days=31, size=100), _old(owner, days=400, kind="test.other")]
    stay = [_old(owner, days=29), _old(owner, days=31, status="failed")]
    stay += [stored_job(owner=owner, status="running"), stored_job(owner=owner)]
    recording = _old(owner, days=900, kind="recorder.record")
    rule = retention.set_rule(by=owner, kind="", status="failed", keep_days=None)
    parent = _old(owner, days=50)
    child = _old(owner, days=40, parent=parent)
    young = _old(owner, days=1, parent=stay[0])
    open_parent = _old(owner, days=90)
    stored_job(owner=owner, status="queued", parent=open_parent)
    gone += [parent, child]
    job = run_job("jobs.sweep", orphans=False)
    assert job.status == "succeeded", job.error
    left = _left()
    assert left.isdisjoint({each.pk for each in gone})
    assert {each.pk for each in [*stay, recording, young, open_parent]} <= left
    assert job.result is not None
    assert (job.result["jobsDeleted"], job.result["artifactsDeleted"]) == (4, 1)
    assert job.result["bytesFreed"] == 100
    assert job.result["byKind"]["test.noop"] == {"jobs": 3, "artifacts": 1, "bytes": 100}
    told = [event.data for event in job.events.filter(type="sweep.deleted").order_by("seq")]
    assert {(each["kind"], each["jobs"]) for each in told} == {("test.noop", 3), ("test.other", 1)}
    lines = AuditEntry.objects.filter(action="retention.delete")
    assert sum(line.data["jobs"] for line in lines) == 4
    assert str(gone[0].pk) in str([line.data["ids"] for line in lines])
    assert stored_files() == []
    retention.remove_rule(by=owner, rule=rule)
    assert run_job("jobs.sweep").result["byKind"]["test.noop"]["jobs"] == 1


def test_a_dry_run_deletes_nothing(owner: User, run_job: RunJob, settings: Any) -> None:
    settings.RETENTION_DAYS = 30
    job = _old(owner, days=31, size=10)
    default_storage.save(f"jobs/{timezone.now().date()}/1/x", ContentFile(b"no job's"))
    swept = run_job("jobs.sweep", dryRun=True)
    assert swept.result is not None
    assert (swept.result["jobsDeleted"], swept.result["bytesFreed"]) == (1, 10)
    assert Job.objects.filter(pk=job.pk).exists()
    assert swept.events.filter(type="sweep.found").exists()
    assert not AuditEntry.objects.filter(action="retention.delete").exists()
    default_storage.delete(f"jobs/{timezone.now().date()}/1/x")


def test_only_an_admins_sweep_runs(owner: User, run_job: RunJob) -> None:
    job = _old(owner, days=400)
    put_in(user=owner, role=access.Role.OPERATOR)
    swept = run_job("jobs.sweep")
    assert (swept.status, swept.reason) == ("failed", "not_allowed")
    assert Job.objects.filter(pk=job.pk).exists()


@pytest.mark.django_db
def test_the_closest_rule_holds(owner: User, settings: Any) -> None:
    settings.RETENTION_DAYS = 90
    for kind, status, days in [
        ("", "", 1),
        ("", "failed", 2),
        ("test.noop", "", 3),
        ("test.noop", "failed", 4),
    ]:
        retention.set_rule(by=owner, kind=kind, status=status, keep_days=days)

    def days(kind: str, status: str) -> int | None:
        return retention.rule_for(kind=kind, status=status).keep_days

    assert days("test.noop", "failed") == 4
    assert days("test.noop", "succeeded") == 3
    assert days("test.errs", "failed") == 2
    assert days("test.errs", "cancelled") == 1
    assert days("recorder.record", "failed") is None
    retention.set_rule(by=owner, kind="recorder.record", status="", keep_days=5)
    assert days("recorder.record", "failed") == 5
    RetentionRule.objects.all().delete()
    assert days("test.errs", "cancelled") == 90
    settings.RETENTION_DAYS = 0
    assert days("test.errs", "cancelled") is None


@pytest.mark.django_db
def test_bad_rules_are_refused(owner: User) -> None:
    def refused(**fields: Any) -> dict[str, Any]:
        given = {"kind": "", "status": "", "keep_days": 1, **fields}
        with pytest.raises(InvalidFields) as error:
            retention.set_rule(by=owner, **given)
        return dict(error.value.errors)

    assert "kind" in refused(kind="no.kind")
    assert "status" in refused(status="running")
    assert "keepDays" in refused(keep_days=10**9)
    retention.set_rule(by=owner, kind="", status="", keep_days=1)
    assert "already" in str(refused())
    operator = User.objects.create_user("operator", is_staff=True)
    with pytest.raises(access.NotAllowed):
        retention.set_rule(by=operator, kind="", status="failed", keep_days=1)


def test_the_newest_stay_however_old(owner: User, db: None) -> None:
    jobs = [_old(owner, days=100 + number) for number in range(4)]
    retention.set_rule(by=owner, kind="test.noop", status="", keep_days=10, keep_last=2)
    retention.sweep_jobs(by=owner, report=lambda *_: None)
    assert _left() == {jobs[0].pk, jobs[1].pk}


def test_a_recording_goes_only_by_its_own_rule(owner: User, db: None, settings: Any) -> None:
    settings.RETENTION_DAYS = 1
    job = _old(owner, days=100, kind="recorder.record")
    RecordingSessionFactory(job=job, owner=owner)
    retention.sweep_jobs(by=owner, report=lambda *_: None)
    assert _left() == {job.pk}


def _aged(name: str, *, hours: int) -> None:
    at = timezone.now().timestamp() - hours * 3600
    os.utime(Path(default_storage.path(name)), (at, at))


@pytest.mark.django_db
def test_orphans_in_a_folder(owner: User) -> None:
    job = stored_job(owner=owner, status="succeeded")
    kept = stored_artifact(job, path="a", body=b"kept", content_type="text/plain").storage_name
    save = default_storage.save
    gone = save("jobs/01a21496-cd38-73cb-a6db-e3ac175567fb/1/file", ContentFile(b"12345"))
    old = save(f"jobs/{job.pk}/1/old", ContentFile(b"123"))
    _aged(old, hours=30)
    young = save(f"jobs/{job.pk}/1/young", ContentFile(b"1"))
    other = save("documents/theirs", ContentFile(b"1"))
    _aged(other, hours=300)
    now = timezone.now()
    dry = orphans.remove(now=now, dry_run=True)
    assert (dry.files, dry.size_bytes) == (2, 8)
    assert default_storage.exists(gone)
    done = orphans.remove(now=now)
    assert (done.files, done.size_bytes) == (2, 8)
    assert [default_storage.exists(name) for name in (kept, young, other, gone, old)] == [
        *(True, True, True, False, False)
    ]
    assert not Path(default_storage.path(gone)).parent.exists()
    for name in (kept, young, other):
        default_storage.delete(name)


@pytest.mark.django_db
def test_orphans_in_s3(owner: User, s3_bucket: Any) -> None:
    job = stored_job(owner=owner, status="succeeded")
    kept = stored_artifact(job, path="a", body=b"kept", content_type="text/plain").storage_name
    young = default_storage.save(f"jobs/{job.pk}/1/young", ContentFile(b"1"))
    for number in range(3):
        default_storage.save(
            "jobs/01a21496-cd38-73cb-a6db-e3ac175567fb/1/" + str(number), ContentFile(b"12345")
        )
    done = orphans.remove(now=timezone.now())
    assert (done.files, done.size_bytes) == (3, 15)
    assert {found.key for found in s3_bucket.objects.all()} == {kept, young}
    done = orphans.remove(now=timezone.now() + timedelta(days=2))
    assert done.files == 1


def test_a_full_quota_fails_the_job_and_keeps_nothing_of_the_file(
    database: str, owner: User, run_job: RunJob, settings: Any
) -> None:
    settings.ARTIFACT_QUOTA_USER_MB = 1
    quotas._sums.clear()
    before = _old(owner, days=1, size=1024 * 1024 - 5)
    job = run_job("test.reports")  # 5 bytes fit, two more do not
    assert (job.status, job.reason) == ("failed", "storage_full")
    assert "ARTIFACT_QUOTA_USER_MB" in job.error
    assert [row.path for row in job.artifacts.all()] == ["notes/a.txt"]
    assert sum(str(job.pk) in name for name in stored_files()) == 1
    other = User.objects.create_user("other")
    quotas.check(job_id=stored_job(owner=other).pk, size_bytes=1000)
    settings.ARTIFACT_QUOTA_MB = 1
    with pytest.raises(quotas.OverQuota, match="this installation"):
        quotas.check(job_id=stored_job(owner=other).pk, size_bytes=1000)
    before.artifacts.all().delete()
    quotas.check(job_id=stored_job(owner=other).pk, size_bytes=1000)
    settings.ARTIFACT_QUOTA_MB = settings.ARTIFACT_QUOTA_USER_MB = 0
    quotas._sums.clear()


@pytest.mark.django_db
def test_schedules_forget_their_oldest_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retention, "RUNS_KEPT", 3)
    schedule = ScheduleFactory()
    runs = [ScheduleRunFactory(schedule=schedule) for _ in range(5)]
    ScheduleRunFactory()
    assert retention.forget_old_runs() == 2
    assert set(ScheduleRun.objects.filter(schedule=schedule)) == set(runs[2:])


@pytest.mark.django_db
def test_prepare_schedules_the_upkeep_once(owner: User) -> None:
    made = schedules.ensure_upkeep()
    assert [row.kind for row in made] == ["documents.sweep", "jobs.sweep"]
    for row in made:
        assert (row.owner, row.paused, schedules.problem_of(row)) == (owner, False, "")
    assert schedules.ensure_upkeep() == []
    Schedule.objects.filter(kind="jobs.sweep").delete()
    assert [row.kind for row in schedules.ensure_upkeep()] == ["jobs.sweep"]


@pytest.mark.django_db
def test_the_admin_edits_rules(client: Client, owner: User) -> None:
    client.force_login(owner)
    add = reverse("admin:jobs_retentionrule_add")
    form = {"kind": "test.noop", "status": "failed", "keep_days": "7", "keep_last": "1"}
    assert client.post(add, form).status_code == 302
    rule = RetentionRule.objects.get()
    assert (rule.keep_days, rule.updated_by) == (7, owner)
    again = client.post(add, form)
    assert b"There is a rule" in again.content
    url = reverse("admin:jobs_retentionrule_change", args=[rule.pk])
    assert client.post(url, {**form, "keep_days": ""}).status_code == 302
    rule.refresh_from_db()
    assert rule.keep_days is None
    assert b"ever" in client.get(reverse("admin:jobs_retentionrule_changelist")).content
    assert (
        client.post(
            reverse("admin:jobs_retentionrule_delete", args=[rule.pk]), {"post": "yes"}
        ).status_code
        == 302
    )
    actions = set(AuditEntry.objects.values_list("action", flat=True))
    assert {"retention.set", "retention.remove"} <= actions
