"""Pages that say the same under several addresses: one of them is kept."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import blake2b
from typing import Generic, TypeVar

from documents.structure import Structure

# So many of a page's blocks, those with the smallest hashes, stand for it.
SKETCH = 24
ALIKE = 0.5
# A text shorter than this is the same on many pages that have nothing else in common.
LEAST_CHARS = 40

Sketch = frozenset[int]
T = TypeVar("T")


def sketch(structure: Structure) -> Sketch:
    """A small part of the text, chosen so that alike texts have alike parts (bottom-k MinHash)."""
    hashes = {
        int.from_bytes(blake2b(block.text.encode(), digest_size=8).digest(), "big")
        for block in structure.blocks
    }
    return frozenset(sorted(hashes)[:SKETCH])


def alike(one: Sketch, other: Sketch) -> bool:
    """Whether about half of what both say is the same."""
    smallest = set(sorted(one | other)[:SKETCH])
    return bool(smallest) and len(smallest & one & other) >= ALIKE * len(smallest)


@dataclass(frozen=True, kw_only=True)
class _Held(Generic[T]):
    page: T
    url: str
    canonical: str
    sketch: Sketch
    known: bool


class Pages(Generic[T]):
    """The texts of one crawl. `T` is what is held back while a page's canonical one is awaited."""

    def __init__(self) -> None:
        self._owners: dict[str, str] = {}
        self._sketches: dict[str, Sketch | None] = {}
        self._held: list[_Held[T]] = []

    def remember(self, url: str, digest: str) -> None:
        """A page that was kept before and has not changed."""
        self._sketches.setdefault(url, None)
        if digest:
            self._owners.setdefault(digest, url)

    def is_duplicate(self, url: str, digest: str, structure: Structure) -> bool:
        """Whether another page that is kept says exactly the same; if not, this one is kept."""
        if len(structure.text) >= LEAST_CHARS and self._owners.setdefault(digest, url) != url:
            return True
        self._sketches[url] = sketch(structure)
        return False

    def hold(self, page: T, *, url: str, canonical: str, structure: Structure, known: bool) -> None:
        """Wait for the page that this one names as the one to index."""
        self._held.append(
            _Held(page=page, url=url, canonical=canonical, sketch=sketch(structure), known=known)
        )

    def settled(self) -> Iterator[tuple[T, bool]]:
        """Each page that was held, and whether it stands for itself.

        It does where the other one is not there, or says something else: many sites name their
        front page on every page.
        """
        held, self._held = self._held, []
        for each in held:
            other = self._sketches.get(each.canonical)
            if each.canonical not in self._sketches:
                yield each.page, True
            elif other is None:
                yield each.page, each.known
            else:
                yield each.page, not alike(other, each.sketch)
