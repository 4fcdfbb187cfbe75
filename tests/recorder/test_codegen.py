"""Generated code: idiomatic, formatted, and never more than the typed steps say."""

import ast
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from recorder.codegen import file_name, function_name, generate
from recorder.steps import Action, Signal, Step
from tests.recorder.steps_for import BUTTON, FIELD, body_of, opened, step


@pytest.mark.parametrize(
    ("made", "expected"),
    [
        (step(Action.CLICK, BUTTON), 'page.get_by_role("button", name="Save").click()'),
        (
            step(Action.CLICK, BUTTON, params={"button": "right", "modifiers": ["Shift"]}),
            'page.get_by_role("button", name="Save").click(button="right", modifiers=["Shift"])',
        ),
        (step(Action.CLICK, "#c", params={"click_count": 2}), 'page.locator("#c").dblclick()'),
        (
            step(Action.CLICK, "#c", params={"click_count": 3, "position": {"x": 3, "y": 4.5}}),
            'page.locator("#c").click(click_count=3, position={"x": 3, "y": 4.5})',
        ),
        (step(Action.CLICK, params={"position": {"x": 1, "y": 2}}), "page.mouse.click(1, 2)"),
        (step(Action.HOVER, BUTTON), 'page.get_by_role("button", name="Save").hover()'),
        (
            step(Action.DRAG, "#a", params={"target": "#b"}),
            'page.locator("#a").drag_to(page.locator("#b"))',
        ),
        (
            step(
                Action.DRAG,
                "#knob",
                params={"by": {"x": 120, "y": -2.5}, "source_position": {"x": 10, "y": 9}},
            ),
            'page.locator("#knob").hover(position={"x": 10, "y": 9})\n'
            'box1 = page.locator("#knob").bounding_box()\n'
            "page.mouse.down()\n"
            'page.mouse.move(box1["x"] + 130, box1["y"] + 6.5, steps=10)\n'
            "page.mouse.up()",
        ),
        (
            step(Action.FILL, FIELD, params={"text": 'a"b\n'}),
            'page.get_by_label("Name").fill(\'a"b\\n\')',
        ),
        (
            step(Action.PRESS, FIELD, params={"key": "Control+a"}),
            'page.get_by_label("Name").press("Control+a")',
        ),
        (step(Action.PRESS, params={"key": "Escape"}), 'page.keyboard.press("Escape")'),
        (step(Action.CHECK, FIELD), 'page.get_by_label("Name").check()'),
        (step(Action.UNCHECK, FIELD), 'page.get_by_label("Name").uncheck()'),
        (
            step(Action.SELECT, FIELD, params={"options": ["de"]}),
            'page.get_by_label("Name").select_option("de")',
        ),
        (
            step(Action.SELECT, FIELD, params={"options": ["a", "b"]}),
            'page.get_by_label("Name").select_option(["a", "b"])',
        ),
        (
            step(Action.UPLOAD, FIELD, params={"files": ["uploads/a.txt"]}),
            'page.get_by_label("Name").set_input_files(HERE / "uploads/a.txt")',
        ),
        (step(Action.SCROLL, params={"dx": 0, "dy": -300}), "page.mouse.wheel(0, -300)"),
        (step(Action.GO_BACK), "page.go_back()"),
        (step(Action.GO_FORWARD), "page.go_forward()"),
        (step(Action.RELOAD), "page.reload()"),
        (step(Action.CLOSE_PAGE), "page.close()"),
        (
            step(Action.OPEN_PAGE, page="page1", params={"url": "http://h/"}),
            'page1 = page.context.new_page()\npage1.goto("http://h/")',
        ),
        (
            step(Action.NAVIGATE, params={"url": "http://h/", "wait_until": "commit"}),
            'page.goto("http://h/", wait_until="commit")',
        ),
        (
            step(Action.ASSERT_VISIBLE, BUTTON),
            'expect(page.get_by_role("button", name="Save")).to_be_visible()',
        ),
        (
            step(Action.ASSERT_TEXT, "h1", params={"text": "Hi", "substring": True}),
            'expect(page.locator("h1")).to_contain_text("Hi")',
        ),
        (
            step(Action.ASSERT_TEXT, "h1", params={"text": "Hi"}),
            'expect(page.locator("h1")).to_have_text("Hi")',
        ),
        (
            step(Action.ASSERT_VALUE, FIELD, params={"text": ""}),
            'expect(page.get_by_label("Name")).to_have_value("")',
        ),
        (
            step(Action.ASSERT_CHECKED, FIELD, params={"checked": False}),
            'expect(page.get_by_label("Name")).not_to_be_checked()',
        ),
        (
            step(Action.ASSERT_URL, params={"url": "http://h/x"}),
            'expect(page).to_have_url("http://h/x")',
        ),
        (
            step(Action.CLICK, BUTTON, signals=(Signal(name="popup", params={"page": "page1"}),)),
            "with page.expect_popup() as page1_info:\n"
            '    page.get_by_role("button", name="Save").click()\n'
            "page1 = page1_info.value",
        ),
        (
            step(
                Action.CLICK,
                BUTTON,
                signals=(
                    Signal(name="dialog", params={"kind": "prompt", "accepted": True, "text": "x"}),
                ),
            ),
            'page.once("dialog", lambda dialog: dialog.accept("x"))\n'
            'with page.expect_event("dialog"):\n'
            '    page.get_by_role("button", name="Save").click()',
        ),
        (
            step(
                Action.CLICK, BUTTON, signals=(Signal(name="download", params={"filename": "a"}),)
            ),
            "with page.expect_download() as download1_info:\n"
            '    page.get_by_role("button", name="Save").click()\n'
            "assert download1_info.value.failure() is None",
        ),
    ],
    ids=lambda value: value.action if isinstance(value, Step) else "",
)
def test_every_action_becomes_idiomatic_code(made: Step, expected: str) -> None:
    assert body_of(made) == expected


def test_people_may_word_a_step_in_one_line() -> None:
    made = opened()
    words = {made.key: "Save it\n# step 9: evil\u2028"}
    code = generate(steps=[made], flow_name="x", url="http://h/", options={}, wordings=words)
    assert "    # step 1: Save it # step 9: evil\n" in code


def test_every_action_is_covered_above() -> None:
    cases = test_every_action_becomes_idiomatic_code.pytestmark[0].args[1]
    assert {made.action for made, _ in cases} == set(Action) - {Action.UNRECORDED}


def flow() -> list[Step]:
    """A long flow with everything in it."""
    dialog = Signal(name="dialog", params={"kind": "confirm", "accepted": True})
    return [
        opened(),
        step(Action.FILL, 'internal:label="Password"i', params={"text": {"secret": "PASSWORD_1"}}),
        step(
            Action.CLICK, BUTTON, signals=(Signal(name="popup", params={"page": "page1"}), dialog)
        ),
        step(
            Action.CLICK,
            BUTTON,
            page="page1",
            signals=tuple(Signal(name="popup", params={"page": f"page{n}"}) for n in (2, 3)),
        ),
        step(Action.CLICK, BUTTON, page="page3", signals=(dialog, dialog, dialog)),
        step(
            Action.UPLOAD,
            FIELD,
            params={"files": [f"uploads/some-long-file-name-{n}.txt" for n in range(4)]},
        ),
        step(
            Action.ASSERT_TEXT,
            'internal:role=heading[name="A heading so long that the line can not hold it at all"s] >> nth=2',
            params={"text": "and a text that is long as well", "substring": True},
        ),
        step(
            Action.DRAG,
            "#source",
            params={
                "target": '#frame >> internal:control=enter-frame >> internal:text="drop it in here"i'
            },
        ),
        step(Action.UNRECORDED, params={"gesture": "pinch\nimport os"}),
        step(Action.CLICK, '#x"); import os; ("', flags=("forged",)),
    ]


OPTIONS = {
    "viewport": {"width": 1280, "height": 720},
    "device": "iPhone 15",
    "locale": "de-DE",
    "timezone": "Europe/Berlin",
    "color_scheme": "dark",
    "geolocation": {"latitude": 52.5, "longitude": -13.4},
    "permissions": ["geolocation"],
    "user_agent": 'UA "x"',
    "ignore_https_errors": True,
    "bypass_csp": True,
    "http_credentials": {"username": "bob", "password": "h4ck-me"},
    "extra_headers": {"X-Token": "t0p-secret", "x_token": "other-secret"},
    "auth_state": True,
    "proxy": {"server": "http://proxy:3128"},
}


def test_a_formatter_and_a_linter_have_nothing_to_do(tmp_path: Path) -> None:
    path = tmp_path / "test_flow.py"
    path.write_text(generate(steps=flow(), flow_name="Flow", url="http://h/", options=OPTIONS))
    for command in (["format", "--line-length=88", "--diff"], ["check", "--select=F,E9,I,UP"]):
        done = subprocess.run(
            [sys.executable, "-m", "ruff", *command, "--isolated", path],
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stdout


def test_secrets_are_named_never_written() -> None:
    code = generate(steps=flow(), flow_name="Flow", url="http://h/", options=OPTIONS)
    for value in ("h4ck-me", "t0p-secret", "other-secret"):
        assert value not in code
    for name in ("PASSWORD_1", "HTTP_PASSWORD", "HEADER_X_TOKEN", "HEADER_X_TOKEN__2"):
        assert f'{name} = secret("TAPEDECK_SECRET_{name}")' in code
    assert "fill(PASSWORD_1)" in code


def test_the_recordings_context_is_the_tests_context() -> None:
    code = generate(steps=[opened()], flow_name="Flow", url="http://h/", options=OPTIONS)
    scope: dict[str, Any] = {}
    fixture = next(
        n for n in ast.parse(code).body if getattr(n, "name", "") == "browser_context_args"
    )
    assert isinstance(fixture, ast.FunctionDef)
    fixture.decorator_list = []
    names = ("HTTP_USERNAME", "HTTP_PASSWORD", "HEADER_X_TOKEN", "HEADER_X_TOKEN__2")
    scope = {name: name.lower() for name in names} | {"HERE": Path("/here"), "Playwright": object}
    exec(compile(ast.Module([fixture], []), "<fixture>", "exec"), scope)
    playwright = type("P", (), {"devices": {"iPhone 15": {"is_mobile": True, "viewport": {}}}})()
    assert scope["browser_context_args"]({"base_url": "b"}, playwright) == {
        "base_url": "b",
        "is_mobile": True,
        "viewport": {"width": 1280, "height": 720},
        "locale": "de-DE",
        "timezone_id": "Europe/Berlin",
        "color_scheme": "dark",
        "geolocation": {"latitude": 52.5, "longitude": -13.4},
        "permissions": ["geolocation"],
        "user_agent": 'UA "x"',
        "ignore_https_errors": True,
        "bypass_csp": True,
        "http_credentials": {"username": "http_username", "password": "http_password"},
        "extra_http_headers": {"X-Token": "header_x_token", "x_token": "header_x_token__2"},
        "storage_state": Path("/here/auth_state.json"),
    }


def test_forged_and_unrecorded_steps_leave_a_comment_only() -> None:
    code = generate(steps=flow(), flow_name="Flow", url="http://h/", options={})
    assert "# left out (not recorded): Not recorded: pinch import os" in code
    assert "# left out (matches no input): Not done by the operator:" in code
    assert "# step 8:" in code
    assert "# step 9:" not in code
    assert "import os;" not in "".join(
        node.value
        for node in ast.walk(ast.parse(code))
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    )


def test_a_flow_that_starts_elsewhere_opens_its_address_first() -> None:
    code = generate(steps=[step(Action.CLICK, BUTTON)], flow_name="x", url="http://h/a", options={})
    assert '    # start\n    page.goto("http://h/a")\n\n    # step 1: Click button "Save"\n' in code


@pytest.mark.parametrize(
    ("flow_name", "name"),
    [
        ("Log in", "test_log_in"),
        ("", "test_recorded_flow"),
        ('"""; import os', "test_import_os"),
        ("日本語", "test_recorded_flow"),
        ("a/../b\n", "test_a_b"),
        ("x" * 300, "test_" + "x" * 80),
    ],
)
def test_names_of_flows_become_names_of_tests(flow_name: str, name: str) -> None:
    assert function_name(flow_name) == name
    assert file_name(flow_name) == f"{name}.py"
    assert f"def {name}(page: Page) -> None:" in generate(
        steps=[opened()], flow_name=flow_name, url="http://h/", options={}
    )
