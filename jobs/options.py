"""Options of a kind: camelCase on the wire, snake_case inside, secrets sealed."""

from collections.abc import Mapping
from typing import Any

from rest_framework import serializers
from rest_framework.utils.serializer_helpers import ReturnDict

from jobs.registry import InvalidOptions
from jobs.secrets import SecretUnreadable, seal, unseal


def camel(name: str) -> str:
    head, *rest = name.split("_")
    return head + "".join(part.capitalize() for part in rest)


def clean_options(
    declared: type[serializers.Serializer[Any]], raw: Mapping[str, Any]
) -> dict[str, Any]:
    """Validate `raw` (either spelling of each name) against the declaration.

    Defaults are filled in; fields declared write-only come back sealed.

    :raises InvalidOptions: every unknown or unfit field, named as it was given.
    """
    if not isinstance(raw, Mapping):
        raise InvalidOptions({"options": ["Must be an object."]})
    fields: dict[str, serializers.Field[Any, Any, Any, Any]] = dict(declared().fields.items())
    known = {camel(name): name for name in fields} | {name: name for name in fields}
    given = {known[name]: value for name, value in raw.items() if name in known}
    spelled = {known[name]: name for name in raw if name in known}
    errors: dict[str, Any] = {
        name: [f"Unknown option. Known: {', '.join(sorted(camel(field) for field in fields))}."]
        for name in raw
        if name not in known
    }
    for name, value in list(given.items()):
        # A rerun passes on what is sealed already: opened here, so that it is checked like the rest.
        try:
            given[name] = unseal(value) if fields[name].write_only else value
        except SecretUnreadable as error:
            errors[spelled[name]] = [str(error)]
            del given[name]
    serializer = declared(data=given)
    if not serializer.is_valid():
        problems: ReturnDict[str, Any] = serializer.errors
        for name, problem in problems.items():
            errors.setdefault(spelled.get(name, camel(name)), problem)
    if errors:
        raise InvalidOptions(errors)
    values: dict[str, Any] = {}
    for name, field in fields.items():
        if name in serializer.validated_data:
            value = serializer.validated_data[name]
            if field.write_only and value:
                values[name] = _sealed_leaves(value)
            else:
                values[name] = field.to_representation(value) if value is not None else None
    return values


def _sealed_leaves(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _sealed_leaves(inner) for key, inner in value.items()}
    return seal(str(value))
