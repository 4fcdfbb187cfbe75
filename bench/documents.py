"""Documents measured: bytes in and out, pages of PDFs read, and how true their text is.

    python -m bench.documents transfer [--mb 64] [--rounds 5]   upload and download, beside plain Daphne
    python -m bench.documents pages [FILE…] [--rounds 5]        pages/s beside raw pypdfium2, peak memory
    python -m bench.documents fidelity [FILE…]                  text beside pypdf and pdfplumber
    python -m bench.documents tables [--seed 3]                 are found tables tables (also on FILE…)
    python -m bench.documents all

Rows a second of an extraction and its memory: `python -m bench.extraction`. A FILE is a PDF; where a
`.txt` of its name lies beside it, that is the text a person reads in it. Without FILEs those of the
corpus are taken, where it is there (`--corpus`, or CORPUS_DIR). Each measurement of pages runs in a
process of its own, in turn with the one it is compared with; of several rounds the best one counts.
"""

from __future__ import annotations

import argparse
import http.client
import json
import logging
import os
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
import unicodedata
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from bench.installation import ROOT, Installation, wait_for

AIM_PAGES = 0.8
CHUNK = 256 * 1024
SYSTEMS = ("ours", "pypdf", "pdfplumber")
BOUNDARY = "tapedeck-bench"


# -- text of PDFs, each in a process of its own


def text_of(system: str, path: Path) -> tuple[str, int]:
    """The file's text and how many pages it has, by one of the readers compared."""
    if system in {"ours", "ours, with tables"}:
        from documents import media, readers

        read = readers.read(
            readers.Source(
                path=path,
                name=path.name,
                media_type=media.PDF,
                find_tables=system != "ours",
                ocr="never",  # the others read no pictures
            )
        )
        return read.text, len(read.pages)
    if system == "pypdfium2":
        import pypdfium2

        parts = []
        with pypdfium2.PdfDocument(path) as pdf:
            for page in pdf:
                textpage = page.get_textpage()
                parts.append(textpage.get_text_range())
                textpage.close()
                page.close()
        return "\n".join(parts), len(parts)
    if system == "pypdf":
        import pypdf

        # It asks for another package, page by page; what it gives is the same with a clean log.
        logging.getLogger("pypdf").setLevel(logging.CRITICAL)
        with path.open("rb") as file:
            pages = [page.extract_text() for page in pypdf.PdfReader(file).pages]
        return "\n".join(pages), len(pages)
    import pdfplumber

    with pdfplumber.open(path) as plumbed:
        pages = [page.extract_text() for page in plumbed.pages]
    return "\n".join(pages), len(pages)


def one(system: str, path: Path) -> None:
    """In the measured process: imports and a first page are not counted, as in a worker that lives."""
    warm = path.parent / "warm.pdf"
    if warm.exists():
        text_of(system, warm)
    began = time.perf_counter()
    _, pages = text_of(system, path)
    took = time.perf_counter() - began
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps({"pagesPerS": pages / took, "pages": pages, "peakMb": peak}))


def measured(system: str, path: Path) -> dict[str, Any]:
    done = subprocess.run(
        [sys.executable, "-m", "bench.documents", "one", system, str(path)],
        check=True,
        capture_output=True,
        text=True,
        cwd=ROOT,
    )
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def pages(files: list[Path], rounds: int) -> bool:
    """Whether the aim is held: all files' pages together, best round of each system."""
    from bench.document_texts import rendered

    systems = ("pypdfium2", "ours", "ours, with tables")
    took: dict[str, float] = dict.fromkeys(systems, 0.0)
    counted = 0
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        [warm, *_] = rendered(Path(folder), pages=1)
        kept = warm.path.rename(Path(folder) / "warm.pdf")
        made = [each.path for each in rendered(Path(folder), pages=40)]
        print(f"{'':34}{'pages':>6}" + "".join(f"{system:>20}" for system in systems) + "   ratio")
        for path in [*files, *made]:
            copy = path if path.parent == kept.parent else shutil.copy(path, kept.parent)
            found = [[measured(each, Path(copy)) for each in systems] for _ in range(rounds)]
            best = [max(row[at]["pagesPerS"] for row in found) for at in range(len(systems))]
            peaks = [max(row[at]["peakMb"] for row in found) for at in range(len(systems))]
            for at, system in enumerate(systems):
                took[system] += found[0][at]["pages"] / best[at]
            counted += found[0][0]["pages"]
            shown = "".join(f"{rate:11,.0f}/s {mb:4.0f} MB" for rate, mb in zip(best, peaks, strict=True))  # fmt: skip
            print(f"{path.name:34}{found[0][0]['pages']:6}{shown}   {best[1] / best[0]:.2f}")
    rates = {system: counted / seconds for system, seconds in took.items()}
    ratio = rates["ours"] / rates["pypdfium2"]
    print(
        f"all {counted} pages: "
        + ", ".join(f"{system} {rate:,.0f} pages/s" for system, rate in rates.items())
        + f"; text alone at {ratio:.2f} of pypdfium2 (aim ≥ {AIM_PAGES})"
    )
    return ratio >= AIM_PAGES


# -- how true the text is


def alike(text: str, truth: str) -> float:
    """1 for the same characters in the same order: Levenshtein's similarity, white space as one blank."""
    from rapidfuzz.distance import Levenshtein

    return float(Levenshtein.normalized_similarity(_plain(text), _plain(truth)))


def same_words(text: str, truth: str) -> float:
    """The F1 of words, whatever their order."""
    said, meant = Counter(_plain(text).split()), Counter(_plain(truth).split())
    both = sum((said & meant).values())
    return 2 * both / max(said.total() + meant.total(), 1)


def _plain(text: str) -> str:
    return " ".join(unicodedata.normalize("NFC", text).split())


def fidelity(files: list[Path]) -> None:
    from bench.document_texts import KINDS, rendered

    print("similarity of characters (Levenshtein) / F1 of words")
    print(f"{'':34}" + "".join(f"{system:>17}" for system in SYSTEMS))
    scores: dict[str, list[tuple[float, float]]] = {system: [] for system in SYSTEMS}
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        made = [(each.name, each.path, each.truth) for each in rendered(Path(folder))]
        for name in KINDS.keys() - {name for name, _, _ in made}:
            print(f"{name:34} not measured: the font for it is not installed")
        given = [(path.name, path, path.with_suffix(".txt")) for path in files]
        known = [(name, path, txt.read_text("utf-8")) for name, path, txt in given if txt.exists()]
        for name, path, truth in [*known, *made]:
            row = ""
            for system in SYSTEMS:
                text, _ = text_of(system, path)
                score = alike(text, truth), same_words(text, truth)
                scores[system].append(score)
                row += f"{score[0]:10.4f} {score[1]:.4f}"
            print(f"{name:34}{row}")
    means = "".join(
        f"{statistics.mean(a for a, _ in rows):10.4f} {statistics.mean(b for _, b in rows):.4f}"
        for rows in scores.values()
    )
    print(f"{'mean':34}{means}")


# -- bytes in and out


async def plain_application(scope: Any, receive: Any, send: Any) -> None:
    """Plain Daphne with a file copy: POST writes its body to a file, GET sends that file."""
    if scope["type"] != "http":
        return
    path = Path(os.environ["BENCH_PLAIN"]) / "kept"
    if scope["method"] == "POST":
        with path.with_suffix(".part").open("wb") as file:
            more = True
            while more:
                message = await receive()
                file.write(message.get("body", b""))
                more = message.get("more_body", False)
        path.with_suffix(".part").rename(path)
        await send({"type": "http.response.start", "status": 201, "headers": []})
        await send({"type": "http.response.body", "body": b"{}"})
        return
    length = str(path.stat().st_size).encode()
    await send(
        {"type": "http.response.start", "status": 200, "headers": [(b"content-length", length)]}
    )
    with path.open("rb") as file:
        while data := file.read(CHUNK):
            await send({"type": "http.response.body", "body": data, "more_body": True})
    await send({"type": "http.response.body", "body": b""})


class Client:
    """One connection a request, as programs that send a file have it."""

    def __init__(self, port: int, headers: dict[str, str]) -> None:
        self.port = port
        self.headers = headers

    def ask(
        self, method: str, path: str, body: Iterator[bytes] | bytes = b"", **headers: str
    ) -> tuple[int, dict[str, str], int, bytes]:
        """Status, headers, bytes that came, and the first of them."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=300)
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        connection.request(method, path, body, {**self.headers, **named})
        answer = connection.getresponse()
        came, first = 0, b""
        while data := answer.read(CHUNK):
            came += len(data)
            first = first or data
        told = {name.lower(): value for name, value in answer.getheaders()}
        connection.close()
        return answer.status, told, came, first


def form_around(path: Path) -> tuple[bytes, bytes]:
    head = (
        f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="read"\r\n\r\nfalse\r\n'
        f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="file"; filename="{path.name}"\r\n'
        "Content-Type: application/octet-stream\r\n\r\n"
    )
    return head.encode(), f"\r\n--{BOUNDARY}--\r\n".encode()


def upload(client: Client, target: str, path: Path) -> dict[str, Any]:
    head, tail = form_around(path)

    def body() -> Iterator[bytes]:
        yield head
        with path.open("rb") as file:
            while data := file.read(CHUNK):
                yield data
        yield tail

    length = len(head) + path.stat().st_size + len(tail)
    status, _, _, answer = client.ask(
        "POST",
        target,
        body(),
        Content_Type=f"multipart/form-data; boundary={BOUNDARY}",
        Content_Length=str(length),
    )
    assert status == 201, (status, answer)
    told: dict[str, Any] = json.loads(answer)
    return told


def in_pieces(client: Client, path: Path, piece_bytes: int = 8 * 1024 * 1024) -> dict[str, Any]:
    size = path.stat().st_size
    begun = json.dumps({"filename": path.name, "fileSize": size, "read": False}).encode()
    status, headers, _, answer = client.ask("POST", "/api/uploads", begun, Content_Type="application/json")  # fmt: skip
    assert status == 201, (status, answer)
    offset = 0
    with path.open("rb") as file:
        while data := file.read(piece_bytes):
            status, _, _, answer = client.ask(
                "PATCH",
                headers["location"],
                data,
                Content_Type="application/offset+octet-stream",
                Upload_Offset=str(offset),
            )
            offset += len(data)
            assert status in {200, 204}, (status, answer)
    told: dict[str, Any] = json.loads(answer)
    return told


def transfer(mb: int, rounds: int) -> None:
    with tempfile.TemporaryDirectory(prefix="bench-") as scratch:
        folder = Path(scratch)
        path = folder / "payload.bin"
        installation = Installation(database="sqlite", settings="config.settings", MAX_UPLOAD_MB=str(mb + 10), BENCH_PLAIN=scratch)  # fmt: skip
        try:
            ours, plain, server = _servers(installation)
            ways: dict[str, Callable[[], Any]] = {
                "file copy": lambda: shutil.copyfile(path, folder / "copy"),
                "plain Daphne, upload": lambda: upload(plain, "/", path),
                "ours, upload (form)": lambda: kept.append(
                    upload(ours, "/api/documents/", path)["id"]
                ),
                "ours, upload (pieces of 8 MB)": lambda: in_pieces(ours, path),
                "plain Daphne, download": lambda: plain.ask("GET", "/"),
                "ours, download": lambda: ours.ask("GET", f"/api/documents/{kept[-1]}/download"),
            }
            kept: list[str] = []
            rates: dict[str, list[float]] = {name: [] for name in ways}
            for number in range(rounds + 1):
                # Another content each time: the same one would be a duplicate.
                path.write_bytes(os.urandom(mb * 1_000_000))
                for name, way in ways.items():
                    began = time.perf_counter()
                    done = way()
                    took = time.perf_counter() - began
                    if "download" in name:
                        assert done[0] == 200, done
                        assert done[2] >= mb * 1_000_000, done
                    if number:  # the first is to warm up
                        rates[name].append(mb / took)
            print(f"{mb} MB, {rounds} rounds in turn, median (lowest to highest) MB/s")
            for name, found in rates.items():
                print(f"  {name:32}{statistics.median(found):8.0f}  ({min(found):.0f} to {max(found):.0f})")  # fmt: skip
            for what in ("upload", "download"):
                mine = "ours, upload (form)" if what == "upload" else "ours, download"
                ratio = statistics.median(rates[mine]) / statistics.median(
                    rates[f"plain Daphne, {what}"]
                )
                print(f"  {what}: {ratio:.2f} of plain Daphne")
            print(f"  the server's peak memory: {_peak_mb(server):.0f} MB")
        finally:
            installation.close()


def _peak_mb(pid: int) -> float:
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) / 1024
    return float("nan")


def _servers(installation: Installation) -> tuple[Client, Client, int]:
    from django.contrib.auth.models import User

    from config.tokens import open_login

    port, other = _free_ports(2)
    user = User.objects.create_superuser("bench", password="bench-pass-1")
    token = open_login(user=user).access
    server = installation.start("runweb", "--port", str(port), HOST="127.0.0.1")
    installation.start(
        "-b", "127.0.0.1", "-p", str(other), "bench.documents:plain_application",
        python=("-m", "daphne"),
    )  # fmt: skip
    ours = Client(port, {"Authorization": f"Bearer {token}"})
    plain = Client(other, {})
    Path(os.environ["BENCH_PLAIN"], "kept").write_bytes(b"x")
    for client, path in ((ours, "/api/health/live"), (plain, "/")):
        if not wait_for(lambda client=client, path=path: _answers(client, path), timeout_s=60):  # type: ignore[misc]
            raise SystemExit(f"A server does not answer.\n{installation.log()[-3000:]}")
    return ours, plain, server.pid


def _answers(client: Client, path: str) -> bool:
    try:
        return client.ask("GET", path)[0] == 200
    except OSError:
        return False


def _free_ports(count: int) -> list[int]:
    import socket

    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [each.getsockname()[1] for each in sockets]
    for each in sockets:
        each.close()
    return ports


def corpus(given: Path | None) -> list[Path]:
    """The PDFs of the corpus that need no password; none where there is no corpus."""
    folder = given or Path(os.environ.get("CORPUS_DIR", ROOT.parent / "shared" / "corpora")) / "pdf"
    return [path for path in sorted(folder.glob("*.pdf")) if "password" not in path.name]


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("part", choices=["transfer", "pages", "fidelity", "tables", "all", "one"])
    parser.add_argument("files", nargs="*")
    parser.add_argument("--mb", type=int, default=64)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seed", type=int, default=3)
    parser.add_argument("--corpus", type=Path, help="the folder with the PDFs")
    given = parser.parse_args()
    if given.part == "one":
        one(given.files[0], Path(given.files[1]))
        return 0
    files = [Path(file) for file in given.files] or corpus(given.corpus)
    held = True
    if given.part in {"pages", "all"}:
        held = pages(files, given.rounds)
    if given.part in {"fidelity", "all"}:
        fidelity(files)
    if given.part in {"tables", "all"}:
        from bench.document_tables import tables

        tables(files, given.seed)
    if given.part in {"transfer", "all"}:
        transfer(given.mb, given.rounds)
    return 0 if held else 1


if __name__ == "__main__":
    sys.exit(main())
