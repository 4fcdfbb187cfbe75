"""Stored files over http: ranges, validators, and headers that keep their content from acting."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Iterator, Sequence
from pathlib import PurePosixPath
from typing import IO, Any
from urllib.parse import quote

from django.core.files.storage import default_storage
from django.core.handlers.asgi import ASGIRequest
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect, StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.utils.http import content_disposition_header, parse_etags
from rest_framework.request import Request

from jobs import audit
from jobs.api.problem import Problem
from jobs.events import time_dto
from jobs.files import StoredFile, open_range, storage_is_remote
from jobs.models import Artifact, Job

# Types that a browser shows and that can not carry script; all else is a download.
INLINE = frozenset(
    {
        "application/json",
        "image/gif",
        "image/jpeg",
        "image/png",
        "image/webp",
        "text/plain",
        "video/mp4",
        "video/webm",
    }
)
# Text that a browser would only download; one who opens it wants to read it.
# Kinds of artifact that hold cookies, headers or typed text.
SENSITIVE = frozenset({"har", "storage_state", "trace"})
READ_AS_TEXT = frozenset({"application/x-ndjson", "text/csv", "text/markdown", "text/x-python"})
POLICY = "sandbox; default-src 'none'; style-src 'unsafe-inline'"
# A browser shows a video in a document that it makes itself, which has this policy and loads the
# video again: without its origin it could not. Scripts stay off.
MEDIA_POLICY = (
    "sandbox allow-same-origin; default-src 'none'; media-src 'self'; style-src 'unsafe-inline'"
)
CHUNK_BYTES = 256 * 1024
_RANGE = re.compile(r"bytes=(\d*)-(\d*)")
_TYPE = re.compile(r"[a-z0-9][a-z0-9!#$&^_.+-]*/[a-z0-9][a-z0-9!#$&^_.+-]*")


def artifact_dto(artifact: Artifact) -> dict[str, Any]:
    """An artifact as the API lists it."""
    return {
        "path": artifact.path,
        "kind": artifact.kind,
        "contentType": artifact.content_type,
        "sizeBytes": artifact.size_bytes,
        "sha256": artifact.sha256,
        "attempt": artifact.attempt,
        "createdAt": time_dto(artifact.created_at),
        "url": f"/api/jobs/{artifact.job_id}/artifacts/{quote(artifact.path)}",
    }


def serve_artifact(request: HttpRequest | Request, artifact: Artifact) -> HttpResponseBase:
    """The artifact's bytes, as `serve_file` gives them."""
    stored = StoredFile(
        name=PurePosixPath(artifact.path).name,
        content_type=artifact.content_type,
        size_bytes=artifact.size_bytes,
        sha256=artifact.sha256,
        storage_name=artifact.storage_name,
    )
    return serve_file(request, stored, missing="artifact_missing")


def serve_file(
    request: HttpRequest | Request, file: StoredFile, *, missing: str = "file_missing"
) -> HttpResponseBase:
    """A stored file's bytes for one GET or HEAD; the caller has checked who may have them.

    One range, `If-None-Match` and `If-Range` are honoured; the ETag is the SHA-256. With `?download`
    every type is an attachment; text that is opened in a tab is shown. On S3 a navigating browser or a program is redirected to a
    short-lived signed URL; what a page of ours embeds or fetches is passed through, for its
    policy allows this origin alone.

    :raises Problem: 404 the file is gone from storage, 416 the range lies outside of it.
    """
    plain: HttpRequest = request._request if isinstance(request, Request) else request
    headers = _headers(
        file,
        as_attachment="download" in plain.GET,
        opened=plain.headers.get("Sec-Fetch-Dest") == "document",
    )
    etag = headers["ETag"]
    wanted = parse_etags(plain.headers.get("If-None-Match", ""))
    if "*" in wanted or any(known.removeprefix("W/") == etag for known in wanted):
        return HttpResponse(status=304, headers=headers)
    if storage_is_remote() and plain.headers.get("Sec-Fetch-Mode", "navigate") == "navigate":
        return _signed(file, headers)
    first, last = 0, file.size_bytes - 1
    status = 200
    if_range = plain.headers.get("If-Range", etag)
    asked = _range(plain.headers.get("Range", ""), file.size_bytes) if if_range == etag else None
    if asked is not None:
        first, last = asked
        status = 206
        headers["Content-Range"] = f"bytes {first}-{last}/{file.size_bytes}"
    headers["Content-Length"] = str(last - first + 1)
    if plain.method == "HEAD":
        return HttpResponse(status=status, headers=headers)
    try:
        opened = open_range(file.storage_name, first=first, last=last)
    except OSError as error:
        raise Problem(
            status=404,
            code=missing,
            detail="This file is gone from storage.",
        ) from error
    chunks = _chunks(opened, last - first + 1)
    # Each server's own kind of iterator: Django would read the other kind into memory whole.
    body = in_threads(chunks) if isinstance(plain, ASGIRequest) else chunks
    response = StreamingHttpResponse(body, status=status, headers=headers)
    # As Django's FileResponse does: a body that nobody reads never reaches its own `with`.
    response._resource_closers.append(opened.close)  # type: ignore[attr-defined]
    return response


def note_download(*, by: Any, artifacts: Sequence[Artifact], job: Job) -> None:
    """Put on record who took files that can hold logins or what people typed; others are not."""
    taken = [artifact.path for artifact in artifacts if artifact.kind in SENSITIVE]
    if taken:
        audit.record(action="artifact.download", by=by, target=job, data={"paths": taken[:100]})


def took_from_start(response: HttpResponseBase) -> bool:
    """Whether the answer is the whole file or its beginning, not a later range or "unchanged"."""
    begins = response.headers.get("Content-Range", "bytes 0-").startswith("bytes 0-")
    return response.status_code in {200, 206, 302} and begins


def _headers(file: StoredFile, *, as_attachment: bool, opened: bool) -> dict[str, str]:
    kind = file.content_type.partition(";")[0].strip().lower()
    if not _TYPE.fullmatch(kind):
        kind = "application/octet-stream"
    if opened and not as_attachment and kind in READ_AS_TEXT:
        kind = "text/plain"
    disposition = content_disposition_header(as_attachment or kind not in INLINE, file.name)
    return {
        "Content-Type": f"{kind}; charset=utf-8" if kind.startswith("text/") else kind,
        "Content-Disposition": disposition or "inline",
        "Content-Security-Policy": MEDIA_POLICY if kind.startswith("video/") else POLICY,
        "X-Content-Type-Options": "nosniff",
        "Cross-Origin-Resource-Policy": "same-origin",
        "Accept-Ranges": "bytes",
        "ETag": f'"{file.sha256}"',
        # Kept by the browser, asked about every time: the right to see it may have ended.
        "Cache-Control": "private, no-cache",
        "Vary": "Sec-Fetch-Dest",
    }


def _range(header: str, size: int) -> tuple[int, int] | None:
    """The one range asked for; None for no range, or for what RFC 9110 lets a server ignore."""
    match = _RANGE.fullmatch(header.strip())
    if match is None or match.group(0) == "bytes=-":
        return None
    start, end = match.groups()
    if start:
        first, last = int(start), min(int(end), size - 1) if end else size - 1
        if end and int(end) < int(start):
            return None
    else:
        first, last = max(size - int(end), 0), size - 1
    if first > last:
        raise Problem(
            status=416,
            code="range_not_satisfiable",
            detail=f"The file has {size} bytes.",
            headers={"Content-Range": f"bytes */{size}"},
        )
    return first, last


def _signed(file: StoredFile, headers: dict[str, str]) -> HttpResponse:
    url = default_storage.url(
        file.storage_name,
        parameters={  # type: ignore[call-arg]  # of the S3 storage
            "ResponseContentType": headers["Content-Type"],
            "ResponseContentDisposition": headers["Content-Disposition"],
        },
    )
    response = HttpResponseRedirect(url)
    response["Cache-Control"] = "no-store"
    return response


def _chunks(file: IO[bytes], left: int) -> Iterator[bytes]:
    with file:
        while left > 0 and (data := file.read(min(CHUNK_BYTES, left))):
            left -= len(data)
            yield data


async def in_threads(chunks: Iterator[bytes]) -> AsyncIterator[bytes]:
    """The same chunks for an async server, each made in a thread: they must not use the database."""
    while (data := await asyncio.to_thread(next, chunks, None)) is not None:
        if data:
            yield data
