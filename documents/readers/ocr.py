"""Text from pictures, by the program Tesseract where it is installed."""

from __future__ import annotations

import csv
import io
import shutil
import subprocess
from dataclasses import dataclass
from functools import cache
from pathlib import Path

# A page that takes longer is given up, with a warning.
PAGE_TIMEOUT_S = 90
MIN_CONFIDENCE = 30
_PROGRAM = "tesseract"


class OcrUnavailable(Exception):
    """Tesseract is not installed here, so text in pictures can not be read."""


class OcrFailed(Exception):
    """Tesseract gave up on a page; the message says why."""


@dataclass(frozen=True, slots=True)
class Line:
    """One line that was read: its box in pixels, and the paragraph that it belongs to."""

    text: str
    paragraph: tuple[int, int]
    left: int
    top: int
    right: int
    bottom: int


@cache
def languages() -> frozenset[str]:
    """The languages that Tesseract knows here.

    :raises OcrUnavailable: it is not installed.
    """
    program = shutil.which(_PROGRAM)
    if program is None:
        raise OcrUnavailable(OcrUnavailable.__doc__)
    listed = subprocess.run(
        [program, "--list-langs"], capture_output=True, text=True, timeout=30, check=False
    )
    return frozenset((listed.stdout + listed.stderr).split())


def read_picture(picture: Path, *, wanted: str) -> list[Line]:
    """The lines of text in a picture, in reading order. `wanted`: languages joined by `+`.

    :raises OcrUnavailable: Tesseract, or one of the languages, is not installed.
    :raises OcrFailed: it gave up.
    """
    missing = [each for each in wanted.split("+") if each not in languages()]
    if missing:
        raise OcrUnavailable(
            f"Tesseract has no data for the language {', '.join(missing)} here; "
            f"install it, or choose among those that are there."
        )
    command = [shutil.which(_PROGRAM) or _PROGRAM, str(picture), "stdout", "-l", wanted, "tsv"]
    try:
        done = subprocess.run(
            command,
            capture_output=True,
            timeout=PAGE_TIMEOUT_S,
            check=True,
            # One thread: the worker beside this one has work too.
            env={"OMP_THREAD_LIMIT": "1", "PATH": "/usr/bin:/bin:/usr/local/bin"},
        )
    except subprocess.TimeoutExpired as error:
        raise OcrFailed(f"reading it took longer than {PAGE_TIMEOUT_S} s") from error
    except subprocess.CalledProcessError as error:
        said = error.stderr.decode("utf-8", "replace").strip().splitlines()
        raise OcrFailed(said[-1][:200] if said else f"it ended with {error.returncode}") from error
    return _lines(done.stdout.decode("utf-8", "replace"))


def _lines(tsv: str) -> list[Line]:
    words: dict[tuple[int, int, int], list[dict[str, str]]] = {}
    for row in csv.DictReader(io.StringIO(tsv), delimiter="\t", quoting=csv.QUOTE_NONE):
        if row["level"] == "5" and row["text"].strip() and float(row["conf"]) >= MIN_CONFIDENCE:
            key = (int(row["block_num"]), int(row["par_num"]), int(row["line_num"]))
            words.setdefault(key, []).append(row)
    lines = []
    for (block, paragraph, _), found in words.items():
        boxes = [
            (int(word["left"]), int(word["top"]), int(word["width"]), int(word["height"]))
            for word in found
        ]
        lines.append(
            Line(
                text=" ".join(word["text"] for word in found),
                paragraph=(block, paragraph),
                left=min(left for left, _, _, _ in boxes),
                top=min(top for _, top, _, _ in boxes),
                right=max(left + width for left, _, width, _ in boxes),
                bottom=max(top + height for _, top, _, height in boxes),
            )
        )
    return lines
