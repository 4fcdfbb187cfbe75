"""Why a verb on a source did not happen."""

from jobs.registry import ActionRefused
from jobs.services.refusals import InvalidFields


class SyncRunning(ActionRefused):
    """Another sync of this source is at work or queued."""


class SourcePaused(ActionRefused):
    """The source is paused; resume it first."""


class SourceNotPaused(ActionRefused):
    """The source is not paused."""


class SourceDeleting(ActionRefused):
    """The source is being deleted."""


class NothingFailed(ActionRefused):
    """No document of this source has failed, so there is nothing to try again."""


class NotSynced(ActionRefused):
    """Sources of this kind are filled by Tapedeck itself; there is nothing to sync."""


__all__ = [
    "InvalidFields",
    "NotSynced",
    "NothingFailed",
    "SourceDeleting",
    "SourceNotPaused",
    "SourcePaused",
    "SyncRunning",
]
