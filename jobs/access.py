"""Who may do what: three roles, and whose jobs are whose.

A role is membership of the group of its name (made by a migration); the flags that Django reads
follow it: any role may enter the console (`is_staff`), an admin may do everything
(`is_superuser`). `set_role` changes all of them together.
"""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Any

from django.core.exceptions import PermissionDenied

if TYPE_CHECKING:
    from django.contrib.auth.models import User

    from jobs.models import Job


class Role(StrEnum):
    """What a person may do; each role may do what those before it may."""

    VIEWER = "viewer"
    OPERATOR = "operator"
    ADMIN = "admin"


ABOUT = {
    Role.VIEWER: "Sees what others share. Starts and changes nothing.",
    Role.OPERATOR: "Runs and changes jobs of their own, and sees what others share.",
    Role.ADMIN: "Sees and changes everything, users included.",
}
_RANK = {role: rank for rank, role in enumerate(Role)}
# Where a user object keeps its role, so that one request asks for it once.
_KEPT = "_tapedeck_role"


class NotAllowed(PermissionDenied):
    """This person may not do this; the message says why, and who may."""


def role_of(user: Any) -> Role | None:
    """The role of `user`; None for nobody, a deactivated account, and an account without one."""
    if not getattr(user, "is_active", False) or not getattr(user, "is_authenticated", False):
        return None
    if user.is_superuser:
        return Role.ADMIN
    if not user.is_staff:
        return None
    if not hasattr(user, _KEPT):
        if "groups" in getattr(user, "_prefetched_objects_cache", {}):
            held = {group.name for group in user.groups.all()} & set(Role)
        else:
            held = set(user.groups.filter(name__in=list(Role)).values_list("name", flat=True))
        roles = [Role(name) for name in held]
        setattr(user, _KEPT, max(roles, key=lambda role: _RANK[role], default=None))
    kept: Role | None = getattr(user, _KEPT)
    return kept


def forget_role(user: User) -> None:
    """Ask the database anew for the role of this very object."""
    user.__dict__.pop(_KEPT, None)


def is_admin(user: Any) -> bool:
    return role_of(user) is Role.ADMIN


def may_see(user: Any) -> bool:
    """Whether `user` may enter: any role."""
    return role_of(user) is not None


def may_do(user: Any) -> bool:
    """Whether `user` may start and change things: operators and admins."""
    role = role_of(user)
    return role is not None and _RANK[role] >= _RANK[Role.OPERATOR]


def check_may_do(*, by: Any) -> None:
    """:raises NotAllowed: `by` is no operator."""
    if not may_do(by):
        role = role_of(by)
        who = f"the role {role}" if role else "no role (any more)"
        raise NotAllowed(f"You have {who}; only operators and admins may do this.")


def check_may_run_again(*, job: Job, by: Any) -> None:
    """:raises NotAllowed: `by` is no operator, or may not see the job."""
    check_may_do(by=by)
    if not (job.shared or job.owner_id == by.pk or is_admin(by)):
        raise NotAllowed("This job is not yours, and not shared with you.")


def check_may_change(*, job: Job, by: Any) -> None:
    """:raises NotAllowed: `by` is no operator, or the job is another's and `by` no admin."""
    check_may_do(by=by)
    if job.owner_id != by.pk and not is_admin(by):
        raise NotAllowed(
            "This job is shared with you to look at; only its owner or an admin may change it."
        )
