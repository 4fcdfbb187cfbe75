"""How one secret may be spelled in evidence, and the patterns that find it.

A value typed into a form turns up raw, in JSON (escaped once for each string it is nested
in), in URLs and form bodies, in HTML, and in base64 (Basic credentials, binary bodies).
"""

from __future__ import annotations

import base64
import html
import json
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from urllib.parse import quote, quote_plus

MARK = b"[secret]"
# Below this a value is replaced only where it stands as a whole value: "abc" is in every file.
SHORT = 4
# Below this, only where it is no part of a longer word: names of files are hexadecimal.
WORDLIKE = 6

_WORDS = frozenset({"true", "false", "null"})
_NUMBER = re.compile(r"-?[0-9]+(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?")
# After %20, \n or \u0041 a word begins although a letter or digit stands before it.
_ESCAPE = rb"(?<=%[0-9A-Fa-f]{2})|(?<=\\[nrtbf])|(?<=\\u[0-9A-Fa-f]{4})"
_BASIC = re.compile(rb"(Basic(?:\s|%20|\+)+)([A-Za-z0-9+/_-]{4,4000}={0,2})", re.IGNORECASE)


@dataclass(frozen=True, kw_only=True)
class Finding:
    """A pattern and what replaces its matches. `longest`: no match is longer, in bytes."""

    pattern: re.Pattern[bytes]
    replace: Callable[[re.Match[bytes]], bytes]
    longest: int
    # Any of these stands in every match: cheap to look for first.
    hints: tuple[bytes, ...] = ()


def findings(secrets: Iterable[str], *, structured: bool) -> list[Finding]:
    """What to look for; `structured`: in JSON, whose syntax has to survive."""
    values = sorted({value for value in secrets if value}, key=lambda value: (-len(value), value))
    found = [_literal(value, structured=structured) for value in values]
    found += [_in_base64(value) for value in values if len(value.encode()) >= WORDLIKE]
    if values:
        found.append(_basic(values))
    return found


def is_short(value: str) -> bool:
    return len(value) < SHORT or value in _WORDS


def spellings(value: str) -> set[bytes]:
    """Every spelling of `value` that is looked for literally."""
    flat = {value}
    for safe in ("", "/", "!~*'()", "-._*", "!*'();:@&=+$,/?#[]"):
        flat |= {
            quote(value, safe=safe, errors="replace"),
            quote_plus(value, safe=safe, errors="replace"),
        }
    flat |= {quote(spelled, safe="") for spelled in list(flat)}
    flat |= {re.sub("%[0-9A-F]{2}", lambda m: m.group().lower(), spelled) for spelled in list(flat)}
    escaped = html.escape(value, quote=True)
    flat |= {escaped, html.escape(value, quote=False), escaped.replace("&#x27;", "&#39;")}
    flat |= {escaped.replace("&#x27;", "&apos;"), escaped.replace("&#x27;", "'")}
    flat |= {value.replace("&", "&amp;").replace('"', "&quot;")}
    nested = set(flat)
    for _ in range(3):
        nested |= {spelled for inner in list(nested) for spelled in _in_json(inner)}
    return {spelled.encode("utf-8", "surrogatepass") for spelled in nested}


def _in_json(text: str) -> set[str]:
    plain, wide = (json.dumps(text, ensure_ascii=ascii_only)[1:-1] for ascii_only in (True, False))
    made = {plain, wide, plain.replace("/", "\\/"), wide.replace("/", "\\/")}
    # As Django, Rails and V8's inspectors write JSON into HTML.
    for upper in (True, False):
        for spelled in (plain, wide):
            made.add(
                re.sub(
                    "[<>&'+=]",
                    lambda m: f"\\u{ord(m.group()):04X}" if upper else f"\\u{ord(m.group()):04x}",  # noqa: B023
                    spelled,
                )
            )
    return made


def _literal(value: str, *, structured: bool) -> Finding:
    forms = spellings(value)
    if structured:
        # Inside a JSON string a quote is escaped: unescaped, it could only be the syntax.
        forms = {form for form in forms if not re.search(rb'(?<!\\)(?:\\\\)*"', form)}
    ordered = sorted(forms, key=lambda form: (-len(form), form))
    body = b"|".join(re.escape(form) for form in ordered)
    before = after = b""
    replacement = MARK
    if structured and _NUMBER.fullmatch(value):
        # May be a bare number; it has to stay one.
        digit = b"8" if set(value) <= set("9.-") else b"9"
        replacement = re.sub(rb"[0-9]", digit, value.encode())
        before, after = rb"(?:(?<![0-9.])|" + _ESCAPE + rb")", rb"(?![0-9])"
    if is_short(value):
        before, after = rb"(?<=[\"'=>])", rb"(?=[\"'&<\\\s]|\Z)(?!\\*\"\s*:)"
    elif len(value) < WORDLIKE:
        before, after = rb"(?:(?<![A-Za-z0-9])|" + _ESCAPE + rb")", rb"(?![A-Za-z0-9])"
    return Finding(
        pattern=re.compile(before + rb"(?:" + body + rb")" + after),
        replace=lambda match: replacement,
        longest=max((len(form) for form in ordered), default=0) + 16,
        hints=tuple(ordered),
    )


def _in_base64(value: str) -> Finding:
    """`value` inside longer base64, at each of the three alignments; same length, all zeros."""
    data = value.encode("utf-8", "surrogatepass")
    cores = set()
    for offset in range(3):
        coded = base64.b64encode(b"\0" * offset + data)
        # Letters that also hold bits of a neighbour are left out at both ends.
        start = -(-offset * 8 // 6)
        end = (offset + len(data)) * 8 // 6
        cores.add(coded[start:end])
    cores |= {core.replace(b"+", b"-").replace(b"/", b"_") for core in cores}
    cores |= {core.replace(b"+", b"%2B").replace(b"/", b"%2F") for core in cores}
    cores |= {core.replace(b"/", b"\\/") for core in cores}
    ordered = sorted(cores, key=lambda core: (-len(core), core))
    return Finding(
        pattern=re.compile(b"|".join(re.escape(core) for core in ordered)),
        replace=lambda match: b"A" * len(match.group()),
        longest=max(len(core) for core in ordered),
        hints=tuple(ordered),
    )


def _basic(values: list[str]) -> Finding:
    """Basic credentials that hold a secret, short ones included."""
    wanted = [value.encode("utf-8", "surrogatepass") for value in values]

    def replace(match: re.Match[bytes]) -> bytes:
        token = match.group(2).replace(b"-", b"+").replace(b"_", b"/").rstrip(b"=")
        try:
            decoded = base64.b64decode(token + b"=" * (-len(token) % 4))
        except ValueError:
            return match.group()
        user, _, password = decoded.partition(b":")
        held = any(w in (user, password) or (len(w) >= SHORT and w in decoded) for w in wanted)
        return match.group(1) + MARK if held else match.group()

    return Finding(pattern=_BASIC, replace=replace, longest=4_100, hints=(b"asic", b"ASIC"))
