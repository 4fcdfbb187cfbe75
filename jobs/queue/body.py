"""Running a kind's body and telling how it ended, in whatever process that happens."""

import errno
import logging
import traceback
from collections.abc import Mapping
from typing import Any

from jobs.artifacts import StorageFull
from jobs.models import Job
from jobs.queue.outcome import Ended, Outcome
from jobs.reasons import Reason
from jobs.registry import Kind
from jobs.running import Cancelled, JobFailed, RunningJob, Superseded
from jobs.secrets import SecretUnreadable, unseal

log = logging.getLogger(__name__)


class Interrupted(BaseException):
    """The worker stops this body from outside; not an Exception, so that no body swallows it lightly."""

    def __init__(self, outcome: Outcome | None) -> None:
        super().__init__()
        # None: another attempt owns the job.
        self.outcome = outcome


def opened_options(job: Job) -> Mapping[str, Any] | Outcome:
    """The job's options with their secrets opened, or how the attempt ended because they can not be."""
    try:
        opened: Mapping[str, Any] = unseal(job.options)
    except SecretUnreadable as error:
        return Outcome(
            ended=Ended.FAILED, reason=Reason.INVALID_OPTIONS, error=str(error), artifacts=False
        )
    return opened


def run_body(*, kind: Kind, running: RunningJob) -> Outcome | None:
    """Run the kind; None: the attempt was superseded, and there is nothing to write.

    :raises Interrupted: passed through to the worker that raised it.
    """
    try:
        result = kind.run(running)
        running.write_progress()
        return Outcome(ended=Ended.SUCCEEDED, result=None if result is None else dict(result))
    except JobFailed as failure:
        return Outcome(
            ended=Ended.FAILED,
            reason=failure.code,
            error=failure.message,
            result=failure.result,
            again=failure.retry,
        )
    except Cancelled:
        if running.cancel_was_seen:
            return Outcome(ended=Ended.CANCELLED, reason=Reason.CANCELLED_BY_USER)
        return _errored(running, "The kind raised Cancelled although nobody asked for it.")
    except Superseded:
        return None
    except StorageFull as error:
        return Outcome(ended=Ended.FAILED, reason=Reason.STORAGE_FULL, error=str(error))
    except OSError as error:
        if error.errno in {errno.ENOSPC, errno.EDQUOT}:
            return Outcome(ended=Ended.FAILED, reason=Reason.STORAGE_FULL, error=str(error))
        return _errored(running, f"{type(error).__name__}: {error}")
    except (Exception, SystemExit) as error:  # noqa: BLE001
        # Anything a kind may raise ends its attempt, not the worker.
        return _errored(running, f"{type(error).__name__}: {error}")


def _errored(running: RunningJob, error: str) -> Outcome:
    log.exception(  # noqa: LOG004
        "Job %s (%s) attempt %s: unexpected error", running.id, running.kind, running.attempt
    )
    for line in traceback.format_exc().splitlines():
        running.log(line, stream="traceback")
    return Outcome(ended=Ended.ERRORED, reason=Reason.ERROR, error=error, again=True)
