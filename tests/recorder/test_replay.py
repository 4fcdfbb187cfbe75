"""Replays of generated code in a real Chromium: verdicts, reasons, events, and nothing left over."""

from __future__ import annotations

import contextlib
import json
import socket
import threading
import time
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from jobs.running import Cancelled
from recorder import codegen
from recorder.child import MARKER
from recorder.outcome import ReplayOutcome, plain
from recorder.replay import replay
from recorder.replay_plugin import with_step_calls
from recorder.steps import Action, Step
from tests.recorder.steps_for import button, click, fill, goto, label, reads, step
from tests.sites import Sites

pytestmark = pytest.mark.browser


class NotedJob:
    """What a replay asks of its job, noted."""

    def __init__(self, workdir: Path) -> None:
        self.workdir = workdir
        self.events: list[tuple[str, dict[str, Any]]] = []
        self.lines: list[str] = []
        self.kept: dict[str, tuple[Path, str]] = {}
        self.cancel_at: str = ""

    def event(self, type: str, **data: Any) -> None:
        self.events.append((type, json.loads(json.dumps(data))))

    def progress(self, done: int, total: int | None = None, unit: str = "") -> None:
        self.progressed = (done, total, unit)

    def log(self, line: str, stream: str = "log") -> None:
        self.lines.append(line)

    def check_cancelled(self) -> None:
        if self.cancel_at and any(type == self.cancel_at for type, _ in self.events):
            raise Cancelled

    def artifact(
        self, path: str, source: Path, *, kind: str, content_type: str | None = None
    ) -> None:
        assert source.is_file()
        self.kept[path] = (source, kind)

    def types(self) -> list[str]:
        return [type for type, _ in self.events]


@pytest.fixture
def job(tmp_path: Path) -> Iterator[NotedJob]:
    yield NotedJob(tmp_path)
    assert [process.cmdline() for process in processes_of(tmp_path)] == []


def processes_of(workdir: Path) -> list[psutil.Process]:
    """Whoever was started with this folder in the environment: test, driver, browser."""
    found = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            inherited = process.environ()
            if MARKER in inherited and any(str(workdir) in value for value in inherited.values()):
                found.append(process)
    return found


def kill_in_step(job: NotedJob, number: int, what: str) -> threading.Thread:
    """Kill the processes of `job` with `what` in their command line once step `number` runs."""

    def kill() -> None:
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            if any(t == "replay.step_started" and d["number"] == number for t, d in job.events):
                time.sleep(0.5)
                for process in processes_of(job.workdir):
                    with contextlib.suppress(psutil.Error):
                        for each in [process, *process.children(recursive=True)]:
                            if what in " ".join(each.cmdline()):
                                each.kill()
                return
            time.sleep(0.05)

    killer = threading.Thread(target=kill)
    killer.start()
    return killer


def run(job: NotedJob, steps: list[Step], **rest: Any) -> ReplayOutcome:
    url = next((s.params["url"] for s in steps if "url" in s.params), "http://127.0.0.1/")
    options = rest.pop("options", {})
    code = rest.pop("code", "") or codegen.generate(
        steps=steps, flow_name="A flow", url=url, options=options
    )
    return replay(
        job=job,  # type: ignore[arg-type]
        code=code,
        steps=steps,
        options=options,
        secrets=rest.pop("secrets", {}),
        uploads=job.workdir / "uploads",
        into=job.workdir / "replay",
        **rest,
    )


def test_a_flow_with_everything_replays(job: NotedJob, sites: Sites) -> None:
    (job.workdir / "uploads").mkdir()
    (job.workdir / "uploads" / "a note.txt").write_text("hello")
    inner = 'internal:attr=[title="Outer frame"s] >> internal:control=enter-frame >> internal:attr=[title="Inner frame"s] >> internal:control=enter-frame >> '
    said = "#said"
    steps = [
        goto(sites.page("tabs")),
        click(button("Open popup"), signals={"popup": {"page": "page1"}}),
        fill(label("Colour"), "blue", page="page1"),
        click(button("Choose and close"), page="page1"),
        reads(said, "The popup said: blue"),
        click('internal:text="Open the other site"s', signals={"popup": {"page": "page2"}}),
        step(Action.CLOSE_PAGE, page="page2"),
        goto(sites.page("dialogs")),
        click(
            button("Prompt"),
            signals={"dialog": {"kind": "prompt", "accepted": True, "text": "Ada"}},
        ),
        reads(said, "Hello Ada"),
        click(button("Confirm"), signals={"dialog": {"kind": "confirm", "accepted": False}}),
        reads(said, "Kept"),
        Step(
            key="two",
            action=Action.CLICK,
            page="page",
            selector=button("Two in a row"),
            signals=tuple(
                codegen_signal
                for codegen_signal in click("", signals={"dialog": {"accepted": True}}).signals * 2
            ),
        ),
        reads(said, "Both"),
        goto(sites.page("downloads")),
        click('internal:text="Download report"s', signals={"download": {"filename": "report.csv"}}),
        click(button("Save a made file"), signals={"download": {"filename": "made.txt"}}),
        goto(sites.page("frames")),
        fill(inner + label("Message"), "hi"),
        click(inner + button("Send")),
        reads(said, "inner: hi"),
        goto(sites.page("upload")),
        step(Action.UPLOAD, label("One file"), params={"files": ["uploads/a note.txt"]}),
        step(Action.UPLOAD, "#hidden", params={"files": ["a note.txt"]}),
        reads(said, "Attached a note.txt"),
        goto(sites.page("hover")),
        step(Action.HOVER, button("Products")),
        click(button("Tapes")),
        reads(said, "Chose Tapes"),
        goto(sites.page("drag")),
        step(Action.DRAG, 'internal:text="Paint"s', params={"target": "#done"}),
        reads(said, "Moved Paint to Done"),
        step(Action.RELOAD),
        step(Action.GO_BACK),
        step(Action.ASSERT_URL, params={"url": sites.page("hover")}),
        step(Action.GO_FORWARD),
        step(Action.ASSERT_VISIBLE, "#todo"),
        goto(sites.page("form")),
        step(Action.CHECK, label("Send me news")),
        step(Action.ASSERT_CHECKED, label("Send me news"), params={"checked": True}),
        step(Action.PRESS, label("Full name"), params={"key": "Shift+A"}),
        step(Action.ASSERT_VALUE, label("Full name"), params={"text": "A"}),
        step(Action.OPEN_PAGE, page="page3", params={"url": sites.page("second")}),
        step(Action.ASSERT_VISIBLE, "h1", page="page3"),
        step(Action.UNRECORDED, params={"gesture": "pinch"}),
    ]
    outcome = run(job, steps)
    assert outcome.passed, (outcome.reason, job.lines)
    assert [result.status for result in outcome.steps] == ["passed"] * (len(steps) - 1)
    assert all(result.duration_ms is not None for result in outcome.steps)
    assert outcome.browser_version
    started = [data["number"] for type, data in job.events if type == "replay.step_started"]
    assert started == list(range(1, len(steps)))
    assert job.types()[0] == "replay.started"
    assert job.types()[-1] == "replay.finished"
    assert job.progressed == (len(steps) - 1, len(steps) - 1, "steps")
    assert set(job.kept) == {"replay/trace.zip", "replay/result.json"}
    trace = zipfile.ZipFile(job.kept["replay/trace.zip"][0])
    assert trace.testzip() is None
    text = b"".join(trace.read(name) for name in trace.namelist() if name.endswith(".trace"))
    assert b'step 2: Click button \\"Open popup\\"' in text


def test_the_failing_step_is_named_with_its_reason(job: NotedJob, sites: Sites) -> None:
    steps = [
        goto(sites.page("form")),
        step(Action.UNRECORDED, params={"gesture": "pinch"}),
        fill(label("Full name"), "Ada"),
        reads("h1", "Something else", key="the-key"),
        click(button("Create account")),
    ]
    outcome = run(job, steps, video=True)
    assert not outcome.passed
    assert (outcome.failing_step, outcome.failing_key, outcome.code) == (
        3,
        "the-key",
        "step_failed",
    )
    assert [result.status for result in outcome.steps] == ["passed", "passed", "failed", "not_run"]
    assert "Something else" in outcome.reason
    assert "Sign up" in outcome.reason
    assert "\x1b" not in outcome.reason
    assert job.kept["replay/failure.png"][0].read_bytes().startswith(b"\x89PNG")
    assert job.kept["replay/video.webm"][1] == "video"
    result = json.loads(job.kept["replay/result.json"][0].read_text())
    assert (result["verdict"], result["failingStep"], result["failingKey"]) == (
        "failed",
        3,
        "the-key",
    )
    failed = [data for type, data in job.events if type == "replay.step_failed"]
    assert [(data["number"], data["key"]) for data in failed] == [(3, "the-key")]
    assert job.events[-1][1]["passed"] is False


@pytest.mark.parametrize(
    ("made", "words"),
    [
        (lambda: click(button("Nowhere")), "Nothing matched within 1 s: waiting for"),
        (lambda: click("label"), "elements match, and the step needs exactly one"),
        (lambda: step(Action.CLICK, params={}), "can not be repeated"),
        (lambda: click("h1", page="page7"), "page7 is not open"),
        (lambda: click("h1", signals={"popup": {"page": "page1"}}), "No popup came within 1 s"),
        (lambda: click("h1", signals={"dialog": {"accepted": True}}), "No dialog came within 1 s"),
    ],
)
def test_reasons_are_plain(
    made: Any, words: str, job: NotedJob, sites: Sites, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("recorder.replay.ACTION_TIMEOUT_S", 1)
    outcome = run(job, [goto(sites.page("form")), made()], trace=False)
    assert outcome.failing_step == 2
    assert words in outcome.reason, outcome.reason


def test_a_secret_reaches_the_page_and_nothing_else(job: NotedJob, sites: Sites) -> None:
    password = 'pa"ss <w>&rd €1'
    steps = [
        goto(sites.page("secrets")),
        fill(label("Password"), {"secret": "PASSWORD_1"}),
        click(button("Check")),
        reads("#typed", "a wrong text"),
    ]
    outcome = run(job, steps, secrets={"PASSWORD_1": password}, video=False)
    assert outcome.failing_step == 4
    assert "[secret]" in outcome.reason
    sent = [seen for seen in sites.seen if seen.path == "/repeat"]
    assert sent
    whole = json.dumps([job.events, job.lines, outcome.as_json()], ensure_ascii=False)
    for part in ('pa\\"ss', "<w>&rd", "pa%22ss"):
        assert part not in whole
    for path, _ in job.kept.values():
        data = path.read_bytes()
        if path.suffix == ".zip":
            archive = zipfile.ZipFile(path)
            data = b"\n".join(archive.read(name) for name in archive.namelist())
        for part in (b"<w>&rd", b"pa%22ss", b"&lt;w&gt;&amp;rd", b'pa\\"ss', b"\\u003cw"):
            assert part not in data, (path.name, part)


def test_a_missing_secret_is_said(job: NotedJob, sites: Sites) -> None:
    steps = [goto(sites.page("login")), fill(label("Password"), {"secret": "PASSWORD_1"})]
    outcome = run(job, steps)
    assert (outcome.code, outcome.failing_step) == ("not_collected", None)
    assert "The secret TAPEDECK_SECRET_PASSWORD_1 is not stored." in outcome.reason
    assert {result.status for result in outcome.steps} == {"not_run"}


def test_what_the_policy_forbids_is_not_opened(job: NotedJob) -> None:
    outcome = run(job, [goto("http://169.254.169.254/latest/meta-data/")])
    assert (outcome.code, outcome.failing_step) == ("url_refused", 1)
    assert "replay.step_started" not in job.types()


def test_a_redirect_that_the_policy_refuses_is_a_warning(job: NotedJob, sites: Sites) -> None:
    page = goto(sites.url + "/redirect?to=http://169.254.169.254/x")
    outcome = run(job, [page, goto(sites.page("form"))], trace=False)
    assert any("169.254.169.254" in warning for warning in outcome.warnings)


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_the_proxys_own_page_is_not_the_page(scheme: str, job: NotedJob, sites: Sites) -> None:
    """Nobody listens: the proxy answers with a page, and Playwright's goto is content with it."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"{scheme}://127.0.0.1:{free.getsockname()[1]}/a"
    outcome = run(job, [goto(sites.page("form")), goto(url), goto(sites.page("form"))], trace=False)
    assert (outcome.code, outcome.failing_step) == ("url_unreachable", 2)
    assert "can not be reached" in outcome.reason
    assert [result.status for result in outcome.steps] == ["passed", "failed", "not_run"]
    assert [data["number"] for type, data in job.events if type == "replay.step_failed"][-1] == 2


@pytest.mark.parametrize("what", ["--type=renderer", "--remote-debugging-pipe"])
def test_a_crash_fails_the_step_it_happens_in(what: str, job: NotedJob, sites: Sites) -> None:
    killer = kill_in_step(job, 2, what)
    outcome = run(job, [goto(sites.page("form")), click(button("Nowhere"))])
    killer.join()
    assert outcome.failing_step == 2
    assert outcome.code == "browser_crashed", outcome.reason


def test_a_killed_test_process_is_not_a_pass(job: NotedJob, sites: Sites) -> None:
    killer = kill_in_step(job, 2, "recorder.replay_plugin")
    outcome = run(job, [goto(sites.page("form")), click(button("Nowhere"))])
    killer.join()
    assert (outcome.code, outcome.failing_step) == ("test_crashed", 2)


def test_the_total_time_is_bounded(
    job: NotedJob, sites: Sites, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("recorder.replay.ACTION_TIMEOUT_S", 90)
    began = time.monotonic()
    outcome = run(job, [goto(sites.page("form")), click(button("Nowhere"))], timeout_s=15)
    assert 15 < time.monotonic() - began < 40
    assert (outcome.code, outcome.failing_step) == ("timed_out", 2)


def test_cancelling_ends_everything(job: NotedJob, sites: Sites) -> None:
    job.cancel_at = "replay.step_started"
    with pytest.raises(Cancelled):
        run(job, [goto(sites.page("form")), click(button("Nowhere"))])


def test_foreign_code_is_not_run(job: NotedJob) -> None:
    with pytest.raises(codegen.allowlist.NotAllowed):
        run(job, [], code="import os\nos.system('id')\n")
    assert job.events == []


def test_the_recordings_context_is_used(job: NotedJob, sites: Sites) -> None:
    options = {
        "locale": "de-DE",
        "user_agent": "Tapedeck test",
        "viewport": {"width": 500, "height": 400},
        "extra_headers": {"X-Env": "staging-7"},
    }
    outcome = run(job, [goto(sites.url + "/headers")], options=options)
    assert outcome.passed, outcome.reason
    headers = {name.lower(): value for name, value in sites.seen[-1].headers.items()}
    seen = next(s for s in reversed(sites.seen) if s.path == "/headers")
    headers = {name.lower(): value for name, value in seen.headers.items()}
    assert headers["user-agent"] == "Tapedeck test"
    assert headers["accept-language"].startswith("de-DE")
    assert headers["x-env"] == "staging-7"


def test_steps_are_marked_without_moving_lines() -> None:
    source = (
        "def test_x(page):\n"
        "    # step 1: first\n"
        '    page.goto("""a\n    # step 9: not a step\n""")\n'
        "\n"
        "    # step 2: second\n"
        "    # step 3: third\n"
        "    page.reload()\n"
    )
    tree, words = with_step_calls(source)
    assert words == {1: "first", 2: "second", 3: "third"}
    body = tree.body[0].body  # type: ignore[attr-defined]
    assert [node.lineno for node in body] == [3, 3, 9, 9, 9]


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (
            'Locator.click: Timeout 15000ms exceeded.\nCall log:\n  - waiting for locator("a")\n'
            "    - locator resolved to <a>x</a>\n  - attempting click action\n"
            '    - <div id="x">…</div> intercepts pointer events\n',
            'The element was found, but within 15 s: <div id="x">…</div> intercepts pointer events.',
        ),
        (
            "Locator.fill: Error: strict mode violation: x resolved to 3 elements:\n1)",
            "3 elements match",
        ),
        (
            "\x1b[31mPage.goto: net::ERR_FAILED\x1b[39m at http://h/\nCall log:\n - x",
            "net::ERR_FAILED at http://h/",
        ),
        ("", "without a message"),
    ],
)
def test_plain_words(error: str, words: str) -> None:
    assert words in plain(error)
