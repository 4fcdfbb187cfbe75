"""Jira's two rich texts: what they say, in order, and that nothing of it is lost."""

from __future__ import annotations

import re
from typing import Any

import pytest

from documents.readers.base import StructureBuilder
from ingestion.jira import adf, wiki
from ingestion.jira.pieces import Grid, Part, Piece, plain, write


def text(value: str, **more: Any) -> dict[str, Any]:
    return {"type": "text", "text": value, **more}


def node(name: str, *content: Any, **attrs: Any) -> dict[str, Any]:
    made: dict[str, Any] = {"type": name}
    if attrs:
        made["attrs"] = attrs
    if content:
        made["content"] = list(content)
    return made


def para(*content: Any) -> dict[str, Any]:
    return node("paragraph", *(text(each) if isinstance(each, str) else each for each in content))


def told(*content: Any) -> list[Piece]:
    return adf.read(node("doc", *content))[0]


def cells(piece: Piece) -> list[list[str | None]]:
    assert isinstance(piece, Grid)
    return [[cell.text if cell else None for cell in row] for row in piece.rows]


LINKED = {"marks": [{"type": "link", "attrs": {"href": "https://docs.example/pay"}}]}


@pytest.mark.parametrize(
    ("content", "kind", "said"),
    [
        (node("heading", text("Steps"), level=3), "heading", "Steps"),
        (para("a", node("hardBreak"), "b"), "paragraph", "a\nb"),
        (node("codeBlock", text("x = 1\n"), text("y = 2"), language="python"), "code", "x = 1\ny = 2"),
        (node("blockquote", para("said")), "quote", "said"),
        (node("panel", para("mind"), panelType="warning"), "note", "mind"),
        (para("see ", node("mention", id="5b1", text="@Ada")), "paragraph", "see @Ada"),
        (para("see", node("mention", id="5b1")), "paragraph", "see @5b1"),
        (para("ok ", node("emoji", shortName=":tada:", text="🎉")), "paragraph", "ok 🎉"),
        (para("by ", node("date", timestamp="1767225600000")), "paragraph", "by 2026-01-01"),
        (para("by ", node("date", timestamp="soon")), "paragraph", "by soon"),
        (para("is", node("status", text="DONE", color="green"), "now"), "paragraph", "is DONE now"),
        (para("see", node("inlineCard", url="https://x.example/1")), "paragraph", "see https://x.example/1"),
        (para(node("inlineCard", data={"name": "Plan", "url": "https://x.example"})), "paragraph", "Plan"),
        (para("in ", text("the ", **LINKED), text("docs", **LINKED), "."), "paragraph", "in the docs (https://docs.example/pay)."),
        (para(text("https://docs.example/pay", **LINKED)), "paragraph", "https://docs.example/pay"),
        (para(node("placeholder", text="Type here")), "paragraph", "Type here"),
        (node("mediaSingle", node("media", type="file", id="u", alt="cart.png")), "caption", "cart.png"),
        (node("mediaGroup", node("media", type="external", url="https://x.example/a.png")), "caption", "https://x.example/a.png"),
        (para(node("mediaInline", alt="log.txt")), "paragraph", "log.txt"),
        (node("mediaSingle", node("caption", text("The cart"))), "caption", "The cart"),
        (node("blockCard", url="https://x.example/2"), "paragraph", "https://x.example/2"),
        (node("embedCard", url="https://x.example/3", layout="center"), "paragraph", "https://x.example/3"),
        (node("taskList", node("taskItem", text("Buy"), state="DONE")), "list_item", "[x] Buy"),
        (node("taskList", node("taskItem", text("Sell"), state="TODO")), "list_item", "[ ] Sell"),
        (node("decisionList", node("decisionItem", text("Ship it"), state="DECIDED")), "list_item", "Ship it"),
        (node("layoutSection", node("layoutColumn", para("left"), width=50)), "paragraph", "left"),
        (node("extension", extensionKey="toc", text="Contents"), "paragraph", "Contents"),
        (node("extension", parameters={"macroParams": {"q": {"value": "project = A"}}}), "paragraph", "project = A"),
        (node("bodiedExtension", para("inside"), extensionKey="x"), "paragraph", "inside"),
        (para(node("inlineExtension", extensionKey="k", text="live")), "paragraph", "live"),
        (node("unsupportedBlock", para("kept")), "paragraph", "kept"),
    ],
)  # fmt: skip
def test_a_node_says_its_text(content: dict[str, Any], kind: str, said: str) -> None:
    pieces, unknown = adf.read(node("doc", content))
    assert [(piece.kind, piece.text) for piece in pieces if isinstance(piece, Part)] == [(kind, said)]  # fmt: skip
    assert unknown == frozenset()


def test_lists_keep_their_depth_and_an_expand_its_title() -> None:
    inner = node("orderedList", node("listItem", para("deep")), order=3)
    pieces = told(
        node("bulletList", node("listItem", para("top"), inner, para("more"))),
        node("expand", para("hidden"), title="Log"),
        node("rule"),
    )
    assert pieces == [
        Part("list_item", "top", 1),
        Part("list_item", "deep", 2),
        Part("list_item", "more", 1),
        Part("paragraph", "Log"),
        Part("paragraph", "hidden"),
    ]


def test_a_table_keeps_spans_and_every_block_of_a_cell() -> None:
    table = node(
        "table",
        node(
            "tableRow",
            node("tableHeader", para("Step"), rowspan=2),
            node("tableHeader", para("Result"), colspan=2),
        ),
        node(
            "tableRow",
            node("tableCell", para("one"), node("bulletList", node("listItem", para("dot")))),
            node("tableCell", node("panel", para("two")), node("codeBlock", text("three"))),
        ),
    )
    [piece] = told(table)
    assert cells(piece) == [["Step", "Result"], [None, "one\ndot", "two\nthree"]]
    built = StructureBuilder("application/json")
    write(built, [piece])
    structure = built.build()
    structure.check()
    assert structure.tables[0].n_cols == 3
    assert structure.tables[0].grid()[1][0] is structure.tables[0].grid()[0][0]


@pytest.mark.parametrize(
    "strange",
    [
        node("hologram", para("words of it")),
        node("hologram", text("words of it")),
        node("hologram", title="words of it"),
        para(node("sparkle", text="words of it")),
        para({"type": "sparkle", "text": "words of it"}),
        node("table", node("sidecar", para("words of it"))),
        node("table", node("tableRow", para("words of it"))),
        {"content": [para("words of it")]},
        node("bulletList", para("words of it")),
        node("paragraph", para("words of it")),
        {"type": "paragraph", "content": ["words of it", 3, None]},
        {"type": "paragraph", "attrs": None, "marks": 3, "content": {"type": "text", "text": "words of it"}},
        node("heading", text("words of it"), level="x"),
        node("mediaSingle", node("media", width=None, alt="words of it")),
    ],
)  # fmt: skip
def test_no_node_is_dropped_and_none_raises(strange: dict[str, Any]) -> None:
    pieces, unknown = adf.read(node("doc", para("before"), strange, para("after")))
    assert plain(pieces) == "before\nwords of it\nafter"
    if strange.get("type") == "hologram":
        assert unknown == {"hologram"}


@pytest.mark.parametrize("nothing", [None, 3, [], {}, {"type": "doc"}, {"content": None}])
def test_what_is_no_document_says_nothing(nothing: Any) -> None:
    assert adf.read(nothing)[0] == []


def test_a_text_in_place_of_a_document_is_a_paragraph() -> None:
    assert adf.read("plain")[0] == [Part("paragraph", "plain")]


def test_the_deepest_text_is_kept() -> None:
    deep = text("at the bottom")
    for _ in range(5000):
        deep = node("blockquote", deep)
    assert plain(told(deep)) == "at the bottom"


@pytest.mark.parametrize(
    ("markup", "kind", "said"),
    [
        ("h2. The *bold* title", "heading", "The bold title"),
        ("a *b* _c_ -d- +e+ ^f^ ~g~ ??h?? {{i*j*}}", "paragraph", "a b c d e f g h i*j*"),
        ("{color:red}warm{color} and {color:#00ff00}cold{color}", "paragraph", "warm and cold"),
        ("snake_case_name 2026-01-02 a*b*c 5 * 3 * 2", "paragraph", "snake_case_name 2026-01-02 a*b*c 5 * 3 * 2"),
        (r"\*not bold\* and C:\temp\new", "paragraph", r"*not bold* and C:\temp\new"),
        ("one \\\\ two", "paragraph", "one \ntwo"),
        ("[the docs|https://x.example/a_b_c]", "paragraph", "the docs (https://x.example/a_b_c)"),
        ("[https://x.example/a*b*]", "paragraph", "https://x.example/a*b*"),
        ("[~ada] wrote to [Bo|mailto:bo@x.example], see [^trace.log]", "paragraph", "@ada wrote to Bo, see trace.log"),
        ("[not a link] and [that part|#steps]", "paragraph", "[not a link] and that part"),
        ("!cart.png|thumbnail,width=300! Hey! Really!", "paragraph", "cart.png Hey! Really!"),
        ("* one\n** two *b*\n# three\ncarries on", "list_item", "one|two b|three\ncarries on"),
        ("- dash\n- dash two", "list_item", "dash|dash two"),
        ("bq. said so", "quote", "said so"),
        ("{quote}\nlong\n\nsaid\n{quote}", "quote", "long|said"),
        ("{panel:title=Mind|bgColor=#fff}\nthe gap\n{panel}", "note", "Mind|the gap"),
        ("{code:java|title=A.java}\nint x = *p*; // {quote}\n{code}", "code", "int x = *p*; // {quote}"),
        ("{noformat}\n  h1. raw\n{noformat}", "code", "  h1. raw"),
        ("{mystery:x=1}kept{mystery}", "paragraph", "{mystery:x=1}kept{mystery}"),
        ("{code}never closed", "paragraph", "{code}never closed"),
        ("one\ntwo\n\nthree\n----\nfour", "paragraph", "one\ntwo|three|four"),
        ("fish &amp; chips &lt;3", "paragraph", "fish & chips <3"),
        ("\r\nh1. Windows\r\n", "heading", "Windows"),
        ("שלום *עולם* 🎉", "paragraph", "שלום עולם 🎉"),
    ],
)  # fmt: skip
def test_wiki_markup_says_its_text(markup: str, kind: str, said: str) -> None:
    pieces = [piece for piece in wiki.read(markup) if isinstance(piece, Part)]
    assert "|".join(piece.text for piece in pieces if piece.kind == kind) == said
    # Besides, only the title of a code block.
    assert [piece.text for piece in pieces if piece.kind != kind] in ([], ["A.java"])


def test_wiki_lists_have_depth_and_headings_their_level() -> None:
    pieces = wiki.read("h3. A\n* b\n*# c\n** d\n-- e\n\nf")
    assert [(piece.kind, piece.level) for piece in pieces if isinstance(piece, Part)] == [
        ("heading", 3), ("list_item", 1), ("list_item", 2), ("list_item", 2), ("list_item", 2), ("paragraph", 0),
    ]  # fmt: skip


def test_a_wiki_table_keeps_bars_in_links_and_lines_in_cells() -> None:
    [before, piece, after] = wiki.read(
        "before\n||Field||Value||\n|a|[x|https://x.example]|\n|two\nlines|{{b|c}}|\n| |!d.png|thumbnail!|\nafter"
    )
    assert cells(piece) == [
        ["Field", "Value"],
        ["a", "x (https://x.example)"],
        ["two\nlines", "b|c"],
        ["", "d.png"],
    ]
    assert plain([before, after]) == "before\nafter"


@pytest.mark.parametrize(
    "hostile",
    ["*" * 200_000, "_a " * 60_000, "{quote}" * 30_000, "{code}{quote" * 15_000, "[" * 200_000, "!a" * 100_000, "|" * 50_000, "{{" * 60_000, "{color:" * 30_000, "\\" * 100_000, "??a " * 50_000, "|a\n" * 40_000, "{panel}" * 30_001],
    ids=range(13),
)  # fmt: skip
def test_no_wiki_text_is_too_strange(hostile: str) -> None:
    written = set(re.findall(r"\w+", hostile)) - {"code", "quote", "panel", "color"}
    assert written <= set(re.findall(r"\w+", plain(wiki.read(hostile))))
