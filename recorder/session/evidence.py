"""What a session keeps beside its steps: trace, HAR, video, console, state; `moments` are its pictures."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TextIO

from playwright.async_api import BrowserContext, ConsoleMessage, Error, WebError

from recorder.session.config import Config
from recorder.session.marks import patient
from recorder.session.moments import Moments
from recorder.session.stepbook import StepBook
from recorder.session.trace_steps import Mark, TraceUnknown, name_steps
from recorder.steps import Action

_LONGEST_CONSOLE = 20_000
_POINTED = {Action.CLICK, Action.CHECK, Action.UNCHECK, Action.DRAG}


class Evidence:
    """Starts with the context and ends with it; `warn(code, text)` says what could not be kept."""

    def __init__(self, *, config: Config, book: StepBook, warn: Callable[[str, str], None]) -> None:
        self._config = config
        self._book = book
        self._warn = warn
        self._folder = config.workdir
        self._console: TextIO | None = None
        self._console_lines = 0
        self._context: BrowserContext | None = None
        self._tracing = False
        self._told: set[str] = set()
        self.moments = Moments(
            book=book,
            write=self._write,
            screenshots=config.wants("screenshots"),
            dom=config.wants("dom_snapshots"),
            traced=lambda: self._tracing,
        )

    async def start(self, context: BrowserContext) -> None:
        self._context = context
        if self._config.wants("console_log"):
            self._console = (self._folder / "console.jsonl").open("a", encoding="utf-8")
            context.on("console", self._on_console)
            context.on("weberror", self._on_error)
        if self._config.wants("trace"):
            await context.tracing.start(screenshots=True, snapshots=True, sources=False)
            self._tracing = True

    def _write(self, path: str, content: bytes) -> bool:
        """Whether the file is whole on disk; what is not is said once a kind of trouble."""
        target = self._folder / path
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            unfinished = target.with_name(f".{target.name}.part")
            unfinished.write_bytes(content)
            unfinished.replace(target)
        except OSError as error:
            with contextlib.suppress(OSError):
                target.with_name(f".{target.name}.part").unlink()
            self._tell("disk_full" if error.errno == 28 else "not_written", f"{path}: {error}")
            return False
        return True

    def _tell(self, code: str, text: str) -> None:
        if code not in self._told:
            self._told.add(code)
            self._warn(code, text)

    def _on_console(self, message: ConsoleMessage) -> None:
        self._note(
            type=message.type, text=message.text, url=message.page.url if message.page else ""
        )

    def _on_error(self, error: WebError) -> None:
        raised = error.error
        self._note(type="pageerror", text=str(raised), url=error.page.url if error.page else "")

    def _note(self, **line: Any) -> None:
        if self._console is None or self._console_lines >= _LONGEST_CONSOLE:
            return
        self._console_lines += 1
        line = {"at": datetime.now(UTC).isoformat(timespec="milliseconds"), **line}
        line["text"] = line["text"][:10_000]
        try:
            self._console.write(json.dumps(line) + "\n")
            self._console.flush()
        except OSError as error:
            self._tell("disk_full" if error.errno == 28 else "not_written", f"console: {error}")

    async def finish(self, *, timeout_s: float) -> None:
        """Write what is written at the end; the context closes last (HAR, video)."""
        context = self._context
        if context is None:
            return
        await patient(self.moments.drained(), timeout_s=timeout_s)
        if self._config.wants("storage_state"):
            state = await patient(context.storage_state(), timeout_s=timeout_s)
            if state is None:
                self._tell("storage_state_lost", "The storage state could not be read.")
            else:
                self._write("storage_state.json", json.dumps(state, indent=1).encode())
        if self._tracing:
            await self._stop_trace(context, timeout_s)
        videos = await self._close(context, timeout_s)
        if self._console is not None:
            self._console.close()
        if self._config.wants("video"):
            self._name_videos(videos)

    async def _stop_trace(self, context: BrowserContext, timeout_s: float) -> None:
        self._tracing = False
        try:
            await asyncio.wait_for(
                context.tracing.stop(path=self._folder / "trace.zip"), timeout_s * 3
            )
            await asyncio.to_thread(name_steps, self._folder / "trace.zip", list(self._marks()))
        except TraceUnknown as error:
            self._tell("trace_unnamed", f"The trace does not name the steps: {error}")
        except (Error, TimeoutError, OSError) as error:
            self._tell("trace_lost", f"The trace could not be written: {error}")

    def _marks(self) -> Iterator[Mark]:
        """The steps as the trace names them, numbered as everywhere."""
        number = 0
        for entry in self._book:
            step, title = entry.step, entry.words
            if entry.deleted:
                title = f"Deleted: {title}"
            elif not step.flags:
                number += 1
                title = f"{number}. {title}"
            pointer = bool(step.selector) and step.action in _POINTED
            yield Mark(title=title, began_at=entry.began_at, pointer=pointer)

    async def _close(self, context: BrowserContext, timeout_s: float) -> list[Path]:
        try:
            await asyncio.wait_for(context.close(), timeout_s * 3)
        except (Error, TimeoutError, OSError) as error:
            self._tell("not_closed", f"HAR or video may be incomplete: {error}")
        return sorted((self._folder / "video").glob("*.webm"), key=lambda one: one.stat().st_mtime)

    def _name_videos(self, videos: list[Path]) -> None:
        for number, video in enumerate(videos, 1):
            video.replace(video.with_name(f"{number:02}.webm"))
        if not videos:
            self._tell("video_missing", "No video was made.")
