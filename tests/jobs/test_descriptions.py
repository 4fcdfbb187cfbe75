"""What GET /api/config/job-options says comes from the one declaration that also validates."""

from __future__ import annotations

import json
from typing import Any

import jsonschema
import pytest
from django.contrib.auth.models import User
from rest_framework import serializers

import tests.kinds.engine  # noqa: F401  (registers the test-only kinds)
from jobs import registry, services
from jobs.option_schema import form_fields, json_schema
from jobs.options import clean_options
from jobs.registry import InvalidOptions
from recorder.kinds.record import Options as RecordOptions

pytestmark = pytest.mark.django_db


class Size(serializers.Serializer[Any]):
    width_px = serializers.IntegerField(min_value=1, max_value=100)
    unit = serializers.ChoiceField(choices=["px", "em"], default="px")


class Everything(serializers.Serializer[Any]):
    short_text = serializers.CharField(max_length=5, help_text="A few letters.")
    any_text = serializers.CharField(required=False, allow_blank=True, default="")
    code = serializers.RegexField(r"^[a-z]+$", required=False)
    count = serializers.IntegerField(min_value=1, max_value=9, default=3)
    share = serializers.FloatField(min_value=0, max_value=1, allow_null=True, default=None)
    on = serializers.BooleanField(default=True)
    colour = serializers.ChoiceField(choices=[("r", "Red"), ("g", "Green")], default="r")
    colours = serializers.ListField(
        child=serializers.ChoiceField(choices=["r", "g"]), default=list, max_length=2
    )
    words = serializers.ListField(child=serializers.CharField(), required=False)
    headers = serializers.DictField(child=serializers.CharField(), required=False, write_only=True)
    token = serializers.CharField(write_only=True, required=False)
    page = serializers.URLField(required=False)
    key = serializers.UUIDField(required=False)
    at = serializers.DateTimeField(required=False)
    size = Size(allow_null=True, default=None)


def test_the_schema_says_all_that_the_declaration_does() -> None:
    schema = json_schema(Everything)
    jsonschema.Draft202012Validator.check_schema(schema)
    properties = schema["properties"]
    assert schema["required"] == ["shortText"]
    assert schema["additionalProperties"] is False
    assert properties["shortText"] == {
        "type": "string",
        "minLength": 1,
        "maxLength": 5,
        "title": "Short text",
        "description": "A few letters.",
    }
    assert properties["anyText"]["default"] == ""
    assert properties["code"]["pattern"] == "^[a-z]+$"
    count = properties["count"]
    assert (count["minimum"], count["maximum"], count["default"]) == (1, 9, 3)
    assert properties["share"]["type"] == ["number", "null"]
    assert properties["share"]["default"] is None
    assert properties["colour"]["enum"] == ["r", "g"]
    assert properties["colours"] == {
        "type": "array",
        "items": {"enum": ["r", "g"]},
        "maxItems": 2,
        "title": "Colours",
        "default": [],
    }
    assert properties["headers"]["additionalProperties"]["type"] == "string"
    assert properties["token"]["writeOnly"] is True
    assert [properties[name]["format"] for name in ("page", "key", "at")] == [
        "uri",
        "uuid",
        "date-time",
    ]
    assert properties["size"]["type"] == ["object", "null"]
    assert properties["size"]["required"] == ["width_px"]


GOOD: dict[str, Any] = {"shortText": "abc", "size": {"width_px": 3}, "colours": ["r"]}


@pytest.mark.parametrize(
    "change",
    [
        {},
        {"shortText": None},
        {"shortText": ""},
        {"shortText": "abcdef"},
        {"count": 0},
        {"count": 10},
        {"count": "many"},
        {"share": None},
        {"share": 1.5},
        {"colour": "blue"},
        {"colours": ["r", "blue"]},
        {"colours": ["r", "g", "r"]},
        {"words": [1, "a"]},
        {"headers": {"a": "b"}},
        {"headers": "a: b"},
        {"code": "ABC"},
        {"size": None},
        {"size": {}},
        {"size": {"width_px": 1, "unit": "pt"}},
        {"unknown": 1},
    ],
)
def test_what_the_schema_refuses_the_declaration_refuses(change: dict[str, Any]) -> None:
    """The other way round it may be stricter or more lenient (it converts "3" to 3)."""
    options = {**GOOD, **change}
    fits = jsonschema.Draft202012Validator(json_schema(Everything)).is_valid(options)
    try:
        clean_options(Everything, options)
    except InvalidOptions:
        assert not fits
    else:
        assert fits or change == {"words": [1, "a"]}


def test_form_fields_come_in_order_with_what_a_form_needs() -> None:
    fields = {field.name: field for field in form_fields(Everything)}
    assert list(fields)[:3] == ["shortText", "anyText", "code"]
    assert (fields["shortText"].type, fields["shortText"].required) == ("text", True)
    assert (fields["count"].type, fields["count"].minimum, fields["count"].default) == (
        "integer",
        1,
        3,
    )
    assert fields["colour"].choices == (("r", "Red"), ("g", "Green"))
    assert (fields["colours"].type, fields["words"].type) == ("choices", "list")
    assert (fields["headers"].type, fields["headers"].secret) == ("map", True)
    assert (fields["at"].type, fields["token"].secret) == ("datetime", True)
    width = fields["size.width_px"]
    assert (width.group, width.required, width.maximum) == ("Size", False, 100)


def test_every_kind_is_described_with_schemas_that_hold(owner_of_all: User) -> None:
    said = services.kind_descriptions(by=owner_of_all)
    json.dumps(said)
    assert [kind["name"] for kind in said["kinds"]] == [kind.name for kind in registry.all_kinds()]
    for kind in said["kinds"]:
        jsonschema.Draft202012Validator.check_schema(kind["optionsSchema"])
        assert all(action["implemented"] is True for action in kind["supportedActions"])
        # Defaults are what a submission gets that leaves the option out.
        assert set(kind["defaults"]) <= set(kind["optionsSchema"]["properties"])
    record = next(kind for kind in said["kinds"] if kind["name"] == "recorder.record")
    assert (record["submittable"], record["submitPage"]) == (
        False,
        "/admin/recorder/recordingsession/add/",
    )
    assert [action["type"] for action in record["supportedActions"]] == [
        "cancel",
        "rerun",
        "edit_metadata",
        "stop",
        "replay",
    ]
    assert record["limits"]["retry"]["maxAttempts"] == 1
    assert said["limits"]["tags"] == 20
    assert said["uploads"]["requestBytes"] > 0


def test_a_policy_shows_in_the_description(owner_of_all: User) -> None:
    services.set_policy(
        kind="test.noop",
        values={"concurrency": 4, "rate_starts": 10, "rate_window_s": 60},
        by=owner_of_all,
    )
    kinds = services.kind_descriptions(by=owner_of_all)["kinds"]
    limits = next(kind for kind in kinds if kind["name"] == "test.noop")["limits"]
    assert (limits["concurrency"], limits["rate"]) == (4, {"starts": 10, "windowS": 60})


def test_a_recordings_schema_accepts_its_own_defaults() -> None:
    schema = json_schema(RecordOptions)
    defaults = {
        name: option["default"]
        for name, option in schema["properties"].items()
        if "default" in option
    }
    assert defaults["trace"] is True
    jsonschema.Draft202012Validator(schema).validate(defaults)
    assert clean_options(RecordOptions, defaults) == clean_options(RecordOptions, {})


@pytest.fixture
def owner_of_all(db: None) -> User:
    return User.objects.create_superuser(username="root")
