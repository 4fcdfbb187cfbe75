"""The lines of a PDF page, measured, and joined to what belongs together.

Some four questions to PDFium and one turn of a loop for each line of a document: what is done here
is what reading takes above PDFium's own time (bench/documents.py).
"""

from __future__ import annotations

import ctypes
import re
from typing import Any, NamedTuple

import pypdfium2.raw as raw

from documents.structure import Box

# Sizes from here on are meant as they are set; programs that set 1 say the size in the matrix.
REAL_SIZE = 4.0
_STARTS = frozenset("•◦▪‣∙·–—*-(0123456789 \t\u00a0")
_LIST = re.compile(r"\s*(?:[•◦▪‣∙·–—*-]|\(?\d{1,3}[.)]|\(?[a-z]\))\s+\S")
# PDFium marks a word that was split at a line's end by one of these.
_HYPHENS = "\x02\ufffe\xad"
# What no text has. A carriage return that ends no line is made one's end.
_CONTROL = re.compile(r"[\x00\x01\x03-\x08\x0b\x0c\x0e-\x1f\x7f\ud800-\udfff\uffff]|\r(?!\n)")


class Line(NamedTuple):
    """A line's text and its box in points, not rounded; no box on pages that are turned."""

    text: str
    box: Box | None


class Group(NamedTuple):
    """Lines that belong together: of one size, at the distance of lines. Offsets are the text's."""

    start: int
    end: int
    size: float
    box: Box | None
    is_item: bool


def plain(text: str) -> str:
    """What PDFium says, with plain line ends and hyphens and without control characters."""
    return _CONTROL.sub("", _hyphened(text.replace("\r\n", "\n").replace("\r", "\n")))


def _hyphened(text: str) -> str:
    """`text`, as long as it was, with plain hyphens."""
    for mark in _HYPHENS:
        if mark in text:
            text = text.replace(mark, "-")
    return text


def plain_lines(text: str) -> tuple[list[str], list[str]]:
    """The lines of a page as PDFium gives it, and each of them made plain: the same list where it is."""
    pieces = text.split("\r\n")
    # Far quicker than to look for what is odd: most pages have nothing of it.
    if "".join(pieces).isprintable():
        return pieces, pieces
    if _CONTROL.search(text):
        return pieces, [piece if piece.isprintable() else plain(piece) for piece in pieces]
    told = _hyphened(text)
    return pieces, pieces if told is text else told.split("\r\n")


class Lines:
    """Measures pages, with buffers that are made once.

    PDFium's functions are taken by their addresses: pypdfium2's own declarations make new pointers
    to the buffers at each call, which takes several times as long as the call itself.
    """

    def __init__(self) -> None:
        self._matrix = raw.FS_MATRIX()
        self._sides = (ctypes.c_double * 4)()
        number, place = ctypes.c_int, ctypes.c_void_p
        self._font_size = _function(raw.FPDFText_GetFontSize, ctypes.c_double, place, number)
        self._get_matrix = _function(raw.FPDFText_GetMatrix, number, place, number, place)
        self._char_box = _function(raw.FPDFText_GetCharBox, number, place, number, *[place] * 4)
        self._char_index = _function(raw.FPDFText_GetCharIndexFromTextIndex, number, place, number)

    def groups(
        self,
        textpage: Any,
        text: str,
        pieces: list[str],
        told: list[str],
        *,
        start: int,
        height: float | None,
        lines: list[Line] | None = None,
    ) -> list[Group]:
        """The groups of a page's `text`, whose lines are `pieces`.

        Made plain they are `told`, and begin at `start` in all text.

        `height`: the page's, or None where it is turned and boxes would lie. `lines`: gets each line.
        """
        # Everything by a local name, and no call that can be spared: this loop is what reading takes
        # above PDFium's own time.
        font_size, get_matrix, char_box = self._font_size, self._get_matrix, self._char_box
        char_index = self._char_index
        matrix = self._matrix
        sides = memoryview(self._sides).cast("B").cast("d").tolist
        at_matrix, at_left = ctypes.addressof(matrix), ctypes.addressof(self._sides)
        at_right, at_bottom, at_top = at_left + 8, at_left + 16, at_left + 24
        address = ctypes.cast(textpage.raw, ctypes.c_void_p).value or 0
        # Where text and characters are as many, they are the same ones, and need no call to be found.
        same = raw.FPDFText_CountChars(textpage) == len(text)
        found: list[Group] = []
        begun = -1  # where the open group begins; below 0: none is open
        end = 0
        group_size = size = set_size = scale = 0.0
        item = False
        # Of the line above: its text, left edge and bottom. Of the open group: its box.
        inner = ""
        left = top = right = bottom = around_left = around_top = around_right = around_bottom = 0.0
        boxed = whole = False
        position = 0
        upright, high_edge = height is not None, height or 0.0
        for piece, shown in zip(pieces, told, strict=True):
            length = len(shown)
            here, start = start, start + length + 1
            first, position = position, position + len(piece) + 2
            said = shown.rstrip()
            if not said:
                continue
            last = first + (len(said) if piece is shown else len(piece.rstrip())) - 1
            if piece[0] <= " ":
                first += len(piece) - len(piece.lstrip())
            if not same:
                # Below 0: no character of its own.
                first = max(char_index(address, first), 0)
                last = max(char_index(address, last), first)
            was, was_boxed, was_left, was_bottom = size, boxed, left, bottom
            now = font_size(address, first)
            if now != set_size or now < REAL_SIZE:
                # The size is set in a space of its own; the matrix says how large it is on the page.
                got = get_matrix(address, first, at_matrix)
                set_size, scale = now, (abs(matrix.d) or abs(matrix.b) or 1.0) if got else 1.0
            size = now * scale
            boxed = upright and char_box(address, first, at_left, at_right, at_bottom, at_top)  # fmt: skip
            if boxed:
                left, right, bottom, top = sides()
                if last != first and char_box(address, last, at_left, at_right, at_bottom, at_top):
                    _, x1, low, high = sides()
                    right = x1 if x1 > left else left
                    bottom = low if low < bottom else bottom
                    top = high if high > top else top
                top, bottom = high_edge - top, high_edge - bottom
            new_item = (said[0] in _STARTS or said[1:2] == ")") and _LIST.match(said) is not None
            if begun >= 0:
                apart = new_item or abs(was - size) > 0.6
                if boxed and was_boxed and not apart:
                    step = size if size > 1 else 1.0
                    down = bottom - was_bottom
                    # Too far below, above, or a line that ends early and a next one that is indented.
                    apart = not 0 <= down <= 1.75 * step or (
                        left - was_left > 0.8 * step and inner[-1] in ".:"
                    )
                if apart:
                    box = _tenths(around_left, around_top, around_right, around_bottom)
                    found.append(Group(begun, end, group_size, box if whole else None, item))
                    begun = -1
            if begun < 0:
                begun, group_size, item, whole = here, size, new_item, boxed
                if boxed:
                    around_left, around_top, around_right, around_bottom = left, top, right, bottom
            elif boxed:
                around_left = left if left < around_left else around_left
                around_top = top if top < around_top else around_top
                around_right = right if right > around_right else around_right
                around_bottom = bottom if bottom > around_bottom else around_bottom
            else:
                whole = False
            end = here + len(said)
            inner = said
            if lines is not None:
                lines.append(Line(said, (left, top, right, bottom) if boxed else None))
        if begun >= 0:
            box = _tenths(around_left, around_top, around_right, around_bottom)
            found.append(Group(begun, end, group_size, box if whole else None, item))
        return found


def _tenths(left: float, top: float, right: float, bottom: float) -> Box:
    """Rounded to one decimal, several times as quickly as by `round`."""
    return (
        (left * 10 + 0.5) // 1 / 10,
        (top * 10 + 0.5) // 1 / 10,
        (right * 10 + 0.5) // 1 / 10,
        (bottom * 10 + 0.5) // 1 / 10,
    )


def _function(function: Any, *signature: Any) -> Any:
    # PYFUNCTYPE: they answer at once, so the interpreter's lock need not be given up and taken again.
    return ctypes.PYFUNCTYPE(*signature)(ctypes.cast(function, ctypes.c_void_p).value or 0)
