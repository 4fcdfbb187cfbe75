"""Bearer tokens: good while their login, their user and their user's password are."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.contrib.auth.models import User
from rest_framework_simplejwt.authentication import JWTAuthentication
from rest_framework_simplejwt.exceptions import AuthenticationFailed
from rest_framework_simplejwt.settings import api_settings
from rest_framework_simplejwt.utils import get_md5_hash_password

from jobs.logins import LOGIN_CLAIM, Login


class BearerAuthentication(JWTAuthentication):
    """As simplejwt has it; a token also ends with the login it came from, at once."""

    def get_user(self, validated_token: Any) -> Any:
        """:raises AuthenticationFailed: it holds no longer; the code says what ended."""
        named = validated_token.get(LOGIN_CLAIM)
        if named is None:  # made without a login, by a program of the installation itself
            return super().get_user(validated_token)
        login = Login.objects.select_related("user").filter(pk=_uuid(named)).first()
        if login is None or str(login.user_id) != str(
            validated_token.get(api_settings.USER_ID_CLAIM)
        ):
            raise AuthenticationFailed("This token's login is gone.", code="user_not_found")
        user: User = login.user
        if not user.is_active:
            raise AuthenticationFailed("The account is deactivated.", code="user_inactive")
        if login.ended_at is not None:
            raise AuthenticationFailed("This login has ended.", code="login_ended")
        mark = validated_token.get(api_settings.REVOKE_TOKEN_CLAIM)
        if mark != get_md5_hash_password(user.password):
            raise AuthenticationFailed("The password was changed.", code="password_changed")
        return user


def _uuid(text: Any) -> UUID:
    try:
        return UUID(str(text))
    except ValueError:
        return UUID(int=0)  # nobody's
