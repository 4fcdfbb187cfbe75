"""Those who keep something made from documents, and have to hear what becomes of these.

Apps above this one register here when they are loaded; this app knows none of them. They are
called within the transaction of the change, so that both commit or neither: they must be quick,
and leave work to jobs.
"""

from __future__ import annotations

from typing import Protocol

from documents.models import Document


class Follower(Protocol):
    def document_changed(self, document: Document) -> None:
        """What is said of it or was read from it is new; or it was restored."""

    def document_removed(self, document: Document) -> None:
        """Nobody may find it any more: it was deleted, it expired, or its bytes are going."""


_followers: list[Follower] = []


def follow(follower: Follower) -> None:
    """Tell `follower` from now on."""
    _followers.append(follower)


def changed(document: Document) -> None:
    for follower in _followers:
        follower.document_changed(document)


def removed(document: Document) -> None:
    for follower in _followers:
        follower.document_removed(document)
