"""Which connector serves which kind of source.

A connector is one class in `ingestion/<kind>/connector.py` that registers itself by `@connector`.
Its `settings` are the one declaration from which the API's validation, the console's form and
OpenAPI are made; fields declared write-only are sealed where they are stored.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from importlib.util import find_spec
from typing import Any, Protocol, TypeVar

from rest_framework import serializers

from ingestion.content import Seen, SyncRun
from ingestion.models import SourceKind
from jobs.egress import Policy


@dataclass(frozen=True, kw_only=True)
class Problem:
    """Something that a test of a connection found: what, why, and what to do, in `message`.

    `field` is the setting (in snake_case) that it is about, empty where it is about none.
    """

    code: str
    message: str
    field: str = ""


@dataclass(frozen=True, kw_only=True)
class Report:
    """What a test of a connection found. It passed when there is no problem.

    `summary` is a sentence: what was reached, as whom, how much there is. `facts` are shown as a
    list of name and value; `notes` are what a person should know besides.
    """

    summary: str
    facts: Mapping[str, str] = field(default_factory=dict)
    problems: tuple[Problem, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def ok(self) -> bool:
        return not self.problems


class Connector(Protocol):
    """How documents of one kind of source are had."""

    # The source's settings; `identity` names those that make two requests mean one source.
    settings: type[serializers.Serializer[Any]]
    identity: tuple[str, ...]

    def name_for(self, settings: Mapping[str, Any]) -> str:
        """What a source with these settings is called where nobody gave it a name."""

    def test(self, *, settings: Mapping[str, Any], policy: Policy, owner_id: int) -> Report:
        """Try the connection as the source's owner, secrets opened.

        Never raises for what the other side does.
        """

    def sync(self, *, run: SyncRun) -> Iterator[Seen]:
        """Report every document that there is, that changed, or that `run.only` names.

        :raises ingestion.content.SyncFailed: it can not go on.
        """


Made = TypeVar("Made", bound=type)

_connectors: dict[str, Connector] = {}


class NoConnector(Exception):
    """Sources of this kind are not synced."""


def connector(kind: str) -> Callable[[Made], Made]:
    """Register the decorated class (made without arguments) for sources of `kind`."""

    def register(made: Made) -> Made:
        if kind in _connectors:
            raise ValueError(f"Sources of kind {kind!r} have two connectors.")
        _connectors[kind] = made()
        return made

    return register


def get(kind: str) -> Connector:
    """:raises NoConnector: nothing syncs sources of `kind`."""
    try:
        return _connectors[kind]
    except KeyError as error:
        raise NoConnector(f"Sources of kind {kind!r} are not synced.") from error


def all_connectors() -> Mapping[str, Connector]:
    return dict(sorted(_connectors.items()))


def import_connectors() -> None:
    """Import `ingestion/<kind>/connector.py` of every kind that has one."""
    for kind in SourceKind.values:
        name = f"ingestion.{kind}"
        found = find_spec(name)
        is_package = found is not None and found.submodule_search_locations is not None
        if is_package and find_spec(f"{name}.connector"):
            importlib.import_module(f"{name}.connector")
