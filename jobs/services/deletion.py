"""Deleting jobs that have ended, with all that they left."""

import logging
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING
from uuid import UUID

from django.db import transaction
from django.db.models import ProtectedError, RestrictedError, Sum

from jobs import access, artifacts, audit
from jobs.models import TERMINAL, Artifact, Job
from jobs.services.refusals import JobInUse, JobNotEnded

if TYPE_CHECKING:
    from django.contrib.auth.models import User

log = logging.getLogger(__name__)

# Jobs a transaction: short enough that workers do not wait for it.
AT_ONCE = 100


@dataclass(frozen=True, kw_only=True)
class Freed:
    """What a deletion removed. `in_use` are jobs that stay because something else needs them."""

    jobs: int = 0
    artifacts: int = 0
    size_bytes: int = 0
    in_use: tuple[UUID, ...] = ()

    def __add__(self, other: "Freed") -> "Freed":
        return Freed(
            jobs=self.jobs + other.jobs,
            artifacts=self.artifacts + other.artifacts,
            size_bytes=self.size_bytes + other.size_bytes,
            in_use=self.in_use + other.in_use,
        )


@audit.command("job.delete", target="job", says=("reason",))
def delete(*, job: Job, by: "User | None", reason: str = "") -> Freed:
    """Delete one job that has ended: its row, attempts, events, artifacts and their files.

    Its children stay and lose their parent. Files go once the rows are gone for good; the audit
    keeps that there was such a job, who deleted it and why.

    :raises NotAllowed: the job is not for `by` to change (None: the system, which may).
    :raises JobNotEnded: cancel it first.
    :raises JobInUse: something else needs it; the message says what.
    """
    if by is not None:
        access.check_may_change(job=job, by=by)
    now = Job.objects.select_for_update(of=("self",)).get(pk=job.pk)
    if not now.is_terminal:
        raise JobNotEnded(f"Job {now.id} has not ended yet ({now.status}); cancel it first.")
    return _delete([now])


def delete_many(*, ids: Iterable[UUID], by: "User | None", reason: str = "") -> Freed:
    """Delete those of these jobs that have ended, `AT_ONCE` in a transaction; what was freed.

    For sweeps and bulk actions: jobs that have not ended, or are gone already, are passed over;
    those that something else needs are named in `in_use`. Not to be called in a transaction.
    Each job deleted for a person (`by`) has its own line in the audit; a sweep writes one of its own.
    """
    freed = Freed()
    batch: list[UUID] = []
    for job_id in ids:
        batch.append(job_id)
        if len(batch) == AT_ONCE:
            freed += _delete_batch(batch, by, reason)
            batch = []
    return freed + _delete_batch(batch, by, reason) if batch else freed


def _delete_batch(ids: Sequence[UUID], by: "User | None", reason: str) -> Freed:
    try:
        with transaction.atomic():
            ended = _ended(ids)
            if by is not None:
                for job in ended:
                    access.check_may_change(job=job, by=by)
                    audit.record(action="job.delete", by=by, target=job, data={"reason": reason})
            return _delete(ended)
    except (ProtectedError, RestrictedError):
        if len(ids) == 1:
            return Freed(in_use=(ids[0],))
    except JobInUse:
        return Freed(in_use=(ids[0],))
    # One of them is in use: each by itself, so that the others go.
    freed = Freed()
    for job_id in ids:
        freed += _delete_batch([job_id], by, reason)
    return freed


def _ended(ids: Sequence[UUID]) -> list[Job]:
    rows = Job.objects.select_for_update(of=("self",)).filter(pk__in=ids, status__in=TERMINAL)
    return list(rows.order_by("pk"))


def _delete(jobs: Sequence[Job]) -> Freed:
    ids = [job.pk for job in jobs]
    kept = Artifact.objects.filter(job_id__in=ids)
    size_bytes = kept.aggregate(total=Sum("size_bytes"))["total"] or 0
    names = list(kept.values_list("storage_name", flat=True))
    try:
        Job.objects.filter(pk__in=ids).delete()
    except (ProtectedError, RestrictedError) as error:
        if len(ids) > 1:
            raise
        users = (
            error.protected_objects
            if isinstance(error, ProtectedError)
            else error.restricted_objects
        )
        named = ", ".join(sorted({str(user._meta.verbose_name) for user in users}))
        raise JobInUse(f"Job {ids[0]} is still needed by a {named}; delete that first.") from error
    # Only then: a transaction that is rolled back must not have lost the files.
    transaction.on_commit(lambda: artifacts.remove_files(job_ids=ids, names=names))
    return Freed(jobs=len(ids), artifacts=len(names), size_bytes=size_bytes)
