"""Verbs on configurations. Versions go draft → active → archived; only a draft changes."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from django.db import transaction
from django.db.models import Max
from django.utils import timezone

from documents.configurations.checking import Flaw, InvalidConfiguration, checked
from documents.extraction.definition import Definition
from documents.models import Configuration, ConfigurationVersion, VersionState
from jobs import access, audit

if TYPE_CHECKING:
    from django.contrib.auth.models import User

EXAMPLES = Path(__file__).parent / "examples"

__all__ = [
    "DraftChanged",
    "InvalidConfiguration",
    "NameTaken",
    "NotADraft",
    "WrongState",
    "activate",
    "archive",
    "clone",
    "create",
    "definition_of_version",
    "delete_draft",
    "import_text",
    "install_examples",
    "save_draft",
    "start_draft",
]


class NameTaken(Exception):
    """There is a configuration of this name already."""


class NotADraft(Exception):
    """Only a draft can be changed or deleted."""


class WrongState(Exception):
    """The version's state does not allow this."""


class DraftChanged(Exception):
    """Somebody else changed the draft since you opened it."""


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def definition_of_version(version: ConfigurationVersion) -> Definition:
    """:raises InvalidConfiguration: the text does not fit this installation (any more)."""
    return Definition.of(checked(version.text))


@audit.command("configuration.create", says=["note"])
def create(*, text: str, by: User, note: str = "") -> ConfigurationVersion:
    """A new configuration with its first draft.

    :raises InvalidConfiguration: `.flaws` says what is wrong with the text.
    :raises NameTaken: see there.
    """
    access.check_may_do(by=by)
    body = checked(text)
    return _create(body, text, by, note)


def _create(body: Mapping[str, Any], text: str, by: User, note: str) -> ConfigurationVersion:
    name = body["name"]
    if Configuration.objects.filter(name=name).exists():
        raise NameTaken(f"There is a configuration {name!r} already. Choose another name.")
    configuration = Configuration.objects.create(
        name=name, title=_title(body), created_by=by, created_at=timezone.now()
    )
    return _add(configuration, text, by, note, based_on=None)


def _title(body: Mapping[str, Any]) -> str:
    return str(body.get("title") or body["name"].replace("-", " ").capitalize())


def _add(
    configuration: Configuration,
    text: str,
    by: User,
    note: str,
    *,
    based_on: ConfigurationVersion | None,
) -> ConfigurationVersion:
    last = configuration.versions.aggregate(last=Max("number"))["last"] or 0
    now = timezone.now()
    return ConfigurationVersion.objects.create(
        configuration=configuration,
        number=last + 1,
        text=text,
        sha256=_sha256(text),
        note=note[:300],
        based_on=based_on,
        created_by=by,
        created_at=now,
        updated_at=now,
    )


def _locked(configuration: Configuration) -> Configuration:
    """The row, locked: two verbs on one configuration follow each other."""
    return Configuration.objects.select_for_update(of=("self",)).get(pk=configuration.pk)


def _named(configuration: Configuration, text: str) -> dict[str, Any]:
    body = checked(text)
    if body["name"] != configuration.name:
        raise InvalidConfiguration(
            [
                Flaw(
                    path="name",
                    why=f"This is configuration {configuration.name!r}, and its name stays.",
                    do="Clone it to get one of another name.",
                )
            ]
        )
    return body


@audit.command("configuration.edit", says=["note"])
def save_draft(
    *,
    configuration: Configuration,
    text: str,
    by: User,
    note: str | None = None,
    expected_sha256: str | None = None,
) -> ConfigurationVersion:
    """Change the draft; without one, make it the next version.

    With `expected_sha256`, only while the draft is still that text.

    :raises InvalidConfiguration: `.flaws` says what is wrong with the text.
    :raises DraftChanged: see there.
    """
    access.check_may_do(by=by)
    configuration = _locked(configuration)
    _named(configuration, text)
    draft = configuration.versions.filter(state=VersionState.DRAFT).first()
    if draft is None:
        base = configuration.versions.filter(state=VersionState.ACTIVE).first()
        return _add(configuration, text, by, note or "", based_on=base)
    if expected_sha256 and draft.sha256 != expected_sha256:
        raise DraftChanged(f"{DraftChanged.__doc__} Reload the page; your text is not saved.")
    draft.text, draft.sha256, draft.updated_at = text, _sha256(text), timezone.now()
    if note is not None:
        draft.note = note[:300]
    draft.save(update_fields=["text", "sha256", "note", "updated_at"])
    return draft


@audit.command("configuration.draft")
def start_draft(*, version: ConfigurationVersion, by: User, note: str = "") -> ConfigurationVersion:
    """A new draft with the text of `version`.

    :raises WrongState: there is a draft already.
    """
    access.check_may_do(by=by)
    configuration = _locked(version.configuration)
    draft = configuration.versions.filter(state=VersionState.DRAFT).first()
    if draft is not None:
        raise WrongState(f"Version {draft.number} is a draft already; edit or delete that one.")
    return _add(configuration, version.text, by, note, based_on=version)


@audit.command("configuration.activate", target="version")
def activate(*, version: ConfigurationVersion, by: User) -> ConfigurationVersion:
    """Use this version from now on; the one that was active is archived.

    :raises WrongState: it is active already.
    :raises InvalidConfiguration: its text does not fit this installation (any more).
    """
    access.check_may_do(by=by)
    configuration = _locked(version.configuration)
    version = ConfigurationVersion.objects.get(pk=version.pk)
    if version.state == VersionState.ACTIVE:
        raise WrongState(f"Version {version.number} is active already.")
    body = checked(version.text)
    now = timezone.now()
    configuration.versions.filter(state=VersionState.ACTIVE).update(
        state=VersionState.ARCHIVED, archived_at=now
    )
    version.state, version.activated_at, version.archived_at = VersionState.ACTIVE, now, None
    version.save(update_fields=["state", "activated_at", "archived_at"])
    configuration.title = _title(body)
    configuration.save(update_fields=["title"])
    return version


@audit.command("configuration.archive", target="version")
def archive(*, version: ConfigurationVersion, by: User) -> ConfigurationVersion:
    """Use this version no more. A configuration without an active one extracts only by number.

    :raises WrongState: it is archived already.
    """
    access.check_may_do(by=by)
    _locked(version.configuration)
    version = ConfigurationVersion.objects.get(pk=version.pk)
    if version.state == VersionState.ARCHIVED:
        raise WrongState(f"Version {version.number} is archived already.")
    version.state, version.archived_at = VersionState.ARCHIVED, timezone.now()
    version.save(update_fields=["state", "archived_at"])
    return version


@audit.command("configuration.delete_draft", target="version")
def delete_draft(*, version: ConfigurationVersion, by: User) -> None:
    """Throw a draft away; a configuration that never had another version goes with it.

    :raises NotADraft: see there.
    :raises WrongState: an extraction used it, and rests on it.
    """
    access.check_may_do(by=by)
    configuration = _locked(version.configuration)
    version = ConfigurationVersion.objects.get(pk=version.pk)
    if version.state != VersionState.DRAFT:
        raise NotADraft(f"Version {version.number} is {version.state}. Archive it instead.")
    if version.runs.exists():
        raise WrongState(
            f"An extraction used version {version.number}, and its result rests on it. Archive it instead."
        )
    if configuration.versions.count() == 1:
        configuration.delete()
    else:
        version.delete()


@audit.command("configuration.clone", says=["name"])
def clone(*, version: ConfigurationVersion, name: str, by: User) -> ConfigurationVersion:
    """A new configuration called `name` whose draft is this version's text.

    :raises NameTaken, InvalidConfiguration: of the new name.
    """
    access.check_may_do(by=by)
    text = _renamed(version.text, name)
    return _create(
        checked(text), text, by, f"Cloned from {version.configuration.name} {version.number}"
    )


def _renamed(text: str, name: str) -> str:
    """The text under another name; all else, comments too, as it was."""
    lines = text.splitlines(keepends=True)
    for position, line in enumerate(lines):
        if line.startswith("name:"):
            ending = line[len(line.rstrip("\r\n")) :]
            lines[position] = f"name: {name}{ending}"
            return "".join(lines)
    import yaml

    body = yaml.safe_load(text)
    return yaml.safe_dump({**body, "name": name}, sort_keys=False, allow_unicode=True)


@audit.command("configuration.import")
def import_text(*, text: str, by: User, note: str = "Imported") -> ConfigurationVersion:
    """A configuration from its YAML: a new one, or the draft of the one of this name.

    :raises InvalidConfiguration: `.flaws` says what is wrong with the text.
    :raises WrongState: that one has a draft already, which an import does not overwrite.
    """
    access.check_may_do(by=by)
    body = checked(text)
    configuration = Configuration.objects.filter(name=body["name"]).first()
    if configuration is None:
        return _create(body, text, by, note)
    configuration = _locked(configuration)
    draft = configuration.versions.filter(state=VersionState.DRAFT).first()
    if draft is not None:
        raise WrongState(
            f"Version {draft.number} of {configuration.name!r} is a draft already. "
            "Activate or delete it first; an import does not overwrite it."
        )
    base = configuration.versions.filter(state=VersionState.ACTIVE).first()
    return _add(configuration, text, by, note, based_on=base)


def install_examples(*, by: User) -> list[ConfigurationVersion]:
    """Import and activate the ready-made configurations that are not here yet."""
    access.check_may_do(by=by)
    made = []
    with transaction.atomic():
        for file in sorted(EXAMPLES.glob("*.yaml")):
            if not Configuration.objects.filter(name=file.stem).exists():
                version = import_text(text=file.read_text(), by=by, note="Ready-made example")
                made.append(activate(version=version, by=by))
    return made
