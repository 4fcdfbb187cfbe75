"""What schedules and workers look like on the wire: for the description of the API."""

from __future__ import annotations

from typing import Any

from rest_framework import serializers

from jobs.api.shapes import PageShape
from jobs.models import Schedule, ScheduleRun


class RunShape(serializers.Serializer[Any]):
    """What became of one time at which a schedule was due, or was run by hand."""

    id = serializers.IntegerField()
    dueAt = serializers.DateTimeField()
    trigger = serializers.ChoiceField(choices=ScheduleRun.Trigger.choices)
    outcome = serializers.ChoiceField(choices=ScheduleRun.Outcome.choices)
    note = serializers.CharField(
        allow_blank=True, help_text="Why it was skipped or refused, or what it waits for."
    )
    jobId = serializers.UUIDField(allow_null=True)
    by = serializers.CharField(allow_null=True, help_text="Who ran it by hand.")
    handledAt = serializers.DateTimeField()


class RunsPage(PageShape):
    results = RunShape(many=True)


class ScheduleShape(serializers.Serializer[Any]):
    """A schedule. Secrets in options are masked."""

    id = serializers.UUIDField()
    name = serializers.CharField()
    kind = serializers.CharField()
    preset = serializers.CharField(allow_blank=True)
    options = serializers.DictField(child=serializers.JSONField())
    cron = serializers.CharField()
    cronWords = serializers.CharField(help_text="The same in words.")
    timeZone = serializers.CharField()
    missed = serializers.ChoiceField(choices=Schedule.Missed.choices)
    missedMost = serializers.IntegerField()
    overlap = serializers.ChoiceField(choices=Schedule.Overlap.choices)
    ownerId = serializers.IntegerField(allow_null=True)
    ownerName = serializers.CharField(allow_null=True)
    priority = serializers.IntegerField(allow_null=True)
    tags = serializers.ListField(child=serializers.CharField())
    paused = serializers.BooleanField()
    pauseReason = serializers.CharField(allow_blank=True)
    problem = serializers.CharField(
        allow_blank=True, help_text="Why it could not submit its job now; empty: it can."
    )
    nextAt = serializers.DateTimeField(allow_null=True)
    upcoming = serializers.ListField(
        child=serializers.CharField(), help_text="The next five times, with the zone's offset."
    )
    lastRun = RunShape(allow_null=True)
    createdAt = serializers.DateTimeField()
    updatedAt = serializers.DateTimeField()


class SchedulesPage(PageShape):
    results = ScheduleShape(many=True)


class WorkerShape(serializers.Serializer[Any]):
    id = serializers.IntegerField()
    name = serializers.CharField()
    queue = serializers.CharField()
    host = serializers.CharField()
    pid = serializers.IntegerField()
    startedAt = serializers.DateTimeField()
    seenAt = serializers.DateTimeField()
    alive = serializers.BooleanField(help_text="Seen within the last 30 seconds.")
    state = serializers.ChoiceField(
        choices=["idle", "busy", "draining", "drained", "resuming", "silent"],
        help_text="`draining` until the worker itself has said that it takes no more: `drained`.",
    )
    jobId = serializers.UUIDField(allow_null=True)
    jobName = serializers.CharField(allow_blank=True)
    drainId = serializers.IntegerField(allow_null=True, help_text="The drain that holds for it.")
    drainedAt = serializers.DateTimeField(allow_null=True)


class ClusterShape(serializers.Serializer[Any]):
    queue = serializers.CharField()
    host = serializers.CharField()
    workers = WorkerShape(many=True)
    alive = serializers.IntegerField()
    busy = serializers.IntegerField()
    seenAt = serializers.DateTimeField(allow_null=True)
    here = serializers.BooleanField(help_text="On the machine of the process that answers.")
    drained = serializers.IntegerField()
    drainId = serializers.IntegerField(allow_null=True)


class DrainShape(serializers.Serializer[Any]):
    id = serializers.IntegerField()
    queue = serializers.CharField()
    host = serializers.CharField(allow_blank=True, help_text="Empty: every host.")
    worker = serializers.CharField(allow_blank=True, help_text="Empty: all workers.")
    reason = serializers.CharField(allow_blank=True)
    by = serializers.CharField(allow_null=True)
    askedAt = serializers.DateTimeField()


class WorkersShape(serializers.Serializer[Any]):
    clusters = ClusterShape(many=True)
    drains = DrainShape(many=True)
