"""All artifacts of a job as one zip, made while it is sent: no file is ever held whole."""

from __future__ import annotations

import zipfile
from collections.abc import Iterator, Sequence
from typing import IO, cast

from django.core.handlers.asgi import ASGIRequest
from django.http import HttpRequest, StreamingHttpResponse
from django.utils.http import content_disposition_header

from jobs.api.downloads import CHUNK_BYTES, in_threads
from jobs.files import open_range
from jobs.models import Artifact, Job

# What is compressed already would only cost time.
_STORED = frozenset(
    {"application/zip", "image/jpeg", "image/png", "image/webp", "video/mp4", "video/webm"}
)
# Named in the archive, for the answer has begun when a file turns out to be gone.
MISSING = "_missing.txt"


def archive_response(
    *, request: HttpRequest, job: Job, artifacts: Sequence[Artifact]
) -> StreamingHttpResponse:
    """The artifacts under their paths; those whose file is gone are listed in `_missing.txt`."""
    chunks = zipped(artifacts)
    response = StreamingHttpResponse(
        in_threads(chunks) if isinstance(request, ASGIRequest) else chunks,
        content_type="application/zip",
    )
    name = f"{job.name or job.kind} {str(job.pk)[-8:]}.zip".replace("/", "-")
    response["Content-Disposition"] = content_disposition_header(True, name) or "attachment"
    response["X-Content-Type-Options"] = "nosniff"
    response["X-Accel-Buffering"] = "no"
    response["Cache-Control"] = "no-store"
    return response


def zipped(artifacts: Sequence[Artifact]) -> Iterator[bytes]:
    """The bytes of the zip, in pieces of at most about `CHUNK_BYTES`."""
    out = _Pipe()
    missing: list[str] = []
    with zipfile.ZipFile(cast("IO[bytes]", out), "w") as archive:
        for artifact in artifacts:
            try:
                file = open_range(artifact.storage_name, first=0, last=artifact.size_bytes - 1)
            except OSError:
                missing.append(artifact.path)
                continue
            with file, archive.open(_entry(artifact), "w", force_zip64=True) as entry:
                while data := file.read(CHUNK_BYTES):
                    entry.write(data)
                    yield out.taken()
            yield out.taken()
        if missing:
            text = "These files are gone from storage:\n" + "".join(f"{p}\n" for p in missing)
            archive.writestr(MISSING, text)
    yield out.taken()


def _entry(artifact: Artifact) -> zipfile.ZipInfo:
    entry = zipfile.ZipInfo(artifact.path, artifact.created_at.timetuple()[:6])
    kind = artifact.content_type.partition(";")[0]
    entry.compress_type = zipfile.ZIP_STORED if kind in _STORED else zipfile.ZIP_DEFLATED
    entry.external_attr = 0o644 << 16
    return entry


class _Pipe:
    """What the zip writer writes to, and the answer takes from; it can not seek."""

    def __init__(self) -> None:
        self._parts: list[bytes] = []

    def write(self, data: bytes, /) -> int:
        self._parts.append(bytes(data))
        return len(data)

    def flush(self) -> None:
        """Nothing waits anywhere else."""

    def taken(self) -> bytes:
        parts, self._parts = self._parts, []
        return b"".join(parts)
