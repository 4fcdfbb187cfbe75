"""What each person set for themselves."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.db import models


class Preferences(models.Model):
    """One person's settings; without a row, these defaults hold."""

    class Theme(models.TextChoices):
        AUTO = "auto", "As the system"
        LIGHT = "light", "Light"
        DARK = "dark", "Dark"

    user = models.OneToOneField(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="preferences"
    )
    # IANA name in which the console shows absolute times; empty: the installation's.
    time_zone = models.CharField(max_length=60, blank=True)
    theme = models.CharField(max_length=5, choices=Theme.choices, default=Theme.AUTO)
    # Whether jobs that this person submits are shared from the start.
    share_new_jobs = models.BooleanField(default=False)

    class Meta:
        verbose_name_plural = "preferences"
        ordering = ["user"]

    def __str__(self) -> str:
        return f"preferences of {self.user}"


def of(user: Any) -> Preferences:
    """The stored ones of `user`, or the defaults, unsaved."""
    found = Preferences.objects.filter(user_id=user.pk).first()
    return found or Preferences(user_id=user.pk)


def of_request(request: Any) -> Preferences:
    """Those of whoever sent `request`, read once for it; the defaults for nobody."""
    kept: Preferences | None = getattr(request, "_tapedeck_preferences", None)
    if kept is None:
        user = getattr(request, "user", None)
        kept = of(user) if user is not None and user.is_authenticated else Preferences()
        request._tapedeck_preferences = kept
    return kept


def shares_new_jobs(user: Any) -> bool:
    return Preferences.objects.filter(user_id=user.pk, share_new_jobs=True).exists()
