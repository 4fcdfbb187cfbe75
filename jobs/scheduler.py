"""What submits the jobs of schedules when they are due.

Every cluster runs `tick` about once a second; any number of them may. What one of them does for a
due time (moving the schedule on, the job, the line of history) is one transaction that begins with
an UPDATE guarded by the time it saw: another one finds nothing left to do, and one that is killed in
between has done nothing.
"""

from __future__ import annotations

import logging
from datetime import datetime, timedelta
from typing import TYPE_CHECKING
from uuid import UUID

from django.db import DatabaseError, transaction
from django.db.models import BooleanField
from django.db.models.expressions import RawSQL

from jobs import cron, schedules, services
from jobs.models import Schedule, ScheduleRun
from jobs.queue.clock import now_sql
from jobs.services.refusals import ActionRefused
from jobs.system import database_now

if TYPE_CHECKING:
    from django.contrib.auth.models import User

log = logging.getLogger(__name__)

AT_ONCE = 100
# A time that is handled later than this was missed.
GRACE = timedelta(seconds=60)
# Missed times beyond this are told as "more than".
COUNTED = 1_000

Outcome = ScheduleRun.Outcome
Trigger = ScheduleRun.Trigger


def tick() -> int:
    """Handle what is due and what waits; how many runs were written to the history."""
    written = 0
    due = Schedule.objects.filter(paused=False).annotate(
        is_due=RawSQL(f"next_at <= {now_sql()}", [], output_field=BooleanField())
    )
    for key in (
        due.filter(is_due=True).order_by("next_at", "id").values_list("pk", flat=True)[:AT_ONCE]
    ):
        written += _guarded(_handle_due, key)
    waiting = ScheduleRun.objects.filter(outcome=Outcome.WAITING)
    for run_id, key in waiting.order_by("id").values_list("pk", "schedule_id")[:AT_ONCE]:
        schedule = Schedule.objects.get(pk=key)
        if not schedules.open_jobs(schedule).exists():
            written += _guarded(_start_waiting, run_id)
    return written


def _guarded(handle: object, key: object) -> int:
    try:
        written = handle(key)  # type: ignore[operator]
    except DatabaseError:
        raise  # the caller looks again in a second
    except Exception:
        # One schedule that breaks the code must not hold up the others.
        log.exception("A schedule (%s) could not be handled", key)
        return 0
    return int(written)


@transaction.atomic
def _handle_due(key: UUID) -> int:
    seen = Schedule.objects.filter(pk=key, paused=False).values_list("next_at", flat=True).first()
    now = database_now()
    if seen is None or seen > now:
        return 0
    schedule = Schedule.objects.select_related("owner").get(pk=key)
    try:
        following = cron.next_after(
            expression=schedule.cron, zone_name=schedule.time_zone, after=now
        )
    except (cron.BadCron, cron.BadTimeZone) as error:
        schedules.pause(schedule=schedule, by=None, reason=str(error))
        return 0
    # Who changes this row submits; everybody else sees another `next_at` and goes away.
    mine = Schedule.objects.filter(pk=key, paused=False, next_at=seen).update(next_at=following)
    if mine != 1:
        return 0
    schedule.next_at = following
    return _submit_due(schedule, since=seen, now=now)


def _submit_due(schedule: Schedule, *, since: datetime, now: datetime) -> int:
    due = cron.earlier(
        expression=schedule.cron,
        zone_name=schedule.time_zone,
        until=now,
        since=since,
        most=COUNTED + 1,
    ) or [since]
    on_time = now - due[0] <= GRACE
    missed = due[1:] if on_time else due
    made_up: list[datetime] = []
    if schedule.missed == Schedule.Missed.ONCE and not on_time:
        made_up = missed[:1]
    elif schedule.missed == Schedule.Missed.ALL:
        made_up = missed[: schedule.missed_most]
    written = 0
    if skipped := missed[len(made_up) :]:
        covered = schedule.missed == Schedule.Missed.ONCE
        _note_missed(schedule, skipped, covered=covered, now=now)
        written += 1
    runs = [(at, Trigger.MISSED) for at in reversed(made_up)]
    if on_time:
        runs.append((due[0], Trigger.TIME))
    for at, trigger in runs:
        run = start(schedule=schedule, due_at=at, trigger=trigger)
        written += 1
        if run.outcome == Outcome.REFUSED:
            schedules.pause(schedule=schedule, by=None, reason=run.note)
            break
    return written


def _note_missed(
    schedule: Schedule, skipped: list[datetime], *, covered: bool, now: datetime
) -> None:
    many = f"more than {COUNTED}" if len(skipped) > COUNTED else str(len(skipped))
    times = "time was" if len(skipped) == 1 else "times were"
    why = "one run is made for all of them" if covered else "the rule is to skip them"
    if schedule.missed == Schedule.Missed.ALL:
        why = f"only the newest {schedule.missed_most} are made up for"
    ScheduleRun.objects.create(
        schedule=schedule,
        due_at=skipped[0],
        trigger=Trigger.MISSED,
        outcome=Outcome.SKIPPED,
        note=f"{many} {times} missed since {skipped[-1]:%Y-%m-%d %H:%M} UTC, while no worker ran; "
        f"{why}.",
        handled_at=now,
    )


def start(
    *, schedule: Schedule, due_at: datetime, trigger: str, by: User | None = None
) -> ScheduleRun:
    """Do what the overlap rule says about one run, within the caller's transaction.

    Never raises for what the schedule itself is at fault for: then the run is `refused`.
    """
    run = ScheduleRun(
        schedule=schedule, due_at=due_at, trigger=trigger, by=by, handled_at=database_now()
    )
    busy = schedules.open_jobs(schedule).exists()
    waiting = schedule.runs.filter(outcome=Outcome.WAITING).first()
    rule = schedule.overlap
    if rule == Schedule.Overlap.ALLOW or not (busy or waiting):
        _submit(run)
    elif rule == Schedule.Overlap.SKIP:
        run.outcome, run.note = Outcome.SKIPPED, "The last run has not ended."
    elif rule == Schedule.Overlap.QUEUE_ONE:
        if waiting:
            run.outcome, run.note = (
                Outcome.SKIPPED,
                "One run waits already for the last one to end.",
            )
        else:
            run.outcome, run.note = Outcome.WAITING, "Starts when the last run has ended."
    else:
        _cancel_previous(schedule)
        if waiting:
            waiting.outcome, waiting.note = Outcome.SKIPPED, "A newer run took its place."
            waiting.save(update_fields=["outcome", "note"])
        if schedules.open_jobs(schedule).exists():
            run.outcome, run.note = Outcome.WAITING, "Starts when the cancelled run has ended."
        else:
            _submit(run)
    run.save()
    return run


def _cancel_previous(schedule: Schedule) -> None:
    if schedule.owner is None:
        return
    for job in schedules.open_jobs(schedule):
        try:
            services.cancel(
                job=job, by=schedule.owner, reason=f"The schedule {schedule.name} runs anew."[:200]
            )
        except services.JobNotCancellable:
            continue  # it has just ended by itself


def _submit(run: ScheduleRun) -> None:
    schedule = run.schedule
    problem = schedules.problem_of(schedule)
    if not problem:
        assert schedule.owner is not None  # or that was the problem
        try:
            with transaction.atomic():
                run.job = services.submit(
                    kind=schedule.kind,
                    options=schedule.options,
                    by=schedule.owner,
                    name=schedule.name,
                    tags=schedule.tags,
                    priority=schedule.priority,
                    preset=schedule.preset or None,
                    schedule=schedule,
                )
        except (
            services.UnknownKind,
            services.UnknownPreset,
            services.NotSubmittable,
            services.InvalidOptions,
            services.InvalidFields,
            ActionRefused,
        ) as error:
            problem = str(error)
    run.outcome = Outcome.REFUSED if problem else Outcome.SUBMITTED
    run.note = problem[:500]


@transaction.atomic
def _start_waiting(run_id: int) -> int:
    run = ScheduleRun.objects.select_related("schedule").filter(pk=run_id).first()
    if run is None:
        return 0
    # Locked, so that a time that comes due meanwhile is judged after this.
    schedule = Schedule.objects.select_for_update(of=("self",)).get(pk=run.schedule_id)
    taken = ScheduleRun.objects.filter(pk=run_id, outcome=Outcome.WAITING).update(
        outcome=Outcome.SUBMITTED, note=""
    )
    if taken != 1:
        return 0
    if schedules.open_jobs(schedule).exists():
        transaction.set_rollback(True)
        return 0
    run.schedule = schedule
    _submit(run)
    run.save(update_fields=["outcome", "note", "job"])
    if run.outcome == Outcome.REFUSED:
        schedules.pause(schedule=schedule, by=None, reason=run.note)
    return 1
