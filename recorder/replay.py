"""Runs a generated test and says, step by step, how it went.

What runs is the code itself, by pytest in a process group of its own, with a scrubbed
environment, its browser behind the egress guard's proxy. The plugin beside this module
reports each step; this side makes events, verdict and artifacts of it, and leaves no process.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from jobs.browser import BrowserNotFound, driver_environment, launch_kwargs
from jobs.egress import EgressRefused, Policy
from recorder import allowlist, codegen
from recorder.child import ReplayChild
from recorder.egress_thread import ProxyThread
from recorder.outcome import ReplayOutcome, Watch
from recorder.scrub import scrub_text, scrub_tree
from recorder.steps import Action, Step
from recorder.vault import environment, option_secrets
from recorder.wording import wording

if TYPE_CHECKING:
    from jobs.running import RunningJob

ACTION_TIMEOUT_S = 15
NAVIGATION_TIMEOUT_S = 30
ROOT = Path(__file__).resolve().parent.parent
_PASSED_ON = (
    "PATH",
    "HOME",
    "LANG",
    "TZ",
    "LD_LIBRARY_PATH",
    "DISPLAY",
    "XAUTHORITY",
    "DJANGO_SETTINGS_MODULE",
)


def replay(
    *,
    job: RunningJob,
    code: str,
    steps: Sequence[Step],
    options: Mapping[str, Any],
    secrets: Mapping[str, str],
    uploads: Path,
    into: Path,
    wordings: Mapping[str, str] | None = None,
    auth_state: Path | None = None,
    timeout_s: float = 600,
    slow_mo_ms: float = 0,
    video: bool = False,
    trace: bool = True,
    under: str = "replay",
) -> ReplayOutcome:
    """Run `code`, the test generated from `steps` (the kept ones), in a browser.

    `options` are the recording's (opened), `secrets` its vault's values by name; `uploads` is
    the folder of its uploaded files, `auth_state` the storage state it started from, if any.
    Works in the folder `into` (in the job's work folder) and keeps, below `under`, the trace,
    the video, a screenshot of the failure, and `result.json`: all scrubbed of the secrets.

    Emits replay.started, replay.step_started, replay.step_passed, replay.step_failed and
    replay.finished. A failing test is an outcome, not an exception.

    :raises recorder.allowlist.NotAllowed: `code` is not what we generate; nothing ran.
    :raises jobs.running.Cancelled: the job is to end; everything started has been ended.
    """
    allowlist.check(code)
    values = {**secrets, **option_secrets(options)}
    numbered = codegen.numbered(steps)
    by_key = {step.key: step for step in steps}
    words = {key: (wordings or {}).get(key) or wording(by_key[key]) for _, key in numbered}
    watch = Watch(
        numbered=numbered, words=words, hide=lambda text: scrub_text(text, values.values())
    )
    job.event("replay.started", steps=len(numbered), timeoutS=timeout_s)
    run = _Run(
        job=job,
        code=code,
        by_key=by_key,
        options=options,
        values=values,
        uploads=uploads,
        into=into,
        auth_state=auth_state,
        trace=trace,
        video=video,
        slow_mo_ms=slow_mo_ms,
        timeout_s=timeout_s,
        watch=watch,
    )
    refusal = _refused_before(numbered, by_key)
    if refusal is not None:
        number, message = refusal
        watch.fail_at(number, code="url_refused", error=message)
        _tell(job, watch)
    else:
        run.go()
    outcome = watch.outcome()
    run.keep(outcome, under=under)
    job.event("replay.finished", **finished_data(outcome))
    return outcome


def finished_data(outcome: ReplayOutcome) -> dict[str, Any]:
    """The data of the event replay.finished."""
    return {
        "passed": outcome.passed,
        "code": outcome.code,
        "failingStep": outcome.failing_step,
        "failingKey": outcome.failing_key,
        "reason": outcome.reason,
        "durationMs": outcome.duration_ms,
        "warnings": list(outcome.warnings),
    }


def _refused_before(
    numbered: Sequence[tuple[int, str]], by_key: Mapping[str, Step]
) -> tuple[int, str] | None:
    """The first step whose address the egress policy forbids outright."""
    policy = Policy.from_settings()
    for number, key in numbered:
        url = by_key[key].params.get("url")
        opens = by_key[key].action in {Action.NAVIGATE, Action.OPEN_PAGE}
        if not opens or not isinstance(url, str) or not url.startswith(("http:", "https:")):
            continue
        try:
            policy.check_url(url)
        except EgressRefused as refused:
            return number, refused.message
    return None


def _tell(job: RunningJob, watch: Watch) -> None:
    """Turn what `watch` has learned since into events."""
    for type, data in watch.news():
        job.event(type, **data)
        if type == "replay.step_passed":
            job.progress(watch.done, total=watch.total, unit="steps")


class _Run:
    """One run of the test in its folder."""

    def __init__(self, **given: Any) -> None:
        self.job: RunningJob = given["job"]
        self.code: str = given["code"]
        self.by_key: Mapping[str, Step] = given["by_key"]
        self.options: Mapping[str, Any] = given["options"]
        self.values: Mapping[str, str] = given["values"]
        self.into: Path = given["into"]
        self.uploads: Path = given["uploads"]
        self.auth_state: Path | None = given["auth_state"]
        self.trace: bool = given["trace"]
        self.video: bool = given["video"]
        self.slow_mo_ms: float = given["slow_mo_ms"]
        self.timeout_s: float = given["timeout_s"]
        self.watch: Watch = given["watch"]
        self.folder = self.into / "run"
        self.scratch = self.into / "tmp"
        self.shots = self.into / "failure.png"
        self.test = self.folder / f"{_name_of(self.code)}.py"

    def go(self) -> None:
        try:
            self._prepare()
            with ProxyThread(upstream=self.options.get("proxy")) as proxy:
                self._attempt(proxy, sandbox=None)
                if self.watch.sandbox_failed:
                    self.job.log("The browser's sandbox does not work here; trying without it.")
                    self.watch.forget()
                    self._attempt(proxy, sandbox=False)
                self.watch.refusals(proxy.refused, self.by_key)
        except BrowserNotFound as error:
            self.watch.fail_at(None, code="browser_not_found", error=str(error))
        _tell(self.job, self.watch)

    def _prepare(self) -> None:
        self.folder.mkdir(parents=True)
        self.test.write_text(self.code, encoding="utf-8")
        (self.folder / "pytest.ini").write_text("[pytest]\n")
        if self.uploads.is_dir():
            shutil.copytree(self.uploads, self.folder / "uploads")
        if self.auth_state is not None:
            shutil.copyfile(self.auth_state, self.folder / codegen.AUTH_STATE)

    def _attempt(self, proxy: ProxyThread, *, sandbox: bool | None) -> None:
        marker = uuid4().hex
        launch = launch_kwargs(
            proxy_url=proxy.url,
            name=str(self.options.get("browser") or "chromium"),
            slow_mo_ms=self.slow_mo_ms,
            scratch=self.scratch,
            sandbox=sandbox,
        )
        launch["env"]["TAPEDECK_REPLAY_ID"] = marker
        read, write = os.pipe()
        described = self.into / "replay.json"
        described.write_text(json.dumps(self._described(launch, fd=write)))
        with ReplayChild(
            command=self._command(),
            cwd=self.folder,
            env=self._environment(described, marker),
            reports=(read, write),
            marker=marker,
        ) as process:
            self.watch.started()
            for kind, line in process.lines(timeout_s=self.timeout_s):
                self.job.check_cancelled()
                if kind == "report":
                    self.watch.report(json.loads(line))
                    _tell(self.job, self.watch)
                elif kind == "output" and line.strip():
                    self.job.log(scrub_text(line, self.values.values()), stream="stdout")
            self.watch.ended(exit_code=process.exit_code, timed_out=process.timed_out)

    def _described(self, launch: Mapping[str, Any], *, fd: int) -> dict[str, Any]:
        return {
            "fd": fd,
            "test": str(self.test),
            "launch": launch,
            "trace": self.trace,
            "screenshot": str(self.shots),
            "pages": {str(n): self.by_key[key].page for n, key in self.watch.numbered},
            "actionTimeoutMs": ACTION_TIMEOUT_S * 1000,
            "navigationTimeoutMs": NAVIGATION_TIMEOUT_S * 1000,
        }

    def _command(self) -> list[str]:
        switch = {True: "on", False: "off"}
        return [
            *(sys.executable, "-m", "pytest", self.test.name, "-q", "--tb=short", "--color=no"),
            *("-p", "pytest_playwright.pytest_playwright"),
            *("-p", "recorder.replay_plugin", "-p", "no:cacheprovider", "-p", "no:randomly"),
            *("-c", "pytest.ini", "--rootdir", str(self.folder)),
            *("--output", str(self.into / "out"), "--browser", self._browser()),
            *("--tracing", switch[self.trace], "--video", switch[self.video]),
        ]

    def _browser(self) -> str:
        return str(self.options.get("browser") or "chromium")

    def _environment(self, described: Path, marker: str) -> dict[str, str]:
        env = {name: os.environ[name] for name in _PASSED_ON if name in os.environ}
        return {
            **env,
            **driver_environment(scratch=self.scratch),
            **environment(self.values),
            "PYTHONPATH": str(ROOT),
            "PYTHONDONTWRITEBYTECODE": "1",
            "PYTHONUNBUFFERED": "1",
            "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",
            "NO_COLOR": "1",
            "TAPEDECK_REPLAY": str(described),
            "TAPEDECK_REPLAY_ID": marker,
        }

    def keep(self, outcome: ReplayOutcome, *, under: str) -> None:
        """Scrub and store what the run left behind."""
        kept = self.into / "kept"
        kept.mkdir(parents=True, exist_ok=True)
        files = [(self.shots, "failure.png", "screenshot")]
        traces = sorted((self.into / "out").rglob("trace*.zip"))
        videos = sorted((self.into / "out").rglob("*.webm"))
        files += [(path, _numbered("trace", ".zip", n), "trace") for n, path in enumerate(traces)]
        files += [(path, _numbered("video", ".webm", n), "video") for n, path in enumerate(videos)]
        stored = []
        for source, name, kind in files:
            if source.is_file():
                shutil.move(source, kept / name)
                stored.append((name, kind))
        (kept / "result.json").write_text(json.dumps(outcome.as_json(), indent=1))
        report = scrub_tree(kept, self.values.values())
        for warning in report.warnings:
            self.job.log(warning)
        for name, kind in [*stored, ("result.json", "result")]:
            self.job.artifact(f"{under}/{name}", kept / name, kind=kind)
        shutil.rmtree(self.scratch, ignore_errors=True)
        shutil.rmtree(self.folder, ignore_errors=True)


def _numbered(stem: str, suffix: str, index: int) -> str:
    return f"{stem}{f'-{index + 1}' if index else ''}{suffix}"


def _name_of(code: str) -> str:
    """The test function's name; the allow-list saw that there is exactly one."""
    return next(
        line.removeprefix("def ").split("(")[0]
        for line in code.splitlines()
        if line.startswith("def test_")
    )
