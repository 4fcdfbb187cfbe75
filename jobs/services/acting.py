"""One way in for every action on a job, of every kind: what `POST /api/jobs/{id}/actions` does."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any
from uuid import UUID

from django.utils import timezone
from rest_framework import serializers

from jobs import access, audit, registry
from jobs.events import time_dto
from jobs.models import Job, Status
from jobs.options import validated
from jobs.registry import ActionRefused, InvalidOptions, Kind, KindAction
from jobs.services.bounds import REASON_MAX
from jobs.services.cancelling import cancel
from jobs.services.editing import edit_metadata
from jobs.services.refusals import InvalidFields, UnknownAction
from jobs.services.rerunning import rerun

if TYPE_CHECKING:
    from django.contrib.auth.models import User


@dataclass(frozen=True, kw_only=True)
class ActionResult:
    """What an action did. `new_job_id` is the job that it made, if it made one."""

    success: bool
    message: str
    job_id: UUID
    action_type: str
    timestamp: datetime
    new_job_id: UUID | None = None

    def as_json(self) -> dict[str, Any]:
        body: dict[str, Any] = {
            "success": self.success,
            "message": self.message,
            "jobId": str(self.job_id),
            "actionType": self.action_type,
            "timestamp": time_dto(self.timestamp),
        }
        return {**body, "newJobId": str(self.new_job_id)} if self.new_job_id else body


class CancelPayload(serializers.Serializer[Any]):
    reason = serializers.CharField(
        max_length=REASON_MAX, allow_blank=True, default="", help_text="Shown with the job."
    )
    force = serializers.BooleanField(
        default=False, help_text="Kill it at once instead of giving it time to end by itself."
    )


class RerunPayload(serializers.Serializer[Any]):
    overrides = serializers.DictField(
        default=dict, help_text="Options that differ from the original's."
    )
    name = serializers.CharField(required=False, allow_blank=True)
    tags = serializers.ListField(child=serializers.CharField(), required=False)
    priority = serializers.IntegerField(required=False)
    run_after = serializers.DateTimeField(required=False)
    idempotency_key = serializers.CharField(required=False)


class EditPayload(serializers.Serializer[Any]):
    name = serializers.CharField(required=False, allow_blank=True)
    tags = serializers.ListField(child=serializers.CharField(), required=False)
    priority = serializers.IntegerField(required=False)
    options = serializers.DictField(
        required=False, help_text="Only while the job waits for its first attempt."
    )
    shared = serializers.BooleanField(
        required=False, help_text="Whether everybody in this installation may see the job."
    )


@dataclass(frozen=True, kw_only=True)
class Action:
    """An action that jobs of every kind have."""

    name: str
    label: str
    help: str
    payload: type[serializers.Serializer[Any]]
    statuses: frozenset[str]
    run: Callable[[Job, Mapping[str, Any], "User"], tuple[str, UUID | None]]


def _cancel(job: Job, payload: Mapping[str, Any], by: "User") -> tuple[str, UUID | None]:
    now = cancel(job=job, by=by, **payload)
    if now.status == Status.CANCELLED:
        return "The job was cancelled.", None
    forced = now.cancel_forced_at is not None
    return "The job is being killed." if forced else "The job was asked to end.", None


def _rerun(job: Job, payload: Mapping[str, Any], by: "User") -> tuple[str, UUID | None]:
    child = rerun(job=job, by=by, **payload)
    if child.was_there:
        return f"This rerun was submitted before, as job {child.id}.", child.id
    return f"Queued as job {child.id}.", child.id


def _edit(job: Job, payload: Mapping[str, Any], by: "User") -> tuple[str, UUID | None]:
    now = edit_metadata(job=job, by=by, **payload)
    return ("Nothing changed." if now.last_seq == job.last_seq else "The job was changed."), None


ACTIONS = (
    Action(
        name="cancel",
        label="Cancel",
        help="Ends a running job, and takes a waiting one out of the queue.",
        payload=CancelPayload,
        statuses=frozenset({"queued", "running"}),
        run=_cancel,
    ),
    Action(
        name="rerun",
        label="Run again",
        help="Queues a child job with the same options, or with others.",
        payload=RerunPayload,
        statuses=registry.ENDED,
        run=_rerun,
    ),
    Action(
        name="edit_metadata",
        label="Edit",
        help="Changes name, tags, priority, sharing, and options before the first attempt.",
        payload=EditPayload,
        statuses=frozenset(Status),
        run=_edit,
    ),
)


def actions_of(kind: Kind | None) -> list[Action | KindAction]:
    """Every action of jobs of this kind; of an unknown kind those that need no kind."""
    if kind is None:
        return [action for action in ACTIONS if action.name != "rerun"]
    return [*ACTIONS, *kind.actions]


@audit.command("job.{type}", target="job")
def act(*, job: Job, type: str, payload: Mapping[str, Any] | None, by: "User") -> ActionResult:
    """Do the action `type` with a job.

    :raises NotAllowed: the job is not for `by` to change (or, for a rerun, to see).
    :raises UnknownAction: jobs of this kind have none of this name; the message names what they have.
    :raises InvalidFields, InvalidOptions: the payload does not fit; `.errors` by field.
    :raises ActionRefused: the job's state does not allow it.
    """
    now = Job.objects.select_for_update(of=("self",)).get(pk=job.pk)
    action = _action(now, type)
    given = _payload(action, payload)
    if now.status not in action.statuses:
        raise ActionRefused(_not_now(now, action))
    made: UUID | None = None
    if isinstance(action, Action):
        message, made = action.run(now, given, by)
    else:
        access.check_may_change(job=now, by=by)
        message = action.run(now, given, by)
    return ActionResult(
        success=True,
        message=message,
        job_id=now.id,
        action_type=action.name,
        timestamp=timezone.now(),
        new_job_id=made,
    )


def _action(job: Job, type: str) -> Action | KindAction:
    try:
        kind = registry.get(job.kind)
    except registry.UnknownKind:
        kind = None  # of an earlier version; it can still be cancelled and renamed
    there = {action.name: action for action in actions_of(kind)}
    if not isinstance(type, str) or type not in there:
        raise UnknownAction(
            f"Jobs of the kind {job.kind!r} have no action {str(type)[:60]!r}. "
            f"They have: {', '.join(there)}."
        )
    return there[type]


def _payload(action: Action | KindAction, payload: Mapping[str, Any] | None) -> dict[str, Any]:
    if payload is None:
        payload = {}
    if not isinstance(payload, Mapping):
        raise InvalidFields({"payload": ["Must be an object."]})
    try:
        return dict(validated(action.payload, payload))
    except InvalidOptions as error:
        raise InvalidFields(error.errors) from error


def _not_now(job: Job, action: Action | KindAction) -> str:
    allowed = " or ".join(sorted(action.statuses))
    return f"{action.label}: the job is {job.status}, and must be {allowed}."
