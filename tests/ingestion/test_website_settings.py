"""Settings that are refused, logins, pages that need a browser, and the test of a connection."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pytest
from django.test import override_settings
from rest_framework import serializers

from ingestion.content import SyncFailed
from ingestion.website.connector import WebsiteConnector
from jobs import artifacts, services
from jobs.egress import Policy
from jobs.queue.claim import claim
from tests.ingestion.certificates import Authority
from tests.ingestion.crawling import OPEN, Synced, cleaned, html, sync
from tests.ingestion.scripted_site import Asked, Reply, ScriptedSite

Sync = Callable[..., Synced]


@pytest.fixture
def site() -> Iterator[ScriptedSite]:
    with ScriptedSite() as site:
        yield site


@pytest.fixture
def crawl(site: ScriptedSite, tmp_path: Path) -> Sync:
    return partial(sync, f"{site.url}/", workdir=tmp_path)


def state(value: str = "s3cret", *, expires: float = -1, domain: str = "127.0.0.1") -> str:
    cookie = {
        "name": "session", "value": value, "domain": domain, "path": "/", "expires": expires,
        "httpOnly": True, "secure": False, "sameSite": "Lax",
    }  # fmt: skip
    return json.dumps({"cookies": [cookie], "origins": []})


@pytest.mark.parametrize(
    ("settings", "field"),
    [
        ({"url": "ftp://example.com/"}, "url"),
        ({"url": "example.com"}, "url"),
        ({"url": "http://user:pass@example.com/"}, "url"),
        ({"url": "http://169.254.169.254/"}, "url"),
        ({"max_depth": 0}, "max_depth"),
        ({"max_depth": 6}, "max_depth"),
        ({"max_pages": 0}, "max_pages"),
        ({"render": "maybe"}, "render"),
        ({"concurrency": 17}, "concurrency"),
        ({"include_patterns": ["x"] * 101}, "include_patterns"),
        ({"include_patterns": ["x" * 501]}, "include_patterns"),
        ({"auth_state": "not json"}, "auth_state"),
        ({"auth_state": '{"cookies": [{"name": "x"}]}'}, "auth_state"),
        ({"headers": {"Host": "other"}}, "headers"),
        ({"headers": {"X-A": "b\r\nX-C: d"}}, "headers"),
        (
            {"auth_state": state(), "auth_job": "01890000-0000-7000-8000-000000000000"},
            "auth_state",
        ),
    ],
)
def test_settings_that_do_not_fit_are_named(settings, field):
    with pytest.raises(serializers.ValidationError) as caught:
        cleaned(**{"url": "https://example.com/", **settings})
    assert field in caught.value.detail


def test_a_source_is_named_after_its_address():
    settings = cleaned(url="HTTPS://Docs.Example.com:443/guide/?utm_source=x#top")
    assert settings["url"] == "https://docs.example.com/guide/"
    assert WebsiteConnector().name_for(settings) == "docs.example.com/guide"


def members_only(asked: Asked) -> Reply:
    if "session=s3cret" in asked.headers.get("cookie", ""):
        return Reply(body=html("Members", "/more"))
    return Reply(status=302, headers={"Location": "/login"})


def test_a_saved_login_is_used_and_goes_nowhere_else(site, crawl):
    with ScriptedSite({"/": html("Other")}) as other:
        site.pages = {
            "/": html("Home", "/members", other.url.replace("127.0.0.1", "localhost")),
            "/members": members_only,
            "/login": html("Sign in"),
            "/more": html("More"),
        }
        assert crawl().pages == {"/", "/login"}
        signed_in = crawl(auth_state=state(), same_domain_only=False)
        assert {"/members", "/more"} <= signed_in.pages
        assert other.seen
        assert not any("cookie" in asked.headers for asked in other.seen)


def test_headers_go_to_the_start_pages_origin_only(site, crawl):
    basic = "Basic " + base64.b64encode(b"ada:lovelace").decode()

    def locked(asked: Asked) -> Reply:
        known = asked.headers.get("authorization") == basic
        return Reply(body=html("In")) if known else Reply(status=401)

    with ScriptedSite({"/": html("Other")}) as other:
        site.pages = {"/": html("Home", "/in", f"{other.url}/"), "/in": locked}
        assert crawl().failed["/in"].code == "login_needed"
        synced = crawl(headers={"Authorization": basic}, same_domain_only=False)
        assert "/in" in synced.pages
        assert other.seen
        assert not any("authorization" in asked.headers for asked in other.seen)


def test_a_login_that_expired_is_said_and_not_tried(site, crawl):
    site.pages = {"/": html()}
    with pytest.raises(SyncFailed) as caught:
        crawl(auth_state=state(expires=1_000_000))
    assert caught.value.code == "auth_state_expired"
    assert site.seen == []


@pytest.mark.django_db
def test_a_login_is_taken_from_the_job_that_kept_it(site, crawl, owner, admin_user):
    site.pages = {"/": html("Home", "/members"), "/members": members_only, "/more": html("More")}
    site.pages["/login"] = html("Sign in")
    services.submit(kind="test.noop", options={}, by=owner)
    job = claim(queue="default", worker="w")
    assert job is not None
    artifacts.add(
        job_id=job.pk,
        attempt=job.attempt,
        path="storage_state.json",
        source=state().encode(),
        kind="storage_state",
    )
    artifacts.show(job_id=job.pk, attempt=job.attempt)
    assert "/members" in crawl(auth_job=str(job.pk), owner_id=job.owner_id).pages
    with pytest.raises(SyncFailed) as caught:
        crawl(auth_job=str(job.pk), owner_id=admin_user.pk)
    assert caught.value.code == "auth_state_unusable"
    # The test of a connection is let in, and refused, as a sync is.
    site.pages["/"] = members_only
    assert "Sign in" not in report(site, auth_job=str(job.pk), owner_id=job.owner_id).summary
    [problem] = report(site, auth_job=str(job.pk), owner_id=admin_user.pk).problems
    assert (problem.code, problem.field) == ("auth_state_unusable", "auth_job")


SCRIPTED = (
    "<!doctype html><html><head><title>Shop</title></head><body><div id=app></div><script>"
    "document.getElementById('app').innerHTML = '<h1>Made by a script</h1><p>Only a browser sees "
    "this text.</p><a href=/second>second</a>' + document.cookie</script></body></html>"
)


@pytest.mark.browser
def test_render_decides_whether_scripts_are_run(site, crawl):
    site.pages = {
        "/": SCRIPTED,
        "/second": html(
            "Second", text="There from the start. <script>document.title='x'</script>" * 9
        ),
    }
    assert crawl(render="never").pages == set()
    auto = crawl(render="auto", auth_state=state().replace("true", "false"))
    assert "Only a browser sees this text." in auto.found["/"].structure.text
    assert "session=s3cret" in auto.found["/"].structure.text
    assert auto.found["/second"].title == "Second"
    assert auto.found["/"].structure.blocks[0].kind == "heading"
    always = crawl(render="always")
    assert always.found["/second"].title == "x"


def test_where_no_browser_is_the_page_says_so(site, crawl):
    site.pages = {"/": SCRIPTED.replace("<div", "<p>Loading</p><div")}
    with override_settings(CHROMIUM_PATH="/nonexistent/chromium"):
        synced = crawl(render="auto")
    warning = synced.found["/"].structure.warnings[0]
    assert warning.code == "not_rendered"
    assert "CHROMIUM_PATH" in warning.message
    assert any("read without them" in line for line in synced.log)


def report(
    site: ScriptedSite, policy: Policy = OPEN, owner_id: int = 0, **settings: object
) -> object:
    given = cleaned(**{"url": f"{site.url}/", **settings})
    return WebsiteConnector().test(settings=given, policy=policy, owner_id=owner_id)


def test_a_connection_that_works_says_what_is_there(site):
    site.pages = {
        "/robots.txt": Reply(body="User-agent: *\nCrawl-delay: 3", type="text/plain"),
        "/": html("Home", "/a", "/b", "https://elsewhere.example/"),
    }
    tried = report(site)
    assert tried.ok
    assert "“Home”" in tried.summary
    assert "2 links to follow" in tried.summary
    assert any("asks for 3 s" in note for note in tried.notes)


@pytest.mark.parametrize(
    ("pages", "settings", "code", "field"),
    [
        ({"/": Reply(status=404)}, {}, "not_found", "url"),
        ({"/": Reply(status=401)}, {}, "login_needed", "auth_state"),
        ({"/": Reply(body=b"x", type="image/png")}, {}, "not_a_page", "url"),
        (
            {
                "/": html(),
                "/robots.txt": Reply(body="User-agent: *\nDisallow: /", type="text/plain"),
            },
            {},
            "robots_forbid",
            "obey_robots",
        ),
        ({"/": html(), "/robots.txt": Reply(status=500)}, {}, "robots_unreachable", "obey_robots"),
        ({"/": html()}, {"auth_state": state(expires=5)}, "auth_state_expired", "auth_state"),
    ],
)
def test_a_connection_that_fails_says_why_and_where(site, pages, settings, code, field):
    site.pages = pages
    tried = report(site, **settings)
    assert not tried.ok
    assert [(each.code, each.field) for each in tried.problems] == [(code, field)]


def test_an_expired_certificate_is_named(tmp_path):
    authority = Authority(tmp_path)
    with ScriptedSite({"/": html()}, tls=authority.server(since_days=-9, days=-1)) as site:
        [problem] = report(site).problems
    # The authority is the test's own, which nobody trusts: that is what is wrong first.
    assert problem.code in {"certificate_expired", "certificate_untrusted"}
    assert problem.field == "url"
