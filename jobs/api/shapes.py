"""What the jobs API takes and answers, as serializers: the description, and the forms for people.

The answers themselves come from `jobs.events`; tests hold the two against each other.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from rest_framework import serializers
from rest_framework.fields import empty

from jobs import registry
from jobs.models import Attempt, Status
from jobs.services.acting import actions_of


class Strict(serializers.Serializer[Any]):
    """Refuses names that it does not know: a misspelled one must not pass for "not given"."""

    def to_internal_value(self, data: Any) -> Any:
        if isinstance(data, Mapping):
            known = ", ".join(self.fields)
            # What a browser's form brings along.
            own = {"csrfmiddlewaretoken"}
            unknown = {
                str(name): [f"Unknown field. Known: {known}."]
                for name in data
                if name not in self.fields and name not in own
            }
            if unknown:
                raise serializers.ValidationError(unknown)
        return super().to_internal_value(data)


class Progress(serializers.Serializer[Any]):
    done = serializers.IntegerField()
    total = serializers.IntegerField(allow_null=True)
    unit = serializers.CharField(allow_blank=True)


class JobShape(serializers.Serializer[Any]):
    """A job, as its events carry it too. Times are UTC; secrets in options are masked."""

    id = serializers.UUIDField()
    kind = serializers.CharField()
    name = serializers.CharField()
    status = serializers.ChoiceField(choices=Status.choices)
    reason = serializers.CharField(allow_blank=True, help_text="A stable code that says why.")
    error = serializers.CharField(allow_blank=True)
    options = serializers.DictField(child=serializers.JSONField())
    tags = serializers.ListField(child=serializers.CharField())
    shared = serializers.BooleanField(help_text="Visible to everyone who has a role.")
    preset = serializers.CharField(allow_blank=True)
    priority = serializers.IntegerField()
    queue = serializers.CharField()
    ownerId = serializers.IntegerField()
    ownerName = serializers.CharField()
    parentId = serializers.UUIDField(allow_null=True)
    scheduleId = serializers.UUIDField(allow_null=True)
    attempt = serializers.IntegerField()
    maxAttempts = serializers.IntegerField()
    worker = serializers.CharField(allow_blank=True)
    timeoutS = serializers.IntegerField()
    progress = Progress()
    metrics = serializers.DictField(child=serializers.JSONField())
    result = serializers.JSONField(help_text="What the kind answered; null before the end.")
    createdAt = serializers.DateTimeField()
    startedAt = serializers.DateTimeField(allow_null=True)
    finishedAt = serializers.DateTimeField(allow_null=True)
    runAfter = serializers.DateTimeField(allow_null=True)
    cancelRequestedAt = serializers.DateTimeField(allow_null=True)
    cancelReason = serializers.CharField(allow_blank=True)
    cancelForcedAt = serializers.DateTimeField(allow_null=True)
    lastSeq = serializers.IntegerField(help_text="Number of the job's last event.")


class EventShape(serializers.Serializer[Any]):
    """A fact in a job's life; `docs/event-types.md` says what `data` holds for each type."""

    jobId = serializers.UUIDField()
    seq = serializers.IntegerField()
    type = serializers.CharField()
    data = serializers.DictField(child=serializers.JSONField())  # type: ignore[assignment]
    at = serializers.DateTimeField()
    attempt = serializers.IntegerField()


class AttemptShape(serializers.Serializer[Any]):
    number = serializers.IntegerField()
    worker = serializers.CharField()
    startedAt = serializers.DateTimeField()
    endedAt = serializers.DateTimeField(allow_null=True)
    outcome = serializers.ChoiceField(choices=Attempt.Outcome.choices)
    reason = serializers.CharField(allow_blank=True)
    error = serializers.CharField(allow_blank=True)


class ArtifactShape(serializers.Serializer[Any]):
    path = serializers.CharField()
    kind = serializers.CharField()
    contentType = serializers.CharField()
    sizeBytes = serializers.IntegerField()
    sha256 = serializers.CharField()
    attempt = serializers.IntegerField()
    createdAt = serializers.DateTimeField()
    url = serializers.CharField()


class PageShape(serializers.Serializer[Any]):
    next = serializers.CharField(allow_null=True, help_text="The address of the next page.")
    previous = serializers.CharField(allow_null=True)


class JobsPage(PageShape):
    searchLimited = serializers.BooleanField(
        help_text="Whether more jobs match `q` than were looked through: only the newest 5,000 were."
    )
    results = JobShape(many=True)


class AttemptsPage(PageShape):
    results = AttemptShape(many=True)


class ArtifactsPage(PageShape):
    results = ArtifactShape(many=True)


class EventsPage(serializers.Serializer[Any]):
    results = EventShape(many=True)
    nextAfter = serializers.IntegerField(allow_null=True, help_text="`after` of the next page.")


class RootShape(serializers.Serializer[Any]):
    jobs = serializers.URLField()
    jobOptions = serializers.URLField()
    events = serializers.URLField()
    schema = serializers.URLField()
    documentation = serializers.URLField()


class SummaryShape(serializers.Serializer[Any]):
    queued = serializers.CharField(help_text="A number, or `10,000+`.")
    running = serializers.CharField()
    failedToday = serializers.CharField()
    workers = serializers.IntegerField()
    workersBusy = serializers.IntegerField()


class ActionDescription(serializers.Serializer[Any]):
    type = serializers.CharField()
    label = serializers.CharField()  # type: ignore[assignment]
    help = serializers.CharField()
    statuses = serializers.ListField(child=serializers.ChoiceField(choices=Status.choices))
    payloadSchema = serializers.DictField(
        child=serializers.JSONField(), help_text="JSON Schema of `payload`."
    )
    implemented = serializers.BooleanField(help_text="Always true: nothing else is listed.")


class PresetDescription(serializers.Serializer[Any]):
    name = serializers.CharField()
    description = serializers.CharField(allow_blank=True)
    options = serializers.DictField(child=serializers.JSONField())


class KindDescription(serializers.Serializer[Any]):
    name = serializers.CharField()
    label = serializers.CharField()  # type: ignore[assignment]
    description = serializers.CharField(allow_blank=True)
    queue = serializers.CharField()
    submittable = serializers.BooleanField(help_text="Whether `POST /api/jobs` takes it.")
    submitBy = serializers.CharField(allow_blank=True, help_text="How it is started else.")
    submitPage = serializers.CharField(allow_blank=True)
    optionsSchema = serializers.DictField(
        child=serializers.JSONField(), help_text="JSON Schema of `options`."
    )
    defaults = serializers.DictField(child=serializers.JSONField())
    presets = PresetDescription(many=True)
    limits = serializers.DictField(child=serializers.JSONField())
    supportedActions = ActionDescription(many=True)


class QueueDescription(serializers.Serializer[Any]):
    name = serializers.CharField()
    workers = serializers.IntegerField()


class JobOptionsShape(serializers.Serializer[Any]):
    kinds = KindDescription(many=True)
    queues = QueueDescription(many=True)
    supportedActions = ActionDescription(many=True)
    limits = serializers.DictField(child=serializers.JSONField())
    uploads = serializers.DictField(child=serializers.IntegerField())


class Problem(serializers.Serializer[Any]):
    """Problem details (RFC 9457)."""

    type = serializers.CharField()
    title = serializers.CharField()
    status = serializers.IntegerField()
    code = serializers.CharField(help_text="Stable; for programs.")
    detail = serializers.CharField()
    errors = serializers.DictField(  # type: ignore[assignment]
        child=serializers.JSONField(), required=False, help_text="Messages by field."
    )


class JsonText(serializers.JSONField):
    """JSON, which a browser's form sends as text; an empty input was not filled in."""

    def get_value(self, dictionary: Any) -> Any:
        value = super().get_value(dictionary)
        return empty if getattr(value, "is_json_string", False) and not value.strip() else value


class OneOf(serializers.CharField):
    """Text of which a form offers the known values; others get the verb's own refusal."""

    def __init__(self, *, offers: Callable[[], Iterable[tuple[str, str]]], **kwargs: Any) -> None:
        super().__init__(style={"base_template": "select.html"}, **kwargs)
        self._offers = offers

    def iter_options(self) -> Iterator[Option]:
        yield from (Option(value, f"{value}: {label}") for value, label in self._offers())


@dataclass(frozen=True)
class Option:
    """One choice, as DRF's form templates read it."""

    value: str
    display_text: str
    start_option_group = end_option_group = disabled = False


def _kinds() -> Iterable[tuple[str, str]]:
    return [(kind.name, kind.label) for kind in registry.all_kinds() if not kind.submit_by]


def _actions() -> Iterable[tuple[str, str]]:
    actions = [action for kind in registry.all_kinds() for action in actions_of(kind)]
    return dict.fromkeys((action.name, action.label) for action in actions)


class SubmitJob(Strict):
    """A job to queue. Options are the kind's own: `GET /api/config/job-options` describes them."""

    kind = OneOf(offers=_kinds, max_length=80, help_text="What to do, such as `recorder.replay`.")
    options = JsonText(
        required=False,
        initial=dict,
        help_text="An object; what it leaves out is the preset's or the default.",
    )
    preset = serializers.CharField(
        max_length=80, required=False, help_text="A named set of options of this kind."
    )
    name = serializers.CharField(
        max_length=200, required=False, allow_blank=True, help_text="Empty: the kind's own."
    )
    tags = JsonText(
        required=False,
        initial=list,  # type: ignore[arg-type]
        help_text="A list of texts.",
    )
    priority = serializers.IntegerField(
        required=False, help_text="Higher runs earlier. Left out: the kind's."
    )
    runAfter = serializers.DateTimeField(
        required=False,
        allow_null=True,
        label="Run after",
        help_text="Not before; ISO 8601 with an offset.",
    )

    def validate_options(self, value: Any) -> Any:
        if not isinstance(value, Mapping):
            raise serializers.ValidationError("Must be an object.")
        return value

    def validate_tags(self, value: Any) -> Any:
        if not isinstance(value, list) or not all(isinstance(tag, str) for tag in value):
            raise serializers.ValidationError("Must be a list of texts.")
        return value


class NoParameters(serializers.Serializer[Any]):
    """For addresses that take none."""


class Cancellation(serializers.Serializer[Any]):
    reason = serializers.CharField(max_length=200, allow_blank=True, default="")


class Deletion(serializers.Serializer[Any]):
    reason = serializers.CharField(
        max_length=200, default="", allow_blank=True, help_text="For the audit trail."
    )


class ActionRequest(Strict):
    type = OneOf(
        offers=_actions,
        max_length=80,
        help_text="One of the job's `supportedActions`, such as `rerun`.",
    )
    payload = JsonText(
        required=False, initial=dict, help_text="An object; the action says of what."
    )


class ActionAnswer(serializers.Serializer[Any]):
    success = serializers.BooleanField()
    message = serializers.CharField()
    jobId = serializers.UUIDField()
    actionType = serializers.CharField()
    timestamp = serializers.DateTimeField()
    newJobId = serializers.UUIDField(
        required=False, help_text="The job that the action made, if it made one."
    )
