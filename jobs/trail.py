"""The audit trail's rows: who did what, to what, when, from where, and how it ended."""

from __future__ import annotations

from datetime import datetime

from django.db import models
from django.db.models import F, Q

from jobs.context import USER_AGENT_MAX


class AuditQuerySet(models.QuerySet["AuditEntry"]):
    def about(self, obj: models.Model) -> AuditQuerySet:
        """Entries whose target is `obj`, newest first; of a job, also of what belongs to it."""
        from jobs.models import Job

        mine = Q(target_type=obj._meta.label_lower, target_id=str(obj.pk))
        if isinstance(obj, Job):
            mine = Q(job_id=obj.pk)
        return self.filter(mine).order_by("-id")

    def matching(
        self,
        *,
        actor: str = "",
        action: str = "",
        target_type: str = "",
        target_id: str = "",
        outcome: str = "",
        since: datetime | None = None,
        until: datetime | None = None,
    ) -> AuditQuerySet:
        """Those that fit everything given; `action` ending in a dot fits all that begin so."""
        exact = {
            "actor_name": actor,
            "target_type": target_type,
            "target_id": target_id,
            "outcome": outcome,
            "at__gte": since,
            "at__lt": until,
            "action__startswith" if action.endswith(".") else "action": action,
        }
        return self.filter(**{name: value for name, value in exact.items() if value})


class AuditEntry(models.Model):
    """One command and its outcome. Triggers in the database refuse to change or remove it.

    Names are copied and nothing is a foreign key: an entry outlives what it is about.
    """

    class Outcome(models.TextChoices):
        DONE = "done"
        REFUSED = "refused"
        FAILED = "failed"

    at = models.DateTimeField()
    action = models.CharField(max_length=80)
    outcome = models.CharField(max_length=10, choices=Outcome.choices, default=Outcome.DONE)
    actor_id = models.BigIntegerField(null=True, blank=True)
    actor_name = models.CharField(max_length=150, blank=True)
    target_type = models.CharField(max_length=100, blank=True)
    target_id = models.CharField(max_length=100, blank=True)
    target_name = models.CharField(max_length=200, blank=True)
    # The job that the target is, or belongs to.
    job_id = models.UUIDField(null=True, blank=True)
    via = models.CharField(max_length=10, blank=True)
    address = models.CharField(max_length=64, blank=True)
    user_agent = models.CharField(max_length=USER_AGENT_MAX, blank=True)
    request_id = models.CharField(max_length=64, blank=True)
    data = models.JSONField(default=dict, blank=True)

    objects = AuditQuerySet.as_manager()

    class Meta:
        verbose_name = "audit entry"
        verbose_name_plural = "audit entries"
        ordering = ["-id"]
        constraints = [
            models.CheckConstraint(
                name="audit_outcome_known", condition=Q(outcome__in=["done", "failed", "refused"])
            ),
        ]
        indexes = [
            models.Index("target_type", "target_id", F("id").desc(), name="audit_target"),
            models.Index(
                "job_id", F("id").desc(), name="audit_job", condition=Q(job_id__isnull=False)
            ),
            models.Index("actor_id", F("id").desc(), name="audit_actor"),
            models.Index("action", F("id").desc(), name="audit_action"),
            models.Index("at", name="audit_at"),
        ]

    def __str__(self) -> str:
        return f"{self.action} {self.target_name}".strip()
