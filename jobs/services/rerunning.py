"""Running a job again, with other options: a child job; the original stays as it was."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from jobs import access, audit, events, registry
from jobs.casing import camel
from jobs.models import Job
from jobs.options import has_secret, spelled_inside, unmasked
from jobs.registry import InvalidOptions, Kind
from jobs.secrets import SecretUnreadable, masked, unseal
from jobs.services.bounds import Checks
from jobs.services.refusals import JobNotEnded
from jobs.services.submission import create, once

if TYPE_CHECKING:
    from django.contrib.auth.models import User


@dataclass(frozen=True, kw_only=True)
class Difference:
    """One option of a rerun beside the original's. Secrets are dots on both sides."""

    option: str
    before: Any
    after: Any
    changed: bool
    secret: bool

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


@audit.command("job.rerun", target="job")
def rerun(
    *,
    job: Job,
    by: "User",
    overrides: Mapping[str, Any] | None = None,
    name: str | None = None,
    tags: Sequence[str] | None = None,
    priority: int | None = None,
    run_after: datetime | None = None,
    idempotency_key: str | None = None,
) -> Job:
    """Queue a child of `job`, which has ended, with its options and `overrides` over them.

    What is None is the original's. Secrets are carried on sealed; where `by` is neither the
    original's owner nor an administrator they are not, and must be given again. Options are
    checked as for a new job, and those that the kind knows no longer are named.

    :raises NotAllowed: `by` is no operator, or may not see the job.
    :raises JobNotEnded: it has not; cancel it first.
    :raises UnknownKind: no file registers its kind any more.
    :raises InvalidOptions, InvalidFields: `.errors` maps each field to its messages.
    :raises IdempotencyConflict: the key belongs to another request.
    """
    access.check_may_run_again(job=job, by=by)
    original = Job.objects.select_for_update(of=("self",)).get(pk=job.pk)
    if not original.is_terminal:
        raise JobNotEnded(f"Job {original.id} has not ended yet ({original.status}).")
    spec = registry.get(original.kind)
    checks = Checks()
    checks.idempotency_key(idempotency_key)
    fields: dict[str, Any] = {
        "name": checks.name(original.name if name is None else name),
        "tags": checks.tags(original.tags if tags is None else tags),
        "priority": checks.priority(original.priority if priority is None else priority),
        "run_after": checks.run_after(run_after),
    }
    checks.done()
    merged = _merged(spec, original, overrides or {}, by)

    def make() -> Job:
        child = create(
            spec=spec,
            options=spec.clean(merged),
            by=by,
            parent=original,
            preset=original.preset,
            **fields,
        )
        if spec.on_rerun is not None:
            spec.on_rerun(original, child)
        audit.say(newJobId=str(child.id), overrides=sorted(overrides or {}))
        submitted = {"jobId": str(child.id), "by": by.get_username()}
        events.emit(job_id=original.id, type=events.JOB_RERUN_SUBMITTED, data=submitted)
        return child

    asked = {"rerun": original.pk, "overrides": overrides, **fields}
    return once(key=idempotency_key, by=by, asked=asked, make=make)


def rerun_differences(
    *, job: Job, by: "User", overrides: Mapping[str, Any] | None = None
) -> list[Difference]:
    """Every option of the rerun that `rerun` would make, changed ones first; nothing is written.

    :raises UnknownKind, InvalidOptions: as `rerun` would.
    """
    spec = registry.get(job.kind)
    after = spec.clean(_merged(spec, job, overrides or {}, by))
    names = [*after, *(name for name in job.options if name not in after)]
    rows = []
    for name in names:
        before_value, after_value = job.options.get(name), after.get(name)
        rows.append(
            Difference(
                option=camel(name),
                before=masked(before_value),
                after=masked(after_value),
                # Sealed anew, the same secret looks different.
                changed=_opened(before_value) != _opened(after_value),
                secret=has_secret(before_value) or has_secret(after_value),
            )
        )
    return sorted(rows, key=lambda row: not row.changed)


def _merged(spec: Kind, original: Job, overrides: Mapping[str, Any], by: "User") -> dict[str, Any]:
    given = {
        name: unmasked(value, before=original.options.get(name))
        for name, value in spelled_inside(spec.options, overrides).items()
    }
    carried = {name: value for name, value in original.options.items() if name not in given}
    if not (access.is_admin(by) or by.pk == original.owner_id):
        # Or one could send another's secret to an address of one's own.
        others = [name for name, value in {**carried, **given}.items() if has_secret(value)]
        if others:
            raise InvalidOptions(
                {
                    camel(name): ["This secret is its owner's; give one of your own, or null."]
                    for name in others
                }
            )
    return {**carried, **given}


def _opened(value: Any) -> Any:
    try:
        return unseal(value)
    except SecretUnreadable:
        return value
