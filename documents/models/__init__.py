"""Documents: files that people keep here, their versions, and what was read from them."""

from documents.models.comment import DocumentComment
from documents.models.configurations import (
    Configuration,
    ConfigurationVersion,
    VersionState,
)
from documents.models.document import (
    DerivedFile,
    Document,
    DocumentQuerySet,
    DocumentText,
    DocumentVersion,
    ReadState,
)
from documents.models.extraction import (
    Correction,
    ExtractedDocument,
    ExtractedTable,
    ExtractionRun,
)
from documents.models.upload import Upload

__all__ = [
    "Configuration",
    "ConfigurationVersion",
    "Correction",
    "DerivedFile",
    "Document",
    "DocumentComment",
    "DocumentQuerySet",
    "DocumentText",
    "DocumentVersion",
    "ExtractedDocument",
    "ExtractedTable",
    "ExtractionRun",
    "ReadState",
    "Upload",
    "VersionState",
]
