"""Failed logins, counted where every web process sees them."""

from __future__ import annotations

from datetime import datetime, timedelta

from django.db import models
from django.db.models import Case, F, Q, Value, When


class LoginFailureQuerySet(models.QuerySet["LoginFailure"]):
    def count_one(self, key: str, *, now: datetime, window: timedelta) -> None:
        """Count a login tried under `key`; a count older than `window` starts anew."""
        self.get_or_create(key=key, defaults={"count": 0, "since": now})
        # One UPDATE: two processes that count at once both count.
        stale = Q(since__lt=now - window)
        self.filter(key=key).update(
            count=Case(When(stale, then=Value(1)), default=F("count") + 1),
            since=Case(When(stale, then=Value(now)), default=F("since")),
        )


class LoginFailure(models.Model):
    """How often logging in failed under one key (an account from an address, or an address)."""

    key = models.CharField(max_length=300, unique=True)
    count = models.PositiveIntegerField()
    since = models.DateTimeField()

    objects = LoginFailureQuerySet.as_manager()

    class Meta:
        ordering = ["key"]

    def __str__(self) -> str:
        return self.key
