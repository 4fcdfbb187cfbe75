"""How many bytes of artifacts may be kept, in total and for each user: ARTIFACT_QUOTA_MB, …_USER_MB.

A file that does not fit is not stored, and its job fails with `storage_full`; nothing else is
deleted for it. Hidden artifacts of running attempts count as well: they take the space.
"""

from __future__ import annotations

import time
from uuid import UUID

from django.conf import settings
from django.db.models import Sum

from jobs.files import StorageFull
from jobs.models import Artifact, Job

MB = 1024 * 1024
# A sum may be this old while the quota is far from full; near its end each file is counted anew.
FRESH_S = 5.0
NEAR = 0.9

_sums: dict[int | None, tuple[float, int]] = {}


class OverQuota(StorageFull):
    """This file does not fit into the quota."""


def used_bytes(*, owner_id: int | None = None) -> int:
    """Bytes of all artifacts, or of one user's."""
    kept = Artifact.objects.all()
    if owner_id is not None:
        kept = kept.filter(job__owner_id=owner_id)
    return int(kept.aggregate(n=Sum("size_bytes"))["n"] or 0)


def check(*, job_id: UUID, size_bytes: int) -> None:
    """:raises OverQuota: the message says which quota is full, and what to do."""
    if not settings.ARTIFACT_QUOTA_MB and not settings.ARTIFACT_QUOTA_USER_MB:
        return
    owner_id, name = Job.objects.values_list("owner_id", "owner__username").get(pk=job_id)
    check_owner(owner_id=owner_id, name=name, size_bytes=size_bytes)


def check_owner(*, owner_id: int, name: str, size_bytes: int) -> None:
    """`check` for a file of this user.

    :raises OverQuota: the message says which quota is full, and what to do.
    """
    total, user = settings.ARTIFACT_QUOTA_MB * MB, settings.ARTIFACT_QUOTA_USER_MB * MB
    if total:
        _check(None, size_bytes, total, "ARTIFACT_QUOTA_MB", "this installation")
    if user:
        _check(owner_id, size_bytes, user, "ARTIFACT_QUOTA_USER_MB", name)


def _check(owner_id: int | None, size_bytes: int, quota: int, setting: str, whose: str) -> None:
    used = _recent(owner_id)
    if used + size_bytes > NEAR * quota:
        used = used_bytes(owner_id=owner_id)
    if used + size_bytes > quota:
        raise OverQuota(
            f"A file of {size_bytes} bytes does not fit: the artifacts of {whose} take {used} of "
            f"{quota} bytes ({setting}). Delete jobs, shorten their retention, or raise the quota."
        )
    _sums[owner_id] = (_sums[owner_id][0], used + size_bytes)


def _recent(owner_id: int | None) -> int:
    now = time.monotonic()
    kept = _sums.get(owner_id)
    if kept is None or now - kept[0] > FRESH_S:
        kept = _sums[owner_id] = (now, used_bytes(owner_id=owner_id))
    return kept[1]
