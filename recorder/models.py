"""Sessions and their steps."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.db.models import Count, F, Q
from django.urls import reverse

from jobs import access
from jobs.ids import uuid7
from jobs.models import Job, Status


class SessionQuerySet(models.QuerySet["RecordingSession"]):
    def visible_to(self, user: object) -> SessionQuerySet:
        """The sessions that `user` may see: an admin all, any role its own and the shared ones.

        A recording is shared with its job.
        """
        if access.is_admin(user):
            return self
        if not access.may_see(user):
            return self.none()
        return self.filter(Q(owner_id=getattr(user, "pk", None)) | Q(job__shared=True))

    def changeable_by(self, user: object) -> SessionQuerySet:
        """The sessions that `user` may act on: an admin all, an operator its own, a viewer none."""
        if access.is_admin(user):
            return self
        if not access.may_do(user):
            return self.none()
        return self.filter(owner_id=getattr(user, "pk", None))

    def with_steps_count(self) -> SessionQuerySet:
        """`steps_count`: the steps that the generated test has."""
        in_test = Q(steps__deleted_at__isnull=True, steps__data__flags=[])
        return self.annotate(steps_count=Count("steps", filter=in_test))


class RecordingSession(models.Model):
    """One recording of a person (or program) in a browser.

    What the session is doing is never stored alone: `state` is derived from its job, so that
    a session whose worker was killed can not go on saying "recording".
    """

    class Phase(models.TextChoices):
        """Where the running job stands; without meaning once the job has ended."""

        WAITING = "waiting"
        STARTING = "starting"
        RECORDING = "recording"
        PAUSED = "paused"
        SAVING = "saving"
        VERIFYING = "verifying"
        ENDED = "ended"

    class Verdict(models.TextChoices):
        UNVERIFIED = "unverified"
        VERIFIED = "verified"
        FAILED = "failed"

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    job = models.OneToOneField(Job, on_delete=models.CASCADE, related_name="recording")
    owner = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="recordings"
    )
    flow_name = models.CharField(max_length=200)
    url = models.CharField(max_length=2000)
    created_at = models.DateTimeField()

    phase = models.CharField(max_length=10, choices=Phase.choices, default=Phase.WAITING)
    # The live view of the running attempt: ws address on the worker's host and the sealed key that signs tickets.
    live_address = models.CharField(max_length=200, blank=True)
    live_key = models.JSONField(null=True, blank=True)
    stop_requested_at = models.DateTimeField(null=True, blank=True)
    stop_requested_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, blank=True, related_name="+"
    )

    verdict = models.CharField(max_length=10, choices=Verdict.choices, default=Verdict.UNVERIFIED)
    # Why it is not verified, in words, and at which step; of the newest verification.
    verdict_reason = models.TextField(blank=True)
    failing_step = models.PositiveIntegerField(null=True, blank=True)
    verified_at = models.DateTimeField(null=True, blank=True)
    code = models.TextField(blank=True)
    # Name -> sealed value (`recorder.vault.Vault.sealed`); steps and code hold the names only.
    secrets = models.JSONField(default=dict, blank=True)

    objects = SessionQuerySet.as_manager()

    class Meta:
        verbose_name = "recording"
        ordering = ["-id"]
        indexes = [models.Index("owner", F("id").desc(), name="recording_owner_id")]

    def __str__(self) -> str:
        return self.flow_name

    @property
    def page_url(self) -> str:
        """Where the console shows this recording."""
        return reverse("admin:recorder_recordingsession_change", args=[self.pk])

    @property
    def state(self) -> str:
        """queued, a phase while running, verified, not_verified, saved, failed or cancelled.

        Saved: whole, but not replayed since its last change (or not at all).
        """
        if self.job.status == Status.QUEUED:
            return "queued"
        if self.job.status == Status.RUNNING:
            return self.Phase.STARTING if self.phase == self.Phase.WAITING else self.phase
        if self.job.status == Status.CANCELLED:
            return "cancelled"
        if self.verdict == self.Verdict.VERIFIED:
            return "verified"
        if self.verdict == self.Verdict.FAILED:
            return "not_verified"
        broke = self.job.status == Status.FAILED and self.job.reason != "not_verified"
        return "failed" if broke else "saved"


class Step(models.Model):
    """One action in a session, as `recorder.steps.Step` describes it."""

    session = models.ForeignKey(RecordingSession, on_delete=models.CASCADE, related_name="steps")
    # Stable within its session, given by the session process.
    key = models.CharField(max_length=40)
    position = models.PositiveIntegerField()
    action = models.CharField(max_length=30)
    # The typed step as JSON (`recorder.steps.Step.as_json`), secrets as references only.
    data = models.JSONField()
    # A person's own words; empty: the console words the step from `data`.
    wording = models.CharField(max_length=300, blank=True)
    deleted_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["session", "position", "id"]
        constraints = [
            models.UniqueConstraint("session", "key", name="step_session_key"),
        ]
        indexes = [
            models.Index(
                "session", "position", name="step_kept", condition=Q(deleted_at__isnull=True)
            )
        ]

    def __str__(self) -> str:
        return f"{self.position} {self.action}"
