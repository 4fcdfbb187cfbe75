"""Verbs on schedules: make, change, pause, resume, delete, run now; and how they are told."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.db import IntegrityError, transaction
from django.db.models import Max, Prefetch, QuerySet

from jobs import access, audit, cron, registry
from jobs.events import time_dto
from jobs.models import Job, Preset, Schedule, ScheduleRun, Status
from jobs.options import clean_options, masked_wire, spelled_inside, unmasked
from jobs.registry import InvalidOptions, UnknownKind
from jobs.services import presets
from jobs.services.bounds import Checks, unprintable
from jobs.services.refusals import (
    InvalidFields,
    ScheduleBroken,
    ScheduleBusy,
    ScheduleNotPaused,
    UnknownPreset,
)
from jobs.system import database_now

if TYPE_CHECKING:
    from django.contrib.auth.models import User

NAME_MAX = 120
REASON_MAX = 300
MISSED_MOST_MAX = 1_000
UPCOMING = 5


@transaction.atomic
def save(
    *,
    by: User,
    name: str,
    kind: str,
    cron_expression: str,
    time_zone: str = "UTC",
    preset: str = "",
    options: Mapping[str, Any] | None = None,
    missed: str = Schedule.Missed.ONCE,
    missed_most: int = 10,
    overlap: str = Schedule.Overlap.SKIP,
    priority: int | None = None,
    tags: Sequence[str] = (),
    paused: bool = False,
    schedule: Schedule | None = None,
    dry_run: bool = False,
) -> Schedule:
    """Make a schedule of `by`, or change `schedule` to exactly this. Its jobs are its owner's.

    A secret option that comes back as dots is the one that was there. A change of its times, zone
    or pause sets the next time anew, from now. With `dry_run` it is only checked.

    :raises InvalidFields: a field does not fit; `.errors` maps each to its messages.
    :raises InvalidOptions: the same of the options.
    :raises jobs.access.NotAllowed: `by` is no operator, or the schedule is another's.
    """
    if schedule is None:
        access.check_may_do(by=by)
    else:
        check_may_change(schedule=schedule, by=by)
    now = database_now()
    checks = Checks()
    name = name.strip() if isinstance(name, str) else ""
    if not name or len(name) > NAME_MAX or unprintable(name):
        checks.refuse("name", f"1 to {NAME_MAX} characters on one line.")
    tags = checks.tags(tags)
    if priority is not None:
        priority = checks.priority(priority)
    if missed not in Schedule.Missed:
        checks.refuse("missed", f"One of: {', '.join(Schedule.Missed)}.")
    if overlap not in Schedule.Overlap:
        checks.refuse("overlap", f"One of: {', '.join(Schedule.Overlap)}.")
    if not 1 <= missed_most <= MISSED_MOST_MAX:
        checks.refuse("missedMost", f"A whole number from 1 to {MISSED_MOST_MAX}.")
    _check_times(checks, cron_expression, time_zone, now)
    cleaned = _checked_work(
        checks, kind, preset, options or {}, schedule, schedule.owner if schedule else by
    )
    namesakes = Schedule.objects.filter(name=name)
    if schedule is not None:
        namesakes = namesakes.exclude(pk=schedule.pk)
    if namesakes.exists():
        checks.refuse("name", f"There is a schedule {name!r} already.")
    checks.done()
    if dry_run:
        return schedule or Schedule(name=name)
    before = _facts(schedule) if schedule is not None else {}
    row = schedule or Schedule(owner=by, created_at=now)
    times_changed = (row.cron, row.time_zone, row.paused) != (cron_expression, time_zone, paused)
    if times_changed or row.pk is None or schedule is None:
        row.next_at = None if paused else _next_at(cron_expression, time_zone, now)
        row.pause_reason = ""
    row.name, row.kind, row.preset, row.options = name, kind, preset, cleaned
    row.cron, row.time_zone, row.paused = cron_expression, time_zone, paused
    row.missed, row.missed_most, row.overlap = missed, missed_most, overlap
    row.priority, row.tags, row.updated_at = priority, list(tags), now
    try:
        with transaction.atomic():
            row.save()
    except IntegrityError as error:
        raise InvalidFields({"name": [f"There is a schedule {name!r} already."]}) from error
    action = "schedule.create" if schedule is None else "schedule.change"
    data = audit.changes(before=before, after=_facts(row))
    audit.record(action=action, by=by, target=row, data=data)
    return row


def _check_times(checks: Checks, expression: str, time_zone: str, now: Any) -> None:
    try:
        cron.zone(time_zone)
    except cron.BadTimeZone as error:
        checks.refuse("timeZone", str(error))
        time_zone = "UTC"
    try:
        cron.check(expression=expression, zone_name=time_zone, now=now)
    except cron.BadCron as error:
        checks.refuse("cron", str(error))


def _checked_work(
    checks: Checks,
    kind: str,
    preset: str,
    options: Mapping[str, Any],
    schedule: Schedule | None,
    owner: Any,
) -> dict[str, Any]:
    """The options as they are stored. They are checked together with the preset's, as a run is."""
    try:
        spec = registry.get(kind)
    except UnknownKind as error:
        checks.refuse("kind", str(error))
        return {}
    if spec.submit_by:
        checks.refuse("kind", f"{kind} needs more than options: {spec.submit_by}")
        return {}
    base: Mapping[str, Any] = {}
    found = None
    if preset:
        try:
            found = presets.named(kind=kind, name=preset)
        except UnknownPreset as error:
            checks.refuse("preset", str(error))
            return {}
        base = found.options
    before = schedule.options if schedule is not None and schedule.kind == kind else {}
    given = spelled_inside(spec.options, options)
    given = {field: unmasked(value, before=before.get(field)) for field, value in given.items()}
    if found is not None:
        presets.check_secrets(preset=found, given=given, by=owner)
    spec.clean({**base, **given})
    return clean_options(spec.options, given, partial=True)


def _next_at(expression: str, time_zone: str, now: Any) -> Any:
    return cron.next_after(expression=expression, zone_name=time_zone, after=now)


def _facts(schedule: Schedule) -> dict[str, Any]:
    """What an audit entry compares; secrets are masked when it is written."""
    names = ("name", "kind", "preset", "options", "cron", "time_zone", "missed", "missed_most")
    names += ("overlap", "priority", "tags", "paused")  # type: ignore[assignment]
    return {name: getattr(schedule, name) for name in names}


def check_may_change(*, schedule: Schedule, by: Any) -> None:
    """:raises jobs.access.NotAllowed: `by` is no operator, or it is another's and `by` no admin."""
    access.check_may_do(by=by)
    if schedule.owner_id != by.pk and not access.is_admin(by):
        raise access.NotAllowed("Only the schedule's owner or an admin may change it.")


@transaction.atomic
def pause(*, schedule: Schedule, by: User | None, reason: str = "") -> Schedule:
    """Submit nothing more until it is resumed; what runs goes on, what waits for it does not start.

    Pausing what is paused changes nothing. `by` None: the scheduler itself, which says why.
    """
    if by is not None:
        check_may_change(schedule=schedule, by=by)
    row = Schedule.objects.select_for_update(of=("self",)).get(pk=schedule.pk)
    if row.paused:
        return row
    row.paused, row.next_at, row.pause_reason = True, None, reason.strip()[:REASON_MAX]
    row.updated_at = database_now()
    row.save(update_fields=["paused", "next_at", "pause_reason", "updated_at"])
    row.runs.filter(outcome=ScheduleRun.Outcome.WAITING).update(
        outcome=ScheduleRun.Outcome.SKIPPED, note="The schedule was paused before it could start."
    )
    audit.record(
        action="schedule.pause", by=by, target=row, data={"reason": reason} if reason else {}
    )
    return row


@transaction.atomic
def resume(*, schedule: Schedule, by: User) -> Schedule:
    """Go on from now: what fell into the pause is not made up for.

    :raises ScheduleNotPaused: there is nothing to resume.
    :raises ScheduleBroken: what paused it has not been mended; the message says what.
    """
    check_may_change(schedule=schedule, by=by)
    row = Schedule.objects.select_for_update(of=("self",)).get(pk=schedule.pk)
    if not row.paused:
        raise ScheduleNotPaused("The schedule is not paused.")
    if problem := problem_of(row):
        raise ScheduleBroken(problem)
    now = database_now()
    row.paused, row.pause_reason, row.updated_at = False, "", now
    row.next_at = _next_at(row.cron, row.time_zone, now)
    row.save(update_fields=["paused", "next_at", "pause_reason", "updated_at"])
    audit.record(action="schedule.resume", by=by, target=row)
    return row


@transaction.atomic
def delete(*, schedule: Schedule, by: User) -> None:
    """Delete it with its history; its jobs stay."""
    check_may_change(schedule=schedule, by=by)
    audit.record(action="schedule.delete", by=by, target=schedule)
    schedule.delete()


@transaction.atomic
def run_now(*, schedule: Schedule, by: User) -> ScheduleRun:
    """Run it once more, now, also while it is paused; its overlap rule holds.

    :raises ScheduleBusy: its rule is to skip while the last run goes on, or one waits already.
    :raises ScheduleBroken: it can not submit its job.
    """
    from jobs import scheduler

    check_may_change(schedule=schedule, by=by)
    row = Schedule.objects.select_for_update(of=("self",)).get(pk=schedule.pk)
    if problem := problem_of(row):
        raise ScheduleBroken(problem)
    run = scheduler.start(
        schedule=row, due_at=database_now(), trigger=ScheduleRun.Trigger.HAND, by=by
    )
    if run.outcome == ScheduleRun.Outcome.SKIPPED:
        raise ScheduleBusy(run.note)
    if run.outcome == ScheduleRun.Outcome.REFUSED:
        raise ScheduleBroken(run.note)
    audit.record(
        action="schedule.run",
        by=by,
        target=row,
        data={"outcome": run.outcome, "jobId": str(run.job_id) if run.job_id else None},
    )
    return run


def ensure_upkeep() -> list[Schedule]:
    """Make the schedule of each kind that keeps the installation in order (`Kind.upkeep`), where it
    has none yet, as jobs of the oldest admin; those that were made. Without an admin there are none.

    Who does not want one pauses it: a deleted one is made again.
    """
    from django.contrib.auth import get_user_model

    wanted = {kind.name: kind for kind in registry.all_kinds() if kind.upkeep}
    there = Schedule.objects.filter(kind__in=wanted).values_list("kind", flat=True)
    users = get_user_model().objects.filter(is_active=True, is_superuser=True)
    admin = users.order_by("date_joined", "pk").first()
    if admin is None:
        return []
    return [
        save(
            by=admin,
            name=kind.label,
            kind=kind.name,
            cron_expression=kind.upkeep,
            time_zone=settings.TIME_ZONE,
            tags=["upkeep"],
        )
        for kind in wanted.values()
        if kind.name not in set(there)
    ]


def listed(rows: QuerySet[Schedule]) -> QuerySet[Schedule]:
    """`rows` with what a line of a list says of each, in one statement for all of them."""
    return rows.prefetch_related("owner__groups", with_last_run())


def read_presets(rows: Iterable[Schedule]) -> None:
    """Read the presets of all these schedules at once, for `problem_of`."""
    rows = list(rows)
    names = {row.preset for row in rows if row.preset}
    kinds = {row.kind for row in rows if row.preset}
    found = Preset.objects.filter(kind__in=kinds, name__in=names).select_related("created_by")
    by_name = {(each.kind, each.name): each for each in found} if names else {}
    for row in rows:
        row.__dict__[_PRESET] = by_name.get((row.kind, row.preset))


_PRESET = "_tapedeck_preset"


def _preset_of(schedule: Schedule) -> Preset:
    """:raises UnknownPreset: it is gone."""
    if _PRESET not in schedule.__dict__:
        return presets.named(kind=schedule.kind, name=schedule.preset)
    kept: Preset | None = schedule.__dict__[_PRESET]
    if kept is None:
        raise UnknownPreset(f"The kind {schedule.kind!r} has no preset {schedule.preset!r}.")
    return kept


def problem_of(schedule: Schedule) -> str:
    """Why this schedule can not submit its job, as things are now; empty: it can."""
    owner = schedule.owner
    if owner is None:
        return "Its owner's account was deleted: nobody owns its jobs."
    if not owner.is_active:
        return f"Its owner {owner.get_username()} was deactivated."
    if not access.may_do(owner):
        return f"Its owner {owner.get_username()} may not run jobs any more."
    try:
        spec = registry.get(schedule.kind)
    except UnknownKind:
        return f"This installation does not know the kind {schedule.kind!r} (any more)."
    if spec.submit_by:
        return f"{schedule.kind} needs more than options: {spec.submit_by}"
    base: Mapping[str, Any] = {}
    found = None
    if schedule.preset:
        try:
            found = _preset_of(schedule)
        except UnknownPreset as error:
            return str(error)
        base = found.options
    try:
        if found is not None:
            presets.check_secrets(preset=found, given=schedule.options, by=owner)
        spec.clean({**base, **schedule.options})
    except InvalidOptions as error:
        said = "; ".join(f"{name}: {_first(text)}" for name, text in error.errors.items())
        return f"Its options are not valid (any more): {said}"[:REASON_MAX]
    return ""


def _first(messages: Any) -> str:
    while isinstance(messages, list | tuple | dict):
        inner = list(messages.values() if isinstance(messages, dict) else messages)
        messages = inner[0] if inner else ""
    return str(messages)


def open_jobs(schedule: Schedule) -> Any:
    """Its jobs that have not ended."""
    return Job.objects.filter(schedule=schedule, status__in=[Status.QUEUED, Status.RUNNING])


def upcoming(schedule: Schedule, *, count: int = UPCOMING) -> list[str]:
    """Its next times, each with its zone's offset; none while it is paused."""
    if schedule.paused or schedule.next_at is None:
        return []
    zone = cron.zone(schedule.time_zone)
    # From the stored next time on: that one may be overdue by a moment.
    later = cron.upcoming(
        expression=schedule.cron,
        zone_name=schedule.time_zone,
        after=schedule.next_at,
        count=count - 1,
    )
    times = [schedule.next_at.astimezone(zone), *later]
    return [at.isoformat(timespec="seconds") for at in times]


def schedule_dto(schedule: Schedule) -> dict[str, Any]:
    """A schedule as API and console tell it. `problem`: why it could not submit now."""
    last = last_run(schedule)
    return {
        "id": str(schedule.pk),
        "name": schedule.name,
        "kind": schedule.kind,
        "preset": schedule.preset,
        "options": masked_wire(schedule.options),
        "cron": schedule.cron,
        "cronWords": cron.worded(schedule.cron),
        "timeZone": schedule.time_zone,
        "missed": schedule.missed,
        "missedMost": schedule.missed_most,
        "overlap": schedule.overlap,
        "ownerId": schedule.owner_id,
        "ownerName": schedule.owner.get_username() if schedule.owner else None,
        "priority": schedule.priority,
        "tags": schedule.tags,
        "paused": schedule.paused,
        "pauseReason": schedule.pause_reason,
        "problem": problem_of(schedule),
        "nextAt": time_dto(schedule.next_at),
        "upcoming": upcoming(schedule),
        "lastRun": run_dto(last) if last else None,
        "createdAt": time_dto(schedule.created_at),
        "updatedAt": time_dto(schedule.updated_at),
    }


def with_last_run() -> Prefetch[str, Any, str]:
    """For a list: `last_run` then needs no statement of its own for each schedule."""
    newest = ScheduleRun.objects.order_by().values("schedule").annotate(m=Max("pk")).values("m")
    runs = ScheduleRun.objects.filter(pk__in=newest).select_related("job", "by")
    return Prefetch("runs", queryset=runs, to_attr="newest_runs")


def last_run(schedule: Schedule) -> ScheduleRun | None:
    """What became of its newest time."""
    kept: list[ScheduleRun] | None = getattr(schedule, "newest_runs", None)
    if kept is not None:
        return kept[0] if kept else None
    return schedule.runs.select_related("job", "by").order_by("-id").first()


def run_dto(run: ScheduleRun) -> dict[str, Any]:
    return {
        "id": run.pk,
        "dueAt": time_dto(run.due_at),
        "trigger": run.trigger,
        "outcome": run.outcome,
        "note": run.note,
        "jobId": str(run.job_id) if run.job_id else None,
        "by": run.by.get_username() if run.by else None,
        "handledAt": time_dto(run.handled_at),
    }
