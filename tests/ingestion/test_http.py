"""The guarded client against servers that redirect, lie, flood, stall and expire."""

from __future__ import annotations

import gzip
import socket
import zlib
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from itertools import repeat

import httpx
import pytest

from ingestion.http import BlockingClient, FetchFailed, Limits, Patience, join, retry_after
from jobs.egress import Policy
from tests.ingestion.certificates import Authority
from tests.ingestion.scripted_site import Asked, Reply, ScriptedSite, names

OPEN = Policy(private=True)
PUBLIC = "93.184.216.34"


@pytest.fixture
def site() -> Iterator[ScriptedSite]:
    with ScriptedSite() as site:
        yield site


@pytest.fixture
def client() -> Iterator[Callable[..., BlockingClient]]:
    made: list[BlockingClient] = []

    def make(policy: Policy = OPEN, **options: object) -> BlockingClient:
        made.append(BlockingClient(policy=policy, **options).__enter__())
        return made[-1]

    yield make
    for each in made:
        each.__exit__(None, None, None)


def failure(client: BlockingClient, url: str, **options: object) -> FetchFailed:
    with pytest.raises(FetchFailed) as caught:
        client.get(url, **options)
    return caught.value


def to(url: str, status: int = 302) -> Reply:
    return Reply(status=status, headers={"Location": url})


def test_a_page_arrives_with_where_it_came_from(site, client):
    site.pages = {"/old": to("/new?a=1"), "/new?a=1": "<h1>Hällo</h1>"}
    answer = client().get(f"{site.url}/old")
    assert (answer.status, answer.body.decode()) == (200, "<h1>Hällo</h1>")
    assert answer.url == f"{site.url}/new?a=1"
    assert answer.hops == (f"{site.url}/old",)
    assert answer.content_type == "text/html"


@pytest.mark.parametrize(
    ("location", "code"),
    [
        ("http://169.254.169.254/latest/meta-data/", "metadata_refused"),
        ("http://[fd00:ec2::254]/", "metadata_refused"),
        ("http://2852039166/", "metadata_refused"),  # the same as one number
        ("//metadata.google.internal/", "metadata_refused"),
        ("file:///etc/passwd", "scheme_refused"),
        ("gopher://127.0.0.1:6379/_FLUSHALL", "scheme_refused"),
        ("http://user:pass@127.0.0.1/", "credentials_in_url"),
        ("http://127.0.0.1:25/", "port_refused"),
        ("http://127.0.0.1:9999/", "own_port_refused"),
    ],
)
def test_each_redirect_is_judged_anew(site, client, location, code):
    site.pages = {"/": to(location)}
    policy = Policy(private=True, own_ports=frozenset({9999}))
    assert failure(client(policy), f"{site.url}/").code == code


def test_a_public_page_can_not_redirect_into_a_private_network(site, client):
    with ScriptedSite({"/": "secret"}) as inside:
        site.pages = {"/": to(inside.named("intranet.example"))}
        policy = names(
            private=False,
            allow=[f"127.0.0.1:{site.port}"],
            shop_example="127.0.0.1",
            intranet_example="10.0.0.7",
        )
        error = failure(client(policy), site.named("shop.example"))
        assert error.code == "private_refused"
        assert "intranet.example (10.0.0.7) is a private network" in error.message
        assert not inside.seen


def test_a_name_is_resolved_once_and_what_was_judged_is_connected_to(site, client, monkeypatch):
    """DNS rebinding: the second answer would lead to this machine."""
    asked_of_the_system = []
    system = socket.getaddrinfo

    def getaddrinfo(host: object, *arguments: object, **options: object) -> object:
        asked_of_the_system.append(host)
        return system(host, *arguments, **options)

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    site.pages = {"/": Reply(body="hello", headers={"Connection": "close"})}
    policy = names(
        private=False,
        allow=[f"127.0.0.1:{site.port}"],
        twice_example=[["127.0.0.1"], ["127.0.0.1", "192.168.0.1"], ["169.254.169.254"]],
    )
    here = client(policy)
    assert here.get(site.named("twice.example")).status == 200
    assert failure(here, site.named("twice.example")).code == "private_refused"
    assert failure(here, site.named("twice.example")).code == "metadata_refused"
    assert len(site.seen) == 1
    assert "twice.example" not in asked_of_the_system


def test_a_name_without_address_and_a_port_without_server(client):
    gone = names(private=True, nobody_example=[[]])
    assert failure(client(gone), "http://nobody.example/").code == "name_not_found"
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        error = failure(client(), f"http://127.0.0.1:{free.getsockname()[1]}/")
    assert (error.code, error.retryable) == ("cannot_connect", True)
    assert "refused" in error.message


def test_circles_and_chains_end(site, client):
    site.pages = {"/a": to("/b"), "/b": to("/a")}
    site.fallback = lambda asked: to(f"{asked.path}x")
    assert failure(client(), f"{site.url}/a").code == "redirect_loop"
    assert failure(client(), f"{site.url}/c").code == "too_many_redirects"


@pytest.mark.parametrize("encoding", ["gzip", "deflate", "deflate bare", ""])
def test_packed_bodies_are_unpacked(site, client, encoding):
    text = b"words " * 50_000
    bare = zlib.compressobj(wbits=-15)
    packed = {
        "gzip": gzip.compress(text[:99]) + gzip.compress(text[99:]),  # two members
        "deflate": zlib.compress(text),
        "deflate bare": bare.compress(text) + bare.flush(),
        "": text,
    }[encoding]
    site.pages = {"/": Reply(body=packed, headers={"Content-Encoding": encoding.split(" ")[0]})}
    assert client().get(f"{site.url}/").body == text


def test_a_gzip_bomb_is_left_before_it_fills_the_memory(site, client):
    pack = zlib.compressobj(9, wbits=31)
    bomb = b"".join(pack.compress(bytes(1 << 20)) for _ in range(200)) + pack.flush()
    assert len(bomb) < 300_000
    site.pages = {"/": Reply(body=bomb, headers={"Content-Encoding": "gzip"})}
    error = failure(client(limits=Limits(max_bytes=1_000_000)), f"{site.url}/")
    assert error.code == "unpacks_too_large"
    assert "1,000,000" in error.message


@pytest.mark.parametrize(
    ("body", "encoding", "code"),
    [
        (gzip.compress(b"words " * 9000, mtime=0)[:-40], "gzip", "body_damaged"),
        (b"not gzip at all", "gzip", "body_damaged"),
        (b"x", "br", "encoding_unknown"),
    ],
    ids=["cut off", "not gzip", "brotli"],
)
def test_damaged_and_unasked_packing_is_said(site, client, body, encoding, code):
    site.pages = {"/": Reply(body=body, headers={"Content-Encoding": encoding})}
    assert failure(client(), f"{site.url}/").code == code


def test_ten_gigabytes_are_refused_by_their_length_or_at_the_limit(site, client, tmp_path):
    site.pages = {
        "/said": Reply(headers={"Content-Length": str(10**10)}),
        "/endless": lambda asked: Reply(parts=repeat(bytes(1 << 16))),
    }
    here = client(limits=Limits(max_bytes=1_000_000))
    said = failure(here, f"{site.url}/said")
    assert said.code == "too_large"
    assert "10,000,000,000 bytes" in said.message
    assert failure(here, f"{site.url}/endless", into=tmp_path / "file").code == "too_large"
    assert (tmp_path / "file").stat().st_size <= 1_000_000


def test_a_body_can_go_to_a_file_and_its_head_can_be_refused(site, client, tmp_path):
    site.pages = {"/": Reply(body=b"%PDF" * 1000, type="application/pdf")}
    answer = client().get(f"{site.url}/", into=tmp_path / "file")
    assert (answer.body, (tmp_path / "file").read_bytes()) == (b"", b"%PDF" * 1000)

    def refuse(head: object) -> None:
        raise FetchFailed("not_wanted", f"{head.content_type} is not wanted")

    assert (
        failure(client(), f"{site.url}/", accept=refuse).message == "application/pdf is not wanted"
    )


def test_silence_and_drops_end_in_time(site, client):
    def drip() -> Iterator[bytes]:
        while not site.stopping.wait(0.02):
            yield b"."

    site.pages = {
        "/silent": lambda asked: Reply(parts=iter(lambda: site.stopping.wait() and b"", b"")),
        "/drops": lambda asked: Reply(parts=drip()),
    }
    silent = failure(client(limits=Limits(silence_s=0.2)), f"{site.url}/silent")
    assert (silent.code, silent.retryable) == ("timed_out", True)
    drops = failure(client(limits=Limits(silence_s=5, total_s=0.5)), f"{site.url}/drops")
    assert drops.code == "timed_out"
    assert "0.5 s" in drops.message


def test_a_cut_body_is_no_success(site, client):
    site.pages = {"/": Reply(body=b"x" * 1000, cut_at=500)}
    error = failure(client(), f"{site.url}/")
    assert (error.code, error.retryable) == ("connection_broken", True)


def test_retry_after_is_waited_for_and_said(site, client):
    replies = iter(
        [Reply(status=429, headers={"Retry-After": "0"}), Reply(status=503), Reply(body="ok")]
    )
    site.pages = {"/": lambda asked: next(replies)}
    told: list[str] = []
    answer = client().get(
        f"{site.url}/",
        patience=Patience(attempts=3, first_wait_s=0.01),
        on_wait=lambda left, why: told.append(why),
    )
    assert answer.body == b"ok"
    assert told == [f"127.0.0.1:{site.port} failed to answer; that is its own fault (HTTP 503)."]


def test_a_server_that_wants_too_long_a_pause_is_not_waited_for(site, client):
    site.pages = {"/": Reply(status=429, headers={"Retry-After": "86400"})}
    answer = client().get(f"{site.url}/", patience=Patience(attempts=3, longest_wait_s=60))
    with pytest.raises(FetchFailed) as caught:
        answer.check()
    assert (caught.value.code, caught.value.retry_after_s) == ("too_many_requests", 86400)
    assert "It asks to wait 86400 s." in caught.value.message
    assert len(site.seen) == 1


def test_a_wait_can_be_ended(site, client):
    site.pages = {"/": Reply(status=503)}

    def cancelled(left: float, why: str) -> None:
        raise KeyError("cancelled")

    with pytest.raises(KeyError):
        client().get(f"{site.url}/", patience=Patience(first_wait_s=60), on_wait=cancelled)


def test_retry_after_reads_numbers_and_dates():
    now = datetime(2026, 1, 31, 12, 0, tzinfo=UTC)
    assert retry_after("120", now=now) == 120
    assert retry_after("Sat, 31 Jan 2026 12:01:00 GMT", now=now) == 60
    assert retry_after("Sat, 31 Jan 2026 11:00:00 GMT", now=now) == 0
    assert retry_after("", now=now) is None
    assert retry_after("soon", now=now) is None


def test_credentials_stay_at_home(site, client):
    with ScriptedSite({"/": "there"}) as other:
        site.pages = {"/": to(f"{other.url}/"), "/me": "me"}
        here = client(home=site.url, credentials={"Authorization": "Bearer s3cret"})
        here.get(f"{site.url}/")
        assert site.seen[0].headers["authorization"] == "Bearer s3cret"
        assert "authorization" not in other.seen[0].headers


def test_cookies_are_kept_and_sent_where_they_belong(site, client):
    cookies = httpx.Cookies()
    cookies.set("session", "abc", domain="127.0.0.1")
    cookies.set("foreign", "no", domain="example.com")

    def bounce(asked: Asked) -> Reply:
        if "wall=1" in asked.headers.get("cookie", ""):
            return Reply(body=asked.headers["cookie"])
        return Reply(status=302, headers={"Location": "/hop", "Set-Cookie": "wall=1; Path=/"})

    site.pages = {"/": bounce, "/hop": to("/in"), "/in": bounce}
    assert client(cookies=cookies).get(f"{site.url}/").body.decode() == "session=abc; wall=1"


def test_a_form_posted_is_not_posted_again_by_a_redirect(site, client):
    site.pages = {
        "/": to("/done", 303),
        "/done": lambda asked: Reply(body=asked.headers.get("content-type", "none")),
    }
    answer = client().request("POST", f"{site.url}/", json={"a": 1})
    assert answer.body == b"none"


@pytest.mark.parametrize(
    ("certificate", "code", "words"),
    [
        ({"since_days": -9, "days": -1}, "certificate_expired", "has expired"),
        ({"since_days": 3, "days": 9}, "certificate_not_yet_valid", "not valid yet"),
        ({"name": "other.example"}, "certificate_wrong_name", "not for this address"),
    ],
)
def test_a_bad_certificate_is_refused_with_its_reason(tmp_path, client, certificate, code, words):
    authority = Authority(tmp_path)
    with ScriptedSite({"/": "x"}, tls=authority.server(**certificate)) as site:
        error = failure(client(tls=authority.trusted), f"{site.url}/")
    assert (error.code, error.retryable) == (code, False)
    assert words in error.message


def test_tls_is_verified_against_the_name_and_not_the_address(tmp_path, client):
    authority = Authority(tmp_path)
    tls = authority.server(name="shop.example")
    with ScriptedSite({"/": "x"}, tls=tls) as site:
        policy = names(shop_example="127.0.0.1", thief_example="127.0.0.1")
        here = client(policy, tls=authority.trusted)
        assert here.get(site.named("shop.example")).body == b"x"
        assert failure(here, site.named("thief.example")).code == "certificate_wrong_name"
        assert failure(client(policy), site.named("shop.example")).code == "certificate_untrusted"
        plain = failure(here, f"http://127.0.0.1:{site.port}/")
    assert plain.code in {"connection_broken", "timed_out"}


def test_plain_http_behind_https_is_said(site, client):
    assert failure(client(), f"https://127.0.0.1:{site.port}/").code == "tls_failed"


@pytest.mark.parametrize(
    ("status", "code", "retryable"),
    [
        *((401, "login_needed", False), (403, "forbidden", False), (404, "not_found", False)),
        *((410, "gone", False), (429, "too_many_requests", True), (500, "server_failed", True)),
        *((418, "http_418", False), (503, "server_failed", True)),
    ],
)
def test_a_status_says_what_it_means(site, client, status, code, retryable):
    site.pages = {"/": Reply(status=status, body="?")}
    with pytest.raises(FetchFailed) as caught:
        client().get(f"{site.url}/").check()
    assert (caught.value.code, caught.value.retryable, caught.value.status) == (
        code,
        retryable,
        status,
    )


def test_links_are_read_as_browsers_do():
    base = "https://example.com/docs/page?x=1"
    assert join(base, " ../a b.html\n") == "https://example.com/a%20b.html"
    assert join(base, "/größe?q=ä%20") == "https://example.com/gr%C3%B6%C3%9Fe?q=%C3%A4%20"
    assert join(base, "//other.example/x") == "https://other.example/x"
    with pytest.raises(FetchFailed):
        join(base, "http://[::1/")


def test_headers_without_end_are_refused(client):
    with ScriptedSite() as site:
        site.pages = {"/": Reply(headers={"X-Long": "y" * 200_000})}
        assert failure(client(), f"{site.url}/").code == "connection_broken"
