"""The console's pages of sources, their documents and chunks."""

from ingestion.admin import documents, parts, sources

__all__ = ["documents", "parts", "sources"]
