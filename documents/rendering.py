"""Pictures of pages, drawn in a process of its own: `python -m documents.rendering`, no Django.

Reads a request as JSON from standard input, `{path, mediaType, password, width, pages, folder}`,
and writes `<page>.webp` for each page into the folder. The process confines itself before it opens
the file, and dies with its parent.
"""

from __future__ import annotations

import ctypes
import json
import os
import resource
import signal
import sys
from pathlib import Path
from typing import Any

MEMORY_BYTES = 1536 * 1024 * 1024
CPU_S = 40
FILE_BYTES = 64 * 1024 * 1024
MAX_PIXELS = 40_000_000
PICTURES = frozenset(
    {"image/png", "image/jpeg", "image/gif", "image/webp", "image/tiff", "image/bmp"}
)
PDF = "application/pdf"


def can_draw(media_type: str) -> bool:
    return media_type == PDF or media_type in PICTURES


def draw_pdf(path: Path, *, password: str, width: int, pages: list[int], folder: Path) -> list[int]:
    """The pages (from 1) that were drawn, `width` pixels wide; one that can not be is left out."""
    import pypdfium2 as pdfium

    drawn = []
    with pdfium.PdfDocument(path, password=password or None) as pdf:
        for number in pages:
            if not 1 <= number <= len(pdf):
                continue
            try:
                page = pdf[number - 1]
            except pdfium.PdfiumError:
                continue
            across, down = page.get_size()
            scale = width / max(across, 1)
            # A page may be a mile long.
            scale = min(scale, (MAX_PIXELS / max(across * down, 1)) ** 0.5)
            picture = page.render(scale=scale).to_pil().convert("RGB")
            picture.save(folder / f"{number}.webp", quality=82, method=2)
            page.close()
            drawn.append(number)
    return drawn


def draw_picture(path: Path, *, width: int, pages: list[int], folder: Path) -> list[int]:
    """The frames (from 1) that were drawn, at most `width` pixels wide, upright."""
    from PIL import Image, ImageOps

    Image.MAX_IMAGE_PIXELS = 100_000_000
    drawn = []
    with Image.open(path) as picture:
        for number in pages:
            try:
                picture.seek(number - 1)
            except EOFError:
                continue
            frame = ImageOps.exif_transpose(picture.copy())
            frame = frame.convert("RGBA" if frame.mode in {"P", "LA", "RGBA"} else "RGB")
            frame.thumbnail((width, width * 4))
            frame.save(folder / f"{number}.webp", quality=85, method=2)
            drawn.append(number)
    return drawn


def draw(
    path: Path, *, media_type: str, password: str, width: int, pages: list[int], folder: Path
) -> list[int]:
    """The pages that were drawn into `folder`."""
    if media_type == PDF:
        return draw_pdf(path, password=password, width=width, pages=pages, folder=folder)
    return draw_picture(path, width=width, pages=pages, folder=folder)


def _confine() -> None:
    """As the body of a job that reads: own session, bounded memory, time, files, first to be killed."""
    # PR_SET_PDEATHSIG: the server's death ends the drawing too.
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)
    os.setsid()
    Path("/proc/self/oom_score_adj").write_text("500")
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    resource.setrlimit(resource.RLIMIT_CPU, (CPU_S, CPU_S + 5))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64))
    resource.setrlimit(resource.RLIMIT_FSIZE, (FILE_BYTES, FILE_BYTES))


def main() -> None:
    request: dict[str, Any] = json.load(sys.stdin)
    _confine()
    drawn = draw(
        Path(request["path"]),
        media_type=request["mediaType"],
        password=request["password"],
        width=request["width"],
        pages=request["pages"],
        folder=Path(request["folder"]),
    )
    json.dump({"drawn": drawn}, sys.stdout)


if __name__ == "__main__":
    main()
