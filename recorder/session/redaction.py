"""Taking known secrets out of whatever is about to be told."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import Any
from urllib.parse import quote, quote_plus

MASK = "••••••"
# Shorter values would blot out ordinary words.
_SHORTEST = 4


class Redaction:
    """`secrets()` gives the values known now; pages repeat them in addresses and texts."""

    def __init__(self, *, secrets: Callable[[], Collection[str]]) -> None:
        self._secrets = secrets

    def clean(self, told: Any) -> Any:
        """`told` with every known secret in its texts replaced, however deep."""
        forms: list[str] = []
        for value in self._secrets():
            if len(value) >= _SHORTEST:
                forms += {value, quote(value), quote(value, safe=""), quote_plus(value)}
        if not forms:
            return told
        forms.sort(key=len, reverse=True)
        return _cleaned(told, forms)


def _cleaned(told: Any, forms: list[str]) -> Any:
    if isinstance(told, str):
        for form in forms:
            told = told.replace(form, MASK)
        return told
    if isinstance(told, Mapping):
        return {key: _cleaned(value, forms) for key, value in told.items()}
    if isinstance(told, list | tuple):
        return type(told)(_cleaned(value, forms) for value in told)
    return told
