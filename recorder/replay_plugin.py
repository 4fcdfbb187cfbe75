"""The pytest plugin that a replay loads: says which step runs, how it ended, and shows the end.

It changes nothing in the test file. The file's tree is compiled with one call put in before
each step's first statement, lines as they are; that call reports on a pipe. Runs in the
replay's child process, without Django.
"""

from __future__ import annotations

import ast
import contextlib
import importlib.abc
import importlib.util
import io
import json
import os
import re
import sys
import time
import tokenize
from collections.abc import Generator, Sequence
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import CodeType, ModuleType
from typing import Any

import pytest
from playwright.sync_api import BrowserContext, Error, Page

CONFIG = "TAPEDECK_REPLAY"
_MARK = re.compile(r"# step ([0-9]+): (.*)")
_CALL = "__tapedeck_step__"


class _Reporter:
    """Writes JSON lines to the parent and knows which step is running."""

    def __init__(self, config: dict[str, Any]) -> None:
        self.config = config
        self.number: int | None = None
        self.started = 0.0
        self.words: dict[int, str] = {}
        self.context: BrowserContext | None = None
        self._pipe = os.fdopen(config["fd"], "w", encoding="utf-8", buffering=1)

    def say(self, type: str, **data: Any) -> None:
        self._pipe.write(json.dumps({"type": type, **data}) + "\n")
        self._pipe.flush()

    def step(self, number: int) -> None:
        """A step begins, so the one before has passed."""
        self.passed()
        self.number, self.started = number, time.monotonic()
        self.say("started", number=number)
        if self.config["trace"] and self.context is not None:
            self.context.tracing.group(f"step {number}: {self.words.get(number, '')}")

    def passed(self) -> None:
        if self.number is not None:
            self._end_group()
            self.say("passed", number=self.number, durationMs=self._took())
            self.number = None

    def failed(self, error: str) -> None:
        self.say("failed", number=self.number, durationMs=self._took(), error=error)
        self._end_group()
        self.number = None

    def _took(self) -> int:
        return round((time.monotonic() - self.started) * 1000) if self.number is not None else 0

    def _end_group(self) -> None:
        if self.config["trace"] and self.context is not None:
            # A closed context has no trace to group; the step's own result stands.
            with contextlib.suppress(Error):
                self.context.tracing.group_end()


class _StepLoader(importlib.abc.SourceLoader):
    """Imports the test with a call before each step."""

    def __init__(self, path: Path, reporter: _Reporter) -> None:
        self._path = path
        self._reporter = reporter

    def get_filename(self, fullname: str) -> str:
        return str(self._path)

    def get_data(self, path: str | bytes) -> bytes:
        return Path(os.fsdecode(path)).read_bytes()

    def source_to_code(  # type: ignore[override]  # a static method in the stubs only
        self, data: Any, path: Any = "<string>"
    ) -> CodeType:
        tree, self._reporter.words = with_step_calls(bytes(data).decode())
        code: CodeType = compile(tree, path, "exec", dont_inherit=True)
        return code

    def exec_module(self, module: ModuleType) -> None:
        module.__dict__[_CALL] = self._reporter.step
        super().exec_module(module)


class _Finder(importlib.abc.MetaPathFinder):
    def __init__(self, path: Path, reporter: _Reporter) -> None:
        self._path = path
        self._reporter = reporter

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if fullname != self._path.stem:
            return None
        loader = _StepLoader(self._path, self._reporter)
        return importlib.util.spec_from_file_location(fullname, self._path, loader=loader)


def with_step_calls(source: str) -> tuple[ast.Module, dict[int, str]]:
    """The test's tree with a call before each step's first statement; the words of each step."""
    marks: list[tuple[int, int, str]] = []
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        # Only comments of the test function itself, never text inside a string.
        if token.type == tokenize.COMMENT and token.start[1] == 4:
            mark = _MARK.fullmatch(token.string)
            if mark:
                marks.append((token.start[0], int(mark.group(1)), mark.group(2)))
    tree = ast.parse(source)
    for node in tree.body:
        if isinstance(node, ast.FunctionDef) and node.name.startswith("test_"):
            node.body = _called(node.body, marks)
    return ast.fix_missing_locations(tree), {number: words for _, number, words in marks}


def _called(body: list[ast.stmt], marks: list[tuple[int, int, str]]) -> list[ast.stmt]:
    made: list[ast.stmt] = []
    waiting = list(marks)
    for statement in body:
        # A step without statements of its own is over as soon as it began.
        while waiting and waiting[0][0] < statement.lineno:
            made.append(_call(waiting.pop(0)[1], statement))
        made.append(statement)
    return made + [_call(number, body[-1]) for _, number, _ in waiting]


def _call(number: int, at: ast.stmt) -> ast.stmt:
    call = ast.Call(ast.Name(_CALL, ast.Load()), [ast.Constant(number)], [])
    return ast.copy_location(ast.Expr(ast.copy_location(call, at)), at)


class StepPlugin:
    def __init__(self, reporter: _Reporter) -> None:
        self.reporter = reporter
        self.config = reporter.config
        self._said = False

    @pytest.fixture(scope="session")
    def browser_type_launch_args(self) -> dict[str, Any]:
        return dict(self.config["launch"])

    @pytest.fixture(autouse=True)
    def _followed(self, context: BrowserContext) -> None:
        context.set_default_timeout(self.config["actionTimeoutMs"])
        context.set_default_navigation_timeout(self.config["navigationTimeoutMs"])
        self.reporter.context = context
        self.reporter.say("ready", browser=context.browser.version if context.browser else "")

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(
        self, item: pytest.Item, call: pytest.CallInfo[None]
    ) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        if call.excinfo is None:
            if call.when == "call":
                self.reporter.passed()
                self.reporter.say("done")
        elif call.when == "call":
            page = self._page(item, call.excinfo)
            self.reporter.failed(_message(call.excinfo))
            self._screenshot(page)
        else:
            self.reporter.say("broken", when=call.when, error=_message(call.excinfo))
        return (yield)

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        if report.failed:
            self.reporter.say("broken", when="collect", error=str(report.longreprtext))

    def _page(self, item: pytest.Item, error: pytest.ExceptionInfo[BaseException]) -> Page | None:
        """The page of the failing step, by the test's own variables."""
        alias = self.config["pages"].get(str(self.reporter.number), "page")
        for entry in error.traceback:
            if str(entry.path) == self.config["test"] and isinstance(entry.locals.get(alias), Page):
                found: Page = entry.locals[alias]
                return found
        funcargs: dict[str, Any] = getattr(item, "funcargs", {})
        return funcargs.get("page")

    def _screenshot(self, page: Page | None) -> None:
        if page is None:
            return
        try:
            page.screenshot(path=self.config["screenshot"], timeout=5_000, animations="disabled")
        except Error as error:
            self.reporter.say("note", text=f"No screenshot of the failure: {error.message}")


def _message(error: pytest.ExceptionInfo[BaseException]) -> str:
    if isinstance(error.value, Error):
        return error.value.message
    return str(error.value) or error.typename


def pytest_configure(config: pytest.Config) -> None:
    described = json.loads(Path(os.environ[CONFIG]).read_text())
    reporter = _Reporter(described)
    # Before pytest's own importer, which would compile the file without our calls.
    sys.meta_path.insert(0, _Finder(Path(described["test"]), reporter))
    config.pluginmanager.register(StepPlugin(reporter), "tapedeck-steps")
