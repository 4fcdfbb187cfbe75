"""Jobs, their attempts, events and artifacts, and the workers that run them."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.db.models import F, Q

from jobs import access
from jobs.ids import uuid7
from jobs.logins import Login as Login
from jobs.preferences import Preferences as Preferences
from jobs.sight import InSight
from jobs.throttling import ThrottleWindow as ThrottleWindow
from jobs.trail import AuditEntry as AuditEntry


class Status(models.TextChoices):
    QUEUED = "queued"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"


TERMINAL = frozenset({Status.SUCCEEDED, Status.FAILED, Status.CANCELLED})


class JobQuerySet(models.QuerySet["Job"]):
    def visible_to(self, user: object) -> JobQuerySet:
        """The jobs that `user` may see: an admin all, any role its own and the shared ones."""
        if access.is_admin(user):
            return self
        if not access.may_see(user):
            return self.none()
        return self.filter(InSight(getattr(user, "pk", None)))

    def changeable_by(self, user: object) -> JobQuerySet:
        """The jobs that `user` may act on: an admin all, an operator its own, a viewer none."""
        if access.is_admin(user):
            return self
        if not access.may_do(user):
            return self.none()
        return self.filter(owner_id=getattr(user, "pk", None))


class Job(models.Model):
    """One request for work. The row is also its place in the queue."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    kind = models.CharField(max_length=80)
    name = models.CharField(max_length=200, blank=True)
    options = models.JSONField(default=dict)
    tags = models.JSONField(default=list)
    # Without an index of its own, here and below: one that begins with the same column is there.
    owner = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="jobs", db_index=False
    )
    parent = models.ForeignKey(
        "self",
        on_delete=models.SET_NULL,
        null=True,
        blank=True,
        related_name="children",
        db_index=False,
    )
    schedule = models.ForeignKey(
        "jobs.Schedule",
        on_delete=models.SET_NULL,
        null=True,
        blank=True,
        related_name="jobs",
        db_index=False,
    )
    # Whether every role may see it; only the owner and admins act on it.
    shared = models.BooleanField(default=False)
    # The preset that it was submitted with, by name; its options are in `options`.
    preset = models.CharField(max_length=80, blank=True)
    priority = models.IntegerField(default=0)
    queue = models.CharField(max_length=40, default="default")
    run_after = models.DateTimeField(null=True, blank=True)

    status = models.CharField(max_length=10, choices=Status.choices, default=Status.QUEUED)
    reason = models.CharField(max_length=60, blank=True)
    error = models.TextField(blank=True)
    created_at = models.DateTimeField()
    started_at = models.DateTimeField(null=True, blank=True)
    finished_at = models.DateTimeField(null=True, blank=True)

    # The attempt that owns the job; every write of an attempt is fenced by this number.
    attempt = models.PositiveIntegerField(default=0)
    max_attempts = models.PositiveIntegerField(default=1)
    crashes = models.PositiveIntegerField(default=0)
    errors = models.PositiveIntegerField(default=0)
    worker = models.CharField(max_length=120, blank=True)
    lease_until = models.DateTimeField(null=True, blank=True)
    timeout_s = models.PositiveIntegerField(default=600)

    cancel_requested_at = models.DateTimeField(null=True, blank=True)
    cancel_requested_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.SET_NULL,
        null=True,
        blank=True,
        related_name="+",
        db_index=False,
    )
    cancel_reason = models.CharField(max_length=200, blank=True)
    # Set: the body gets no time to end by itself.
    cancel_forced_at = models.DateTimeField(null=True, blank=True)

    progress_done = models.BigIntegerField(default=0)
    progress_total = models.BigIntegerField(null=True, blank=True)
    progress_unit = models.CharField(max_length=40, blank=True)
    metrics = models.JSONField(default=dict)
    result = models.JSONField(null=True, blank=True)
    last_seq = models.PositiveBigIntegerField(default=0)
    # W3C trace context of whoever submitted it; its attempts' spans are that span's children.
    trace_parent = models.CharField(max_length=55, blank=True)

    # Of one that `submit` found by its idempotency key instead of making it.
    was_there = False

    objects = JobQuerySet.as_manager()

    class Meta:
        constraints = [
            models.CheckConstraint(name="job_status_known", condition=Q(status__in=sorted(Status))),
            models.CheckConstraint(
                name="job_finished_iff_terminal",
                condition=Q(status__in=sorted(TERMINAL), finished_at__isnull=False)
                | Q(status__in=[Status.QUEUED, Status.RUNNING], finished_at__isnull=True),
            ),
            models.CheckConstraint(
                name="job_lease_iff_running",
                condition=Q(status=Status.RUNNING, lease_until__isnull=False)
                | (~Q(status=Status.RUNNING) & Q(lease_until__isnull=True)),
            ),
        ]
        indexes = [
            # Partial: a claim stays cheap however many jobs are finished.
            models.Index(
                "queue",
                F("priority").desc(),
                "id",
                name="job_claimable",
                condition=Q(status="queued"),
            ),
            models.Index("lease_until", name="job_leased", condition=Q(status="running")),
            models.Index("kind", name="job_running_kind", condition=Q(status="running")),
            models.Index("status", F("id").desc(), name="job_status_id"),
            models.Index("kind", F("id").desc(), name="job_kind_id"),
            # The orders that a list may have besides age.
            models.Index(F("priority").desc(), F("id").desc(), name="job_priority_id"),
            models.Index(
                F("finished_at").desc(),
                F("id").desc(),
                name="job_finished_id",
                condition=Q(finished_at__isnull=False),
            ),
            models.Index("owner", F("id").desc(), name="job_owner_id"),
            # What an operator sees is read half by half (`jobs.sight`), each half on its own index.
            models.Index("owner", "status", F("id").desc(), name="job_owner_status_id"),
            models.Index("owner", "kind", F("id").desc(), name="job_owner_kind_id"),
            models.Index(F("id").desc(), "owner", name="job_shared_id", condition=Q(shared=True)),
            models.Index(
                "status",
                F("id").desc(),
                "owner",
                name="job_shared_status_id",
                condition=Q(shared=True),
            ),
            models.Index(
                "kind",
                F("id").desc(),
                "owner",
                name="job_shared_kind_id",
                condition=Q(shared=True),
            ),
            # Partial: an index on what most rows lack would be written at each of their changes.
            models.Index("parent", name="job_parent", condition=Q(parent__isnull=False)),
            models.Index(
                "cancel_requested_by",
                name="job_cancelled_by",
                condition=Q(cancel_requested_by__isnull=False),
            ),
            models.Index(
                "schedule",
                F("id").desc(),
                name="job_schedule_id",
                condition=Q(schedule__isnull=False),
            ),
        ]
        ordering = ["-id"]

    def __str__(self) -> str:
        return self.name or self.kind

    @property
    def is_terminal(self) -> bool:
        return self.status in TERMINAL


class Attempt(models.Model):
    """One execution of a job by one worker."""

    class Outcome(models.TextChoices):
        RUNNING = "running"
        SUCCEEDED = "succeeded"
        FAILED = "failed"
        ERRORED = "errored"
        CRASHED = "crashed"
        TIMED_OUT = "timed_out"
        CANCELLED = "cancelled"

    job = models.ForeignKey(Job, on_delete=models.CASCADE, related_name="attempts", db_index=False)
    number = models.PositiveIntegerField()
    worker = models.CharField(max_length=120)
    started_at = models.DateTimeField()
    ended_at = models.DateTimeField(null=True, blank=True)
    outcome = models.CharField(max_length=10, choices=Outcome.choices, default=Outcome.RUNNING)
    reason = models.CharField(max_length=60, blank=True)
    error = models.TextField(blank=True)

    class Meta:
        constraints = [models.UniqueConstraint("job", "number", name="attempt_job_number")]
        indexes = [
            models.Index("ended_at", name="attempt_ended", condition=Q(ended_at__isnull=False))
        ]
        ordering = ["job", "number"]

    def __str__(self) -> str:
        return f"attempt {self.number}"


class JobEvent(models.Model):
    """An append-only fact in a job's life; `seq` has no gaps within its job."""

    job = models.ForeignKey(Job, on_delete=models.CASCADE, related_name="events", db_index=False)
    seq = models.PositiveBigIntegerField()
    type = models.CharField(max_length=60)
    data = models.JSONField(default=dict)
    at = models.DateTimeField()
    attempt = models.PositiveIntegerField(default=0)

    class Meta:
        constraints = [models.UniqueConstraint("job", "seq", name="event_job_seq")]
        ordering = ["job", "seq"]

    def __str__(self) -> str:
        return f"{self.seq} {self.type}"


class Artifact(models.Model):
    """A file that a job produced. Shown only once its attempt ended (`visible`)."""

    job = models.ForeignKey(Job, on_delete=models.CASCADE, related_name="artifacts", db_index=False)
    attempt = models.PositiveIntegerField()
    path = models.CharField(max_length=400)
    kind = models.CharField(max_length=40)
    content_type = models.CharField(max_length=120)
    size_bytes = models.PositiveBigIntegerField()
    sha256 = models.CharField(max_length=64)
    storage_name = models.CharField(max_length=500)
    visible = models.BooleanField(default=False)
    created_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint("job", "attempt", "path", name="artifact_job_attempt_path"),
            models.UniqueConstraint(
                "job", "path", name="artifact_one_visible", condition=Q(visible=True)
            ),
        ]
        ordering = ["job", "path"]

    def __str__(self) -> str:
        return self.path


class Worker(models.Model):
    """A worker process that says it is alive; the row goes when it has not for long."""

    name = models.CharField(max_length=120, unique=True)
    queue = models.CharField(max_length=40)
    host = models.CharField(max_length=120)
    pid = models.PositiveIntegerField()
    started_at = models.DateTimeField()
    seen_at = models.DateTimeField()
    job = models.ForeignKey(Job, on_delete=models.SET_NULL, null=True, blank=True, related_name="+")
    # Since when it takes no more jobs, in its own word; see `Drain`.
    drained_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["queue", "name"]

    def __str__(self) -> str:
        return self.name


# Models of this app too; they name Job in strings.
from jobs.rules import IdempotencyKey, KindPolicy, Preset, Start  # noqa: E402
from jobs.standing import (  # noqa: E402
    Drain,
    RetentionRule,
    Schedule,
    ScheduleRun,
    Tally,
    TallyMark,
)
from jobs.tabs import SavedTab  # noqa: E402

__all__ = [
    "TERMINAL",
    "Artifact",
    "Attempt",
    "Drain",
    "IdempotencyKey",
    "Job",
    "JobEvent",
    "JobQuerySet",
    "KindPolicy",
    "Preset",
    "RetentionRule",
    "SavedTab",
    "Schedule",
    "ScheduleRun",
    "Start",
    "Status",
    "Tally",
    "TallyMark",
    "Worker",
]
