"""Regular expressions of configurations, each with a limit on the time that one text may take.

An expression with nested repeats can take years over thirty characters. Python's `re` looks for
signals while it matches, so a timer of the process ends it; that works in a main thread only, which
is where the bodies of jobs run.
"""

from __future__ import annotations

import re
import signal
from collections.abc import Callable
from types import FrameType
from typing import Any

# Of the processor, so that a busy machine makes no expression slow.
LIMIT_S = 1.0
# After so many texts that took too long the expression is not tried any more in this run.
PATIENCE = 3
_HINT = "Mend it: a repeat inside of a repeat, such as (a+)+, is the usual cause."


class TooSlow(Exception):
    """An expression took too long over one text; the message says which, and what to do."""


class _Rings(BaseException):
    # Not an Exception: nothing between the timer and `_limited` may take it for its own.
    pass


class Expression:
    """One compiled expression of a configuration.

    :raises re.error: it is none.
    """

    def __init__(self, pattern: str, *, flags: int = 0) -> None:
        self.pattern = pattern
        self.overruns = 0
        self._compiled = re.compile(pattern, flags)

    def fullmatch(self, text: str) -> bool:
        """:raises TooSlow: it took longer than `LIMIT_S`, now or too often before."""
        return self._limited(self._compiled.fullmatch, text) is not None

    def search(self, text: str) -> bool:
        """:raises TooSlow: it took longer than `LIMIT_S`, now or too often before."""
        return self._limited(self._compiled.search, text) is not None

    def sub(self, replacement: str, text: str) -> str:
        """:raises TooSlow: it took longer than `LIMIT_S`, now or too often before."""
        changed: str = self._limited(self._compiled.sub, replacement, text)
        return changed

    def _limited(self, match: Callable[..., Any], *arguments: str) -> Any:
        if self.overruns >= PATIENCE:
            raise TooSlow(
                f"{self.pattern!r} took longer than {LIMIT_S:g} s on {PATIENCE} texts and was not "
                f"tried on this one. {_HINT}"
            )
        if signal.getsignal(signal.SIGVTALRM) is not _ring:
            # Python refuses it, with a ValueError, in any thread but the main one.
            signal.signal(signal.SIGVTALRM, _ring)
        try:
            signal.setitimer(signal.ITIMER_VIRTUAL, LIMIT_S)
            try:
                return match(*arguments)
            finally:
                signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        except _Rings:
            self.overruns += 1
            raise TooSlow(
                f"{self.pattern!r} took longer than {LIMIT_S:g} s on this text. {_HINT}"
            ) from None


def _ring(number: int, frame: FrameType | None) -> None:
    raise _Rings
