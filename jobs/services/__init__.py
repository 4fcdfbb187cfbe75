"""Verbs on jobs that people and other apps use."""

from jobs.registry import ActionRefused
from jobs.services.acting import ActionResult, act
from jobs.services.cancelling import cancel
from jobs.services.deletion import Freed, delete, delete_many
from jobs.services.describing import kind_descriptions
from jobs.services.editing import edit_metadata
from jobs.services.policing import clear_policy, set_policy
from jobs.services.presets import delete_preset, save_preset
from jobs.services.refusals import (
    IdempotencyConflict,
    InvalidFields,
    InvalidOptions,
    JobInUse,
    JobNotCancellable,
    JobNotEnded,
    JobNotQueued,
    NotSubmittable,
    UnknownAction,
    UnknownKind,
    UnknownPreset,
)
from jobs.services.rerunning import Difference, rerun, rerun_differences
from jobs.services.submission import KEY_LIFE_S, submit

__all__ = [
    "KEY_LIFE_S",
    "ActionRefused",
    "ActionResult",
    "Difference",
    "Freed",
    "IdempotencyConflict",
    "InvalidFields",
    "InvalidOptions",
    "JobInUse",
    "JobNotCancellable",
    "JobNotEnded",
    "JobNotQueued",
    "NotSubmittable",
    "UnknownAction",
    "UnknownKind",
    "UnknownPreset",
    "act",
    "cancel",
    "clear_policy",
    "delete",
    "delete_many",
    "delete_preset",
    "edit_metadata",
    "kind_descriptions",
    "rerun",
    "rerun_differences",
    "save_preset",
    "set_policy",
    "submit",
]
