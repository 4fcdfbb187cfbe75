"""Addresses of pages: one spelling each, whether they belong to the site, and traps among them."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass, field
from datetime import date
from functools import lru_cache
from urllib.parse import quote, urlsplit, urlunsplit

from jobs.addresses import BadHost, parse_host

DEFAULT_PORTS = {"http": 80, "https": 443}
# What says where a visitor came from or who it is, and nothing of the page.
_TRACKING = re.compile(
    r"^(utm_\w+|gclid|dclid|fbclid|msclkid|yclid|mc_[ce]id|igshid|_ga|_gl|hsa_\w+"
    r"|phpsessid|jsessionid|aspsessionid\w*|cfid|cftoken)$",
    re.I,
)
_SESSION_IN_PATH = re.compile(r";jsessionid=[^/?]*", re.I)
_ESCAPE = re.compile(r"%([0-9a-fA-F]{2})")
_UNRESERVED = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~")
_NEEDS_CARE = re.compile(r"[^A-Za-z0-9/._~-]|/\.|//")
_PATH_CHARS = "/%:@!$&'()*+,;=~|"
_QUERY_CHARS = _PATH_CHARS + "?[]"
MOST_SEGMENTS = 24
MOST_PARAMETERS = 12
# One page in so many days, months, weeks: more of one shape are a calendar without end.
MOST_DATED = 100
_DATED = re.compile(
    r"(?:19|20)\d\d[-/.](?:0?[1-9]|1[0-2])(?!\d)"
    r"|[?&/](?:year|month|week|day|date|datum|jahr|monat)[=/-]?\d",
    re.I,
)
_YEAR = re.compile(r"(?<!\d)((?:19|20|21)\d\d)(?!\d)")
_DIGITS = re.compile(r"\d+")


def canonical(url: str) -> str | None:
    """The one spelling of an absolute URL that its many spellings share; None: not a page's.

    Scheme and host in lower case, no default port, no fragment, dots in the path resolved, escapes
    that need not be undone, parameters sorted, those that only track a visitor left out.
    """
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return None
    scheme = parts.scheme.lower()
    if scheme not in DEFAULT_PORTS or not parts.hostname or "@" in parts.netloc:
        return None
    host = _host(parts.hostname)
    if host is None:
        return None
    netloc = host if port in (None, DEFAULT_PORTS[scheme]) else f"{host}:{port}"
    path = parts.path or "/"
    if _NEEDS_CARE.search(path):
        path = _escapes(quote(_SESSION_IN_PATH.sub("", path), safe=_PATH_CHARS))
        path = _without_dots(path)
    query = parts.query
    if query:
        pieces = [each for each in query.split("&") if each]
        kept = [each for each in pieces if not _TRACKING.match(each.partition("=")[0])]
        query = _escapes(quote("&".join(sorted(kept, key=_name_of)), safe=_QUERY_CHARS))
    return urlunsplit((scheme, netloc, path, query, ""))


@lru_cache(maxsize=4096)
def _host(name: str) -> str | None:
    try:
        parsed = parse_host(f"[{name}]" if ":" in name else name)
    except BadHost:
        return None
    return f"[{parsed}]" if ":" in str(parsed) else str(parsed)


def _escapes(text: str) -> str:
    def one(match: re.Match[str]) -> str:
        char = chr(int(match.group(1), 16))
        return char if char in _UNRESERVED else match.group().upper()

    return _ESCAPE.sub(one, text)


def _name_of(piece: str) -> str:
    return piece.partition("=")[0]


def _without_dots(path: str) -> str:
    kept: list[str] = []
    segments = path.split("/")
    for segment in segments:
        if segment == "..":
            kept = kept[:-1]
        elif segment not in ("", "."):
            kept.append(segment)
    ends = "/" if kept and segments[-1] in ("", ".", "..") else ""
    return "/" + "/".join(kept) + ends


def host_and_port(url: str) -> str:
    """`example.com`, or with its port where that is not the scheme's."""
    return urlsplit(url).netloc


def path_and_query(url: str) -> str:
    """What patterns that begin with / are compared with."""
    parts = urlsplit(url)
    return parts.path + (f"?{parts.query}" if parts.query else "")


def _site(url: str) -> str:
    return host_and_port(url).removeprefix("www.")


@dataclass(frozen=True, kw_only=True)
class Scope:
    """Which pages of what is linked are wanted.

    `include` and `exclude` are patterns in which * stands for anything: one that begins with / is
    compared with path and query, any other with the whole address.
    """

    start: str
    same_domain: bool = True
    include: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()

    def same_site(self, url: str) -> bool:
        """The start page's host (with or without www.), or one below it."""
        home, other = _site(self.start), _site(url)
        return other == home or other.endswith("." + home)

    def follows(self, url: str) -> bool:
        """Whether the page may be fetched at all."""
        if self.same_domain and not self.same_site(url):
            return False
        return not _any(self.exclude, url)

    def keeps(self, url: str) -> bool:
        """Whether the page is wanted in the index."""
        return self.follows(url) and (not self.include or _any(self.include, url))


def _any(patterns: tuple[str, ...], url: str) -> bool:
    return any(
        _pattern(each).fullmatch(path_and_query(url) if each.startswith("/") else url)
        for each in patterns
    )


@lru_cache(maxsize=1024)
def _pattern(text: str) -> re.Pattern[str]:
    # Neighbouring stars are one: two of them would make the match slow, and mean the same.
    parts = [re.escape(part) for part in re.split(r"\*+", text)]
    return re.compile(".*".join(parts), re.DOTALL)


@dataclass
class Traps:
    """Notices addresses that a site makes up without end. One crawl's memory."""

    today: date
    _dated: Counter[str] = field(default_factory=Counter)

    def reason(self, url: str) -> str:
        """Why `url` is not followed; empty: it may be."""
        parts = urlsplit(url)
        segments = [part for part in parts.path.split("/") if part]
        if len(segments) > MOST_SEGMENTS or _repeats(segments):
            return "path_repeats"
        if parts.query.count("&") >= MOST_PARAMETERS:
            return "too_many_parameters"
        shown = path_and_query(url)
        if _DATED.search(shown):
            years = [int(each) for each in _YEAR.findall(shown)]
            if years and (max(years) > self.today.year + 2 or min(years) < 1970):
                return "calendar"
            shape = parts.netloc + _DIGITS.sub("#", shown)
            self._dated[shape] += 1
            if self._dated[shape] > MOST_DATED:
                return "calendar"
        return ""


def _repeats(segments: list[str]) -> bool:
    """`/a/b/a/b/a/b`: relative links that lead ever deeper into the same page."""
    for width in (1, 2, 3):
        if len(segments) < 3 * width:
            continue
        for at in range(len(segments) - 3 * width + 1):
            piece = segments[at : at + width]
            again = segments[at + width : at + 2 * width], segments[at + 2 * width : at + 3 * width]
            if piece == again[0] == again[1]:
                return True
    return False
