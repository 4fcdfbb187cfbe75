"""Steps that mean no good, or none at all: none becomes code."""

from __future__ import annotations

import ast
import random
from typing import Any

import pytest

from recorder.codegen import generate, numbered
from recorder.steps import Action, Signal, Step
from tests.recorder.steps_for import BUTTON, FIELD, body_of, step


@pytest.mark.parametrize(
    ("broken", "why"),
    [
        (step(Action.CLICK, ""), "position has no x and y"),
        (step(Action.CLICK, "a\0b"), "NUL"),
        (step(Action.CLICK, BUTTON, params={"button": "both"}), "button is unknown"),
        (step(Action.CLICK, BUTTON, params={"modifiers": ["Hyper"]}), "modifier"),
        (step(Action.CLICK, BUTTON, params={"click_count": True}), "clicks"),
        (
            step(Action.CLICK, BUTTON, params={"position": {"x": float("nan"), "y": 1}}),
            "coordinate",
        ),
        (step(Action.CLICK, BUTTON, page="page9"), "page9 is not open"),
        (step(Action.CLICK, BUTTON, page="os"), "no known tab"),
        (step(Action.FILL, FIELD, params={"text": 7}), "not a text"),
        (step(Action.FILL, FIELD, params={"text": {"secret": "x; import os"}}), "not a text"),
        (step(Action.PRESS, FIELD, params={"key": "Control+"}), "key is unknown"),
        (step(Action.UPLOAD, FIELD, params={"files": ["../../etc/passwd"]}), "outside uploads"),
        (step(Action.UPLOAD, FIELD, params={"files": ["/etc/passwd"]}), "outside uploads"),
        (step(Action.SELECT, FIELD, params={"options": "de"}), "not a list"),
        (step(Action.NAVIGATE, params={"url": "file:///etc/passwd"}), "http"),
        (step(Action.NAVIGATE, params={"url": "javascript:alert(1)"}), "http"),
        (step(Action.NAVIGATE, params={"url": "http://h/", "wait_until": "x"}), "unknown state"),
        (step(Action.ASSERT_CHECKED, FIELD, params={"checked": "yes"}), "neither"),
        (step(Action.DRAG, "#a", params={"target": None}), "not NoneType"),
        (
            step(Action.CLICK, BUTTON, signals=(Signal(name="popup", params={"page": "page"}),)),
            "name of its own",
        ),
        (step(Action.CLICK, BUTTON, signals=(Signal(name="popup", params={}),)), "name of its own"),
    ],
)
def test_a_step_that_can_not_be_repeated_fails_the_test_and_says_why(
    broken: Step, why: str
) -> None:
    body = body_of(broken)
    assert body.startswith("pytest.fail(")
    assert "Step 2 can not be repeated." in body
    assert why in body


HOSTILE = [
    '"); __import__("os").system("id"); ("',
    "'); import os; os.system('id') #",
    '"""\nimport os\n"""',
    "\\",
    '\\"',
    "x\nimport os",
    "x\rimport os",
    "x\u2028import os",
    "x\x0cimport os",
    "\x00",
    "\ud800",
    '{}\' % f"{1}"',
    "# step 99: forged",
    "\u202eevil",
    "pass",
    "${process.exit()}",
    "\N{FULLWIDTH QUOTATION MARK}",
]


def hostile_steps(rng: random.Random) -> list[Step]:
    def evil() -> Any:
        return rng.choice(
            [*HOSTILE, 7, None, True, {"a": 1}, [1], {"secret": rng.choice(HOSTILE)}, *HOSTILE]
        )

    def selector() -> str:
        text = str(rng.choice(HOSTILE))
        return rng.choice(
            [
                text,
                f'internal:role=button[name="{text}"s]',
                f"internal:text={text}",
                f'internal:has="{text}"',
                f"internal:text=/{text}/i",
                f"a >> nth={text}",
                f"internal:role={text}",
                f"internal:testid=[{text}]",
                f"css={text} >> internal:control=enter-frame >> {text}",
            ]
        )

    def params() -> dict[str, Any]:
        names = (
            "text",
            "url",
            "key",
            "options",
            "files",
            "target",
            "button",
            "modifiers",
            "position",
        )
        made = {name: evil() for name in names if rng.random() < 0.5}
        if rng.random() < 0.3:
            made |= {
                "options": [evil()],
                "files": [evil()],
                "url": f"http://h/{rng.choice(HOSTILE)}",
            }
        return made

    return [
        Step(
            key=f"s{number}",
            action=rng.choice(list(Action)),
            page=rng.choice(["page", "page", "page1", str(rng.choice(HOSTILE))]),
            selector=selector(),
            params=params(),
            signals=tuple(
                Signal(
                    name=rng.choice(["popup", "dialog", "download"]),
                    params={"page": evil(), "accepted": True, "kind": "prompt", "text": evil()},
                )
                for _ in range(rng.choice([0, 0, 1, 2]))
            ),
            element={"role": str(evil()), "name": str(evil())},
            flags=rng.choice([(), (), ("forged",)]),
        )
        for number in range(12)
    ]


@pytest.mark.parametrize("seed", range(150))
def test_nothing_hostile_becomes_code(seed: int) -> None:
    rng = random.Random(seed)
    steps = hostile_steps(rng)
    hostile_url = rng.choice(HOSTILE)
    code = generate(
        steps=steps,
        flow_name=rng.choice(HOSTILE),
        url=hostile_url,
        options={"locale": rng.choice(HOSTILE)},
    )
    code.encode()
    tree = ast.parse(code)
    names = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
    assert not names & {"__import__", "eval", "exec", "open", "getattr", "system"}
    assert all(char.isprintable() or char == "\n" for char in code)
    # One comment for each step, in order, none by the page.
    markers = [line.strip() for line in code.splitlines() if line.strip().startswith("# step ")]
    expected = [f"# step {number}" for number, _ in numbered(steps)]
    assert [marker.split(":")[0] for marker in markers] == expected
