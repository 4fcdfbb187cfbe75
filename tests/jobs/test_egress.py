"""What the egress policy allows, refuses, and says."""

from ipaddress import ip_address

import pytest

from jobs.addresses import BadHost, Place, is_here, parse_host, place_of
from jobs.egress import Allowed, EgressRefused, NameNotFound, Policy, split_authority

OPEN = Policy(private=True, own_ports=frozenset({8000}))
CLOSED = Policy(private=False, own_ports=frozenset({8000}))


def refusal(policy: Policy, url: str) -> str:
    """The code that `url` is refused with; empty: it is allowed."""
    try:
        policy.check_url(url)
    except EgressRefused as error:
        return error.code
    return ""


def policy_of(*found: str, **fields: object) -> Policy:
    """A policy whose every name has the addresses `found`."""

    async def resolver(host: str, port: int) -> list[object]:
        return [ip_address(each) for each in found]

    return Policy(**{"private": False, "resolver": resolver, **fields})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "host",
    [
        *(
            "127.0.0.1",
            "127.1",
            "2130706433",
            "0x7f000001",
            "0x7f.1",
            "017700000001",
            "0177.0.0.01",
        ),
        *("127.0.0.1.", "127。0。0。1", "１２７.0.0.1", "0X7F.0.0.0x1"),
    ],
)
def test_every_spelling_of_an_ipv4_address_is_read_as_browsers_do(host):
    assert parse_host(host) == ip_address("127.0.0.1")


@pytest.mark.parametrize(
    ("host", "name"),
    [
        *(("Example.COM", "example.com"), ("example.com.", "example.com")),
        *(("faß.de", "xn--fa-hia.de"), ("ⓛocalhost", "localhost"), ("a_b.example", "a_b.example")),
        *(("1.2.3.4.example", "1.2.3.4.example"), ("0x7g", "0x7g"), ("xn--mnchen-3ya.de",) * 2),
    ],
)
def test_names_come_back_in_ascii(host, name):
    assert parse_host(host) == name


@pytest.mark.parametrize(
    "host",
    [
        *("", ".", "a..b", "1.2.3.4.5", "256.1.1.1", "1.2.3.256", "4294967296", "09.1"),
        *("a b", "a%41", "a/b", "a@b", "[::1", "[fe80::1%eth0]", "[1.2.3.4]", "::1", "x" * 254),
    ],
)
def test_what_no_browser_accepts_is_no_host(host):
    with pytest.raises(BadHost):
        parse_host(host)


@pytest.mark.parametrize(
    ("address", "place"),
    [
        *(("93.184.216.34", Place.PUBLIC), ("2606:4700::1111", Place.PUBLIC)),
        *(
            ("10.1.2.3", Place.PRIVATE),
            ("172.31.255.255", Place.PRIVATE),
            ("172.32.0.1", Place.PUBLIC),
        ),
        *(
            ("192.168.0.1", Place.PRIVATE),
            ("100.64.0.1", Place.PRIVATE),
            ("100.128.0.1", Place.PUBLIC),
        ),
        *(("169.254.1.1", Place.PRIVATE), ("fe80::1", Place.PRIVATE), ("fe80::1%2", Place.PRIVATE)),
        *(("fd12::1", Place.PRIVATE), ("fec0::1", Place.PRIVATE), ("198.18.0.1", Place.PRIVATE)),
        *(("127.9.9.9", Place.LOOPBACK), ("::1", Place.LOOPBACK), ("0.0.0.0", Place.LOOPBACK)),
        *(
            ("::", Place.LOOPBACK),
            ("::ffff:127.0.0.1", Place.LOOPBACK),
            ("::7f00:1", Place.LOOPBACK),
        ),
        *(("64:ff9b::10.0.0.1", Place.PRIVATE), ("64:ff9b::5db8:d822", Place.PUBLIC)),
        *(("64:ff9b:1::5db8:d822", Place.PRIVATE), ("::ffff:0:10.0.0.1", Place.PRIVATE)),
        *(("2002:7f00:1::", Place.LOOPBACK), ("2002:5db8:d822::", Place.PUBLIC)),
        *(
            ("2001:0:5db8:d822:0:0:f5ff:fffe", Place.PRIVATE),
            ("2606::5efe:10.0.0.1", Place.PRIVATE),
        ),
        *(
            ("224.0.0.1", Place.UNUSABLE),
            ("255.255.255.255", Place.UNUSABLE),
            ("0.1.2.3", Place.UNUSABLE),
        ),
        *(
            ("ff02::1", Place.UNUSABLE),
            ("2001:db8::1", Place.UNUSABLE),
            ("240.0.0.1", Place.UNUSABLE),
        ),
        *(("169.254.169.254", Place.METADATA), ("::ffff:169.254.169.254", Place.METADATA)),
        *(("64:ff9b::a9fe:a9fe", Place.METADATA), ("2002:a9fe:a9fe::1", Place.METADATA)),
        *(("169.254.170.2", Place.METADATA), ("fd00:ec2::254", Place.METADATA)),
        *(("100.100.100.200", Place.METADATA), ("168.63.129.16", Place.METADATA)),
        *(("fd20:ce::254", Place.METADATA), ("fe80::a9fe:a9fe%3", Place.METADATA)),
    ],
)
def test_the_place_of_an_address(address, place):
    assert place_of(ip_address(address)) is place


def test_this_machine_is_known_by_all_its_addresses():
    for address in ("127.0.0.1", "127.5.5.5", "::1", "0.0.0.0", "::", "::ffff:127.0.0.1"):
        assert is_here(ip_address(address)), address
    assert not is_here(ip_address("192.0.2.1"))
    assert not is_here(ip_address("2001:db8::1"))


@pytest.mark.parametrize(
    ("url", "when_open", "when_closed"),
    [
        *(("http://example.com/", "", ""), ("https://example.com:8443/a?b=\\c#d", "", "")),
        *(
            ("http://10.0.0.1/", "", "private_refused"),
            ("http://[fe80::1]/", "", "private_refused"),
        ),
        *(
            ("http://localhost:3000/", "", "private_refused"),
            ("http://0.0.0.0:3000/", "", "private_refused"),
        ),
        *(
            ("http://a.LOCALHOST.:3000/", "", "private_refused"),
            ("http://nas.local/", "", "private_refused"),
        ),
        ("http://224.0.0.1/", "address_unusable", "address_unusable"),
        ("http://example.com:25/", "port_refused", "port_refused"),
    ],
)
def test_private_places_are_open_only_where_the_policy_says_so(url, when_open, when_closed):
    assert (refusal(OPEN, url), refusal(CLOSED, url)) == (when_open, when_closed)


@pytest.mark.parametrize(
    "url",
    [
        *(
            "http://169.254.169.254/",
            "http://[::ffff:a9fe:a9fe]/",
            "http://2852039166/",
            "http://0xa9fea9fe/",
        ),
        *(
            "http://metadata.google.internal/",
            "http://METADATA.google.internal./",
            "http://metadata/",
        ),
        *(
            "http://[fd00:ec2::254]/",
            "http://100.100.100.200/",
            "https://instance-data.ec2.internal/",
        ),
    ],
)
def test_metadata_is_closed_even_where_everything_is_allowed(url):
    everything = Policy(
        private=True,
        allow=tuple(map(Allowed.parse, ["0.0.0.0/0", "::/0", "metadata.google.internal"])),
    )
    assert refusal(everything, url) == "metadata_refused"


@pytest.mark.parametrize(
    "host",
    [
        *(
            "127.0.0.1",
            "localhost",
            "app.localhost",
            "[::1]",
            "0.0.0.0",
            "[::]",
            "127.8.8.8",
            "0x7f.1",
        ),
        *("[::ffff:127.0.0.1]", "[64:ff9b::7f00:1]", "[2002:7f00:1::]"),
    ],
)
def test_our_own_port_is_closed_under_every_name_of_this_machine(host):
    allowing = Policy(
        private=True, allow=(Allowed.parse("localhost:8000"),), own_ports=frozenset({8000})
    )
    assert refusal(allowing, f"http://{host}:8000/") == "own_port_refused"
    assert refusal(allowing, f"http://{host}:8001/") == ""


@pytest.mark.parametrize(
    ("url", "code"),
    [
        *(("file:///etc/passwd", "scheme_refused"), ("chrome://version", "scheme_refused")),
        *(("data:text/html,x", "scheme_refused"), ("javascript:alert(1)", "scheme_refused")),
        *(
            ("view-source:http://example.com", "scheme_refused"),
            ("ws://example.com", "scheme_refused"),
        ),
        *(("ftp://example.com", "scheme_refused"), ("blob:http://example.com/1", "scheme_refused")),
        *(
            ("example.com", "url_invalid"),
            ("http:example.com", "url_invalid"),
            ("http:///x", "url_invalid"),
        ),
        *(("", "url_invalid"), ("http://", "url_invalid"), ("http://exa mple.com", "url_invalid")),
        *(("http://example.com\n.evil.com", "url_invalid"), ("http://a:99999", "url_invalid")),
        *(
            ("http://169.254.169.254\\@example.com/", "url_invalid"),
            ("http:\\\\example.com", "url_invalid"),
        ),
        *(
            ("http://a:b:c/", "url_invalid"),
            ("http://a%2eb/", "host_invalid"),
            ("http://[x]/", "host_invalid"),
        ),
        *(
            ("http://ada:pw@example.com/", "credentials_in_url"),
            ("http://example.com@[::1]/", "credentials_in_url"),
        ),
    ],
)
def test_what_can_be_read_in_two_ways_or_is_not_web_is_refused(url, code):
    assert refusal(OPEN, url) == code


@pytest.mark.parametrize(
    ("entry", "url", "allowed"),
    [
        *(("10.0.0.0/8", "http://10.9.9.9/", True), ("10.0.0.0/8", "http://192.168.0.1/", False)),
        *(("10.0.0.1", "http://10.0.0.1:99/", True), ("10.0.0.1:81", "http://10.0.0.1:82/", False)),
        *(("[fd00::1]:81", "http://[fd00::1]:81/", True), ("fd00::1", "http://[fd00::1]/", True)),
        *(("nas.local", "http://nas.local/", True), ("*.local", "http://nas.local/", True)),
        *(("*.local", "http://local/", True), ("localhost:3000", "http://localhost:3000/", True)),
        *(
            ("localhost:3000", "http://localhost:3001/", False),
            ("localhost:3000", "http://127.0.0.1:3000/", False),
        ),
        ("127.0.0.0/8", "http://localhost/", True),
    ],
)
def test_allowed_entries_open_what_they_name_and_nothing_else(entry, url, allowed):
    policy = Policy(private=False, allow=(Allowed.parse(entry),))
    assert (refusal(policy, url) == "") is allowed


@pytest.mark.parametrize("entry", ["host:port", "10.0.0.0/99", "a b", "host:0", "http://x", "*"])
def test_an_unreadable_allowed_entry_is_named(entry):
    with pytest.raises(ValueError, match="EGRESS_ALLOW"):
        Allowed.parse(entry)


async def test_one_forbidden_address_behind_a_name_forbids_it():
    with pytest.raises(EgressRefused) as refused:
        await policy_of("93.184.216.34", "10.0.0.1").resolve_checked("example.com", 80)
    assert refused.value.code == "private_refused"
    assert "EGRESS_ALLOW" in refused.value.message
    assert "example.com:80" in refused.value.message


async def test_a_name_for_metadata_or_for_ourselves_is_refused_whatever_is_allowed():
    everything = {"private": True, "allow": (Allowed.parse("evil.example"),)}
    for found, code in (("169.254.169.254", "metadata_refused"), ("127.0.0.1", "own_port_refused")):
        policy = policy_of(found, own_ports=frozenset({8000}), **everything)
        with pytest.raises(EgressRefused) as refused:
            await policy.resolve_checked("evil.example", 8000)
        assert refused.value.code == code


async def test_an_allowed_name_may_have_private_addresses():
    policy = policy_of("10.0.0.1", allow=(Allowed.parse("intranet.example:80"),))
    assert await policy.resolve_checked("intranet.example", 80) == [ip_address("10.0.0.1")]
    with pytest.raises(EgressRefused):
        await policy.resolve_checked("intranet.example", 81)


async def test_localhost_is_never_asked_of_a_name_server():
    policy = policy_of("93.184.216.34", private=True)
    for name in ("localhost", "a.localhost", "LocalHost."):
        assert set(map(str, await policy.resolve_checked(name, 80))) == {"127.0.0.1", "::1"}
    one = policy_of(allow=(Allowed.parse("127.0.0.1/32"),))
    assert list(map(str, await one.resolve_checked("localhost", 80))) == ["127.0.0.1"]


async def test_a_name_without_an_address_is_not_found():
    with pytest.raises(NameNotFound):
        await policy_of().resolve_checked("example.com", 80)
    with pytest.raises(NameNotFound, match=r"nothing\.invalid"):
        await Policy(private=True).resolve_checked("nothing.invalid", 80)


def test_settings_make_the_policy(settings):
    settings.EGRESS_PRIVATE, settings.EGRESS_ALLOW = False, ["10.0.0.0/8", "nas.local"]
    settings.PORT, settings.PUBLIC_URL = 8123, "https://console.example.com"
    settings.DATABASE_URL, settings.REDIS_URL = (
        "postgresql://u:p@db.example/x",
        "redis://127.0.0.1:6400",
    )
    policy = Policy.from_settings(own_ports=[9555])
    assert policy.own_ports == {8123, 9555, 5432, 6400}
    assert refusal(policy, "http://10.0.0.1/") == refusal(policy, "http://nas.local/") == ""
    assert refusal(policy, "http://192.168.0.1/") == "private_refused"
    for own in (
        "https://console.example.com/",
        "http://db.example:5432/",
        "http://127.0.0.1:6400/",
    ):
        assert refusal(policy, own) == "own_port_refused"
    assert refusal(policy, "https://other.example.com/") == ""


@pytest.mark.parametrize(
    "authority", ["", ":80", "a:", "a:b", "a:70000", "[::1]x:80", "a:-1", "a:８０"]
)
def test_an_authority_without_host_or_port_is_refused(authority):
    with pytest.raises(EgressRefused):
        split_authority(authority, default_port=None)
