"""Pictures: their text by OCR, a page a frame."""

from __future__ import annotations

import tempfile
import warnings
from collections.abc import Iterable
from itertools import groupby
from pathlib import Path

from PIL import Image, ImageOps, ImageSequence, UnidentifiedImageError

from documents.readers import ocr
from documents.readers.base import Source, StructureBuilder, Unreadable
from documents.structure import Structure

MAX_PIXELS = 100_000_000
MAX_FRAMES = 200
_SHORT_SIDE = 1_000


def read(source: Source) -> Structure:
    built = StructureBuilder(source.media_type)
    if source.ocr == "never":
        built.warn("ocr_off", "Reading text in pictures was switched off for this job.")
    with warnings.catch_warnings():
        # Pillow warns of pictures that are suspiciously large; the limit below refuses them.
        warnings.simplefilter("ignore")
        Image.MAX_IMAGE_PIXELS = MAX_PIXELS
        try:
            with Image.open(source.path) as picture:
                _frames(built, source, picture)
        except Image.DecompressionBombError as error:
            raise Unreadable("too_large", f"The picture is refused: {error}") from error
        except (UnidentifiedImageError, OSError, ValueError, SyntaxError, EOFError) as error:
            raise Unreadable("damaged", f"The picture can not be read: {error}"[:300]) from error
    return built.build()


def _frames(built: StructureBuilder, source: Source, picture: Image.Image) -> None:
    built.meta("size", f"{picture.width} × {picture.height} pixels")
    if picture.width * picture.height > MAX_PIXELS:
        raise Unreadable(
            "too_large",
            f"The picture has {picture.width * picture.height / 1e6:,.0f} million pixels; up to "
            f"{MAX_PIXELS / 1e6:,.0f} are read.",
        )
    # An animation is one picture that moves: only TIFF has pages.
    total = min(getattr(picture, "n_frames", 1), MAX_FRAMES) if picture.format == "TIFF" else 1
    for number, frame in zip(range(1, total + 1), ImageSequence.Iterator(picture), strict=False):
        built.begin_page(number)
        seen = False
        if source.ocr != "never":
            upright = ImageOps.exif_transpose(frame).convert("L")
            seen = add_ocr(built, source, upright, number, scale=1.0)
        built.end_page(width=float(frame.width), height=float(frame.height), ocr=seen)
        source.on_page(number, total)


def add_ocr(
    built: StructureBuilder, source: Source, picture: Image.Image, page: int, *, scale: float
) -> bool:
    """Append what Tesseract reads in `picture`; boxes are pixels times `scale`. Whether it read anything."""
    factor = 1.0
    if min(picture.size) < _SHORT_SIDE and max(picture.size) < 3 * _SHORT_SIDE:
        # Tesseract wants letters some 30 pixels high; screenshots have a third of that.
        factor = 2.0
        picture = picture.resize((picture.width * 2, picture.height * 2), Image.Resampling.LANCZOS)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "page.png"
        picture.save(path)
        try:
            lines = ocr.read_picture(path, wanted=source.ocr_languages)
        except ocr.OcrUnavailable as error:
            built.warn(
                "ocr_unavailable",
                f"{error} Install Tesseract (Debian: apt-get install tesseract-ocr), then read "
                "the document again.",
            )
            return False
        except ocr.OcrFailed as error:
            built.warn("ocr_failed", f"Page {page} could not be read by OCR: {error}.", page)
            return False
    _add_lines(built, lines, scale / factor)
    return bool(lines)


def _add_lines(built: StructureBuilder, lines: Iterable[ocr.Line], scale: float) -> None:
    for _, group in groupby(lines, key=lambda line: line.paragraph):
        found = list(group)
        box = (
            min(line.left for line in found) * scale,
            min(line.top for line in found) * scale,
            max(line.right for line in found) * scale,
            max(line.bottom for line in found) * scale,
        )
        built.block("paragraph", "\n".join(line.text for line in found), bbox=box)
