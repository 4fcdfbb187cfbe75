"""Keeping one attempt's lease, and deciding when its body has to be ended from outside."""

import logging
import time
from dataclasses import dataclass

from django.conf import settings
from django.db import DatabaseError, connections

from jobs.events import Superseded
from jobs.models import Job
from jobs.queue.capture import Capture
from jobs.queue.outcome import Asked, Ended, Outcome, asked_of, lease
from jobs.reasons import Reason
from jobs.registry import Kind

log = logging.getLogger(__name__)

LOOK_EVERY_S = 0.25
_CANCELLED = Outcome(ended=Ended.CANCELLED, reason=Reason.CANCELLED_BY_USER)


@dataclass(frozen=True)
class Verdict:
    """The body must end now. `outcome` None: another attempt owns the job, write nothing.

    `at_once`: it gets no time to end by itself.
    """

    outcome: Outcome | None
    at_once: bool = False


class Watch:
    """Looks after one running attempt; `look` is to be called about every `LOOK_EVERY_S`."""

    def __init__(self, *, job: Job, kind: Kind, capture: Capture) -> None:
        self.job = job
        self.kind = kind
        self.capture = capture
        self._started_at = self._leased_at = time.monotonic()
        self._cancel_seen_at: float | None = None

    def look(self) -> Verdict | None:
        """Extend the lease when due, write collected log lines, and judge.

        A body that was asked to end gets its grace first, unless it is to die at once; then, or when it exceeds its time, or
        when the lease was lost, the verdict says how the attempt ends.
        """
        now = time.monotonic()
        if now - self._started_at < LOOK_EVERY_S / 2:
            return None
        try:
            return self._look(now)
        except Superseded:
            return Verdict(None)
        except DatabaseError:
            log.warning(
                "Job %s: its lease could not be extended; trying again.", self.job.id, exc_info=True
            )
            connections.close_all()
            return None

    def _look(self, now: float) -> Verdict | None:
        if now - self._leased_at >= settings.LEASE_S / 3:
            asked = lease(job_id=self.job.id, attempt=self.job.attempt)
            self._leased_at = now
        else:
            asked = asked_of(job_id=self.job.id, attempt=self.job.attempt)
        if asked is None:
            return Verdict(None)
        if self.capture.due:
            self.capture.flush()
        if asked is Asked.DIE:
            return Verdict(_CANCELLED, at_once=True)
        if asked is Asked.END and self._cancel_seen_at is None:
            self._cancel_seen_at = now
        grace_s = self.kind.cancel_grace_s
        grace_s = settings.CANCEL_GRACE_S if grace_s is None else grace_s
        if self._cancel_seen_at is not None and now - self._cancel_seen_at >= grace_s:
            return Verdict(_CANCELLED)
        if now - self._started_at >= self.job.timeout_s:
            return Verdict(timed_out(self.job.timeout_s))
        return None


def timed_out(timeout_s: int) -> Outcome:
    return Outcome(
        ended=Ended.TIMED_OUT,
        reason=Reason.TIMED_OUT,
        error=f"The attempt ran longer than the {timeout_s} seconds it may.",
    )
