"""Presets: named options of a kind."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from django.db import IntegrityError, transaction
from django.utils import timezone

from jobs import access, audit, registry
from jobs.models import Preset
from jobs.options import clean_options, spelled_inside, unmasked
from jobs.secrets import masked
from jobs.services.bounds import Checks, unprintable
from jobs.services.refusals import InvalidFields, UnknownPreset

if TYPE_CHECKING:
    from django.contrib.auth.models import User

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
    :raises InvalidOptions: an option is unknown or unfit.
    :raises InvalidFields: the name is empty, too long or taken, or the kind was to change.
    """
    access.check_may_do(by=by)
    row = checked_preset(
        kind=kind, name=name, options=options, description=description, preset=preset
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
    row = preset or Preset(kind=kind, created_at=now)
    row.name, row.description, row.updated_at = name, description, now
    row.options = clean_options(spec.options, kept, partial=True)
    return row


def _taken(preset: Preset) -> str:
    return f"{preset.kind} has a preset {preset.name!r} already."


def _facts(preset: Preset) -> dict[str, Any]:
    options = {f"option {name}": value for name, value in masked(preset.options).items()}
    return {"name": preset.name, "description": preset.description, **options}


@audit.command("preset.delete", target="preset")
def delete_preset(*, preset: Preset, by: "User") -> None:
    """Jobs that were submitted with it keep their options.

    :raises NotAllowed: `by` is no operator.
    """
    access.check_may_do(by=by)
    preset.delete()
