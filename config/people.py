"""The verbs of accounts: make, give a role, deactivate, let in again, and what one may do oneself."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal
from zoneinfo import available_timezones

from django.contrib.auth.hashers import make_password
from django.contrib.auth.models import User
from django.contrib.auth.password_validation import validate_password
from django.contrib.sessions.models import Session
from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction
from django.db.models import Q
from django.utils import timezone

from config.models import LoginFailure, SocketTicket
from jobs import access, audit, roles
from jobs.access import NotAllowed, Role
from jobs.logins import Login
from jobs.preferences import Preferences
from jobs.services import InvalidFields

AS_IT_IS: Literal["as it is"] = "as it is"
PROFILE_FIELDS = ("email", "first_name", "last_name")
# Of another person's account an admin changes the name as well.
ADMIN_FIELDS = ("username", *PROFILE_FIELDS)


class LastAdmin(Exception):
    """This is the last admin: nobody could give the role back. Make another admin first."""


class YourOwnAccount(Exception):
    """Nobody deactivates their own account; another admin can."""


@audit.command("user.create", says=("username", "role"))
def create_user(
    *,
    username: str,
    password: str,
    role: Role | None,
    by: User,
    email: str = "",
    first_name: str = "",
    last_name: str = "",
) -> User:
    """Make an account. Without a role it can log in and see nothing.

    :raises NotAllowed: `by` is no admin.
    :raises InvalidFields: the name is unfit or taken, or the password breaks a rule.
    """
    _check_admin(by)
    user = _new_user(username=username, password=password, email=email)
    user.first_name, user.last_name = first_name, last_name
    if User.objects.filter(username__iexact=user.username).exists():
        raise InvalidFields({"username": ["This name is taken."]})
    user.save()
    roles.put_in(user=user, role=role)
    return user


@transaction.atomic
def register(*, username: str, password: str, email: str = "") -> None:
    """Make an account without a role, for whoever asks; nothing happens where the name is taken.

    The caller learns nothing of that: neither from an answer nor from the time it takes.

    :raises InvalidFields: the name is unfit, or the password breaks a rule.
    """
    user = _new_user(username=username, password=password, email=email)
    taken = User.objects.filter(username__iexact=user.username).exists()
    if not taken:
        try:
            with transaction.atomic():
                user.save()
        except IntegrityError:
            taken = True
    if taken:
        audit.record(
            action="account.register", by=None, outcome="refused", data={"why": "name taken"}
        )
    else:
        audit.record(action="account.register", by=user, target=user)


@audit.command("user.set_role", target="user")
def set_role(*, user: User, role: Role | None, by: User) -> User:
    """Give `user` this one role; None takes it, and with it every token and ticket.

    Open sockets and streams notice within a minute.

    :raises NotAllowed: `by` is no admin.
    :raises LastAdmin: no other active admin would be left.
    """
    _check_admin(by)
    now = _locked(user)
    before = access.role_of(now) or _held_role(now)
    if before is Role.ADMIN and role is not Role.ADMIN:
        _keep_an_admin(now)
    audit.say(changed={"role": [before, role]})
    roles.put_in(user=now, role=role)
    if role is None:
        _end_tokens(now, why="role_taken")
    return now


@audit.command("user.change", target="user", quiet=True)
def change(
    *,
    user: User,
    by: User,
    profile: Mapping[str, str],
    role: Role | Literal["as it is"] | None = AS_IT_IS,
    password: str | None = None,
    is_active: bool | None = None,
) -> None:
    """Several changes of an account: all of them, or none.

    :raises NotAllowed, InvalidFields, LastAdmin, YourOwnAccount: as the verbs that it uses.
    """
    _check_admin(by)
    if profile:
        edit_profile(user=user, by=by, **profile)
    if role != AS_IT_IS:
        set_role(user=user, role=role, by=by)
    if password is not None:
        set_password(user=user, password=password, by=by)
    if is_active is False:
        deactivate(user=user, by=by)
    elif is_active is True:
        activate(user=user, by=by)


@audit.command("user.deactivate", target="user", says=("reason",))
def deactivate(*, user: User, by: User, reason: str = "") -> User:
    """Shut an account: its sessions and tokens end now, its sockets and streams within a minute.

    What it owns stays. Doing it twice is doing it once.

    :raises NotAllowed: `by` is no admin.
    :raises YourOwnAccount: `by` is `user`.
    :raises LastAdmin: no other active admin would be left.
    """
    _check_admin(by)
    if user.pk == by.pk:
        raise YourOwnAccount(YourOwnAccount.__doc__)
    now = _locked(user)
    if now.is_superuser and now.is_active:
        _keep_an_admin(now)
    audit.say(changed={"is_active": [now.is_active, False]})
    now.is_active = False
    now.save(update_fields=["is_active"])
    _end_tokens(now, why="deactivated")
    _end_sessions(now)
    return now


@audit.command("user.activate", target="user")
def activate(*, user: User, by: User) -> User:
    """Open an account again, with the role that it had; it has to log in anew.

    :raises NotAllowed: `by` is no admin.
    """
    _check_admin(by)
    now = _locked(user)
    audit.say(changed={"is_active": [now.is_active, True]})
    now.is_active = True
    now.save(update_fields=["is_active"])
    return now


@audit.command("user.set_password", target="user")
def set_password(*, user: User, password: str, by: User) -> User:
    """Give another person a new password; every session and token of theirs ends.

    :raises NotAllowed: `by` is no admin.
    :raises InvalidFields: the password breaks a rule.
    """
    _check_admin(by)
    now = _locked(user)
    _check_password(password, now, field="password")
    _change_password(now, password)
    return now


@audit.command("account.change_password", target="by")
def change_own_password(*, by: User, current: str, new: str) -> User:
    """A new password of one's own; every session and token but the caller's own session ends.

    :raises InvalidFields: the current one is wrong, or the new one breaks a rule.
    """
    now = _locked(by)
    if not now.check_password(current):
        raise InvalidFields({"current_password": ["This is not your current password."]})
    _check_password(new, now, field="new_password")
    _change_password(now, new)
    return now


@audit.command("user.edit", target="user")
def edit_profile(*, user: User, by: User, **fields: str) -> User:
    """Change `PROFILE_FIELDS` of an account: one's own, or as an admin `ADMIN_FIELDS` of any.

    :raises NotAllowed: it is another's and `by` is no admin.
    :raises InvalidFields: a value does not fit.
    """
    if user.pk != by.pk:
        _check_admin(by)
    now = _locked(user)
    before = {name: getattr(now, name) for name in fields}
    for name, value in fields.items():
        if name not in (ADMIN_FIELDS if access.is_admin(by) else PROFILE_FIELDS):
            raise InvalidFields({name: ["This can not be changed here."]})
        setattr(now, name, value.strip())
    _check_fields(now, names=list(fields))
    now.save(update_fields=list(fields))
    audit.say(**audit.changes(before=before, after={n: getattr(now, n) for n in fields}))
    return now


@audit.command("account.edit_settings", target="by")
def save_preferences(*, by: User, **fields: Any) -> Preferences:
    """Change some of one's own settings.

    :raises InvalidFields: a value does not fit.
    """
    row, _ = Preferences.objects.select_for_update().get_or_create(user=by)
    before = {name: getattr(row, name) for name in fields}
    zone = fields.get("time_zone")
    if zone and zone not in available_timezones():
        raise InvalidFields({"time_zone": [f"{zone[:60]!r} is no IANA time zone: Europe/Berlin."]})
    for name, value in fields.items():
        setattr(row, name, value)
    row.save()
    audit.say(**audit.changes(before=before, after=fields))
    return row


@audit.command("user.unlock", target="user")
def unlock(*, user: User, by: User) -> int:
    """Forget the failed logins of an account, from whatever address; how many rows there were.

    :raises NotAllowed: `by` is no admin.
    """
    _check_admin(by)
    return LoginFailure.objects.filter(user=user).delete()[0]


@audit.command("user.unlock", target="row")
def forget_failures(*, row: LoginFailure, by: User) -> None:
    """Forget one count of failed logins.

    :raises NotAllowed: `by` is no admin.
    """
    _check_admin(by)
    LoginFailure.objects.filter(pk=row.pk).delete()


@transaction.atomic
def password_was_changed(*, user: User, by: User) -> None:
    """After the admin's own form changed it: end the account's tokens, and say who did it."""
    _end_tokens(user, why="password_changed")
    audit.record(action="user.set_password", by=by, target=user)


def _check_admin(by: User) -> None:
    if not access.is_admin(by):
        raise NotAllowed("Only an admin may change accounts.")


def _locked(user: User) -> User:
    # With all admins, in one order: two who demote each other at once would else wait for each other.
    rows = User.objects.select_for_update().filter(Q(pk=user.pk) | Q(is_superuser=True))
    found = {each.pk: each for each in rows.order_by("pk")}
    if user.pk not in found:
        raise User.DoesNotExist(f"There is no user {user.pk}.")
    return found[user.pk]


def _held_role(user: User) -> Role | None:
    """The role that a deactivated account would have."""
    names = set(user.groups.values_list("name", flat=True))
    return next((role for role in reversed(Role) if role in names), None)


def _keep_an_admin(user: User) -> None:
    # `_locked` holds all of them: two admins who demote each other at once do not both succeed.
    admins = User.objects.filter(is_superuser=True, is_active=True)
    if not [each for each in admins if each.pk != user.pk]:
        raise LastAdmin(LastAdmin.__doc__)


def _new_user(*, username: str, password: str, email: str) -> User:
    user = User(username=User.normalize_username(username.strip()), email=email.strip())
    _check_fields(user, names=["username", "email"])
    _check_password(password, user, field="password")
    user.password = make_password(password)
    return user


def _check_fields(user: User, *, names: list[str]) -> None:
    others = {field.name for field in User._meta.fields} - set(names)
    try:
        user.clean_fields(exclude=others)
    except ValidationError as error:
        raise InvalidFields(error.message_dict) from error


def _check_password(password: str, user: User, *, field: str) -> None:
    try:
        validate_password(password, user=user)
    except ValidationError as error:
        raise InvalidFields({field: error.messages}) from error


def _change_password(user: User, password: str) -> None:
    user.set_password(password)
    user.save(update_fields=["password"])
    _end_tokens(user, why="password_changed")


def _end_tokens(user: User, *, why: str) -> None:
    Login.objects.filter(user=user).end(now=timezone.now(), why=why)
    SocketTicket.objects.filter(user=user).delete()


def _end_sessions(user: User) -> None:
    # Whose a session is stands inside it; there are few, and this is rare.
    live = Session.objects.filter(expire_date__gte=timezone.now())
    theirs = [
        row.pk
        for row in live.iterator(chunk_size=500)
        if str(_opened(row).get("_auth_user_id")) == str(user.pk)
    ]
    Session.objects.filter(pk__in=theirs).delete()


def _opened(session: Session) -> Mapping[str, Any]:
    found: Mapping[str, Any] = session.get_decoded()
    return found
