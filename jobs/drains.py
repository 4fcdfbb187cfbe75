"""Draining workers: they finish what they run and take no more; and resuming them.

A `Drain` is the wish. Each cluster's main process reads it within a second and tells its workers,
and each worker says in its own row that it rests (`Worker.drained_at`). Until then it may take one
more job, and is shown as draining, not as drained.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.conf import settings
from django.db import IntegrityError, transaction

from jobs import access, audit
from jobs.models import Drain, Worker
from jobs.services.refusals import AlreadyDraining, InvalidFields
from jobs.system import database_now

if TYPE_CHECKING:
    from django.contrib.auth.models import User

REASON_MAX = 200


def drain(
    *,
    by: User,
    queue: str = "",
    host: str = "",
    worker: Worker | None = None,
    reason: str = "",
) -> Drain:
    """Drain one worker, the workers of `queue` on `host`, or with an empty host those everywhere.

    It holds for workers that start later, too, except where it names one worker.

    :raises jobs.access.NotAllowed: `by` is no admin.
    :raises InvalidFields: there is no such queue.
    :raises AlreadyDraining: the same was asked for before.
    """
    _check_may(by)
    if worker is not None:
        queue, host = worker.queue, worker.host
    elif queue not in settings.QUEUES and not Worker.objects.filter(queue=queue).exists():
        raise InvalidFields({"queue": [f"One of: {', '.join(settings.QUEUES)}."]})
    elif host and not Worker.objects.filter(queue=queue, host=host).exists():
        raise InvalidFields({"host": [f"No worker of {queue!r} runs on {host!r}."]})
    row = Drain(
        queue=queue,
        host=host,
        worker=worker.name if worker else "",
        reason=reason.strip()[:REASON_MAX],
        by=by,
        asked_at=database_now(),
    )
    try:
        with transaction.atomic():
            row.save()
            audit.record(
                action="workers.drain", by=by, target=row, data={"reason": reason} if reason else {}
            )
    except IntegrityError as error:
        raise AlreadyDraining(f"The {row} is draining already.") from error
    return row


@transaction.atomic
def resume(*, by: User, drain: Drain) -> None:
    """Let its workers take jobs again, unless another drain covers them.

    :raises jobs.access.NotAllowed: `by` is no admin.
    """
    _check_may(by)
    audit.record(action="workers.resume", by=by, target=drain)
    drain.delete()


def _check_may(by: User) -> None:
    if not access.is_admin(by):
        raise access.NotAllowed("Only an admin may drain and resume workers.")


def forget_gone() -> int:
    """Forget drains of single workers that are gone: their names never come again."""
    named = Drain.objects.exclude(worker="")
    gone = named.exclude(worker__in=Worker.objects.values("name"))
    return gone.delete()[0]
