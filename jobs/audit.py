"""Writing the audit trail: every command of a person or program, the refused ones too."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from contextvars import ContextVar
from dataclasses import dataclass
from functools import wraps
from inspect import signature
from string import Formatter
from typing import TYPE_CHECKING, Any, NamedTuple, ParamSpec, TypeVar
from uuid import UUID

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

__all__ = ["AuditEntry", "changes", "command", "record", "say"]

# A note in the request's context: its refusal is on record, with its target.
REFUSAL_RECORDED = "refusal recorded"

_ACTION = re.compile(r"[a-z][a-z0-9_.-]{2,79}")
_UNSAFE = re.compile(r"\{\w+\}")
_REFUSED, _SAID_INSIDE = "_tapedeck_refused", "_said_inside"

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
    return _write(action=action, by=by, about=_about(target), outcome=outcome, data=data or {})


class _About(NamedTuple):
    """What an entry says of its target: copied, for the target may go."""

    target_type: str = ""
    target_id: str = ""
    target_name: str = ""
    job_id: UUID | None = None


def _about(target: models.Model | None) -> _About:
    if target is None:
        return _About()
    return _About(
        target_type=target._meta.label_lower,
        target_id=str(target.pk) if target.pk is not None else "",
        target_name=storable_text(str(target))[:200],
        job_id=_job_id(target),
    )


def _write(
    *, action: str, by: User | None, about: _About, outcome: str, data: Mapping[str, Any]
) -> AuditEntry:
    here = context.current()
    if outcome != AuditEntry.Outcome.DONE:
        here.notes.add(REFUSAL_RECORDED)
    plain = json.loads(json.dumps(masked(dict(data)), cls=DjangoJSONEncoder, default=str))
    return AuditEntry.objects.create(
        at=timezone.now(),
        action=action,
        outcome=outcome,
        actor_id=by.pk if by is not None else None,
        actor_name=by.get_username() if by is not None else "",
        **about._asdict(),
        via=here.via,
        address=here.address[:64],
        user_agent=storable_text(here.user_agent)[: context.USER_AGENT_MAX],
        request_id=here.request_id,
        data=json.loads(to_json(plain)),
    )


@dataclass
class _Command:
    """One verb in progress, and what it has said of itself."""

    action: str
    by: Any
    about: _About
    data: dict[str, Any]


_commands: ContextVar[tuple[_Command, ...]] = ContextVar("tapedeck_commands", default=())


def command(
    action: str, *, target: str = "", says: Sequence[str] = (), quiet: bool = False
) -> Callable[[Callable[P, T]], Callable[P, T]]:
    """Make a verb atomic and put it on record: `done` with its effect, else `refused` or `failed`.

    `action` may name text arguments (`job.{type}`). `target` names the argument that the entry
    is about; without one it is the model instance that the verb returns. `says` are arguments
    that go into its data (never a secret); the verb adds more with `say`. The verb takes `by=`.

    An error of ours, or `PermissionDenied`, is a refusal; one of Python or the database a
    failure. Either is written after the rollback: of a verb inside a verb by the outer one, in
    the inner one's name. What both would say is said once; a `quiet` verb leaves what was done
    to the verbs inside it.
    """

    def decorate(verb: Callable[P, T]) -> Callable[P, T]:
        takes = signature(verb)

        @wraps(verb)
        def recorded(*args: P.args, **kwargs: P.kwargs) -> T:
            given = takes.bind(*args, **kwargs).arguments
            own = _Command(
                action=_named(action, given),
                by=given.get("by"),
                about=_about(given.get(target) if target else None),
                data={name: given[name] for name in says if given.get(name) is not None},
            )
            outer = _commands.get()
            inside = _commands.set((*outer, own))
            try:
                with transaction.atomic():
                    result = verb(*args, **kwargs)
                    if not own.about.target_id and isinstance(result, models.Model):
                        own.about = _about(result)
                    if not own.data.pop(_SAID_INSIDE, False) and not quiet:
                        _write(
                            action=own.action,
                            by=own.by,
                            about=own.about,
                            outcome=AuditEntry.Outcome.DONE,
                            data=own.data,
                        )
                    if outer and outer[-1].action == own.action:
                        outer[-1].data[_SAID_INSIDE] = True
                    return result
            except Exception as error:
                if not hasattr(error, _REFUSED):
                    setattr(error, _REFUSED, own)
                if not outer:
                    _record_refusal(getattr(error, _REFUSED), error)
                raise
            finally:
                _commands.reset(inside)

        return recorded

    return decorate


def say(**data: Any) -> None:
    """Add to the data of the entry that the command in progress will leave."""
    if running := _commands.get():
        running[-1].data.update(data)


def _record_refusal(refused: _Command, error: Exception) -> None:
    broke = type(error).__module__.startswith(("builtins", "django.db"))
    refused.data.pop(_SAID_INSIDE, None)
    _write(
        action=refused.action,
        by=refused.by,
        about=refused.about,
        outcome=AuditEntry.Outcome.FAILED if broke else AuditEntry.Outcome.REFUSED,
        data={**refused.data, "error": f"{type(error).__name__}: {error}"[:500]},
    )


def _named(action: str, given: Mapping[str, Any]) -> str:
    words = {name: str(value) for name, value in given.items() if isinstance(value, str)}
    named = action.format_map({**dict.fromkeys(_arguments(action), "unknown"), **words})
    return named if _ACTION.fullmatch(named) else _UNSAFE.sub("unknown", action)


def _arguments(action: str) -> list[str]:
    return [name for _, name, _, _ in Formatter().parse(action) if name]


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
