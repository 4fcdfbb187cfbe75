"""Reading files of strangers in a process of their own, with limits of time and memory.

A file that crashes or hangs its reader then costs that one file, not the sync that came by it.
`python -m ingestion.reading` is that process: it imports no Django and holds no secret.
"""

from __future__ import annotations

import contextlib
import json
import os
import resource
import selectors
import subprocess
import sys
from pathlib import Path
from types import TracebackType
from typing import IO, Self

from documents import media, readers
from documents.readers import Unreadable
from documents.structure import Structure
from jobs.queue.processes import MARKER, die_with_parent

TIMEOUT_S = 120
MEMORY_MB = 2048
ROOT = Path(__file__).resolve().parent.parent


class FileReader:
    """Reads one file after the other; `with FileReader() as reader`."""

    def __init__(self, *, timeout_s: float = TIMEOUT_S, memory_mb: int = MEMORY_MB) -> None:
        self._timeout_s = timeout_s
        self._memory_mb = memory_mb
        self._process: subprocess.Popen[str] | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.end()

    def read(
        self, path: Path, *, name: str, ocr: str = "never", ocr_languages: str = "eng"
    ) -> Structure:
        """The text and structure of the file at `path`; what it is, its content says first.

        :raises Unreadable: damaged, encrypted, of a type without a reader, or too much for the
            reader: `code` says which.
        """
        asked = {"path": str(path), "name": name, "ocr": ocr, "ocr_languages": ocr_languages}
        answer = self._ask(json.dumps(asked))
        if answer is None:
            raise Unreadable(
                "reader_died",
                "The process that read the file died: it took too much memory, or is built to "
                "crash readers.",
            )
        said = json.loads(answer)
        if "code" in said:
            raise Unreadable(said["code"], said["message"])
        result = Path(said["structure"])
        try:
            return Structure.loads(result.read_bytes())
        finally:
            result.unlink()

    def end(self) -> None:
        """End the process, whatever it is at."""
        process, self._process = self._process, None
        if process is not None:
            process.kill()
            process.wait()
            for pipe in (process.stdin, process.stdout):
                if pipe is not None:
                    # What was written and never read is still in the pipe's buffer.
                    with contextlib.suppress(OSError):
                        pipe.close()

    def _ask(self, line: str) -> str | None:
        """Its answer to one line; None: it died.

        :raises Unreadable: it took too long.
        """
        process = self._process = self._process or self._start()
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            process.stdin.write(line + "\n")
            process.stdin.flush()
        except OSError:
            self.end()
            return None
        with selectors.DefaultSelector() as selector:
            selector.register(process.stdout, selectors.EVENT_READ)
            if not selector.select(self._timeout_s):
                self.end()
                raise Unreadable(
                    "read_timed_out",
                    f"Reading the file took longer than {self._timeout_s:g} s and was given up.",
                )
        answer: str = process.stdout.readline()
        if not answer.endswith("\n"):
            self.end()
            return None
        return answer

    def _start(self) -> subprocess.Popen[str]:
        # The marker lets the sweep find it, should it outlive its job.
        wanted = ("PATH", "TMPDIR", "LANG", MARKER)
        kept = {name: os.environ[name] for name in wanted if name in os.environ}
        return subprocess.Popen(
            [sys.executable, "-m", "ingestion.reading", str(self._memory_mb), str(os.getpid())],
            cwd=ROOT,
            env={**kept, "PYTHONDONTWRITEBYTECODE": "1"},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )


def _answer(asked: dict[str, str]) -> dict[str, str]:
    path = Path(asked["path"])
    try:
        media_type, _ = media.recognise(path=path, name=asked["name"])
        source = readers.Source(
            path=path,
            name=asked["name"],
            media_type=media_type,
            ocr=asked["ocr"],
            ocr_languages=asked["ocr_languages"],
        )
        structure = readers.read(source)
    except media.ContentMismatch as error:
        return {"code": "content_mismatch", "message": str(error)}
    except Unreadable as error:
        return {"code": error.code, "message": error.message}
    except MemoryError:
        return {"code": "too_much_memory", "message": "Reading the file takes too much memory."}
    except Exception as error:  # noqa: BLE001 - whatever a reader did not foresee is this file's fault
        return {"code": "reader_failed", "message": f"The reader failed ({type(error).__name__})."}
    result = path.with_name(path.name + ".structure")
    result.write_bytes(structure.dumps())
    return {"structure": str(result)}


def main(lines: IO[str], answers: IO[str]) -> None:
    """Answer each line; ends with its input."""
    for line in lines:
        answers.write(json.dumps(_answer(json.loads(line))) + "\n")
        answers.flush()


if __name__ == "__main__":
    # Readers and what they call may print: that is no answer.
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    die_with_parent(parent_pid=int(sys.argv[2]))
    wanted, hard = int(sys.argv[1]) * 1024 * 1024, resource.getrlimit(resource.RLIMIT_AS)[1]
    limit = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    main(sys.stdin, answers)
