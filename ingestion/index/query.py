"""A question as the index understands it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal
from uuid import UUID

from ingestion.index import analysis

MAX_CHARS = 2_000
MAX_TERMS = 64
MAX_PHRASES = 8
MAX_LIMIT = 50
MAX_OFFSET = 500
Mode = Literal["hybrid", "words", "meaning"]
# "…", “…”, „…“, «…»: an opening one without its end is no phrase.
_PHRASE = re.compile(r'"([^"]+)"|[“„]([^“”„]+)[“”]|«([^»]+)»')


class BadQuery(ValueError):
    """The question can not be asked so; `field` is what is wrong with it."""

    def __init__(self, field: str, message: str) -> None:
        super().__init__(message)
        self.field = field
        self.message = message


@dataclass(frozen=True, kw_only=True)
class Filters:
    """What chunks must be of; of several values in one, any. Times are of the change at the source."""

    sources: tuple[UUID, ...] = ()
    source_kinds: tuple[str, ...] = ()
    kinds: tuple[str, ...] = ()
    labels: tuple[str, ...] = ()
    documents: tuple[UUID, ...] = ()
    changed_from: datetime | None = None
    changed_until: datetime | None = None

    def any(self) -> bool:
        return self != Filters()


@dataclass(frozen=True, kw_only=True)
class Query:
    """`text`, or a chunk that others are to be `like`. `per_document`: passages of one at most."""

    text: str = ""
    like: int | None = None
    filters: Filters = field(default_factory=Filters)
    mode: Mode = "hybrid"
    limit: int = 10
    offset: int = 0
    per_document: int = 3

    def check(self) -> None:
        """:raises BadQuery: it is empty, too long, or asks for too much."""
        if self.like is None and not self.text.strip():
            raise BadQuery("query", "Say what to look for.")
        if len(self.text) > MAX_CHARS:
            raise BadQuery(
                "query",
                f"A question has at most {MAX_CHARS:,} characters; this one has "
                f"{len(self.text):,}. Ask for its most telling words.",
            )
        if not 1 <= self.limit <= MAX_LIMIT:
            raise BadQuery("limit", f"Between 1 and {MAX_LIMIT} results can be asked for at once.")
        if not 0 <= self.offset <= MAX_OFFSET:
            raise BadQuery(
                "offset", f"Results can be turned over up to the {MAX_OFFSET}th. Narrow the search."
            )
        if self.per_document < 1:
            raise BadQuery("perDocument", "At least one passage of a document must be allowed.")


@dataclass(frozen=True, kw_only=True)
class Words:
    """The terms of a question, and the phrases (as runs of terms) that results must have."""

    terms: tuple[str, ...]
    phrases: tuple[tuple[str, ...], ...] = ()

    @property
    def required(self) -> frozenset[str]:
        return frozenset(term for phrase in self.phrases for term in phrase)


def parse(text: str) -> Words:
    """Nothing in a text is an operator; only what stands in quotes must be found as it stands there."""
    phrases: list[tuple[str, ...]] = []
    for match in _PHRASE.finditer(text):
        run = run_of(next(part for part in match.groups() if part))
        if run and run not in phrases and len(phrases) < MAX_PHRASES:
            phrases.append(run)
    terms = tuple(dict.fromkeys(analysis.terms(text)))[:MAX_TERMS]
    return Words(terms=terms, phrases=tuple(phrases))


def run_of(text: str) -> tuple[str, ...]:
    """The words of `text` one after another, without compounds and pairs, as phrases compare them."""
    return tuple(word.term for word in analysis.words(text) if not word.compound)


def has_phrase(run: Sequence[str], phrase: Sequence[str]) -> bool:
    first, size = phrase[0], len(phrase)
    return any(
        term == first and tuple(run[at : at + size]) == tuple(phrase) for at, term in enumerate(run)
    )
