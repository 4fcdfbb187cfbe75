"""Bearer tokens: a login gives a pair; each refresh gives the next one and uses up the last."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from django.contrib.auth.models import User
from django.db import transaction
from django.utils import timezone
from rest_framework_simplejwt.exceptions import TokenError
from rest_framework_simplejwt.settings import api_settings
from rest_framework_simplejwt.tokens import RefreshToken
from rest_framework_simplejwt.utils import get_md5_hash_password

from jobs import audit, context
from jobs.logins import LOGIN_CLAIM, Login

# Two refreshes of one client that cross are no theft: within this time the second is only refused.
CROSSING = timedelta(seconds=10)


class TokenRefused(Exception):
    """This token is not good (any more); log in again."""


@dataclass(frozen=True)
class Pair:
    access: str
    refresh: str

    def as_json(self) -> dict[str, str]:
        return {"access": self.access, "refresh": self.refresh}


@transaction.atomic
def open_login(*, user: User) -> Pair:
    """A new login of `user`, who has just shown their password, and its first tokens."""
    now = timezone.now()
    here = context.current()
    refresh: Any = RefreshToken.for_user(user)
    login = Login(
        user=user,
        created_at=now,
        refreshed_at=now,
        expires_at=_expiry(refresh),
        refresh_jti=refresh[api_settings.JTI_CLAIM],
        address=here.address,
        user_agent=here.user_agent,
    )
    refresh[LOGIN_CLAIM] = str(login.pk)
    login.save(force_insert=True)
    user.last_login = now
    user.save(update_fields=["last_login"])
    audit.record(action="account.login", by=user, target=user, data={"login": str(login.pk)})
    return Pair(str(refresh.access_token), str(refresh))


def refresh(*, token: str) -> Pair:
    """The next pair; the refresh token given is used up.

    One that was used up before is in two hands: its whole login ends.

    :raises TokenRefused: not a refresh token, expired, used up, or its login or user has ended.
    """
    given = _read(token)
    login = _login_of(given)
    if login is None or login.ended_at is not None or not login.user.is_active:
        raise TokenRefused(TokenRefused.__doc__)
    if given.get(api_settings.REVOKE_TOKEN_CLAIM) != get_md5_hash_password(login.user.password):
        raise TokenRefused("The password was changed since; log in again.")
    used = given[api_settings.JTI_CLAIM]
    given.set_jti()
    given.set_exp()
    given.set_iat()
    now = timezone.now()
    # One UPDATE: of two who bring the same token, one gets the next pair.
    won = (
        Login.objects.open()
        .filter(pk=login.pk, refresh_jti=used)
        .update(
            refresh_jti=given[api_settings.JTI_CLAIM], refreshed_at=now, expires_at=_expiry(given)
        )
    )
    if not won:
        _used_again(login, now=now)
        raise TokenRefused("This refresh token was used before; log in again.")
    return Pair(str(given.access_token), str(given))


@transaction.atomic
def _used_again(login: Login, *, now: datetime) -> None:
    crossing = Login.objects.filter(pk=login.pk, refreshed_at__gt=now - CROSSING)
    if crossing.exists():
        return
    if Login.objects.filter(pk=login.pk).end(now=now, why="token_reused"):
        audit.record(
            action="account.refresh",
            by=login.user,
            target=login.user,
            outcome="refused",
            data={"why": "A used refresh token came back; its login was ended."},
        )


@transaction.atomic
def log_out(*, token: str) -> None:
    """End the login of a refresh token: it and every access token from it are worth nothing.

    :raises TokenRefused: not a refresh token of a login that is open.
    """
    login = _login_of(_read(token))
    if login is None or not end_login(login_id=login.pk, by=login.user):
        raise TokenRefused(TokenRefused.__doc__)


@transaction.atomic
def end_login(*, login_id: UUID, by: User, why: str = "logged_out") -> bool:
    """End one login; False where it had ended."""
    login = Login.objects.select_related("user").filter(pk=login_id).first()
    if login is None or not Login.objects.filter(pk=login_id).end(now=timezone.now(), why=why):
        return False
    audit.record(action="account.logout", by=by, target=login.user, data={"login": str(login_id)})
    return True


def _read(token: str) -> RefreshToken:
    try:
        return RefreshToken(token)  # type: ignore[arg-type]  # its stubs want a token of itself
    except TokenError as error:
        raise TokenRefused("This is no valid refresh token; log in again.") from error


def _login_of(token: Any) -> Login | None:
    try:
        key = UUID(str(token.get(LOGIN_CLAIM)))
    except ValueError:
        return None
    login = Login.objects.select_related("user").filter(pk=key).first()
    if login is None or str(login.user_id) != str(token.get(api_settings.USER_ID_CLAIM)):
        return None
    return login


def _expiry(token: Any) -> datetime:
    return datetime.fromtimestamp(token["exp"], tz=UTC)
