"""What a site forbids: robots.txt, and the same in pages and headers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple
from urllib.parse import urlsplit

from protego import Protego

from ingestion.http import Answer, Client, FetchFailed, Limits
from ingestion.http_errors import REFUSED

AGENT = "Tapedeck"
# RFC 9309: at least 500 KiB are to be read; what follows may be left.
MAX_BYTES = 512 * 1024
LIMITS = Limits(max_bytes=4 * MAX_BYTES, total_s=30, max_redirects=5)
LONGEST_DELAY_S = 60


class Forbids(NamedTuple):
    """What a page asks for itself."""

    noindex: bool
    nofollow: bool


def forbids(directives: str) -> Forbids:
    """What `noindex, nofollow` and the like say, whoever they are addressed to if it is us.

    `otherbot: noindex` is somebody else's.
    """
    words: set[str] = set()
    for part in directives.lower().split(","):
        agent, colon, rest = part.partition(":")
        if not colon or agent.strip() == AGENT.lower():
            words.update((rest if colon else part).split())
    return Forbids("noindex" in words or "none" in words, "nofollow" in words or "none" in words)


@dataclass(frozen=True, kw_only=True)
class Rules:
    """One host's robots.txt. `problem` says why there is none to go by, where that matters."""

    parsed: Protego | None = None
    allow_all: bool = True
    problem: str = ""

    def allows(self, url: str) -> bool:
        if self.parsed is None:
            return self.allow_all
        return bool(self.parsed.can_fetch(url, AGENT))

    @property
    def delay_s(self) -> float:
        """Seconds between two requests that the site asks for; at most a minute is heeded."""
        if self.parsed is None:
            return 0
        delay = float(self.parsed.crawl_delay(AGENT) or 0)
        rate = self.parsed.request_rate(AGENT)
        if rate is not None and rate.requests:
            delay = max(delay, rate.seconds / rate.requests)
        return min(max(delay, 0), LONGEST_DELAY_S)

    @property
    def sitemaps(self) -> list[str]:
        return list(self.parsed.sitemaps) if self.parsed is not None else []


OPEN = Rules()


async def fetch_rules(client: Client, url: str) -> Rules:
    """The rules of the host of `url`, as RFC 9309 has it.

    No robots.txt (any 4xx): all is allowed. A server that fails or can not be reached: nothing is.
    """
    parts = urlsplit(url)
    where = f"{parts.scheme}://{parts.netloc}/robots.txt"
    try:
        answer = await client.get(where, limits=LIMITS)
    except FetchFailed as error:
        if error.code in REFUSED:
            return OPEN  # and so will every page be
        if error.code in ("too_large", "unpacks_too_large"):
            return Rules(allow_all=False, problem=f"{where}: {error.message}")
        return Rules(allow_all=False, problem=f"{where} could not be fetched: {error.message}")
    return rules_of(answer, where)


def rules_of(answer: Answer, where: str) -> Rules:
    """What an answer for robots.txt means."""
    if answer.status >= 500 or answer.status == 429:
        return Rules(
            allow_all=False,
            problem=f"{where} answers HTTP {answer.status}; until it works, nothing may be fetched.",
        )
    if answer.status >= 300:
        return OPEN
    text = answer.body[:MAX_BYTES].decode("utf-8", "replace").lstrip("\ufeff")
    if answer.content_type == "text/html" or text.lstrip()[:1] == "<":
        return OPEN  # a page for whatever is not there
    return Rules(parsed=Protego.parse(text))
