"""Large bodies against a real web server: refused early, never in memory, nothing half-kept."""

from __future__ import annotations

import hashlib
import socket
from collections.abc import Iterator
from typing import Any

import httpx
import psutil
import pytest
from django.conf import settings
from django.contrib.auth.models import User
from rest_framework_simplejwt.tokens import AccessToken

from documents.models import Document
from tests.fixtures.jobs import wait_for
from tests.fixtures.web import Web

SIZE = 120 * 1024 * 1024


@pytest.fixture
def bearer(owner: User) -> dict[str, str]:
    return {"Authorization": f"Bearer {AccessToken.for_user(owner)}"}


def incoming() -> list[Any]:
    folder = settings.DATA_DIR / "incoming"
    return list(folder.glob("*")) if folder.exists() else []


def head(port: int, bearer: dict[str, str], length: int) -> bytes:
    lines = [
        "POST /api/documents/ HTTP/1.1",
        f"Host: 127.0.0.1:{port}",
        f"Authorization: {bearer['Authorization']}",
        "Content-Type: multipart/form-data; boundary=xxx",
        f"Content-Length: {length}",
    ]
    return ("\r\n".join(lines) + "\r\n\r\n").encode()


def test_ten_gigabytes_are_refused_by_their_declaration(web: Web, bearer: dict[str, str]) -> None:
    with socket.create_connection(("127.0.0.1", web.port), timeout=10) as client:
        client.sendall(head(web.port, bearer, 10 * 1024**3))
        answer = client.recv(65536)
    assert answer.startswith(b"HTTP/1.1 413 ")
    assert b"application/problem+json" in answer
    assert b"MAX_UPLOAD_MB" in answer


def test_an_upload_that_breaks_off_leaves_nothing(web: Web, bearer: dict[str, str]) -> None:
    part = (
        b"--xxx\r\nContent-Disposition: form-data; name=file; filename=a.txt\r\n"
        b"Content-Type: text/plain\r\n\r\n" + b"words " * 100_000
    )
    with socket.create_connection(("127.0.0.1", web.port), timeout=10) as client:
        client.sendall(head(web.port, bearer, len(part) * 2) + part)
    # Whole by its length, but without its end.
    cut = httpx.post(
        f"{web.url}/api/documents/",
        content=part,
        headers={**bearer, "Content-Type": "multipart/form-data; boundary=xxx"},
        timeout=30,
    )
    assert (cut.status_code, cut.json()["code"]) == (400, "cut_off")
    assert not Document.objects.exists()
    assert incoming() == []


def test_a_large_file_passes_without_being_held_in_memory(
    web: Web, bearer: dict[str, str], database: str
) -> None:
    chunk = bytes(range(1, 256)) * 4112
    digest = hashlib.sha256()

    def body() -> Iterator[bytes]:
        yield b'--xxx\r\nContent-Disposition: form-data; name="file"; filename="large"\r\n\r\n'
        for _ in range(SIZE // len(chunk)):
            digest.update(chunk)
            yield chunk
        yield b"\r\n--xxx--\r\n"

    server = next(
        process
        for process in psutil.process_iter(["cmdline"])
        if str(web.port) in (process.info["cmdline"] or [])
    )
    before = server.memory_info().rss
    peak = before

    def sent() -> Iterator[bytes]:
        nonlocal peak
        for piece in body():
            yield piece
            peak = max(peak, server.memory_info().rss)

    answer = httpx.post(
        f"{web.url}/api/documents/",
        content=sent(),
        headers={**bearer, "Content-Type": "multipart/form-data; boundary=xxx"},
        timeout=100,
    )
    assert answer.status_code == 201, answer.text
    assert answer.json()["sha256"] == digest.hexdigest()
    with open(f"/proc/{server.pid}/status") as status:
        high = next(line for line in status if line.startswith("VmHWM")).split()[1]
    assert int(high) * 1024 - before < SIZE / 2
    wait_for(lambda: incoming() == [])
