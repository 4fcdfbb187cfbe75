"""What a declaration of options says, as JSON Schema for programs and as fields for forms.

Both are read off the serializer that also validates, so that they can not disagree with it.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from django.core import validators as django_validators
from rest_framework import serializers
from rest_framework.fields import empty

from jobs.casing import camel
from jobs.options import default_of

Field = serializers.Field[Any, Any, Any, Any]

# The first that fits names the type; the order matters, subclasses come first.
_TYPES: tuple[tuple[type[Any], dict[str, Any]], ...] = (
    (serializers.BooleanField, {"type": "boolean"}),
    (serializers.IntegerField, {"type": "integer"}),
    (serializers.FloatField, {"type": "number"}),
    (serializers.DecimalField, {"type": "string", "format": "decimal"}),
    (serializers.EmailField, {"type": "string", "format": "email"}),
    (serializers.URLField, {"type": "string", "format": "uri"}),
    (serializers.UUIDField, {"type": "string", "format": "uuid"}),
    (serializers.DateTimeField, {"type": "string", "format": "date-time"}),
    (serializers.DateField, {"type": "string", "format": "date"}),
    (serializers.CharField, {"type": "string"}),
)


def json_schema(declared: type[serializers.Serializer[Any]]) -> dict[str, Any]:
    """The options as a JSON Schema (2020-12), names as on the wire."""
    return _object(declared())


def _object(serializer: serializers.BaseSerializer[Any]) -> dict[str, Any]:
    fields: Mapping[str, Field] = getattr(serializer, "fields", {})
    spell = camel if getattr(serializer, "parent", None) is None else str
    properties = {spell(name): _property(field) for name, field in fields.items()}
    schema: dict[str, Any] = {"type": "object", "properties": properties}
    required = [spell(name) for name, field in fields.items() if field.required]
    if required:
        schema["required"] = required
    if getattr(serializer, "parent", None) is None:
        schema["additionalProperties"] = False
    return schema


def _property(field: Field) -> dict[str, Any]:
    schema = _bare(field)
    if field.allow_null:
        schema = _or_null(schema)
    if field.label:
        schema["title"] = str(field.label)
    if field.help_text:
        schema["description"] = str(field.help_text)
    if field.write_only:
        schema["writeOnly"] = True
    default = default_of(field)
    if default is not empty:
        schema["default"] = default
    return schema


def _bare(field: Field) -> dict[str, Any]:
    if isinstance(field, serializers.MultipleChoiceField):
        choices = {"enum": list(field.choices)}
        return {"type": "array", "uniqueItems": True, "items": choices}
    if isinstance(field, serializers.ChoiceField):
        return {"enum": list(field.choices)}
    if isinstance(field, serializers.ListField):
        items = {"items": _property(field.child)} if field.child is not None else {}
        return {"type": "array", **items, **_lengths(field, "Items")}
    if isinstance(field, serializers.DictField):
        return {"type": "object", "additionalProperties": _property(field.child)}
    if isinstance(field, serializers.ListSerializer):
        child = field.child
        assert isinstance(child, serializers.BaseSerializer)
        return {"type": "array", "items": _object(child)}
    if isinstance(field, serializers.BaseSerializer):
        return _object(field)
    schema = next((dict(schema) for known, schema in _TYPES if isinstance(field, known)), {})
    schema |= _lengths(field, "Length") | _bounds(field)
    pattern = _pattern(field)
    return {**schema, "pattern": pattern} if pattern else schema


def _or_null(schema: dict[str, Any]) -> dict[str, Any]:
    if "enum" in schema:
        return {**schema, "enum": [*schema["enum"], None]}
    if "type" in schema:
        return {**schema, "type": [schema["type"], "null"]}
    return schema


def _lengths(field: Field, what: str) -> dict[str, Any]:
    found = {}
    least = getattr(field, "min_length", None)
    most = getattr(field, "max_length", None)
    if least is None and isinstance(field, serializers.CharField) and not field.allow_blank:
        least = None if isinstance(field, serializers.ChoiceField) else 1
    if least is not None:
        found[f"min{what}"] = least
    if most is not None:
        found[f"max{what}"] = most
    return found


def _bounds(field: Field) -> dict[str, Any]:
    found = {}
    if getattr(field, "min_value", None) is not None:
        found["minimum"] = getattr(field, "min_value")  # noqa: B009  (only numbers have it)
    if getattr(field, "max_value", None) is not None:
        found["maximum"] = getattr(field, "max_value")  # noqa: B009
    return found


def _pattern(field: Field) -> str:
    if not isinstance(field, serializers.RegexField):
        return ""
    for validator in field.validators:
        if isinstance(validator, django_validators.RegexValidator):
            return str(getattr(validator.regex, "pattern", validator.regex))
    return ""


@dataclass(frozen=True, kw_only=True)
class FormField:
    """One input of a form for options. Nested options come as inputs of their own.

    `name` is the way to the option on the wire, with dots (`viewport.width`). `type` is text,
    number, integer, boolean, choice, choices, list, map, or datetime. A `secret` is never shown.
    `group` is the label of the option that a nested input belongs to; that option is sent only
    when one of its inputs was filled in.
    """

    name: str
    label: str
    type: str
    required: bool
    secret: bool
    nullable: bool
    default: Any
    help: str
    group: str = ""
    choices: tuple[tuple[Any, str], ...] = ()
    minimum: float | None = None
    maximum: float | None = None
    max_length: int | None = None
    pattern: str = ""


_FORM_TYPES: tuple[tuple[type[Any], str], ...] = (
    (serializers.BooleanField, "boolean"),
    (serializers.IntegerField, "integer"),
    (serializers.FloatField, "number"),
    (serializers.DecimalField, "number"),
    (serializers.DateTimeField, "datetime"),
    (serializers.MultipleChoiceField, "choices"),
    (serializers.ChoiceField, "choice"),
    (serializers.DictField, "map"),
)


def form_fields(declared: type[serializers.Serializer[Any]]) -> list[FormField]:
    """The inputs of a form for these options, in the order of the declaration."""
    return list(_inputs(declared().fields, way="", group="", secret=False, optional=False))


def _inputs(
    fields: Mapping[str, Field], *, way: str, group: str, secret: bool, optional: bool
) -> Iterator[FormField]:
    for name, field in fields.items():
        # Only the outermost names are spelled for the wire: `jobs.options` reads them so.
        spelled = f"{way}.{name}" if way else camel(name)
        label = str(field.label or name.replace("_", " ").capitalize())
        hidden = secret or field.write_only
        if isinstance(field, serializers.Serializer):
            yield from _inputs(
                field.fields,
                way=spelled,
                group=label,
                secret=hidden,
                optional=optional or not field.required or field.allow_null,
            )
            continue
        default = default_of(field)
        yield FormField(
            name=spelled,
            label=label,
            type=_form_type(field),
            required=field.required and not optional,
            secret=hidden,
            nullable=field.allow_null,
            default=None if default is empty else default,
            help=str(field.help_text or ""),
            group=group,
            choices=_choices(field),
            minimum=getattr(field, "min_value", None),
            maximum=getattr(field, "max_value", None),
            max_length=getattr(field, "max_length", None),
            pattern=_pattern(field),
        )


def _form_type(field: Field) -> str:
    if isinstance(field, serializers.ListField):
        return "choices" if isinstance(field.child, serializers.ChoiceField) else "list"
    return next((name for known, name in _FORM_TYPES if isinstance(field, known)), "text")


def _choices(field: Field) -> tuple[tuple[Any, str], ...]:
    if isinstance(field, serializers.ListField):
        field = field.child
    if isinstance(field, serializers.ChoiceField):
        return tuple((value, str(label)) for value, label in field.choices.items())
    return ()
