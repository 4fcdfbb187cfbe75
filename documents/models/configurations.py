"""Configurations and their versions."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.db.models import Q

from jobs.ids import uuid7


class Configuration(models.Model):
    """What to extract from documents of one sort. What it says is in its versions."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    name = models.CharField(max_length=80, unique=True)
    title = models.CharField(max_length=200)
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+", db_index=False
    )
    created_at = models.DateTimeField()

    class Meta:
        ordering = ["name"]

    def __str__(self) -> str:
        return self.title


class VersionState(models.TextChoices):
    """A draft may change; what was active once never does."""

    DRAFT = "draft", "Draft"
    ACTIVE = "active", "Active"
    ARCHIVED = "archived", "Archived"


class ConfigurationVersion(models.Model):
    """One state of a configuration, as the YAML that a person wrote."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    configuration = models.ForeignKey(
        Configuration, on_delete=models.CASCADE, related_name="versions", db_index=False
    )
    number = models.PositiveIntegerField()
    state = models.CharField(
        max_length=10, choices=VersionState.choices, default=VersionState.DRAFT
    )
    text = models.TextField()
    sha256 = models.CharField(max_length=64)
    note = models.CharField(max_length=300, blank=True)
    based_on = models.ForeignKey(
        "self", on_delete=models.SET_NULL, null=True, blank=True, related_name="+"
    )
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+", db_index=False
    )
    created_at = models.DateTimeField()
    updated_at = models.DateTimeField()
    activated_at = models.DateTimeField(null=True, blank=True)
    archived_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint("configuration", "number", name="configuration_number"),
            models.UniqueConstraint(
                fields=["configuration"],
                condition=Q(state="active"),
                name="configuration_one_active",
            ),
            models.UniqueConstraint(
                fields=["configuration"], condition=Q(state="draft"), name="configuration_one_draft"
            ),
        ]
        ordering = ["configuration", "-number"]

    def __str__(self) -> str:
        return f"version {self.number}"
