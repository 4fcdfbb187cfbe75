"""Pages and their addresses, read without a server."""

from __future__ import annotations

from datetime import date

import pytest

from documents.structure import Structure
from ingestion.website.duplicates import alike, sketch
from ingestion.website.page import Page, read_page
from ingestion.website.robots import forbids
from ingestion.website.urls import Scope, Traps, canonical

URL = "https://docs.example.com/guide/page"


def read(html: str, **headers: str) -> Page:
    names = {name.replace("_", "-"): value for name, value in headers.items()}
    page = read_page(html.encode(), url=URL, headers=names)
    page.structure.check()
    return page


def shown(structure: Structure) -> list[tuple[str, str, str]]:
    return [(block.kind, block.text, block.anchor) for block in structure.blocks]


@pytest.mark.parametrize(
    ("url", "one"),
    [
        ("HTTP://Example.com:80/a/../b/./c?b=2&a=1&utm_source=x#frag", "http://example.com/b/c?a=1&b=2"),
        ("http://example.com", "http://example.com/"),
        ("http://example.com/%7Ea/%2fx//y", "http://example.com/~a/%2Fx/y"),
        ("http://exämple.de/ä", "http://xn--exmple-cua.de/%C3%A4"),
        ("https://a.example:8443/x;jsessionid=1?q=", "https://a.example:8443/x?q="),
        ("http://h.example/?123", "http://h.example/?123"),
        ("http://h.example/a b/..", "http://h.example/"),
        ("http://h.example/x/../../../y/", "http://h.example/y/"),
        ("http://[::1]:80/x", "http://[::1]/x"),
        ("http://2130706433/", "http://127.0.0.1/"),
        *((bad, None) for bad in ("mailto:a@b.c", "http://u:p@h.example/", "http://", "http://h:x/", "/x")),
    ],
)  # fmt: skip
def test_one_page_has_one_address(url, one):
    assert canonical(url) == one
    assert one is None or canonical(one) == one


def test_headings_keep_the_anchor_that_a_link_can_jump_to():
    page = read(
        "<title>T</title><main><section id=top><h1>Start <a class=headerlink href='#top'>¶</a></h1>"
        "<p>First <b>bold</b>\n text.</p></section><h2 id=own>Own</h2><p>A<h2><a name=inner></a>Inner"
        "</h2><p id=here>B</p><h2>None</h2><p>C</main>"
    )
    assert shown(page.structure) == [
        ("heading", "Start", "top"),
        ("paragraph", "First bold text.", "top"),
        ("heading", "Own", "own"),
        ("paragraph", "A", "own"),
        ("heading", "Inner", "inner"),
        ("paragraph", "B", "here"),
        ("heading", "None", "here"),
        ("paragraph", "C", "here"),
    ]


def test_lists_code_quotes_and_tables_stay_what_they_are():
    page = read(
        "<main><ul><li>one<ul><li>inner</ul><li><p>two</ul><pre>a\n  b</pre><blockquote><p>said"
        "</blockquote><table><caption>Caps</caption><tr><th>a<th>b<tr><td>1<td>2</table>"
        "<table role=presentation><tr><td><p>laid out</table><dl><dt>term<dd>means</dl></main>"
    )
    structure = page.structure
    assert [(block.kind, block.text, block.level) for block in structure.blocks] == [
        ("list_item", "one", 1),
        ("list_item", "inner", 2),
        ("list_item", "two", 1),
        ("code", "a\n  b", 0),
        ("quote", "said", 0),
        ("paragraph", "laid out", 0),
        ("paragraph", "term", 0),
        ("paragraph", "means", 0),
    ]
    [table] = structure.tables
    assert (table.title, [cell.text for cell in table.cells]) == ("Caps", ["a", "b", "1", "2"])


def test_what_is_not_content_is_left_out():
    page = read(
        "<header><nav>Menu</nav></header><main><div class='breadcrumbs'>a &gt; b</div><h1>H</h1>"
        "<p>Kept text.<p hidden>hidden<p style='display:none'>none<div aria-hidden=true>aria</div>"
        "<script>var x</script><style>p{}</style><noscript>no</noscript><button>Push</button>"
        "<div class=cookie-banner>Cookies</div></main><footer>Foot</footer>"
    )
    assert page.structure.text == "H\nKept text.\n"


def test_a_page_that_marks_nothing_is_read_without_its_menus():
    links = "".join(f"<li><a href=/{n}>Topic number {n}</a>" for n in range(20))
    text = " ".join(f"Sentence {n} of the article, which is long enough." for n in range(20))
    page = read(f"<body><div><ul>{links}</ul></div><div><h1>Title</h1><p>{text}</p></div>")
    assert "Topic number" not in page.structure.text
    assert "Sentence 19" in page.structure.text
    assert len(page.links) == 20
    only_links = read(f"<body><h1>Index</h1><ul>{links}</ul>")
    assert "Topic number 7" in only_links.structure.text


def test_an_empty_main_part_does_not_hide_the_page():
    page = read("<main></main><div><h1>Elsewhere</h1><p>The text stands beside it.</p></div>")
    assert "The text stands beside it." in page.structure.text


def test_nesting_without_end_is_no_crash():
    page = read("<div>" * 20_000 + "deep" + "</div>" * 20_000)
    assert page.structure.text in ("", "deep\n")


def test_links_are_resolved_against_the_base():
    page = read(
        "<base href=/other/><a href=x>1</a><a href='?q=1'>2</a><a href=#a>3</a><a href='mailto:a@b'>4"
        "</a><a href='javascript:x()'>5</a><area href=y><iframe src=z></iframe><a rel=nofollow href=n>"
        "</a><meta http-equiv=refresh content='5; url=/later'><a href=' x '>again</a>"
    )
    assert page.links == tuple(
        f"https://docs.example.com{path}"
        for path in ("/other/x", "/other/?q=1", "/other/y", "/other/z", "/later")
    )


def test_emoji_and_right_to_left_text_keep_their_places():
    page = read("<main><h1 id=א>שלום 👩‍👩‍👧</h1><p>مرحبا\u200f بالعالم 🎉</p></main>")
    assert [block.anchor for block in page.structure.blocks] == ["א", "א"]
    for block in page.structure.blocks:
        assert page.structure.text[block.place.start : block.place.end] == block.text


@pytest.mark.parametrize(
    ("text", "noindex", "nofollow"),
    [
        ("", False, False),
        ("noindex", True, False),
        ("NOFOLLOW, all", False, True),
        ("none", True, True),
        ("tapedeck: noindex", True, False),
        ("otherbot: noindex, nofollow", False, True),
        ("max-snippet:10", False, False),
    ],
)
def test_what_pages_ask_of_crawlers(text, noindex, nofollow):
    assert forbids(text) == (noindex, nofollow)


def test_patterns():
    scope = Scope(
        start="https://www.example.com/",
        include=("/docs/*", "https://help.example.com/*"),
        exclude=("*/private/*", "/docs/*.pdf"),
    )
    wanted = {
        "https://example.com/docs/a": True,
        "https://help.example.com/x": True,
        "https://example.com/blog": False,
        "https://example.com/docs/private/a": False,
        "https://example.com/docs/a.pdf": False,
        "https://example.com.evil.example/docs/a": False,
        "https://notexample.com/docs/a": False,
        "https://example.com:8443/docs/a": False,
    }
    assert {url: scope.keeps(url) for url in wanted} == wanted


def test_traps():
    traps = Traps(today=date(2026, 11, 26))
    reasons = {
        "https://h.example/a/b/a/b/a/b": "path_repeats",
        "https://h.example/" + "x/y/z/" * 9: "path_repeats",
        "https://h.example/" + "/".join(f"p{n}" for n in range(25)): "path_repeats",
        "https://h.example/?" + "&".join(f"p{n}=1" for n in range(13)): "too_many_parameters",
        "https://h.example/calendar?month=2031-04": "calendar",
        "https://h.example/events/1901/02/": "calendar",
        "https://h.example/2024/05/a-post": "",
        "https://h.example/model-2099": "",
        "https://h.example/2030": "",
    }
    assert {url: traps.reason(url) for url in reasons} == reasons
    months = [
        f"https://h.example/day?date={year}-{m}-{d}"
        for year in (2025, 2026)
        for m in range(1, 13)
        for d in range(1, 28)
    ]
    kept = [url for url in months if not traps.reason(url)]
    assert len(kept) == 100


def test_alike_texts_are_told_from_others():
    def page(*sentences: str) -> Structure:
        return read("<main>" + "".join(f"<p>{each}" for each in sentences) + "</main>").structure

    article = [f"Sentence {n}." for n in range(60)]
    whole, shorter = sketch(page(*article)), sketch(page("Print view.", *article[:55]))
    assert alike(whole, shorter)
    assert not alike(whole, sketch(page(*(f"Other {n}." for n in range(60)))))
    assert not alike(whole, sketch(page()))
