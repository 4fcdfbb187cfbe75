"""Selectors against Playwright's own code: its renderer (through its node), and its locators."""

import ast
import json
import random
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import playwright
import pytest
from playwright.sync_api import Page, sync_playwright

from jobs.browser import find_chromium
from recorder.grammar import MAX_LENGTH
from recorder.selectors import (
    SelectorRefused,
    parse_selector,
    python_for,
    quote,
    rank,
    shorten,
)

DRIVER = Path(playwright.__file__).parent / "driver"

NASTY = [
    "Save",
    'a "quoted" name',
    "it's",
    "back\\slash",
    'both \\" of them',
    "line\nbreak\ttab",
    "a >> b",
    "[x=y]",
    "émoji 🎉",
    "  spaces  ",
    "sep\u2028and\u2029",
    "bidi\u202eevil",
    '"""',
    "';import os#",
    "`tick`",
    "#hash",
    "{brace}",
    "%s %(x)s",
]


def text(value: str, suffix: str) -> str:
    return json.dumps(value, ensure_ascii=False) + suffix


def attribute(value: str, suffix: str) -> str:
    return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"' + suffix


def links(value: str, suffix: str) -> list[str]:
    return [
        f"internal:role=button[name={attribute(value, suffix)}]",
        f"internal:role=checkbox[checked=true][name={attribute(value, suffix)}][expanded=false]",
        f"internal:role=heading[level=2][name={attribute(value, suffix)}]",
        f"internal:role=link[description={attribute(value, suffix)}]",
        f"internal:text={text(value, suffix)}",
        f"internal:label={text(value, suffix)}",
        f"internal:attr=[placeholder={attribute(value, suffix)}]",
        f"internal:attr=[alt={attribute(value, suffix)}]",
        f"internal:attr=[title={attribute(value, suffix)}]",
        f"internal:testid=[data-testid={attribute(value, 's')}]",
    ]


SINGLE = [link for value in NASTY for suffix in ("i", "s") for link in links(value, suffix)]
PLAIN = [
    "#id",
    "css=div.a > b",
    "xpath=//a[@href]",
    "//a",
    "..",
    "(//a)[2]",
    "text=foo",
    "text=it's >> nth=2",
    '"quoted"',
    "internal:role=button",
    "internal:role=textbox[include-hidden=true]",
    "internal:role=button[pressed=true][disabled=false][selected=true]",
    "internal:role=button[name=/save.*/i]",
    "internal:text=/a b+/ism",
    "internal:label=/x\\d/",
    "internal:attr=[title=/^a[/]b$/]",
    "internal:testid=[data-testid=/x/]",
    'a >> left-of="b"',
]
SUFFIXES = [
    "nth=0",
    "nth=-1",
    "nth=3",
    "visible=true",
    "visible=false",
    'internal:has-text="x \\" y"i',
    'internal:has-not-text="z"i',
    "internal:has-text=/re/i",
    'internal:has="internal:role=button[name=\\"In\\"i]"',
    'internal:has-not="div >> nth=1"',
    'internal:and="internal:text=\\"t\\"i"',
    'internal:or="internal:label=\\"l\\"s"',
    'internal:chain="internal:role=link"',
]


def chains(seed: int, count: int) -> list[str]:
    rng = random.Random(seed)
    made = []
    for _ in range(count):
        parts = [rng.choice(SINGLE + PLAIN)]
        for _ in range(rng.randint(0, 3)):
            parts.append(rng.choice([*SUFFIXES, rng.choice(SINGLE + PLAIN)]))
            if rng.random() < 0.15:
                parts += ["internal:control=enter-frame", rng.choice(SINGLE + PLAIN)]
        made.append(" >> ".join(parts))
    return made


NORMAL = """
const attrs = (body) => {
  const read = iso.parseAttributeSelector(body, true);
  return [read.name, read.attributes.map((a) =>
    [a.name, String(a.value), typeof a.value === "string" && a.caseSensitive]).sort()];
};
const typed = /^internal:(role|attr|testid)$/;
const normal = (parsed) => parsed.parts.map((part) => [part.name,
  part.body && part.body.parsed ? normal(part.body.parsed)
  : typed.test(part.name) ? attrs(part.body)
  : part.name === "css" ? part.source : String(part.body)]);
const each = (s) => { try { return normal(iso.parseSelector(s)); } catch { return "invalid"; } };
"""
RENDER = "const each = (s) => iso.asLocators('python', s);"


def in_the_driver(each: str, selectors: list[str]) -> list[Any]:
    """What Playwright's own `iso` code makes of each selector."""
    bundle = json.dumps(str(DRIVER / "package/lib/coreBundle.js"))
    script = (
        f"const {{iso}} = require({bundle}); {each}"
        + """
        let text = ""; process.stdin.on("data", (data) => text += data);
        process.stdin.on("end", () => console.log(JSON.stringify(JSON.parse(text).map(each))));"""
    )
    answer = subprocess.run(
        [DRIVER / "node", "-e", script],
        input=json.dumps(selectors), capture_output=True, text=True, check=True, timeout=60,
    )  # fmt: skip
    found: list[Any] = json.loads(answer.stdout)
    return found


def tree(expression: str) -> str | None:
    try:
        return ast.dump(ast.parse(expression, mode="eval"))
    except SyntaxError:
        return None


def test_single_links_read_as_playwright_writes_them() -> None:
    # Regexes and bare quotes they spell in another way; the next test has those.
    selectors = SINGLE + [s for s in PLAIN if "/" not in s and not s.startswith('"')]
    for selector, theirs in zip(selectors, in_the_driver(RENDER, selectors), strict=True):
        ours = python_for(selector)
        assert tree(ours) in {tree(form) for form in theirs}, (selector, ours, theirs)


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Page]:
    with sync_playwright() as pw:
        browser = pw.chromium.launch(
            executable_path=find_chromium().executable, args=["--no-sandbox"]
        )
        yield browser.new_page()
        browser.close()


def selector_of(expression: str, page: Page) -> str:
    """The selector that Playwright makes of a rendered expression."""
    import re

    locator: Any = eval(
        expression, {"__builtins__": {"True": True, "False": False}, "re": re}, {"page": page}
    )
    return str(locator._impl_obj._selector)


@pytest.mark.browser
@pytest.mark.parametrize("seed", range(4))
def test_what_is_rendered_is_the_same_selector_again(seed: int, page: Page) -> None:
    selectors = chains(seed, 400) + (SINGLE + PLAIN if seed == 0 else [])
    ours = [selector_of(python_for(selector, page="page"), page) for selector in selectors]
    # Playwright's own reading decides what is the same: spelling (css=, quoting) may differ.
    readings = list(
        zip(
            selectors,
            ours,
            in_the_driver(NORMAL, selectors),
            in_the_driver(NORMAL, ours),
            strict=True,
        )
    )
    assert sum(theirs != "invalid" for _, _, theirs, _ in readings) > len(readings) * 0.8
    for selector, again, expected, got in readings:
        assert got == expected, (selector, again)


@pytest.mark.browser
@pytest.mark.parametrize(
    "locator",
    [
        'internal:role=button[name="Save \\"all\\""s]',
        'internal:role=button[name="save"i] >> nth=1',
        'internal:label="Your name"i',
        'internal:attr=[placeholder="Search…"i]',
        'internal:testid=[data-testid="row-2"s]',
        'li >> internal:has-text="two"i >> internal:role=button',
        'li >> internal:has="internal:role=button[name=\\"go 2\\"s]"',
        '#f >> internal:control=enter-frame >> internal:role=button[name="Inside"s]',
        "internal:role=checkbox[checked=true]",
        "internal:role=heading[level=2][name=/two/i]",
        'internal:text="In the shadow"s',
        'internal:role=button[name="Save"i] >> internal:and="#second"',
    ],
)
def test_the_rendered_locator_finds_the_same_element(locator: str, page: Page) -> None:
    page.set_content(
        """<h1>one</h1><h2>Two</h2><button>Save "all"</button><button id=second>Save</button>
        <label>Your name <input></label><input placeholder="Search…">
        <ul><li data-testid=row-1>one <button>go 1</button><li data-testid=row-2>two <button>go 2</button></ul>
        <input type=checkbox><input type=checkbox checked>
        <iframe id=f srcdoc="<button>Inside</button>"></iframe><div id=host></div>
        <script>host.attachShadow({mode: 'open'}).innerHTML = '<b>In the shadow</b>'</script>"""
    )
    import re

    ours = eval(python_for(locator, page="page"), {"re": re}, {"page": page})
    theirs = page.locator(locator)
    theirs.wait_for(state="attached")
    assert ours.count() == theirs.count() == 1
    assert ours.evaluate("(one, other) => one === other", theirs.element_handle()) is True


@pytest.mark.parametrize(
    "selector",
    [
        None,
        3,
        b"#a",
        ["#a"],
        "",
        "   ",
        "a\0b",
        "x" * (MAX_LENGTH + 1),
        " >> ".join("a" * 60),
        'internal:describe="x"',
    ],
)
def test_what_is_no_selector_is_refused(selector: object) -> None:
    with pytest.raises(SelectorRefused):
        parse_selector(selector)


def test_deep_nesting_is_refused() -> None:
    selector = "a"
    for _ in range(8):
        selector = "b >> internal:has=" + json.dumps(selector)
    with pytest.raises(SelectorRefused):
        parse_selector(selector)


@pytest.mark.parametrize(
    ("selector", "python"),
    [
        ("internal:role=button[name=", 'locator("internal:role=button[name=")'),
        ('internal:role=button[name="a"i][description="b"s]', None),
        ("internal:role=button[busy=true]", 'locator("internal:role=button[busy=true]")'),
        ('internal:role=button[name*="a"]', None),
        ('internal:testid=[data-qa="x"s]', None),
        ("internal:text=/(?<n>x)/", 'locator("internal:text=/(?<n>x)/")'),
        ("internal:text=/x/u", 'locator("internal:text=/x/u")'),
        ('internal:has-text="x"s', None),
        ("nth=1", 'locator("nth=1")'),
        ("#a >> internal:control=enter-frame", None),
        ("internal:control=enter-frame >> b", None),
        ("_react=Book[author = 'x']", None),
        ("nth=999999999999", None),
    ],
)
def test_what_the_api_can_not_say_stays_a_quoted_selector(
    selector: str, python: str | None
) -> None:
    rendered = python_for(selector)
    assert rendered == (python or f"locator({quote(selector)})")
    call = ast.parse(rendered, mode="eval").body
    assert isinstance(call, ast.Call)
    assert isinstance(call.args[0], ast.Constant)
    assert call.args[0].value == selector


def test_a_frame_has_no_nth_of_its_own_elements() -> None:
    assert python_for("#f >> internal:control=enter-frame >> nth=1 >> b", page="page") == (
        'page.locator("#f").content_frame.locator("nth=1").locator("b")'
    )


@pytest.mark.parametrize("value", [*NASTY, "\x00\x1b[31m", "\ud800", "\U000e0041", "\ufeff"])
def test_quoted_text_is_one_line_and_reads_back(value: str) -> None:
    quoted = quote(value)
    assert ast.literal_eval(quoted) == value
    assert quoted.isprintable()
    assert len(quoted.splitlines()) == 1
    quoted.encode()


def test_ranking_puts_what_lasts_first() -> None:
    ordered = [
        'internal:testid=[data-testid="save"s]',
        'internal:role=button[name="Save"i]',
        'internal:label="Name"i',
        "#save",
        'internal:attr=[placeholder="Name"i]',
        'internal:text="Save"i',
        'internal:role=button[name="Save"i] >> nth=3 >> nth=1',
        "#mui-48213",
        "div > div:nth-child(3) > a",
        "xpath=/html/body/div[2]",
    ]
    shuffled = ordered[:]
    random.Random(1).shuffle(shuffled)
    assert rank([*shuffled, shuffled[0], "", None]) == ordered


def test_shorten_makes_one_printable_line() -> None:
    assert shorten("a\n\u2028b\x1b[0m   c\u202e") == "a b [0m c"
    assert shorten("x" * 100, 10) == "xxxxxxxxx…"
