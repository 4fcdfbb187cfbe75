"""Options of a kind: camelCase on the wire, snake_case inside, secrets sealed."""

import json
from collections.abc import Mapping
from typing import Any

from rest_framework import serializers
from rest_framework.fields import empty
from rest_framework.utils.serializer_helpers import ReturnDict

from jobs.casing import camel
from jobs.registry import InvalidOptions
from jobs.secrets import MASK, SecretUnreadable, is_sealed, masked, seal, unseal

Declared = type[serializers.Serializer[Any]]

MAX_BYTES = 64 * 1024


def spelled_inside(declared: Declared, raw: Mapping[str, Any]) -> dict[str, Any]:
    """`raw` with each known name in snake_case; unknown names stay as they are.

    :raises InvalidOptions: it is no object, or too large.
    """
    refuse_large(raw)
    inside = {camel(str(name)): str(name) for name in declared().fields}
    return {inside.get(name, name): value for name, value in raw.items()}


def refuse_large(raw: Any) -> None:
    """:raises InvalidOptions: `raw` is no object, is not JSON, or takes more than `MAX_BYTES`."""
    if not isinstance(raw, Mapping):
        raise InvalidOptions({"options": ["Must be an object."]})
    try:
        size_bytes = len(
            json.dumps(raw, default=str, ensure_ascii=False).encode("utf-8", "replace")
        )
    except (ValueError, RecursionError) as error:
        raise InvalidOptions({"options": ["This is not JSON."]}) from error
    if size_bytes > MAX_BYTES:
        text = f"Options take at most {MAX_BYTES // 1024} KiB as JSON; these take {size_bytes // 1024}."
        raise InvalidOptions({"options": [text]})


def validated(declared: Declared, raw: Mapping[str, Any], *, partial: bool = False) -> Any:
    """What the declaration makes of `raw` (either spelling of each name); secrets opened.

    With `partial` only what is given is checked, and no default is filled in.

    :raises InvalidOptions: every unknown or unfit field, named as it was given.
    """
    refuse_large(raw)
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
        if fields[name].write_only and _has_mask(value):
            errors[spelled[name]] = ["These dots stand for a secret that is not here; type it in."]
            del given[name]
            continue
        # A rerun passes on what is sealed already: opened here, so that it is checked like the rest.
        try:
            given[name] = unseal(value) if fields[name].write_only else value
        except SecretUnreadable as error:
            errors[spelled[name]] = [str(error)]
            del given[name]
    if not partial:
        # What a job was given by default may not pass as input (an empty text, say), and a rerun
        # or an edit gives it back: it means the default still.
        given = {name: value for name, value in given.items() if value != default_of(fields[name])}
    serializer = declared(data=given, partial=partial)
    if not serializer.is_valid():
        problems: ReturnDict[str, Any] = serializer.errors
        for name, problem in problems.items():
            errors.setdefault(spelled.get(name, camel(name)), problem)
    if errors:
        raise InvalidOptions(errors)
    return serializer.validated_data


def clean_options(
    declared: Declared, raw: Mapping[str, Any], *, partial: bool = False
) -> dict[str, Any]:
    """Validate `raw` (either spelling of each name) against the declaration.

    Defaults are filled in, unless `partial`; fields declared write-only come back sealed.

    :raises InvalidOptions: every unknown or unfit field, named as it was given.
    """
    data = validated(declared, raw, partial=partial)
    values: dict[str, Any] = {}
    for name, field in declared().fields.items():
        if name in data:
            value = data[name]
            if field.write_only and value:
                values[name] = _sealed_leaves(value)
            else:
                values[name] = field.to_representation(value) if value is not None else None
    return values


def unmasked(given: Any, *, before: Any) -> Any:
    """`given`, in which dots that stand for a secret of `before` are that secret again, sealed.

    A form shows a secret as dots and sends them back where nobody typed a new one.
    """
    if given == MASK and is_sealed(before):
        return before
    if isinstance(given, Mapping) and isinstance(before, Mapping) and not is_sealed(before):
        return {name: unmasked(value, before=before.get(name)) for name, value in given.items()}
    return given


def masked_wire(options: Mapping[str, Any]) -> dict[str, Any]:
    """Stored options as they are shown: names as on the wire, secrets as dots."""
    return {camel(name): value for name, value in masked(dict(options)).items()}


def has_secret(value: Any) -> bool:
    """Whether anything in `value` is sealed, however deep."""
    if is_sealed(value):
        return True
    if isinstance(value, Mapping):
        return any(has_secret(inner) for inner in value.values())
    return isinstance(value, list) and any(has_secret(inner) for inner in value)


def _has_mask(value: Any) -> bool:
    if isinstance(value, Mapping):
        return any(_has_mask(inner) for inner in value.values())
    if isinstance(value, list | tuple):
        return any(_has_mask(inner) for inner in value)
    return bool(value == MASK)


def default_of(field: serializers.Field[Any, Any, Any, Any]) -> Any:
    """The default as JSON, called where it is callable; `empty` where there is none."""
    value = field.default
    if value is empty:
        return empty
    if callable(value):
        value = value()
    return value if value is None else field.to_representation(value)


def _sealed_leaves(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _sealed_leaves(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_sealed_leaves(inner) for inner in value]
    return seal(str(value))
