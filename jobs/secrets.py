"""Secrets at rest: encrypted with a key that lies outside the database."""

import base64
import hashlib
from typing import Any

from cryptography.fernet import Fernet, InvalidToken
from django.conf import settings

SEALED = "$sealed"
MASK = "••••••"


class SecretUnreadable(Exception):
    """This secret was sealed with another key; enter it again."""


def _fernet() -> Fernet:
    key = hashlib.sha256(settings.ENCRYPTION_KEY.encode()).digest()
    return Fernet(base64.urlsafe_b64encode(key))


def seal(value: str) -> dict[str, str]:
    """`value` as JSON that can be stored: `{"$sealed": token}`."""
    return {SEALED: _fernet().encrypt(value.encode()).decode()}


def is_sealed(value: object) -> bool:
    return isinstance(value, dict) and set(value) == {SEALED}


def unseal(value: Any) -> Any:
    """`value` with every sealed secret in it opened, however deep.

    :raises SecretUnreadable: sealed with another key.
    """
    if is_sealed(value):
        try:
            return _fernet().decrypt(value[SEALED].encode()).decode()
        except InvalidToken as error:
            raise SecretUnreadable(SecretUnreadable.__doc__) from error
    if isinstance(value, dict):
        return {key: unseal(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [unseal(inner) for inner in value]
    return value


def masked(value: Any) -> Any:
    """`value` with every sealed secret in it replaced by dots, for showing."""
    if is_sealed(value):
        return MASK
    if isinstance(value, dict):
        return {key: masked(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [masked(inner) for inner in value]
    return value
