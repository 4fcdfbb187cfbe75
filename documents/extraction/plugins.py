"""Detectors, transforms and validators of installed packages, by their entry points.

Nothing is uploaded: what the installation's administrator installed is all there is. A package
declares, in its own metadata:

    [project.entry-points."tapedeck.detectors"]      name = "package.module:function"
    [project.entry-points."tapedeck.transforms"]
    [project.entry-points."tapedeck.validators"]

detector(header: str, values: list, field: Field) -> float      0 to 1
transform(value, arguments) -> value                             raises ValueError to report an issue
validator(value, arguments) -> str | None                        what is wrong with it
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import EntryPoint, entry_points
from typing import Any

GROUPS = ("detectors", "transforms", "validators")


class UnknownPlugin(Exception):
    """No installed package registers it."""


class BrokenPlugin(Exception):
    """An installed package registers it, and it can not be loaded."""


@dataclass(frozen=True, kw_only=True)
class Plugin:
    """One entry point of an installed package. `error` says why it can not be loaded."""

    group: str
    name: str
    package: str
    version: str
    target: str
    error: str = ""
    doc: str = ""


def installed() -> list[Plugin]:
    """All plug-ins that installed packages register, loaded once to see whether they can be."""
    found = []
    for group in GROUPS:
        for point in sorted(entry_points(group=f"tapedeck.{group}"), key=lambda point: point.name):
            error = doc = ""
            try:
                loaded = _load(point)
                doc = (loaded.__doc__ or "").strip().split("\n")[0]
            except BrokenPlugin as broken:
                error = str(broken)
            found.append(
                Plugin(
                    group=group,
                    name=point.name,
                    package=point.dist.name if point.dist else "",
                    version=point.dist.version if point.dist else "",
                    target=point.value,
                    error=error,
                    doc=doc,
                )
            )
    return found


def names(group: str) -> set[str]:
    return {point.name for point in entry_points(group=f"tapedeck.{group}")}


def detector(name: str) -> Callable[..., float]:
    """:raises UnknownPlugin, BrokenPlugin: it can not be used."""
    return find("detectors", name)


def find(group: str, name: str) -> Callable[..., Any]:
    """:raises UnknownPlugin, BrokenPlugin: it can not be used."""
    points = sorted(
        entry_points(group=f"tapedeck.{group}", name=name), key=lambda point: point.value
    )
    if not points:
        raise UnknownPlugin(
            f"No installed package registers {name!r} in tapedeck.{group}. "
            "Install it, or take the name out of the configuration."
        )
    return _load(points[0])


def _load(point: EntryPoint) -> Callable[..., Any]:
    try:
        loaded = point.load()
    except Exception as error:  # A foreign module may raise anything at import.
        raise BrokenPlugin(
            f"{point.name} ({point.value}): {type(error).__name__}: {error}"
        ) from error
    if not callable(loaded):
        raise BrokenPlugin(f"{point.name} ({point.value}) is not callable.")
    function: Callable[..., Any] = loaded
    return function
