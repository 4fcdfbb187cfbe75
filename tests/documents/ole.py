"""OLE files and what is kept in them, made byte by byte as [MS-CFB], [MS-XLS] and [MS-OXMSG] say."""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence
from typing import Any

SECTOR, MINI = 512, 64
_END, _FAT, _FREE = 0xFFFFFFFE, 0xFFFFFFFD, 0xFFFFFFFF


def compound(streams: Mapping[str, bytes]) -> bytes:
    """A compound file with these streams; a name with a slash lies in a storage."""
    tree: dict[str, Any] = {}
    for name, data in streams.items():
        *folders, last = name.split("/")
        inside = tree
        for folder in folders:
            inside = inside.setdefault(folder, {})
        inside[last] = data
    sectors: list[bytes] = []
    fat: list[int] = []
    mini: list[bytes] = []
    mini_fat: list[int] = []

    def chain(data: bytes, size: int, kept: list[bytes], table: list[int]) -> int:
        pieces = [data[at : at + size].ljust(size, b"\0") for at in range(0, len(data), size)]
        first = len(kept)
        kept += pieces
        table += [*range(first + 1, first + len(pieces)), _END]
        return first

    entries: list[list[Any]] = [["Root Entry", 5, _FREE, _FREE, _FREE, _END, 0]]

    def add(inside: Mapping[str, Any]) -> int:
        """Append entries as one chain of right siblings: the index of the first."""
        first = before = _FREE
        for name in sorted(inside, key=lambda each: (len(each), each.upper())):
            index = len(entries)
            what = inside[name]
            entries.append([name, 1, _FREE, _FREE, _FREE, _END, 0])
            if isinstance(what, bytes):
                small = len(what) < 4096
                start = (
                    chain(what, MINI, mini, mini_fat)
                    if small and what
                    else chain(what, SECTOR, sectors, fat)
                    if what
                    else _END
                )
                entries[index] = [name, 2, _FREE, _FREE, _FREE, start, len(what)]
            else:
                entries[index][4] = add(what)
            if before == _FREE:
                first = index
            else:
                entries[before][3] = index
            before = index
        return first

    entries[0][4] = add(tree)
    packed = b"".join(mini)
    if packed:
        entries[0][5], entries[0][6] = chain(packed, SECTOR, sectors, fat), len(packed)
    listed = b"".join(_entry(*entry) for entry in entries)
    directory = chain(listed, SECTOR, sectors, fat)
    mini_table = struct.pack(f"<{len(mini_fat)}I", *mini_fat)
    first_mini = chain(_padded(mini_table), SECTOR, sectors, fat) if mini_fat else _END
    n_mini = (len(mini_table) + SECTOR - 1) // SECTOR
    n_fat = 1
    while (len(fat) + n_fat) * 4 > n_fat * SECTOR:
        n_fat += 1
    at = len(sectors)
    fat += [_FAT] * n_fat
    sectors.append(_padded(struct.pack(f"<{len(fat)}I", *fat)))
    head = struct.pack(
        "<8s16xHHHHH6xIIIIIIIII",
        b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1",
        0x3E,
        3,
        0xFFFE,
        9,
        6,
        0,
        n_fat,
        directory,
        0,
        4096,
        first_mini,
        n_mini,
        _END,
        0,
    )
    places = [*range(at, at + n_fat), *[_FREE] * (109 - n_fat)]
    return head + struct.pack("<109I", *places) + b"".join(sectors)


def _padded(data: bytes) -> bytes:
    # Of a table of sectors what is left over is free.
    return data + b"\xff" * (-len(data) % SECTOR)


def _entry(name: str, kind: int, left: int, right: int, child: int, start: int, size: int) -> bytes:
    raw = name.encode("utf-16-le") + b"\0\0"
    return struct.pack("<64sHBBIII36xIQ", raw, len(raw), kind, 1, left, right, child, start, size)


def xls(
    rows: Sequence[Sequence[str | float | None]],
    *,
    name: str = "Prices",
    hidden_rows: Sequence[int] = (),
    hidden_columns: Sequence[int] = (),
) -> bytes:
    """An Excel 97 workbook of one sheet; what is hidden counts from 0."""

    def record(kind: int, body: bytes) -> bytes:
        return struct.pack("<HH", kind, len(body)) + body

    bof = lambda what: record(0x0809, struct.pack("<HHHHII", 0x0600, what, 0x0DBB, 1996, 0, 6))  # noqa: E731
    sheet = bof(0x0010)
    for column in hidden_columns:
        sheet += record(0x007D, struct.pack("<HHHHHH", column, column, 2048, 15, 1, 0))
    width = max(map(len, rows))
    sheet += record(0x0200, struct.pack("<IIHHH", 0, len(rows), 0, width, 0))
    for number, cells in enumerate(rows):
        flags = 0x0100 | (0x20 if number in hidden_rows else 0)
        sheet += record(0x0208, struct.pack("<HHHHHHHH", number, 0, width, 255, 0, 0, flags, 15))
        for column, value in enumerate(cells):
            if isinstance(value, str):
                text = struct.pack("<HB", len(value), 1) + value.encode("utf-16-le")
                sheet += record(0x0204, struct.pack("<HHH", number, column, 0) + text)
            elif value is not None:
                sheet += record(0x0203, struct.pack("<HHHd", number, column, 0, value))
    sheet += record(0x000A, b"")
    raw = name.encode("utf-16-le")
    listed = struct.pack("<BBBB", 0, 0, len(name), 1) + raw
    begin = len(bof(5)) + 4 + 4 + len(listed) + 4
    book = bof(0x0005) + record(0x0085, struct.pack("<I", begin) + listed) + record(0x000A, b"")
    assert len(book) == begin
    return compound({"Workbook": (book + sheet).ljust(4096, b"\0")})


def msg(
    *, subject: str, body: str = "", html: bytes = b"", attachments: Mapping[str, bytes] = {}
) -> bytes:
    """An Outlook message."""
    wide = lambda text: text.encode("utf-16-le")  # noqa: E731
    streams = {
        "__properties_version1.0": b"\0" * 32,
        "__substg1.0_0037001F": wide(subject),
        "__substg1.0_0C1A001F": wide("Ada Okafor"),
        "__substg1.0_0C1F001F": wide("ada@example.org"),
        "__substg1.0_0E04001F": wide("bob@example.org"),
    }
    if body:
        streams["__substg1.0_1000001F"] = wide(body)
    if html:
        streams["__substg1.0_10130102"] = html
    for number, (name, data) in enumerate(attachments.items()):
        folder = f"__attach_version1.0_#{number:08X}"
        streams[f"{folder}/__substg1.0_3707001F"] = wide(name)
        streams[f"{folder}/__substg1.0_37010102"] = data
    return compound(streams)
