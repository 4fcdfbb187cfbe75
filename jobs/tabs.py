"""Saved tabs of the job list: a set of filters under a name, one person's own."""

from __future__ import annotations

from django.conf import settings
from django.db import models


class SavedTab(models.Model):
    """A tab above the job list. `query` is the list's address after the question mark."""

    owner = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="+", db_index=False
    )
    name = models.CharField(max_length=40)
    query = models.CharField(max_length=1000, blank=True)
    created_at = models.DateTimeField()

    class Meta:
        constraints = [models.UniqueConstraint("owner", "name", name="saved_tab_owner_name")]
        ordering = ["owner", "id"]

    def __str__(self) -> str:
        return self.name
