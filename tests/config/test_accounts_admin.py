"""The users', roles' and audit pages of the console."""

from __future__ import annotations

from datetime import timedelta
from io import StringIO
from typing import Any

import pytest
from django.contrib import admin
from django.contrib.auth.models import User
from django.core.management import CommandError, call_command
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from config.models import LoginFailure
from jobs import access, audit, roles, services
from jobs.access import Role
from jobs.audit_words import lines_of
from jobs.models import AuditEntry
from tests.factories import AuditEntryFactory
from tests.jobs.conftest import stored_job

PASSWORD = "correct horse battery"
USERS = "/admin/auth/user/"
AUDIT = "/admin/jobs/auditentry/"


@pytest.fixture(autouse=True)
def _quick_passwords(settings: Any) -> None:
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]


def person(name: str, role: Role | None) -> User:
    user = User.objects.create_user(name, password=PASSWORD)
    roles.put_in(user=user, role=role)
    return user


def client_of(user: User) -> Client:
    client = Client()
    client.force_login(user)
    return client


@pytest.fixture
def root(db: None) -> User:
    return person("root", Role.ADMIN)


def form_of(user: User, **changes: Any) -> dict[str, Any]:
    fields: dict[str, Any] = {
        "username": user.username,
        "first_name": user.first_name,
        "last_name": user.last_name,
        "email": user.email,
        "role": access.role_of(user) or "",
        "is_active": "on" if user.is_active else "",
        **changes,
    }
    return {name: value for name, value in fields.items() if value != ""}


@pytest.mark.parametrize("role", [Role.VIEWER, Role.OPERATOR])
def test_only_admins_see_the_pages_of_accounts(root: User, role: Role) -> None:
    client = client_of(person("ann", role))
    index = client.get("/admin/").content.decode()
    for path in (USERS, AUDIT, "/admin/auth/group/", "/admin/config/loginfailure/"):
        assert client.get(path).status_code == 403
        assert f'href="{path}"' not in index
        assert client_of(root).get(path).status_code == 200
    assert client.post(f"{USERS}{root.pk}/change/", form_of(root)).status_code == 403


@pytest.mark.parametrize("role", [*Role, None])
def test_no_page_that_is_linked_refuses_whom_it_is_shown_to(db: None, role: Role | None) -> None:
    """Every model's list, and its form for a new one: shown to those alone who may use it."""
    user = person("ann", role)
    client = client_of(user)
    for model, page in admin.site._registry.items():
        base = f"/admin/{model._meta.app_label}/{model._meta.model_name}/"
        answer = client.get(base)
        if role is None:
            assert answer.status_code == 302, base
            continue
        allowed = model._meta.label_lower not in roles.ADMINS_ONLY and (
            model._meta.app_label in roles.WORK
        )
        if role is Role.ADMIN:
            assert answer.status_code == 200, base
        elif not allowed:
            assert answer.status_code == 403, base
        if role is Role.VIEWER:
            request = answer.wsgi_request
            request.user = User.objects.get(pk=user.pk)
            for permission in ("add", "change", "delete"):
                may = getattr(page, f"has_{permission}_permission")(request)
                assert not may, f"a viewer may {permission} {model._meta.label}"


def test_an_account_is_made_with_a_role_and_on_record(root: User) -> None:
    answer = client_of(root).post(
        f"{USERS}add/",
        {
            "username": "ann",
            "usable_password": "true",
            "password1": PASSWORD,
            "password2": PASSWORD,
            "role": "operator",
        },
    )
    assert answer.status_code == 302, answer.content.decode()[-3000:]
    ann = User.objects.get(username="ann")
    assert access.role_of(ann) is Role.OPERATOR
    entry = AuditEntry.objects.get(action="user.create")
    assert (entry.actor_name, entry.target_id, entry.via) == ("root", str(ann.pk), "admin")
    assert PASSWORD not in str(entry.data)
    assert Client().login(username="ann", password=PASSWORD)


def test_a_role_is_one_choice_and_its_change_is_on_record(root: User) -> None:
    ann = person("ann", Role.VIEWER)
    client = client_of(root)
    page = client.get(f"{USERS}{ann.pk}/change/").content.decode()
    assert "Starts and changes nothing." in page
    assert "superuser" not in page.lower()
    answer = client.post(
        f"{USERS}{ann.pk}/change/", form_of(ann, role="operator", email="ann@b.example")
    )
    assert answer.status_code == 302, answer.content.decode()[-3000:]
    ann = User.objects.get(pk=ann.pk)
    assert (access.role_of(ann), ann.email) == (Role.OPERATOR, "ann@b.example")
    changed = AuditEntry.objects.get(action="user.set_role").data["changed"]
    assert changed == {"role": ["viewer", "operator"]}
    assert AuditEntry.objects.get(action="user.edit").data["changed"]["email"][1] == "ann@b.example"


def test_the_last_admin_can_not_be_lost_by_the_page(root: User) -> None:
    client = client_of(root)
    url = f"{USERS}{root.pk}/change/"
    for change in ({"role": "operator"}, {"is_active": ""}, {"role": ""}):
        page = client.post(url, form_of(root, **change))
        assert page.status_code == 200
        assert "This is the last admin" in page.content.decode()
    assert access.role_of(User.objects.get(pk=root.pk)) is Role.ADMIN
    # With another one there, one still does not shut oneself out.
    person("second", Role.ADMIN)
    page = client.post(url, form_of(root, is_active=""), follow=True)
    assert "Nobody deactivates their own account" in page.content.decode()
    assert User.objects.get(pk=root.pk).is_active
    chosen = {"action": "deactivate_selected", "_selected_action": [root.pk]}
    page = client.post(USERS, chosen, follow=True)
    assert "Nobody deactivates their own account" in page.content.decode()


def test_shutting_an_account_ends_its_sessions(root: User) -> None:
    ann = person("ann", Role.OPERATOR)
    theirs = client_of(ann)
    assert theirs.get("/admin/").status_code == 200
    client_of(root).post(f"{USERS}{ann.pk}/change/", form_of(ann, is_active=""))
    assert not User.objects.get(pk=ann.pk).is_active
    assert theirs.get("/admin/").status_code == 302


def test_whoever_has_no_role_is_told_so_at_the_door(root: User) -> None:
    person("ann", None)
    page = Client().post("/admin/login/", {"username": "ann", "password": PASSWORD})
    assert "no role yet" in page.content.decode()
    assert AuditEntry.objects.get(action="account.login").data == {"why": "no role"}
    client = Client()
    client.post("/admin/login/", {"username": "root", "password": PASSWORD})
    entry = AuditEntry.objects.filter(action="account.login", outcome="done").get()
    assert (entry.actor_name, entry.via) == ("root", "admin")
    client.post("/admin/logout/")
    assert AuditEntry.objects.filter(action="account.logout", actor_name="root").exists()


def test_a_locked_account_is_seen_and_unlocked(root: User) -> None:
    person("ann", Role.OPERATOR)
    for _ in range(5):
        Client().post("/admin/login/", {"username": "ann", "password": "guess"})
    client = client_of(root)
    page = client.get("/admin/config/loginfailure/").content.decode()
    assert "ann" in page
    rows = LoginFailure.objects.filter(user__username="ann")
    assert rows.get().locks(now=timezone.now())
    chosen = {"action": "unlock_selected", "_selected_action": [rows.get().pk]}
    client.post("/admin/config/loginfailure/", chosen)
    assert not rows.exists()
    assert AuditEntry.objects.filter(action="user.unlock", actor_name="root").exists()


# The audit pages


def test_the_trail_reads_like_a_story_and_hides_markup(root: User) -> None:
    ann = person("ann", Role.OPERATOR)
    job = stored_job(owner=ann, name="<b>Checkout</b>")
    services.edit_metadata(job=job, by=ann, tags=["smoke"], shared=True)
    client = client_of(root)
    page = client.get(f"{AUDIT}?q={job.pk}").content.decode()
    assert "job.edit_metadata" in page
    assert "shared: no → yes" in page
    assert f"/admin/jobs/job/{job.pk}/change/" in page
    assert "<b>Checkout" not in page
    entry = AuditEntry.objects.about(job).get()
    detail = client.get(f"{AUDIT}{entry.pk}/change/").content.decode()
    assert "smoke" in detail
    assert "{&quot;" not in detail
    assert client.get(f"{AUDIT}{entry.pk + 1000}/change/").status_code in {302, 404}
    mine = client_of(ann).get(f"/admin/jobs/job/{job.pk}/change/").content.decode()
    assert "job.edit_metadata" in mine


def test_the_trail_is_exported_as_it_is_filtered(root: User) -> None:
    for action in ("job.cancel", "user.create"):
        audit.record(action=action, by=root)
    client = client_of(root)
    page = client.get(f"{AUDIT}?area=job.").content.decode()
    assert "/export/csv/?area=job." in page
    lines = b"".join(
        client.get(f"{AUDIT}export/csv/?area=job.").streaming_content  # type: ignore[attr-defined]
    ).decode()
    assert "job.cancel" in lines
    assert "user.create" not in lines
    assert client.get(f"{AUDIT}export/xml/").status_code == 404
    assert client_of(person("ann", Role.OPERATOR)).get(f"{AUDIT}export/csv/").status_code == 404


@pytest.mark.parametrize("path", [USERS, AUDIT])
def test_pages_cost_the_same_however_long(root: User, path: str) -> None:
    client = client_of(root)

    def cost() -> int:
        with CaptureQueriesContext(connection) as queries:
            assert client.get(path).status_code == 200
        return len(queries)

    person("first", Role.OPERATOR)
    audit.record(action="job.cancel", by=root, target=root)
    client.get(path)
    before = cost()
    for number in range(30):
        audit.record(action="job.cancel", by=root, target=person(f"p{number}", Role.VIEWER))
    assert cost() == before


def test_values_are_words() -> None:
    data = {"changed": {"max_attempts": [None, 3], "tags": [[], ["a", "b"]]}, "force": True}
    assert lines_of(data) == [
        ("max attempts", "– → 3"),
        ("tags", "– → a, b"),
        ("force", "yes"),
    ]


def test_pruning_leaves_its_own_entry(database: str) -> None:
    now = timezone.now()
    for days in (100, 90, 5):
        AuditEntryFactory(at=now - timedelta(days=days))
    with pytest.raises(CommandError, match="at least 30"):
        call_command("pruneaudit", "--older-than-days", "7")
    said = StringIO()
    call_command("pruneaudit", "--older-than-days", "30", stdout=said)
    assert said.getvalue().startswith("Removed 2 audit entries")
    kept = AuditEntry.objects.order_by("id")
    assert [entry.action for entry in kept] == ["job.cancel", "audit.pruned"]
    assert kept[1].data["entries"] == 2
    call_command("pruneaudit", "--older-than-days", "30", stdout=said)
    assert AuditEntry.objects.count() == 2
