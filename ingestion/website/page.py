"""One page of HTML, read: its content, where it links to, and what it says about itself."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from selectolax.lexbor import LexborHTMLParser

from documents.readers.base import StructureBuilder
from documents.structure import Structure
from ingestion.http import FetchFailed, join
from ingestion.website import charset
from ingestion.website.content import add_content
from ingestion.website.robots import forbids

# A page with less text than this that brings scripts is likely made by them.
LEAST_CHARS = 200
NEXT_TO_NOTHING = 40
# Where the usual libraries put what they make.
_MOUNTS = "#root, #app, #__next, #__nuxt, #svelte, #___gatsby, app-root, [data-reactroot], [ng-app]"
MOST_TITLE = 300
_PLAIN = re.compile(r"/(?:[A-Za-z0-9_~%=&?#-][A-Za-z0-9_~/%=&?#-]*)?")
MOST_LINKS = 2000
_SCRIPTS = "script[src], script:not([type]), script[type='module'], script[type='text/javascript']"
_CHANGED = (
    "meta[property='article:modified_time'], meta[property='og:updated_time'], "
    "meta[name='last-modified'], meta[http-equiv='last-modified' i], meta[name='revised']"
)


@dataclass(frozen=True, kw_only=True)
class Page:
    """`links` are absolute, in the page's order. `canonical` is the address it calls its own."""

    url: str
    title: str
    structure: Structure
    links: tuple[str, ...]
    canonical: str = ""
    noindex: bool = False
    nofollow: bool = False
    language: str = ""
    changed_at: datetime | None = None
    needs_scripts: bool = False
    charset_lied: bool = False

    @property
    def digest(self) -> str:
        return digest_of(self.structure)


def digest_of(structure: Structure) -> str:
    """SHA-256 of the text: pages that say the same are one page."""
    return hashlib.sha256(structure.text.encode()).hexdigest()


def read_page(data: bytes, *, url: str, headers: Mapping[str, str]) -> Page:
    """The page that was served at `url` with these headers (their names in lower case).

    :raises documents.readers.Unreadable: it holds more text than a document may.
    """
    text, encoding, lied = charset.read(data, headers.get("content-type", ""))
    tree = LexborHTMLParser(text)
    built = StructureBuilder("text/html")
    built.meta("encoding", encoding)
    if lied:
        said = headers.get("content-type", "") or "its own head"
        built.warn("charset_wrong", f"The page is {encoding}, though it says otherwise ({said}).")
    title = _text(tree, "title")
    built.meta("title", title)
    language = _attribute(tree, "html", "lang")
    built.meta("language", language)
    built.meta("description", _attribute(tree, "meta[name=description]", "content"))
    robots = " ".join(_attributes(tree, "meta[name=robots i], meta[name=tapedeck i]", "content"))
    asks = forbids(f"{robots}, {headers.get('x-robots-tag', '')}")
    base = _absolute(url, _attribute(tree, "base[href]", "href")) or url
    links = () if asks.nofollow else _links(tree, base)
    heading = add_content(built, tree)
    chars = built.length
    return Page(
        url=url,
        title=(title or heading or url)[:MOST_TITLE],
        structure=built.build(),
        links=links,
        canonical=_absolute(base, _attribute(tree, "link[rel~=canonical i][href]", "href")),
        noindex=asks.noindex,
        nofollow=asks.nofollow,
        language=language,
        changed_at=_changed(tree),
        needs_scripts=_needs_scripts(tree, chars),
        charset_lied=lied,
    )


def _needs_scripts(tree: LexborHTMLParser, chars: int) -> bool:
    if chars >= LEAST_CHARS or tree.css_first(_SCRIPTS) is None:
        return False
    # Short pages with a counter's script are no applications.
    if chars < NEXT_TO_NOTHING or tree.css_first(_MOUNTS) is not None:
        return True
    return any("script" in (node.text() or "").lower() for node in tree.css("noscript"))


def with_warning(structure: Structure, code: str, message: str) -> Structure:
    """`structure` with one more warning, in front: the first is what people are shown."""
    from documents.structure import Warning

    warning = Warning(code=code, message=message)
    return replace(structure, warnings=(warning, *structure.warnings))


def _links(tree: LexborHTMLParser, base: str) -> tuple[str, ...]:
    found: dict[str, None] = {}
    for node in tree.css("a[href], area[href], link[rel~=next][href], iframe[src], frame[src]"):
        attributes = node.attributes
        reference = attributes.get("href") or attributes.get("src") or ""
        if not reference or reference[0] == "#" or "nofollow" in (attributes.get("rel") or ""):
            continue
        if len(found) < MOST_LINKS and (link := _absolute(base, reference)):
            found[link.partition("#")[0]] = None
    refresh = _attribute(tree, "meta[http-equiv=refresh i][content]", "content")
    target = refresh.partition("=")[2].strip(" '\"") if ";" in refresh else ""
    if target and (link := _absolute(base, target)):
        found[link.partition("#")[0]] = None
    return tuple(found)


def _absolute(base: str, reference: str) -> str:
    """Empty: not an address of a web page."""
    if _PLAIN.fullmatch(reference):
        # Most links: no need to take them apart.
        return "/".join(base.split("/", 3)[:3]) + reference
    scheme = reference.partition(":")[0].lower().strip()
    if not reference or (scheme.isalpha() and ":" in reference and scheme not in ("http", "https")):
        return ""
    try:
        return join(base, reference)
    except FetchFailed:
        return ""


def _text(tree: LexborHTMLParser, selector: str) -> str:
    node = tree.css_first(selector)
    return " ".join((node.text() or "").split()) if node is not None else ""


def _attributes(tree: LexborHTMLParser, selector: str, name: str) -> list[str]:
    return [node.attributes.get(name) or "" for node in tree.css(selector)]


def _attribute(tree: LexborHTMLParser, selector: str, name: str) -> str:
    return next(iter(_attributes(tree, selector, name)), "").strip()


def _changed(tree: LexborHTMLParser) -> datetime | None:
    for text in _attributes(tree, _CHANGED, "content"):
        try:
            at = datetime.fromisoformat(text.strip())
        except ValueError:
            continue
        return at if at.tzinfo else at.replace(tzinfo=UTC)
    return None
