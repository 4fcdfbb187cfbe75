"""Why a verb on documents refuses."""

from __future__ import annotations

from collections.abc import Mapping

from documents.media import ContentMismatch

__all__ = [
    "ContentMismatch",
    "DocumentGone",
    "DocumentNotDeleted",
    "EmptyFile",
    "InvalidFields",
    "TooLarge",
    "UploadIncomplete",
    "UploadOffset",
]


class EmptyFile(Exception):
    """The file has no bytes. Check that it was saved, and upload it again."""


class TooLarge(Exception):
    """The file is larger than this installation takes."""


class DocumentGone(Exception):
    """The document is deleted; restore it first."""


class DocumentNotDeleted(Exception):
    """The document is not deleted, so there is nothing to restore."""


class UploadIncomplete(Exception):
    """Not all of the declared bytes have arrived."""


class UploadOffset(Exception):
    """The bytes do not follow on what has arrived; `received` says where to go on."""

    def __init__(self, received: int) -> None:
        super().__init__(f"{received} bytes have arrived; go on from there.")
        self.received = received


class InvalidFields(Exception):
    """Some fields are not valid; `errors` maps each to its messages."""

    def __init__(self, errors: Mapping[str, list[str]]) -> None:
        super().__init__(str(dict(errors)))
        self.errors = errors
