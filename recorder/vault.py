"""The secrets of one recording: names stand in the steps, values stay here.

The session process has no Django and no database; it writes the vault to a file that only
the holder of its key can read. The job's body reads that file and stores the values sealed
on the session's row, where a replay finds them.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from cryptography.fernet import Fernet, InvalidToken

ENVIRONMENT_PREFIX = "TAPEDECK_SECRET_"
NAME = re.compile(r"[A-Z][A-Z0-9_]{0,60}")


class VaultUnreadable(Exception):
    """The vault's file is damaged, or was written with another key."""


class UnknownSecret(KeyError):
    """The vault holds no secret of this name."""


def secret_name(value: object) -> str | None:
    """The name in a secret reference (`{"secret": NAME}`), None for anything else."""
    if not isinstance(value, Mapping) or set(value) != {"secret"}:
        return None
    name = value["secret"]
    return name if isinstance(name, str) and NAME.fullmatch(name) else None


def environment(values: Mapping[str, str]) -> dict[str, str]:
    """`values` as the environment variables that generated code reads."""
    return {f"{ENVIRONMENT_PREFIX}{name}": value for name, value in values.items()}


def option_secrets(options: Mapping[str, Any]) -> dict[str, str]:
    """The secrets among a recording's options (opened), by the names generated code gives them:
    user and password of `http_credentials`, and every extra header's value."""
    found: dict[str, str] = {}
    credentials = options.get("http_credentials") or {}
    if credentials:
        found["HTTP_USERNAME"] = str(credentials.get("username", ""))
        found["HTTP_PASSWORD"] = str(credentials.get("password", ""))
    headers: Mapping[str, Any] = options.get("extra_headers") or {}
    names = header_secrets(headers)
    return found | {names[header]: str(value) for header, value in headers.items()}


def header_secrets(headers: Iterable[str]) -> dict[str, str]:
    """Extra HTTP header → the secret's name for its value, distinct for each."""
    names: dict[str, str] = {}
    for header in headers:
        stem = "HEADER_" + (re.sub(r"[^A-Z0-9]+", "_", header.upper()).strip("_")[:40] or "VALUE")
        taken = sum(name == stem or name.startswith(f"{stem}__") for name in names.values())
        names[header] = f"{stem}__{taken + 1}" if taken else stem
    return names


class Vault:
    """Name → value of one session."""

    def __init__(self, values: Mapping[str, str] | None = None) -> None:
        self._values: dict[str, str] = dict(values or {})

    def __repr__(self) -> str:
        return f"<Vault of {len(self._values)}>"

    def seal(self, value: str, *, field: str = "password") -> dict[str, str]:
        """Keep `value`; what a step holds in its place.

        The name comes from `field` ("Current password" → CURRENT_PASSWORD_1); the same value
        keeps its first name.
        """
        for name, known in self._values.items():
            if known == value:
                return {"secret": name}
        stem = re.sub(r"[^A-Z0-9]+", "_", field.upper()).strip("_")[:40].rstrip("_")
        if not stem[:1].isalpha():
            stem = f"SECRET_{stem}".rstrip("_")
        number = 1
        while f"{stem}_{number}" in self._values:
            number += 1
        self._values[f"{stem}_{number}"] = value
        return {"secret": f"{stem}_{number}"}

    def open(self, reference: object) -> str:
        """The value behind a reference.

        :raises UnknownSecret: it is no reference, or names nothing in here.
        """
        name = secret_name(reference)
        if name is None or name not in self._values:
            raise UnknownSecret(name or repr(reference)[:60])
        return self._values[name]

    def keep_only(self, names: frozenset[str] | set[str]) -> None:
        """Forget every secret that no kept step uses."""
        self._values = {name: value for name, value in self._values.items() if name in names}

    @property
    def values(self) -> dict[str, str]:
        return dict(self._values)

    @staticmethod
    def new_key() -> str:
        return Fernet.generate_key().decode()

    def write(self, path: Path, *, key: str) -> None:
        """Write the vault, encrypted with `key`; readers see the old file or the new, whole."""
        token = Fernet(key).encrypt(json.dumps(self._values).encode())
        unfinished = path.with_name(path.name + ".part")
        unfinished.touch(mode=0o600)
        unfinished.write_bytes(token)
        unfinished.replace(path)

    @classmethod
    def read(cls, path: Path, *, key: str) -> Vault:
        """:raises VaultUnreadable: damaged, or another key's."""
        try:
            values = json.loads(Fernet(key).decrypt(path.read_bytes()))
        except (InvalidToken, ValueError) as error:
            raise VaultUnreadable(VaultUnreadable.__doc__) from error
        return cls(values)

    def sealed(self) -> dict[str, Any]:
        """For `RecordingSession.secrets`: each value encrypted with the installation's key."""
        from jobs.secrets import seal

        return {name: seal(value) for name, value in self._values.items()}

    @classmethod
    def unsealed(cls, stored: Mapping[str, Any]) -> Vault:
        """The vault that `sealed` stored.

        :raises jobs.secrets.SecretUnreadable: sealed with another key.
        """
        from jobs.secrets import unseal

        return cls({name: unseal(value) for name, value in stored.items()})
