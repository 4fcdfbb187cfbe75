"""The main content of a page: headings with their anchors, text, lists, code and tables.

Menus, headers, footers, banners and what is hidden are left out; nothing is run.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from selectolax.lexbor import LexborHTMLParser, LexborNode

from documents.readers.base import StructureBuilder
from documents.readers.html import BLOCKS, caption_of, table_rows
from documents.structure import BlockKind

_NEVER = frozenset(
    [
        "script",
        "style",
        "template",
        "noscript",
        "iframe",
        "object",
        "embed",
        "svg",
        "canvas",
        "video",
        "audio",
        "head",
        "select",
        "datalist",
        "nav",
        "button",
        "input",
        "textarea",
        "map",
        "link",
        "meta",
        "dialog",
    ]
)
_LEVELS = {f"h{level}": level for level in range(1, 7)}
# The reader's, and what breaks a line on a page though it holds no text of its own.
_KINDS: dict[str, BlockKind] = {
    **BLOCKS,
    **dict.fromkeys(
        ["table", "thead", "tbody", "tfoot", "tr", "hr", "center", "label", "legend", "hgroup"],
        "paragraph",
    ),
}
_ROLES = frozenset(
    [
        "navigation",
        "banner",
        "contentinfo",
        "search",
        "complementary",
        "menu",
        "menubar",
        "dialog",
        "alertdialog",
    ]
)
# Whole words of a class or an id that say: not content.
_FURNITURE = re.compile(
    r"(?:^|[\s_-])(?:nav|navbar|navigation|menu|breadcrumbs?|sidebar|cookies?|consent|gdpr|footer"
    r"|masthead|pagination|pager|share|sharing|social|skip-?links?|sr-only|visually-hidden"
    r"|headerlink|permalink|anchor-?link|toc|table-of-contents|advert|advertisement|ads|promo"
    r"|newsletter|related-posts|edit-?section|noprint)(?:$|[\s_-])",
    re.I,
)
_HIDDEN = re.compile(r"display\s*:\s*none|visibility\s*:\s*hidden", re.I)
_MAIN = ("main", "[role=main]", "article")
_MAIN_BY_NAME = (
    "#mw-content-text, #main-content, #content, #main, .main-content, .post-content, "
    ".entry-content, .article-body, .markdown-body, .content"
)
_SPACE = re.compile(r"[ \t\n\r\f\u00a0]+")
MOST_DEEP = 400
# A part of a page whose text is links for the most part is a menu.
MENU_SHARE = 0.65
MENU_LINKS = 4
LEAST_TEXT = 200


def add_content(built: StructureBuilder, tree: LexborHTMLParser) -> str:
    """Append the page's main content; its first heading, empty where it has none."""
    body = tree.body
    if body is None:
        return ""
    root, certain = _root_of(body)
    before = built.length
    first = _Walk(built, root, menus=frozenset() if certain else _menus(body)).run()
    if built.length == before and root.tag != "body":
        # What calls itself the content is empty: better the whole page.
        return _Walk(built, body, menus=_menus(body)).run()
    return first


def _root_of(body: LexborNode) -> tuple[LexborNode, bool]:
    """Where the content is, and whether the page itself says so."""
    for selector in _MAIN:
        found = [each for each in body.css(selector) if not _is_hidden(each.attributes)]
        if len(found) == 1 and (selector != "article" or 3 * _length(found[0]) > _length(body)):
            return found[0], True
    whole = _length(body)
    for each in body.css(_MAIN_BY_NAME):
        if 2 * _length(each) > whole:
            return each, False
    return body, False


def _length(node: LexborNode) -> int:
    return len(node.text(separator=" "))


def _menus(body: LexborNode) -> frozenset[int]:
    """Parts that consist of links, where the rest of the page still holds a text."""
    menus: set[int] = set()
    left = _length(body)
    for node in body.css("ul, ol, div, td, section, header, footer, aside"):
        links = node.css("a[href]")
        if len(links) < MENU_LINKS:
            continue
        whole = _length(node)
        if sum(_length(link) for link in links) > MENU_SHARE * whole:
            menus.add(node.mem_id)
            left -= whole
    return frozenset(menus) if left > LEAST_TEXT else frozenset()


def _is_hidden(attributes: dict[str, str | None]) -> bool:
    return (
        "hidden" in attributes
        or attributes.get("aria-hidden") == "true"
        or bool(_HIDDEN.search(attributes.get("style") or ""))
    )


@dataclass(slots=True)
class _Block:
    kind: BlockKind
    level: int
    anchor: str
    depth: int
    lists: int


class _Walk:
    """One pass over a part of the page, without recursion: pages may nest without end."""

    def __init__(
        self,
        built: StructureBuilder,
        root: LexborNode,
        *,
        menus: frozenset[int],
    ) -> None:
        self._built = built
        self._root = root
        self._menus = menus
        self._parts: list[str] = []
        self._first_heading = ""
        # The newest id that no heading has taken, and the place that the text is at.
        self._id = ""
        self._anchor = ""

    def run(self) -> str:
        outer = _Block(kind="paragraph", level=0, anchor="", depth=0, lists=0)
        stack: list[tuple[LexborNode | None, _Block]] = [(None, outer)]
        stack += [(node, outer) for node in _children(self._root)]
        while stack:
            node, block = stack.pop()
            if node is None:
                self._flush(block)
            elif node.is_text_node:
                self._parts.append(node.text_content or "")
            elif (inner := self._entered(node, block)) is not None:
                if inner is not block:
                    stack.append((None, inner))
                stack += [(child, inner) for child in _children(node)]
        return self._first_heading

    def _entered(self, node: LexborNode, block: _Block) -> _Block | None:
        """The block that the node's children belong to; None: it has been dealt with."""
        tag = node.tag or ""
        if tag in _NEVER or block.depth > MOST_DEEP or node.mem_id in self._menus:
            return None
        if tag == "br":
            self._parts.append("\n")
            return None
        attributes = node.attributes
        if tag == "img":
            self._parts.append(attributes.get("alt") or "")
            return None
        if attributes and self._unwanted(tag, attributes):
            return None
        own = attributes.get("id") or (attributes.get("name") if tag == "a" else None) or ""
        if own:
            self._id = own
        kind = _KINDS.get(tag)
        if kind is None:
            return block
        self._flush(block)
        if tag == "table" and not _is_layout(node, attributes):
            self._built.table(table_rows(node), title=caption_of(node))
            return None
        if kind == "paragraph" and block.kind in ("list_item", "quote", "heading", "caption"):
            # <li><p>, <blockquote><p>: the text is still the list's, the quote's.
            kind = block.kind
        level = _LEVELS.get(tag, block.level)
        lists = block.lists + (tag in ("ul", "ol"))
        if kind == "list_item":
            level = max(lists, 1)
        return _Block(kind=kind, level=level, anchor=own, depth=block.depth + 1, lists=lists)

    def _unwanted(self, tag: str, attributes: dict[str, str | None]) -> bool:
        if _is_hidden(attributes) or attributes.get("role") in _ROLES:
            return True
        if tag in ("header", "footer") and self._root.tag == "body":
            return tag == "footer"
        if tag in ("body", "main", "article") or tag in _LEVELS:
            return False
        names = f"{attributes.get('class') or ''} {attributes.get('id') or ''}"
        return len(names) > 1 and bool(_FURNITURE.search(names))

    def _flush(self, block: _Block) -> None:
        if not self._parts:
            return
        text = "".join(self._parts)
        self._parts.clear()
        if block.kind == "code":
            if text.strip():
                self._built.block("code", text, anchor=self._anchor)
            return
        shown = _SPACE.sub(" ", text).strip()
        if not shown:
            return
        if block.kind == "heading":
            shown = shown.removesuffix("¶").removesuffix("#").rstrip() or shown
            # Its own id, one within it, or that of the part of the page which it opens.
            self._anchor, self._id = block.anchor or self._id, ""
            self._first_heading = self._first_heading or shown
            self._built.block("heading", shown, level=block.level, anchor=self._anchor)
            return
        level = block.level if block.kind == "list_item" else 0
        self._built.block(block.kind, shown, level=level, anchor=block.anchor or self._anchor)


def _children(node: LexborNode) -> Iterator[LexborNode]:
    """Last first, for a stack."""
    return reversed(list(node.iter(include_text=True)))


def _is_layout(table: LexborNode, attributes: dict[str, str | None]) -> bool:
    """Whether it only puts things beside each other, as pages of old did."""
    if attributes.get("role") in ("presentation", "none"):
        return True
    inner = table.css("table, h1, h2, h3, h4, form, article, main")
    return any(node.mem_id != table.mem_id for node in inner)
