"""Steps in words."""

from __future__ import annotations

import pytest

from recorder.steps import Action, Step
from recorder.wording import wording
from tests.recorder.steps_for import BUTTON, FIELD, step


@pytest.mark.parametrize(
    ("made", "words"),
    [
        (step(Action.CLICK, BUTTON), 'Click button "Save"'),
        (
            step(Action.CLICK, "#x", element={"role": "button", "name": "Go\n\u2028now"}),
            'Click button "Go now"',
        ),
        (step(Action.CLICK, "#x", element={"tag": "div", "text": "Row"}), 'Click div "Row"'),
        (step(Action.CLICK, "#x", params={"click_count": 2}), 'Double-click locator("#x")'),
        (
            step(Action.CLICK, BUTTON, params={"button": "right", "modifiers": ["Shift"]}),
            'Shift+right-click button "Save"',
        ),
        (
            step(Action.FILL, FIELD, params={"text": {"secret": "PASSWORD_1"}}),
            'Fill field "Name" with the secret PASSWORD_1',
        ),
        (
            step(Action.SELECT, FIELD, params={"options": ["a", "b"]}),
            'Select "a", "b" in field "Name"',
        ),
        (step(Action.ASSERT_URL, params={"url": "http://h/"}), "Expect the address http://h/"),
        (
            step(Action.CLICK, BUTTON, flags=("forged",)),
            'Not done by the operator: Click button "Save"',
        ),
    ],
)
def test_words(made: Step, words: str) -> None:
    assert wording(made) == words


@pytest.mark.parametrize("action", list(Action))
def test_every_action_has_words_whatever_its_params(action: Action) -> None:
    for params in (
        {},
        {"text": 3, "url": [], "options": None, "files": {}, "key": {}, "modifiers": 4},
    ):
        words = wording(step(action, "\0", params=params))
        assert words
        assert words.isprintable()
