"""Typed steps: what a session records, what code is generated from, and what a replay reports on.

The JSON of a step travels from the session process to the job, into the database and to
every viewer; its shape is `Step.as_json`. Nothing in it is code.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from typing import Any


class Action(StrEnum):
    OPEN_PAGE = "open_page"  # a tab opened by the operator; params: url
    CLOSE_PAGE = "close_page"
    NAVIGATE = "navigate"  # params: url
    GO_BACK = "go_back"
    GO_FORWARD = "go_forward"
    RELOAD = "reload"
    CLICK = "click"  # params: button, click_count, modifiers, position?
    HOVER = "hover"
    # params: target (selector), or by: {x, y} in CSS pixels, from source_position {x, y}?
    DRAG = "drag"
    FILL = "fill"  # params: text (str or secret reference)
    PRESS = "press"  # params: key ("Control+a")
    CHECK = "check"
    UNCHECK = "uncheck"
    SELECT = "select"  # params: options (list of values)
    UPLOAD = "upload"  # params: files (list of artifact paths below uploads/)
    SCROLL = "scroll"  # params: dx, dy (CSS pixels)
    ASSERT_VISIBLE = "assert_visible"
    ASSERT_TEXT = "assert_text"  # params: text, substring
    ASSERT_VALUE = "assert_value"  # params: text (str or secret reference)
    ASSERT_CHECKED = "assert_checked"  # params: checked
    ASSERT_URL = "assert_url"  # params: url
    UNRECORDED = "unrecorded"  # a gesture that left no step; params: gesture


@dataclass(frozen=True, kw_only=True)
class Signal:
    """What an action set off: popup (page), dialog (kind, accepted, text), download (filename), navigation (url)."""

    name: str
    params: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Step:
    """One step.

    `page` is the alias of its tab ("page", "page1", …). `selector` is one Playwright selector
    from the page down, frames entered by `internal:control=enter-frame`. A secret is never in
    here: a param holds `{"secret": "PASSWORD_1"}` and the value stays in the vault. `flags`:
    "forged" (matches no input that was forwarded, never generated), "unrecorded".
    """

    key: str
    action: Action
    page: str
    selector: str = ""
    params: Mapping[str, Any] = field(default_factory=dict)
    signals: tuple[Signal, ...] = ()
    alternatives: tuple[str, ...] = ()
    element: Mapping[str, str] = field(default_factory=dict)  # role, name, tag, text
    url: str = ""
    at: str = ""  # ISO 8601, UTC
    screenshot: str = ""  # artifact path
    source: str = "recorder"  # or "console"
    flags: tuple[str, ...] = ()

    def as_json(self) -> dict[str, Any]:
        return {**asdict(self), "action": self.action.value}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Step:
        """The step that `as_json` wrote.

        :raises KeyError, TypeError, ValueError: this JSON was not written by `as_json`.
        """
        return cls(
            **{
                **data,
                "action": Action(data["action"]),
                "signals": tuple(Signal(**signal) for signal in data.get("signals", ())),
                "alternatives": tuple(data.get("alternatives", ())),
                "flags": tuple(data.get("flags", ())),
            }
        )
