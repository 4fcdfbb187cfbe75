"""CSV and its relatives, read as a stream whatever their encoding and delimiter."""

from __future__ import annotations

import codecs
import csv
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from documents.extraction.grids import Row, Sheet, Unreadable

SAMPLE_BYTES = 256 * 1024
MAX_FIELD_CHARS = 1_000_000
MAX_COLUMNS = 16_384
_DELIMITERS = ",;\t|"
_BOMS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)


class Delimited:
    """A text file as one sheet. A line's number is the number of its record, as a spreadsheet counts."""

    def __init__(self, path: Path, *, name: str) -> None:
        self._path = path
        self._name = Path(name).stem or "Sheet1"
        self.warnings: list[str] = []
        with path.open("rb") as file:
            sample = file.read(SAMPLE_BYTES)
            whole = len(sample) < SAMPLE_BYTES
        if not sample.strip(b"\0 \t\r\n"):
            raise Unreadable("empty_document", "The file has no text. Upload one that has.")
        self.encoding = self._encoding_of(sample, whole)
        text = self._sample_text(sample)
        self.delimiter, self.mixed = delimiter_of(text)
        if self.mixed:
            self.warnings.append(
                f"Lines of this file use different delimiters; {self.delimiter!r} separates most, "
                "and a line with none of it is split by the one that it has."
            )

    def sheets(self) -> list[Sheet]:
        facts = {"encoding": self.encoding, "delimiter": self.delimiter}
        return [Sheet(name=self._name, facts=facts)]

    def rows(self, sheet: Sheet) -> Iterator[Row]:
        csv.field_size_limit(MAX_FIELD_CHARS)
        with self._opened() as text:
            lines = (line.replace("\0", "") for line in text) if self._has_nul else text
            records = csv.reader(lines, delimiter=self.delimiter, strict=False)
            others = [mark for mark in _DELIMITERS if mark != self.delimiter]
            number = 0
            try:
                for number, cells in enumerate(records, 1):
                    if self.mixed and len(cells) == 1:
                        cells = _resplit(cells[0], others)
                    if len(cells) > MAX_COLUMNS:
                        raise Unreadable(
                            "too_many_columns",
                            f"Line {number} has {len(cells):,} columns; {MAX_COLUMNS:,} are read at most.",
                        )
                    yield Row(number, cells)
            except csv.Error as error:
                raise Unreadable(
                    "malformed_csv",
                    f"After line {number}: {error}. Is a quotation mark left open there?",
                ) from error
            except UnicodeError as error:
                raise Unreadable(
                    "wrong_encoding",
                    f"After line {number} the file is not {self.encoding} any more: {error}.",
                ) from error

    def _opened(self) -> IO[str]:
        errors = "strict" if self.encoding.startswith("utf") else "replace"
        return open(self._path, encoding=self.encoding, errors=errors, newline="")

    def _encoding_of(self, sample: bytes, whole: bool) -> str:
        self._has_nul = False
        for bom, name in _BOMS:
            if sample.startswith(bom):
                return name
        nuls = sample.count(0)
        if nuls > len(sample) // 5:
            # Text of the West in UTF-16 has a NUL in every other byte.
            return "utf-16-le" if sample[1::2].count(0) >= sample[0::2].count(0) else "utf-16-be"
        if nuls:
            self._has_nul = True
            self.warnings.append("The file holds NUL characters; they were left out.")
        if self._is_utf8():
            return "utf-8"
        import charset_normalizer

        # From single bytes a language is guessed; Western text is by far the likeliest.
        high = bytes(byte for byte in sample if byte > 0x7F)
        best = charset_normalizer.from_bytes(
            sample[: 64 * 1024],
            cp_isolation=["cp1252", "cp1250", "cp1251", "cp1253", "shift_jis", "gb18030", "big5"],
        ).best()
        name = best.encoding if best is not None and len(high) > 20 else "cp1252"
        self.warnings.append(
            f"The file does not say its encoding; it was read as {name}. "
            "Save it as UTF-8 if letters are wrong."
        )
        return name

    def _is_utf8(self) -> bool:
        decoder = codecs.getincrementaldecoder("utf-8")()
        with self._path.open("rb") as file:
            try:
                while data := file.read(1024 * 1024):
                    decoder.decode(data)
                decoder.decode(b"", final=True)
            except UnicodeDecodeError:
                return False
        return True

    def _sample_text(self, sample: bytes) -> str:
        decoder = codecs.getincrementaldecoder(self.encoding)("replace")
        return decoder.decode(sample)


def delimiter_of(text: str) -> tuple[str, bool]:
    """The delimiter of most lines, and whether others are used as well.

    The one that splits the most records into the same number of cells (more than one) wins;
    text within quotation marks is not looked at.
    """
    counts: dict[str, Counter[int]] = {}
    lines = _bare_lines(text)
    for mark in _DELIMITERS:
        counts[mark] = Counter(line.count(mark) for line in lines if line.strip())
    best, best_score = ",", 0.0
    total = max(1, sum(1 for line in lines if line.strip()))
    for mark, counter in counts.items():
        split = {number: count for number, count in counter.items() if number}
        if not split:
            continue
        number, count = max(
            split.items(), key=lambda found: (found[1] * (1 + found[0] / 100), found[0])
        )
        # A comma in running text appears now and then; a delimiter does so as often in each line.
        score = count / total * (1 + min(number, 20) / 100)
        if score > best_score + 1e-9:
            best, best_score = mark, score
    unsplit = [line for line in lines if line.strip() and best not in line]
    # Two such lines may be titles; titles are not split into as many cells as the others.
    usual = counts[best].most_common(1)[0][0] if counts[best] else 0
    others = sum(
        1
        for line in unsplit
        if any(line.count(mark) == usual and usual for mark in _DELIMITERS if mark != best)
    )
    return best, others > 0


def _bare_lines(text: str, most: int = 400) -> list[str]:
    """Lines outside of quotation marks, the quoted parts left out."""
    bare: list[str] = []
    current: list[str] = []
    quoted = False
    for position, part in enumerate(text.split('"')):
        quoted = position % 2 == 1
        if quoted:
            continue
        pieces = part.replace("\r\n", "\n").replace("\r", "\n").split("\n")
        current.append(pieces[0])
        for piece in pieces[1:]:
            bare.append("".join(current))
            current = [piece]
        if len(bare) > most:
            return bare[:most]
    bare.append("".join(current))
    return bare


def _resplit(line: str, others: list[str]) -> list[str]:
    mark = max(others, key=line.count)
    if not line.count(mark):
        return [line]
    return next(csv.reader([line], delimiter=mark), [line])
