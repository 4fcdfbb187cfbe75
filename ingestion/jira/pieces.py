"""What a rich text says, in order: what Jira's two formats are both read to."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from documents.readers.base import Draft, StructureBuilder
from documents.structure import BlockKind


@dataclass(frozen=True, slots=True)
class Part:
    """A piece of running text; `level` as in `documents.structure.Block`."""

    kind: BlockKind
    text: str
    level: int = 0


@dataclass(frozen=True, slots=True)
class Grid:
    """A table: rows of cells, None where a cell of another row or column reaches in."""

    rows: Sequence[Sequence[Draft | None]]


Piece = Part | Grid


def plain(pieces: Iterable[Piece]) -> str:
    """All text of `pieces`, a line each; a row of a table is one line."""
    lines = []
    for piece in pieces:
        if isinstance(piece, Part):
            lines.append(piece.text)
        else:
            lines += [" | ".join(cell.text for cell in row if cell) for row in piece.rows]
    return "\n".join(line for line in lines if line.strip())


def write(
    built: StructureBuilder, pieces: Iterable[Piece], *, under: int = 0, anchor: str = ""
) -> None:
    """Append `pieces`; their headings come to lie below one of level `under`."""
    for piece in pieces:
        if isinstance(piece, Grid):
            built.table(piece.rows)
        elif piece.kind == "heading":
            built.block("heading", piece.text, level=under + piece.level, anchor=anchor)
        else:
            built.block(piece.kind, piece.text, level=piece.level, anchor=anchor)
