"""What the accounts' API takes and answers."""

from __future__ import annotations

from typing import Any

from django.contrib.auth.models import User
from rest_framework import serializers

from jobs.access import Role
from jobs.api.shapes import Strict
from jobs.events import time_dto
from jobs.models import AuditEntry
from jobs.preferences import Preferences

# Wire name -> the column that it is.
PROFILE = {"email": "email", "firstName": "first_name", "lastName": "last_name"}
SETTINGS = {"timeZone": "time_zone", "theme": "theme", "shareNewJobs": "share_new_jobs"}


class MeShape(serializers.Serializer[Any]):
    id = serializers.IntegerField()
    username = serializers.CharField()
    email = serializers.CharField(allow_blank=True)
    firstName = serializers.CharField(allow_blank=True)
    lastName = serializers.CharField(allow_blank=True)
    role = serializers.ChoiceField(
        choices=[role.value for role in Role], allow_null=True, help_text="null: none yet."
    )
    joinedAt = serializers.DateTimeField()
    lastLoginAt = serializers.DateTimeField(allow_null=True)


class UserShape(MeShape):
    isActive = serializers.BooleanField()
    openLogins = serializers.IntegerField(help_text="Logins of programs that have not ended.")


class Profile(Strict):
    email = serializers.EmailField(required=False, allow_blank=True)
    firstName = serializers.CharField(required=False, allow_blank=True, max_length=150)
    lastName = serializers.CharField(required=False, allow_blank=True, max_length=150)


class NewPassword(Strict):
    currentPassword = serializers.CharField(max_length=1000, trim_whitespace=False)
    newPassword = serializers.CharField(max_length=1000, trim_whitespace=False)


class Settings(Strict):
    timeZone = serializers.CharField(
        required=False,
        allow_blank=True,
        max_length=60,
        help_text="IANA name in which the console shows times; empty: the browser's own.",
    )
    theme = serializers.ChoiceField(choices=Preferences.Theme.values, required=False)
    shareNewJobs = serializers.BooleanField(
        required=False, help_text="Whether jobs that you submit are shared from the start."
    )


class SettingsShape(serializers.Serializer[Any]):
    timeZone = serializers.CharField(allow_blank=True)
    theme = serializers.ChoiceField(choices=Preferences.Theme.values)
    shareNewJobs = serializers.BooleanField()


ROLES = [role.value for role in Role]


class NewUser(Profile):
    username = serializers.CharField(max_length=150)
    password = serializers.CharField(max_length=1000, trim_whitespace=False)
    role = serializers.ChoiceField(choices=ROLES, allow_null=True, default=None)


class UserChange(Profile):
    role = serializers.ChoiceField(
        choices=ROLES, allow_null=True, required=False, help_text="null takes it."
    )
    isActive = serializers.BooleanField(required=False)
    password = serializers.CharField(max_length=1000, trim_whitespace=False, required=False)


class AuditShape(serializers.Serializer[Any]):
    id = serializers.IntegerField()
    at = serializers.DateTimeField()
    action = serializers.CharField()
    outcome = serializers.ChoiceField(choices=AuditEntry.Outcome.choices)
    actorId = serializers.IntegerField(allow_null=True)
    actorName = serializers.CharField(allow_blank=True)
    targetType = serializers.CharField(allow_blank=True)
    targetId = serializers.CharField(allow_blank=True)
    targetName = serializers.CharField(allow_blank=True)
    jobId = serializers.UUIDField(allow_null=True)
    via = serializers.CharField(allow_blank=True)
    address = serializers.CharField(allow_blank=True)
    userAgent = serializers.CharField(allow_blank=True)
    requestId = serializers.CharField(allow_blank=True)
    data = serializers.DictField()  # type: ignore[assignment]  # a field of that name


def me_dto(user: User, *, role: Role | None) -> dict[str, Any]:
    return {
        "id": user.pk,
        "username": user.get_username(),
        "email": user.email,
        "firstName": user.first_name,
        "lastName": user.last_name,
        "role": role,
        "joinedAt": time_dto(user.date_joined),
        "lastLoginAt": time_dto(user.last_login),
    }


def settings_dto(row: Preferences) -> dict[str, Any]:
    return {wire: getattr(row, name) for wire, name in SETTINGS.items()}
