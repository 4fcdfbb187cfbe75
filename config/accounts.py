"""Logging in: who it is, and one lockout for programs and the admin's form."""

from __future__ import annotations

from datetime import datetime
from hashlib import sha256
from typing import Any

from django.contrib.auth.backends import ModelBackend
from django.contrib.auth.models import User
from django.core.exceptions import PermissionDenied, ValidationError
from django.http import HttpRequest
from django.utils import timezone
from rest_framework.request import Request
from rest_framework_simplejwt.exceptions import AuthenticationFailed
from unfold.forms import AuthenticationForm

from config import tickets
from config.models import ACCOUNT_LIMIT, ADDRESS_LIMIT, WINDOW, LoginFailure
from jobs import access, audit
from jobs.api.authentication import BearerAuthentication
from jobs.logins import Standing


class LoginLocked(PermissionDenied):
    """Too many failed logins; wait, then try again."""


def _address(request: HttpRequest | Request | None) -> str:
    return str(request.META.get("REMOTE_ADDR", "")) if request else ""


def _keys(username: str, address: str) -> dict[str, int]:
    # Hashed: people type passwords into the name field.
    account = sha256(username.strip().casefold().encode()).hexdigest()[:32]
    return {f"account:{account}@{address}": ACCOUNT_LIMIT, f"address:{address}": ADDRESS_LIMIT}


def locked_for_s(*, username: str, address: str, now: datetime) -> int:
    """Seconds until this account may be tried again from this address; 0 when it may now."""
    keys = _keys(username, address)
    waits = [
        (row.since + WINDOW - now).total_seconds()
        for row in LoginFailure.objects.filter(key__in=keys)
        if row.count >= keys[row.key]
    ]
    return max([0, *(int(wait) + 1 for wait in waits if wait > 0)])


class LockingBackend(ModelBackend):
    """Django's own check of names and passwords, refused after too many failures."""

    def authenticate(
        self,
        request: HttpRequest | None,
        username: str | None = None,
        password: str | None = None,
        **kwargs: Any,
    ) -> User | None:
        if username is None or password is None:
            return None
        now = timezone.now()
        address = _address(request)
        if locked_for_s(username=username, address=address, now=now):
            raise LoginLocked(LoginLocked.__doc__)
        # Counted before the password is checked: guesses sent at once are all counted.
        keys = _keys(username, address)
        counts = {key: LoginFailure.objects.count_one(key, now=now, window=WINDOW) for key in keys}
        user = super().authenticate(request, username=username, password=password, **kwargs)
        if user is not None:
            LoginFailure.objects.filter(key__in=keys).delete()
        else:
            _note_failure(username=username, address=address, keys=keys, counts=counts)
        return user


def _note_failure(
    *, username: str, address: str, keys: dict[str, int], counts: dict[str, int]
) -> None:
    """Put a failed login on record, and that it locks: of the locked ones nothing more is written."""
    user = User.objects.filter(username=username).first()
    LoginFailure.objects.filter(key__in=keys).update(address=address)
    LoginFailure.objects.filter(key__in=keys, key__startswith="account:").update(user=user)
    audit.record(
        action="account.login",
        by=None,
        target=user,
        outcome="refused",
        # Never the name as it was typed: people type passwords into its field.
        data={"why": "wrong password" if user else "no such account"},
    )
    for key, limit in keys.items():
        if counts[key] == limit:
            what = "account" if key.startswith("account:") else "address"
            audit.record(
                action=f"{what}.lock",
                by=None,
                target=user if what == "account" else None,
                data={"address": address, "minutes": WINDOW.seconds // 60},
            )


class LoginForm(AuthenticationForm):
    """The admin's login form; a locked account is told so, with the time to wait."""

    def clean(self) -> dict[str, Any]:
        wait_s = locked_for_s(
            username=self.cleaned_data.get("username") or "",
            address=_address(self.request),
            now=timezone.now(),
        )
        if wait_s:
            raise ValidationError(
                f"Too many failed logins. Try again in {-(-wait_s // 60)} min.", code="locked"
            )
        cleaned: dict[str, Any] = super().clean()
        return cleaned

    def confirm_login_allowed(self, user: Any) -> None:
        """:raises ValidationError: the account has no role; that is on record too."""
        if not access.may_see(user):
            audit.record(
                action="account.login",
                by=user,
                target=user,
                outcome="refused",
                data={"why": "no role"},
            )
            raise ValidationError(
                "Your account has no role yet; an admin can give you one.", code="no_role"
            )
        super().confirm_login_allowed(user)
        audit.record(action="account.login", by=user, target=user)


def user_of_bearer(header: str) -> tuple[User, Standing]:
    """The user whose access token an `Authorization` header carries, and what it rests on.

    :raises AuthenticationFailed: no bearer token, or one that is not valid (any more).
    """
    tokens = BearerAuthentication()
    raw = tokens.get_raw_token(header.encode("latin1"))
    if raw is None:
        raise AuthenticationFailed("A bearer token is needed.")
    token = tokens.get_validated_token(raw)
    user = tokens.get_user(token)
    return user, Standing.of_token(token, user)


def user_of_ticket(text: str) -> tuple[User, Standing]:
    """The user who was given this ticket, and what it rests on; the ticket is used up.

    :raises AuthenticationFailed: no such ticket, or used, or late, or what it rests on has ended.
    """
    standing = tickets.use(text)
    user = standing.user() if standing else None
    if standing is None or user is None:
        raise AuthenticationFailed("This ticket is not good (any more); get another one.")
    return user, standing
