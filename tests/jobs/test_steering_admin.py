"""The admin's pages of presets and policies: the verbs judge, the forms say what they said."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse

import tests.kinds.engine  # noqa: F401  (registers the test-only kinds)
from jobs import policies, registry, services
from jobs.access import NotAllowed, Role
from jobs.models import AuditEntry, KindPolicy, Preset
from jobs.roles import put_in
from jobs.secrets import MASK, unseal
from tests.factories import IdempotencyKeyFactory, StartFactory

pytestmark = pytest.mark.django_db


def person(role: Role) -> User:
    user = User.objects.create_user(username=str(role))
    put_in(user=user, role=role)
    return user


@pytest.fixture
def admin(client: Client) -> Client:
    client.force_login(person(Role.ADMIN))
    return client


def preset_form(**more: Any) -> dict[str, Any]:
    form = {"kind": "test.reports", "name": "Nightly", "description": ""}
    return {**form, **more}


def errors_of(response: Any) -> str:
    assert response.status_code == 200, "it was accepted"
    return str(response.context["adminform"].form.errors)


def test_a_preset_is_made_changed_and_deleted_in_the_admin(admin: Client) -> None:
    add = reverse("admin:jobs_preset_add")
    assert "of which kind?" in admin.get(add).content.decode()
    typed = admin.get(f"{add}?kind=test.reports").content.decode()
    assert 'name="option.text"' in typed
    assert 'type="password"' in typed
    filled = preset_form(**{"option.text": "a", "option.secret": "hunter2"})
    assert admin.post(add, filled).status_code == 302
    preset = Preset.objects.get()
    assert "hunter2" not in str(preset.options)
    change = reverse("admin:jobs_preset_change", args=[preset.pk])
    page = admin.get(change)
    assert "hunter2" not in page.content.decode()
    assert 'name="option.text" value="a"' in page.content.decode()
    # A secret that is not typed again is kept, and goes when that is said.
    again = preset_form(**{"option.text": "b", "option.secret": "", "name": "Daily"})
    assert admin.post(change, again).status_code == 302
    preset.refresh_from_db()
    assert (preset.name, unseal(preset.options)) == ("Daily", {"text": "b", "secret": "hunter2"})
    assert preset.created_by is not None
    assert admin.post(change, {**again, "clear.secret": "yes"}).status_code == 302
    preset.refresh_from_db()
    assert preset.options == {"text": "b"}
    assert admin.post(change, {**again, "option.text": ""}).status_code == 302
    preset.refresh_from_db()
    assert preset.options == {}
    delete = reverse("admin:jobs_preset_delete", args=[preset.pk])
    assert admin.post(delete, {"post": "yes"}).status_code == 302
    assert not Preset.objects.exists()
    done = AuditEntry.objects.filter(action__startswith="preset.").order_by("id")
    assert [entry.action for entry in done] == [*["preset.save"] * 4, "preset.delete"]


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({"option.secret": MASK}, "each says why"),
        ({"name": " "}, "required"),
        ({"name": "Taken"}, "already"),
    ],
)
def test_a_preset_that_does_not_fit_says_why(admin: Client, more: Any, said: str) -> None:
    by = User.objects.get()
    services.save_preset(kind="test.reports", name="Taken", options={}, by=by)
    assert said in errors_of(admin.post(reverse("admin:jobs_preset_add"), preset_form(**more)))
    assert Preset.objects.count() == 1


def test_a_policy_is_set_in_the_admin_and_holds_at_once(admin: Client) -> None:
    add = reverse("admin:jobs_kindpolicy_add")
    form = {"kind": "test.noop", "concurrency": "2", "rate_starts": "10", "rate_window_s": "60"}
    form |= {"retry_on": "error, timed_out", "backoff_jitter": "0.5"}
    assert admin.post(add, form).status_code == 302
    holds = policies.of(registry.get("test.noop"))
    assert (holds.concurrency, str(holds.rate), holds.backoff_jitter) == (2, "10 in 60 s", 0.5)
    assert holds.retry_on == {"error", "timed_out"}
    row = KindPolicy.objects.get()
    change = reverse("admin:jobs_kindpolicy_change", args=[row.pk])
    page = admin.get(change).content.decode()
    assert "error, timed_out" in page
    assert "3 (the kind&#x27;s own)" in page  # its attempts
    assert admin.post(change, {"kind": "test.noop", "concurrency": "5"}).status_code == 302
    holds = policies.of(registry.get("test.noop"))
    assert (holds.concurrency, holds.rate, holds.retry_on) == (5, None, None)
    assert "test.noop" in admin.get(reverse("admin:jobs_kindpolicy_changelist")).content.decode()
    delete = reverse("admin:jobs_kindpolicy_delete", args=[row.pk])
    assert admin.post(delete, {"post": "yes"}).status_code == 302
    assert policies.of(registry.get("test.noop")).concurrency is None


@pytest.mark.parametrize(
    ("form", "said"),
    [
        ({"kind": "test.noop", "rate_starts": "3"}, "A rate needs both"),
        ({"kind": "*", "max_attempts": "3"}, "single kinds only"),
        ({"kind": "recorder.record", "max_attempts": "3"}, "can not be undone"),
        ({"kind": "test.noop", "concurrency": "-1"}, "greater than or equal to 0"),
        ({"kind": "test.noop", "retry_on": "Bad Code"}, "Not a reason code"),
        ({"kind": "test.errs"}, "has a policy already"),
    ],
)
def test_a_policy_that_does_not_fit_says_why(admin: Client, form: Any, said: str) -> None:
    services.set_policy(kind="test.errs", values={"priority": 1}, by=User.objects.get())
    assert said in errors_of(admin.post(reverse("admin:jobs_kindpolicy_add"), form))
    assert KindPolicy.objects.count() == 1


def test_operators_change_presets_and_only_look_at_policies(client: Client) -> None:
    client.force_login(person(Role.OPERATOR))
    assert client.post(reverse("admin:jobs_preset_add"), preset_form()).status_code == 302
    assert client.get(reverse("admin:jobs_kindpolicy_changelist")).status_code == 200
    form = {"kind": "test.noop", "concurrency": "2"}
    assert client.post(reverse("admin:jobs_kindpolicy_add"), form).status_code == 403
    with pytest.raises(NotAllowed, match="for admins to set"):
        services.set_policy(
            kind="test.noop", values={"concurrency": 2}, by=User.objects.get(username="operator")
        )


def test_viewers_only_look(client: Client) -> None:
    client.force_login(person(Role.VIEWER))
    assert client.get(reverse("admin:jobs_preset_changelist")).status_code == 200
    assert client.post(reverse("admin:jobs_preset_add"), preset_form()).status_code == 403


def test_what_limits_are_counted_by_can_be_looked_at(admin: Client) -> None:
    StartFactory(kind="test.noop")
    IdempotencyKeyFactory(key="my-key")
    starts = admin.get(reverse("admin:jobs_start_changelist")).content.decode()
    assert "test.noop" in starts
    assert "my-key" in admin.get(reverse("admin:jobs_idempotencykey_changelist")).content.decode()
