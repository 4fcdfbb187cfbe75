"""Logging in: bearer tokens for programs, and one lockout for them and the admin's form."""

from __future__ import annotations

from datetime import datetime, timedelta
from hashlib import sha256
from typing import Any, cast

from django.contrib.auth.backends import ModelBackend
from django.contrib.auth.models import User
from django.core.exceptions import PermissionDenied, ValidationError
from django.http import HttpRequest
from django.utils import timezone
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework_simplejwt.authentication import JWTAuthentication
from rest_framework_simplejwt.exceptions import AuthenticationFailed
from rest_framework_simplejwt.serializers import TokenObtainPairSerializer
from rest_framework_simplejwt.views import (
    TokenBlacklistView,
    TokenObtainPairView,
    TokenRefreshView,
)
from unfold.forms import AuthenticationForm

from config.models import LoginFailure
from jobs.api.problem import Problem

WINDOW = timedelta(minutes=15)
# Of one account from one address; and of one address over all accounts. An account alone is
# never locked, or anyone could lock its owner out.
ACCOUNT_LIMIT = 5
ADDRESS_LIMIT = 50


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
        for key in _keys(username, address):
            LoginFailure.objects.count_one(key, now=now, window=WINDOW)
        user = super().authenticate(request, username=username, password=password, **kwargs)
        if user is not None:
            LoginFailure.objects.filter(key__in=_keys(username, address)).delete()
        return user


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


class LoginSerializer(TokenObtainPairSerializer):
    def validate(self, attrs: dict[str, Any]) -> dict[str, str]:
        request = self.context["request"]
        wait_s = locked_for_s(
            username=attrs[self.username_field],
            address=_address(request),
            now=timezone.now(),
        )
        if wait_s:
            raise Problem(
                status=429,
                code="login_locked",
                detail="Too many failed logins.",
                headers={"Retry-After": str(wait_s)},
            )
        return super().validate(attrs)


class LoginView(TokenObtainPairView):
    """POST {username, password} → {access, refresh}; 401 wrong, 429 after too many failures."""

    _serializer_class = "config.accounts.LoginSerializer"


class RefreshView(TokenRefreshView):
    """POST {refresh} → {access, refresh}; the refresh token given is used up."""


class LogoutView(TokenBlacklistView):
    """POST {refresh} → 204; the refresh token is worth nothing from now on."""

    def post(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        super().post(request, *args, **kwargs)
        return Response(status=204)


def user_of_bearer(header: str) -> User:
    """The user whose access token an `Authorization` header carries.

    :raises AuthenticationFailed: no bearer token, or one that is not valid (any more).
    """
    tokens = JWTAuthentication()
    raw = tokens.get_raw_token(header.encode("latin1"))
    if raw is None:
        raise AuthenticationFailed("A bearer token is needed.")
    return cast(User, tokens.get_user(tokens.get_validated_token(raw)))
