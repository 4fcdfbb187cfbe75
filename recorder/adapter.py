"""Everything private about Playwright, pinned to one version; tests/recorder/test_adapter.py is its contract.

The recorder's bindings live in the page's world, so all that comes out of them is untrusted:
types are checked here, and whether an action happened at all is decided by recorder.session.gestures.
"""

from __future__ import annotations

import asyncio
import contextlib
import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from importlib.metadata import version
from typing import Any, Literal

from playwright._impl._async_base import mapping
from playwright._impl.channel_owner import ApiZone
from playwright._impl.utils.zones import _async_local_storage as _ZONE
from playwright._impl.utils.zones import current_zone, empty_zone
from playwright.async_api import BrowserContext, Error, Locator, Page

PINNED = "1.65.2"
_MODIFIERS = ((1, "Alt"), (2, "Control"), (4, "Meta"), (8, "Shift"))
_LONGEST_SELECTOR = 4_000
_LONGEST_TEXT = 100_000


class WrongPlaywright(RuntimeError):
    """This Playwright is not the version that the recorder's adapter was written for."""


class UntrustedAction(ValueError):
    """The recorder reported an action of an unknown kind or shape."""

    def __init__(self, name: str, why: str) -> None:
        super().__init__(f"{name}: {why}")
        self.name = name


@dataclass(frozen=True, kw_only=True)
class RecordedAction:
    """One action as the recorder saw it, every field type-checked."""

    name: str
    selector: str = ""
    params: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Recorded:
    """A report of the recorder: an action that is new, or a newer form of the last one."""

    op: Literal["added", "updated"]
    page: Page
    action: RecordedAction | UntrustedAction


def check_version() -> None:
    """:raises WrongPlaywright: another version is installed."""
    installed = version("playwright")
    if installed != PINNED:
        raise WrongPlaywright(f"{WrongPlaywright.__doc__} Installed {installed}, needed {PINNED}.")


class Recording:
    """Playwright's recorder on one context. `sink` is called on the loop for every report."""

    def __init__(self, *, context: BrowserContext, sink: Callable[[Recorded], None]) -> None:
        check_version()
        self._context = context
        self._sink = sink
        self._on = False

    async def prime(self, page: Page) -> None:
        """Create the recorder in its full mode: whoever asks for it first decides (see ADR 4)."""
        picking = asyncio.ensure_future(page.pick_locator())
        try:
            # Cancelling before the recorder exists does nothing, so ask until the pick ends.
            while not picking.done():
                await page.cancel_pick_locator()
                await asyncio.wait({picking}, timeout=0.05)
        finally:
            picking.cancel()
            with contextlib.suppress(Error, asyncio.CancelledError):
                await picking

    async def start(self) -> None:
        if not self._on:
            await _private(self._context)._start_recording({"language": "jsonl"}, self)
            self._on = True

    async def stop(self) -> None:
        """Stop; an action that the recorder still held back is reported before this returns."""
        if self._on:
            self._on = False
            await _private(self._context)._stop_recording()

    async def rearm(self) -> None:
        """Start again, whatever mode a page has put the recorder in."""
        await self.stop()
        await self.start()

    # The three names are what Playwright looks for on a sink; `code` is never read.
    def action_added(self, page: Any, data: Any, code: Any) -> None:
        self._sink(Recorded(op="added", page=_public(page), action=_checked(data)))

    def action_updated(self, page: Any, data: Any, code: Any) -> None:
        self._sink(Recorded(op="updated", page=_public(page), action=_checked(data)))

    def signal_added(self, page: Any, data: Any, code: Any) -> None:
        """Dialogs, popups and downloads come from Playwright's public events instead."""


def keep_calls_out_of_traces() -> None:
    """From now on no call of this process is a row of a trace, except those in `shown_in_trace`.

    Each row costs two snapshots of the whole page, and a person's click is a dozen calls of
    ours: seven times the time of the call, and a viewer full of "Evaluate".
    """
    # What runs in no zone runs in this one, listeners of events included.
    empty_zone._data["apiZone"] = ApiZone(api_name="", frames=[], title=None, internal=True)


@contextlib.contextmanager
def shown_in_trace(title: str = "") -> Iterator[None]:
    """The first call inside is a row of the trace with its two snapshots, under this title."""
    zone = current_zone().with_(
        "apiZone", ApiZone(api_name=title, frames=[], title=title or None, internal=False)
    )
    token = _ZONE.set(zone)
    try:
        yield
    finally:
        _ZONE.reset(token)


def selector_of(locator: Locator) -> str:
    """The selector that a locator stands for."""
    return str(locator._impl_obj._selector)


def _private(context: BrowserContext) -> Any:
    return context._impl_obj


def _public(page: Any) -> Page:
    wrapped = mapping.from_impl(page)
    assert isinstance(wrapped, Page)
    return wrapped


def _checked(data: Any) -> RecordedAction | UntrustedAction:
    try:
        return parse_action(data)
    except UntrustedAction as refused:
        return refused


def parse_action(data: Any) -> RecordedAction:
    """One action of the recorder, its fields checked and those we do not know left out.

    :raises UntrustedAction: unknown name, a field of another type, or one that is too long.
    """
    if not isinstance(data, Mapping):
        raise UntrustedAction("?", "not an object")
    name = data.get("name")
    if not isinstance(name, str) or name not in _READERS:
        raise UntrustedAction(str(name)[:60], "unknown action")
    reader = _READERS[name]
    fields = _Fields(name, data)
    if reader is None:
        return RecordedAction(name=name)
    return RecordedAction(name=name, selector=fields.selector(), params=reader(fields))


@dataclass(frozen=True)
class _Fields:
    name: str
    data: Mapping[str, Any]

    def refuse(self, key: str, why: str) -> UntrustedAction:
        return UntrustedAction(self.name, f"{key} {why}")

    def text(self, key: str, longest: int = _LONGEST_TEXT) -> str:
        value = self.data.get(key)
        if not isinstance(value, str):
            raise self.refuse(key, "is not text")
        if len(value) > longest:
            raise self.refuse(key, f"is longer than {longest}")
        return value

    def selector(self) -> str:
        value = self.text("selector", _LONGEST_SELECTOR)
        if not value.strip() or any(ord(char) < 32 for char in value):
            raise self.refuse("selector", "is empty or has control characters")
        return value

    def whole(self, key: str, low: int, high: int) -> int:
        value = self.data.get(key)
        if isinstance(value, float) and value.is_integer():
            value = int(value)
        if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
            raise self.refuse(key, f"is no whole number from {low} to {high}")
        return value

    def modifiers(self) -> list[str]:
        bits = self.whole("modifiers", 0, 15)
        return [name for bit, name in _MODIFIERS if bits & bit]

    def texts(self, key: str) -> list[str]:
        value = self.data.get(key)
        if not isinstance(value, list) or len(value) > 1_000:
            raise self.refuse(key, "is no list")
        if not all(isinstance(one, str) and len(one) <= _LONGEST_TEXT for one in value):
            raise self.refuse(key, "holds something that is not text")
        return list(value)

    def position(self) -> dict[str, float] | None:
        value = self.data.get("position")
        if value is None:
            return None
        if not isinstance(value, Mapping):
            raise self.refuse("position", "is no point")
        point: dict[str, float] = {}
        for axis in ("x", "y"):
            number = value.get(axis)
            if isinstance(number, bool) or not isinstance(number, int | float):
                raise self.refuse("position", "is no point")
            if not math.isfinite(number) or abs(number) > 100_000:
                raise self.refuse("position", "is out of reach")
            point[axis] = number
        return point


def _click(fields: _Fields) -> dict[str, Any]:
    button = fields.text("button", 10)
    if button not in {"left", "middle", "right"}:
        raise fields.refuse("button", "is unknown")
    params: dict[str, Any] = {
        "button": button,
        "click_count": fields.whole("clickCount", 1, 20),
        "modifiers": fields.modifiers(),
    }
    if (position := fields.position()) is not None:
        params["position"] = position
    return params


def _press(fields: _Fields) -> dict[str, Any]:
    key = fields.text("key", 40)
    if not key or any(ord(char) < 32 for char in key):
        raise fields.refuse("key", "is no key")
    # " " is no name that Playwright presses; "Space" is.
    return {"key": "+".join([*fields.modifiers(), "Space" if key == " " else key])}


# What each action's params are read by; None: reported by the recorder, but recorded by the session itself.
_READERS: dict[str, Callable[[_Fields], dict[str, Any]] | None] = {
    "click": _click,
    "press": _press,
    "fill": lambda fields: {"text": fields.text("text")},
    "check": lambda fields: {},
    "uncheck": lambda fields: {},
    "select": lambda fields: {"options": fields.texts("options")},
    "setInputFiles": lambda fields: {"files": fields.texts("files")},
    "navigate": None,
    "openPage": None,
    "closePage": None,
}
