"""After scrubbing, no spelling of a secret is left anywhere, and every file is still valid."""

from __future__ import annotations

import base64
import gzip
import html
import io
import json
import random
import resource
import zipfile
import zlib
from pathlib import Path
from urllib.parse import quote, quote_plus, urlencode

import pytest
from playwright.sync_api import sync_playwright

from jobs.browser import find_chromium
from recorder import scrub
from recorder.scrub import scrub_text, scrub_tree
from recorder.spellings import spellings
from tests.sites import Sites

SECRETS = [
    "correct horse 🔋 & <staple>",
    'quote"and\\slash/é',
    "+plus%percent=equals&amp;",
    "hunter-two",
    "654321",
    "line\nbreak\ttab",
]


def everywhere(secret: str) -> dict[str, str]:
    """The ways a page, a browser and a server write one value."""
    form = {"user": "ada", "password": secret}
    body = json.dumps(form)
    return {
        "raw": f"password is {secret}.",
        "json": body,
        "json unicode": json.dumps(form, ensure_ascii=False),
        "json in json": json.dumps({"postData": {"text": body}}),
        "json in json in json": json.dumps({"event": json.dumps({"postData": {"text": body}})}),
        "js": json.dumps(secret).replace("<", "\\u003C").replace("&", "\\u0026"),
        "path": f"http://h/{quote(secret, safe='')}/x",
        "query": f"http://h/?{urlencode(form)}&n=1",
        "query %20": f"http://h/?password={quote(secret)}",
        "fragment": f"http://h/#{quote(secret, safe=chr(33) + '~*()' + chr(39))}",
        "twice": f"/login?next={quote_plus('/x?p=' + quote(secret, safe=''), safe='')}",
        "lower": "p="
        + "".join(
            f"%{byte:02x}" if byte > 127 or chr(byte) in ' "<>&%\\/+=\n\t' else chr(byte)
            for byte in secret.encode()
        ),
        "html text": f"<code>{html.escape(secret, quote=False)}</code>",
        "html attribute": f'<input value="{html.escape(secret)}">',
        "basic": "Authorization: Basic " + base64.b64encode(f"ada:{secret}".encode()).decode(),
        "binary": base64.b64encode(b"\x01\x02" + secret.encode() + b"\xff").decode(),
    }


def left_over(data: bytes, secrets: list[str]) -> list[str]:
    """Every secret that can be found in `data`, looked for inside whatever is packed in it."""
    found = [s for s in secrets for form in spellings(s) if form in data]
    for token in _base64_runs(data):
        found += [s for s in secrets if s.encode() in token]
    if data[:4] == b"PK\3\4":
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            assert archive.testzip() is None
            for name in archive.namelist():
                found += left_over(archive.read(name), secrets)
    elif data[:2] == b"\x1f\x8b":
        found += left_over(gzip.decompress(data), secrets)
    elif data[:2] == b"\x78\x9c":
        found += left_over(zlib.decompress(data), secrets)
    return found


def _base64_runs(data: bytes) -> list[bytes]:
    import re

    runs = []
    for run in re.findall(rb"[A-Za-z0-9+/]{8,}={0,2}", data[:200_000]):
        for start in range(4):
            piece = run[start:].rstrip(b"=")
            runs.append(
                base64.b64decode(piece + b"=" * (-len(piece) % 4)) if len(piece) % 4 != 1 else b""
            )
    return runs


def test_every_spelling_goes(tmp_path: Path) -> None:
    for number, secret in enumerate(SECRETS):
        forms = everywhere(secret)
        (tmp_path / f"{number}.txt").write_text("\n".join(forms.values()))
        (tmp_path / f"{number}.json").write_text(json.dumps(forms, indent=1))
        (tmp_path / f"{number}.html").write_text(f"<p>{html.escape(str(forms))}</p>")
        (tmp_path / f"{number}.py").write_text(f"x = {secret!r}\ny = {json.dumps(secret)}\n")
        with (tmp_path / f"{number}.jsonl").open("w") as lines:
            for form in forms.values():
                lines.write(json.dumps({"text": form}, ensure_ascii=False) + "\n")
        (tmp_path / f"{number}.gz").write_bytes(gzip.compress(forms["json"].encode()))
        (tmp_path / f"{number}.z").write_bytes(zlib.compress(forms["query"].encode()))
        with zipfile.ZipFile(tmp_path / f"{number}.zip", "w", zipfile.ZIP_DEFLATED) as archive:
            for name, form in forms.items():
                archive.writestr(f"resources/{name}", form)
            inner = io.BytesIO()
            with zipfile.ZipFile(inner, "w") as nested:
                nested.writestr("x.txt", forms["raw"])
            archive.writestr("inner.zip", inner.getvalue())
    report = scrub_tree(tmp_path, SECRETS)
    assert report.total > len(SECRETS) * 30
    for path in tmp_path.iterdir():
        assert left_over(path.read_bytes(), SECRETS) == [], path.name
        if path.suffix == ".json":
            json.loads(path.read_text())
        if path.suffix == ".jsonl":
            assert [json.loads(line) for line in path.read_text().splitlines()]
    assert not list(tmp_path.glob(".*"))


def test_what_holds_no_secret_is_not_touched(tmp_path: Path) -> None:
    data = {
        "a.txt": b"nothing here",
        "b.json": b'{"value": "x", "cookies": []}',
        "c.png": b"\x89PNG\r\n\x1a\n" + bytes(range(256)),
        "d.gz": gzip.compress(b"nothing"),
        "e.bin": bytes(random.Random(1).randbytes(5000)),
        "uploads/f.txt": b"hunter-two",
        "g": b"",
    }
    for name, content in data.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(content)
    before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*") if path.is_file()}
    report = scrub_tree(tmp_path, SECRETS)
    assert report.total == 0
    assert {name: (tmp_path / name).read_bytes() for name in data} == data
    assert {path: path.stat().st_mtime_ns for path in before} == before


@pytest.mark.parametrize(
    ("secret", "before", "after"),
    [
        ("abc", '{"password": "abc", "abc": "xabcx"}', '{"password": "[secret]", "abc": "xabcx"}'),
        ("abc", '{"u": "?p=abc&q=abcd"}', '{"u": "?p=[secret]&q=abcd"}'),
        ("7", '{"n": 7, "password": "7"}', '{"n": 7, "password": "9"}'),
        ("9", '{"n": 9, "password": "9"}', '{"n": 9, "password": "8"}'),
        ("true", '{"on": true, "password": "true"}', '{"on": true, "password": "[secret]"}'),
        (
            "2026",
            '{"sha1": "ab2026cd", "at": 2026, "p": "2026"}',
            '{"sha1": "ab2026cd", "at": 9999, "p": "9999"}',
        ),
        ('","', '["a","b"]', '["a","b"]'),
        (
            "word",
            '{"p": "%20word\\nword", "q": "swordfish"}',
            '{"p": "%20[secret]\\n[secret]", "q": "swordfish"}',
        ),
        ("123456", '{"size": 123456, "t": "x123456y"}', '{"size": 999999, "t": "x999999y"}'),
    ],
)
def test_awkward_secrets_leave_json_valid(
    secret: str, before: str, after: str, tmp_path: Path
) -> None:
    path = tmp_path / "a.json"
    path.write_text(before)
    report = scrub_tree(tmp_path, [secret])
    assert path.read_text() == after
    json.loads(after)
    assert report.short == (len(secret) < 4 or secret == "true")
    assert bool(report.warnings) == bool(report.short)


def test_short_secrets_in_basic_credentials() -> None:
    token = base64.b64encode(b"ada:pw").decode()
    assert scrub_text(f"Basic {token}", ["pw"]) == "Basic [secret]"
    assert scrub_text(f"Basic {token}", ["other-secret"]) == f"Basic {token}"


@pytest.mark.parametrize("chunk", [7, 64, 1000])
def test_a_match_across_chunks_is_found(
    chunk: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scrub, "CHUNK", chunk)
    text = "".join(f"{'x' * n} {secret} {quote(secret)}\n" for n in range(40) for secret in SECRETS)
    (tmp_path / "a.txt").write_text(text)
    har = {"headers": [{"name": "Cookie", "value": 'a="b"; c=' + "d" * n} for n in range(40)]}
    (tmp_path / "b.har").write_text(json.dumps(har))
    scrub_tree(tmp_path, SECRETS)
    assert left_over((tmp_path / "a.txt").read_bytes(), SECRETS) == []
    kept = json.loads((tmp_path / "b.har").read_text())
    assert {header["value"] for header in kept["headers"]} == {"[secret]"}


def test_cookies_and_credentials_go_from_the_network(tmp_path: Path) -> None:
    entry = {
        "request": {
            "headers": [
                {"name": "Cookie", "value": 'sid=1; q="]x"'},
                {"name": "authorization", "value": "Bearer abcdefgh"},
                {"name": "Accept", "value": "text/html"},
            ],
            "cookies": [{"name": "sid", "value": 'v]"1', "path": "/"}],
        },
        "response": {"headers": [{"name": "Set-Cookie", "value": "sid=2"}], "cookies": []},
    }
    (tmp_path / "network.har").write_text(json.dumps({"log": {"entries": [entry]}}, indent=2))
    with zipfile.ZipFile(tmp_path / "trace.zip", "w") as archive:
        archive.writestr(
            "0-trace.network", json.dumps({"type": "resource-snapshot", "snapshot": entry}) + "\n"
        )
        archive.writestr("resources/page.json", json.dumps(entry))
    (tmp_path / "storage_state.json").write_text(
        json.dumps({"cookies": entry["request"]["cookies"]})
    )
    scrub_tree(tmp_path, [])
    kept = json.loads((tmp_path / "network.har").read_text())["log"]["entries"][0]
    assert [header["value"] for header in kept["request"]["headers"]] == [
        "[secret]",
        "[secret]",
        "text/html",
    ]
    assert kept["request"]["cookies"] == [{"name": "sid", "value": "[secret]", "path": "/"}]
    assert kept["response"]["headers"][0]["value"] == "[secret]"
    with zipfile.ZipFile(tmp_path / "trace.zip") as archive:
        assert json.loads(archive.read("0-trace.network"))["snapshot"] == kept
        assert json.loads(archive.read("resources/page.json")) == entry
    assert "v]" in (tmp_path / "storage_state.json").read_text()


def test_memory_is_bounded(tmp_path: Path) -> None:
    with (tmp_path / "big.har").open("w") as big:
        big.write('{"text": "')
        for _ in range(96):
            big.write("x" * (1 << 20) + "hunter-two")
        big.write('"}')
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    report = scrub_tree(tmp_path, ["hunter-two"])
    grown_mb = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
    assert report.total == 96
    assert grown_mb < 60


def test_a_picture_that_holds_a_secret_is_reported(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(b"\x89PNG\r\n\x1a\n....hunter-two")
    report = scrub_tree(tmp_path, ["hunter-two"])
    assert report.warnings == ["a.png: a secret is inside and was left there."]


def test_links_are_left_alone(tmp_path: Path) -> None:
    outside = tmp_path / "outside.txt"
    outside.write_text("hunter-two")
    (tmp_path / "tree").mkdir()
    (tmp_path / "tree" / "link.txt").symlink_to(outside)
    scrub_tree(tmp_path / "tree", ["hunter-two"])
    assert outside.read_text() == "hunter-two"


@pytest.mark.browser
def test_a_careless_pages_whole_evidence(tmp_path: Path, sites: Sites) -> None:
    """A page that repeats the password everywhere, recorded with trace, HAR and DOM."""
    password = SECRETS[0]
    with sync_playwright() as pw:
        browser = pw.chromium.launch(
            executable_path=find_chromium().executable, args=["--no-sandbox"]
        )
        context = browser.new_context(
            record_har_path=tmp_path / "network.har", record_har_content="embed"
        )
        context.tracing.start(screenshots=True, snapshots=True, sources=False)
        page = context.new_page()
        page.goto(sites.page("secrets"))
        page.get_by_label("Password").fill(password)
        page.get_by_role("button", name="Check").click()
        page.wait_for_function("document.querySelector('#typed').textContent")
        page.wait_for_load_state("networkidle")
        page.get_by_label("Password").press("End")
        (tmp_path / "dom.html").write_text(page.content())
        context.tracing.stop(path=tmp_path / "trace.zip")
        context.storage_state(path=tmp_path / "storage_state.json")
        context.close()
        browser.close()
    assert left_over((tmp_path / "trace.zip").read_bytes(), [password])
    assert left_over((tmp_path / "network.har").read_bytes(), [password])
    report = scrub_tree(tmp_path, [password])
    assert report.total > 10
    for path in tmp_path.iterdir():
        assert left_over(path.read_bytes(), [password]) == [], path.name
    entries = json.loads((tmp_path / "network.har").read_text())["log"]["entries"]
    assert any(entry["request"].get("postData") for entry in entries)
    json.loads((tmp_path / "storage_state.json").read_text())
    with zipfile.ZipFile(tmp_path / "trace.zip") as archive:
        for name in archive.namelist():
            if name.endswith((".trace", ".network", ".stacks")):
                for line in archive.read(name).splitlines():
                    json.loads(line)
