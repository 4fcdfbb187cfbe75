"""What is to be visited next, and what is left out and why."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit

from ingestion.models import KEY_MAX
from ingestion.website.urls import Scope, Traps, canonical

# Files that hold no text that anybody could search: not worth a request.
_NO_TEXT = frozenset(
    ".png .jpg .jpeg .gif .webp .avif .svg .ico .bmp .tif .tiff .css .js .mjs .map .json .rss .atom "  # noqa: SIM905
    ".woff .woff2 .ttf .otf .eot .mp3 .mp4 .m4a .m4v .mov .avi .mkv .webm .ogg .wav .flac .zip .gz "
    ".tgz .bz2 .xz .7z .rar .tar .jar .war .exe .msi .dmg .pkg .deb .rpm .apk .iso .img .bin .dll "
    ".so .wasm .swf".split()
)
# What the documents' readers make text of, where files are wanted.
FILES = frozenset(
    ".pdf .docx .docm .pptx .pptm .xlsx .xlsm .xls .ods .csv .tsv .rtf .eml .msg".split()  # noqa: SIM905
)
EXAMPLES = 5
MOST_REMEMBERED = 500_000

REASONS = {
    "robots": "forbidden by robots.txt",
    "noindex": "the page asks not to be indexed",
    "excluded": "matches an exclude pattern",
    "not_included": "matches no include pattern",
    "duplicate": "says the same as another page",
    "canonical": "names another page as the one to index",
    "not_a_page": "neither a page nor a file that is read",
    "broken_link": "is linked, but does not exist",
    "refused": "may not be connected to",
    "path_repeats": "its path repeats itself, as links that lead in circles do",
    "too_many_parameters": "has too many parameters",
    "url_too_long": "its address is too long",
    "calendar": "one of endlessly many pages of a calendar",
    "redirect_loop": "is redirected in a circle",
    "depth": "lies deeper than is wanted",
    "page_limit": "the limit of pages was reached",
}


@dataclass
class LeftOut:
    """How much was left out for each reason, with a few examples."""

    counts: dict[str, int] = field(default_factory=dict)
    examples: dict[str, list[str]] = field(default_factory=dict)

    def add(self, reason: str, url: str) -> None:
        self.counts[reason] = self.counts.get(reason, 0) + 1
        shown = self.examples.setdefault(reason, [])
        if len(shown) < EXAMPLES and url not in shown:
            shown.append(url)

    def as_json(self) -> dict[str, Any]:
        return {
            reason: {
                "count": count,
                "why": REASONS.get(reason, reason),
                "examples": self.examples[reason],
            }
            for reason, count in sorted(self.counts.items())
        }


class Frontier:
    """Every page that is known of, each to be visited once, at the smallest depth it has."""

    def __init__(self, *, scope: Scope, max_depth: int, files: bool) -> None:
        self.scope = scope
        self.left_out = LeftOut()
        self.max_depth = max_depth
        self._files = files
        self._traps = Traps(today=datetime.now(UTC).date())
        self._depths: dict[str, int] = {}
        self._levels: dict[int, list[str]] = defaultdict(list)
        self._spelled: dict[str, str | None] = {}
        self._judged: set[str] = set()

    def move_to(self, url: str) -> None:
        """The start page turned out to be at `url`: the site is there."""
        self.scope = replace(self.scope, start=url)

    def spelled(self, raw: str) -> str | None:
        """`ingestion.website.urls.canonical`, remembered: pages link to the same pages."""
        try:
            return self._spelled[raw]
        except KeyError:
            if len(self._spelled) > MOST_REMEMBERED:
                self._spelled.clear()
            found = self._spelled[raw] = canonical(raw)
            return found

    def offer(self, raw: str, depth: int, *, trusted: bool = False) -> str:
        """Plan a visit of what is linked; its address if nothing had led there before, else empty.

        `trusted`: the site's own list names it, or it was visited in an earlier crawl, so it is no
        trap.
        """
        url = self.spelled(raw)
        if url is None:
            return ""
        had = self._depths.get(url)
        if had is not None and had <= depth:
            return ""
        if had is None and url not in self._judged:
            reason = self._reason(url, trusted=trusted)
            if reason is not None:
                self._judged.add(url)
                if reason:
                    self.left_out.add(reason, url)
                return ""
        if depth > self.max_depth:
            if url not in self._judged:
                self._judged.add(url)
                self.left_out.add("depth", url)
            return ""
        self._depths[url] = depth
        self._levels[depth].append(url)
        return url if had is None else ""

    def take(self, depth: int) -> Iterator[str]:
        """What waits at `depth`, until no more does; each page once."""
        waiting = self._levels.pop(depth, [])
        return (url for url in dict.fromkeys(waiting) if self._depths.get(url) == depth)

    def _reason(self, url: str, *, trusted: bool) -> str | None:
        """Why `url` is left out; empty: not worth a word; None: it is not."""
        if self.scope.same_domain and not self.scope.same_site(url):
            return ""
        if not self.scope.follows(url):
            return "excluded"
        if not self.scope.keeps(url):
            return "not_included"
        name = urlsplit(url).path.rpartition("/")[2].lower()
        ending = name[name.rfind(".") :] if "." in name else ""
        if ending in _NO_TEXT or (ending in FILES and not self._files):
            return "not_a_page"
        if len(url) > KEY_MAX:
            return "url_too_long"
        if trusted:
            return None
        return self._traps.reason(url) or None

    def start(self, url: str) -> None:
        """Plan the start page, whatever the patterns say of it."""
        self._depths[url] = 0
        self._levels[0].append(url)

    def __contains__(self, url: str) -> bool:
        return url in self._depths
