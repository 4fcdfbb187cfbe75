"""Why a verb did not happen: typed, so that the API and the admin can say it."""

from collections.abc import Mapping
from typing import Any

from jobs.registry import ActionRefused, InvalidOptions, UnknownKind


class InvalidFields(Exception):
    """What was given does not fit; `errors` maps each field to its messages."""

    def __init__(self, errors: Mapping[str, Any]) -> None:
        super().__init__(str(dict(errors)))
        self.errors = errors


class JobNotCancellable(ActionRefused):
    """The job has already ended."""


class JobNotEnded(ActionRefused):
    """The job has not ended yet."""


class JobNotQueued(ActionRefused):
    """The job waits no longer, so its options are fixed."""


class JobInUse(ActionRefused):
    """Something else still needs the job."""


class ScheduleBusy(ActionRefused):
    """The schedule's overlap rule does not let it run now."""


class ScheduleBroken(ActionRefused):
    """The schedule can not submit its job; the message says why."""


class ScheduleNotPaused(ActionRefused):
    """The schedule is not paused."""


class AlreadyDraining(ActionRefused):
    """These workers are draining already."""


class NotSubmittable(Exception):
    """Jobs of this kind need more than options; they are made another way."""


class UnknownAction(Exception):
    """Jobs of this kind have no such action."""


class UnknownPreset(Exception):
    """This kind has no such preset."""


class IdempotencyConflict(Exception):
    """This idempotency key belongs to another request, or to a job that was deleted since."""


__all__ = [
    "ActionRefused",
    "AlreadyDraining",
    "IdempotencyConflict",
    "InvalidFields",
    "InvalidOptions",
    "JobInUse",
    "JobNotCancellable",
    "JobNotEnded",
    "JobNotQueued",
    "NotSubmittable",
    "ScheduleBroken",
    "ScheduleBusy",
    "ScheduleNotPaused",
    "UnknownAction",
    "UnknownKind",
    "UnknownPreset",
]
