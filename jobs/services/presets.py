"""Presets: named options of a kind."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from django.db import IntegrityError, transaction
from django.utils import timezone
from rest_framework import serializers

from jobs import access, audit, registry
from jobs.casing import camel
from jobs.models import Preset
from jobs.options import clean_options, has_secret, spelled_inside, unmasked
from jobs.registry import InvalidOptions
from jobs.secrets import masked
from jobs.services.bounds import Checks, unprintable
from jobs.services.refusals import InvalidFields, UnknownPreset

if TYPE_CHECKING:
    from django.contrib.auth.models import User

# Options that cannot say where a secret is sent.
_NO_PLACES = (
    serializers.BooleanField,
    serializers.IntegerField,
    serializers.FloatField,
    serializers.DecimalField,
    serializers.ChoiceField,
    serializers.DateTimeField,
    serializers.DateField,
    serializers.DurationField,
)
NAME_MAX = 80
DESCRIPTION_MAX = 300


def named(*, kind: str, name: str) -> Preset:
    """:raises UnknownPreset: the kind has none of this name; the message names those it has."""
    found = Preset.objects.filter(kind=kind, name=name).first() if isinstance(name, str) else None
    if found is None:
        there = list(Preset.objects.filter(kind=kind).values_list("name", flat=True)[:20])
        known = f" It has: {', '.join(there)}." if there else " It has none."
        raise UnknownPreset(f"The kind {kind!r} has no preset {str(name)[:NAME_MAX]!r}.{known}")
    return found


@audit.command("preset.save", target="preset", says=("kind", "name"))
def save_preset(
    *,
    kind: str,
    name: str,
    options: Mapping[str, Any],
    by: "User",
    description: str = "",
    preset: Preset | None = None,
) -> Preset:
    """Make a preset, or change `preset`. Options that it leaves out come from the submission.

    A secret that comes back as dots is the one that was there.

    :raises NotAllowed: `by` is no operator.
    :raises UnknownKind: no file registers `kind`.
    :raises InvalidOptions: an option is unknown or unfit, or see `check_secrets`.
    :raises InvalidFields: the name is empty, too long or taken, or the kind was to change.
    """
    access.check_may_do(by=by)
    row = checked_preset(
        kind=kind, name=name, options=options, description=description, preset=preset, by=by
    )
    known = _facts(Preset.objects.get(pk=preset.pk)) if preset else {}
    row.created_by = row.created_by if preset else by
    try:
        with transaction.atomic():
            row.save()
    except IntegrityError as error:
        raise InvalidFields({"name": [_taken(row)]}) from error
    audit.say(**audit.changes(before=known, after=_facts(row)))
    return row


def checked_preset(
    *,
    kind: str,
    name: str,
    options: Mapping[str, Any],
    description: str = "",
    preset: Preset | None = None,
    by: "User | None" = None,
) -> Preset:
    """What `save_preset` would store, not stored; raises the same."""
    spec = registry.get(kind)
    checks = Checks()
    name, description = name.strip(), description.strip()
    if not name or len(name) > NAME_MAX or unprintable(name):
        checks.refuse("name", f"1 to {NAME_MAX} characters on one line.")
    if len(description) > DESCRIPTION_MAX:
        checks.refuse("description", f"At most {DESCRIPTION_MAX} characters.")
    if preset is not None and preset.kind != kind:
        checks.refuse("kind", "A preset keeps its kind; make another one.")
    other = Preset.objects.filter(kind=kind, name=name).first()
    if other is not None and (preset is None or other.pk != preset.pk):
        checks.refuse("name", _taken(other))
    checks.done()
    before: Mapping[str, Any] = preset.options if preset else {}
    given = spelled_inside(spec.options, options)
    kept = {option: unmasked(value, before=before.get(option)) for option, value in given.items()}
    now = timezone.now()
    if preset is not None and by is not None:
        unset = {option: None for option in before if option not in kept}
        check_secrets(preset=preset, given={**unset, **kept}, by=by)
    row = preset or Preset(kind=kind, created_at=now)
    row.name, row.description, row.updated_at = name, description, now
    row.options = clean_options(spec.options, kept, partial=True)
    return row


def _taken(preset: Preset) -> str:
    return f"{preset.kind} has a preset {preset.name!r} already."


def _facts(preset: Preset) -> dict[str, Any]:
    options = {f"option {name}": value for name, value in masked(preset.options).items()}
    return {"name": preset.name, "description": preset.description, **options}


def check_secrets(*, preset: Preset, given: Mapping[str, Any], by: Any) -> None:
    """A preset's secrets go only where who keeps it sends them.

    Whoever is neither its maker nor an admin may give other numbers, switches and choices with
    them, but no other text: it might be an address of one's own. `given` are options over the
    preset's, in snake_case; a secret of one's own takes the place of the preset's.

    :raises InvalidOptions: each option that may not change, unless the secrets do.
    """
    if by.pk == preset.created_by_id or access.is_admin(by):
        return
    held = [name for name, value in preset.options.items() if has_secret(value)]
    used = [name for name in held if name not in given or has_secret(given[name])]
    if not used:
        return
    fields = registry.get(preset.kind).options().fields
    changed = {
        name
        for name, value in given.items()
        if value != preset.options.get(name)
        and not (isinstance(fields.get(name), _NO_PLACES) or (name in held and name not in used))
    }
    if changed:
        maker = preset.created_by.get_username() if preset.created_by else "nobody who is left"
        said = (
            f"The preset {preset.name!r} holds secrets of {maker} "
            f"({', '.join(camel(name) for name in used)}), which go only with its own texts. "
            "Leave this as the preset has it, or give secrets of your own."
        )
        raise InvalidOptions({camel(name): [said] for name in sorted(changed)})


@audit.command("preset.delete", target="preset")
def delete_preset(*, preset: Preset, by: "User") -> None:
    """Jobs that were submitted with it keep their options.

    :raises NotAllowed: `by` is no operator.
    """
    access.check_may_do(by=by)
    preset.delete()
