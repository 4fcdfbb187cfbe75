"""Queueing a job, once however often its sender asks."""

import hashlib
import hmac
import json
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.db import IntegrityError, transaction
from django.utils import timezone

from jobs import access, audit, events, policies, preferences, registry, telemetry
from jobs.models import IdempotencyKey, Job, Schedule
from jobs.options import spelled_inside, unmasked
from jobs.queue import wake
from jobs.registry import Kind
from jobs.services import presets
from jobs.services.bounds import Checks
from jobs.services.refusals import IdempotencyConflict, NotSubmittable

if TYPE_CHECKING:
    from django.contrib.auth.models import User

# How long a repeated submission finds the first one's job.
KEY_LIFE_S = 24 * 3600


@audit.command("job.submit", says=("kind", "preset"))
def submit(
    *,
    kind: str,
    options: Mapping[str, Any],
    by: "User",
    name: str = "",
    tags: Sequence[str] = (),
    priority: int | None = None,
    parent: Job | None = None,
    run_after: datetime | None = None,
    preset: str | None = None,
    idempotency_key: str | None = None,
    by_kind: bool = False,
    schedule: Schedule | None = None,
) -> Job:
    """Queue one job: its row is its place in the queue, and commits with its first event.

    A higher `priority` runs earlier, equal ones in the order of submission; None: the kind's.
    What `options` says wins over the preset's options, and those over the kind's defaults.
    With an `idempotency_key` that `by` used for the same request within `KEY_LIFE_S`, that
    request's job is returned, with `was_there` set, and nothing is written.
    `by_kind` is for the apps whose kinds need more than options, and who make that as well.

    :raises NotAllowed: `by` is no operator.
    :raises UnknownKind: no file registers `kind`.
    :raises NotSubmittable: the kind needs more than options, and this is not `by_kind`.
    :raises UnknownPreset: `kind` has no preset of this name.
    :raises InvalidOptions: `.errors` maps each option to its messages.
    :raises InvalidFields: the same of the other fields.
    :raises IdempotencyConflict: the key belongs to another request.
    """
    access.check_may_do(by=by)
    spec = registry.get(kind)
    if spec.submit_by and not by_kind:
        raise NotSubmittable(f"{kind} needs more than options: {spec.submit_by}")
    fields = _checked(
        name=name,
        tags=tags,
        priority=policies.of(spec).priority if priority is None else priority,
        run_after=run_after,
        key=idempotency_key,
    )
    given = spelled_inside(spec.options, options)
    if preset is not None:
        found = presets.named(kind=kind, name=preset)
        of_preset = found.options
        shown = {name: unmasked(value, before=of_preset.get(name)) for name, value in given.items()}
        presets.check_secrets(preset=found, given=shown, by=by)
        given = {**of_preset, **shown}

    def make() -> Job:
        return create(
            spec=spec,
            options=spec.clean(given),
            by=by,
            parent=parent,
            preset=preset or "",
            schedule=schedule,
            **fields,
        )

    asked = {
        "kind": kind,
        "options": options,
        "name": name,
        "tags": list(tags),
        "priority": priority,
        "parent": parent.pk if parent else None,
        "run_after": run_after,
        "preset": preset,
    }
    return once(key=idempotency_key, by=by, asked=asked, make=make)


def create(
    *,
    spec: Kind,
    options: Mapping[str, Any],
    by: "User",
    name: str,
    tags: Sequence[str],
    priority: int,
    run_after: datetime | None,
    parent: Job | None,
    preset: str = "",
    schedule: Schedule | None = None,
) -> Job:
    """The row and its first event, of values that were checked; within the caller's transaction."""
    policy = policies.of(spec)
    job = Job(
        kind=spec.name,
        name=name or spec.label,
        options=dict(options),
        tags=list(tags),
        owner=by,
        parent=parent,
        preset=preset,
        schedule=schedule,
        shared=preferences.shares_new_jobs(by),
        priority=priority,
        queue=spec.queue,
        run_after=run_after,
        created_at=timezone.now(),
        max_attempts=policy.max_attempts,
        timeout_s=spec.timeout_s,
        last_seq=1,
        trace_parent=telemetry.trace_parent(),
    )
    job.save(force_insert=True)
    # Before the event's own hint: a worker is told first.
    wake.notify(wake.QUEUE)
    events.append(job_id=job.id, last_seq=1, facts=[(events.JOB_CREATED, events.job_dto(job))])
    return job


def once(*, key: str | None, by: "User", asked: Mapping[str, Any], make: Callable[[], Job]) -> Job:
    """The job that `make` makes, or the one that the same request under the same key made.

    :raises IdempotencyConflict: under this key `by` asked for something else.
    """
    if key is None:
        return make()
    print_of_asked = _fingerprint(asked)
    _forget_old_keys()
    found = _found(key=key, by=by, fingerprint=print_of_asked)
    if found is not None:
        return found
    try:
        # A savepoint: whoever loses the race takes back the job that it made, and only that.
        with transaction.atomic():
            job = make()
            IdempotencyKey.objects.create(
                owner=by, key=key, fingerprint=print_of_asked, job=job, created_at=timezone.now()
            )
    except IntegrityError:
        found = _found(key=key, by=by, fingerprint=print_of_asked)
        if found is None:
            raise
        return found
    return job


def _checked(*, name: Any, tags: Any, priority: Any, run_after: Any, key: Any) -> dict[str, Any]:
    checks = Checks()
    fields = {
        "name": checks.name(name),
        "tags": checks.tags(tags),
        "priority": checks.priority(priority),
        "run_after": checks.run_after(run_after),
    }
    checks.idempotency_key(key)
    checks.done()
    return fields


def _found(*, key: str, by: "User", fingerprint: str) -> Job | None:
    row = IdempotencyKey.objects.select_related("job__owner").filter(owner=by, key=key).first()
    if row is None:
        return None
    if not hmac.compare_digest(row.fingerprint, fingerprint):
        raise IdempotencyConflict(
            f"The idempotency key {key!r} was used for another request; take a new key."
        )
    if row.job is None:
        raise IdempotencyConflict(
            f"The job that the idempotency key {key!r} made was deleted; take a new key."
        )
    row.job.was_there = True
    audit.say(repeated=True)
    return row.job


def _forget_old_keys() -> None:
    # A few at a time, by those who use keys: no sweep has to run for a key to expire.
    old = IdempotencyKey.objects.filter(
        created_at__lt=timezone.now() - timedelta(seconds=KEY_LIFE_S)
    )
    IdempotencyKey.objects.filter(pk__in=list(old.values_list("pk", flat=True)[:100])).delete()


def _fingerprint(asked: Mapping[str, Any]) -> str:
    # Keyed: requests hold secrets, which a plain hash would let one guess.
    text = json.dumps(asked, sort_keys=True, default=str)
    return hmac.new(settings.ENCRYPTION_KEY.encode(), text.encode(), hashlib.sha256).hexdigest()
