"""Taking files from a request: straight into hashed drafts, refused while they arrive."""

from __future__ import annotations

import re
from typing import Any

from django.core.files.uploadedfile import UploadedFile
from django.core.files.uploadhandler import FileUploadHandler
from django.http import HttpRequest
from rest_framework.request import Request

from documents.services.storing import max_bytes, too_large_message
from jobs.api.problem import Problem
from jobs.files import Draft, StorageFull

MAX_FILES = 100


class ReceivedFile(UploadedFile):  # type: ignore[type-arg]
    """A file of a form, complete in a draft; `discard` it when it was handled."""

    def __init__(self, *, draft: Draft, name: str, content_type: str, field: str) -> None:
        super().__init__(file=None, name=name, content_type=content_type, size=draft.size_bytes)
        self.draft = draft
        self.field = field

    def close(self) -> None:
        self.draft.discard()


class IntoDrafts(FileUploadHandler):
    """Writes each file of a form into a draft as it comes: no file is held in memory.

    A form that breaks off, or has a file that is too large, leaves nothing.
    """

    chunk_size = 256 * 1024

    def __init__(self, request: HttpRequest | None = None) -> None:
        super().__init__(request)
        self._drafts: list[Draft] = []

    def new_file(self, *args: Any, **kwargs: Any) -> None:
        super().new_file(*args, **kwargs)
        if len(self._drafts) >= MAX_FILES:
            self.upload_interrupted()
            raise Problem(
                status=413,
                code="too_many_files",
                detail=f"At most {MAX_FILES} files a request; send the others in another one.",
            )
        self._drafts.append(Draft())

    def receive_data_chunk(self, raw_data: bytes, start: int) -> None:
        draft = self._drafts[-1]
        if draft.size_bytes + len(raw_data) > max_bytes():
            self.upload_interrupted()
            raise Problem(
                status=413,
                code="too_large",
                detail=too_large_message(draft.size_bytes + len(raw_data)),
            )
        try:
            draft.write(raw_data)
        except StorageFull as error:
            self.upload_interrupted()
            raise Problem(status=507, code="storage_full", detail=str(error)) from error

    def file_complete(self, file_size: int) -> ReceivedFile:
        return ReceivedFile(
            draft=self._drafts[-1],
            name=self.file_name or "",
            content_type=self.content_type or "",
            field=self.field_name or "",
        )

    def upload_interrupted(self) -> None:
        for draft in self._drafts:
            draft.discard()


def into_drafts(request: HttpRequest) -> None:
    """Prepare a request, before anything reads its body, to put its files into drafts."""
    refuse_declared(request)
    _refuse_cut(request)
    request.upload_handlers = [IntoDrafts(request)]


def _refuse_cut(request: HttpRequest) -> None:
    """:raises Problem: 400, the form lacks its end: Django would take the last file for whole."""
    stream: Any = getattr(request, "_stream", None)
    boundary = re.search(r'boundary="?([^";]+)', request.META.get("CONTENT_TYPE", ""))
    if boundary is None or not hasattr(stream, "seekable") or not stream.seekable():
        return  # another server's stream: it raises by itself when a body breaks off
    at = stream.tell()
    end = stream.seek(0, 2)
    stream.seek(max(at, end - len(boundary.group(1)) - 200))
    tail = stream.read()
    stream.seek(at)
    if f"--{boundary.group(1)}--".encode() not in tail:
        raise Problem(
            status=400,
            code="cut_off",
            detail="The upload broke off before its end; nothing was kept. Send it again.",
        )


def refuse_declared(request: HttpRequest) -> None:
    """:raises Problem: 413, the body is declared larger than any file may be.

    The web server refuses it before it arrives (jobs.bodies); this is for other servers.
    """
    declared = request.META.get("CONTENT_LENGTH") or "0"
    if declared.isdigit() and int(declared) > max_bytes() + 1024 * 1024:
        raise Problem(status=413, code="too_large", detail=too_large_message(int(declared)))


def received(request: Request) -> list[ReceivedFile]:
    """The files of the request's form, of whatever field.

    :raises Problem: 400, there is none.
    """
    files = [
        file
        for field in request.FILES
        for file in request.FILES.getlist(field)
        if isinstance(file, ReceivedFile)
    ]
    if not files:
        raise Problem(
            status=400,
            code="no_file",
            detail="Send the file as multipart/form-data, in a field named file.",
            errors={"file": ["No file came."]},
        )
    return files
