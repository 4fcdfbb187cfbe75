"""Whatever the admin changes, by a form, a button or an action, is in the audit."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.contrib import admin
from django.contrib.auth.models import User
from django.db import models
from django.test import Client, RequestFactory
from django.urls import reverse

import tests.kinds.engine  # noqa: F401  (registers the test-only kinds)
from jobs.access import Role
from jobs.models import AuditEntry, Job, Status
from jobs.roles import put_in
from tests import factories
from tests.jobs.conftest import stored_job
from tests.test_query_counts import made_by

pytestmark = pytest.mark.django_db

# What the form of each model is filled with: first to make a row, then to change it.
FORMS: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "jobs.kindpolicy": (
        {"kind": "test.noop", "concurrency": "2"},
        {"kind": "test.noop", "concurrency": "3"},
    ),
    "jobs.preset": (
        {"kind": "test.reports", "name": "One", "option.text": "a"},
        {"name": "One", "option.text": "b"},
    ),
    "jobs.retentionrule": (
        {"kind": "test.noop", "status": "failed", "keep_days": "7", "keep_last": "1"},
        {"kind": "test.noop", "status": "failed", "keep_days": "8", "keep_last": "1"},
    ),
    "jobs.schedule": (
        {
            "kind": "test.reports",
            "name": "One",
            "cron": "0 3 * * *",
            "time_zone": "UTC",
            "overlap": "skip",
            "missed": "once",
            "missed_most": "10",
        },
        {
            "name": "One",
            "cron": "0 4 * * *",
            "time_zone": "UTC",
            "overlap": "skip",
            "missed": "once",
            "missed_most": "10",
        },
    ),
    "auth.user": (
        {
            "username": "new",
            "role": "viewer",
            "usable_password": "true",
            "password1": "a-long-pass-1",
            "password2": "a-long-pass-1",
        },
        {"username": "new", "role": "operator", "is_active": "on"},
    ),
}
# Pages of their own in place of a form; the tests of their apps hold them to the audit.
OWN_PAGES = {"recorder.recordingsession", "ingestion.source"}


@pytest.fixture
def root(client: Client) -> User:
    user = User.objects.create_user("root")
    put_in(user=user, role=Role.ADMIN)
    client.force_login(user, backend="config.accounts.LockingBackend")
    return user


def may(user: User, verb: str) -> list[Any]:
    """The admins in which `user` may do this."""
    request = RequestFactory().get("/admin/")
    request.user = user
    return [
        each
        for each in admin.site._registry.values()
        if getattr(each, f"has_{verb}_permission")(request)
    ]


def url(model: type[models.Model], page: str, *args: Any) -> str:
    return reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_{page}", args=args)


def written(do: Callable[[], Any], *, what: str) -> AuditEntry:
    """The entry that `do` wrote."""
    before = AuditEntry.objects.count()
    answer = do()
    # What a page's script asks is answered in JSON.
    done = {302, 200} if answer["Content-Type"] == "application/json" else {302}
    assert answer.status_code in done, (what, answer.status_code, _errors(answer))
    assert AuditEntry.objects.count() > before, f"{what} is not in the audit"
    entry = AuditEntry.objects.order_by("id").last()
    assert entry is not None
    assert (entry.actor_name, entry.outcome) == ("root", "done"), what
    return entry


def _errors(answer: Any) -> Any:
    form = (answer.context or {}).get("adminform")
    return form.form.errors if form else answer.content[:300]


def test_every_form_that_makes_changes_or_deletes(client: Client, root: User) -> None:
    forms = {each.model._meta.label_lower for verb in ("add", "change") for each in may(root, verb)}
    assert forms - OWN_PAGES == set(FORMS), "a form that no line above fills in"
    for label, (new, changed) in FORMS.items():
        model = admin.site._registry[
            next(m for m in admin.site._registry if m._meta.label_lower == label)
        ].model
        written(lambda: client.post(url(model, "add"), new), what=f"adding {label}")  # noqa: B023
        row = model._default_manager.order_by("pk").last()
        assert row is not None
        change = url(model, "change", row.pk)
        entry = written(lambda: client.post(change, changed), what=f"changing {label}")  # noqa: B023
        assert entry.data, label
    for each in may(root, "delete"):
        row = each.model._default_manager.order_by("pk").last() or made_by(each.model)()
        gone = url(each.model, "delete", row.pk)
        written(lambda: client.post(gone, {"post": "yes"}), what=f"deleting {each.model}")  # noqa: B023
        assert not each.model._default_manager.filter(pk=row.pk).exists()


def _rows_for(model: type[models.Model], action: str, root: User) -> models.Model:
    """A row on which this action has something to do."""
    if model is Job:
        status = Status.QUEUED if action == "cancel_selected" else Status.SUCCEEDED
        return stored_job(owner=root, status=status)
    if action == "resume" and model._meta.label_lower == "jobs.schedule":
        return factories.ScheduleFactory(owner=root, paused=True, next_at=None)
    if action == "unlock_selected":
        key = f"locked-{model._meta.model_name}"
        failure = factories.LoginFailureFactory(key=key, count=99)
        return factories.UserFactory(username=key) if model is User else failure
    return made_by(model)()


def test_every_action_on_selected_rows(client: Client, root: User) -> None:
    request = RequestFactory().get("/admin/")
    request.user = root
    done = []
    for each in admin.site._registry.values():
        for action in each.get_actions(request):
            row = _rows_for(each.model, action, root)
            if action == "resume_workers":
                client.post(url(each.model, "changelist"), _asked("drain_workers", row))
            entry = written(
                lambda: client.post(url(each.model, "changelist"), _asked(action, row)),  # noqa: B023
                what=f"{action} of {each.model._meta.label}",
            )
            done.append((each.model._meta.label, action, entry.action))
    assert len(done) > 12, done


def _asked(action: str, row: models.Model) -> dict[str, Any]:
    return {
        "action": action,
        "_selected_action": [str(row.pk)],
        "confirmed": "yes",
        "post": "yes",
        "reason": "tested",
        "add": "tested",
    }


def test_the_buttons_of_jobs_and_tabs(client: Client, root: User) -> None:
    queued, ended = stored_job(owner=root), stored_job(owner=root, status=Status.SUCCEEDED)
    tab = factories.SavedTabFactory(owner=root)
    posts = [
        ("tab.save", reverse("admin:jobs_tab_save"), {"name": "A", "query": "kind=x"}),
        ("tab.remove", reverse("admin:jobs_tab_remove", args=[tab.pk]), {}),
        ("job.submit", reverse("admin:jobs_job_new"), {"kind": "test.noop"}),
        ("job.edit_metadata", url(Job, "edit", queued.pk), {"name": "New", "tags": "a"}),
        ("job.cancel", url(Job, "cancel", queued.pk), {}),
        ("job.rerun", url(Job, "rerun", ended.pk), {"name": "Again", "confirmed": "yes"}),
        ("job.edit_metadata", url(Job, "share", ended.pk), {}),
        ("job.delete", url(Job, "remove", ended.pk), {"confirmed": "yes"}),
    ]
    for action, address, given in posts:
        entry = written(lambda: client.post(address, given), what=action)  # noqa: B023
        assert entry.action == action
