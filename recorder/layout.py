"""How a generated test file is laid out: head, imports, secrets, fixture, test; lines that fit.

Long calls break as Black breaks them, so that a team's formatter finds little to change.
"""

from __future__ import annotations

import io
import re
import tokenize
from collections.abc import Sequence
from itertools import pairwise

from recorder.allowlist import SECRET_FUNCTION
from recorder.selectors import shorten

WIDTH = 88
_OPEN, _CLOSE = "([{", ")]}"


def assemble(
    *,
    title: str,
    url: str,
    name: str,
    body: Sequence[str],
    context: Sequence[str],
    secrets: Sequence[str],
    reads_files: bool,
) -> str:
    """The whole file; `body` and `context` hold finished statements and dictionary entries."""
    code = "\n".join([*body, *context])
    names = ["Page"]
    names += ["Dialog"] if "dialog: Dialog" in code else []
    names += ["Playwright"] if any("playwright.devices" in entry for entry in context) else []
    names += ["expect"] if re.search(r"^\s*expect\(", code, re.MULTILINE) else []
    standard = ["import os"] if secrets else []
    standard += ["import re"] if "re.compile(" in code else []
    standard += ["from pathlib import Path"] if reads_files else []
    third = ["import pytest"] if context or "pytest.fail(" in code else []
    third.append(f"from playwright.sync_api import {', '.join(sorted(names, key=_import_order))}")
    blocks = [_docstring(title, url, secrets)]
    blocks += ["\n".join(standard)] if standard else []
    blocks.append("\n".join(third))
    constants = ["HERE = Path(__file__).parent"] if reads_files else []
    parts = ["\n\n".join(blocks)]
    if constants:
        parts[0] += "\n\n" + "\n".join(constants)
    if secrets:
        parts.append(SECRET_FUNCTION.strip())
        parts.append(
            "\n".join(f'{secret} = secret("TAPEDECK_SECRET_{secret}")' for secret in secrets)
        )
    if context:
        parts.append(_fixture(context))
    lines = [fit(line, indent=1) for line in body]
    parts.append(f"def {name}(page: Page) -> None:\n" + "\n".join(lines))
    return "\n\n\n".join(parts) + "\n"


def fit(statement: str, *, indent: int) -> str:
    """`statement` at `indent` levels, broken at its brackets where it is too long."""
    if not statement:
        return ""
    own = len(statement) - len(statement.lstrip(" "))
    return "\n".join(_broken(statement.lstrip(" "), " " * (4 * indent + own)))


def _broken(line: str, blanks: str, *, trailing: str = "") -> list[str]:
    if len(blanks + line + trailing) <= WIDTH or line.startswith("#"):
        return [blanks + line + trailing]
    bracket = _bracket(line, len(blanks))
    if bracket is None:
        return [blanks + line + trailing]
    start, end, commas = bracket
    inner = line[start + 1 : end]
    deeper = blanks + "    "
    if len(deeper + inner) <= WIDTH and not (
        commas and line[start] in "[{" and end == len(line) - 1
    ):
        middle = [deeper + inner]
    elif commas or line[start] in "[{":
        middle = []
        cut = [start, *commas, end]
        for left, right in pairwise(cut):
            middle += _broken(line[left + 1 : right].strip(), deeper, trailing=",")
    else:
        middle = _broken(inner, deeper)
    return [blanks + line[: start + 1], *middle, blanks + line[end:] + trailing]


def _bracket(line: str, margin: int) -> tuple[int, int, list[int]] | None:
    """The last non-empty top-level bracket pair that leaves a fitting head, else the first:
    its two columns and its own commas."""
    pairs: list[tuple[int, int, list[int]]] = []
    stack: list[tuple[int, list[int]]] = []
    for column, text in _operators(line):
        if text in _OPEN:
            stack.append((column, []))
        elif text in _CLOSE and stack:
            start, commas = stack.pop()
            if not stack and column > start + 1:
                pairs.append((start, column, commas))
        elif text == "," and stack:
            stack[-1][1].append(column)
    fitting = [pair for pair in pairs if margin + pair[0] + 1 <= WIDTH]
    if not fitting:
        return pairs[0] if pairs else None
    return fitting[-1]


def _operators(line: str) -> list[tuple[int, str]]:
    """Column and text of brackets and commas outside of strings."""
    found: list[tuple[int, str]] = []
    try:
        for token in tokenize.generate_tokens(io.StringIO(line).readline):
            if token.type == tokenize.OP and token.string in "()[]{},":
                found.append((token.start[1], token.string))
    except tokenize.TokenError:
        # `with …:` and `def …:` alone end before their block does; all brackets were seen.
        pass
    return found


def _docstring(title: str, url: str, secrets: Sequence[str]) -> str:
    lines = [shorten(title, 110), "", f"Recorded with Tapedeck at {shorten(url, 200)}"]
    if secrets:
        lines.append(
            "Needs in the environment: " + ", ".join(f"TAPEDECK_SECRET_{s}" for s in secrets)
        )
    escaped = [line.replace("\\", "\\\\").replace('"', '\\"') for line in lines]
    return '"""' + "\n".join(escaped) + '\n"""'


def _fixture(context: Sequence[str]) -> str:
    devices = any("playwright.devices" in entry for entry in context)
    arguments = "browser_context_args: dict" + (", playwright: Playwright" if devices else "")
    entries = [fit(f"{entry},", indent=2) for entry in ["**browser_context_args", *context]]
    return "\n".join(
        [
            '@pytest.fixture(scope="session")',
            f"def browser_context_args({arguments}) -> dict:",
            "    return {",
            *entries,
            "    }",
        ]
    )


def _import_order(name: str) -> tuple[bool, str]:
    return name.islower(), name
