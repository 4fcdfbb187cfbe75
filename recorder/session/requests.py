"""What the page asks of its operator and no frame shows: lists, pickers, file choosers, dialogs."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from playwright.async_api import Dialog, Error, FileChooser, Page

from recorder.adapter import shown_in_trace
from recorder.session.gestures import Gesture, Ledger
from recorder.session.marks import Target, patient, widget
from recorder.session.viewers import Audience
from recorder.steps import Signal

_UNSAFE = re.compile(r"[^\w .()+@-]")


class UnknownRequest(Exception):
    """This request is answered already, or never was."""


class UnfitAnswer(Exception):
    """The answer does not fit what was asked."""


@dataclass(kw_only=True)
class Request:
    """`announced` is the message that viewers got; `page` the tab it belongs to."""

    id: str
    kind: str
    page: Page
    announced: dict[str, Any]
    target: Target | None = None
    chooser: FileChooser | None = None
    dialog: Dialog | None = None


class Requests:
    """Open requests; each is answered once. `on_signal` hears how a dialog was answered."""

    def __init__(
        self,
        *,
        audience: Audience,
        ledger: Ledger,
        uploads: Path,
        on_signal: Callable[[Page, Signal], None],
        alias: Callable[[Page], str],
    ) -> None:
        self._audience = audience
        self._ledger = ledger
        self._uploads = uploads
        self._on_signal = on_signal
        self._alias = alias
        self._open: dict[str, Request] = {}
        self._made = 0

    def as_json(self) -> list[dict[str, Any]]:
        return [request.announced for request in self._open.values()]

    @property
    def dialog_open(self) -> bool:
        return any(request.kind == "dialog" for request in self._open.values())

    async def open_widget(self, page: Page, target: Target) -> bool:
        """Offer the console's own list or picker where the element would open a native one."""
        info = target.info
        if not (info.get("dropdown") or info.get("picker")):
            return False
        for request in list(self._open.values()):
            if request.kind in {"select", "picker"}:
                self._close(request)
        found = await patient(widget(target)) or {}
        rect = dict(target.rect)
        await patient(target.handle.focus())
        if info.get("dropdown"):
            self._ask(
                "select",
                page,
                target=target,
                type="selectRequested",
                rect=rect,
                options=found.get("options", []),
                multiple=bool(found.get("multiple")),
            )
        else:
            self._ask(
                "picker",
                page,
                target=target,
                type="pickerRequested",
                kind=str(info.get("type")),
                value=found.get("value", ""),
                rect=rect,
                min=found.get("min", ""),
                max=found.get("max", ""),
                step=found.get("step", ""),
            )
        return True

    def open_upload(self, page: Page, chooser: FileChooser, accept: str) -> None:
        self._ask(
            "upload",
            page,
            chooser=chooser,
            type="uploadRequested",
            multiple=chooser.is_multiple(),
            accept=accept,
        )

    def open_dialog(self, page: Page, dialog: Dialog) -> None:
        self._ask(
            "dialog",
            page,
            dialog=dialog,
            type="dialogOpened",
            kind=dialog.type,
            message=dialog.message[:4_000],
            defaultValue=dialog.default_value,
            page_alias=self._alias(page),
        )

    async def select(self, request_id: str, values: list[str] | None) -> None:
        """:raises UnknownRequest, UnfitAnswer, Error: as their names say."""
        request = self._take(request_id, "select")
        if values is None:
            return
        assert request.target is not None
        known = {option["value"] for option in request.announced["options"]}
        if not set(values) <= known:
            self._open[request.id] = request
            raise UnfitAnswer("values: not among the options.")
        self._close(request)
        self._ledger.add(
            Gesture(
                kind="select", page=request.page, words="choice in a list", target=request.target
            )
        )
        with shown_in_trace():
            await request.target.handle.select_option(values, timeout=5_000)

    async def fill_picker(self, request_id: str, value: str | None) -> None:
        request = self._take(request_id, "picker")
        if value is None:
            return
        assert request.target is not None
        self._ledger.add(
            Gesture(kind="picker", page=request.page, words="chosen value", target=request.target)
        )
        try:
            with shown_in_trace():
                await request.target.handle.fill(value, timeout=5_000)
        except Error as error:
            if "Malformed value" not in error.message:
                raise
            raise UnfitAnswer(f"value: no {request.announced['kind']} value.") from error

    async def upload(self, request_id: str, files: list[Mapping[str, Any]] | None) -> None:
        request = self._take(request_id, "upload")
        if files is None:
            return
        assert request.chooser is not None
        if len(files) > 1 and not request.chooser.is_multiple():
            self._open[request.id] = request
            raise UnfitAnswer("files: one file only.")
        paths = [self._store(file) for file in files]
        self._ledger.add(
            Gesture(
                kind="upload",
                page=request.page,
                words="file upload",
                files=tuple(f"uploads/{path.name}" for path in paths),
            )
        )
        with shown_in_trace():
            await request.chooser.set_files([str(path) for path in paths], timeout=10_000)

    async def answer_dialog(self, request_id: str, accept: bool, text: str | None) -> None:
        request = self._take(request_id, "dialog")
        assert request.dialog is not None
        await self._settle(request, accept, text)

    async def _settle(self, request: Request, accept: bool, text: str | None) -> None:
        dialog = request.dialog
        assert dialog is not None
        params = {"kind": dialog.type, "accepted": accept, "message": dialog.message[:1_000]}
        if dialog.type == "prompt" and accept:
            params["text"] = dialog.default_value if text is None else text
        self._on_signal(request.page, Signal(name="dialog", params=params))
        self._audience.say("dialogClosed", requestId=request.id)
        self._ledger.forgive()
        if accept:
            await dialog.accept(prompt_text=str(params["text"]) if "text" in params else None)
        else:
            await dialog.dismiss()

    async def dismiss_all(self) -> None:
        """Let nothing hold the browser up: what is still asked is answered with no."""
        for request in list(self._open.values()):
            self._close(request)
            if request.dialog is not None:
                await patient(request.dialog.dismiss())

    def forget(self, page: Page) -> None:
        for request in list(self._open.values()):
            if request.page is page:
                self._close(request)

    def _ask(self, asked: str, page: Page, /, **announced: Any) -> None:
        self._made += 1
        known = {name: announced.pop(name, None) for name in ("target", "chooser", "dialog")}
        alias = announced.pop("page_alias", None) or self._alias(page)
        request = Request(
            id=f"r{self._made}",
            kind=asked,
            page=page,
            announced={"requestId": f"r{self._made}", "page": alias, **announced},
            **known,
        )
        self._open[request.id] = request
        self._audience.say(**request.announced)

    def _take(self, request_id: str, kind: str) -> Request:
        request = self._open.get(request_id)
        if request is None or request.kind != kind:
            raise UnknownRequest(UnknownRequest.__doc__)
        if kind == "dialog":
            del self._open[request_id]
        else:
            self._close(request)
        return request

    def _close(self, request: Request) -> None:
        if self._open.pop(request.id, None) is not None:
            kind = "dialogClosed" if request.kind == "dialog" else "requestClosed"
            self._audience.say(kind, requestId=request.id)

    def _store(self, file: Mapping[str, Any]) -> Path:
        try:
            content = base64.b64decode(file["base64"], validate=True)
        except (binascii.Error, ValueError) as error:
            raise UnfitAnswer("files: not base64.") from error
        self._uploads.mkdir(parents=True, exist_ok=True)
        name = (
            _UNSAFE.sub("_", Path(file["name"].replace("\\", "/")).name).strip(". ")[:100] or "file"
        )
        path, number = self._uploads / name, 1
        while path.exists():
            if path.read_bytes() == content:
                return path
            number += 1
            path = self._uploads / f"{Path(name).stem}-{number}{Path(name).suffix}"
        path.write_bytes(content)
        return path


OnUpload = Callable[[Page, FileChooser], Awaitable[None]]
