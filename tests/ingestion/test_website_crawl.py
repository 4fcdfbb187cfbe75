"""Crawling scripted sites: what is found, what is left out, and what each setting changes."""

from __future__ import annotations

import gzip
import json
import time
from collections.abc import Callable, Iterator
from functools import partial
from itertools import pairwise, repeat
from pathlib import Path

import pytest

from ingestion.content import SyncFailed
from tests.ingestion.crawling import Synced, html, sync
from tests.ingestion.scripted_site import Asked, Reply, ScriptedSite, names

Sync = Callable[..., Synced]


@pytest.fixture
def site() -> Iterator[ScriptedSite]:
    with ScriptedSite() as site:
        yield site


@pytest.fixture
def crawl(site: ScriptedSite, tmp_path: Path) -> Sync:
    return partial(sync, f"{site.url}/", workdir=tmp_path)


def to(url: str, status: int = 301) -> Reply:
    return Reply(status=status, headers={"Location": url})


def sitemap(*urls: str, root: str = "urlset", lastmod: str = "2026-01-01") -> str:
    inner = "url" if root == "urlset" else "sitemap"
    entries = "".join(
        f"<{inner}><loc>{url}</loc><lastmod>{lastmod}</lastmod></{inner}>" for url in urls
    )
    return (
        '<?xml version="1.0"?>'
        f'<{root} xmlns="http://www.sitemaps.org/schemas/sitemap/0.9">{entries}</{root}>'
    )


def chain(length: int) -> dict[str, str]:
    pages = {f"/{at}": html(f"Page {at}", f"/{at + 1}") for at in range(1, length)}
    return {"/": html("Start", "/1"), **pages, f"/{length}": html("The last")}


def test_pages_are_found_by_their_links_each_once(site, crawl):
    site.pages = {
        "/": html("Home", "/a", "/b", "a#part", "/a?utm_source=x", "mailto:x@y.z", "javascript:1"),
        "/a": html("A", "/", "b", "/a/../b", site.url.replace("http", "HTTP") + "/b"),
        "/b": html("B", "/deep/er"),
        "/deep/er": html("Deeper", "../a"),
    }
    synced = crawl()
    assert synced.pages == {"/", "/a", "/b", "/deep/er"}
    assert sorted(site.paths) == ["/", "/a", "/b", "/deep/er"]
    assert synced.run.complete
    found = synced.found["/a"]
    assert (found.kind, found.title, found.url) == ("page", "A", f"{site.url}/a")
    assert found.structure.blocks[0].anchor == "top"


@pytest.mark.parametrize("depth", [1, 2, 5])
def test_max_depth_counts_links_from_the_start_page(site, crawl, depth):
    site.pages = chain(7)
    synced = crawl(max_depth=depth)
    assert synced.pages == {"/", *(f"/{at}" for at in range(1, depth + 1))}


def test_a_page_counts_by_the_shortest_way_to_it(site, crawl):
    """Also when the longer way answers first."""

    def slow(asked: Asked) -> Reply:
        site.stopping.wait(0.3)
        return Reply(body=html("Slow", "/target"))

    site.pages = {
        "/": html("Home", "/slow", "/quick"),
        "/quick": html("Quick", "/quick2"),
        "/quick2": html("Quick 2", "/target"),
        "/slow": slow,
        "/target": html("Target", "/behind"),
        "/behind": html("Behind"),
    }
    assert "/behind" in crawl(max_depth=3).pages


def test_max_pages_ends_the_crawl_and_says_so(site, crawl):
    site.pages = {"/": html("Home", *(f"/{n}" for n in range(50)))}
    site.fallback = lambda asked: Reply(body=html(f"Page {asked.path}"))
    synced = crawl(max_pages=10)
    assert len(synced.pages) == 10
    assert len(site.paths) == 10
    assert synced.left_out == {"page_limit": 41}


def test_same_domain_only(site, tmp_path):
    policy = names(
        shop_example="127.0.0.1", www_shop_example="127.0.0.1", help_shop_example="127.0.0.1",
        other_example="127.0.0.1",
    )  # fmt: skip
    hosts = [site.named(f"{each}.example") for each in ("www.shop", "help.shop", "other")]

    def page(asked: Asked) -> Reply:
        links = [f"{host}/x" for host in hosts] if asked.path == "/" else []
        return Reply(body=html(f"{asked.host} {asked.path}", *links))

    site.fallback = page
    start = f"{site.named('shop.example')}/"
    options = {"workdir": tmp_path, "policy": policy, "obey_robots": False, "use_sitemap": False}
    near = sync(start, **options)
    assert {each.url for each in near.found.values()} == {start, f"{hosts[0]}/x", f"{hosts[1]}/x"}
    far = sync(start, same_domain_only=False, **options)
    assert f"{hosts[2]}/x" in {each.url for each in far.found.values()}


def test_include_and_exclude_patterns(site, crawl):
    site.pages = {
        "/": html("Home", "/docs/a", "/docs/b?print=1", "/blog/x"),
        "/docs/a": html("A", "/docs/deep/c"),
        "/docs/b?print=1": html("B"),
        "/blog/x": html("X"),
        "/docs/deep/c": html("C"),
    }
    assert crawl(include_patterns=["/docs/*"]).pages == {
        "/docs/a",
        "/docs/b?print=1",
        "/docs/deep/c",
    }
    assert "/blog/x" not in site.paths
    site.seen.clear()
    synced = crawl(exclude_patterns=["*print=*", "/blog/*"])
    assert synced.pages == {"/", "/docs/a", "/docs/deep/c"}
    assert synced.left_out == {"excluded": 2}
    assert "/blog/x" not in site.paths


def test_robots_txt_is_heeded_and_what_it_forbids_is_said(site, crawl):
    site.pages = {
        "/robots.txt": Reply(
            body="User-agent: other\nDisallow: /\n\nUser-agent: tapedeck\nDisallow: /private\nAllow: /private/open",
            type="text/plain",
        ),
        "/": html("Home", "/private/a", "/private/open", "/free"),
        "/private/open": html("Open"),
        "/free": html("Free"),
        "/private/a": html("Secret"),
    }
    synced = crawl()
    assert synced.pages == {"/", "/free", "/private/open"}
    assert "/private/a" not in site.paths
    golden = json.loads((Path(__file__).parent / "golden" / "sync_events.json").read_text())
    as_golden = json.dumps(synced.run.left_out).replace(site.url, "https://docs.example.com")
    assert json.loads(as_golden) == golden["sync.left_out"]["reasons"]
    assert "/private/a" in crawl(obey_robots=False).pages


@pytest.mark.parametrize(
    ("robots", "code", "retry"),
    [
        (Reply(body="User-agent: *\nDisallow: /", type="text/plain"), "robots_forbid", False),
        (Reply(status=503), "robots_unreachable", True),
    ],
)
def test_a_site_that_forbids_everything_is_left_alone(site, crawl, robots, code, retry):
    site.pages = {"/robots.txt": robots, "/": html()}
    with pytest.raises(SyncFailed) as caught:
        crawl()
    assert (caught.value.code, caught.value.retry) == (code, retry)
    assert site.paths == []


def test_crawl_delay_is_heeded_over_a_shorter_delay(site, crawl):
    at: list[float] = []

    def noted(asked: Asked) -> Reply:
        at.append(time.monotonic())
        return Reply(body=html(asked.path, "/1", "/2", "/3"))

    site.pages = {"/robots.txt": Reply(body="User-agent: *\nCrawl-delay: 0.2", type="text/plain")}
    site.pages |= dict.fromkeys(("/", "/1", "/2", "/3"), noted)
    crawl(use_sitemap=False)
    gaps = [after - before for before, after in pairwise(at)]
    assert len(gaps) == 3
    assert min(gaps) > 0.15
    at.clear()
    crawl(use_sitemap=False, obey_robots=False, delay_s=0.1)
    assert min(after - before for before, after in pairwise(at)) > 0.05


def test_concurrency_is_the_most_requests_at_the_same_time(site, crawl):
    now = {"at once": 0, "most": 0}

    def busy(asked: Asked) -> Reply:
        now["at once"] += 1
        now["most"] = max(now["most"], now["at once"])
        site.stopping.wait(0.05)
        now["at once"] -= 1
        return Reply(body=html(asked.path))

    site.pages = {"/": html("Home", *(f"/{n}" for n in range(12)))}
    site.fallback = busy
    crawl(concurrency=3, use_sitemap=False, obey_robots=False)
    assert now["most"] == 3


def test_sitemaps_are_read_with_their_indexes_packed_or_not(site, crawl):
    packed = gzip.compress(sitemap(f"{site.url}/c", "https://elsewhere.example/x").encode())
    site.pages = {
        "/robots.txt": Reply(body=f"Sitemap: {site.url}/index.xml", type="text/plain"),
        "/index.xml": Reply(
            body=sitemap(f"{site.url}/one.xml", f"{site.url}/two.xml.gz", root="sitemapindex"),
            type="application/xml",
        ),
        "/one.xml": Reply(body=sitemap(f"{site.url}/a", f"{site.url}/b"), type="application/xml"),
        "/two.xml.gz": Reply(body=packed, type="application/gzip"),
        "/sitemap.xml": Reply(body=f"{site.url}/d\n", type="text/plain"),
        **{path: html(path) for path in ("/", "/a", "/b", "/c", "/d")},
    }
    assert crawl().pages == {"/", "/a", "/b", "/c", "/d"}
    assert crawl(use_sitemap=False).pages == {"/"}


@pytest.mark.parametrize(
    "body",
    [
        "<html>not a sitemap</html>",
        "<urlset><url><loc>http://x",
        '<!DOCTYPE x [<!ENTITY a "aaaaaaaa"><!ENTITY b "&a;&a;&a;&a;">]><urlset>&b;</urlset>',
        gzip.compress(b"<urlset>" + bytes(60 << 20)),
    ],
)
def test_a_bad_sitemap_does_no_harm(site, crawl, body):
    site.pages = {
        "/": html("Home", "/a"),
        "/a": html("A"),
        "/sitemap.xml": Reply(body=body, type="text/xml"),
    }
    assert crawl().pages == {"/", "/a"}


def test_redirects_are_followed_to_the_page_that_is_kept_once(site, crawl):
    site.pages = {
        "/": html("Home", "/old", "/new", "/temp", "/round"),
        "/old": to("/new"),
        "/temp": to("/new", 302),
        "/round": to("/round2"),
        "/round2": to("/round"),
        "/new": html("New"),
    }
    synced = crawl()
    assert synced.pages == {"/", "/new"}
    assert site.paths.count("/new") == 1


def test_a_start_page_that_is_redirected_to_its_real_host(site, tmp_path):
    policy = names(shop_example="127.0.0.1", store_example="127.0.0.1")
    real = site.named("store.example")

    def page(asked: Asked) -> Reply:
        if asked.host.startswith("shop"):
            return to(f"{real}{asked.path}")
        return Reply(
            body=html(f"Store {asked.path}", "/a") if asked.path in ("/", "/a") else "",
            status=200 if asked.path in ("/", "/a") else 404,
        )

    site.fallback = page
    synced = sync(f"{site.named('shop.example')}/", workdir=tmp_path, policy=policy)
    assert {each.url for each in synced.found.values()} == {f"{real}/", f"{real}/a"}
    assert any("is redirected to" in line for line in synced.log)


@pytest.mark.parametrize(
    ("start", "code"),
    [
        (Reply(status=404), "not_found"),
        (Reply(status=401), "login_needed"),
        (Reply(status=500), "server_failed"),
        (Reply(body=b"\x89PNG", type="image/png"), "not_a_page"),
        (to("/"), "redirect_loop"),
        (to("http://169.254.169.254/latest/"), "metadata_refused"),
    ],
)
def test_without_its_start_page_a_site_is_not_synced(site, crawl, start, code):
    site.pages = {"/": start}
    with pytest.raises(SyncFailed) as caught:
        crawl()
    assert caught.value.code == code


def test_a_page_that_leads_to_metadata_or_private_hosts_is_not_followed(site, tmp_path):
    policy = names(
        private=False, allow=[f"127.0.0.1:{site.port}"], shop_example="127.0.0.1",
        inside_example="10.0.0.1", rebind_example=[["127.0.0.1"], ["10.0.0.1"], ["10.0.0.1"]],
    )  # fmt: skip
    site.pages = {
        "/": html("Home", "/meta", "http://inside.example/", f"{site.named('rebind.example')}/1"),
        "/meta": to("http://169.254.169.254/latest/meta-data/iam/"),
        "/1": Reply(body=html("One", "/2"), headers={"Connection": "close"}),
        "/2": html("Two"),
    }
    synced = sync(
        f"{site.named('shop.example')}/", workdir=tmp_path, policy=policy, same_domain_only=False,
        obey_robots=False, use_sitemap=False,
    )  # fmt: skip
    assert {each.title for each in synced.found.values()} == {"Home", "One"}
    assert synced.left_out == {"refused": 3}
    assert "/2" not in site.paths


def test_loops_and_calendars_end(site, crawl):
    def trap(asked: Asked) -> Reply:
        path = asked.path
        if path.startswith("/calendar"):
            year, month = (int(each) for each in path.split("?m=")[1].split("-"))
            days = [f"/calendar?m={year + step}-{month}" for step in (1, 2, 5, 30, -70)]
            return Reply(body=html(path, *days))
        return Reply(body=html(path, "deeper/down/", "deeper/up/"))

    site.pages = {"/": html("Home", "/loop/", "/calendar?m=2026-1", "/good"), "/good": html("Good")}
    site.fallback = trap
    synced = crawl(max_depth=5, max_pages=1000, use_sitemap=False)
    assert "/good" in synced.pages
    assert synced.left_out["calendar"] > 0
    dated = {page for page in synced.pages if page.startswith("/calendar")}
    assert dated <= {f"/calendar?m={year}-1" for year in range(2024, 2034)}
    assert all("1" in page[-2:] or page[0] == "/" for page in synced.pages)
    site.seen.clear()
    site.pages["/"] = html("Home", "/x/")
    site.fallback = lambda asked: Reply(body=html(asked.path, "x/"))
    synced = crawl(max_depth=5, use_sitemap=False)
    assert synced.left_out == {"path_repeats": 1}
    assert synced.pages == {"/", "/x/", "/x/x/"}


def test_duplicates_are_kept_once(site, crawl):
    same = html("Same", text="Word for word the same, wherever this page is asked for.")
    site.pages = {
        "/": html("Home", "/a", "/b?view=2", "/c"),
        "/a": same,
        "/b?view=2": same,
        "/c": same,
    }
    synced = crawl(concurrency=1)
    assert synced.pages == {"/", "/a"}
    assert synced.left_out == {"duplicate": 2}


def test_canonical_links_are_followed_where_the_other_page_says_the_same(site, crawl):
    text = " ".join(f"Sentence {n} of the article." for n in range(9))

    def body(title: str, canonical: str, said: str = text) -> str:
        return html(title, text=said, head=f'<link rel="canonical" href="{canonical}">')

    site.pages = {
        "/": body("Home", "/", "Welcome to the shop."),
        "/article": body("Article", "/article"),
        "/print": body("Article", "/article"),
        "/other": body("Other", "/", "A careless template names the front page as canonical."),
        "/lost": body("Lost", "/missing", "Its canonical page does not exist."),
    }
    site.pages["/"] = str(site.pages["/"]).replace(
        "<ul>", "".join(f"<a href={p}>x</a>" for p in ("/print", "/other", "/lost"))
    )
    synced = crawl()
    assert synced.pages == {"/", "/article", "/other", "/lost"}
    assert synced.left_out == {"canonical": 1, "broken_link": 1}


@pytest.mark.parametrize("way", ["meta", "header", "header for us", "header for another"])
def test_pages_may_ask_not_to_be_indexed(site, crawl, way):
    header = {
        "meta": "", "header": "noindex", "header for us": "tapedeck: noindex",
        "header for another": "googlebot: noindex",
    }[way]  # fmt: skip
    head = '<meta name="robots" content="noindex, follow">' if way == "meta" else ""
    site.pages = {
        "/": html("Home", "/hidden"),
        "/hidden": Reply(
            body=html("Hidden", "/behind", head=head), headers={"X-Robots-Tag": header}
        ),
        "/behind": html("Behind"),
    }
    expected = {"/", "/behind"} | ({"/hidden"} if way == "header for another" else set())
    assert crawl().pages == expected


def test_nofollow_links_are_not_followed(site, crawl):
    site.pages = {
        "/": html("Home", "/a", text='<a rel="nofollow" href="/no">no</a>'),
        "/a": html("A", "/b", head='<meta name="robots" content="nofollow">'),
        "/b": html("B"), "/no": html("No"),
    }  # fmt: skip
    assert crawl().pages == {"/", "/a"}


def test_failures_are_told_apart_and_the_rest_goes_on(site, crawl):
    def drip() -> Iterator[bytes]:
        while not site.stopping.wait(0.02):
            yield b"<p>"

    site.pages = {
        "/": html("Home", "/500", "/403", "/404", "/huge", "/endless", "/drip", "/bomb", "/cut", "/png", "/ok"),
        "/500": Reply(status=500), "/403": Reply(status=403),
        "/huge": Reply(headers={"Content-Length": str(10**10)}),
        "/endless": lambda asked: Reply(parts=repeat(b"<p>word</p>" * 5000)),
        "/drip": lambda asked: Reply(parts=drip()),
        "/bomb": Reply(body=gzip.compress(bytes(20_000_000)), headers={"Content-Encoding": "gzip"}),
        "/cut": Reply(body=html() * 10, cut_at=100),
        "/png": Reply(body=b"\x89PNG\r\n", type="image/png"),
        "/ok": html("Fine"),
    }  # fmt: skip
    synced = crawl(timeout_s=1, max_page_mb=1, concurrency=8)
    assert synced.pages == {"/", "/ok"}
    codes = {path: (failed.code, failed.retryable) for path, failed in synced.failed.items()}
    assert codes == {
        "/500": ("server_failed", True),
        "/403": ("forbidden", False),
        "/huge": ("too_large", False),
        "/endless": ("too_large", False),
        "/drip": ("timed_out", True),
        "/bomb": ("unpacks_too_large", False),
        "/cut": ("connection_broken", True),
    }
    assert synced.left_out == {"broken_link": 1, "not_a_page": 1}


def test_a_server_that_throttles_is_left_alone_for_as_long_as_it_says(site, crawl):
    asked_at: list[float] = []

    def throttled(asked: Asked) -> Reply:
        asked_at.append(time.monotonic())
        if len(asked_at) == 1:
            return Reply(status=429, headers={"Retry-After": "1"})
        return Reply(body=html("At last"))

    site.pages = {"/": html("Home", "/a"), "/a": throttled}
    assert "/a" in crawl().pages
    assert asked_at[1] - asked_at[0] > 0.9


def test_a_host_that_went_down_is_not_asked_for_every_page(site, crawl):
    def last_words(asked: Asked) -> Reply:
        site._server.socket.close()
        return Reply(
            body=html("Home", *(f"/{n}" for n in range(40))), headers={"Connection": "close"}
        )

    site.pages = {
        "/": last_words,
        "/robots.txt": Reply(status=404, headers={"Connection": "close"}),
    }
    synced = crawl(concurrency=8, use_sitemap=False)
    assert len(synced.failed) == 40
    assert {failed.code for failed in synced.failed.values()} == {
        "cannot_connect",
        "host_unreachable",
    }
    assert all(failed.retryable for failed in synced.failed.values())
    site._server.shutdown = lambda: None


@pytest.mark.parametrize(
    ("said", "encoding", "lied"),
    [
        ("text/html; charset=iso-8859-1", "utf-8", True),
        ("text/html; charset=utf-8", "utf-8", False),
        ("text/html", "cp1252", False),
        ("text/html; charset=utf-8", "cp1252", True),
        ("text/html; charset=windows-1251", "cp1251", False),
        ("text/html; charset=no-such-thing", "utf-8", False),
        ("text/html; charset=utf-16", "utf-8", True),
        ("text/html; charset=shift_jis", "shift_jis", False),
    ],
)
def test_charsets_are_read_as_they_are_and_lies_are_noted(site, crawl, said, encoding, lied):
    words = {"cp1251": "Привет, мир", "shift_jis": "日本語のページ"}.get(
        encoding, "Größe, naïve Œuvre – 5 €"
    )
    site.pages = {"/": Reply(body=html("Text", text=f"{words}. " * 9).encode(encoding), type=said)}
    structure = crawl().found["/"].structure
    assert words in structure.text
    assert ("charset_wrong" in {warning.code for warning in structure.warnings}) == lied


def test_files_are_read_where_they_are_wanted(site, crawl):
    site.pages = {
        "/": html("Home", "/a.csv", "/download?id=1", "/notes.txt", "/pic.png", "/broken.pdf"),
        "/a.csv": Reply(body="name,amount\nAda,3\n", type="text/csv"),
        "/download?id=1": Reply(
            body="name;total\nGrace;7\n", type="application/octet-stream",
            headers={"Content-Disposition": 'attachment; filename="../totals.csv"'},
        ),
        "/notes.txt": Reply(body="Plain notes of the release.", type="text/plain"),
        "/broken.pdf": Reply(body=b"%PDF-1.4 not really", type="application/pdf"),
    }  # fmt: skip
    synced = crawl(read_files=True)
    assert synced.pages == {"/", "/a.csv", "/download?id=1", "/notes.txt"}
    assert "Grace" in synced.found["/download?id=1"].structure.text
    assert synced.found["/download?id=1"].title == "totals.csv"
    assert synced.found["/a.csv"].kind == "document"
    assert synced.failed["/broken.pdf"].retryable is False
    assert crawl().pages == {"/", "/notes.txt"}


def test_a_file_larger_than_wanted_is_a_failure(site, crawl):
    big = Reply(body="a,b\n" + f"1,{'x' * 800}\n" * 2000, type="text/csv")
    site.pages = {"/": html("Home", "/a.csv"), "/a.csv": big}
    assert crawl(read_files=True, max_file_mb=1).failed["/a.csv"].code == "too_large"
    assert crawl(read_files=True, max_file_mb=2).pages == {"/", "/a.csv"}
