"""What the recordings' endpoints answer, for the description; the answers come from `recorder.dto`."""

from __future__ import annotations

from typing import Any

from rest_framework import serializers

from jobs.api.shapes import JobShape, PageShape
from recorder.models import RecordingSession


class SessionShape(serializers.Serializer[Any]):
    """A recording; its job says how far it is."""

    id = serializers.UUIDField()
    flowName = serializers.CharField()
    url = serializers.CharField()
    state = serializers.CharField()
    phase = serializers.CharField(allow_blank=True)
    verdict = serializers.CharField(allow_blank=True)
    verdictReason = serializers.CharField(allow_blank=True)
    failingStep = serializers.CharField(allow_blank=True)
    verifiedAt = serializers.DateTimeField(allow_null=True)
    createdAt = serializers.DateTimeField()
    stopRequestedAt = serializers.DateTimeField(allow_null=True)
    ownerId = serializers.IntegerField()
    ownerName = serializers.CharField()
    stepsCount = serializers.IntegerField(allow_null=True)
    jobId = serializers.UUIDField()
    job = JobShape()


class SessionsPage(PageShape):
    results = SessionShape(many=True)


class SessionsQuery(serializers.Serializer[Any]):
    verdict = serializers.ChoiceField(choices=RecordingSession.Verdict.values, required=False)
    status = serializers.ChoiceField(
        choices=["queued", "running", "succeeded", "failed", "cancelled"], required=False
    )
    q = serializers.CharField(required=False, help_text="A part of the flow's name or address.")
    limit = serializers.IntegerField(min_value=1, max_value=200, required=False)
    cursor = serializers.CharField(required=False)


class SignalShape(serializers.Serializer[Any]):
    name = serializers.CharField()
    params = serializers.DictField(child=serializers.JSONField())


class AlternativeShape(serializers.Serializer[Any]):
    selector = serializers.CharField()
    locator = serializers.CharField(allow_blank=True)


class StepShape(serializers.Serializer[Any]):
    """One action of a recording; `number` is null for what the generated test leaves out."""

    key = serializers.CharField()
    position = serializers.IntegerField()
    number = serializers.IntegerField(allow_null=True)
    action = serializers.CharField()
    wording = serializers.CharField(allow_blank=True)
    reworded = serializers.BooleanField()
    deletedAt = serializers.DateTimeField(allow_null=True)
    page = serializers.CharField(allow_blank=True)
    url = serializers.CharField(allow_blank=True)
    at = serializers.FloatField(allow_null=True)
    params = serializers.DictField(child=serializers.JSONField())
    signals = SignalShape(many=True)
    element = serializers.DictField(child=serializers.JSONField())
    selector = serializers.CharField(allow_blank=True)
    locator = serializers.CharField(allow_blank=True)
    alternatives = AlternativeShape(many=True)
    screenshotUrl = serializers.CharField(allow_null=True)
    source = serializers.CharField(allow_blank=True)  # type: ignore[assignment]
    flags = serializers.ListField(child=serializers.CharField())


class RecordedFile(serializers.Serializer[Any]):
    path = serializers.CharField()
    kind = serializers.CharField()
    contentType = serializers.CharField()
    sizeBytes = serializers.IntegerField()
    sha256 = serializers.CharField()
    url = serializers.CharField()


class SessionDetail(SessionShape):
    steps = StepShape(many=True)
    code = serializers.CharField(allow_blank=True)
    artifacts = RecordedFile(many=True)
    replays = JobShape(many=True)
    queue = serializers.JSONField(help_text="Where it waits, while it waits.")


class StepsShape(serializers.Serializer[Any]):
    results = StepShape(many=True)


class SessionStarted(serializers.Serializer[Any]):
    jobId = serializers.UUIDField()
    sessionId = serializers.UUIDField()


class ReplayStarted(serializers.Serializer[Any]):
    jobId = serializers.UUIDField()


class StepChanged(serializers.Serializer[Any]):
    step = StepShape()
    verdict = serializers.CharField(allow_blank=True)
    verdictReason = serializers.CharField(allow_blank=True)
    code = serializers.CharField(allow_blank=True)
