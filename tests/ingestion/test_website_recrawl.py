"""Crawling again: what is asked for, what stands, what is removed, and going on after a kill."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pytest

from ingestion.content import SyncFailed
from tests.ingestion.crawling import Synced, html, sync
from tests.ingestion.scripted_site import Asked, Reply, Script, ScriptedSite

Sync = Callable[..., Synced]


@pytest.fixture
def site() -> Iterator[ScriptedSite]:
    with ScriptedSite() as site:
        yield site


@pytest.fixture
def crawl(site: ScriptedSite, tmp_path: Path) -> Sync:
    return partial(sync, f"{site.url}/", workdir=tmp_path)


def versioned(body: str, *, etag: str = "", modified: str = "") -> Script:
    """A page that answers 304 to whoever has this version."""

    def answer(asked: Asked) -> Reply:
        headers = {"ETag": etag} if etag else {"Last-Modified": modified}
        known = asked.headers.get("if-none-match"), asked.headers.get("if-modified-since")
        if (etag and known[0] == etag) or (modified and known[1] == modified):
            return Reply(status=304, headers=headers, type="")
        return Reply(body=body, headers=headers)

    return answer


DATE = "Sat, 31 Jan 2026 12:00:00 GMT"


@pytest.fixture
def pages(site: ScriptedSite) -> dict[str, Script]:
    """Home leads to a, b and c; b leads to deep."""
    site.pages = {
        "/": versioned(html("Home", "/a", "/b", "/c"), etag='"home"'),
        "/a": versioned(html("A"), etag='W/"a"'),
        "/b": versioned(html("B", "/deep"), modified=DATE),
        "/c": html("C"),
        "/deep": versioned(html("Deep"), etag='"deep"'),
    }
    return site.pages


def test_what_has_not_changed_is_not_sent_again(site, crawl, pages):
    first = crawl()
    assert set(first.found) == {"/", "/a", "/b", "/c", "/deep"}
    assert first.found["/b"].changed_at.isoformat() == "2026-01-31T12:00:00+00:00"
    site.seen.clear()
    again = crawl(before=first)
    assert again.found == {}
    # c has neither ETag nor date: it is fetched, and found to be the same byte for byte.
    assert again.unchanged == {"/", "/a", "/b", "/c", "/deep"}
    asked = {each.path: each.headers for each in site.seen}
    assert asked["/a"]["if-none-match"] == 'W/"a"'
    assert asked["/b"]["if-modified-since"] == DATE
    assert sorted(site.paths) == ["/", "/a", "/b", "/c", "/deep"]


def test_what_changed_appeared_moved_or_went_is_noticed(site, crawl, pages):
    first = crawl()
    pages["/a"] = versioned(html("A", "/new", text="Changed."), etag='"a2"')
    pages["/new"] = html("New")
    pages["/c"] = Reply(status=301, headers={"Location": "/moved"})
    pages["/moved"] = html("C, moved")
    del pages["/deep"]
    again = crawl(before=first)
    assert set(again.found) == {"/a", "/new", "/moved"}
    assert again.gone == {"/deep"}
    assert again.pages == {"/", "/a", "/b", "/new", "/moved"}


def test_a_page_that_nothing_links_to_any_more_stays_while_it_answers(site, crawl, pages):
    first = crawl()
    pages["/b"] = versioned(html("B"), etag='"b2"')
    again = crawl(before=first)
    assert "/deep" in again.pages
    assert "/deep" not in crawl(before=again, full=True).pages


def test_a_full_sync_fetches_everything_again(site, crawl, pages):
    first = crawl()
    site.seen.clear()
    again = crawl(before=first, full=True)
    assert set(again.found) == set(first.found)
    assert not any("if-none-match" in asked.headers for asked in site.seen)


@pytest.mark.parametrize(
    ("settings", "left"),
    [
        ({"exclude_patterns": ["/b*"]}, {"/", "/a", "/c"}),
        ({"max_depth": 1}, {"/", "/a", "/b", "/c"}),
        ({"include_patterns": ["/a", "/b"]}, {"/a", "/b"}),
    ],
)
def test_narrower_settings_remove_what_is_not_wanted_any_more(site, crawl, pages, settings, left):
    again = crawl(before=crawl(), **settings)
    assert again.pages == left
    assert again.run.complete


def test_wider_settings_find_what_lies_behind_unchanged_pages(site, crawl, pages):
    shallow = crawl(max_depth=1)
    assert shallow.pages == {"/", "/a", "/b", "/c"}
    deep = crawl(before=shallow, max_depth=2)
    assert deep.pages == {"/", "/a", "/b", "/c", "/deep"}
    few = crawl(max_pages=2)
    assert len(few.pages) == 2
    assert crawl(before=few, max_pages=100).pages == {"/", "/a", "/b", "/c", "/deep"}


def test_dates_in_the_sitemap_spare_requests_where_they_are_trusted(site, crawl, pages):
    def sitemap(date_of_a: str) -> Reply:
        entries = "".join(
            f"<url><loc>{site.url}{path}</loc><lastmod>{date}</lastmod></url>"
            for path, date in {
                "/": "1",
                "/a": date_of_a,
                "/b": "1",
                "/c": "1",
                "/deep": "1",
            }.items()
        )
        return Reply(body=f"<urlset>{entries}</urlset>", type="text/xml")

    pages["/sitemap.xml"] = sitemap("2026-01-01")
    first = crawl()
    site.seen.clear()
    assert crawl(before=first, trust_lastmod=True).unchanged == {"/", "/a", "/b", "/c", "/deep"}
    assert site.paths == ["/"]
    pages["/sitemap.xml"] = sitemap("2026-02-02")
    pages["/a"] = html("A, changed")
    site.seen.clear()
    assert set(crawl(before=first, trust_lastmod=True).found) == {"/a"}
    assert site.paths == ["/", "/a"]
    site.seen.clear()
    crawl(before=first)
    assert len(site.paths) == 5


@pytest.mark.parametrize("after", [1, 2, 4])
def test_a_crawl_that_was_cut_short_goes_on_without_fetching_again(site, crawl, pages, after):
    cut = crawl(stop_after=after, concurrency=1)
    assert len(cut.found) == after
    assert not cut.run.complete
    site.seen.clear()
    rest = crawl(before=cut, resumed=True, concurrency=1)
    assert {*cut.found, *rest.found} == {"/", "/a", "/b", "/c", "/deep"}
    assert not {*cut.found} & {*rest.found}
    assert not {*cut.found} & {*site.paths}
    assert rest.pages == {"/", "/a", "/b", "/c", "/deep"}


def test_a_full_sync_that_was_cut_short_goes_on_too(site, crawl, pages):
    first = crawl()
    cut = crawl(before=first, full=True, stop_after=2, concurrency=1)
    for key in {*cut.documents} - {f"{site.url}{path}" for path in cut.found}:
        object.__setattr__(cut.documents[key], "done", False)
    rest = crawl(before=cut, resumed=True, full=True, concurrency=1)
    assert not {*cut.found} & {*rest.found}
    assert {*cut.found, *rest.found} == {"/", "/a", "/b", "/c", "/deep"}


def test_a_crawl_ends_when_its_job_is_to_end(site, crawl, pages):
    site.pages["/"] = html("Home", *(f"/{n}" for n in range(200)))
    site.fallback = lambda asked: Reply(body=html(asked.path))
    calls = iter(range(1000))

    def cancelled() -> None:
        if next(calls) == 20:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        crawl(check_cancelled=cancelled)
    assert len(site.seen) < 150


def test_failures_alone_are_tried_again(site, crawl, pages):
    healthy = pages["/a"]
    pages["/a"] = Reply(status=500)
    first = crawl()
    assert set(first.failed) == {"/a"}
    site.seen.clear()
    pages["/a"] = healthy
    again = crawl(before=first, only=[f"{site.url}/a"])
    assert set(again.found) == {"/a"}
    assert [asked.path for asked in site.seen if asked.path != "/robots.txt"] == ["/a"]
    assert not again.run.complete
    assert again.pages == {"/", "/a", "/b", "/c", "/deep"}
    # What it leads to was not looked at then: the next sync reads it for that.
    pages["/a"] = versioned(html("A", "/behind"), etag='W/"a"')
    pages["/behind"] = html("Behind")
    assert "/behind" in crawl(before=again).pages


def test_a_failed_page_keeps_what_was_had_and_is_asked_for_again(site, crawl, pages):
    first = crawl()
    healthy, pages["/b"] = pages["/b"], Reply(status=503)
    failed = crawl(before=first)
    assert failed.failed["/b"].retryable
    assert "/deep" in failed.pages
    pages["/b"] = healthy
    assert "/b" in crawl(before=failed).pages


def test_nothing_is_removed_when_the_site_is_down_or_forbids(site, crawl, pages):
    first = crawl()
    pages["/robots.txt"] = Reply(status=500)
    with pytest.raises(SyncFailed):
        crawl(before=first)
    pages["/robots.txt"] = Reply(status=404)
    pages["/"] = Reply(status=404)
    with pytest.raises(SyncFailed) as caught:
        crawl(before=first)
    assert caught.value.code == "not_found"


def test_what_robots_txt_forbids_later_is_removed(site, crawl, pages):
    first = crawl()
    pages["/robots.txt"] = Reply(body="User-agent: *\nDisallow: /b", type="text/plain")
    assert crawl(before=first).pages == {"/", "/a", "/c", "/deep"}


def test_a_new_page_does_not_push_an_old_one_over_the_limit(site, crawl, pages):
    first = crawl(max_pages=5)
    pages["/"] = html("Home", "/1", "/2", "/a", "/b", "/c")
    pages["/1"], pages["/2"] = html("One"), html("Two")
    again = crawl(before=first, max_pages=5)
    assert {"/", "/a", "/b", "/c"} <= again.pages
    assert len(again.pages) == 5
