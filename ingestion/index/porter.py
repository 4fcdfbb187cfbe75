"""English words without their endings: M. F. Porter, "An algorithm for suffix stripping", 1980.

With the two departures of its author's own later program (`bli` → `ble`, `logi` → `log`), as
SQLite's tokenizer has them too.
"""

from __future__ import annotations

import itertools

_STEP_2 = {
    "ational": "ate", "tional": "tion", "enci": "ence", "anci": "ance", "izer": "ize",
    "bli": "ble", "alli": "al", "entli": "ent", "eli": "e", "ousli": "ous", "ization": "ize",
    "ation": "ate", "ator": "ate", "alism": "al", "iveness": "ive", "fulness": "ful",
    "ousness": "ous", "aliti": "al", "iviti": "ive", "biliti": "ble", "logi": "log",
}  # fmt: skip
_STEP_3 = {
    "icate": "ic", "ative": "", "alize": "al", "iciti": "ic", "ical": "ic", "ful": "", "ness": "",
}  # fmt: skip
_STEP_4 = (
    "al", "ance", "ence", "er", "ic", "able", "ible", "ant", "ement", "ment", "ent", "ion", "ou",
    "ism", "ate", "iti", "ous", "ive", "ize",
)  # fmt: skip


def stem(word: str) -> str:
    """`word`, of lower-case ASCII letters, without its ending."""
    if len(word) <= 2:
        return word
    word = _step_1(word)
    word = _replaced(word, _STEP_2)
    word = _replaced(word, _STEP_3)
    word = _step_4(word)
    return _step_5(word)


def _consonant(word: str, at: int) -> bool:
    if word[at] == "y":
        return at == 0 or not _consonant(word, at - 1)
    return word[at] not in "aeiou"


def _measure(stem: str) -> int:
    """How often a vowel is followed by a consonant."""
    kinds = [_consonant(stem, at) for at in range(len(stem))]
    return sum(now and not before for before, now in itertools.pairwise(kinds))


def _has_vowel(stem: str) -> bool:
    return any(not _consonant(stem, at) for at in range(len(stem)))


def _double(word: str) -> bool:
    return len(word) > 1 and word[-1] == word[-2] and _consonant(word, len(word) - 1)


def _short(word: str) -> bool:
    """Whether it ends as `hop` does: consonant, vowel, consonant, the last not w, x or y."""
    end = len(word) - 1
    return (
        end >= 2
        and _consonant(word, end)
        and not _consonant(word, end - 1)
        and _consonant(word, end - 2)
        and word[end] not in "wxy"
    )


def _step_1(word: str) -> str:
    if word.endswith(("sses", "ies")):
        word = word[:-2]
    elif word.endswith("s") and not word.endswith("ss"):
        word = word[:-1]
    if word.endswith("eed"):
        if _measure(word[:-3]) > 0:
            word = word[:-1]
    else:
        for ending in ("ed", "ing"):
            if word.endswith(ending) and _has_vowel(word[: -len(ending)]):
                word = _mended(word[: -len(ending)])
                break
    if word.endswith("y") and _has_vowel(word[:-1]):
        word = word[:-1] + "i"
    return word


def _mended(word: str) -> str:
    if word.endswith(("at", "bl", "iz")):
        return word + "e"
    if _double(word) and word[-1] not in "lsz":
        return word[:-1]
    if _measure(word) == 1 and _short(word):
        return word + "e"
    return word


def _replaced(word: str, endings: dict[str, str]) -> str:
    # The longest ending decides, whether or not it may be replaced.
    for size in range(min(7, len(word) - 1), 1, -1):
        if (new := endings.get(word[-size:])) is not None:
            return word[:-size] + new if _measure(word[:-size]) > 0 else word
    return word


def _step_4(word: str) -> str:
    for ending in sorted(_STEP_4, key=len, reverse=True):
        if word.endswith(ending):
            stem = word[: -len(ending)]
            if _measure(stem) > 1 and (ending != "ion" or stem.endswith(("s", "t"))):
                return stem
            return word
    return word


def _step_5(word: str) -> str:
    if word.endswith("e"):
        stem = word[:-1]
        measure = _measure(stem)
        if measure > 1 or (measure == 1 and not _short(stem)):
            word = stem
    if _double(word) and word.endswith("l") and _measure(word) > 1:
        word = word[:-1]
    return word
