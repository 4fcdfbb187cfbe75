"""How alike a header and a field are, by their words."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache

from rapidfuzz.distance import DamerauLevenshtein

from documents.extraction.definition import Field

# What clerks shorten, whatever the table is about.
_SHORT = {
    "no": "number",
    "nr": "number",
    "num": "number",
    "nbr": "number",
    "#": "number",
    "amt": "amount",
    "qty": "quantity",
    "inv": "invoice",
    "dt": "date",
    "desc": "description",
    "descr": "description",
    "ref": "reference",
    "acct": "account",
    "tel": "telephone",
    "ph": "phone",
    "addr": "address",
    "cust": "customer",
    "curr": "currency",
    "pymt": "payment",
    "pmt": "payment",
    "doc": "document",
    "disc": "discount",
}
# Texts whose likeness to all headers is remembered.
REMEMBERED = 20_000
# Words that change nothing about what a column holds.
_EMPTY_WORDS = frozenset(
    [
        "the",
        "of",
        "a",
        "an",
        "in",
        "de",
        "der",
        "des",
        "die",
        "das",
        "du",
        "la",
        "le",
        "les",
        "el",
        "del",
        "di",
        "da",
        "do",
        "for",
        "per",
        "in",
        "im",
        "eur",
        "usd",
        "gbp",
        "chf",
    ]
)
_PLACEHOLDER = re.compile(
    r"(?:unnamed(?: \d+)?(?: level \d+)?|(?:column|col|field|spalte|feld|colonne|columna|coluna|colonna|"
    r"header|kolom|столбец|f|c)(?: ?\d+)|column|spalte|header|untitled|none|null|nan|na|tbd|todo|x+|[a-z]|\d{1,3})"
)
_CAMEL = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")
_ASIDE = re.compile(r"\([^)]*\)|\[[^\]]*\]|\{[^}]*\}")
_SPECIAL = str.maketrans({"ß": "ss", "æ": "ae", "œ": "oe", "ø": "o", "ł": "l", "đ": "d", "ı": "i"})


@lru_cache(maxsize=16_384)
def normalised(text: str) -> str:
    """Words in lower case, without accents and punctuation, full-width and other digits made plain."""
    text = unicodedata.normalize("NFKC", text)
    text = _CAMEL.sub(" ", text)
    text = unicodedata.normalize("NFKD", text.casefold()).translate(_SPECIAL)
    kept = []
    for char in text:
        if unicodedata.combining(char):
            continue
        if char.isdecimal():
            kept.append(str(unicodedata.decimal(char)))
        elif char.isalnum():
            kept.append(char)
        elif char in "#№":
            kept.append(" # ")
        elif char == "%":
            kept.append(" percent ")
        else:
            kept.append(" ")
    words = "".join(kept).split()
    return " ".join(_SHORT.get(word, word) for word in words)


def variants(header: str) -> list[str]:
    """The header as it stands, and without what stands in brackets."""
    whole = normalised(header)
    bare = normalised(_ASIDE.sub(" ", header))
    return [whole] if not bare or bare == whole else [whole, bare]


def is_placeholder(header: str) -> bool:
    """Whether a header says nothing: empty, dashes, "Column 3", "Unnamed: 0"."""
    words = normalised(header)
    return not words or words == "number" or _PLACEHOLDER.fullmatch(words) is not None


def is_filler(part: str) -> bool:
    """Whether one of several stacked header cells adds nothing: dashes, "Unnamed: 0 level 1"."""
    words = normalised(part)
    return not words or words.startswith("unnamed")


@dataclass(frozen=True)
class _Words:
    """A header taken apart, once."""

    text: str
    words: tuple[str, ...]
    compact: str
    digits: tuple[str, ...]
    weight: float


class Vocabulary:
    """The words of all fields' headers, and how much each of them tells."""

    def __init__(self, fields: Iterable[Field]) -> None:
        self._weights: dict[str, float] = {}
        self._never: dict[str, set[str]] = {}
        self._best: dict[str, float] = {}
        self._near: dict[str, bool] = {}
        fields = list(fields)
        texts = {
            field.name: list(dict.fromkeys(filter(None, map(normalised, field.headers))))
            for field in fields
        }
        uses: Counter[str] = Counter()
        for known in texts.values():
            uses.update({word for text in known for word in _words(text)})
        for word, count in uses.items():
            # A word of many fields (number, date, name) tells them apart least.
            shared = min(1.0, (count - 1) / max(1, len(fields)))
            self._weights[word] = 0.6 + 0.4 * (1 - shared)
        self._headers = {
            name: [self._taken_apart(text) for text in known] for name, known in texts.items()
        }
        self._compacts = {each.compact for known in self._headers.values() for each in known}
        for field in fields:
            self._never[field.name] = {normalised(text) for text in field.not_headers}

    def score(self, header: str, field: Field) -> float:
        """0 to 1. From 0.8 on the header names the field; by less it shares words with it.

        -1: the configuration says that this header never means this field.
        """
        if normalised(header) in self._never[field.name]:
            return -1.0
        known = self._headers[field.name]
        return max(
            (
                self._alike(mine, each)
                for mine in map(self._taken_apart, variants(header))
                for each in known
            ),
            default=0.0,
        )

    def best(self, header: str) -> float:
        """How well the header names any field at all."""
        found = self._best.get(header)
        if found is None:
            found = 0.0
            if self._could_be(header):
                apart = [self._taken_apart(variant) for variant in variants(header)]
                found = max(
                    self._alike(mine, each)
                    for mine in apart
                    for known in self._headers.values()
                    for each in known
                )
            if len(self._best) >= REMEMBERED:
                self._best.clear()
            self._best[header] = found
        return found

    def _could_be(self, header: str) -> bool:
        """Whether any word is, or may be a misspelled, word of a header: most texts have none."""
        if len(header) > 120:
            return False
        text = normalised(header)
        words = text.split()
        if len(words) > 12:
            return False
        for word in (*words, text.replace(" ", "")):
            near = self._near.get(word)
            if near is None:
                near = word in self._weights or any(
                    _spelled(word, known) for known in (*self._weights, *self._compacts)
                )
                if len(self._near) >= REMEMBERED:
                    self._near.clear()
                self._near[word] = near
            if near:
                return True
        return False

    def _taken_apart(self, text: str) -> _Words:
        words = tuple(_words(text))
        return _Words(
            text=text,
            words=words,
            compact=text.replace(" ", ""),
            digits=tuple(word for word in words if word.isdigit()),
            weight=sum(self._weights.get(word, 1.0) for word in words),
        )

    def _alike(self, mine: _Words, known: _Words) -> float:
        if not mine.text:
            return 0.0
        if mine.text == known.text:
            return 1.0
        if mine.compact == known.compact:
            return 0.98
        score = self._shared(mine, known)
        if mine.digits != known.digits:
            return min(0.5, score)
        return max(score, _spelled(mine.compact, known.compact))

    def _shared(self, mine: _Words, known: _Words) -> float:
        """Weighted share of words in common; words spelled nearly alike count nearly whole."""
        left = list(mine.words)
        common = matched = 0.0
        for word in known.words:
            if word in left:
                best, alike = word, 1.0
            else:
                best, alike = "", 0.0
                for candidate in left:
                    near = _spelled(candidate, word)
                    if near > alike:
                        best, alike = candidate, near
            if alike >= 0.8:
                left.remove(best)
                common += self._weights.get(word, 1.0) * alike
                matched += self._weights.get(best, 1.0)
        if not common:
            return 0.0
        return 0.97 * common / (known.weight + mine.weight - matched)


def _words(text: str) -> list[str]:
    words = text.split()
    return [word for word in words if word not in _EMPTY_WORDS] or words


@lru_cache(maxsize=65_536)
def _spelled(one: str, other: str) -> float:
    """How surely one word is the other misspelled: by typing slips, fewer the shorter it is."""
    length = max(len(one), len(other))
    if one == other:
        return 1.0
    if length < 5 or length > 60 or abs(len(one) - len(other)) > 2:
        return 0.0
    allowed = 1 if length < 9 else 2
    slips = DamerauLevenshtein.distance(one, other, score_cutoff=allowed)
    if slips > allowed:
        return 0.0
    # A slip in the first letter is rare, and makes other words.
    if one[0] != other[0] and (slips > 1 or sorted(one) != sorted(other)):
        return 0.7 if slips == 1 and length > 6 else 0.0
    return 1 - slips * (0.08 if length > 6 else 0.12)
