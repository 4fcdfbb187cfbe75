"""What generated code may be made of."""

from __future__ import annotations

import pytest

from recorder import allowlist
from recorder.allowlist import NotAllowed

BASE = """from playwright.sync_api import Page, expect


def test_x(page: Page) -> None:
    {}
"""


@pytest.mark.parametrize(
    "line",
    [
        "import os",
        "__import__('os').system('id')",
        "eval('1')",
        "exec('1')",
        "open('/etc/passwd')",
        "page.evaluate('1')",
        "page.locator('a').evaluate('1')",
        "page.add_init_script('x')",
        "page.route('**', lambda route: route.abort())",
        "page.context.browser.close()",
        "page.context.add_cookies([])",
        "page.__class__",
        "page.locator('a').__class__()",
        "page.goto('file:///etc/passwd')",
        "page.goto('javascript:1')",
        "page.goto(page.url)",
        "page.goto(f'http://{page}')",
        "page.locator('a').set_input_files('/etc/passwd')",
        "page.locator('a').fill(open('x').read())",
        "page.locator('a').click(force=True, **{})",
        "page.locator(*['a']).click()",
        "page.once('dialog', lambda dialog: eval('1'))",
        "page.once('dialog', eval)",
        "page.on('request', print)",
        "page.screenshot(path='/tmp/x')",
        "page.locator('a').screenshot(path='/tmp/x')",
        "x = page",
        "page = 1",
        "expect = print",
        "for n in range(3): page.reload()",
        "while True: pass",
        "lambda: 1",
        "[page.reload() for n in 'x']",
        "page.locator(f'{page}').click()",
        "assert page.evaluate('1')",
        "assert True, open('x')",
        "del page",
        "global page",
        "raise SystemExit",
        "return 1",
        "yield 1",
        "with open('x') as f: pass",
        "with page.expect_popup(lambda popup: eval('1')): page.reload()",
        "with page.expect_event('request'): page.reload()",
        "try:\n        page.reload()\n    except Exception: pass",
        "class X: pass",
        "def f(): pass",
        "page.keyboard.insert_text('x')",
        "pytest.fail(open('x').read(), pytrace=False)",
        "re.compile('x').match('x')",
        "page.get_by_text(re.compile('x', re.DEBUG)).click()",
        "page.locator('a').fill(b'x')",
        "page.locator('a').fill(...)",
        "page.locator('a').fill(UNKNOWN)",
        "(x := page)",
        'page.mouse.move(box1["x"] + __import__("os").getpid(), box1["y"] + 1, steps=10)',
        'page.mouse.move(box1["__class__"] + 1, box1["y"] + 1, steps=10)',
        "box1 = page.evaluate('1')",
        "page = page.bounding_box()",
    ],
)
def test_the_allow_list_refuses(line: str) -> None:
    with pytest.raises(NotAllowed):
        allowlist.check(BASE.format(line))


@pytest.mark.parametrize(
    "code",
    [
        "",
        "import subprocess\n" + BASE.format("page.reload()"),
        "import os as o\n" + BASE.format("page.reload()"),
        "from os import system\n" + BASE.format("page.reload()"),
        "from playwright.sync_api import sync_playwright\n" + BASE.format("page.reload()"),
        "from .x import y\n" + BASE.format("page.reload()"),
        "import os\nX = os.environ\n" + BASE.format("page.reload()"),
        "X = secret('PATH')\n" + BASE.format("page.reload()"),
        "HERE = '/'\n" + BASE.format("page.reload()"),
        BASE.format("page.reload()") + "print(1)\n",
        BASE.format("page.reload()") + "\ndef secret(name: str) -> str:\n    return eval(name)\n",
        BASE.format("page.reload()").replace("(page: Page)", "(page: Page = eval('1'))"),
        "@eval('x')\n" + BASE.format("page.reload()").split("\n\n\n")[1],
        BASE.format("page.reload()") + BASE.format("page.reload()"),
        "import pytest\n\n\n@pytest.fixture(scope='session')\ndef browser_context_args(browser_context_args: dict) -> dict:\n"
        "    return {'proxy': {'server': 'http://x'}}\n" + BASE.format("page.reload()"),
        "(" * 500,
        "x = 1\0",
    ],
)
def test_the_allow_list_refuses_the_file(code: str) -> None:
    with pytest.raises(NotAllowed):
        allowlist.check(code)


def test_the_allow_list_names_the_line() -> None:
    with pytest.raises(NotAllowed) as refused:
        allowlist.check(BASE.format("page.evaluate('1')"))
    assert refused.value.line == 5
    assert "page.evaluate" in refused.value.why
