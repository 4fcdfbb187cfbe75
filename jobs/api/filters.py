"""Which jobs a list shows, and in what order: the query parameters of every list of jobs."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.db.models import Q
from rest_framework import serializers

from jobs import search
from jobs.api.paging import Order, Paging
from jobs.models import JobQuerySet, Status
from jobs.sight import unindexed

# How far a job's id, which carries the time it was made, may be from its `created_at`.
_ID_SLACK = timedelta(hours=1)

ORDERS = {
    "createdAt": Order("id", descending=False),
    "priority": Order("priority", descending=False),
    "finishedAt": Order("finished_at", descending=False),
}


class Statuses(serializers.CharField):
    """One or several of the states, with commas."""

    def to_internal_value(self, data: Any) -> Any:
        statuses = super().to_internal_value(data).split(",")
        if not set(statuses) <= set(Status):
            raise serializers.ValidationError(f"Known: {', '.join(Status)}.")
        return statuses


class JobFilters(Paging):
    """Everything is optional, and everything given must hold."""

    status = Statuses(required=False, help_text="One state, or several with commas.")
    kind = serializers.CharField(max_length=80, required=False, help_text="Exactly this kind.")
    owner = serializers.CharField(
        max_length=150, required=False, help_text="A user's name, or `me`."
    )
    tag = serializers.CharField(
        max_length=80, required=False, help_text="Exactly this tag. May be repeated: all of them."
    )
    parent = serializers.UUIDField(  # type: ignore[assignment]  # the metaclass takes it away
        required=False, help_text="Children of this job: its reruns, and what it started."
    )
    schedule = serializers.UUIDField(
        required=False, help_text="Jobs that this schedule started, by its id."
    )
    createdAfter = serializers.DateTimeField(required=False, help_text="At or after; ISO 8601.")
    createdBefore = serializers.DateTimeField(required=False, help_text="Before; ISO 8601.")
    q = serializers.CharField(
        max_length=search.MAX_CHARS,
        required=False,
        help_text="Words that the name or error has, each at least by its beginning; or a job's id.",
    )
    ordering = serializers.ChoiceField(
        choices=[sign + name for name in ORDERS for sign in ("", "-")],
        default="-createdAt",
        help_text="`finishedAt` lists only jobs that have ended. Equal ones follow by age.",
    )


def order_of(ordering: str) -> Order:
    order = ORDERS[ordering.removeprefix("-")]
    return order.reversed() if ordering.startswith("-") else order


def filtered(
    jobs: JobQuerySet, given: dict[str, Any], *, tags: list[str], by: Any
) -> search.Matches:
    """Those of `jobs` that `given` (a validated `JobFilters`) and all `tags` describe."""
    if statuses := given.get("status"):
        jobs = jobs.filter(status__in=statuses)
    if kind := given.get("kind"):
        jobs = jobs.filter(kind=kind)
    if owner := given.get("owner"):
        jobs = jobs.filter(owner=by) if owner == "me" else jobs.filter(owner__username=owner)
    if parent := given.get("parent"):
        jobs = jobs.filter(parent_id=parent)
    if schedule := given.get("schedule"):
        jobs = jobs.filter(schedule_id=schedule)
    for tag in tags:
        jobs = search.tagged(jobs, tag)
    if after := given.get("createdAfter"):
        jobs = jobs.filter(created_at__gte=after, id__gte=_first_id(after - _ID_SLACK))
    if before := given.get("createdBefore"):
        jobs = jobs.filter(created_at__lt=before, id__lt=_first_id(before + _ID_SLACK))
    if order_of(given["ordering"]).column == "finished_at":
        jobs = jobs.filter(unindexed(Q(finished_at__isnull=False)))
    if words := given.get("q"):
        return search.matching(jobs, words, by=by)
    return search.Matches(jobs)


def _first_id(at: datetime) -> UUID:
    """The lowest id that a job made at `at` can have."""
    return UUID(int=max(0, min(int(at.timestamp() * 1000), 2**48 - 1)) << 80)
