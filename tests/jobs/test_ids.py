"""Ids: version 7, sortable by time, never twice."""

import os
import time
from concurrent.futures import ThreadPoolExecutor

from jobs.ids import uuid7


def test_ids_of_one_process_only_go_up() -> None:
    ids = [uuid7() for _ in range(20_000)]
    assert ids == sorted(ids)
    assert len(set(ids)) == len(ids)
    assert [str(one) for one in ids] == sorted(str(one) for one in ids)


def test_version_variant_and_time_are_where_the_rfc_puts_them() -> None:
    before = time.time_ns() // 1_000_000
    one = uuid7()
    assert one.version == 7
    assert (one.int >> 62) & 0b11 == 0b10
    assert before <= one.int >> 80 <= before + 60_000


def test_threads_never_share_an_id() -> None:
    with ThreadPoolExecutor(8) as pool:
        ids = list(pool.map(lambda _: uuid7(), range(8_000)))
    assert len(set(ids)) == 8_000


def test_a_forked_child_makes_other_ids_than_its_parent() -> None:
    uuid7()
    read, write = os.pipe()
    if os.fork() == 0:
        os.write(write, b"".join(uuid7().bytes for _ in range(50)))
        os._exit(0)
    os.close(write)
    mine = {uuid7().bytes for _ in range(50)}
    with os.fdopen(read, "rb") as pipe:
        raw = pipe.read()
    os.wait()
    theirs = {raw[at : at + 16] for at in range(0, len(raw), 16)}
    assert len(theirs) == 50
    assert not mine & theirs
