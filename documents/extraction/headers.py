"""How alike a header and a field are, by their words."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Iterable
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


class Vocabulary:
    """The words of all fields' headers, and how much each of them tells."""

    def __init__(self, fields: Iterable[Field]) -> None:
        self._headers: dict[str, list[tuple[str, list[str]]]] = {}
        self._never: dict[str, set[str]] = {}
        counted: Counter[str] = Counter()
        fields = list(fields)
        for field in fields:
            known = [normalised(text) for text in field.headers]
            self._headers[field.name] = [
                (text, _words(text)) for text in dict.fromkeys(known) if text
            ]
            self._never[field.name] = {normalised(text) for text in field.not_headers}
            counted.update({word for text in known for word in _words(text)})
        self._fields = max(1, len(fields))
        self._counted = counted

    def score(self, header: str, field: Field) -> float:
        """0 to 1. From 0.8 on the header names the field; by less it shares words with it."""
        if normalised(header) in self._never[field.name]:
            return -1.0
        return max(
            (
                self._alike(variant, text, words)
                for variant in variants(header)
                for text, words in self._headers[field.name]
            ),
            default=0.0,
        )

    def best(self, header: str) -> float:
        """How well the header names any field at all."""
        return max(
            (
                self._alike(variant, text, words)
                for variant in variants(header)
                for known in self._headers.values()
                for text, words in known
            ),
            default=0.0,
        )

    def _alike(self, header: str, known: str, words: list[str]) -> float:
        if not header:
            return 0.0
        if header == known:
            return 1.0
        compact, other = header.replace(" ", ""), known.replace(" ", "")
        if compact == other:
            return 0.98
        mine = _words(header)
        if _digits(mine) != _digits(words):
            return min(0.5, self._shared(mine, words))
        score = self._shared(mine, words)
        spelled = _spelled(compact, other)
        return max(score, spelled)

    def _shared(self, mine: list[str], theirs: list[str]) -> float:
        """Weighted share of words in common; words spelled nearly alike count nearly whole."""
        if not mine or not theirs:
            return 0.0
        left = list(mine)
        common = total = 0.0
        for word in theirs:
            weight = self._weight(word)
            best, alike = None, 0.0
            for candidate in left:
                near = 1.0 if candidate == word else _spelled(candidate, word)
                if near > alike:
                    best, alike = candidate, near
            total += weight
            if best is not None and alike >= 0.8:
                left.remove(best)
                common += weight * alike
        total += sum(self._weight(word) for word in left)
        return 0.97 * common / total

    def _weight(self, word: str) -> float:
        # A word of many fields (number, date, name) tells them apart least.
        uses = self._counted.get(word, 0)
        return 1.0 if uses == 0 else 0.6 + 0.4 * (1 - min(1.0, (uses - 1) / self._fields))


def _words(text: str) -> list[str]:
    words = text.split()
    return [word for word in words if word not in _EMPTY_WORDS] or words


def _digits(words: list[str]) -> list[str]:
    return [word for word in words if word.isdigit()]


@lru_cache(maxsize=65_536)
def _spelled(one: str, other: str) -> float:
    """How surely one word is the other misspelled: by typing slips, fewer the shorter it is."""
    length = max(len(one), len(other))
    if one == other:
        return 1.0
    if length < 5 or abs(len(one) - len(other)) > 2:
        return 0.0
    allowed = 1 if length < 9 else 2
    slips = DamerauLevenshtein.distance(one, other, score_cutoff=allowed)
    if slips > allowed:
        return 0.0
    # A slip in the first letter is rare, and makes other words.
    if one[0] != other[0] and (slips > 1 or sorted(one) != sorted(other)):
        return 0.7 if slips == 1 and length > 6 else 0.0
    return 1 - slips * (0.08 if length > 6 else 0.12)
