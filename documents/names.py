"""File names as they are kept: the last part of what was given, without what can deceive."""

from __future__ import annotations

import unicodedata
from pathlib import PurePosixPath

MAX_NAME = 200
# They turn the direction of what follows: `invoice\u202efdp.exe` reads as a PDF.
_DIRECTIONS = frozenset("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")


def clean_name(raw: str) -> tuple[str, list[str]]:
    """The name to keep, and a sentence for each thing that was changed."""
    changes: list[str] = []
    name = raw.replace("\\", "/").rstrip("/").rpartition("/")[2]
    if name != raw:
        changes.append("The folders in the file's name were left out.")
    shown = "".join(
        char
        for char in name
        if char not in _DIRECTIONS and unicodedata.category(char) not in {"Cc", "Cs", "Zl", "Zp"}
    )
    if shown != name:
        changes.append("Invisible characters in the file's name were left out.")
    name = unicodedata.normalize("NFC", shown).strip().lstrip(".").strip()
    if not name:
        changes.append('The file had no name; it is called "unnamed".')
        return "unnamed", changes
    if len(name) > MAX_NAME:
        suffix = PurePosixPath(name).suffix[:20]
        name = name[: MAX_NAME - len(suffix)].rstrip() + suffix
        changes.append(f"The file's name was shortened to {MAX_NAME} characters.")
    return name, changes
