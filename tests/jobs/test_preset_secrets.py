"""A preset's secrets go only where who keeps it sends them."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse

from jobs import schedules, services
from jobs.access import Role
from jobs.models import Job, Preset
from jobs.registry import InvalidOptions
from jobs.roles import put_in
from jobs.secrets import MASK, unseal
from tests.jobs.test_schedules import EVERY_MINUTE

pytestmark = pytest.mark.django_db


def person(name: str, role: Role = Role.OPERATOR) -> User:
    return put_in_role(User.objects.create_user(name), role)


def put_in_role(user: User, role: Role) -> User:
    put_in(user=user, role=role)
    return user


@pytest.fixture
def preset() -> Preset:
    options = {"text": "https://ours", "secret": "hush"}
    return services.save_preset(
        kind="test.reports", name="Ours", options=options, by=person("maker")
    )


def submit(preset: Preset, by: User, **options: Any) -> Job:
    return services.submit(kind=preset.kind, preset=preset.name, options=options, by=by)


def test_another_operator_uses_them_as_they_are(preset: Preset) -> None:
    other = person("other")
    for options in ({}, {"text": "https://ours"}, {"secret": MASK}):
        job = submit(preset, other, **options)
        assert unseal(job.options["secret"]) == "hush"


def test_another_operator_sends_them_nowhere_else(preset: Preset) -> None:
    other = person("other")
    for options in ({"text": "https://mine"}, {"text": "https://mine", "secret": MASK}):
        with pytest.raises(InvalidOptions, match="secrets of maker") as refused:
            submit(preset, other, **options)
        assert list(refused.value.errors) == ["text"]
    with pytest.raises(InvalidOptions, match="secrets of maker"):
        schedules.save(
            by=other,
            name="Mine",
            kind=preset.kind,
            preset=preset.name,
            options={"text": "https://mine"},
            cron_expression=EVERY_MINUTE,
        )
    assert not Job.objects.exists()
    own = submit(preset, other, text="https://mine", secret="my own")
    assert unseal(own.options["secret"]) == "my own"


@pytest.mark.parametrize("name", ["maker", "admin"])
def test_its_maker_and_admins_send_them_anywhere(preset: Preset, name: str) -> None:
    by = User.objects.filter(username=name).first() or person(name, Role.ADMIN)
    assert submit(preset, by, text="https://else").options["text"] == "https://else"


def test_another_operator_does_not_change_the_preset_to_send_them(
    preset: Preset, client: Client
) -> None:
    client.force_login(person("other"))
    url = reverse("admin:jobs_preset_change", args=[preset.pk])
    form = {"name": "Ours", "description": "", "option.text": "https://mine"}
    refused = client.post(url, form)
    assert refused.status_code == 200
    assert "secrets of maker" in refused.content.decode()
    assert client.post(url, {**form, "option.secret": "my own"}).status_code == 302
    preset.refresh_from_db()
    assert unseal(preset.options["secret"]) == "my own"
    renamed = {**form, "name": "Theirs", "description": "now"}
    assert client.post(url, renamed).status_code == 302
