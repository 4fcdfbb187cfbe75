"""The rules a kind runs by: its own defaults, and over them what operators set."""

import time
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

from jobs import registry
from jobs.models import KindPolicy
from jobs.registry import Kind, Rate
from jobs.rules import ALL_KINDS

# How old the policies that a process goes by may be: an edit takes effect everywhere within this.
FRESH_S = 1.0


@dataclass(frozen=True, kw_only=True)
class Policy:
    """What holds for a kind now. Times in seconds; None: no limit (`retry_on`: as attempts say)."""

    priority: int = 0
    queue_timeout_s: int | None = None
    max_attempts: int = 1
    backoff_s: float = 0
    backoff_cap_s: float = 0
    backoff_jitter: float = 0
    retry_on: frozenset[str] | None = None
    concurrency: int | None = None
    user_concurrency: int | None = None
    rate: Rate | None = None
    user_rate: Rate | None = None

    @property
    def limits_claims(self) -> bool:
        return any((self.concurrency, self.user_concurrency, self.rate, self.user_rate)) or (
            self.concurrency == 0 or self.user_concurrency == 0
        )


_held: "Held | None" = None
_read_at = float("-inf")


class Held:
    """What was set when it was read, and what follows from it: worked out once, not a claim."""

    def __init__(self, rows: Mapping[str, KindPolicy]) -> None:
        self._rows = rows
        self._by_kind: dict[str, Policy] = {}
        # For others to keep what they make of these policies.
        self.derived: dict[Any, Any] = {}

    def of(self, kind: Kind) -> Policy:
        if kind.name not in self._by_kind:
            self._by_kind[kind.name] = _over(kind, self._rows.get(kind.name))
        return self._by_kind[kind.name]

    def of_all_kinds(self) -> Policy | None:
        row = self._rows.get(ALL_KINDS)
        if row is None:
            return None
        return Policy(
            concurrency=row.concurrency,
            user_concurrency=row.user_concurrency,
            rate=_rate(row.rate_starts, row.rate_window_s),
            user_rate=_rate(row.user_rate_starts, row.user_rate_window_s),
        )


def of(kind: Kind) -> Policy:
    """What holds for `kind`, at most `FRESH_S` old."""
    return held().of(kind)


def own(kind: Kind) -> Policy:
    """The kind's own defaults, whatever is set over them."""
    return _over(kind, None)


def of_all_kinds() -> Policy | None:
    """What holds for all kinds together; None: nothing."""
    return held().of_all_kinds()


def by_kind() -> Mapping[str, Policy]:
    """What holds for each registered kind."""
    now = held()
    return {kind.name: now.of(kind) for kind in registry.all_kinds()}


def forget() -> None:
    """Read again at the next look: this process changed them, or uses another database now."""
    global _read_at
    _read_at = float("-inf")


def held() -> Held:
    """What holds, at most `FRESH_S` old; the same object until it is read anew."""
    global _held, _read_at
    now = time.monotonic()
    if _held is None or now - _read_at >= FRESH_S:
        _held = Held({row.kind: row for row in KindPolicy.objects.all()})
        _read_at = now
    return _held


def _over(kind: Kind, row: KindPolicy | None) -> Policy:
    own: dict[str, Any] = {field.name: getattr(kind, field.name) for field in fields(Policy)}
    if row is None:
        return Policy(**own)
    for name in own:
        value = getattr(row, name, None)
        if value is not None:
            own[name] = frozenset(value) if name == "retry_on" else value
    own["rate"] = _rate(row.rate_starts, row.rate_window_s) or kind.rate
    own["user_rate"] = _rate(row.user_rate_starts, row.user_rate_window_s) or kind.user_rate
    if kind.max_attempts == 1:
        own["max_attempts"] = 1  # what it does can not be repeated
    return Policy(**own)


def _rate(starts: int | None, window_s: int | None) -> Rate | None:
    return Rate(starts=starts, window_s=window_s) if starts and window_s else None
