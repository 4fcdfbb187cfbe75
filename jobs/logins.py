"""On what a caller's access rests: a program's login with its tokens, or a browser's session."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from django.conf import settings
from django.contrib.auth import HASH_SESSION_KEY, SESSION_KEY
from django.contrib.auth.models import User
from django.db import models
from django.db.models import F, Q
from django.utils.crypto import constant_time_compare
from django.utils.module_loading import import_string

from jobs.context import USER_AGENT_MAX
from jobs.ids import uuid7

# The claim of both tokens that names their login.
LOGIN_CLAIM = "login"


class LoginQuerySet(models.QuerySet["Login"]):
    def open(self) -> LoginQuerySet:
        return self.filter(ended_at__isnull=True)

    def end(self, *, now: datetime, why: str) -> int:
        """End those that are open: their tokens are worth nothing from now on. How many."""
        return self.open().update(ended_at=now, ended_why=why)


class Login(models.Model):
    """One login of a program by name and password, and the tokens that came from it."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="logins", db_index=False
    )
    created_at = models.DateTimeField()
    # When its tokens were last refreshed, and when the newest refresh token expires.
    refreshed_at = models.DateTimeField()
    expires_at = models.DateTimeField()
    # The one refresh token that is good; an older one that comes back ends the login.
    refresh_jti = models.CharField(max_length=64)
    address = models.CharField(max_length=64, blank=True)
    user_agent = models.CharField(max_length=USER_AGENT_MAX, blank=True)
    ended_at = models.DateTimeField(null=True, blank=True)
    # logged_out, deactivated, role_taken, password_changed, token_reused, ended_by_admin.
    ended_why = models.CharField(max_length=40, blank=True)

    objects = LoginQuerySet.as_manager()

    class Meta:
        ordering = ["-id"]
        indexes = [
            models.Index("user", F("id").desc(), name="login_user"),
            models.Index("expires_at", name="login_expires"),
        ]
        constraints = [
            models.CheckConstraint(
                name="login_ended_has_reason",
                condition=Q(ended_at__isnull=True, ended_why="")
                | (Q(ended_at__isnull=False) & ~Q(ended_why="")),
            ),
        ]

    def __str__(self) -> str:
        return f"login of {self.created_at:%Y-%m-%d %H:%M}"


@dataclass(frozen=True)
class Standing:
    """What a lasting connection was let in by; `user` asks the database whether it still holds."""

    user_id: int
    login_id: UUID | None = None
    # Of the token: changes with the password.
    password_mark: str = ""
    session_key: str = ""
    session_hash: str = ""

    @classmethod
    def of_token(cls, token: Any, user: Any) -> Standing:
        # Here and below: it imports Django's test client, which no worker needs.
        from rest_framework_simplejwt.settings import api_settings

        login_id = token.get(LOGIN_CLAIM)
        return cls(
            user_id=user.pk,
            login_id=UUID(login_id) if login_id else None,
            password_mark=str(token.get(api_settings.REVOKE_TOKEN_CLAIM) or ""),
        )

    @classmethod
    def of_session(cls, session: Any, user: Any) -> Standing:
        """Of a cookie's session; of a connection without one (a test's) the account alone counts."""
        if session is None or session.get(SESSION_KEY) is None:
            return cls(user_id=user.pk)
        return cls(
            user_id=user.pk,
            session_key=session.session_key or "",
            session_hash=str(session.get(HASH_SESSION_KEY) or ""),
        )

    def as_json(self) -> dict[str, Any]:
        return {
            "login_id": str(self.login_id) if self.login_id else None,
            "password_mark": self.password_mark,
            "session_key": self.session_key,
            "session_hash": self.session_hash,
        }

    @classmethod
    def from_json(cls, *, user_id: int, data: Mapping[str, Any]) -> Standing:
        login_id = data.get("login_id")
        return cls(
            user_id=user_id,
            login_id=UUID(login_id) if login_id else None,
            password_mark=str(data.get("password_mark") or ""),
            session_key=str(data.get("session_key") or ""),
            session_hash=str(data.get("session_hash") or ""),
        )

    def user(self) -> User | None:
        """The user as they are now; None once deactivated, logged out or with another password."""
        user = User.objects.filter(pk=self.user_id, is_active=True).first()
        if user is None or not (self._login_holds() and self._session_holds(user)):
            return None
        return user if self._password_holds(user) else None

    def _password_holds(self, user: User) -> bool:
        from rest_framework_simplejwt.utils import get_md5_hash_password

        return not self.password_mark or self.password_mark == get_md5_hash_password(user.password)

    def _login_holds(self) -> bool:
        return self.login_id is None or Login.objects.open().filter(pk=self.login_id).exists()

    def _session_holds(self, user: User) -> bool:
        if not self.session_key:
            return True
        store = import_string(f"{settings.SESSION_ENGINE}.SessionStore")
        if not store().exists(self.session_key):
            return False
        # Django keeps a changed password's other sessions, and refuses them by this hash.
        return constant_time_compare(self.session_hash, user.get_session_auth_hash())


def standing_of(scope: Mapping[str, Any]) -> Standing:
    """Of a websocket whose user is known."""
    found = scope.get("standing")
    if isinstance(found, Standing):
        return found
    return Standing.of_session(scope.get("session"), scope["user"])
