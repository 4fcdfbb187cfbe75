"""Changing what a job is called and how it is found, and its options while it still waits."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from jobs import access, audit, events, registry
from jobs.casing import camel
from jobs.models import Job, Status
from jobs.options import spelled_inside, unmasked
from jobs.secrets import masked
from jobs.services.bounds import Checks
from jobs.services.refusals import JobNotQueued

if TYPE_CHECKING:
    from django.contrib.auth.models import User


@audit.command("job.edit_metadata", target="job")
def edit_metadata(
    *,
    job: Job,
    by: "User",
    name: str | None = None,
    tags: Sequence[str] | None = None,
    priority: int | None = None,
    options: Mapping[str, Any] | None = None,
    shared: bool | None = None,
) -> Job:
    """Change these fields; None leaves a field as it is, and so does a value that it has already.

    Options can be changed while the job is queued and before its first attempt: those given
    replace their values, checked like a new job's. Priority matters while it is queued; of a job
    that runs or ended it can not be changed. Returns the job as it is now.

    :raises NotAllowed: the job is not for `by` to change.
    :raises JobNotQueued: options or priority of a job that does not wait any more.
    :raises InvalidFields, InvalidOptions: `.errors` maps each field to its messages.
    """
    access.check_may_change(job=job, by=by)
    now = Job.objects.select_for_update(of=("self",)).select_related("owner").get(pk=job.pk)
    checks = Checks()
    wanted: dict[str, Any] = {}
    if name is not None:
        wanted["name"] = checks.name(name) or _label(now)
    if tags is not None:
        wanted["tags"] = checks.tags(tags)
    if priority is not None:
        wanted["priority"] = checks.priority(priority)
    if shared is not None:
        wanted["shared"] = bool(shared)
    checks.done()
    if options:
        if now.status != Status.QUEUED or now.attempt:
            raise JobNotQueued(
                f"Options are fixed once a job has started ({now.status}); run it again with others."
            )
        wanted["options"] = _with_options(now, options)
    changed = {field: value for field, value in wanted.items() if getattr(now, field) != value}
    if "priority" in changed and now.status != Status.QUEUED:
        raise JobNotQueued(
            f"Priority decides who is next; this job waits no longer ({now.status})."
        )
    if not changed:
        return now
    before = {field: getattr(now, field) for field in changed}
    for field, value in changed.items():
        setattr(now, field, value)
    now.last_seq += 1
    now.save(update_fields=[*changed, "last_seq"])
    changes = {
        field: {"from": _shown(before[field]), "to": _shown(value)}
        for field, value in changed.items()
    }
    edited = {
        "by": by.get_username(),
        "changes": changes,
        "job": events.job_dto(now),
    }
    audit.say(changed={field: list(each.values()) for field, each in changes.items()})
    events.append(
        job_id=now.id,
        last_seq=now.last_seq,
        facts=[(events.JOB_METADATA_EDITED, edited)],
    )
    return now


def _label(job: Job) -> str:
    try:
        return registry.get(job.kind).label
    except registry.UnknownKind:
        return job.kind


def _with_options(job: Job, options: Mapping[str, Any]) -> dict[str, Any]:
    spec = registry.get(job.kind)
    given = {
        name: unmasked(value, before=job.options.get(name))
        for name, value in spelled_inside(spec.options, options).items()
    }
    cleaned = spec.clean({**job.options, **given})
    # Sealing anew makes another text of the same secret: what was not given stays as it is.
    return {
        name: value if name in given else job.options.get(name, value)
        for name, value in cleaned.items()
    }


def _shown(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {camel(name): inner for name, inner in masked(dict(value)).items()}
    return value
