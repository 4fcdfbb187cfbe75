"""What verbs accept: any script, bounded sizes, each unfit field named; presets and policies too."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.utils import timezone

import tests.kinds.engine  # noqa: F401  (registers the test-only kinds)
from jobs import services
from jobs.models import Job, KindPolicy, Status
from jobs.secrets import MASK, unseal

pytestmark = pytest.mark.django_db


@pytest.fixture
def person(db: None) -> User:
    return User.objects.create_user(username="ada", is_staff=True, is_superuser=True)


def submit(by: User, kind: str = "test.noop", options: Any = None, **more: Any) -> Job:
    return services.submit(kind=kind, options=options or {}, by=by, **more)


@pytest.mark.parametrize(
    ("field", "more"),
    [
        ("tags", {"tags": [f"t{n}" for n in range(10_000)]}),
        ("tags", {"tags": ["x" * 51]}),
        ("tags", {"tags": "smoke"}),
        ("tags", {"tags": ["a,b"]}),
        ("tags", {"tags": [3]}),
        ("name", {"name": "x" * 201}),
        ("name", {"name": "two\nlines"}),
        ("name", {"name": "nul\0"}),
        ("priority", {"priority": 101}),
        ("priority", {"priority": "high"}),
        ("runAfter", {"run_after": timezone.now() + timedelta(days=400)}),
        ("runAfter", {"run_after": timezone.now().replace(tzinfo=None)}),
        ("idempotencyKey", {"idempotency_key": "x" * 201}),
        ("idempotencyKey", {"idempotency_key": "with space"}),
    ],
)
def test_a_field_out_of_bounds_is_named(person: User, field: str, more: Any) -> None:
    with pytest.raises(services.InvalidFields) as caught:
        submit(person, **more)
    assert set(caught.value.errors) == {field}
    assert not Job.objects.exists()


@pytest.mark.parametrize(
    "name", ["Prüfung", "结账流程", "تسجيل الدخول", "<b>bold</b>", "👩‍🔧 fix", "नमस्ते", "a" * 200]
)
def test_names_and_tags_of_any_script_stay_as_they_are(person: User, name: str) -> None:
    job = submit(person, name=name, tags=[name[:50], " padded ", name[:50]])
    job.refresh_from_db()
    assert (job.name, job.tags) == (name, [name[:50], "padded"])


def test_options_too_large_or_not_json_are_refused(person: User) -> None:
    with pytest.raises(services.InvalidOptions) as caught:
        submit(person, "test.reports", {"text": "x" * 70_000})
    assert "64 KiB" in caught.value.errors["options"][0]
    deep: Any = []
    for _ in range(100_000):
        deep = [deep]
    with pytest.raises(services.InvalidOptions):
        submit(person, "test.reports", {"text": deep})


def test_a_kind_that_needs_more_is_not_submitted_directly(person: User) -> None:
    with pytest.raises(services.NotSubmittable, match="ask tests"):
        submit(person, "test.indirect")
    assert submit(person, "test.indirect", by_kind=True).kind == "test.indirect"


# --- presets


def test_explicit_options_win_over_the_presets_and_those_over_defaults(person: User) -> None:
    services.save_preset(kind="test.sleeps", name="Short", options={"seconds": 1}, by=person)
    job = submit(person, "test.sleeps", {"mark": "m"}, preset="Short")
    assert (job.options, job.preset) == ({"seconds": 1.0, "mark": "m"}, "Short")
    assert submit(person, "test.sleeps", {"seconds": 2}, preset="Short").options["seconds"] == 2.0


def test_an_unknown_preset_says_which_there_are(person: User) -> None:
    with pytest.raises(services.UnknownPreset, match="It has none"):
        submit(person, preset="Short")
    services.save_preset(kind="test.noop", name="Empty", options={}, by=person)
    with pytest.raises(services.UnknownPreset, match="It has: Empty"):
        submit(person, preset="empty")
    with pytest.raises(services.UnknownPreset):
        submit(person, "test.sleeps", preset="Empty")


def test_a_presets_secret_is_sealed_shown_as_dots_and_kept_by_them(person: User) -> None:
    preset = services.save_preset(
        kind="test.reports", name="P", options={"secret": "hunter2", "text": "a"}, by=person
    )
    assert "hunter2" not in str(preset.options)
    described = services.kind_descriptions(by=person)
    shown = next(kind for kind in described["kinds"] if kind["name"] == "test.reports")
    assert shown["presets"][0]["options"] == {"secret": MASK, "text": "a"}
    services.save_preset(
        kind="test.reports",
        name="P",
        options={"secret": MASK, "text": "b"},
        by=person,
        preset=preset,
    )
    job = submit(person, "test.reports", preset="P")
    assert unseal(job.options) == {"secret": "hunter2", "text": "b"}


def test_presets_are_checked_when_saved_and_when_used(person: User) -> None:
    with pytest.raises(services.InvalidOptions):
        services.save_preset(kind="test.sleeps", name="P", options={"seconds": "soon"}, by=person)
    with pytest.raises(services.InvalidFields):
        services.save_preset(kind="test.sleeps", name=" ", options={}, by=person)
    preset = services.save_preset(kind="test.sleeps", name="P", options={}, by=person)
    with pytest.raises(services.InvalidFields) as caught:
        services.save_preset(kind="test.sleeps", name="P", options={}, by=person)
    assert "already" in caught.value.errors["name"][0]
    # The kind has changed since.
    preset.options = {"seconds": 1, "gone_option": 1}
    preset.save()
    with pytest.raises(services.InvalidOptions) as unfit:
        submit(person, "test.sleeps", preset="P")
    assert set(unfit.value.errors) == {"gone_option"}


@pytest.mark.parametrize(
    ("type", "payload", "error"),
    [
        ("explode", {}, services.UnknownAction),
        (None, {}, services.UnknownAction),
        ("cancel", {"reasons": "x"}, services.InvalidFields),
        ("cancel", {"reason": "x" * 201}, services.InvalidFields),
        ("cancel", [], services.InvalidFields),
        ("rerun", {"priority": "high"}, services.InvalidFields),
        ("rerun", {}, services.ActionRefused),
        ("shout", {"loudWord": "hi"}, services.ActionRefused),
        ("shout", {}, services.InvalidFields),
    ],
)
def test_an_action_that_can_not_be_says_why(
    person: User, type: Any, payload: Any, error: type[Exception]
) -> None:
    job = submit(person, "test.acts")
    with pytest.raises(error):
        services.act(job=job, type=type, payload=payload, by=person)
    job.refresh_from_db()
    assert (job.status, job.last_seq) == (Status.QUEUED, 1)


@pytest.mark.parametrize(
    ("kind", "values", "field"),
    [
        ("test.noop", {"concurrency": -1}, "concurrency"),
        ("test.noop", {"concurrency": True}, "concurrency"),
        ("test.noop", {"rate_starts": 3}, "rate_window_s"),
        ("test.noop", {"user_rate_window_s": 60}, "user_rate_starts"),
        ("test.noop", {"backoff_jitter": 1.5}, "backoff_jitter"),
        ("test.noop", {"retry_on": ["Not A Code"]}, "retry_on"),
        ("test.noop", {"retry_on": "error"}, "retry_on"),
        ("test.noop", {"colour": 1}, "colour"),
        ("*", {"max_attempts": 2}, "max_attempts"),
        ("*", {"priority": 2}, "priority"),
    ],
)
def test_a_policy_that_does_not_fit_names_the_field(
    person: User, kind: str, values: dict[str, Any], field: str
) -> None:
    with pytest.raises(services.InvalidFields) as caught:
        services.set_policy(kind=kind, values=values, by=person)
    assert field in caught.value.errors
    assert not KindPolicy.objects.exists()


def test_a_policy_of_no_kind_is_refused(person: User) -> None:
    with pytest.raises(services.UnknownKind):
        services.set_policy(kind="test.unheard", values={"concurrency": 1}, by=person)
