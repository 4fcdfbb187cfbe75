"""The grammar of Playwright's selector strings, as typed chains.

It follows Playwright 1.65.2, packages/isomorphic: selectorParser.ts (splitting, attribute
selectors), locatorGenerators.ts (which method stands for which engine) and the Python
package's _impl/isomorphic/string_utils.py (how arguments become selectors again). A part that
the public Python API can not say, or that is malformed, stays a plain `Part`: its source.
"""

from __future__ import annotations

import json
import re
import warnings
from dataclasses import dataclass, field

MAX_LENGTH = 4000
MAX_PARTS = 40
MAX_DEPTH = 6


class SelectorRefused(ValueError):
    """This is no selector: wrong type, empty, absurdly long or deeply nested."""


@dataclass(frozen=True, kw_only=True)
class Match:
    """What a text is compared with: a substring, the whole text (`exact`), or a JavaScript regex."""

    text: str
    exact: bool = False
    flags: str | None = None

    @property
    def is_regex(self) -> bool:
        return self.flags is not None


@dataclass(frozen=True, kw_only=True)
class Part:
    """One link of a chain. Plain `Part` is any engine that has no method of its own."""

    source: str


@dataclass(frozen=True, kw_only=True)
class Role(Part):
    role: str
    name: Match | None = None
    description: Match | None = None
    attributes: tuple[tuple[str, bool | int], ...] = ()


@dataclass(frozen=True, kw_only=True)
class ByText(Part):
    """`kind` is text, label, placeholder, alt or title."""

    kind: str
    match: Match


@dataclass(frozen=True, kw_only=True)
class TestId(Part):
    match: Match


@dataclass(frozen=True, kw_only=True)
class HasText(Part):
    match: Match
    negated: bool


@dataclass(frozen=True, kw_only=True)
class Nested(Part):
    """`kind` is has, has-not, and, or, chain."""

    kind: str
    chain: Chain


@dataclass(frozen=True, kw_only=True)
class Nth(Part):
    index: int


@dataclass(frozen=True, kw_only=True)
class Visible(Part):
    value: bool


@dataclass(frozen=True, kw_only=True)
class EnterFrame(Part):
    pass


@dataclass(frozen=True, kw_only=True)
class Chain:
    source: str
    parts: tuple[Part, ...] = field(default=())


# What JavaScript trims and matches as \s.
JS_SPACE = (
    " \t\n\v\f\r\xa0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a"
    "\u2028\u2029\u202f\u205f\u3000\ufeff"
)
_ENGINE = re.compile(r"[a-zA-Z_0-9\-+:*]+")
_XPATH_START = re.compile(r"\(*//")
_TEXT_START = re.compile(r"\s*text\s*=(.+)$")
_REGEX = re.compile(r"/(.*)/([dgimsuvy]*)")
_JS_FLAGS = "dgimsuvy"
PYTHON_FLAGS = {"i": "re.IGNORECASE", "m": "re.MULTILINE", "s": "re.DOTALL"}
_TEXT_ENGINES = {"internal:text": "text", "internal:label": "label"}
_ATTRIBUTE_ENGINES = frozenset({"placeholder", "alt", "title"})
_NESTED = {f"internal:{kind}": kind for kind in ("has", "has-not", "and", "or", "chain")}
_BOOLEAN_STATES = frozenset(
    {"checked", "disabled", "selected", "expanded", "include-hidden", "pressed"}
)


def parse_selector(selector: object) -> Chain:
    """The chain that `selector` describes.

    :raises SelectorRefused: it is not a string, empty, too long, or too deeply nested.
    """
    return _parse(selector, depth=0)


def _parse(selector: object, *, depth: int) -> Chain:
    if not isinstance(selector, str):
        raise SelectorRefused(f"A selector is a string, not {type(selector).__name__}.")
    if not selector.strip(JS_SPACE):
        raise SelectorRefused("The selector is empty.")
    if len(selector) > MAX_LENGTH:
        raise SelectorRefused(f"The selector is longer than {MAX_LENGTH} characters.")
    if "\0" in selector:
        raise SelectorRefused("The selector holds a NUL character.")
    if depth > MAX_DEPTH:
        raise SelectorRefused(f"The selector is nested deeper than {MAX_DEPTH}.")
    pieces = _split(selector)
    if len(pieces) > MAX_PARTS:
        raise SelectorRefused(f"The selector has more than {MAX_PARTS} parts.")
    parts = [_part(piece, depth=depth) for piece in pieces if not _is_description(piece)]
    if not parts:
        raise SelectorRefused("The selector only describes; it finds nothing.")
    return Chain(source=selector, parts=tuple(parts))


def _split(selector: str) -> list[str]:
    """The parts between `>>`, quotes respected (parseSelectorString)."""
    if ">>" not in selector:
        return [selector.strip(JS_SPACE)]
    pieces: list[str] = []
    start = index = 0
    open_quote = ""
    while index < len(selector):
        char = selector[index]
        if char == "\\" and index + 1 < len(selector):
            index += 2
        elif char == open_quote:
            open_quote = ""
            index += 1
        elif (
            not open_quote
            and char in "\"'`"
            # text=it's >> … : a quote inside a bare text is no quote.
            and not _TEXT_START.match(selector[start:index])
        ):
            open_quote = char
            index += 1
        elif not open_quote and selector.startswith(">>", index):
            pieces.append(selector[start:index].strip(JS_SPACE))
            index += 2
            start = index
        else:
            index += 1
    pieces.append(selector[start:].strip(JS_SPACE))
    return pieces


def engine_of(piece: str) -> tuple[str, str]:
    """Engine and body of a part, the engine inferred where it is not named."""
    name, equals, body = piece.partition("=")
    if equals and _ENGINE.fullmatch(name.strip(JS_SPACE)):
        return name.strip(JS_SPACE), body
    if len(piece) > 1 and piece[0] == piece[-1] and piece[0] in "\"'":
        return "text", piece
    if _XPATH_START.match(piece) or piece.startswith(".."):
        return "xpath", piece
    return "css", piece


def _is_description(piece: str) -> bool:
    return engine_of(piece)[0] == "internal:describe"


def _part(piece: str, *, depth: int) -> Part:
    engine, body = engine_of(piece)
    part: Part | None = None
    if engine == "internal:role":
        part = _role(piece, body)
    elif engine in _TEXT_ENGINES:
        match = _text_match(body)
        if match:
            part = ByText(source=piece, kind=_TEXT_ENGINES[engine], match=match)
    elif engine == "internal:attr":
        part = _attribute(piece, body)
    elif engine == "internal:testid":
        part = _test_id(piece, body)
    elif engine in {"internal:has-text", "internal:has-not-text"}:
        match = _text_match(body)
        # The API's has_text is never exact and never empty.
        if match and match.text and (match.is_regex or not match.exact):
            part = HasText(source=piece, match=match, negated="not" in engine)
    elif engine in _NESTED:
        part = _nested(piece, _NESTED[engine], body, depth=depth)
    elif engine == "nth" and re.fullmatch(r"-?[0-9]{1,6}", body):
        part = Nth(source=piece, index=int(body))
    elif engine == "visible" and body in {"true", "false"}:
        part = Visible(source=piece, value=body == "true")
    elif engine == "internal:control" and body == "enter-frame":
        part = EnterFrame(source=piece)
    return part or Part(source=piece)


def _text_match(body: str) -> Match | None:
    """`"text"i`, `"text"s`, `"text"` or `/regex/flags` (detectExact); None when it is neither."""
    regex = _REGEX.fullmatch(body)
    if regex:
        return _regex_match(regex.group(1), regex.group(2))
    suffix = body[-1:] if body.endswith(('"i', '"s')) else ""
    try:
        text = json.loads(body[:-1] if suffix else body)
    except ValueError:
        return None
    return Match(text=text, exact=suffix != "i") if isinstance(text, str) else None


def _regex_match(source: str, flags: str) -> Match | None:
    """None for what Python's `re` can not carry to Playwright unchanged."""
    if set(flags) - set(PYTHON_FLAGS) or python_pattern(source) is None:
        return None
    return Match(text=source, flags="".join(sorted(set(flags))))


def python_pattern(source: str) -> str | None:
    """The pattern whose way through Playwright's Python package ends at `source` again."""
    pattern = re.sub(r"\\\\|\\([\"'`])", lambda m: m.group(1) or m.group(0), source)
    pattern = pattern.replace("\\>\\>", ">>")
    # escape_regex_for_selector of the Python package.
    escaped = re.sub(r'(^|[^\\])(\\\\)*(["\'`])', r"\1\2\\\3", pattern).replace(">>", "\\>\\>")
    if escaped != source:
        return None
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            re.compile(pattern)
    except (re.error, Warning, OverflowError, RecursionError):
        return None
    return pattern


class _Malformed(ValueError):
    """Not an attribute selector that can be said by the public API."""


@dataclass(frozen=True, kw_only=True)
class _Attribute:
    name: str
    match: Match | None = None  # a quoted string or a regex
    bare: str = ""  # an unquoted value


class _AttributeReader:
    """`name[attr="value"i][other=true]` (parseAttributeSelector), `=` only."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0

    def read(self) -> tuple[str, list[_Attribute]]:
        name = self._identifier()
        attributes = []
        self._spaces()
        while self._peek() == "[":
            attributes.append(self._attribute())
            self._spaces()
        if self.at < len(self.text):
            raise _Malformed
        return name, attributes

    def _peek(self) -> str:
        return self.text[self.at : self.at + 1]

    def _eat(self, expected: str = "") -> str:
        char = self._peek()
        if not char or (expected and char != expected):
            raise _Malformed
        self.at += 1
        return char

    def _spaces(self) -> None:
        while self._peek() and self._peek() in JS_SPACE:
            self.at += 1

    def _identifier(self) -> str:
        self._spaces()
        start = self.at
        while (char := self._peek()) and (char >= "\x80" or char.isalnum() or char in "_-"):
            self.at += 1
        return self.text[start : self.at]

    def _attribute(self) -> _Attribute:
        self._eat("[")
        self._spaces()
        name = self._quoted() if self._peek() in {"'", '"'} else self._identifier()
        self._spaces()
        self._eat("=")
        self._spaces()
        match: Match | None = None
        bare = ""
        if self._peek() == "/":
            match = self._regex()
        elif self._peek() in {"'", '"'}:
            text = self._quoted()
            self._spaces()
            flag = self._eat().lower() if self._peek().lower() in {"i", "s"} else ""
            match = Match(text=text, exact=flag != "i")
        else:
            bare = self._identifier()
        self._spaces()
        self._eat("]")
        if not name or (match is None and not bare):
            raise _Malformed
        return _Attribute(name=name, match=match, bare=bare)

    def _quoted(self) -> str:
        mark = self._eat()
        text = ""
        while (char := self._eat()) != mark:
            text += self._eat() if char == "\\" else char
        return text

    def _regex(self) -> Match:
        self._eat("/")
        source = ""
        in_class = False
        while not (self._peek() == "/" and not in_class):
            char = self._eat()
            source += char
            if char == "\\":
                source += self._eat()
            elif char == "[":
                in_class = True
            elif char == "]":
                in_class = False
        self._eat("/")
        flags = ""
        while self._peek() and self._peek() in _JS_FLAGS:
            flags += self._eat()
        match = _regex_match(source, flags)
        if match is None:
            raise _Malformed
        return match


def _attributes(body: str) -> tuple[str, list[_Attribute]] | None:
    try:
        return _AttributeReader(body).read()
    except _Malformed:
        return None


def _role(piece: str, body: str) -> Role | None:
    read = _attributes(body)
    if read is None or not re.fullmatch(r"[a-z]{1,30}", read[0]):
        return None
    named: dict[str, Match] = {}
    states: dict[str, bool | int] = {}
    for attribute in read[1]:
        if attribute.name in named or attribute.name in states:
            return None
        if attribute.name in {"name", "description"} and attribute.match:
            named[attribute.name] = attribute.match
        elif attribute.name in _BOOLEAN_STATES and attribute.bare in {"true", "false"}:
            states[attribute.name] = attribute.bare == "true"
        elif attribute.name == "level" and re.fullmatch(r"[0-9]{1,3}", attribute.bare):
            states[attribute.name] = int(attribute.bare)
        else:
            return None
    if len({match.exact for match in named.values() if not match.is_regex}) > 1:
        return None
    return Role(
        source=piece,
        role=read[0],
        name=named.get("name"),
        description=named.get("description"),
        attributes=tuple(states.items()),
    )


def _attribute(piece: str, body: str) -> ByText | None:
    read = _attributes(body)
    if read is None or read[0] or len(read[1]) != 1:
        return None
    attribute = read[1][0]
    if attribute.name not in _ATTRIBUTE_ENGINES or attribute.match is None:
        return None
    return ByText(source=piece, kind=attribute.name, match=attribute.match)


def _test_id(piece: str, body: str) -> TestId | None:
    read = _attributes(body)
    # get_by_test_id looks at data-testid, whole value; anything else must stay a selector.
    if read is None or read[0] or len(read[1]) != 1 or read[1][0].name != "data-testid":
        return None
    match = read[1][0].match
    if match is None or not (match.exact or match.is_regex):
        return None
    return TestId(source=piece, match=match)


def _nested(piece: str, kind: str, body: str, *, depth: int) -> Nested | None:
    try:
        inner = json.loads(body)
    except ValueError:
        return None
    if not isinstance(inner, str) or not inner.strip(JS_SPACE):
        return None
    return Nested(source=piece, kind=kind, chain=_parse(inner, depth=depth + 1))
