"""Selectors as the Python that a person would write, and which of several will last longest.

A selector may come from a hostile page. Whatever it holds, the rendered code is one locator
expression: names of methods come from this file, everything else is a quoted literal. What
the public API can not say becomes `locator("<the selector>")`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable

from recorder.grammar import (
    JS_SPACE,
    PYTHON_FLAGS,
    ByText,
    Chain,
    EnterFrame,
    HasText,
    Match,
    Nested,
    Nth,
    Part,
    Role,
    SelectorRefused,
    TestId,
    Visible,
    engine_of,
    parse_selector,
    python_pattern,
)

__all__ = [
    "Chain",
    "SelectorRefused",
    "parse_selector",
    "python_for",
    "quote",
    "rank",
    "shorten",
    "strings_of",
    "to_python",
]

_METHODS = {"placeholder": "placeholder", "alt": "alt", "title": "title"}
_NESTED = {f"internal:{kind}": kind for kind in ("has", "has-not", "and", "or", "chain")}
_BOOLEAN_STATES = {"checked", "disabled", "selected", "expanded", "include-hidden", "pressed"}
_METHODS = {
    "text": "get_by_text",
    "label": "get_by_label",
    "placeholder": "get_by_placeholder",
    "alt": "get_by_alt_text",
    "title": "get_by_title",
}
_CALLS = {
    "has": "filter(has={})",
    "has-not": "filter(has_not={})",
    "and": "and_({})",
    "or": "or_({})",
    "chain": "locator({})",
}


def to_python(chain: Chain, *, page: str | None = None) -> str:
    """A Python expression for `chain`.

    With `page` (the variable that holds the page) it is complete; without, it starts at the
    first method, as Playwright's own code does where it shows a locator.
    """
    root = f"{page}." if page else ""
    return root + _render(chain, root=root)


def python_for(selector: object, *, page: str | None = None) -> str:
    """`to_python` of `parse_selector`.

    :raises SelectorRefused: see `parse_selector`.
    """
    return to_python(parse_selector(selector), page=page)


def quote(text: str) -> str:
    """`text` as a Python string literal on one line, in the quotes Black would choose; controls
    and all that is invisible (line separators, bidirectional marks, lone surrogates) escaped."""
    quoted = json.dumps(text, ensure_ascii=False)
    if '"' in text and "'" not in text:
        quoted = "'" + quoted[1:-1].replace('\\"', '"') + "'"
    if quoted.isprintable():
        return quoted
    return "".join(char if char.isprintable() else _escaped(char) for char in quoted)


def rank(selectors: Iterable[object]) -> list[str]:
    """The distinct usable selectors, the one least likely to break first.

    Order: test id, role with name, label, placeholder, other attributes, text, css, xpath;
    a position (`nth`), generated-looking ids and long chains count against a selector.
    Refused ones are left out; equals keep their given order.
    """
    scored: dict[str, float] = {}
    for selector in selectors:
        try:
            chain = parse_selector(selector)
        except SelectorRefused:
            continue
        scored.setdefault(chain.source, _cost(chain))
    return sorted(scored, key=lambda source: scored[source])


def strings_of(chain: Chain) -> Iterable[str]:
    """Every text that `chain` matches against, for naming the element in words."""
    for part in chain.parts:
        if isinstance(part, Role) and part.name:
            yield part.name.text
        elif isinstance(part, ByText | TestId):
            yield part.match.text


def _render(chain: Chain, *, root: str) -> str:
    links: list[str] = []
    base = "page"
    for position, part in enumerate(chain.parts):
        if isinstance(part, EnterFrame):
            if base != "locator" or position == len(chain.parts) - 1:
                # No call says this; Playwright itself will say what is wrong with it.
                return f"locator({quote(chain.source)})"
            links.append("content_frame")
            base = "frame"
            continue
        link = _link(part, root=root)
        # A page or frame has no first, nth or filter of its own elements.
        if link is None or (
            base != "locator" and isinstance(part, Nth | Visible | HasText | Nested)
        ):
            link = f"locator({quote(_bare(part.source))})"
        links.append(link)
        base = "locator"
    return ".".join(links)


def _link(part: Part, *, root: str) -> str | None:
    match part:
        case Role():
            return _role_call(part)
        case ByText():
            exact = ", exact=True" if part.match.exact else ""
            return f"{_METHODS[part.kind]}({_argument(part.match)}{exact})"
        case TestId():
            return f"get_by_test_id({_argument(part.match)})"
        case HasText():
            return (
                f"filter({'has_not_text' if part.negated else 'has_text'}={_argument(part.match)})"
            )
        case Nested():
            return _CALLS[part.kind].format(root + _render(part.chain, root=root))
        case Nth(index=0):
            return "first"
        case Nth(index=-1):
            return "last"
        case Nth():
            return f"nth({part.index})"
        case Visible():
            return f"filter(visible={part.value})"
    return None


def _role_call(part: Role) -> str:
    arguments = [quote(part.role)]
    for name, match in (("name", part.name), ("description", part.description)):
        if match is not None:
            arguments.append(f"{name}={_argument(match)}")
    if any(match and match.exact for match in (part.name, part.description)):
        arguments.append("exact=True")
    arguments += [f"{name.replace('-', '_')}={value}" for name, value in part.attributes]
    return f"get_by_role({', '.join(arguments)})"


def _argument(match: Match) -> str:
    if match.flags is None:
        return quote(match.text)
    pattern = python_pattern(match.text)
    if pattern is None:  # _regex_match lets no such one through
        raise AssertionError(match.text)
    raw_fits = '"' not in pattern and pattern.isprintable() and not pattern.endswith("\\")
    literal = f'r"{pattern}"' if raw_fits else quote(pattern)
    flags = " | ".join(PYTHON_FLAGS[flag] for flag in match.flags)
    return f"re.compile({literal}{', ' if flags else ''}{flags})"


def _bare(source: str) -> str:
    """`source` without its `css=` or `xpath=` where Playwright infers the same without it."""
    engine, body = engine_of(source)
    if (
        engine in {"css", "xpath"}
        and body.strip(JS_SPACE) == body
        and engine_of(body) == (engine, body)
    ):
        return body
    return source


def _escaped(char: str) -> str:
    code = ord(char)
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


_TEXT_COST = {"label": 20, "placeholder": 30, "alt": 40, "title": 45, "text": 50}
_GENERATED = re.compile(
    r"[0-9]{3,}|[0-9a-f]{8,}|:r[0-9a-z]+:|__[A-Za-z0-9]{4,}|-[A-Za-z0-9]*[0-9][A-Za-z0-9]{4,}"
)


def _cost(chain: Chain) -> float:
    cost = 0.0
    own = [part for part in chain.parts if not isinstance(part, EnterFrame | Nth | Visible)]
    for part in chain.parts:
        if isinstance(part, Nth):
            cost += 30
        elif not isinstance(part, EnterFrame | Visible):
            # What stands before the last part only narrows it down.
            cost += _part_cost(part) * (1 if part is own[-1] else 0.3)
    return cost + len(chain.source) / 200


def _part_cost(part: Part) -> float:
    match part:
        case TestId():
            return 0
        case Role():
            return 10 if part.name else 55
        case ByText():
            return _TEXT_COST[part.kind]
        case HasText() | Nested():
            return 35
    engine, body = engine_of(part.source)
    if engine == "xpath":
        return 90
    if engine != "css":
        return 60
    if re.fullmatch(r"#[\w-]+", body):
        return 75 if _GENERATED.search(body) else 25
    return 65 + (15 if ":nth-" in body or ">" in body else 0)


def shorten(text: str, limit: int = 80) -> str:
    """`text` on one line, blanks collapsed, invisible characters dropped, at most `limit` long."""
    line = "".join(char if char.isprintable() else " " for char in text)
    line = " ".join(line.split())
    return line if len(line) <= limit else line[: limit - 1].rstrip() + "…"
