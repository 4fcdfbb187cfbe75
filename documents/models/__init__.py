"""Documents: files that people keep here, their versions, and what was read from them."""

from documents.models.comment import DocumentComment
from documents.models.document import (
    DerivedFile,
    Document,
    DocumentQuerySet,
    DocumentText,
    DocumentVersion,
    ReadState,
)
from documents.models.upload import Upload

__all__ = [
    "DerivedFile",
    "Document",
    "DocumentComment",
    "DocumentQuerySet",
    "DocumentText",
    "DocumentVersion",
    "ReadState",
    "Upload",
]
