"""Pictures of a version's pages: drawn once, in a confined process, and kept beside it."""

from __future__ import annotations

import json
import logging
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from threading import BoundedSemaphore

from django.conf import settings

from documents import derived, rendering
from documents.derived import Kept
from documents.models import DerivedFile, DocumentVersion
from documents.services import local_copy, password_of

log = logging.getLogger(__name__)

WIDTHS = {DerivedFile.Role.PAGE: 1400, DerivedFile.Role.THUMB: 240}
# Neighbours are drawn along: the file is open, and people turn pages.
AT_ONCE = {DerivedFile.Role.PAGE: 2, DerivedFile.Role.THUMB: 16}
TIMEOUT_S = 45
# Drawing processes of one web process at once.
_turn = BoundedSemaphore(2)


class NotDrawable(Exception):
    """This page can not be drawn; the message says why."""


def can_preview(version: DocumentVersion) -> bool:
    """Whether the version has pictures of its pages."""
    return rendering.can_draw(version.media_type) and bool(version.storage_name)


def page_picture(*, version: DocumentVersion, number: int, role: str) -> DerivedFile:
    """The picture of page `number`, drawn now where it was not before. Takes up to `TIMEOUT_S`.

    :raises NotDrawable: no such page, an encrypted or damaged file, or one that takes too long.
    :raises BytesGone: the version's bytes are gone.
    """
    found = DerivedFile.objects.filter(version=version, role=role, number=number).first()
    if found is not None:
        return found
    if not can_preview(version):
        raise NotDrawable("There are no pictures of pages of this format.")
    at_once = AT_ONCE[DerivedFile.Role(role)]
    first = number if role == DerivedFile.Role.PAGE else (number - 1) // at_once * at_once + 1
    with tempfile.TemporaryDirectory(prefix="td-draw-") as folder:
        path = local_copy(version, folder=Path(folder))
        pictures = Path(folder) / "pictures"
        pictures.mkdir()
        pages = list(range(first, first + at_once))
        drawn = _draw(version, path, role=role, pages=pages, folder=pictures)
        there = set(
            DerivedFile.objects.filter(version=version, role=role).values_list("number", flat=True)
        )
        for page in drawn:
            if page not in there:
                data = (pictures / f"{page}.webp").read_bytes()
                derived.add(
                    version=version, role=role, data=data, content_type="image/webp", number=page
                )
    found = DerivedFile.objects.filter(version=version, role=role, number=number).first()
    if found is None:
        raise NotDrawable(f"Page {number} can not be drawn: there is none, or it is damaged.")
    return found


def _draw(
    version: DocumentVersion, path: Path, *, role: str, pages: Sequence[int], folder: Path
) -> list[int]:
    request = {
        "path": str(path),
        "mediaType": version.media_type,
        "password": password_of(version.document),
        "width": WIDTHS[DerivedFile.Role(role)],
        "pages": list(pages),
        "folder": str(folder),
    }
    with _turn:
        try:
            done = subprocess.run(
                [sys.executable, "-m", "documents.rendering"],
                input=json.dumps(request),
                capture_output=True,
                text=True,
                timeout=TIMEOUT_S,
                check=False,
                cwd=settings.BASE_DIR,
                # Nothing of the server's environment: no keys, no database.
                env={"PATH": os.environ.get("PATH", ""), "PYTHONDONTWRITEBYTECODE": "1"},
            )
        except subprocess.TimeoutExpired as error:
            raise NotDrawable(f"Drawing this page takes longer than {TIMEOUT_S} s.") from error
    if done.returncode != 0:
        log.info("Version %s was not drawn: %s", version.pk, done.stderr[-500:])
        if "Incorrect password" in done.stderr:
            raise NotDrawable("The file is encrypted; enter its password on the document's page.")
        if done.returncode < 0 or "MemoryError" in done.stderr:
            raise NotDrawable("Drawing this page takes more time or memory than it may.")
        raise NotDrawable("The file is damaged; its pages can not be drawn.")
    drawn: list[int] = json.loads(done.stdout)["drawn"]
    return drawn


def first_thumbs(*, version: DocumentVersion, path: Path, password: str, most: int) -> list[Kept]:
    """Thumbnails of the first pages, for a caller that is confined itself; not recorded yet.

    A file whose pages can not be drawn has none: its text may be fine.
    """
    if not can_preview(version):
        return []
    with tempfile.TemporaryDirectory() as folder:
        try:
            drawn = rendering.draw(
                path,
                media_type=version.media_type,
                password=password,
                width=WIDTHS[DerivedFile.Role.THUMB],
                pages=list(range(1, most + 1)),
                folder=Path(folder),
            )
        except Exception as error:  # noqa: BLE001
            # Parsers raise what they like on odd files.
            log.info("No thumbnails of version %s: %s", version.pk, error)
            return []
        return [
            derived.keep(
                version=version,
                role=DerivedFile.Role.THUMB,
                data=(Path(folder) / f"{number}.webp").read_bytes(),
                content_type="image/webp",
                number=number,
            )
            for number in drawn
        ]
