"""What a replay found out: each step's fate, the verdict, and the reason in plain words.

A verdict is passed only when every step passed and the test ended well. What goes wrong
afterwards (closing the browser, writing the trace) is a warning: the flow did replay.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal
from urllib.parse import urlsplit

from recorder.steps import Action, Step

StepStatus = Literal["passed", "failed", "not_run"]
MAX_ERROR = 4000

# Refusals of the policy that are not called so; the rest could not be reached.
_POLICY = frozenset({"address_unusable", "url_invalid", "host_invalid", "credentials_in_url"})
_PORTS = {"http": 80, "https": 443}

_ANSI = re.compile(r"\x1b\[[0-9;?]*[ -/]*[@-~]")
_CALL_LOG = re.compile(r"\n?\s*={3,} logs ={3,}|\n?Call log:", re.IGNORECASE)
_TIMEOUT = re.compile(r"Timeout (\d+)ms exceeded")
_LOG_LINE = re.compile(r"^\s*(?:\d+ × )?-?\s*(.*)$")
_CRASHES = ("Target crashed", "Page crashed", "Browser has been closed", "browser has been closed")
# What a call log says about why an element could not be used, in Playwright's words.
_OBSTACLES = (
    "intercepts pointer events",
    "element is not visible",
    "element is not enabled",
    "element is not editable",
    "element is not stable",
    "element is outside of the viewport",
    "element was detached from the DOM",
    "did not find some options",
)


@dataclass(frozen=True, kw_only=True)
class StepResult:
    """`number` as in the test's comments; `error` in plain words, empty unless it failed."""

    number: int
    key: str
    status: StepStatus
    duration_ms: int | None = None
    error: str = ""

    def as_json(self) -> dict[str, Any]:
        return {
            "number": self.number,
            "key": self.key,
            "status": self.status,
            "durationMs": self.duration_ms,
            "error": self.error,
        }


@dataclass(frozen=True, kw_only=True)
class ReplayOutcome:
    """`code` is empty when passed, else one of: step_failed, url_refused, url_unreachable, browser_crashed,
    browser_not_found, browser_not_started, not_collected, timed_out, test_crashed."""

    passed: bool
    code: str
    reason: str
    failing_step: int | None
    failing_key: str | None
    duration_ms: int
    steps: tuple[StepResult, ...]
    warnings: tuple[str, ...]
    browser_version: str = ""

    def as_json(self) -> dict[str, Any]:
        return {
            "verdict": "passed" if self.passed else "failed",
            "code": self.code,
            "reason": self.reason,
            "failingStep": self.failing_step,
            "failingKey": self.failing_key,
            "durationMs": self.duration_ms,
            "browserVersion": self.browser_version,
            "steps": [step.as_json() for step in self.steps],
            "warnings": list(self.warnings),
        }


@dataclass(kw_only=True)
class _Failure:
    number: int | None
    code: str
    error: str


@dataclass(kw_only=True)
class Watch:
    """Follows one run by the plugin's reports; `hide` takes secrets out of a text."""

    numbered: Sequence[tuple[int, str]]
    words: Mapping[str, str]
    hide: Callable[[str], str]
    sandbox_failed: bool = False
    warnings: list[str] = field(default_factory=list)
    _results: dict[int, StepResult] = field(default_factory=dict)
    _running: int | None = None
    _running_since: float = 0.0
    _done: bool = False
    _failure: _Failure | None = None
    _news: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    _started: float = field(default_factory=time.monotonic)
    _browser: str = ""

    @property
    def total(self) -> int:
        return len(self.numbered)

    @property
    def done(self) -> int:
        return sum(result.status == "passed" for result in self._results.values())

    def started(self) -> None:
        self._started = time.monotonic()

    def forget(self) -> None:
        """Start over: the test never began."""
        self.sandbox_failed = False
        self._failure = None
        self._results.clear()

    def news(self) -> Iterable[tuple[str, dict[str, Any]]]:
        """The events since the last call."""
        news, self._news = self._news, []
        return news

    def report(self, report: Mapping[str, Any]) -> None:
        """Take one line of the plugin."""
        match report["type"]:
            case "ready":
                self._browser = str(report["browser"])
            case "started":
                self._begin(int(report["number"]))
            case "passed":
                self._pass(int(report["number"]), int(report["durationMs"]))
            case "failed":
                error = str(report["error"])
                crashed = any(words in error for words in _CRASHES)
                self.fail_at(
                    report["number"],
                    code="browser_crashed" if crashed else "step_failed",
                    error="The browser or its page crashed." if crashed else plain(error),
                    duration_ms=report["durationMs"],
                )
            case "done":
                self._done = True
            case "broken":
                self._broken(str(report["when"]), str(report["error"]))
            case "note":
                self.warnings.append(self.hide(str(report["text"])))

    def fail_at(
        self, number: int | None, *, code: str, error: str, duration_ms: int | None = None
    ) -> None:
        """The run failed, at a step or (None) outside of any. The first failure counts."""
        if self._failure is not None:
            return
        error = self.hide(error)[:MAX_ERROR]
        self._failure = _Failure(number=number, code=code, error=error)
        self._running = None
        if number is not None:
            key = dict(self.numbered)[number]
            self._results[number] = StepResult(
                number=number, key=key, status="failed", duration_ms=duration_ms, error=error
            )
            self._news.append(
                (
                    "replay.step_failed",
                    {"number": number, "key": key, "durationMs": duration_ms, "error": error},
                )
            )

    def ended(self, *, exit_code: int | None, timed_out: bool) -> None:
        """The test's process is gone, by itself or not."""
        took = round((time.monotonic() - self._running_since) * 1000) if self._running else None
        if timed_out:
            self.fail_at(
                self._running,
                code="timed_out",
                error="The replay took longer than it may and was ended.",
                duration_ms=took,
            )
        elif not self._done:
            self.fail_at(
                self._running,
                code="test_crashed",
                error=f"The test's process ended without a result (exit status {exit_code}).",
                duration_ms=took,
            )

    def refusals(self, refused: Sequence[tuple[str, str, str]], by_key: Mapping[str, Step]) -> None:
        """What the proxy did not go to meanwhile.

        A step that asked for exactly that address was shown the proxy's own page, and
        Playwright is content with any page: it failed. Anything else that the policy refused
        is a warning; what could not be reached is the page's own affair.
        """
        for url, code, message in dict.fromkeys(refused):
            by_policy = code.endswith("_refused") or code in _POLICY
            if by_policy:
                self.warnings.append(self.hide(f"Refused by the egress policy: {url}: {message}"))
            for number, key in self.numbered:
                step = by_key[key]
                opens = step.action in {Action.NAVIGATE, Action.OPEN_PAGE}
                ran = number in self._results and self._results[number].status != "not_run"
                if opens and ran and _same(step.params.get("url"), url):
                    self._blame(number, "url_refused" if by_policy else "url_unreachable", message)
                    break

    def outcome(self) -> ReplayOutcome:
        failure = self._failure
        results = tuple(
            self._results.get(number) or StepResult(number=number, key=key, status="not_run")
            for number, key in self.numbered
        )
        return ReplayOutcome(
            passed=failure is None,
            code=failure.code if failure else "",
            reason=self._reason(failure) if failure else "",
            failing_step=failure.number if failure else None,
            failing_key=dict(self.numbered)[failure.number] if failure and failure.number else None,
            duration_ms=round((time.monotonic() - self._started) * 1000),
            steps=results,
            warnings=tuple(self.warnings),
            browser_version=self._browser,
        )

    def _blame(self, number: int, code: str, message: str) -> None:
        """Let step `number` have failed for this reason, unless an earlier one failed."""
        earlier = self._failure and self._failure.number
        if self._failure is None or earlier == number or (earlier and earlier > number):
            took = self._results[number].duration_ms
            self._failure = None
            for later in [each for each in self._results if each > number]:
                del self._results[later]
            self.fail_at(number, code=code, error=message, duration_ms=took)

    def _begin(self, number: int) -> None:
        key = dict(self.numbered)[number]
        self._running, self._running_since = number, time.monotonic()
        words = self.hide(self.words[key])
        self._news.append(("replay.step_started", {"number": number, "key": key, "wording": words}))

    def _pass(self, number: int, duration_ms: int) -> None:
        key = dict(self.numbered)[number]
        self._running = None
        self._results[number] = StepResult(
            number=number, key=key, status="passed", duration_ms=duration_ms
        )
        self._news.append(
            ("replay.step_passed", {"number": number, "key": key, "durationMs": duration_ms})
        )

    def _broken(self, when: str, error: str) -> None:
        if when == "teardown":
            self.warnings.append(self.hide(f"After the last step: {plain(error)}"))
        elif when == "collect":
            missing = re.search(r"Set (TAPEDECK_SECRET_\w+) in the environment", error)
            message = f"The secret {missing.group(1)} is not stored." if missing else plain(error)
            self.fail_at(None, code="not_collected", error=message)
        else:
            self.sandbox_failed = "sandbox" in error.lower()
            self.fail_at(None, code="browser_not_started", error=plain(error))

    def _reason(self, failure: _Failure) -> str:
        if failure.number is None:
            where = "Before the first step" if not self._results else "Outside of the steps"
            return f"{where}: {failure.error}"
        words = self.hide(self.words[dict(self.numbered)[failure.number]])
        return f"Step {failure.number} ({words}): {failure.error}"


def plain(error: str) -> str:
    """Playwright's error in a sentence or two: what was waited for, and what stood in the way."""
    text = _ANSI.sub("", error).strip()
    parts = _CALL_LOG.split(text, maxsplit=1)
    head, log = parts[0].strip(), parts[1] if len(parts) > 1 else ""
    lines = [
        match.group(1).strip() for line in log.splitlines() if (match := _LOG_LINE.match(line))
    ]
    timeout = _TIMEOUT.search(head)
    if timeout:
        return _timed_out(int(timeout.group(1)), head, [line for line in lines if line])
    if "strict mode violation" in head:
        found = re.search(r"resolved to (\d+) elements", head)
        return f"{found.group(1) if found else 'Several'} elements match, and the step needs exactly one."
    head = re.sub(r"^\w+\.\w+: ", "", head)
    return head[:MAX_ERROR] or "The step failed without a message."


def _timed_out(timeout_ms: int, head: str, log: Sequence[str]) -> str:
    seconds = f"{timeout_ms / 1000:g} s"
    obstacle = next((line for line in reversed(log) if any(o in line for o in _OBSTACLES)), "")
    resolved = any("resolved to" in line for line in log)
    waited = next((line for line in log if line.startswith("waiting for ")), "")
    event = re.search(r'waiting for event "(\w+)"', f"{head} {waited}")
    if event:
        return f"No {event.group(1)} came within {seconds}."
    if obstacle:
        return f"The element was found, but within {seconds}: {obstacle.rstrip('.')}."
    if waited and not resolved:
        return f"Nothing matched within {seconds}: {waited}."
    if waited:
        return f"Still {waited} after {seconds}."
    return f"Not done within {seconds}: {re.sub(_TIMEOUT, '', head).strip(' :.') or 'it'}."


def _same(url: object, refused: str) -> bool:
    """Whether `refused` is `url`, or (all that a proxy knows of https) its host and port."""
    if not isinstance(url, str):
        return False
    asked, other = urlsplit(url), urlsplit(refused)
    hosts = [(part.hostname, part.port or _PORTS.get(part.scheme)) for part in (asked, other)]
    if asked.scheme != other.scheme or hosts[0] != hosts[1]:
        return False
    paths = [(part.path.rstrip("/"), part.query) for part in (asked, other)]
    return asked.scheme == "https" or paths[0] == paths[1]
