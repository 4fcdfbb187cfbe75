"""The words of all-MiniLM-L6-v2 and where they lie in a text.

The tokenizer lies beside this module (Apache-2.0, as the model), so that chunks are cut at the same
places whether or not a model is there: when one comes, no chunk changes.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from functools import cache
from pathlib import Path

from tokenizers import Encoding, Tokenizer

FILE = Path(__file__).with_name("tokenizer.json")
SHA256 = "be50c3628f2bf5bb5e3a7f17b1f74611b2561a3a27eeab05e5aa30f411572037"
# What the model reads of a text: its own [CLS] and [SEP] included, the rest is cut off.
MAX_TOKENS = 256
SPECIALS = 2


class TokenizerDamaged(Exception):
    """The tokenizer's file is not the published one."""


@cache
def tokenizer() -> Tokenizer:
    """:raises TokenizerDamaged: its file does not have the published SHA-256."""
    content = FILE.read_bytes()
    found = hashlib.sha256(content).hexdigest()
    if found != SHA256:
        raise TokenizerDamaged(
            f"{FILE.name} has the SHA-256 {found}, not {SHA256}: install Tapedeck again."
        )
    made = Tokenizer.from_str(content.decode())
    # The published file cuts at 128 and fills up to 128; both are for the caller to decide.
    made.no_truncation()
    made.no_padding()
    return made


def offsets(text: str) -> list[tuple[int, int]]:
    """Start and end, in characters of `text`, of each of its words or parts of words."""
    return tokenizer().encode(text, add_special_tokens=False).offsets


def count(text: str) -> int:
    """How many words and parts of words `text` has, without the two specials."""
    return len(tokenizer().encode(text, add_special_tokens=False).ids)


def encode(texts: Sequence[str]) -> list[Encoding]:
    """With specials, not cut."""
    return tokenizer().encode_batch(list(texts))
