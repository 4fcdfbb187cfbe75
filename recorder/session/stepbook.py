"""The steps of the session, in order, as every viewer and the job know them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from time import time
from typing import Any, Literal

from recorder.selectors import SelectorRefused, python_for
from recorder.steps import Action, Signal, Step
from recorder.wording import wording

Op = Literal["added", "updated", "removed", "restored"]


class UnknownStep(Exception):
    """There is no step with this key."""


@dataclass(kw_only=True)
class Entry:
    """A step and what a person did with it. `position` counts from 1 and never changes;
    `began_at` is when its gesture began, in seconds since 1970."""

    step: Step
    position: int
    began_at: float
    own_words: str = ""
    deleted: bool = False

    @property
    def words(self) -> str:
        return self.own_words or wording(self.step)

    @property
    def locator(self) -> str:
        """The step's selector as a person reads it."""
        try:
            return python_for(self.step.selector) if self.step.selector else ""
        except SelectorRefused:
            return ""

    def as_json(self) -> dict[str, Any]:
        return {
            "step": self.step.as_json(),
            "position": self.position,
            "wording": self.words,
            "ownWords": self.own_words,
            "deleted": self.deleted,
        }


class StepBook:
    """`tell(op, entry)` hears of every change; `clean` takes secrets out of what pages say."""

    def __init__(self, *, tell: Callable[[Op, Entry], None], clean: Callable[[Any], Any]) -> None:
        self._tell = tell
        self._clean = clean
        self._entries: dict[str, Entry] = {}
        self._made = 0

    def __iter__(self) -> Iterator[Entry]:
        return iter(list(self._entries.values()))

    def __len__(self) -> int:
        return len(self._entries)

    def add(
        self,
        *,
        action: Action,
        page: str,
        url: str,
        selector: str = "",
        params: Mapping[str, Any] | None = None,
        element: Mapping[str, str] | None = None,
        signals: tuple[Signal, ...] = (),
        source: str = "recorder",
        flags: tuple[str, ...] = (),
        began_at: float | None = None,
    ) -> Entry:
        self._made += 1
        step = Step(
            key=f"s{self._made}",
            action=action,
            page=page,
            selector=selector,
            params=dict(params or {}),
            element=dict(element or {}),
            signals=signals,
            url=url,
            at=datetime.now(UTC).isoformat(timespec="milliseconds"),
            source=source,
            flags=flags,
        )
        entry = Entry(step=self._cleaned(step), position=self._made, began_at=began_at or time())
        self._entries[step.key] = entry
        self._tell("added", entry)
        return entry

    def get(self, key: str) -> Entry:
        """:raises UnknownStep: see its docstring."""
        try:
            return self._entries[key]
        except KeyError as error:
            raise UnknownStep(f"There is no step {key!r}.") from error

    def last(self) -> Entry | None:
        for entry in reversed(self._entries.values()):
            if not entry.deleted:
                return entry
        return None

    def change(self, key: str, **changes: Any) -> Entry:
        entry = self.get(key)
        changed = self._cleaned(replace(entry.step, **changes))
        if changed != entry.step:
            entry.step = changed
            self._tell("updated", entry)
        return entry

    def _cleaned(self, step: Step) -> Step:
        json = step.as_json()
        cleaned = self._clean(json)
        return step if cleaned == json else Step.from_json(cleaned)

    def reword(self, key: str, words: str) -> None:
        entry = self.get(key)
        entry.own_words = words.strip()
        self._tell("updated", entry)

    def delete(self, key: str) -> None:
        entry = self.get(key)
        if not entry.deleted:
            entry.deleted = True
            self._tell("removed", entry)

    def restore(self, key: str) -> None:
        entry = self.get(key)
        if entry.deleted:
            entry.deleted = False
            self._tell("restored", entry)

    def kept(self) -> list[Step]:
        return [entry.step for entry in self._entries.values() if not entry.deleted]
