"""Which chunks have which terms, kept true with the chunks: the writing side.

A posting is one number of 32 bits: the chunk's place in its block, how often it has the term and
how many words it has (bounded by the tokens of a chunk, so both fit in a byte). All postings of a
term in a block are one row, so that a question reads a few rows a term, and adds them up as arrays.
New chunks go to small blocks, whose rows are cheap to extend; complete ones are merged.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
from django.db import connection as default_connection
from django.db import transaction
from numpy.typing import NDArray

from ingestion.chunking import begins_with
from ingestion.index import analysis, mark, tables

# Chunks in a block: 256 while it grows, 4,096 when it is complete. A block's number is that of its
# first chunk, doubled, and 1 for a small one.
SMALL_BITS, LARGE_BITS = 8, 12
# So many at once in one large block go there directly.
BULK = 1024
AT_ONCE = 4096
_LOCK = 0x7461706564656B  # "tapedek": writers of postings take turns on PostgreSQL.
Codes = NDArray[np.uint32]


def large_block(chunk_id: int) -> int:
    return chunk_id >> LARGE_BITS << LARGE_BITS << 1


def small_block(chunk_id: int) -> int:
    return (chunk_id >> SMALL_BITS << SMALL_BITS << 1) | 1


def size_of(block: int) -> int:
    return 1 << (SMALL_BITS if block & 1 else LARGE_BITS)


def settle(connection: Any = None) -> int:
    """Index what came and changed, forget what went; how many chunks that were.

    Belongs into the transaction of the change (after it, it is made good by the next call).
    """
    connection = connection or default_connection
    done = 0
    while count := _settle_some(connection):
        done += count
    return done


def renew(connection: Any) -> None:
    """Forget all postings and note every chunk as not indexed."""
    with transaction.atomic(using=connection.alias), connection.cursor() as cursor:
        _lock(connection, cursor)
        for table in ("posting", "postingblock", "indexpending", "indexversion"):
            cursor.execute(f"DELETE FROM ingestion_{table}")
        cursor.execute(
            "INSERT INTO ingestion_indexpending (chunk_id, change) "
            f"SELECT id, {tables.CAME} FROM ingestion_chunk ORDER BY id"
        )
        cursor.execute("INSERT INTO ingestion_indexversion VALUES (%s)", [tables.version()])
        mark.change(connection, cursor)


def pending(*, at_most: int = 1_000_000) -> int:
    """How many changes are not indexed yet, counted up to `at_most`."""
    with default_connection.cursor() as cursor:
        cursor.execute(
            f"SELECT count(*) FROM (SELECT 1 FROM ingestion_indexpending LIMIT {int(at_most)}) found"
        )
        return int(cursor.fetchone()[0])


def _lock(connection: Any, cursor: Any) -> None:
    if connection.vendor == "postgresql":
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", [_LOCK])


def _settle_some(connection: Any) -> int:
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1 FROM ingestion_indexpending LIMIT 1")
        if cursor.fetchone() is None:
            return 0
    with transaction.atomic(using=connection.alias), connection.cursor() as cursor:
        _lock(connection, cursor)
        cursor.execute(
            "SELECT id, chunk_id, change FROM ingestion_indexpending ORDER BY chunk_id, id "
            f"LIMIT {AT_ONCE}"
        )
        rows = cursor.fetchall()
        if not rows:
            return 0
        was_there = sorted({chunk for _, chunk, change in rows if change == tables.CHANGED})
        _in_slices(
            cursor, "DELETE FROM ingestion_indexpending WHERE id IN ({})", [row[0] for row in rows]
        )
        if was_there:
            with erased(connection):
                _remove(cursor, was_there)
        _add(connection, cursor, _bags(cursor, sorted({chunk for _, chunk, _ in rows})))
        _merge(connection, cursor)
        mark.change(connection, cursor)
        return len(rows)


@contextmanager
def erased(connection: Any = None) -> Iterator[None]:
    """What is deleted within leaves SQLite's file and not only its tables, once it is checkpointed."""
    connection = connection or default_connection
    if connection.vendor != "sqlite":
        yield
        return
    with connection.cursor() as cursor:
        cursor.execute("PRAGMA secure_delete")
        before = cursor.fetchone()[0]
        cursor.execute("PRAGMA secure_delete = ON")
        try:
            yield
        finally:
            # Within an outer one it stays on.
            cursor.execute(f"PRAGMA secure_delete = {int(before)}")


def _in_slices(cursor: Any, statement: str, ids: Sequence[int]) -> list[Any]:
    """Run `statement` with the whole numbers `ids` in it, 500 at a time; all rows that it gives."""
    found: list[Any] = []
    for at in range(0, len(ids), 500):
        cursor.execute(statement.format(",".join(str(int(n)) for n in ids[at : at + 500])))
        if cursor.description:
            found += cursor.fetchall()
    return found


def _bags(cursor: Any, ids: Sequence[int]) -> list[tuple[int, Counter[int]]]:
    """The terms of those of the chunks that are there: of the title, the headings and the text."""
    import json

    rows = _in_slices(
        cursor,
        "SELECT c.id, d.title, c.heading_path, c.text FROM ingestion_chunk c "
        "JOIN ingestion_sourcedocument d ON d.id = c.document_id WHERE c.id IN ({}) ORDER BY c.id",
        ids,
    )
    bags = []
    for chunk_id, title, path, text in rows:
        headings = json.loads(path) if isinstance(path, str) else path
        # A heading is usually the chunk's first line as well: said once, not twice.
        above = dict.fromkeys([title, *headings])
        head = " \n ".join(each for each in above if not begins_with(text, each))
        bags.append((chunk_id, Counter(map(analysis.number, analysis.terms(f"{head}\n{text}")))))
    return bags


def _add(connection: Any, cursor: Any, bags: Iterable[tuple[int, Counter[int]]]) -> None:
    by_region: dict[int, list[tuple[int, Counter[int]]]] = defaultdict(list)
    for chunk_id, bag in bags:
        if bag:
            by_region[large_block(chunk_id)].append((chunk_id, bag))
    if not by_region:
        return
    cursor.execute("SELECT block FROM ingestion_postingblock WHERE block % 2 = 0")
    complete = {block for (block,) in cursor.fetchall()}
    for region, members in sorted(by_region.items()):
        by_block: dict[int, list[tuple[int, Counter[int]]]] = defaultdict(list)
        directly = region in complete or len(members) >= BULK
        for chunk_id, bag in members:
            by_block[region if directly else small_block(chunk_id)].append((chunk_id, bag))
        for block, part in sorted(by_block.items()):
            _extend(connection, cursor, block, part)


def _extend(
    connection: Any, cursor: Any, block: int, members: Sequence[tuple[int, Counter[int]]]
) -> None:
    codes: dict[int, list[int]] = defaultdict(list)
    words = 0
    for chunk_id, bag in members:
        length = min(bag.total(), 255)
        words += length
        place = (chunk_id - (block >> 1)) << 16 | length
        for term, times in bag.items():
            codes[term].append(place | min(times, 255) << 8)
    packed = [
        (block, term, np.asarray(codes[term], dtype="<u4").tobytes()) for term in sorted(codes)
    ]
    _upsert(connection, cursor, packed)
    cursor.execute(
        "INSERT INTO ingestion_postingblock (block, chunks, words) VALUES (%s, %s, %s) "
        "ON CONFLICT (block) DO UPDATE SET chunks = ingestion_postingblock.chunks + excluded.chunks, "
        "words = ingestion_postingblock.words + excluded.words",
        [block, len(members), words],
    )


def _upsert(connection: Any, cursor: Any, rows: Sequence[tuple[int, int, bytes]]) -> None:
    if connection.vendor == "postgresql":
        cursor.execute(
            "INSERT INTO ingestion_posting (block, term, codes) "
            "SELECT * FROM unnest(%s::bigint[], %s::bigint[], %s::bytea[]) "
            "ON CONFLICT (block, term) DO UPDATE "
            "SET codes = ingestion_posting.codes || excluded.codes",
            [list(column) for column in zip(*rows, strict=True)],
        )
        return
    cursor.executemany(
        "INSERT INTO ingestion_posting (block, term, codes) VALUES (%s, %s, %s) "
        "ON CONFLICT (block, term) DO UPDATE SET codes = CAST(codes || excluded.codes AS blob)",
        rows,
    )


def _remove(cursor: Any, ids: Sequence[int]) -> None:
    """Take these chunks out of every row of their blocks, whatever terms they were indexed by."""
    by_block: dict[int, list[int]] = defaultdict(list)
    for chunk_id in ids:
        by_block[large_block(chunk_id)].append(chunk_id)
        by_block[small_block(chunk_id)].append(chunk_id)
    there = _in_slices(
        cursor, "SELECT block FROM ingestion_postingblock WHERE block IN ({})", sorted(by_block)
    )
    for (block,) in sorted(there):
        places = np.asarray([n - (block >> 1) for n in by_block[block]], dtype=np.uint32)
        _remove_from(cursor, block, places)


def _remove_from(cursor: Any, block: int, places: NDArray[np.uint32]) -> None:
    cursor.execute("SELECT term, codes FROM ingestion_posting WHERE block = %s", [block])
    rows = cursor.fetchall()
    gone = np.zeros(size_of(block), dtype=bool)
    gone[places] = True
    whole = np.frombuffer(b"".join(bytes(codes) for _, codes in rows), dtype="<u4")
    dead = gone[whole >> 16]
    if not dead.any():
        return
    # Each chunk once: its words are in every one of its postings.
    lost = np.unique(whole[dead] & 0xFFFF00FF)
    ends = np.cumsum([len(codes) // 4 for _, codes in rows])
    at = 0
    updates: list[tuple[bytes, int, int]] = []
    deletes: list[tuple[int, int]] = []
    for (term, _), end in zip(rows, ends, strict=True):
        part = dead[at:end]
        if part.all():
            deletes.append((block, term))
        elif part.any():
            updates.append((whole[at:end][~part].tobytes(), block, term))
        at = int(end)
    if updates:
        cursor.executemany(
            "UPDATE ingestion_posting SET codes = %s WHERE block = %s AND term = %s", updates
        )
    if len(deletes) == len(rows):
        cursor.execute("DELETE FROM ingestion_posting WHERE block = %s", [block])
        cursor.execute("DELETE FROM ingestion_postingblock WHERE block = %s", [block])
        return
    if deletes:
        cursor.executemany("DELETE FROM ingestion_posting WHERE block = %s AND term = %s", deletes)
    cursor.execute(
        "UPDATE ingestion_postingblock SET chunks = chunks - %s, words = words - %s "
        "WHERE block = %s",
        [len(lost), int((lost & 0xFF).sum()), block],
    )


def _merge(connection: Any, cursor: Any) -> None:
    """Make one block of the small ones that are complete: newer chunks are in a later block."""
    cursor.execute("SELECT block, chunks, words FROM ingestion_postingblock WHERE block % 2 = 1")
    small = cursor.fetchall()
    if not small:
        return
    newest = large_block(max(block for block, _, _ in small) >> 1)
    by_region: dict[int, list[Any]] = defaultdict(list)
    for row in small:
        if (region := large_block(row[0] >> 1)) < newest:
            by_region[region].append(row)
    for region, blocks in sorted(by_region.items()):
        joined: Mapping[int, list[bytes]] = defaultdict(list)
        for block, _, _ in sorted(blocks):
            cursor.execute("SELECT term, codes FROM ingestion_posting WHERE block = %s", [block])
            moved_by = np.uint32(((block >> 1) - (region >> 1)) << 16)
            for term, codes in cursor.fetchall():
                moved = np.frombuffer(bytes(codes), dtype="<u4") + moved_by
                joined[term].append(moved.astype("<u4").tobytes())
            cursor.execute("DELETE FROM ingestion_posting WHERE block = %s", [block])
            cursor.execute("DELETE FROM ingestion_postingblock WHERE block = %s", [block])
        rows = [(region, term, b"".join(parts)) for term, parts in sorted(joined.items())]
        _upsert(connection, cursor, rows)
        cursor.execute(
            "INSERT INTO ingestion_postingblock (block, chunks, words) VALUES (%s, %s, %s) "
            "ON CONFLICT (block) DO UPDATE "
            "SET chunks = ingestion_postingblock.chunks + excluded.chunks, "
            "words = ingestion_postingblock.words + excluded.words",
            [region, sum(row[1] for row in blocks), sum(row[2] for row in blocks)],
        )
