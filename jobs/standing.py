"""Rows of what goes on by itself: schedules, retention, drained workers, and running totals."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.db.models import F, Q

from jobs.ids import uuid7


class Schedule(models.Model):
    """A job that is submitted again and again, at the times of a cron expression.

    `next_at` is compared with the database's clock; it is empty exactly while the schedule is paused.
    """

    class Missed(models.TextChoices):
        SKIP = "skip", "Skip what was missed"
        ONCE = "once", "Run once for all that was missed"
        ALL = "all", "Run each that was missed"

    class Overlap(models.TextChoices):
        ALLOW = "allow", "Allow: run beside the last one"
        SKIP = "skip", "Skip while the last one has not ended"
        QUEUE_ONE = "queue_one", "Queue one: start it when the last one has ended"
        CANCEL_PREVIOUS = "cancel_previous", "Cancel the last one, then start"

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    name = models.CharField(max_length=120, unique=True)
    kind = models.CharField(max_length=80)
    # By name; the preset as it is when a run is due.
    preset = models.CharField(max_length=80, blank=True)
    options = models.JSONField(default=dict, blank=True)
    cron = models.CharField(max_length=120)
    time_zone = models.CharField(max_length=64, default="UTC")
    missed = models.CharField(max_length=10, choices=Missed.choices, default=Missed.ONCE)
    # With `missed=all`: the newest that many run, those before are skipped.
    missed_most = models.PositiveIntegerField(default=10)
    overlap = models.CharField(max_length=20, choices=Overlap.choices, default=Overlap.SKIP)
    # Whose jobs they are; null: that account was deleted.
    owner = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, related_name="schedules"
    )
    # Null: the kind's.
    priority = models.IntegerField(null=True, blank=True)
    tags = models.JSONField(default=list, blank=True)
    paused = models.BooleanField(default=False)
    # Why, when it was not a person who paused it; people may say why too.
    pause_reason = models.CharField(max_length=300, blank=True)
    next_at = models.DateTimeField(null=True, blank=True)
    created_at = models.DateTimeField()
    updated_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.CheckConstraint(
                name="schedule_next_iff_active",
                condition=Q(paused=True, next_at__isnull=True)
                | Q(paused=False, next_at__isnull=False),
            ),
        ]
        indexes = [models.Index("next_at", name="schedule_next", condition=Q(paused=False))]
        ordering = ["name", "id"]

    def __str__(self) -> str:
        return self.name


class ScheduleRun(models.Model):
    """What became of one time at which a schedule was due, or was run by hand."""

    class Trigger(models.TextChoices):
        TIME = "time", "its time came"
        MISSED = "missed", "its time was missed"
        HAND = "hand", "run by hand"

    class Outcome(models.TextChoices):
        SUBMITTED = "submitted"
        WAITING = "waiting"
        SKIPPED = "skipped"
        REFUSED = "refused"

    schedule = models.ForeignKey(
        Schedule, on_delete=models.CASCADE, related_name="runs", db_index=False
    )
    due_at = models.DateTimeField()
    trigger = models.CharField(max_length=10, choices=Trigger.choices)
    outcome = models.CharField(max_length=10, choices=Outcome.choices)
    # Why it was skipped or refused, or what it waits for.
    note = models.CharField(max_length=500, blank=True)
    job = models.ForeignKey(
        "jobs.Job", on_delete=models.SET_NULL, null=True, blank=True, related_name="+"
    )
    # Who ran it by hand.
    by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, blank=True, related_name="+"
    )
    handled_at = models.DateTimeField()

    class Meta:
        constraints = [
            # The last line of defence: one due time submits once.
            models.UniqueConstraint(
                "schedule",
                "due_at",
                name="schedule_run_once",
                condition=Q(trigger__in=["time", "missed"]),
            ),
            models.UniqueConstraint(
                "schedule", name="schedule_run_one_waits", condition=Q(outcome="waiting")
            ),
        ]
        indexes = [models.Index("schedule", F("id").desc(), name="schedule_run_newest")]
        ordering = ["-id"]

    def __str__(self) -> str:
        return f"{self.outcome} {self.due_at:%Y-%m-%d %H:%M}"


class RetentionRule(models.Model):
    """How long ended jobs stay. The closest rule holds: kind and status, kind, status, all.

    An empty kind or status stands for every one. Without any rule `settings.RETENTION_DAYS` holds.
    """

    class EndedStatus(models.TextChoices):
        ANY = "", "any"
        SUCCEEDED = "succeeded"
        FAILED = "failed"
        CANCELLED = "cancelled"

    kind = models.CharField(max_length=80, blank=True)
    status = models.CharField(max_length=10, blank=True, choices=EndedStatus.choices)
    # Null: for ever.
    keep_days = models.PositiveIntegerField(null=True, blank=True)
    # The newest that many of a kind and status stay, however old.
    keep_last = models.PositiveIntegerField(default=0)
    updated_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, blank=True, related_name="+"
    )
    updated_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint("kind", "status", name="retention_kind_status"),
            models.CheckConstraint(
                name="retention_status_ended",
                condition=Q(status__in=["", "succeeded", "failed", "cancelled"]),
            ),
        ]
        ordering = ["kind", "status", "id"]

    def __str__(self) -> str:
        return f"{self.kind or 'every kind'}, {self.status or 'any end'}"


class Drain(models.Model):
    """Workers that were asked to finish what they run and take no more.

    Of one worker (by its name), of a queue on one host, or of a queue everywhere (`host` empty).
    The row is the wish; `Worker.drained_at` is the worker's own word that it holds.
    """

    queue = models.CharField(max_length=40)
    host = models.CharField(max_length=120, blank=True)
    worker = models.CharField(max_length=120, blank=True)
    reason = models.CharField(max_length=200, blank=True)
    by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, blank=True, related_name="+"
    )
    asked_at = models.DateTimeField()

    class Meta:
        constraints = [models.UniqueConstraint("queue", "host", "worker", name="drain_of")]
        ordering = ["queue", "host", "worker", "id"]

    def __str__(self) -> str:
        if self.worker:
            return f"worker {self.worker}"
        return f"queue {self.queue} {f'on {self.host}' if self.host else 'everywhere'}"


class Tally(models.Model):
    """Ended jobs and attempts since the first, counted once each; deleting jobs changes nothing."""

    class What(models.TextChoices):
        JOB = "job"
        ATTEMPT = "attempt"

    what = models.CharField(max_length=10, choices=What.choices)
    kind = models.CharField(max_length=80)
    outcome = models.CharField(max_length=20)
    count = models.BigIntegerField(default=0)
    # Attempts that were not the job's first.
    retries = models.BigIntegerField(default=0)
    seconds = models.FloatField(default=0)
    # How many took at most each of `jobs.tallies.BUCKETS_S`.
    buckets = models.JSONField(default=list)

    class Meta:
        verbose_name_plural = "tallies"
        constraints = [models.UniqueConstraint("what", "kind", "outcome", name="tally_of")]
        ordering = ["what", "kind", "outcome", "id"]

    def __str__(self) -> str:
        return f"{self.what} {self.kind} {self.outcome}"


class TallyMark(models.Model):
    """Up to which time `Tally` has counted what ended; one row for jobs, one for attempts."""

    what = models.CharField(max_length=10, unique=True)
    up_to = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["what", "id"]

    def __str__(self) -> str:
        return f"{self.what}s up to {self.up_to}"
