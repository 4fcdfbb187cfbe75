"""What operators set for a kind over its own defaults."""

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from django.utils import timezone

from jobs import access, audit, policies, registry
from jobs.models import KindPolicy
from jobs.rules import ALL_KINDS
from jobs.services.bounds import Checks

if TYPE_CHECKING:
    from django.contrib.auth.models import User

DAY_S = 86_400
# Field -> smallest and largest value; a concurrency of 0 stands still what it limits.
BOUNDS: dict[str, tuple[float, float]] = {
    "priority": (-100, 100),
    "queue_timeout_s": (1, 30 * DAY_S),
    "max_attempts": (1, 100),
    "backoff_s": (0, DAY_S),
    "backoff_cap_s": (0, DAY_S),
    "backoff_jitter": (0, 1),
    "concurrency": (0, 1_000),
    "user_concurrency": (0, 1_000),
    "rate_starts": (1, 10_000),
    "rate_window_s": (1, DAY_S),
    "user_rate_starts": (1, 10_000),
    "user_rate_window_s": (1, DAY_S),
}
FIELDS = (*BOUNDS, "retry_on")
OF_ALL_KINDS = frozenset(name for name in BOUNDS if "concurrency" in name or "rate" in name)
FRACTIONS = frozenset({"backoff_s", "backoff_cap_s", "backoff_jitter"})
REASONS_MAX = 30


@audit.command("policy.save", says=("kind", "values"))
def set_policy(*, kind: str, values: Mapping[str, Any], by: "User") -> KindPolicy:
    """Set these fields of the kind's policy; None gives a field back to the kind. `*`: all kinds.

    In force at once here, and in every other process within `policies.FRESH_S`. Priority and
    attempts are those of jobs that are submitted from then on; all else holds for every job.

    :raises NotAllowed: `by` is no admin.
    :raises UnknownKind: no file registers `kind`.
    :raises InvalidFields: `.errors` maps each field to its messages.
    """
    _check_is_admin(by)
    row = checked_policy(kind=kind, values=values)
    row.updated_by, row.updated_at = by, timezone.now()
    row.save()
    policies.forget()
    return row


def checked_policy(*, kind: str, values: Mapping[str, Any]) -> KindPolicy:
    """What `set_policy` would store, not stored; raises the same."""
    spec = None if kind == ALL_KINDS else registry.get(kind)
    checks = Checks()
    for name, value in values.items():
        if name not in FIELDS:
            checks.refuse(name, f"Unknown. Known: {', '.join(FIELDS)}.")
        elif value is None:
            continue
        elif spec is None and name not in OF_ALL_KINDS:
            checks.refuse(name, "This can be set for single kinds only.")
        elif name == "retry_on":
            _check_reasons(checks, value)
        else:
            _check_number(checks, name, value)
    row = KindPolicy.objects.filter(kind=kind).first() or KindPolicy(kind=kind)
    for name, value in values.items():
        if name in FIELDS:
            setattr(row, name, sorted(set(value)) if name == "retry_on" and value else value)
    for rate in ("rate", "user_rate"):
        halves = [getattr(row, f"{rate}_starts"), getattr(row, f"{rate}_window_s")]
        if (halves[0] is None) != (halves[1] is None):
            missing = f"{rate}_starts" if halves[0] is None else f"{rate}_window_s"
            checks.refuse(missing, "A rate needs both: how many starts, and within how long.")
    if spec is not None and spec.max_attempts == 1 and (row.max_attempts or 1) != 1:
        checks.refuse(
            "max_attempts", "This kind runs once: what it does can not be undone or repeated."
        )
    checks.done()
    return row


@audit.command("policy.delete", target="policy")
def clear_policy(*, policy: KindPolicy, by: "User") -> None:
    """Give everything back to the kind's own defaults.

    :raises NotAllowed: `by` is no admin.
    """
    _check_is_admin(by)
    policy.delete()
    policies.forget()


def _check_is_admin(by: "User") -> None:
    if not access.is_admin(by):
        raise access.NotAllowed("What holds for everybody's jobs is for admins to set.")


def _check_number(checks: Checks, name: str, value: Any) -> None:
    least, most = BOUNDS[name]
    allowed = (int, float) if name in FRACTIONS else (int,)
    if isinstance(value, bool) or not isinstance(value, allowed) or not least <= value <= most:
        whole = "" if name in FRACTIONS else "whole "
        checks.refuse(name, f"Must be a {whole}number from {least} to {most}, or empty.")


def _check_reasons(checks: Checks, value: Any) -> None:
    if not isinstance(value, list) or len(value) > REASONS_MAX:
        checks.refuse("retry_on", f"Must be a list of at most {REASONS_MAX} reason codes.")
    elif bad := [
        code
        for code in value
        if not isinstance(code, str) or not re.fullmatch(r"[a-z0-9_]{1,60}", code)
    ]:
        checks.refuse("retry_on", f"Not a reason code such as timed_out: {str(bad[0])[:60]!r}.")
