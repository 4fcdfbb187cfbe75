"""Failed logins and tickets of websockets, kept where every web process sees them."""

from __future__ import annotations

from datetime import datetime, timedelta

from django.conf import settings
from django.db import models
from django.db.models import Case, F, Q, Value, When

WINDOW = timedelta(minutes=15)
# Of one account from one address; and of one address over all accounts. An account alone is
# never locked, or anyone could lock its owner out.
ACCOUNT_LIMIT = 5
ADDRESS_LIMIT = 50


class LoginFailureQuerySet(models.QuerySet["LoginFailure"]):
    def count_one(self, key: str, *, now: datetime, window: timedelta) -> int:
        """Count a login tried under `key`; a count older than `window` starts anew. The count."""
        self.get_or_create(key=key, defaults={"count": 0, "since": now})
        # One UPDATE: two processes that count at once both count.
        stale = Q(since__lt=now - window)
        self.filter(key=key).update(
            count=Case(When(stale, then=Value(1)), default=F("count") + 1),
            since=Case(When(stale, then=Value(now)), default=F("since")),
        )
        return self.filter(key=key).values_list("count", flat=True).first() or 0

    def locked(self, *, now: datetime) -> LoginFailureQuerySet:
        """Those that keep somebody from logging in now."""
        full = Q(key__startswith="account:", count__gte=ACCOUNT_LIMIT) | Q(
            key__startswith="address:", count__gte=ADDRESS_LIMIT
        )
        return self.filter(full, since__gt=now - WINDOW)


class LoginFailure(models.Model):
    """How often logging in failed under one key (an account from an address, or an address)."""

    key = models.CharField(max_length=300, unique=True)
    # Whose account it is, where there is one of that name; for the admin who unlocks it.
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, null=True, blank=True, related_name="+"
    )
    address = models.CharField(max_length=64, blank=True)
    count = models.PositiveIntegerField()
    since = models.DateTimeField()

    objects = LoginFailureQuerySet.as_manager()

    class Meta:
        ordering = ["key"]

    def __str__(self) -> str:
        return self.key

    def locks(self, *, now: datetime) -> bool:
        limit = ACCOUNT_LIMIT if self.key.startswith("account:") else ADDRESS_LIMIT
        return self.count >= limit and self.since > now - WINDOW


class SocketTicket(models.Model):
    """Lets its user open one websocket, once and soon. Only its hash is kept."""

    digest = models.CharField(max_length=64, unique=True)
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="+")
    # What the caller's access rests on (`jobs.logins.Standing`), which the socket then rests on.
    standing = models.JSONField(default=dict)
    created_at = models.DateTimeField()
    expires_at = models.DateTimeField(db_index=True)

    class Meta:
        ordering = ["id"]

    def __str__(self) -> str:
        return f"ticket {self.pk}"
