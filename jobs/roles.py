"""The roles as Django's groups: which exist, what the admin lets each do, who is in which."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.apps import AppConfig
from django.contrib.auth.models import Group, Permission
from django.db import transaction

from jobs.access import Role, forget_role

if TYPE_CHECKING:
    from django.contrib.auth.models import User

# Apps whose models the roles share; of all else (users, settings of the console) only admins.
WORK = frozenset({"jobs", "recorder", "ingestion", "documents"})
# ... except these, which admins alone see and change.
ADMINS_ONLY = frozenset(
    {"jobs.auditentry", "jobs.login", "jobs.preferences", "jobs.throttlewindow"}
)
# ... and these, which everyone may see and admins change.
ADMINS_CHANGE = frozenset(
    {
        "jobs.worker",
        "jobs.kindpolicy",
        "jobs.idempotencykey",
        "jobs.start",
        "jobs.jobevent",
        "jobs.retentionrule",
        "jobs.drain",
        "jobs.tally",
        "jobs.tallymark",
    }
)
OURS = WORK | {"config", "auth"}


def may(role: Role, *, app: str, model: str, codename: str) -> bool:
    """Whether `role` has the model permission `codename` (`view_job`)."""
    if role is Role.ADMIN:
        return True
    name = f"{app}.{model}"
    if app not in WORK or name in ADMINS_ONLY:
        return False
    if codename.startswith("view_"):
        return True
    return role is Role.OPERATOR and name not in ADMINS_CHANGE


def grant(sender: AppConfig, **_: Any) -> None:
    """Give each role its permissions on the models of one app, and take what it should not have.

    Runs after every `migrate`, so that models added later are covered; the declaration above is
    the truth, not what the rows happen to say.
    """
    if sender.label not in OURS:
        return
    rows = list(
        Permission.objects.filter(content_type__app_label=sender.label).select_related(
            "content_type"
        )
    )
    if not rows:
        return
    through = Group.permissions.through
    for role in Role:
        group, _created = Group.objects.get_or_create(name=role)
        wanted = {
            row.pk
            for row in rows
            if may(role, app=sender.label, model=row.content_type.model, codename=row.codename)
        }
        held = set(
            through.objects.filter(
                group_id=group.pk, permission_id__in=[row.pk for row in rows]
            ).values_list("permission_id", flat=True)
        )
        through.objects.filter(group_id=group.pk, permission_id__in=held - wanted).delete()
        through.objects.bulk_create(
            [through(group_id=group.pk, permission_id=pk) for pk in sorted(wanted - held)],
            ignore_conflicts=True,
        )


@transaction.atomic
def put_in(*, user: User, role: Role | None) -> None:
    """Make `role` the one role of `user`, with the flags that follow from it; None: no role.

    The bare change: who may do it, and whether an admin is left, is the caller's business.
    """
    user.groups.remove(*Group.objects.filter(name__in=list(Role)))
    if role is not None:
        user.groups.add(Group.objects.get_or_create(name=role)[0])
    user.is_staff = role is not None
    user.is_superuser = role is Role.ADMIN
    user.save(update_fields=["is_staff", "is_superuser"])
    forget_role(user)
