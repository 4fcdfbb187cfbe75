"""CSV and TSV, in whatever encoding and with whatever delimiter they came."""

from __future__ import annotations

import csv
import io
from collections import Counter
from collections.abc import Iterator

from documents.readers.base import (
    MAX_CELLS,
    Draft,
    Source,
    StructureBuilder,
    Unreadable,
    cell_ref,
    tidy,
)
from documents.readers.encodings import decode
from documents.structure import Structure

DELIMITERS = (",", ";", "\t", "|")
WORDS = {",": "comma", ";": "semicolon", "\t": "tab", "|": "vertical bar"}
# The structure is for looking and searching; an extraction reads the file itself, to its end.
MAX_BYTES = 32 * 1024 * 1024
MAX_ROWS = 50_000
SAMPLE_ROWS = 200
MAX_FIELD_CHARS = 1_000_000


def read(source: Source) -> Structure:
    built = StructureBuilder(source.media_type)
    size = source.path.stat().st_size
    with source.path.open("rb") as file:
        data = file.read(MAX_BYTES)
    cut = size > len(data)
    text, encoding = decode(data)
    if cut:
        text = text[: text.rfind("\n") + 1] or text
    text = text.replace("\0", "")
    built.meta("encoding", encoding)
    if "\ufffd" in text:
        built.warn(
            "characters_lost", f"Some bytes are no {encoding} text; they are shown as \ufffd."
        )
    delimiter, clear = find_delimiter(text)
    built.meta("delimiter", WORDS[delimiter])
    if not clear:
        built.warn(
            "mixed_delimiters",
            "Rows are split in more than one way; the file was read with a "
            f"{WORDS[delimiter]} between its columns.",
        )
    rows: list[list[Draft | None]] = []
    cells = 0
    for number, row in enumerate(_rows(text, delimiter)):
        cells += len(row)
        if number >= MAX_ROWS or cells > MAX_CELLS:
            cut = True
            break
        rows.append(
            [
                Draft(text=tidy(value), ref=cell_ref(number, col)) if value else None
                for col, value in enumerate(row)
            ]
        )
        if number % 1000 == 0:
            source.on_page(number, 0)
    if cut:
        built.warn(
            "cut",
            f"Shown and searched are the first {len(rows):,} rows; an extraction reads all of them.",
        )
    built.table(rows, title=source.name, rows_left_out=-1 if cut else 0)
    return built.build()


def find_delimiter(text: str) -> tuple[str, bool]:
    """The delimiter that splits most rows alike, and whether no other does nearly as well."""
    sample = text[:200_000]
    scores: dict[str, tuple[float, float]] = {}
    for delimiter in DELIMITERS:
        try:
            widths = Counter(
                len(row)
                for row, _ in zip(_rows(sample, delimiter), range(SAMPLE_ROWS), strict=False)
            )
        except Unreadable:
            continue
        total = sum(widths.values())
        wide = {width: count for width, count in widths.items() if width > 1}
        if not total or not wide:
            scores[delimiter] = (0.0, 0.0)
            continue
        width, count = max(wide.items(), key=lambda item: (item[1], item[0]))
        # The share of rows with the commonest width; then how many columns that gives.
        scores[delimiter] = (count / total, min(width, 50) / 50)
    # Commas stand in numbers and sentences too; the others hardly ever split every row alike.
    steady = [each for each in DELIMITERS[1:] if scores.get(each, (0.0, 0.0))[0] > 0.9]
    best = max(steady or scores or DELIMITERS, key=lambda each: _rank(scores.get(each, (0.0, 0.0))))
    share = scores.get(best, (0.0, 0.0))[0]
    return best, share == 0 or share > 0.9


def _rank(score: tuple[float, float]) -> float:
    share, width = score
    return share * 3 + width


def _rows(text: str, delimiter: str) -> Iterator[list[str]]:
    csv.field_size_limit(MAX_FIELD_CHARS)
    # newline="": the reader itself tells line ends from those within quotes.
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)
    try:
        yield from reader
    except csv.Error as error:
        raise Unreadable(
            "damaged",
            f"Line {reader.line_num} can not be read as CSV: {error}. A quote that is never closed "
            "is the usual cause.",
        ) from error
