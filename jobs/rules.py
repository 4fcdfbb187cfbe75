"""Rows by which people steer jobs: presets, policies of kinds, and what enforcing them needs."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.db.models import Q

ALL_KINDS = "*"


class Preset(models.Model):
    """A named set of options of one kind, for use by name when a job is submitted.

    Options are checked when they are saved and again when they are used; secrets are sealed.
    """

    kind = models.CharField(max_length=80)
    name = models.CharField(max_length=80)
    description = models.CharField(max_length=300, blank=True)
    # snake_case, only those that the preset sets; the rest comes from the submission or the defaults.
    options = models.JSONField(default=dict, blank=True)
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, blank=True, related_name="+"
    )
    created_at = models.DateTimeField()
    updated_at = models.DateTimeField()

    class Meta:
        constraints = [models.UniqueConstraint("kind", "name", name="preset_kind_name")]
        ordering = ["kind", "name", "id"]

    def __str__(self) -> str:
        return self.name


class KindPolicy(models.Model):
    """What operators set for a kind over its own defaults; an empty field leaves the kind's.

    The kind `*` limits all kinds together: only concurrency and rates, of all and of each user.
    Read by every claim, at most a second old (`jobs.policies`).
    """

    kind = models.CharField(max_length=80, unique=True)
    priority = models.IntegerField(null=True, blank=True)
    queue_timeout_s = models.PositiveIntegerField(null=True, blank=True)

    max_attempts = models.PositiveIntegerField(null=True, blank=True)
    backoff_s = models.FloatField(null=True, blank=True)
    backoff_cap_s = models.FloatField(null=True, blank=True)
    # 0.25: each wait is between three and five quarters of what doubling gives.
    backoff_jitter = models.FloatField(null=True, blank=True)
    # Reason codes; null: those that the kind holds worth it.
    retry_on = models.JSONField(null=True, blank=True)

    concurrency = models.PositiveIntegerField(null=True, blank=True)
    user_concurrency = models.PositiveIntegerField(null=True, blank=True)
    # At most `rate_starts` attempts start within any `rate_window_s` seconds.
    rate_starts = models.PositiveIntegerField(null=True, blank=True)
    rate_window_s = models.PositiveIntegerField(null=True, blank=True)
    user_rate_starts = models.PositiveIntegerField(null=True, blank=True)
    user_rate_window_s = models.PositiveIntegerField(null=True, blank=True)

    updated_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, blank=True, related_name="+"
    )
    updated_at = models.DateTimeField()

    class Meta:
        verbose_name_plural = "kind policies"
        constraints = [
            models.CheckConstraint(
                name="policy_rate_whole",
                condition=Q(rate_starts__isnull=True, rate_window_s__isnull=True)
                | Q(rate_starts__gte=1, rate_window_s__gte=1),
            ),
            models.CheckConstraint(
                name="policy_user_rate_whole",
                condition=Q(user_rate_starts__isnull=True, user_rate_window_s__isnull=True)
                | Q(user_rate_starts__gte=1, user_rate_window_s__gte=1),
            ),
        ]
        ordering = ["kind"]

    def __str__(self) -> str:
        return "All kinds together" if self.kind == ALL_KINDS else self.kind


class Start(models.Model):
    """One start of a job whose kind has a rate: what that rate is counted by.

    Written by the claim, in its transaction; gone soon after the window. It names no job, so that
    deleting jobs does not buy new starts.
    """

    kind = models.CharField(max_length=80)
    owner = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="+", db_index=False
    )
    at = models.DateTimeField()

    class Meta:
        indexes = [models.Index(fields=["kind", "at"], name="start_kind_at")]
        ordering = ["-at", "-id"]

    def __str__(self) -> str:
        return self.kind


class IdempotencyKey(models.Model):
    """A submission that its sender named, so that sending it twice makes one job.

    Forgotten after `jobs.services.KEY_LIFE_S`. `fingerprint` is a keyed hash of the request.
    """

    owner = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="+", db_index=False
    )
    key = models.CharField(max_length=200)
    fingerprint = models.CharField(max_length=64)
    # Null: the job was deleted since.
    job = models.ForeignKey(
        "jobs.Job", on_delete=models.SET_NULL, null=True, blank=True, related_name="+"
    )
    created_at = models.DateTimeField()

    class Meta:
        constraints = [models.UniqueConstraint("owner", "key", name="idempotency_owner_key")]
        indexes = [models.Index(fields=["created_at"], name="idempotency_created_at")]
        ordering = ["-created_at", "-id"]

    def __str__(self) -> str:
        return self.key
