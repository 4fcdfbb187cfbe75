"""The events of a replay have the shapes that docs/event-types.md shows."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from recorder.outcome import Watch
from recorder.replay import finished_data
from recorder.wording import wording
from tests.recorder.steps_for import button, click, fill, goto, label

ROOT = Path(__file__).resolve().parents[2]
GOLDEN: list[dict[str, Any]] = json.loads(
    (Path(__file__).parent / "golden" / "replay_events.json").read_text()
)


def test_events_are_the_golden_ones() -> None:
    steps = [
        goto("http://h/"),
        fill(label("Password"), {"secret": "PASSWORD_1"}),
        click(button("Save").replace('"s]', '"i]')),
        click("#never"),
    ]
    keys = "abcd"
    words = dict(zip(keys, map(wording, steps), strict=True))
    watch = Watch(numbered=list(enumerate(keys, 1)), words=words, hide=lambda text: text)
    watch.report({"type": "ready", "browser": "156.0"})
    for number, took in ((1, 412), (2, 31)):
        watch.report({"type": "started", "number": number})
        watch.report({"type": "passed", "number": number, "durationMs": took})
    watch.report({"type": "started", "number": 3})
    error = (
        "Locator.click: Timeout 15000ms exceeded.\n"
        'Call log:\n  - waiting for get_by_role("button", name="Save")\n'
    )
    watch.report({"type": "failed", "number": 3, "durationMs": 15012, "error": error})
    watch.ended(exit_code=1, timed_out=False)
    made = [{"type": type, "data": data} for type, data in watch.news()]
    assert made == GOLDEN[1:-1]
    finished = {**finished_data(watch.outcome()), "durationMs": 0}
    assert finished == GOLDEN[-1]["data"]
    assert [result.status for result in watch.outcome().steps] == [
        "passed", "passed", "failed", "not_run",
    ]  # fmt: skip


def test_every_type_is_documented() -> None:
    documented = (ROOT / "docs" / "event-types.md").read_text()
    for event in GOLDEN:
        assert f"`{event['type']}`" in documented
        for name in event["data"]:
            assert name in documented


def test_a_failure_after_the_last_step_is_a_warning() -> None:
    watch = Watch(numbered=[(1, "a")], words={"a": "x"}, hide=lambda text: text)
    watch.report({"type": "started", "number": 1})
    watch.report({"type": "passed", "number": 1, "durationMs": 1})
    watch.report({"type": "done"})
    watch.report({"type": "broken", "when": "teardown", "error": "Context.close: gone"})
    watch.ended(exit_code=1, timed_out=False)
    outcome = watch.outcome()
    assert outcome.passed
    assert outcome.warnings == ("After the last step: gone",)
    assert outcome.as_json()["verdict"] == "passed"
