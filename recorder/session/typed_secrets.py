"""Secrets while they are being typed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from recorder.vault import Vault


class TypedSecrets(Vault):
    """A vault in which a secret may grow while it is typed, under one name."""

    def hold(self, value: str, *, field: str) -> dict[str, str]:
        """A reference of its own for a value that is only beginning."""
        # Sealing by value would share the name of another secret that begins alike.
        reference = self.seal(f"\0{len(self._values)}", field=field)
        self._values[reference["secret"]] = value
        return reference

    def replace(self, reference: Mapping[str, Any], value: str) -> None:
        self._values[str(reference["secret"])] = value
