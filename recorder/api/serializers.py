"""What the recordings' endpoints accept. The options themselves are the kind's own declaration."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rest_framework import serializers

from recorder.models import RecordingSession


class Strict(serializers.Serializer[Any]):
    """Refuses names that it does not know: a misspelled field must not pass for "not given"."""

    def to_internal_value(self, data: Any) -> Any:
        if isinstance(data, Mapping):
            unknown = {str(name): ["Unknown field."] for name in data if name not in self.fields}
            if unknown:
                raise serializers.ValidationError(unknown)
        return super().to_internal_value(data)


class StartSession(Strict):
    url = serializers.CharField(max_length=RecordingSession._meta.get_field("url").max_length)
    flowName = serializers.CharField(
        source="flow_name", max_length=RecordingSession._meta.get_field("flow_name").max_length
    )
    options = serializers.DictField(default=dict)
    preset = serializers.CharField(
        required=False, help_text="Name of a preset of recorder.record; `options` win over it."
    )


class EditStep(Strict):
    wording = serializers.CharField(required=False, allow_blank=True)
    selector = serializers.CharField(required=False, max_length=20_000)
    text = serializers.CharField(
        required=False, allow_blank=True, trim_whitespace=False, max_length=100_000
    )

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        if not attrs:
            raise serializers.ValidationError("Nothing to change: give wording, selector or text.")
        return attrs
