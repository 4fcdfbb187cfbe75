"""Writing the audit trail: every command of a person or program, the refused ones too."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from functools import wraps
from inspect import signature
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar
from uuid import UUID

from django.core.exceptions import PermissionDenied
from django.core.serializers.json import DjangoJSONEncoder
from django.db import models, transaction
from django.utils import timezone

from jobs import context
from jobs.events import storable_text, to_json
from jobs.models import Job
from jobs.secrets import masked
from jobs.trail import AuditEntry

if TYPE_CHECKING:
    from django.contrib.auth.models import User

__all__ = ["AuditEntry", "changes", "command", "record"]

# A note in the request's context: its refusal is on record, with its target.
REFUSAL_RECORDED = "refusal recorded"

P = ParamSpec("P")
T = TypeVar("T")


def record(
    *,
    action: str,
    by: User | None,
    target: models.Model | None = None,
    outcome: str = AuditEntry.Outcome.DONE,
    data: Mapping[str, Any] | None = None,
) -> AuditEntry:
    """Write one entry; call it in the transaction of the effect, so that both commit or neither.

    `action` is `thing.verb` in the present tense (`job.cancel`). From where, and in which
    request, comes from `jobs.context`. Sealed secrets in `data` are masked; a value that JSON
    does not know is written as text.
    """
    here = context.current()
    if outcome != AuditEntry.Outcome.DONE:
        here.notes.add(REFUSAL_RECORDED)
    plain = json.loads(json.dumps(masked(dict(data or {})), cls=DjangoJSONEncoder, default=str))
    return AuditEntry.objects.create(
        at=timezone.now(),
        action=action,
        outcome=outcome,
        actor_id=by.pk if by is not None else None,
        actor_name=by.get_username() if by is not None else "",
        target_type=target._meta.label_lower if target is not None else "",
        target_id=str(target.pk) if target is not None else "",
        target_name=storable_text(str(target))[:200] if target is not None else "",
        job_id=_job_id(target),
        via=here.via,
        address=here.address[:64],
        user_agent=storable_text(here.user_agent)[: context.USER_AGENT_MAX],
        request_id=here.request_id,
        data=json.loads(to_json(plain)),
    )


def command(
    action: str, *, target: str = "", says: Sequence[str] = ()
) -> Callable[[Callable[P, T]], Callable[P, T]]:
    """Make a verb atomic and put it on record: `done` with its effect, else `refused` or `failed`.

    `target` names the argument that the entry is about; without one it is the model instance
    that the verb returns; `says` the arguments that go into its data (never a secret). The verb
    takes `by=`. An error that the verb raises on purpose (its
    module, or Django's `PermissionDenied`) is a refusal; any other is a failure. Either is
    written after the verb's own transaction was rolled back.
    """

    def decorate(verb: Callable[P, T]) -> Callable[P, T]:
        takes = signature(verb)

        @wraps(verb)
        def recorded(*args: P.args, **kwargs: P.kwargs) -> T:
            given = takes.bind(*args, **kwargs).arguments
            about = given.get(target) if target else None
            said = {name: given[name] for name in says if given.get(name) is not None}
            try:
                with transaction.atomic():
                    result = verb(*args, **kwargs)
                    if about is None and isinstance(result, models.Model):
                        about = result
                    record(action=action, by=given.get("by"), target=about, data=said)
                    return result
            except Exception as error:
                refused = isinstance(error, PermissionDenied) or not type(
                    error
                ).__module__.startswith(("builtins", "django.db"))
                record(
                    action=action,
                    by=given.get("by"),
                    target=about,
                    outcome=AuditEntry.Outcome.REFUSED if refused else AuditEntry.Outcome.FAILED,
                    data={**said, "error": f"{type(error).__name__}: {error}"[:500]},
                )
                raise

        return recorded

    return decorate


def changes(*, before: Mapping[str, Any], after: Mapping[str, Any]) -> dict[str, Any]:
    """`{"changed": {field: [old, new]}}` of the fields that differ, for an entry's `data`."""
    names = [name for name in {**before, **after} if before.get(name) != after.get(name)]
    return {"changed": {name: [before.get(name), after.get(name)] for name in names}}


def _job_id(target: models.Model | None) -> UUID | None:
    if isinstance(target, Job):
        return target.pk
    found = getattr(target, "job_id", None)
    if found is None:
        # One step further, for what belongs to something that belongs to a job.
        found = getattr(getattr(target, "session", None), "job_id", None)
    return found if isinstance(found, UUID) else None
