"""The first way in: one superuser, once, with a password that is given or told."""

import re
from io import StringIO

import pytest
from django.contrib.auth import get_user_model
from django.contrib.auth.models import User
from django.core.management import call_command

pytestmark = pytest.mark.django_db


def created() -> str:
    """What the command says."""
    said = StringIO()
    call_command("createfirstadmin", stdout=said)
    return said.getvalue()


def test_a_given_password_is_used_and_not_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ADMIN_PASSWORD", "correct horse battery")
    said = created()
    admin = get_user_model().objects.get()
    assert (admin.get_username(), admin.is_superuser, admin.is_staff) == ("admin", True, True)
    assert admin.check_password("correct horse battery")
    assert "correct horse" not in said
    assert "ADMIN_PASSWORD" in said


@pytest.mark.parametrize("given", [None, ""])
def test_a_generated_password_is_shown_once_and_opens(
    monkeypatch: pytest.MonkeyPatch, given: str | None
) -> None:
    monkeypatch.delenv("ADMIN_PASSWORD", raising=False)
    if given is not None:
        monkeypatch.setenv("ADMIN_PASSWORD", given)
    shown = re.search(r"password: (\S{16,})$", created(), re.MULTILINE)
    assert shown is not None
    assert get_user_model().objects.get().check_password(shown[1])
    assert created() == ""
    get_user_model().objects.all().delete()
    # Another one every time.
    assert shown[1] not in created()


def test_nothing_happens_where_a_user_exists(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ADMIN_PASSWORD", "correct horse battery")
    User.objects.create_user("somebody")
    assert created() == ""
    assert [user.username for user in User.objects.all()] == ["somebody"]
