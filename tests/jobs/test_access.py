"""Roles and whose jobs are whose: for every verb and every way to look."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.apps import apps
from django.contrib.auth.models import Group, Permission, User
from django.db import connection
from django.db.migrations.executor import MigrationExecutor

from jobs import access, audit, roles, services
from jobs.access import NotAllowed, Role
from jobs.models import AuditEntry, Job, Status
from recorder import services as recordings
from recorder.models import RecordingSession
from tests.factories import RecordingSessionFactory
from tests.jobs.conftest import stored_job

pytestmark = pytest.mark.django_db


def person(name: str, role: Role | None) -> User:
    user = User.objects.create_user(name)
    roles.put_in(user=user, role=role)
    return User.objects.get(pk=user.pk)


@pytest.fixture
def cast(db: None) -> dict[str, User]:
    return {
        "owner": person("owner", Role.OPERATOR),
        "operator": person("operator", Role.OPERATOR),
        "viewer": person("viewer", Role.VIEWER),
        "admin": person("admin", Role.ADMIN),
        "nobody": person("nobody", None),
    }


def test_flags_follow_the_role(cast: dict[str, User]) -> None:
    def flags(who: str) -> tuple[bool, bool, Role | None]:
        return cast[who].is_staff, cast[who].is_superuser, access.role_of(cast[who])

    assert flags("viewer") == (True, False, Role.VIEWER)
    assert flags("operator") == (True, False, Role.OPERATOR)
    assert flags("admin") == (True, True, Role.ADMIN)
    assert flags("nobody") == (False, False, None)
    roles.put_in(user=cast["admin"], role=None)
    assert flags("admin") == (False, False, None)
    User.objects.filter(pk=cast["viewer"].pk).update(is_active=False)
    assert access.role_of(User.objects.get(pk=cast["viewer"].pk)) is None


SEES = {"owner": "both", "operator": "shared", "viewer": "shared", "admin": "both", "nobody": ""}


@pytest.mark.parametrize(("who", "sees"), SEES.items())
def test_one_sees_ones_own_and_what_is_shared(cast: dict[str, User], who: str, sees: str) -> None:
    mine = stored_job(owner=cast["owner"])
    shared = stored_job(owner=cast["owner"], shared=True)
    for job in (mine, shared):
        RecordingSessionFactory(job=job)
    expected = {"both": {mine.pk, shared.pk}, "shared": {shared.pk}, "": set()}[sees]
    assert set(Job.objects.visible_to(cast[who]).values_list("pk", flat=True)) == expected
    seen = RecordingSession.objects.visible_to(cast[who])
    assert set(seen.values_list("job_id", flat=True)) == expected
    changeable = {mine.pk, shared.pk} if who in {"owner", "admin"} else set()
    assert set(Job.objects.changeable_by(cast[who]).values_list("pk", flat=True)) == changeable
    of_sessions = RecordingSession.objects.changeable_by(cast[who])
    assert set(of_sessions.values_list("job_id", flat=True)) == changeable


def _session(job: Job) -> RecordingSession:
    return RecordingSession.objects.get(job=job)


VERBS: dict[str, tuple[str, Callable[[Job, User], Any]]] = {
    "cancel": (Status.QUEUED, lambda job, by: services.cancel(job=job, by=by)),
    "edit": (Status.QUEUED, lambda job, by: services.edit_metadata(job=job, by=by, name="X")),
    "delete": (Status.FAILED, lambda job, by: services.delete(job=job, by=by)),
    "act": (
        Status.QUEUED,
        lambda job, by: services.act(job=job, type="cancel", payload={}, by=by),
    ),
    "stop": (
        Status.QUEUED,
        lambda job, by: recordings.request_stop(session=_session(job), by=by),
    ),
}
AGAIN: dict[str, Callable[[Job, User], Any]] = {
    "rerun": lambda job, by: services.rerun(job=job, by=by),
    "act": lambda job, by: services.act(job=job, type="rerun", payload={}, by=by),
}


@pytest.mark.parametrize("verb", VERBS)
@pytest.mark.parametrize("shared", [False, True], ids=["private", "shared"])
@pytest.mark.parametrize("who", SEES)
def test_only_the_owner_and_admins_change_a_job(
    cast: dict[str, User], verb: str, shared: bool, who: str
) -> None:
    status, change = VERBS[verb]
    job = stored_job(owner=cast["owner"], status=status, shared=shared)
    RecordingSessionFactory(job=job)
    before = Job.objects.filter(pk=job.pk).values().get()
    if who in {"owner", "admin"}:
        change(job, cast[who])
        assert Job.objects.filter(pk=job.pk).values().first() != before
        assert AuditEntry.objects.filter(outcome="done", actor_id=cast[who].pk).exists()
        return
    with pytest.raises(NotAllowed):
        change(job, cast[who])
    assert Job.objects.filter(pk=job.pk).values().get() == before
    entry = AuditEntry.objects.get()
    assert (entry.outcome, entry.actor_name, entry.target_id, entry.job_id) == (
        "refused",
        who,
        entry.target_id,
        job.pk,
    )
    assert "NotAllowed" in entry.data["error"]


@pytest.mark.parametrize("verb", AGAIN)
@pytest.mark.parametrize("shared", [False, True], ids=["private", "shared"])
@pytest.mark.parametrize("who", SEES)
def test_who_sees_a_job_and_may_run_jobs_runs_it_again_as_their_own(
    cast: dict[str, User], verb: str, shared: bool, who: str
) -> None:
    job = stored_job(owner=cast["owner"], status=Status.FAILED, shared=shared, kind="test.noop")
    if who in {"owner", "admin"} or (who == "operator" and shared):
        AGAIN[verb](job, cast[who])
        assert Job.objects.get(parent=job).owner == cast[who]
        assert AuditEntry.objects.get().action == "job.rerun"
    else:
        with pytest.raises(NotAllowed):
            AGAIN[verb](job, cast[who])
        assert not Job.objects.filter(parent=job).exists()


@pytest.mark.parametrize("who", SEES)
def test_operators_and_admins_submit(cast: dict[str, User], who: str) -> None:
    def start() -> None:
        services.submit(kind="test.noop", options={}, by=cast[who])

    if who in {"viewer", "nobody"}:
        with pytest.raises(NotAllowed):
            start()
        assert AuditEntry.objects.get().outcome == "refused"
    else:
        start()
        entry = AuditEntry.objects.get()
        assert (entry.action, entry.outcome, entry.data) == (
            "job.submit",
            "done",
            {"kind": "test.noop"},
        )
        assert entry.job_id == Job.objects.get().pk


def test_the_admin_shows_each_role_what_it_may_do(cast: dict[str, User]) -> None:
    def allowed(who: str) -> set[str]:
        return cast[who].get_all_permissions()

    assert "jobs.view_job" in allowed("viewer")
    assert not any(not name.partition(".")[2].startswith("view_") for name in allowed("viewer"))
    assert {"jobs.add_job", "recorder.change_recordingsession"} <= allowed("operator")
    assert not any(
        name.startswith(("auth.", "config.")) for name in allowed("operator") | allowed("viewer")
    )
    assert "jobs.view_auditentry" not in allowed("operator")
    assert "jobs.change_kindpolicy" not in allowed("operator")
    admins = Group.objects.get(name="admin").permissions
    ours = Permission.objects.filter(content_type__app_label__in=roles.OURS)
    assert set(admins.values_list("pk", flat=True)) == set(ours.values_list("pk", flat=True))
    for name in roles.ADMINS_ONLY | roles.ADMINS_CHANGE:
        apps.get_model(name)  # a name that no model has would protect nothing


def test_permissions_that_a_role_should_not_have_are_taken_back() -> None:
    viewers = Group.objects.get(name="viewer")
    viewers.permissions.set(Permission.objects.filter(codename="delete_job"))
    roles.grant(apps.get_app_config("jobs"))
    names = set(viewers.permissions.values_list("codename", flat=True))
    assert "delete_job" not in names
    assert "view_job" in names


@pytest.mark.django_db(transaction=True)
def test_an_upgrade_keeps_what_people_could_do() -> None:
    executor = MigrationExecutor(connection)
    executor.migrate([("jobs", "0004_access_and_audit")])
    old = executor.loader.project_state([("jobs", "0004_access_and_audit")]).apps
    users = old.get_model("auth", "User").objects
    users.create(username="staff", is_staff=True)
    users.create(username="root", is_superuser=True)
    users.create(username="guest")
    executor = MigrationExecutor(connection)
    executor.migrate(executor.loader.graph.leaf_nodes())
    found = {user.username: access.role_of(user) for user in User.objects.all()}
    assert found == {"staff": Role.OPERATOR, "root": Role.ADMIN, "guest": None}


def test_a_verb_within_a_verb_is_on_record_once_and_by_its_own_name(
    cast: dict[str, User],
) -> None:
    job = stored_job(owner=cast["owner"])
    services.act(job=job, type="cancel", payload={"reason": "enough"}, by=cast["owner"])
    entry = AuditEntry.objects.get()
    assert (entry.action, entry.data) == ("job.cancel", {"reason": "enough", "force": False})
    services.edit_metadata(job=job, by=cast["owner"], tags=["a"], shared=True)
    entry = AuditEntry.objects.about(job)[0]
    assert entry.data["changed"] == {"tags": [[], ["a"]], "shared": [False, True]}
    with pytest.raises(services.UnknownAction):
        services.act(job=job, type="Robert'); DROP", payload={}, by=cast["owner"])
    entry = AuditEntry.objects.about(job)[0]
    assert (entry.action, entry.outcome) == ("job.unknown", "refused")


def test_a_failure_is_on_record_though_its_effect_was_rolled_back(cast: dict[str, User]) -> None:
    @audit.command("thing.break", target="job", says=("words",))
    def broken(*, job: Job, by: User, words: str) -> None:
        job.name = "changed"
        job.save()
        raise ZeroDivisionError("oh")

    job = stored_job(owner=cast["owner"])
    with pytest.raises(ZeroDivisionError):
        broken(job=job, by=cast["owner"], words="why")
    assert Job.objects.get(pk=job.pk).name == "A job"
    entry = AuditEntry.objects.get()
    assert (entry.action, entry.outcome) == ("thing.break", "failed")
    assert entry.data == {"words": "why", "error": "ZeroDivisionError: oh"}
