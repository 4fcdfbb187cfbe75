"""Takes secrets out of a session's evidence, before anyone else can read it.

Every file of a tree is rewritten as a stream: text, JSON, HAR, DOM, code; zips (traces) entry
by entry; gzip and zlib streams inside out. Files stay valid: JSON parses, zips test, traces
open. In HAR and trace, cookies and credentials of every request go too, known or not.

What is not touched: pictures and videos (pixels; a secret found in one is reported),
`uploads/` (a replay needs them as they were), and the cookies of `storage_state.json`, which
is nothing but a credential: an artifact of kind `storage_state`, for its owner alone.
"""

from __future__ import annotations

import gzip
import re
import shutil
import tempfile
import zipfile
import zlib
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import IO, cast

from recorder.spellings import MARK, SHORT, Finding, findings, is_short, spellings

CHUNK = 1 << 20
MAX_NESTING = 3
# A decompressed stream beyond this is no evidence of ours.
MAX_INFLATED = 512 * CHUNK

_STRUCTURED = {".json", ".jsonl", ".har", ".trace", ".network", ".stacks"}
_NETWORK = {".har", ".trace", ".network"}
_OPAQUE = (
    *(b"\x89PNG", b"\xff\xd8\xff", b"GIF8", b"RIFF", b"\x1aE\xdf\xa3", b"wOFF", b"wOF2", b"%PDF"),
    *(b"\0\0\1\0", b"OggS", b"ID3", b"\0asm"),
)
_SKIPPED = frozenset({"uploads"})

_STRING = rb'"(?:[^"\\]|\\.)*"'
_HEADER = re.compile(
    rb'("name"\s*:\s*"(?:cookie|set-cookie|authorization|proxy-authorization|x-csrftoken'
    rb'|x-csrf-token|x-xsrf-token|x-api-key)"\s*,\s*"value"\s*:\s*)' + _STRING,
    re.IGNORECASE,
)
_COOKIES = re.compile(rb'"cookies"\s*:\s*\[(?:[^\]"]|' + _STRING + rb")*\]")
_COOKIE_VALUE = re.compile(rb'("value"\s*:\s*)' + _STRING)
_QUOTED_MARK = b'"' + MARK + b'"'
_LONGEST_HEADER = 256 * 1024


@dataclass(kw_only=True)
class ScrubReport:
    """`replaced` counts by file (`trace.zip!resources/x`), `short` the secrets too short to be
    looked for inside words."""

    scanned: int = 0
    replaced: dict[str, int] = field(default_factory=dict)
    short: int = 0
    warnings: list[str] = field(default_factory=list)

    @property
    def total(self) -> int:
        return sum(self.replaced.values())


def scrub_text(text: str, secrets: Iterable[str]) -> str:
    """`text` (a log line, an error) without the secrets."""
    data = text.encode("utf-8", "surrogatepass")
    for finding in findings(secrets, structured=False):
        data = finding.pattern.sub(finding.replace, data)
    return data.decode("utf-8", "surrogatepass")


def scrub_tree(folder: Path, secrets: Collection[str]) -> ScrubReport:
    """Rewrite every file below `folder` without `secrets`; links are left alone.

    Each file is replaced in one move: an interruption leaves it as it was, or scrubbed.

    :raises OSError: a file can not be rewritten; files so far are scrubbed.
    """
    scrub = _Scrub(list(secrets))
    for path in sorted(folder.rglob("*")):
        inside = path.relative_to(folder)
        if path.is_file() and not path.is_symlink() and inside.parts[0] not in _SKIPPED:
            scrub.file(path, name=inside.as_posix())
    return scrub.report


class _Scrub:
    def __init__(self, secrets: Sequence[str]) -> None:
        self.report = ScrubReport(short=sum(is_short(value) for value in secrets if value))
        if self.report.short:
            self.report.warnings.append(
                f"{self.report.short} secret(s) shorter than {SHORT} characters: replaced only "
                "where they stand as a whole value."
            )
        self._plain = findings(secrets, structured=False)
        self._json = findings(secrets, structured=True)
        self._raw = [form for value in secrets if not is_short(value) for form in spellings(value)]

    def file(self, path: Path, *, name: str) -> None:
        before = sum(self.report.replaced.values())
        with tempfile.TemporaryDirectory(dir=path.parent, prefix=".scrub-") as beside:
            made = Path(beside) / "made"
            with path.open("rb") as source, made.open("wb") as target:
                self._content(source, target, name=name, depth=0)
            if sum(self.report.replaced.values()) != before:
                shutil.copymode(path, made)
                made.replace(path)

    def _content(self, source: IO[bytes], target: IO[bytes], *, name: str, depth: int) -> None:
        """Copy `source` to `target`, scrubbed; `source` stands at its beginning and can seek."""
        self.report.scanned += 1
        head = source.read(8)
        source.seek(0)
        if head.startswith(b"PK\3\4") and depth < MAX_NESTING and zipfile.is_zipfile(source):
            source.seek(0)
            self._zip(source, target, name=name, depth=depth)
            return
        source.seek(0)
        if head.startswith(_OPAQUE):
            self._opaque(source, target, name=name)
            return
        compressed = _compression(head)
        if (
            compressed
            and depth < MAX_NESTING
            and self._compressed(source, target, compressed, name, depth)
        ):
            return
        source.seek(0)
        for chunk in self._scrubbed(_chunks(source), name=name):
            target.write(chunk)

    def _zip(self, source: IO[bytes], target: IO[bytes], *, name: str, depth: int) -> None:
        with zipfile.ZipFile(source) as old, zipfile.ZipFile(target, "w", allowZip64=True) as new:
            new.comment = old.comment
            for entry in old.infolist():
                made = zipfile.ZipInfo(entry.filename, entry.date_time)
                made.compress_type = entry.compress_type
                made.external_attr = entry.external_attr
                if entry.is_dir():
                    new.writestr(made, b"")
                    continue
                with tempfile.SpooledTemporaryFile(max_size=8 * CHUNK) as unpacked:
                    with old.open(entry) as packed:
                        shutil.copyfileobj(packed, unpacked, CHUNK)
                    unpacked.seek(0)
                    large = entry.file_size > 1 << 30
                    with new.open(made, "w", force_zip64=large) as out:
                        self._content(
                            cast(IO[bytes], unpacked),
                            out,
                            name=f"{name}!{entry.filename}",
                            depth=depth + 1,
                        )

    def _compressed(
        self, source: IO[bytes], target: IO[bytes], wbits: int, name: str, depth: int
    ) -> bool:
        """False, and nothing written, where it is no such stream after all."""
        with (
            tempfile.SpooledTemporaryFile(max_size=8 * CHUNK) as inflated,
            tempfile.SpooledTemporaryFile(max_size=8 * CHUNK) as scrubbed,
        ):
            try:
                for chunk in _inflated(_chunks(source), wbits):
                    inflated.write(chunk)
            except (zlib.error, EOFError, _TooLarge):
                return False
            inflated.seek(0)
            before = self.report.total
            inner = cast(IO[bytes], inflated)
            self._content(inner, cast(IO[bytes], scrubbed), name=f"{name}!", depth=depth + 1)
            if self.report.total == before:
                source.seek(0)
                shutil.copyfileobj(source, target, CHUNK)
                return True
            scrubbed.seek(0)
            if wbits == _GZIP:
                with gzip.GzipFile(fileobj=target, mode="wb", mtime=0) as packed:
                    shutil.copyfileobj(scrubbed, packed, CHUNK)
            else:
                packer = zlib.compressobj()
                for chunk in _chunks(cast(IO[bytes], scrubbed)):
                    target.write(packer.compress(chunk))
                target.write(packer.flush())
            return True

    def _opaque(self, source: IO[bytes], target: IO[bytes], *, name: str) -> None:
        tail = b""
        reported = False
        for chunk in _chunks(source):
            seen = tail + chunk
            if not reported and any(form in seen for form in self._raw):
                self.report.warnings.append(f"{name}: a secret is inside and was left there.")
                reported = True
            tail = seen[-4096:]
            target.write(chunk)

    def _scrubbed(self, chunks: Iterator[bytes], *, name: str) -> Iterator[bytes]:
        suffix = PurePosixPath(name).suffix.lower()
        structured = suffix in _STRUCTURED

        def count(number: int) -> None:
            self.report.replaced[name] = self.report.replaced.get(name, 0) + number

        if suffix in _NETWORK:
            chunks = _replaced(chunks, _CREDENTIALS, count)
            chunks = _replaced(chunks, _COOKIE_LIST, count)
        for finding in self._json if structured else self._plain:
            chunks = _replaced(chunks, finding, count)
        return chunks


_GZIP = 31
_ZLIB = 15


class _TooLarge(Exception):
    """Inflates to more than evidence ever does."""


def _compression(head: bytes) -> int | None:
    if head.startswith(b"\x1f\x8b"):
        return _GZIP
    # RFC 1950: the first two bytes are a multiple of 31, method 8.
    if len(head) >= 2 and head[0] & 0x0F == 8 and int.from_bytes(head[:2]) % 31 == 0:
        return _ZLIB
    return None


def _inflated(chunks: Iterator[bytes], wbits: int) -> Iterator[bytes]:
    engine = zlib.decompressobj(wbits)
    total = 0
    for chunk in chunks:
        while chunk and not engine.eof:
            data = engine.decompress(chunk, CHUNK)
            total += len(data)
            if total > MAX_INFLATED:
                raise _TooLarge
            yield data
            chunk = engine.unconsumed_tail
    if not engine.eof or engine.unused_data:
        raise EOFError


def _chunks(source: IO[bytes]) -> Iterator[bytes]:
    while chunk := source.read(CHUNK):
        yield chunk


def _without_value(match: re.Match[bytes]) -> bytes:
    return match.group(1) + _QUOTED_MARK


def _without_values(match: re.Match[bytes]) -> bytes:
    return _COOKIE_VALUE.sub(_without_value, match.group())


_CREDENTIALS = Finding(pattern=_HEADER, replace=_without_value, longest=_LONGEST_HEADER)
_COOKIE_LIST = Finding(pattern=_COOKIES, replace=_without_values, longest=_LONGEST_HEADER)


def _replaced(
    chunks: Iterator[bytes], finding: Finding, count: Callable[[int], None]
) -> Iterator[bytes]:
    """The stream with every match replaced, also one that lies across chunks."""
    buffer = b""
    # What stays of the text before the buffer, for patterns that look behind.
    behind = b""
    for chunk in chunks:
        buffer += chunk
        if len(buffer) <= finding.longest:
            continue
        done, behind, buffer = _pass(behind, buffer, finding, count, hold=finding.longest)
        yield done
    yield _pass(behind, buffer, finding, count, hold=0)[0]


def _pass(
    behind: bytes, buffer: bytes, finding: Finding, count: Callable[[int], None], *, hold: int
) -> tuple[bytes, bytes, bytes]:
    """Replace in `buffer` all that can not reach into its last `hold` bytes."""
    cut = len(buffer) - hold
    if finding.hints and not any(hint in buffer for hint in finding.hints):
        return buffer[:cut], buffer[max(0, cut - 16) : cut], buffer[cut:]
    text = behind + buffer
    start = len(behind)
    made: list[bytes] = []
    at = start
    found = 0
    for match in finding.pattern.finditer(text, start):
        if hold and match.start() - start >= cut:
            break
        replacement = finding.replace(match)
        found += replacement != match.group()
        made += [text[at : match.start()], replacement]
        at = match.end()
    end = max(at, start + cut)
    made.append(text[at:end])
    if found:
        count(found)
    return b"".join(made), text[max(0, end - 16) : end], text[end:]
