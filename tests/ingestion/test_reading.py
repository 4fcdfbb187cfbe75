"""Reading files in a process of their own: what hangs or kills it costs one file."""

from __future__ import annotations

import os
from pathlib import Path

import psutil
import pytest

from documents.readers import Unreadable
from ingestion.reading import FileReader


@pytest.fixture
def words(tmp_path: Path) -> Path:
    path = tmp_path / "file"
    path.write_text("plain words")
    return path


def readers() -> list[psutil.Process]:
    here = psutil.Process().children(recursive=True)
    return [each for each in here if "ingestion.reading" in each.cmdline()]


def test_one_process_reads_file_after_file_and_ends(words: Path) -> None:
    with FileReader() as reader:
        assert reader.read(words, name="a.txt").text.strip() == "plain words"
        [process] = readers()
        assert not any(name.startswith(("DATABASE", "ENCRYPTION")) for name in process.environ())
        assert reader.read(words, name="no ending").media_type == "text/plain"
        assert readers() == [process]
    assert readers() == []
    assert [each.name for each in words.parent.iterdir()] == ["file"]


def test_a_process_that_dies_costs_its_file_alone(words: Path) -> None:
    with FileReader() as reader:
        reader.read(words, name="a.txt")
        [process] = readers()
        process.kill()
        process.wait()
        with pytest.raises(Unreadable) as refused:
            reader.read(words, name="a.txt")
        assert refused.value.code == "reader_died"
        assert reader.read(words, name="a.txt").text.strip() == "plain words"


def test_memory_and_time_are_limited(words: Path) -> None:
    words.write_bytes(b"plain words\n" * 1_500_000)
    with FileReader(memory_mb=80) as reader, pytest.raises(Unreadable) as refused:
        reader.read(words, name="a.txt")
    assert refused.value.code in {"reader_died", "too_much_memory"}, refused.value.message
    os.mkfifo(words.with_name("pipe"))
    with FileReader(timeout_s=0.2) as reader:
        # Nobody writes to it: whoever opens it waits for ever.
        with pytest.raises(Unreadable) as refused:
            reader.read(words.with_name("pipe"), name="a.txt")
        assert refused.value.code == "read_timed_out"
        assert readers() == []


def test_what_can_not_be_read_says_why(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"%PDF-1.7 and no more")
    with FileReader() as reader:
        with pytest.raises(Unreadable) as refused:
            reader.read(path, name="a.pdf")
        assert refused.value.code == "damaged"
        with pytest.raises(Unreadable) as refused:
            reader.read(path, name="a.docx")
        assert refused.value.code == "content_mismatch"
